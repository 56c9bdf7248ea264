"""What was heard in the recordings of each conversation's last message: another attempt at it pays for none twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis

from bot.keys import Keys, reaching

LONGEST = 100_000
"""Characters of a piece that is kept: more than anybody says in its ten minutes."""

HOUR = 3600.0


class Dictation:
    """The words of one message's recordings a conversation, piece by piece, in Redis, for `ttl` seconds.

    All calls raise `StoreAway`.
    """

    def __init__(self, redis: Redis, keys: Keys, *, ttl: float = HOUR) -> None:
        self._redis = redis
        self._keys = keys
        self._ttl = round(ttl * 1000)

    async def put(self, conversation: str, of: str, piece: str, words: str) -> None:
        """Keep what was heard in a piece of the message `of`; what is kept of other messages goes."""
        key, name = self._keys.dictation(conversation), f"{of} {piece}"
        if len(words) > LONGEST:
            return
        there: Any
        async with reaching():
            there = await self._redis.hkeys(key)
            # Several recordings are heard at once, so that not all that is there may go.
            others = [each for each in there if not each.startswith(f"{of} ")]
            async with self._redis.pipeline(transaction=True) as pipeline:
                if others:
                    pipeline.hdel(key, *others)
                pipeline.hset(key, name, words)
                pipeline.pexpire(key, self._ttl)
                await pipeline.execute()

    async def words(self, conversation: str, of: str, piece: str) -> str | None:
        """What an earlier attempt at the message `of` heard in a piece, if it is kept."""
        found: Any
        async with reaching():
            found = await self._redis.hget(self._keys.dictation(conversation), f"{of} {piece}")
        return None if found is None else str(found)

    async def clear(self, conversations: Iterable[str]) -> None:
        """Forget what was heard in these conversations."""
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            for conversation in conversations:
                pipeline.delete(self._keys.dictation(conversation))
            await pipeline.execute()
