"""Reads a body of the type multipart/form-data (RFC 7578) that is in memory already."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import Message

from bot.demo.wire import ApiError

_PARTS = 64


@dataclass(frozen=True, slots=True)
class File:
    """A file in a form: its name, and its bytes."""

    name: str
    data: bytes = field(repr=False)


def form(content_type: str, raw: bytes) -> tuple[dict[str, str], dict[str, list[File]]]:
    """The texts and the files of a form; `image[]` counts as `image`. Raises `ApiError` where it is none."""
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str) or not boundary:
        raise ApiError(400, "This endpoint takes multipart/form-data.")
    pieces = (b"\r\n" + raw).split(b"\r\n--" + boundary.encode())
    if len(pieces) < 2 or not pieces[-1].startswith(b"--") or len(pieces) > _PARTS:
        raise ApiError(400, "The form of the request is not complete.")
    texts: dict[str, str] = {}
    files: dict[str, list[File]] = {}
    for piece in pieces[1:-1]:
        head, found, data = piece.partition(b"\r\n\r\n")
        name, filename = _names(head.decode("utf-8", "replace"))
        if not found or not name:
            raise ApiError(400, "A part of the form has no name.")
        if filename is None:
            texts[name] = data.decode("utf-8", "replace")
        else:
            files.setdefault(name, []).append(File(filename, data))
    return texts, files


def _names(head: str) -> tuple[str, str | None]:
    """(the field's name, the file's name or None) in the head of a part."""
    line = next((line for line in head.splitlines() if line.lower().startswith("content-disposition:")), "")
    found = dict(re.findall(r';\s*(\w+)="([^"]*)"', line))
    return found.get("name", "").removesuffix("[]"), found.get("filename")
