"""Writing on what cannot be erased: a stream that is safe for a terminal, and one message's answer on it."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Literal, TextIO

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CODES = {"faint": "2", "notice": "33", "error": "31"}
Look = Literal["faint", "notice", "error"]


def clean(text: str) -> str:
    """`text` without control characters (ECMA-48, 5.2 to 5.5): an answer must not steer the terminal."""
    return _CONTROLS.sub("", text)


class Ink:
    """A text stream; `styled` where it is a terminal that shows colours and lets the last line be wiped.

    Writing raises `BrokenPipeError` where nobody reads any more.
    """

    def __init__(self, stream: TextIO, *, styled: bool = False) -> None:
        self._stream = stream
        self._styled = styled
        self._passing = ""
        self._fresh = True  # nothing that lasts stands in the last line
        self._turn = asyncio.Lock()
        self.used = False

    async def write(self, text: str) -> None:
        """Write `text` and see it out."""
        async with self._turn:
            await self._write(text)

    async def passing(self, text: str) -> None:
        """Show `text` until the next writing, where a line of its own can be wiped again: elsewhere nothing."""
        async with self._turn:
            if self._styled and self._fresh and text != self._passing:
                await self._write(self.dress(text, "faint"))
                self._passing, self._fresh = text, True

    async def wipe(self) -> None:
        """Take away what is shown in passing."""
        async with self._turn:
            if self._passing:
                await self._write("")

    def dress(self, text: str, look: Look) -> str:
        """`text` in a colour, where there are colours."""
        return f"\x1b[{_CODES[look]}m{text}\x1b[0m" if self._styled and text else text

    def abandon(self) -> None:
        """Nobody reads any more: let the interpreter's last flush go nowhere.

        The way of https://docs.python.org/3/library/signal.html#note-on-sigpipe.
        """
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    async def _write(self, text: str) -> None:
        wipe = "\r\x1b[2K" if self._passing else ""
        self._passing = ""
        self._fresh = text.endswith("\n") if text else self._fresh
        self.used = True
        encoding = self._stream.encoding or "utf-8"
        printable = text.encode(encoding, "replace").decode(encoding)
        await asyncio.to_thread(self._put, wipe + printable)  # a pager may keep us waiting for hours

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Paper:
    """What one message has on a stream so far.

    Another attempt at the message says everything again. As far as its words are those that stand there,
    nothing is written; where they part, the new answer follows whole under `again`. So a finished answer that
    is delivered a second time shows once. More cannot be had on paper.
    """

    def __init__(self, ink: Ink, *, again: str = "", between: str = "") -> None:
        self._ink = ink
        self._again = again
        self._between = between if ink.used else ""
        self._shown = ""

    async def show(self, answer: str) -> None:
        """Let `answer`, the whole of it so far, stand there."""
        if self._shown.startswith(answer):
            return
        if answer.startswith(self._shown):
            await self._ink.write(("" if self._shown else self._between) + answer[len(self._shown) :])
        else:
            line = self._ink.dress(self._again, "faint")
            await self._ink.write(
                ("" if self._shown.endswith("\n") else "\n") + f"{line}\n" * bool(line) + answer
            )
        self._shown = answer
