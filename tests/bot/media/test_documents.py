"""Documents are read into text: what they say comes out in order and bounded, and traps in them do not close."""

from __future__ import annotations

import io
import zipfile

import pytest

from bot.errors import Encrypted, TooMuch, Unreadable, Unsupported, Wordless
from bot.media.documents.draft import Draft
from bot.media.documents.reading import document
from bot.media.workshop import Workshop
from tests.bot.media.papers import pdf, repacked, sheet, show, word
from tests.bot.media.recordings import recorded, tone

CHINESE = "今天天气很好，我们去公园散步吧。明天可能下雨，请带伞。"
TRADITIONAL = "今天天氣很好，我們去公園散步吧。明天可能下雨，請帶傘。"
RUSSIAN = "Сегодня хорошая погода, пойдём гулять в парк. Завтра может пойти дождь."
GERMAN = "Heute ist schönes Wetter; wir gehen über die Straße in den Park. Morgen könnte es regnen, für alle Fälle."

# --- what they say -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (CHINESE, "utf-8"),
        (CHINESE, "utf-8-sig"),
        (CHINESE, "utf-16"),
        (CHINESE, "gb18030"),
        ("你好，世界", "gb18030"),
        (TRADITIONAL, "big5"),
        (RUSSIAN, "cp1251"),
        (GERMAN, "cp1252"),
        ("a,b\r\n1,2\r\n", "ascii"),
    ],
)
async def test_text_is_read_in_the_character_set_that_it_has(
    workshop: Workshop, text: str, charset: str
) -> None:
    found = await workshop.document(text.encode(charset), name="notes.txt")
    assert found.text == text.replace("\r\n", "\n").strip()
    assert (found.title, found.pages, found.cut) == ("notes.txt", 1, False)


async def test_code_keeps_its_indentation(workshop: Workshop) -> None:
    code = "def f():\n    return 1\n\n\nclass C:\n    x = '''\t'''"
    assert (await workshop.document(code.encode(), name="a.py")).text == code


async def test_a_pdf_is_read_page_by_page(workshop: Workshop) -> None:
    found = await workshop.document(pdf("First page", "Second page", title="Report"), name="r.pdf")
    assert found.text == "First page\n\nSecond page"
    assert (found.title, found.pages, found.cut) == ("Report", 2, False)


async def test_a_pdf_that_only_its_owner_may_change_is_read(workshop: Workshop) -> None:
    assert (await workshop.document(pdf("Open", owner="boss"))).text == "Open"


async def test_a_word_file_is_read_in_its_order(workshop: Workshop) -> None:
    found = await workshop.document(word(), name="plan.docx")
    assert found.title == "Plan for the garden"
    assert found.text.split("\n\n") == [
        "# Spring",
        "Sow the beans.",
        "- peas",
        "| Bed | Plant |\n| --- | --- |\n| 1 | Leek\\|s |",
        "The end.",
    ]


async def test_an_excel_file_is_read_as_tables(workshop: Workshop) -> None:
    found = await workshop.document(sheet(), name="costs.xlsx")
    assert (found.title, found.pages) == ("Costs", 2)
    assert found.text == (
        "## Summary\n\n| Item | Price | Day |\n| --- | --- | --- |\n| Spade | 12.5 | 2026-03-01 |\n| Rake | 9 |\n"
        "\n## Details\n\n| line 0 | 0 |\n| --- | --- |"
    )


async def test_a_powerpoint_file_is_read_with_its_tables_and_notes(workshop: Workshop) -> None:
    found = await workshop.document(show(), name="bees.pptx")
    assert (found.title, found.pages) == ("Bees", 2)
    assert found.text == (
        "## Slide 1\n\nWhat bees do\n\nThey dance.\n\nNotes: Show the film.\n\n"
        "## Slide 2\n\n| Hive | Honey |\n| --- | --- |"
    )


async def test_a_web_page_is_read_without_its_scripts(workshop: Workshop) -> None:
    page = """<!doctype html><html><head><title>Tea</title><style>p{}</style></head><body><nav>Menu</nav>
    <h1>Green tea</h1><p>Pour <b>hot</b> water.</p><script>alert('x')</script>
    <table><tr><th>Kind</th></tr><tr><td>Sencha</td></tr></table></body></html>"""
    found = await workshop.document(page.encode(), name="tea.html", mime="text/html")
    assert found.title == "Tea"
    assert "# Green tea" in found.text
    assert "Pour **hot** water." in found.text
    assert "| Sencha |" in found.text
    assert not any(word in found.text for word in ("alert", "Menu", "p{}"))


# --- bounded -------------------------------------------------------------------------------------------------


async def test_what_is_longer_than_the_bound_is_cut_and_says_so(workshop: Workshop) -> None:
    for data in (b"word " * 50_000, pdf(*("Page " + "x" * 900 for _ in range(100))), sheet(rows=9000)):
        found = await workshop.document(data)
        assert 50_000 < len(found.text) <= 60_000
        assert found.cut


async def test_rows_beyond_those_that_are_looked_at_are_cut(workshop: Workshop) -> None:
    found = await workshop.document(sheet(rows=21_000), characters=10_000_000)
    assert "| line 19999 |" in found.text
    assert "| line 20000 |" not in found.text
    assert found.cut


def test_when_the_time_is_up_what_was_read_is_handed_out() -> None:
    times = iter(range(100))
    data = pdf("one", "two", "three", "four")
    found = document(data, name="", mime="", characters=100, seconds=2.5, clock=lambda: float(next(times)))
    assert (found.text, found.cut, found.pages) == ("one\n\ntwo", True, 4)


def test_no_more_is_read_than_is_wanted() -> None:
    def endless():
        while True:
            yield "word"

    assert Draft(endless()).filled(20, lambda: False) == ("word\n\nword\n\nword\n\nwo", True)


# --- refused -------------------------------------------------------------------------------------------------


async def test_what_a_password_protects_is_refused_with_that_reason(workshop: Workshop) -> None:
    office = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + "EncryptedPackage".encode("utf-16-le")
    for data in (pdf("Secret", password="sesame"), office):
        with pytest.raises(Encrypted):
            await workshop.document(data)


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), "old.xls", "XLS"),
        (b"Rar!\x1a\x07\x01\0", "", "RAR"),
        (b"PK\x05\x06" + bytes(18), "book.epub", "EPUB"),
        (b"\0\1\2\3", "thing.bin", "BIN"),
        (b"\0\1\2\3", "", "?"),
        (b"\x89PNG\r\n\x1a\n", "a.txt", "PNG"),
    ],
)
async def test_a_kind_that_we_do_not_read_is_named(
    workshop: Workshop, data: bytes, name: str, kind: str
) -> None:
    with pytest.raises(Unsupported) as refused:
        await workshop.document(data, name=name)
    assert refused.value.values == {"kind": kind}


async def test_a_recording_is_no_document(workshop: Workshop) -> None:
    with pytest.raises(Unsupported):
        await workshop.document(recorded(tone(1), "mp3"), name="song.txt")


async def test_a_document_without_words_is_refused_as_such(workshop: Workshop) -> None:
    for data in (pdf(" "), b"\n\n\n", b"<html><body><img src=x></body></html>"):
        with pytest.raises(Wordless):
            await workshop.document(data)


@pytest.mark.parametrize(("make", "kind"), [(pdf, "PDF"), (word, "DOCX"), (sheet, "XLSX"), (show, "PPTX")])
async def test_half_a_document_is_refused_or_read_as_far_as_it_goes(
    workshop: Workshop, make: object, kind: str
) -> None:
    assert callable(make)
    data = make()
    with pytest.raises((Unreadable, Wordless, Unsupported)) as refused:
        await workshop.document(data[: len(data) // 2], name=f"a.{kind.lower()}")
    assert refused.value.values.get("kind", kind) == kind


@pytest.mark.parametrize(
    ("make", "part"), [(word, "word__document"), (sheet, "xl__workbook"), (show, "ppt__presentation")]
)
async def test_xml_entities_are_refused(workshop: Workshop, make: object, part: str) -> None:
    assert callable(make)
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9))
    declared = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><x>&a8;</x>'
    for bomb in (declared.encode(), declared.replace('"1.0"', '"1.0" encoding="UTF-16"', 1).encode("utf-16")):
        with pytest.raises(Unreadable):
            await workshop.document(repacked(make(), **{part: bomb}))


@pytest.mark.parametrize(
    ("make", "part"), [(word, "word__document"), (sheet, "xl__workbook"), (show, "ppt__presentation")]
)
async def test_a_zip_bomb_is_refused_before_it_is_read(workshop: Workshop, make: object, part: str) -> None:
    assert callable(make)
    with pytest.raises(TooMuch):
        await workshop.document(repacked(make(), **{part: b"<x>" + b"a" * 60_000_000 + b"</x>"}))
    with pytest.raises(TooMuch):
        await workshop.document(repacked(make(), media__picture=bytes(120_000_000)))


async def test_a_zip_that_lies_about_its_size_is_refused(workshop: Workshop) -> None:
    data = repacked(word(), word__document=b"<x>" + b"a" * 50_000_000 + b"</x>")
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        true = package.getinfo("word/document.xml").file_size.to_bytes(4, "little")
    with pytest.raises(Unreadable):
        await workshop.document(data.replace(true, (1000).to_bytes(4, "little")))


@pytest.mark.parametrize("depth", [200, 5000])
async def test_a_page_nested_without_reason_is_read_all_the_same(workshop: Workshop, depth: int) -> None:
    page = (
        b"<html><body><p>before</p>"
        + b"<div>" * depth
        + b"deep"
        + b"</div>" * depth
        + b"<p>after</p></body></html>"
    )
    found = await workshop.document(page)
    assert found.text.split() == ["before", "deep", "after"]
