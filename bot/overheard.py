"""What is said in a group and not to the bot: the last few messages, for an hour, where the operator wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from bot.api import Incoming
from bot.keys import Keys, reaching
from bot.scope import scope
from bot.speakers import speaker

KEPT = 3600.0
"""Seconds after the last message for which the messages are kept."""

_LONGEST = 2000  # characters of one message


@dataclass(frozen=True, slots=True)
class _Heard:
    id: str
    at: float
    who: str
    text: str


_HEARD = TypeAdapter(_Heard)
_log = structlog.get_logger(__name__)


class Overheard:
    """The last `limit` messages of every place; with a `limit` of 0 nothing is kept. All calls raise `StoreAway`."""

    def __init__(self, redis: Redis, keys: Keys, *, limit: int, clock: Callable[[], float] = time) -> None:
        self._redis = redis
        self._keys = keys
        self._limit = limit
        self._clock = clock

    async def hear(self, message: Incoming) -> None:
        """Keep a message, in the place of the one that it edits; one that was withdrawn is kept no longer."""
        if not self._limit:
            return
        key = self._key(message)
        old = [text for text, heard in await self._all(key) if heard.id == message.origin]
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            for text in old:
                pipeline.lrem(key, 1, text)
            if message.text.strip() and not message.withdrawn:
                heard = _Heard(
                    message.origin, self._clock(), speaker(message.person), message.text[:_LONGEST]
                )
                pipeline.rpush(key, _HEARD.dump_json(heard))
                pipeline.ltrim(key, -self._limit, -1)
            pipeline.pexpire(key, round(KEPT * 1000))
            await pipeline.execute()

    async def since(self, message: Incoming, at: float) -> list[tuple[str, str]]:
        """What was said in the place of `message` after `at` (seconds since the epoch): (speaker, text) in order."""
        if not self._limit or message.place.kind != "group":
            return []
        oldest = max(at, self._clock() - KEPT)
        return [(h.who, h.text) for _, h in await self._all(self._key(message)) if h.at > oldest]

    async def forget(self, message: Incoming) -> None:
        """Keep nothing of what the person of `message` said in its place."""
        if not self._limit or message.place.kind != "group":
            return
        key, who = self._key(message), speaker(message.person).rpartition("#")[2]
        for text, heard in await self._all(key):
            if heard.who.rpartition("#")[2] == who:
                async with reaching():
                    await self._redis.lrem(key, 0, text)

    def _key(self, message: Incoming) -> str:
        return self._keys.overheard(scope(message, "thread"))

    async def _all(self, key: str) -> list[tuple[str, _Heard]]:
        stored: Any
        async with reaching():
            stored = await self._redis.lrange(key, 0, -1)
        found = []
        for text in stored:
            try:
                found.append((text, _HEARD.validate_json(text)))
            except ValidationError as error:
                _log.warning("overheard.unreadable", faults=error.error_count())
        return found
