"""What is to be told to Telegram beside the work: answered presses, short notices, results for inline queries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from telegram.error import TelegramError

from bot.api import Unavailable

_LIMIT = 500
_log = logging.getLogger(__name__)


class Errands:
    """Small calls that nobody waits for and that are not made twice. A failure is a line in the log."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, what: str, errand: Callable[[], Awaitable[object]]) -> None:
        """Begin an errand; `what` names it in the log. Where too many are under way, it is left out."""
        if len(self._tasks) >= self._limit:
            _log.warning("telegram: %s left out: too much at once", what)
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
        except (TelegramError, Unavailable) as error:
            _log.info("telegram: %s failed: %s: %s", what, type(error).__name__, error)
