"""How much all kept pictures weigh together: within a bound that all processes share, the longest unused go first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from bot.keys import Keys, reaching

LIMIT = 256_000_000
"""Bytes of pictures that are kept, unless told otherwise."""

WEEK = 604_800.0
_SPARE = 0.1  # of the limit is made free at once, so that room is not made for each picture
_BATCH = 500
_IF_TOO_MUCH = -1
_log = structlog.get_logger(__name__)


class Kept:
    """A ledger of keys that hold pictures, and what they weigh; it takes at most `limit` bytes of them.

    `life` is for how many seconds such a key lives after its last use. All calls raise `StoreAway`.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        limit: int = LIMIT,
        life: float = WEEK,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._order, self._sizes = keys.kept("order"), keys.kept("sizes")
        self._limit = limit
        self._target = limit * (1 - _SPARE)
        self._life = math.ceil(life)
        self._clock = clock
        self._script = redis.register_script(resources.files("bot").joinpath("kept.lua").read_text("utf-8"))

    async def note(self, key: str, size: int) -> None:
        """The key holds `size` bytes now. Those that were not used for longest are deleted where it is too much."""
        if await self._noted({key: size}) > self._limit:
            await self._make_room()

    def touch(self, pipeline: Pipeline, key: str) -> None:
        """Have the pipeline note that the key was used."""
        pipeline.zadd(self._order, {key: self._clock()}, xx=True)
        for ledger in (self._order, self._sizes):
            pipeline.expire(ledger, self._life)

    async def _noted(self, sizes: Mapping[str, int]) -> int:
        async with reaching():
            weight: Any = await self._script(
                keys=[self._order, self._sizes, *sizes],
                args=[self._clock(), self._life, self._target, *sizes.values()],
            )
        return int(weight)

    async def _make_room(self) -> None:
        """Forget what was deleted or has ended without our being told; then delete until there is room."""
        there: Any
        async with reaching():
            there = await self._redis.zrange(self._order, 0, -1)
        for at in range(0, len(there), _BATCH):
            names = there[at : at + _BATCH]
            async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.exists(name)
                found: list[int] = await pipeline.execute()
            await self._noted({name: 0 for name, alive in zip(names, found, strict=True) if not alive})
        for at in range(0, len(there), _BATCH):
            # Others make room at the same time: whether it is still needed is decided where it is made.
            if await self._noted(dict.fromkeys(there[at : at + _BATCH], _IF_TOO_MUCH)) <= self._target:
                break
        _log.info("pictures.dropped", limit=self._limit)
