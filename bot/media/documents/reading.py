"""One way to read every document: choose the format's module, and stop at the bound of characters and of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from pathlib import PurePath

from bot.errors import Encrypted, ParleyError, Unsupported, Wordless
from bot.media.documents.draft import Draft
from bot.media.kinds import Kind, sniff
from bot.media.made import Document

_READERS = {
    "text": "plain",
    "html": "web",
    "pdf": "pdf",
    "docx": "word",
    "xlsx": "sheets",
    "pptx": "slides",
}
"""Each family's module, imported when it is needed: their libraries are large."""

_ENCRYPTED_OFFICE = "EncryptedPackage".encode("utf-16-le")  # [MS-OFFCRYPTO] 2.3.4.4: the stream's name
_TITLE = 200  # characters


def document(
    data: bytes,
    *,
    name: str,
    mime: str,
    characters: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Document:
    """What `data` says, at most `characters`, and what can be read within `seconds`.

    Raises `Encrypted`, `Unreadable`, `Unsupported`, `TooMuch`, `Wordless`.
    """
    kind = sniff(data, name=name, mime=mime)
    module = _READERS.get(kind.family)
    if module is None:
        raise _refusal(data, kind)
    draft: Draft = import_module(f"bot.media.documents.{module}").read(data)
    until = clock() + seconds
    text, cut = draft.filled(characters, lambda: clock() > until)
    if not text:
        raise Wordless(kind.label)
    title = " ".join(draft.title.split())[:_TITLE] or PurePath(name).name[:_TITLE]
    return Document(text, title, draft.pages, cut or draft.cut)


def _refusal(data: bytes, kind: Kind) -> ParleyError:
    if _ENCRYPTED_OFFICE in data:
        return Encrypted("an Office package")
    return Unsupported(kind=kind.label)
