"""Where lines come from: a person at a terminal, or a pipe or file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

LINE_LIMIT = 1_000_000
"""Bytes that are kept of one line: far more than a message may have, so that the core's refusal is heard."""


class Reading(Protocol):
    """A source of lines."""

    def lines(self) -> AsyncGenerator[str, None]:
        """One message after the other, until the source ends."""

    def interrupts(self, pressed: Callable[[], None]) -> AbstractContextManager[None]:
        """While this is open, between two lines, call `pressed` for each Ctrl-C."""


class Piped:
    """Lines from a pipe or a file. What is not UTF-8 is replaced."""

    def __init__(self, stdin: TextIO) -> None:
        self._file = stdin.fileno()

    async def lines(self) -> AsyncGenerator[str, None]:
        """Each line without its end."""
        rest = b""
        while chunk := await self._chunk():
            *whole, tail = chunk.split(b"\n")
            for line in whole:
                yield (rest + line).decode("utf-8", "replace")
                rest = b""
            rest = (rest + tail)[:LINE_LIMIT]
        if rest:
            yield rest.decode("utf-8", "replace")

    @contextmanager
    def interrupts(self, pressed: Callable[[], None]) -> Iterator[None]:
        """Nobody sits at a pipe: Ctrl-C is the process's own."""
        yield

    async def _chunk(self) -> bytes:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_reader(self._file, ready.set)
        except PermissionError:  # a file on a disk cannot be waited for: it is always ready
            return os.read(self._file, 65536)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._file)
        return os.read(self._file, 65536)
