"""A few processes that do what must not be done in the bot's own: started when needed, ended when idle or overdue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from bot.errors import Indigestible, TooMuch, Unreadable
from bot.media.process import Head, Process, Task

_log = structlog.get_logger(__name__)

_MEGABYTE = 1024 * 1024
_SMALL = 256 * 1024  # bytes of an input that cannot be in want of memory
_REFUSALS = {error.__name__: error for error in Indigestible.__subclasses__()}


@dataclass(frozen=True, slots=True)
class Bounds:
    """`seconds` for one task; `idle` seconds after which a process ends; memory in bytes.

    A task begins with `share`; where that is not enough it is done again alone, with the whole `room`. So `room`
    and what the libraries themselves take bound the memory of all processes together.
    """

    seconds: float = 30
    idle: float = 60
    share: int = 104 * _MEGABYTE
    room: int = 208 * _MEGABYTE


Made = list[tuple[dict[str, Any], bytes]]
"""What a task made: the fields of each result, and its bytes."""


class Pool:
    """Does tasks, in order of their coming, as many at a time as their memory allows."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._idle: list[Process] = []
        self._busy: set[Process] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._free = bounds.room
        self._freed = asyncio.Event()
        self._turn = asyncio.Lock()

    async def do(self, task: Task) -> Made:
        """What the task makes. Raises its refusal; `TooMuch` where it needs more than there is, or after `close`."""
        for memory in (self._bounds.share, self._bounds.room):
            async with self._memory(memory):
                made = await self._attempt(task, memory)
            if made is not None:
                return made
        raise TooMuch(f"{task.name}: not enough memory, or its process died twice")

    async def close(self) -> None:
        """End all processes, with whatever they do."""
        self._closed = True
        for process in (*self._idle, *self._busy):
            self._end(process)
        await asyncio.gather(*self._ending)

    @asynccontextmanager
    async def _memory(self, amount: int) -> AsyncIterator[None]:
        async with self._turn:  # whoever needs much is not overtaken by many who need little
            while self._free < amount:
                self._freed.clear()
                await self._freed.wait()
            self._free -= amount
        if amount == self._bounds.room:
            for process in tuple(self._idle):
                self._end(process)
        try:
            yield
        finally:
            self._free += amount
            self._freed.set()

    async def _attempt(self, task: Task, memory: int) -> Made | None:
        """What was made, or None where more memory may help."""
        if self._closed:
            raise TooMuch("the workshop is closed")
        process = self._idle.pop() if self._idle else await Process.start()
        self._busy.add(process)
        process.rest()
        try:
            async with asyncio.timeout(self._bounds.seconds):
                head, blobs = await process.ask(task, memory, self._bounds.seconds)
        except TimeoutError:
            self._end(process)
            raise TooMuch(f"{task.name}: not done in {self._bounds.seconds:g} s") from None
        except (OSError, EOFError, ValueError, LookupError, TypeError) as error:
            self._end(process)
            _log.warning("media.process_died", task=task.name, fault=type(error).__name__)
            return None
        except BaseException:
            self._end(process)
            raise
        return self._judged(task, process, head, blobs, last=memory == self._bounds.room)

    def _judged(
        self, task: Task, process: Process, head: Head, blobs: list[bytes], *, last: bool
    ) -> Made | None:
        if "outgrown" in head or "broken" in head:
            self._end(process)
            if last and "broken" in head:
                _log.warning("media.task_broken", task=task.name, fault=head["broken"])
                raise Unreadable(head["broken"], kind=task.label)
            return None
        self._busy.discard(process)
        self._idle.append(process)
        process.wait(self._bounds.idle, self._end)
        if "refused" not in head:
            return list(zip(head["made"], blobs, strict=True))
        refusal = _REFUSALS.get(head["refused"], Unreadable)
        # Some libraries call it a broken file when they have no memory for it.
        if refusal is Unreadable and not last and sum(map(len, task.blobs)) > _SMALL:
            return None
        raise refusal(head["detail"], **head["values"])

    def _end(self, process: Process) -> None:
        self._busy.discard(process)
        if process in self._idle:
            self._idle.remove(process)
        task = asyncio.create_task(process.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
