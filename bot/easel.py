"""The pictures last drawn in each conversation, kept for a while: to be changed, and for another attempt to show."""

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

PLACES = 4
"""Pictures of one drawing that are kept: as many as a command draws, and as a model's tools may."""

DAY = 86400.0

_OF = "of"


class Easel:
    """The pictures of one drawing a conversation, in Redis, for `ttl` seconds; `kept` bounds those of all together.

    All calls raise `StoreAway`.
    """

    def __init__(self, redis: Redis, keys: Keys, *, ttl: float = DAY, kept: Kept | None = None) -> None:
        self._redis = redis
        self._kept = kept or Kept(redis, keys)
        self._keys = keys
        self._ttl = round(ttl * 1000)

    async def put(self, conversation: str, picture: Source, *, of: str = "", place: int = 1) -> None:
        """Keep a picture as the last one of the drawing `of`, in a place from 1 to `PLACES`.

        What was in this place and in those behind it goes, and so does every other drawing. What is larger than
        `LARGEST` is not kept.
        """
        key = self._keys.easel(conversation)
        # Behind the data, because a type may have parameters, and blanks between them.
        packed = f"{base64.b64encode(picture.data).decode()} {picture.mime}"
        fields: Any = {_OF: of, str(place): packed if len(picture.data) <= LARGEST else ""}
        async with reaching():
            others = await self._redis.hget(key, _OF) != of
            async with self._redis.pipeline(transaction=True) as pipeline:
                if others:
                    pipeline.delete(key)
                pipeline.hdel(key, *(str(behind) for behind in range(place + 1, PLACES + 2)))
                pipeline.hset(key, mapping=fields)
                pipeline.pexpire(key, self._ttl)
                for each in range(1, PLACES + 1):
                    pipeline.hstrlen(key, str(each))
                sizes: list[int] = (await pipeline.execute())[-PLACES:]
        await self._kept.note(key, sum(sizes))

    async def drawn(self, conversation: str, of: str, place: int) -> Source | None:
        """The picture in a place of the drawing `of`, if it is kept."""
        found: Any
        async with reaching():
            found = await self._redis.hmget(self._keys.easel(conversation), [_OF, str(place)])
        return _unpacked(found[1]) if found[0] == of else None

    async def picture(self, conversation: str) -> Source | None:
        """The last picture, if it is kept."""
        key = self._keys.easel(conversation)
        found: Any
        async with reaching():
            found = await self._redis.hkeys(key)
            if places := [name for name in found if name.isdecimal()]:
                found = await self._redis.hget(key, max(places))
                return _unpacked(found)
            found = await self._redis.hmget(key, ["mime", "data"])  # as it was kept before there were places
        mime, packed = found
        return Source(base64.b64decode(packed), mime) if mime and packed else None

    async def clear(self, conversations: Iterable[str]) -> None:
        """Forget the pictures of these conversations."""
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            for conversation in conversations:
                pipeline.delete(self._keys.easel(conversation))
            await pipeline.execute()


def _unpacked(packed: str | None) -> Source | None:
    data, _, mime = (packed or "").partition(" ")
    return Source(base64.b64decode(data), mime) if data else None
