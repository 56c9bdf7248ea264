"""What something is, is told by its bytes; a name or a type that says otherwise changes nothing."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.media.kinds import Kind, sniff, suffix
from tests.bot.media.papers import pdf, sheet, show, word
from tests.bot.media.recordings import FORMATS, SPEEX, bare_speex, recorded, tone

SOUNDS = {
    **{
        form: ("audio", form)
        for form in ("opus", "vorbis", "mp3", "m4a", "aac", "wav", "flac", "webm", "amr", "aiff")
    },
    **{form: ("video", form) for form in ("mp4", "mov", "mkv")},
    "wma": ("video", "wmv"),
    "silk": ("audio", "silk"),
    "tencent": ("audio", "silk"),
}
PICTURES = ("png", "jpeg", "gif", "webp", "bmp", "tiff", "avif")
LIES = st.sampled_from(["", "a.png", "b.pdf", "c.docx", "d.mp3", "e.html", "f", ".", "ü.žip"])
TYPES = st.sampled_from(["", "image/png", "video/mp4", "text/plain", "nonsense"])


def drawn(form: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(file, form)
    return file.getvalue()


@pytest.mark.parametrize("form", SOUNDS)
def test_every_format_of_sound_and_film_is_known(form: str) -> None:
    assert set(FORMATS) <= set(SOUNDS)
    kind = sniff(recorded(tone(1), form), name="holiday.png", mime="image/png")
    assert (kind.family, kind.form) == SOUNDS[form]


@pytest.mark.parametrize("form", PICTURES)
def test_every_format_of_pictures_is_known(form: str) -> None:
    assert sniff(drawn(form), name="song.mp3", mime="audio/mpeg") == Kind("image", form, f"image/{form}")


@pytest.mark.parametrize(
    ("brands", "form"),
    [
        (b"heic\0\0\0\0mif1heic", "heic"),
        (b"mif1\0\0\0\0mif1heicmiaf", "heic"),
        (b"msf1\0\0\0\0hevcmsf1", "heic"),
        (b"mif1\0\0\0\0mif1avifmiaf", "avif"),
        (b"avis\0\0\0\0avifavismsf1", "avif"),
    ],
)
def test_a_picture_in_a_film_s_container_is_known_by_all_its_brands(brands: bytes, form: str) -> None:
    data = (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + bytes(40)
    assert sniff(data, mime="video/mp4") == Kind("image", form, f"image/{form}")


@pytest.mark.parametrize(("make", "family"), [(pdf, "pdf"), (word, "docx"), (sheet, "xlsx"), (show, "pptx")])
def test_every_document_is_known(make: object, family: str) -> None:
    assert callable(make)
    kind = sniff(make(), name="letter.txt", mime="text/plain")
    assert (kind.family, kind.label) == (family, family.upper())


def test_a_picture_that_is_a_web_page_is_a_web_page() -> None:
    for page in (
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"\xef\xbb\xbf\r\n<HTML>",
        b"<?xml version='1.0'?>\n<!-- a page -->\n<html xmlns='x'>",
    ):
        assert sniff(page, name="cat.png", mime="image/png").family == "html"


def test_sound_within_a_film_s_container_goes_by_the_declared_type_where_the_bytes_are_mute() -> None:
    clip = recorded(tone(1), "mp4")
    assert sniff(clip).family == "video"
    assert sniff(clip, mime="audio/mp4") == Kind("audio", "m4a", "audio/mp4")


def test_bare_speex_is_known_by_what_was_said_of_it_alone() -> None:
    assert sniff(SPEEX.read_bytes()).form == "speex"
    assert sniff(bare_speex(), mime="audio/x-speex-with-header-byte;rate=16000").form == "speex"
    assert sniff(bare_speex()).family == "unknown"


def test_a_zip_that_is_no_document_is_named_after_its_ending() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("mimetype", "application/epub+zip")
    assert sniff(file.getvalue(), name="Novel.EPUB") == Kind("zip", "epub", "application/zip")
    assert sniff(file.getvalue()).label == "ZIP"


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b"Rar!\x1a\x07\x01\x00", "rar"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z"),
        (b"\x1f\x8b\x08\x00", "gz"),
        (b"\x7fELF\x02\x01", "elf"),
        (b"{\\rtf1\\ansi hello}", "rtf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "doc"),
        (b"\0\1\2\3" * 50, "xyz"),
    ],
)
def test_what_we_cannot_read_still_has_a_name(data: bytes, form: str) -> None:
    assert sniff(data, name="thing.xyz" if form == "xyz" else "") == Kind("unknown", form)


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "big5", "shift_jis"])
def test_text_is_text_in_every_character_set(charset: str) -> None:
    assert sniff("天気は良い。\n今日\n".encode(charset, "ignore") * 9, name="日記.md").family == "text"


def test_nothing_is_nothing() -> None:
    assert sniff(b"") == Kind("unknown", "")
    assert sniff(b"").label == "?"


@given(st.binary(max_size=300), LIES, TYPES)
def test_whatever_comes_is_told_without_a_fault(data: bytes, name: str, mime: str) -> None:
    assert sniff(data, name=name, mime=mime).label


@given(st.sampled_from(PICTURES), LIES, TYPES)
def test_no_name_and_no_type_hides_a_picture(form: str, name: str, mime: str) -> None:
    assert sniff(drawn(form), name=name, mime=mime) == sniff(drawn(form))


@given(st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1))
def test_what_somebody_wrote_is_text_or_markup(text: str) -> None:
    plain = "So: " + text  # what begins with a signature may be taken for what it signs
    assert sniff(plain.encode()).family == "text"


@given(st.text())
def test_an_ending_is_plain(name: str) -> None:
    assert suffix(name) == "" or suffix(name).isascii()
