"""Word files: headings, paragraphs, lists and tables in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator

import docx
from docx.document import Document as Word
from docx.table import Table
from docx.text.paragraph import Paragraph

from bot.errors import Unreadable
from bot.media.documents.draft import Draft, table
from bot.media.documents.package import FAULTS, checked

_HEADING = re.compile(r"(?:Heading|heading) (\d)")


def read(data: bytes) -> Draft:
    """The document's words. Raises `TooMuch`, `Encrypted`, `Unreadable`."""
    package = checked(data, "DOCX")
    try:
        word = docx.Document(package)
        return Draft(_blocks(word), word.core_properties.title or "")
    except FAULTS as error:
        raise Unreadable(f"{type(error).__name__}: {error}", kind="DOCX") from error


def _blocks(word: Word) -> Iterator[str]:
    try:
        for block in word.iter_inner_content():
            yield _paragraph(block) if isinstance(block, Paragraph) else _table(block)
    except FAULTS as error:
        raise Unreadable(f"{type(error).__name__}: {error}", kind="DOCX") from error


def _paragraph(paragraph: Paragraph) -> str:
    style = (paragraph.style and paragraph.style.name) or ""
    text = paragraph.text.strip()
    heading = _HEADING.match(style)
    if heading and text:
        return f"{'#' * int(heading[1])} {text}"
    return f"- {text}" if style.startswith("List") and text else text


def _table(found: Table) -> str:
    # Merged cells come once for each place that they cover.
    return table([[cell.text for cell in row.cells] for row in found.rows])
