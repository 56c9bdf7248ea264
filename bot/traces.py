"""What became of a message, by its reference id: for an admin who was given one. Never its text."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from redis.asyncio import Redis

from bot.keys import Keys, reaching

LIFE = 86400
"""Seconds for which a message's trace is kept."""


class Traces:
    """The traces in Redis, a few short fields each. All calls raise `StoreAway`. `clock` is the time of day."""

    def __init__(self, redis: Redis, keys: Keys, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._keys = keys
        self._clock = clock

    async def begin(self, ref: str, *, person: str, place: str, attempt: int, sent_at: float) -> None:
        """An attempt at the message begins."""
        values = {"person": person, "place": place, "sent": str(round(sent_at))}
        await self._note(ref, "answering", {**values, "attempt": str(attempt)})

    async def end(self, ref: str, state: str, fault: str = "") -> None:
        """The attempt has ended: `answered`, `failed` or `postponed` with the kind of the fault.

        Or the message has, without an answer: its place is `gone`, or it was `given_up`.
        """
        await self._note(ref, state, {"fault": fault[:100]})

    async def find(self, ref: str) -> Mapping[str, str]:
        """What is known: `state`, `at` (seconds since the epoch), and what was noted; empty where nothing is."""
        found: Mapping[str, str]
        async with reaching():
            found = await self._redis.hgetall(self._keys.trace(ref))  # type: ignore[assignment]
        return found

    async def _note(self, ref: str, state: str, values: Mapping[str, str]) -> None:
        key = self._keys.trace(ref)
        noted: dict[Any, Any] = {"state": state, "at": str(round(self._clock())), **values}
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(key, mapping=noted)
            pipeline.expire(key, LIFE)
            await pipeline.execute()
