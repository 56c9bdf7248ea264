"""One process of the workshop, as its parent sees it: started without our secrets, asked, and ended."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import bot

_CHUNK = 256 * 1024  # bytes that are written before the loop has a turn
_LINE = 4 * 1024 * 1024
_MOST_MADE = 96 * 1024 * 1024  # bytes of an answer; more means that the process is not to be believed
_COMMAND = (sys.executable, "-B", "-m", "bot.media.bench")
_KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

Head = dict[str, Any]
"""The line of an answer: what was made, or why not."""


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work: its name in `bench.TASKS`, its input, the function's parameters, and the input's kind."""

    name: str
    blobs: Sequence[bytes]
    options: Mapping[str, Any]
    label: str


class Process:
    """Does one task at a time."""

    def __init__(self, process: subprocess.Process) -> None:
        self._process = process
        self._in = cast(asyncio.StreamWriter, process.stdin)
        self._out = cast(asyncio.StreamReader, process.stdout)
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls) -> Self:
        """Raises `OSError`."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return cls(
            await asyncio.create_subprocess_exec(
                *_COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                limit=_LINE,
                env=kept | {"PYTHONPATH": str(Path(bot.__file__).parent.parent)},
                start_new_session=True,  # Ctrl+C is for the bot, which ends this process when its work is done
            )
        )

    @property
    def pid(self) -> int:
        """The system's number of the process."""
        return self._process.pid

    async def ask(self, task: Task, memory: int, seconds: float) -> tuple[Head, list[bytes]]:
        """Have the task done with `memory` bytes. Raises `OSError`, `EOFError`, `ValueError` where it fails us."""
        head = {
            "name": task.name,
            "options": task.options,
            "sizes": [len(blob) for blob in task.blobs],
            "memory": memory,
            "seconds": seconds,
        }
        self._in.write(json.dumps(head).encode() + b"\n")
        for blob in task.blobs:
            for start in range(0, len(blob), _CHUNK):
                self._in.write(blob[start : start + _CHUNK])
                await self._in.drain()
        await self._in.drain()
        line = await self._out.readline()
        if not line:
            raise EOFError("it ended without an answer")
        answer: Head = json.loads(line)
        sizes: list[int | None] = answer["sizes"]
        if sum(size or 0 for size in sizes) > _MOST_MADE:
            raise ValueError("an absurd answer")
        return answer, [
            task.blobs[0] if size is None else await self._out.readexactly(size) for size in sizes
        ]

    def wait(self, seconds: float, expired: Callable[[Self], None]) -> None:
        """Call `expired` unless there is work again within `seconds`."""
        self._timer = asyncio.get_running_loop().call_later(seconds, expired, self)

    def rest(self) -> None:
        """Stop the clock of `wait`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def end(self) -> None:
        """Kill it, and return when it is gone."""
        self.rest()
        if self._process.returncode is None:
            self._process.kill()
        self._in.close()
        await self._process.communicate()
