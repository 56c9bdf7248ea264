"""Server-sent events from bytes, tolerant of everything that servers and proxies do to them.

The rules are those of the HTML standard, section 9.2.6, with these allowances: the last event counts without
its blank line, a field `error:` (llama.cpp's builds of 2025) is an event of its own, and UTF-8 is decoded
whatever the headers say. Lines end at CR, LF and CRLF alone, so U+2028 inside of JSON is safe.
"""

from __future__ import annotations

from dataclasses import dataclass

EVENT_LIMIT = 64 * 1024 * 1024
"""Bytes of one event; an image in base64 is several megabytes on one line."""

_BOM = b"\xef\xbb\xbf"


class EventTooLong(Exception):
    """One event is longer than the limit."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its `event:` field (`error` for an `error:` field) and its data."""

    name: str
    data: str


class Decoder:
    """Turns a stream of bytes, cut anywhere, into events. Time is linear in the bytes."""

    def __init__(self, limit: int = EVENT_LIMIT) -> None:
        self._limit = limit
        self._line = bytearray()  # the line that has begun
        self._after_cr = False
        self._first = True
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Raises `EventTooLong`."""
        found: list[Event] = []
        # A CR ends its line at once; an LF that comes with the next bytes still belongs to it.
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
            lines = chunk.splitlines()  # of bytes: at CR, LF and CRLF alone
            rest = b"" if chunk.endswith((b"\n", b"\r")) else lines.pop()
            if lines and self._line:
                lines[0] = bytes(self._line + lines[0])
                self._line.clear()
            for line in lines:
                self._end_line(line, found)
            self._line += rest
        if len(self._line) + self._size > self._limit:
            raise EventTooLong(f"an event of more than {self._limit} bytes")
        return found

    def close(self) -> list[Event]:
        """What is left when the stream has ended."""
        found: list[Event] = []
        self._end_line(bytes(self._line), found)
        self._line.clear()
        self._dispatch(found)
        return found

    def _end_line(self, line: bytes, found: list[Event]) -> None:
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        if not line:
            self._dispatch(found)
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"error":
            found.append(Event("error", value.decode("utf-8", "replace")))

    def _dispatch(self, found: list[Event]) -> None:
        if self._data:
            found.append(Event(self._name, b"\n".join(self._data).decode("utf-8", "replace")))
        self._name, self._data, self._size = "", [], 0
