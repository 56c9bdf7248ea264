"""Reading the operator's files again while the bot runs, in every process of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from redis.asyncio import Redis

from bot.errors import SettingsError, StoreAway
from bot.keys import Keys, reaching

PAUSE = 5.0
"""Seconds after which every process has heard of it."""

_log = structlog.get_logger(__name__)


class Reloads:
    """`read` reads the files; it raises `SettingsError`, and changes nothing, where one cannot be used."""

    def __init__(self, redis: Redis, keys: Keys, read: Callable[[], None]) -> None:
        self._redis = redis
        self._keys = keys
        self._read = read
        self._seen: int | None = None

    async def ask(self) -> None:
        """Read the files here, and have every other process read its own. Raises `SettingsError`, `StoreAway`."""
        self._read()
        async with reaching():
            self._seen = int(await self._redis.incr(self._keys.reloads))

    async def watch(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Read the files whenever another process was asked to, until cancelled."""
        while True:
            try:
                await self.look()
            except StoreAway as error:
                _log.info("reload.unheard", detail=str(error))
            await sleep(PAUSE)

    async def look(self) -> None:
        """Read the files if that was asked for since the last look. Raises `StoreAway`."""
        async with reaching():
            asked = int(await self._redis.get(self._keys.reloads) or 0)
        seen, self._seen = self._seen, asked
        if seen is None or seen == asked:
            return
        try:
            self._read()
        except SettingsError as error:
            _log.error("reload.failed", detail=str(error))
        else:
            _log.info("reload.done")
