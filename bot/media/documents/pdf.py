"""PDF files, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from bot.errors import Encrypted, Unreadable
from bot.media.documents.draft import Draft

_PAGES = 500
_FAULTS = (
    PyPdfError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What the library raises for files that break its expectations; its issues know them all."""


def read(data: bytes) -> Draft:
    """The words of each page. Raises `Encrypted`, `Unreadable`."""
    try:
        reader = PdfReader(BytesIO(data), strict=False)
        # Many are protected against changes only, and open with the empty password.
        if reader.is_encrypted and not reader.decrypt(""):
            raise Encrypted("a PDF")
        count = len(reader.pages)
        title = (reader.metadata and reader.metadata.title) or ""
    except _FAULTS as error:
        raise Unreadable(f"{type(error).__name__}: {error}", kind="PDF") from error
    return Draft(_pages(reader, min(count, _PAGES)), str(title), count, cut=count > _PAGES)


def _pages(reader: PdfReader, count: int) -> Iterator[str]:
    for number in range(count):
        try:
            yield reader.pages[number].extract_text().strip()
        except _FAULTS:
            yield ""  # one broken page does not hide the others
