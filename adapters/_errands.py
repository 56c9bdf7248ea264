"""What is to be told to a platform beside the work: answered presses, short notices, greetings, titles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bot.api import Gone, Unavailable

_log = structlog.get_logger(__name__)


class Errands:
    """Small calls that nobody waits for and that are not made twice. A failure is a line in the log of `platform`.

    `fault` is what the platform's client raises beside the contract's own faults.
    """

    def __init__(self, platform: str, fault: type[Exception], *, limit: int = 500) -> None:
        self._platform = platform
        self._fault = fault
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, what: str, errand: Callable[[], Awaitable[object]]) -> None:
        """Begin an errand; `what` names it in the log. Where too many are under way, it is left out."""
        if len(self._tasks) >= self._limit:
            _log.warning(f"{self._platform}.errand_left_out", what=what)
            return
        task = asyncio.create_task(self._run(what, errand))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self, patience: float = 2.0) -> None:
        """Wait for all that are under way, for at most `patience` seconds; the rest is given up."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, what: str, errand: Callable[[], Awaitable[object]]) -> None:
        try:
            await errand()
        except (self._fault, Gone, Unavailable) as error:
            _log.info(f"{self._platform}.errand_failed", what=what, fault=f"{type(error).__name__}: {error}")
