"""Takes long base64 out of JSON as it comes in, so that reading a picture of megabytes holds nobody up.

`json.loads` of two pictures of 12 MB keeps the loop for 60 ms and more, in a thread too, because it has the
interpreter's lock throughout; and memory for so much in one piece takes as long to get.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import Any

LARGE = 64 * 1024
"""Characters of a string from which on it is taken out."""

_HEAD = re.compile(rb"(?:data:[\w.+/;=-]{0,100},)?(?=(?:[A-Za-z0-9+/]|\\[/nr]){64})")
_ESCAPES = ((b"\\/", b"/"), (b"\\n", b""), (b"\\r", b""))


class Sieve:
    """JSON, alone or in server-sent events, with marks in the place of long strings of base64.

    `limit` is the most that may be taken out and not be put back yet, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inside = False  # of a string
        self._text = bytearray()  # what there is of it
        self._pieces: list[bytes] | None = None  # the same where it is long, and base64
        self._carry = b""  # characters that are no whole group yet
        self._size = 0
        self._found: dict[str, bytes] = {}
        self._count = 0

    def feed(self, piece: bytes) -> bytes:
        """What is left of the next piece. Raises `ValueError` where base64 is none, or too long."""
        left = bytearray()
        at = 0
        while at < len(piece):
            if self._inside:
                at = self._read(piece, at, left)
                continue
            quote = piece.find(b'"', at)
            self._inside = quote >= 0
            left += piece[at : quote + 1] if self._inside else piece[at:]
            at = quote + 1 if self._inside else len(piece)
        return bytes(left)

    def close(self) -> bytes:
        """What is left at the end."""
        return bytes(self._text)

    def loads(self, document: str) -> Any:
        """A document's value, with bytes in the place of its marks. Raises `ValueError`, `RecursionError`."""
        return json.loads(document, object_hook=self._put_back if self._found else None)

    def _put_back(self, members: dict[str, Any]) -> dict[str, Any]:
        for name, value in members.items():
            if isinstance(value, str) and value in self._found:
                members[name] = self._found.pop(value)
                self._size -= len(members[name])
        return members

    def _read(self, piece: bytes, at: int, left: bytearray) -> int:
        """Read on in a string; the place behind what was read."""
        quote = piece.find(b'"', at)
        line = piece.find(b"\n", at, quote if quote >= 0 else len(piece))
        end = line if line >= 0 else quote
        self._take(piece[at : end if end >= 0 else len(piece)])
        if end < 0:
            return len(piece)
        if line < 0 and self._escaped():
            self._take(b'"')
        else:  # a string of JSON has no line break: this was something else
            left += self._taken() + piece[end : end + 1]
            self._inside = False
        return end + 1

    def _escaped(self) -> bool:
        tail = bytes(self._text[-64:])
        return (len(tail) - len(tail.rstrip(b"\\"))) % 2 == 1

    def _take(self, text: bytes) -> None:
        if self._pieces is None:
            self._text += text
            head = _HEAD.match(self._text) if len(self._text) > LARGE else None
            if head is None:
                self._bound(len(self._text))
                return
            self._pieces, text = [], bytes(self._text[head.end() :])
            self._text.clear()
        text = self._carry + text
        if b"\\" in text:
            for escape, plain in _ESCAPES:
                text = text.replace(escape, plain)
        whole = 0 if text.endswith(b"\\") else len(text) // 4 * 4
        data = binascii.a2b_base64(text[:whole], strict_mode=True)
        self._pieces.append(data)
        self._carry = text[whole:]
        self._size += len(data)
        self._bound(self._size)

    def _taken(self) -> bytes:
        """What stands for the string that has ended."""
        if self._pieces is None:
            text = bytes(self._text)
            self._text.clear()
            return text
        if self._carry:
            raise ValueError("base64 without an end")
        self._count += 1
        mark = f"\0{self._count}"  # which no server writes
        self._found[mark] = b"".join(self._pieces)
        self._pieces = None
        return json.dumps(mark)[1:-1].encode()

    def _bound(self, size: int) -> None:
        if size > self._limit:
            raise ValueError(f"more than {self._limit} bytes")
