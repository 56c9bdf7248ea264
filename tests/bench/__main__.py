"""`make bench`: measures, prints a table, and ends with 1 where a promise is broken."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

import uvloop

from tests.bench import first_word, load, start, telegram
from tests.bench.rig import Figure
from tests.process import Bot, bot
from tests.simulators.endpoint import KEY, endpoint_simulator

_HEAD = f"{'':<28}{'measured':>10}  {'':<10}{'floor':>10}{'ratio':>8}{'promise':>10}"


def line(figure: Figure) -> str:
    """A figure as a line of the table."""
    floor = "" if figure.floor is None else f"{figure.floor:.2f}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    promise = "" if figure.promise is None else f"≤ {figure.promise:g}"
    verdict = "  BROKEN" if figure.broken else ""
    return f"{figure.name:<28}{figure.value:>10.2f}  {figure.unit:<10}{floor:>10}{ratio:>8}{promise:>10}{verdict}"


def told(figures: Iterable[Figure]) -> list[Figure]:
    """Print figures, and give them on."""
    found = list(figures)
    for figure in found:
        sys.stdout.write(f"{line(figure)}\n")
    sys.stdout.flush()
    return found


def towards(base_url: str) -> dict[str, str]:
    """The settings of a bot that uses the endpoint at `base_url`."""
    return {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": KEY,
        "CHAT_MODEL": "small",
        "RATE_LIMIT": "100000/min",  # asked, and never reached
        "LOG_LEVEL": "warning",
    }


async def alone(folder: Path) -> list[Figure]:
    """What one person notices: the start, the first word; and the memory, before and after."""
    (folder / "quiet").mkdir()
    figures = told(await start.measure(folder))
    _, libraries = await start.imports(folder)
    async with (
        endpoint_simulator() as endpoint,
        bot(folder / "quiet", **towards(endpoint.base_url)) as running,
    ):
        figures += told([await start.weight("memory, idle", running, libraries, start.IDLE)])
        figures += told(await first_word.measure(running.url, endpoint))
        figures += told([await start.weight("memory, 100 answers", running, libraries)])
    return figures


async def crowded(folder: Path) -> list[Figure]:
    """What a crowd costs."""
    (folder / "crowd").mkdir()
    async with load.speaker(folder) as url, bot(folder / "crowd", **towards(url)) as running:
        figures = told(await load.sent(running))
        figures += told(await load.blocks(running))
        figures += told(await load.throughput(running, url))
        figures += told([await _weight(running, folder)])
    return figures


async def _weight(running: Bot, folder: Path) -> Figure:
    _, libraries = await start.imports(folder)
    return await start.weight("memory, after the crowd", running, libraries)


def status(figures: Iterable[Figure]) -> int:
    """The exit status; names the promises that are broken."""
    broken = [figure.name for figure in figures if figure.broken]
    if broken:
        sys.stdout.write(f"Broken promises: {', '.join(broken)}\n")
    return 1 if broken else 0


async def run() -> int:
    """Everything; the exit status."""
    began, load_average = perf_counter(), os.getloadavg()[0]
    sys.stdout.write(f"{_HEAD}\n")
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        folder = Path(name)
        figures = [*await alone(folder), *await crowded(folder)]
        figures += told(await telegram.measure(folder / "telegram"))
    sys.stdout.write(
        f"\n{os.cpu_count()} cores, Python {sys.version.split()[0]}, "
        f"load {load_average:.1f} at the start, {perf_counter() - began:.0f} s\n"
    )
    return status(figures)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(run()))
