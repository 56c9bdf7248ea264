"""From nothing to ready, and what the bot weighs when it rests."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter

from tests.bench.rig import MB, Figure, memory, program
from tests.process import Bot, bot

READY = 2.0
"""Seconds that a start on an empty directory may take."""

IDLE = 90.0
"""MB that the bot may weigh before it has answered anything, without its Valkey."""

IMPORTS = "import asyncio, pydantic, redis.asyncio, starlette, uvicorn, aiohttp, httpx"
_WAITING = "import sys; sys.stdout.write('here\\n'); sys.stdout.flush(); sys.stdin.read()"


async def start(folder: Path) -> float:
    """Seconds until a bot without any settings is ready, on an empty directory."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else runs here
    began = perf_counter()
    async with bot(folder):
        return perf_counter() - began


async def imports(folder: Path) -> tuple[float, float]:
    """(seconds, bytes) of a Python that only imports the libraries."""
    began = perf_counter()
    async with program(folder, "-c", f"{IMPORTS}; {_WAITING}") as process:
        assert process.stdout is not None
        await process.stdout.readline()
        return perf_counter() - began, await memory(process.pid)


async def measure(folder: Path, times: int = 5) -> list[Figure]:
    """The median start. The floor takes turns with it, so that both see the same machine."""
    starts, floors = [], []
    await start(folder / "warm")  # the first one may have to compile
    for number in range(times):
        floors.append((await imports(folder))[0])
        starts.append(await start(folder / str(number)))
    return [Figure("start to ready", median(starts), "s", median(floors), READY)]


async def weight(name: str, running: Bot, least: float, promise: float | None = None) -> Figure:
    """What the bot's own process weighs now; `least` is what its libraries weigh, in bytes."""
    assert running.process is not None
    return Figure(name, await memory(running.process.pid) / MB, "MB", least / MB, promise)
