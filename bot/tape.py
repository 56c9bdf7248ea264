"""The last speech made in each conversation, kept for a while: a second attempt plays it, and pays for none."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any

from redis.asyncio import Redis

from bot.api import Media
from bot.kept import Kept
from bot.keys import Keys, reaching

LARGEST = 3 * 1024 * 1024
"""Bytes of recordings that are kept of one speech: some ten minutes."""

HOUR = 3600.0

_OF = "of"


class Tape:
    """One speech a conversation, in Redis, for `ttl` seconds; `kept` bounds those of all together.

    All calls raise `StoreAway`.
    """

    def __init__(self, redis: Redis, keys: Keys, *, ttl: float = HOUR, kept: Kept | None = None) -> None:
        self._redis = redis
        self._keys = keys
        self._ttl = round(ttl * 1000)
        self._kept = kept or Kept(redis, keys)

    async def put(self, conversation: str, of: str, parts: Sequence[Media]) -> None:
        """Keep the recordings of the speech `of` in the place of the one before; more than `LARGEST` is not kept."""
        key = self._keys.tape(conversation)
        fits = sum(len(part.data) for part in parts) <= LARGEST
        packed = [f"{part.mime} {base64.b64encode(part.data).decode()}" for part in parts if fits]
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(key)
            if packed:
                pipeline.hset(key, mapping={_OF: of, **{str(n): each for n, each in enumerate(packed)}})
                pipeline.pexpire(key, self._ttl)
            await pipeline.execute()
        await self._kept.note(key, sum(map(len, packed)))

    async def parts(self, conversation: str, of: str) -> list[Media]:
        """The recordings of the speech `of`, in order; none where they are not kept."""
        key = self._keys.tape(conversation)
        async with reaching():
            if await self._redis.hget(key, _OF) != of:
                return []
            found: Any = await self._redis.hgetall(key)
        packed = [found[str(n)].partition(" ") for n in range(len(found) - 1)] if found.get(_OF) == of else []
        return [Media("audio", mime, base64.b64decode(data)) for mime, _, data in packed]

    async def clear(self, conversations: Iterable[str]) -> None:
        """Forget what was spoken in these conversations."""
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            for conversation in conversations:
                pipeline.delete(self._keys.tape(conversation))
            await pipeline.execute()
