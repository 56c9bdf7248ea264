"""The last picture drawn in each conversation, kept for a while so that it can be changed."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis

from bot.endpoints.images import Source
from bot.kept import Kept
from bot.keys import Keys, reaching

LARGEST = 3 * 1024 * 1024
"""Bytes of a picture that is kept."""

DAY = 86400.0


class Easel:
    """One picture a conversation, in Redis, for `ttl` seconds; `kept` bounds those of all together.

    All calls raise `StoreAway`.
    """

    def __init__(self, redis: Redis, keys: Keys, *, ttl: float = DAY, kept: Kept | None = None) -> None:
        self._redis = redis
        self._kept = kept or Kept(redis, keys)
        self._keys = keys
        self._ttl = round(ttl * 1000)

    async def put(self, conversation: str, picture: Source) -> None:
        """Keep a picture in the place of the one before it; what is larger than `LARGEST` is not kept."""
        key = self._keys.easel(conversation)
        packed = base64.b64encode(picture.data).decode() if len(picture.data) <= LARGEST else ""
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(key)
            if packed:
                pipeline.hset(key, mapping={"mime": picture.mime, "data": packed})
                pipeline.pexpire(key, self._ttl)
            await pipeline.execute()
        await self._kept.note(key, len(packed))

    async def picture(self, conversation: str) -> Source | None:
        """The picture, if there is one."""
        found: Any
        async with reaching():
            found = await self._redis.hmget(self._keys.easel(conversation), ["mime", "data"])
        mime, packed = found
        return Source(base64.b64decode(packed), mime) if mime and packed else None

    async def clear(self, conversations: Iterable[str]) -> None:
        """Forget the pictures of these conversations."""
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            for conversation in conversations:
                pipeline.delete(self._keys.easel(conversation))
            await pipeline.execute()
