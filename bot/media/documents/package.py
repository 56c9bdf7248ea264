"""The zip that an Office document is: refused as a bomb or with XML entities before anything reads it."""

from __future__ import annotations

import zlib
from io import BytesIO
from struct import error as StructError
from zipfile import BadZipFile, ZipFile

from lxml.etree import LxmlError  # type: ignore[import-untyped]

from bot.errors import Encrypted, TooMuch, Unreadable

_UNPACKED = 96 * 1024 * 1024  # bytes of all its parts
_XML = 32 * 1024 * 1024  # bytes of its XML, which takes a multiple of that once it is read
_PARTS = 5_000
_CHUNK = 1 << 20
_DECLARATIONS = tuple(
    word.encode(charset)
    for word in ("<!DOCTYPE", "<!ENTITY")
    for charset in ("ascii", "utf-16-le", "utf-16-be")
)

FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BadZipFile,
    LookupError,
    LxmlError,
    NotImplementedError,
    OSError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What the libraries raise for packages that break their expectations."""


def checked(data: bytes, kind: str) -> BytesIO:
    """`data` to read from, once it is known to be harmless.

    Raises `TooMuch`, `Encrypted`, `Unreadable` (`kind` is its value).
    """
    try:
        with ZipFile(BytesIO(data)) as package:
            _check(package)
    except (BadZipFile, StructError, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}", kind=kind) from error
    return BytesIO(data)


def _check(package: ZipFile) -> None:
    parts = package.infolist()
    xml = [part for part in parts if part.filename.lower().endswith((".xml", ".rels", ".vml"))]
    if len(parts) > _PARTS or sum(part.file_size for part in parts) > _UNPACKED:
        raise TooMuch("it unpacks to more than we allow")
    if sum(part.file_size for part in xml) > _XML:
        raise TooMuch("it has more XML than we allow")
    if any(part.flag_bits & 1 for part in parts):
        raise Encrypted("a zip")
    for part in xml:
        before = b""
        with package.open(part) as stream:
            while chunk := stream.read(_CHUNK):
                # An Office document has no document type (ECMA-376-2, 8.1.4), so that one means an attack.
                if any(word in before + chunk for word in _DECLARATIONS):
                    raise ValueError("a document type in an Office document")
                before = chunk[-32:]
