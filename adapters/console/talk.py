"""One sitting at the terminal: read a line, hand it in, follow its answer to the end."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from adapters import _feed
from adapters._shelf import ATTACHMENTS, LIMIT, TOGETHER, Kept, Shelf, attachment
from adapters.console.answer import Answer
from adapters.console.paper import Ink, clean
from adapters.console.parse import attached, parse
from adapters.console.reading import Reading
from adapters.console.words import say
from bot.api import Accepted, Busy, Ignored, Incoming, Store, Submit, Unavailable

_PAUSE, _LONGEST_PAUSE = 0.5, 5.0  # seconds between attempts while the store is away
_T = TypeVar("_T")


class Talk:
    """`user` is the person, the chat and the account; `offering` shows what may be done after an answer.

    Only where it is shown, a person sits here, and may attach files: the lines of a pipe may be somebody else's.
    `failed` tells afterwards whether a message was refused, or answered with a fault.
    """

    def __init__(
        self,
        store: Store,
        submit: Submit,
        reading: Reading,
        out: Ink,
        err: Ink,
        *,
        user: str,
        language: str,
        media: Path,
        offering: bool,
        clock: Callable[[], float],
        ids: Callable[[], str],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store = store
        self._shelf = Shelf(store)
        self._submit = submit
        self._reading = reading
        self._out = out
        self._err = err
        self._user = user
        self._language = language
        self._media = media
        self._offering = offering
        self._clock = clock
        self._ids = ids
        self._sleep = sleep
        self._log = _feed.log_of(user)
        self._cursor = "0"
        self._options: list[str] = []
        self._attached: list[Kept] = []
        self.failed = False

    async def run(self) -> None:
        """Answer line after line until there are no more. Raises `BrokenPipeError` where nobody reads."""
        async with aclosing(self._reading.lines()) as lines:
            async for line in lines:
                paths = attached(line) if self._offering else None
                if paths is not None:
                    presses: asyncio.Queue[None] = asyncio.Queue()
                    await self._first(presses, self._attach(paths), presses.get())
                    continue
                message = self._message(line)
                if message is not None:
                    self._options, self._attached = [], []
                    await self._exchange(message)

    def _message(self, line: str) -> Incoming | None:
        """What was typed, or the option whose number was typed."""
        text = line.strip()
        number = int(text) if text.isdecimal() and len(text) < 4 else 0
        chosen = self._options[number - 1] if 0 < number <= len(self._options) else None
        return parse(
            line if chosen is None else chosen,
            id=self._ids(),
            user=self._user,
            language=self._language,
            sent_at=self._clock(),
            chosen=chosen is not None,
            attachments=[attachment(self._user, kept) for kept in self._attached],
        )

    async def _attach(self, paths: Sequence[str]) -> None:
        """Keep files for the next message, and say so, or why not."""
        if not paths:
            await self._tell("attach_what")
        for path in paths:
            await self._attach_one(Path(path))

    async def _attach_one(self, path: Path) -> None:
        try:
            data = await asyncio.to_thread(_bytes_of, path)
        except (OSError, ValueError):  # not there, not ours to read; a name that no file can have
            await self._tell("attach_unread", path=str(path))
            return
        together = sum(kept.size for kept in self._attached) + len(data)
        if not data:
            await self._tell("attach_empty", path=str(path))
        elif len(data) > LIMIT:
            await self._tell("attach_large", path=str(path), limit=LIMIT >> 20)
        elif len(self._attached) >= ATTACHMENTS or together > TOGETHER:
            await self._tell("attach_many", path=str(path), count=ATTACHMENTS, limit=TOGETHER >> 20)
        else:
            mime = mimetypes.guess_type(path.name)[0] or ""
            keep = partial(self._shelf.keep, self._user, data, mime=mime, name=path.name)
            self._attached.append(await self._patiently(keep))
            await self._out.write(
                self._out.dress(clean(say(self._language, "attached", path=path.name)), "faint") + "\n"
            )

    async def _tell(self, key: str, **values: str | int) -> None:
        """Say what is wrong with what was typed."""
        await self._err.write(self._err.dress(clean(say(self._language, key, **values)), "error") + "\n")

    async def _exchange(self, message: Incoming) -> None:
        """Until the answer's end, or until the person has asked twice to stop it."""
        presses: asyncio.Queue[None] = asyncio.Queue()
        await self._first(presses, self._answer(message), self._stop(presses))

    async def _first(self, presses: asyncio.Queue[None], *ways: Coroutine[Any, Any, None]) -> None:
        """Until one of the ways is at its end; meanwhile each Ctrl-C is put into `presses`."""
        tasks = [asyncio.create_task(way) for way in ways]
        with self._reading.interrupts(lambda: presses.put_nowait(None)):
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            await self._out.wipe()
        for task in done:
            task.result()

    async def _answer(self, message: Incoming) -> None:
        if self._cursor == "0":
            self._cursor = await self._patiently(self._newest)
        outcome = await self._patiently(lambda: self._submit(message))
        if isinstance(outcome, Busy):
            self.failed = True
            await self._err.write(self._err.dress(outcome.text, "error") + "\n")
            return
        if isinstance(outcome, Ignored):
            return
        if isinstance(outcome, Accepted) and outcome.behind:
            await self._out.passing(say(self._language, "waiting"))
        answer = Answer(
            self._out,
            self._err,
            language=self._language,
            media=self._media,
            fetch=lambda id: self._shelf.data(self._user, id),
            offering=self._offering,
        )
        await self._patiently(lambda: self._follow(message.id, answer))
        self._options = answer.options
        self.failed = self.failed or answer.failed

    async def _follow(self, message: str, answer: Answer) -> None:
        log = self._store.follow(self._log, after=self._cursor)
        try:
            async for entry in log:
                value = _feed.parse(entry)
                ended = value is not None and value["message"] == message and await answer.take(value)
                self._cursor = entry.id
                if ended:
                    return
        finally:
            if isinstance(log, AsyncGenerator):
                await log.aclose()

    async def _newest(self) -> str:
        """The end of the log: what was said before this sitting is not shown again."""
        held = await _feed.entries(self._store, self._log)
        return held[-1].id if held else "0"

    async def _stop(self, presses: asyncio.Queue[None]) -> None:
        """The first Ctrl-C asks the core to stop the answer; with the second we no longer wait for that."""
        await presses.get()
        await self._out.passing(say(self._language, "stopping"))
        message = parse(
            "/stop", id=self._ids(), user=self._user, language=self._language, sent_at=self._clock()
        )
        if message is not None:
            await self._patiently(lambda: self._submit(message))
        await presses.get()

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """The result of `call`, however long the store is away."""
        pause = 0.0
        while True:
            try:
                return await call()
            except Unavailable:
                if not pause:
                    await self._err.write(self._err.dress(say(self._language, "away"), "error") + "\n")
            pause = min(max(2 * pause, _PAUSE), _LONGEST_PAUSE)
            await self._sleep(pause)


def _bytes_of(path: Path) -> bytes:
    """What is in a file, but no more than tells that it is too large. Raises `OSError`, `ValueError`."""
    if not path.is_file():  # a pipe or a device might never end
        raise FileNotFoundError(str(path))
    with path.open("rb") as file:
        return file.read(LIMIT + 1)
