"""The last recordings that people sent: what apps without quotes give nobody to reply to can still be named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import time
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from bot.api import Attachment
from bot.keys import Keys, reaching

DAY = 86400.0

PEOPLE = 200
"""People of one conversation whose last recordings are known; those who were silent longest are left out."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Sent:
    at: float
    recordings: tuple[Attachment, ...]


_SENT = TypeAdapter(_Sent)


class Recordings:
    """Each person's last message with recordings, by conversation: where they are, not what is in them.

    In Redis, for `ttl` seconds; `clock` is the time of day. All calls raise `StoreAway`.
    """

    def __init__(
        self, redis: Redis, keys: Keys, *, ttl: float = DAY, clock: Callable[[], float] = time
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._ttl = ttl
        self._clock = clock

    async def note(self, conversation: str, person: str, recordings: Sequence[Attachment]) -> None:
        """Know a person's recordings, in the place of those before; of none, that there is nothing to fetch."""
        key = self._keys.recordings(conversation)
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            if recordings:
                pipeline.hset(key, person, _SENT.dump_json(_Sent(self._clock(), tuple(recordings))).decode())
                pipeline.pexpire(key, round(self._ttl * 1000))
            else:
                pipeline.hdel(key, person)
            pipeline.hlen(key)
            known = (await pipeline.execute())[-1]
        if known > PEOPLE:
            await self._prune(key)

    async def last(self, conversation: str, person: str) -> tuple[Attachment, ...]:
        """The recordings of the person's last message that had any."""
        stored: Any
        async with reaching():
            stored = await self._redis.hget(self._keys.recordings(conversation), person)
        sent = _read(stored) if stored else None
        return sent.recordings if sent and self._clock() - sent.at < self._ttl else ()

    async def clear(self, conversations: Iterable[str]) -> None:
        """Forget everybody's recordings in these conversations."""
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            for conversation in conversations:
                pipeline.delete(self._keys.recordings(conversation))
            await pipeline.execute()

    async def _prune(self, key: str) -> None:
        stored: Any
        async with reaching():
            stored = await self._redis.hgetall(key)
            sent = {person: _read(text) for person, text in stored.items()}
            newest = sorted(sent, key=lambda person: -(found.at if (found := sent[person]) else 0))
            if silent := newest[PEOPLE:]:
                await self._redis.hdel(key, *silent)


def _read(text: str) -> _Sent | None:
    try:
        return _SENT.validate_json(text)
    except ValidationError as error:
        _log.warning("recordings.unreadable", faults=error.error_count())
        return None
