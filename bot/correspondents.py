"""Who talks to the bot in private, and where: those whom an admin's announcement reaches."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from bot.api import Incoming, Person, Place
from bot.keys import Keys, reaching

LIFE = 30 * 86400.0
"""Seconds after their last message for which somebody is reached."""

MOST = 10_000
"""Conversations that are remembered: those of the newest messages."""

TEXT_LIFE = 86400
"""Seconds for which an announcement may be sent, and is delivered."""

_PAUSE = 3600.0  # seconds between two notes of the same conversation by one process
_HELD = 10_000
_SOMEBODY: TypeAdapter[tuple[Place, Person]] = TypeAdapter(tuple[Place, Person])


class Correspondents:
    """The private conversations of the last days, in Redis. `clock` is the time of day.

    All calls raise `StoreAway`.
    """

    def __init__(self, redis: Redis, keys: Keys, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._keys = keys
        self._clock = clock
        self._noted: OrderedDict[tuple[Place, Person], float] = OrderedDict()

    async def met(self, message: Incoming) -> None:
        """Remember where a private message came from, without its thread and without a name."""
        place = Place(message.place.platform, message.place.account, message.place.chat)
        somebody = place, Person(message.person.id, language=message.person.language)
        now = self._clock()
        if now - self._noted.get(somebody, float("-inf")) < _PAUSE:
            return
        key = self._keys.correspondents
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zadd(key, {_SOMEBODY.dump_json(somebody).decode(): now})
            pipeline.zremrangebyrank(key, 0, -MOST - 1)
            pipeline.expire(key, round(LIFE))
            await pipeline.execute()
        self._noted[somebody] = now
        self._noted.move_to_end(somebody)
        if len(self._noted) > _HELD:
            self._noted.popitem(last=False)

    async def known(self) -> list[tuple[Place, Person]]:
        """Where people have written lately, each place once."""
        # The oldest first: the newest language stays.
        return list({place: person for _, place, person in await self._read()}.items())

    async def forget(self, message: Incoming) -> None:
        """Remember a person's private conversation no more."""
        gone = [
            text
            for text, place, person in await self._read()
            if (place.platform, person.id) == (message.place.platform, message.person.id)
        ]
        self._noted.clear()
        if gone:
            async with reaching():
                await self._redis.zrem(self._keys.correspondents, *gone)

    async def _read(self) -> list[tuple[str, Place, Person]]:
        """What is kept, each with its text as it is there: an earlier version may have written the same otherwise."""
        key, since = self._keys.correspondents, self._clock() - LIFE
        stored: Any
        async with reaching():
            await self._redis.zremrangebyscore(key, "-inf", since)
            stored = await self._redis.zrange(key, 0, -1)
        found = []
        for text in stored:
            try:
                found.append((text, *_SOMEBODY.validate_json(text)))
            except ValidationError:
                continue
        return found

    async def keep(self, text: str) -> str:
        """Keep an announcement for a day; its name."""
        name = secrets.token_hex(6)
        async with reaching():
            await self._redis.set(self._keys.announcement(name), text, ex=TEXT_LIFE)
        return name

    async def text(self, name: str) -> str | None:
        """The announcement of this name."""
        found: Any
        async with reaching():
            found = await self._redis.get(self._keys.announcement(name))
        return None if found is None else str(found)
