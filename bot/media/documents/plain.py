"""Text files, Markdown, code and tables in CSV, in whatever character set they are written."""

from __future__ import annotations

import codecs

from charset_normalizer import from_bytes

from bot.errors import Unreadable
from bot.media.documents.draft import Draft

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MOST = 2_000_000  # bytes: far beyond what is kept of a text
_SAMPLE = 100_000  # bytes in which a character set shows
_SHORT = 200  # bytes in which it does not


def read(data: bytes) -> Draft:
    """The text as it is. Raises `Unreadable`."""
    return Draft([decoded(data[:_MOST])], cut=len(data) > _MOST)


def decoded(data: bytes) -> str:
    """`data` as text: by its mark, as UTF-8, or in the likeliest character set. Raises `Unreadable`."""
    for mark, charset in _MARKS.items():
        if data.startswith(mark):
            return data.decode(charset, errors="replace")
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data)  # it may end within a character
    except UnicodeDecodeError:
        return data.decode(_charset(data), errors="replace")


def _charset(data: bytes) -> str:
    strange = [byte for byte in data[:_SAMPLE] if byte > 0x7F]
    if len(strange) <= _SHORT:
        # Too little to tell Chinese from Korean by its statistics; whoever sends GB 2312 sends it in full.
        try:
            data.decode("gb2312")
        except UnicodeDecodeError:
            return _guessed(data)
        return "gb2312"
    return _guessed(data)


def _guessed(data: bytes) -> str:
    best = from_bytes(data[:_SAMPLE]).best()
    if best is None:
        raise Unreadable("no known character set", kind="TXT")
    return best.encoding
