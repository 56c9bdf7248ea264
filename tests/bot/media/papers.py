"""Documents as people make them, written by the libraries that offices use."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime

import docx
import openpyxl
import pptx
from pptx.util import Inches
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject


def pdf(*pages: str, password: str = "", owner: str = "", title: str = "") -> bytes:
    """A PDF with a line of text on each page."""
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for words in pages or ("Hello",):
        page = writer.add_blank_page(300, 300)
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({words}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
    if title:
        writer.add_metadata({"/Title": title})
    if password or owner:
        writer.encrypt(password, owner or None, algorithm="AES-256")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def word() -> bytes:
    """A Word file with a heading, a paragraph, a list and a table."""
    paper = docx.Document()
    paper.core_properties.title = "Plan for the garden"
    paper.add_heading("Spring", level=1)
    paper.add_paragraph("Sow the beans.")
    paper.add_paragraph("peas", style="List Bullet")
    table = paper.add_table(2, 2)
    for place, words in zip(
        (c for row in table.rows for c in row.cells), ("Bed", "Plant", "1", "Leek|s"), strict=True
    ):
        place.text = words
    paper.add_paragraph("The end.")
    return _saved(paper)


def sheet(rows: int = 1) -> bytes:
    """An Excel file with two sheets; the second has `rows` rows."""
    book = openpyxl.Workbook()
    book.properties.title = "Costs"
    first = book.worksheets[0]
    first.title = "Summary"
    first.append(["Item", "Price", "Day"])
    first.append(["Spade", 12.5, datetime(2026, 3, 1)])
    first.append([None, None, None])
    first.append(["Rake", 9.0, None])
    second = book.create_sheet("Details")
    for number in range(rows):
        second.append([f"line {number}", number])
    return _saved(book)


def show() -> bytes:
    """A PowerPoint file with words, a table and notes."""
    deck = pptx.Presentation()
    deck.core_properties.title = "Bees"
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "What bees do"
    slide.placeholders[1].text = "They dance."
    slide.notes_slide.notes_text_frame.text = "Show the film."
    second = deck.slides.add_slide(deck.slide_layouts[6])
    table = second.shapes.add_table(1, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    table.cell(0, 0).text, table.cell(0, 1).text = "Hive", "Honey"
    return _saved(deck)


def repacked(data: bytes, **parts: bytes) -> bytes:
    """An Office document with some of its parts replaced; `word__document` stands for `word/document.xml`."""
    changed = {name.replace("__", "/") + ".xml": content for name, content in parts.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in dict.fromkeys([*old.namelist(), *changed]):
            new.writestr(name, changed[name] if name in changed else old.read(name))
    return file.getvalue()


def _saved(paper: object) -> bytes:
    file = io.BytesIO()
    paper.save(file)  # type: ignore[attr-defined]
    return file.getvalue()
