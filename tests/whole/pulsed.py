"""`parley run` that writes down whenever its event loop was busy for long: `python -m tests.whole.pulsed FILE`.

Each line is when that was, in seconds of the system's monotonic clock, and for how long, in seconds of the processor:
the clock on the wall would count the machine's other work, too.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import uvloop

from bot import settings
from bot.app import App, Duties, configure_logs

LONG = 0.005  # seconds that are worth a line


def gaps(path: Path, since: float) -> list[float]:
    """For how long the loop was busy at a time, since a moment of the monotonic clock."""
    lines = (line.split() for line in path.read_text().splitlines())
    return [float(busy) for at, busy in lines if float(at) >= since]


async def _tick(path: Path) -> None:
    with path.open("w", buffering=1) as lines:
        lines.write(f"{time.monotonic()} 0\n")
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            if (busy := time.thread_time() - before) > LONG:
                lines.write(f"{time.monotonic()} {busy}\n")


async def _run(path: Path) -> int:
    environment = settings.environment()
    configure_logs(environment)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ticking = asyncio.create_task(_tick(path))
    try:
        return await App(environment, Duties(), lambda line: None).run(stop)
    finally:
        ticking.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_run(Path(sys.argv[1]))))
