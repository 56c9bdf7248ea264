"""Several dialogues in one conversation: their names, of which one is in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import Any

from redis.asyncio import Redis

from bot.keys import Keys, reaching
from bot.profile import DAY

SESSIONS_LIMIT = 20
"""Sessions of one conversation."""

_FIRST = "0"


@dataclass(frozen=True, slots=True)
class Session:
    """One of them; the first has an empty id, and no name where the person gave it none."""

    id: str
    name: str


class Sessions:
    """Every conversation's sessions, forgotten `ttl` seconds after their last use. All calls raise `StoreAway`.

    Which of them is in use is a choice of the conversation (`Profile.session`).
    """

    def __init__(
        self, redis: Redis, keys: Keys, *, ttl: float = 400 * DAY, clock: Callable[[], float] = time
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._ttl = round(ttl * 1000)
        self._clock = clock

    async def listed(self, conversation: str) -> list[Session]:
        """All of them, oldest first."""
        stored: dict[Any, Any]
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(self._keys.sessions(conversation))
            pipeline.pexpire(self._keys.sessions(conversation), self._ttl)
            stored, _ = await pipeline.execute()
        first = Session("", stored.pop(_FIRST, ""))
        return [first, *(Session(id, stored[id]) for id in sorted(stored))]

    async def add(self, conversation: str, name: str) -> Session | None:
        """A new session, or None where there are too many."""
        if len(await self.listed(conversation)) >= SESSIONS_LIMIT:
            return None
        session = Session(f"{round(self._clock() * 1000):x}", name)
        await self.rename(conversation, session)
        return session

    async def rename(self, conversation: str, session: Session) -> None:
        """Keep the session under its name."""
        key = self._keys.sessions(conversation)
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(key, session.id or _FIRST, session.name)
            pipeline.pexpire(key, self._ttl)
            await pipeline.execute()

    async def drop(self, conversation: str, session: Session) -> None:
        """Forget the session's name."""
        async with reaching():
            await self._redis.hdel(self._keys.sessions(conversation), session.id or _FIRST)

    async def forget(self, conversation: str) -> None:
        """Forget all names."""
        async with reaching():
            await self._redis.delete(self._keys.sessions(conversation))
