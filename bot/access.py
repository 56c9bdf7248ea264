"""Who may talk to the bot: nobody but those whom the operator names."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from types import MappingProxyType

from pydantic import Field
from redis.asyncio import Redis

from bot.api import Person, Place
from bot.keys import Keys, reaching
from bot.settings import Block, Names

DENIAL_PAUSE = 3600
"""Seconds between two denials to the same person: a stranger is told once, not at every message."""


class AccessSettings(Block):
    """Access"""

    admins: Names = Field(
        (), description="Who runs the bot: people as platform:id. A stranger is told their own."
    )
    allowed: Names = Field(
        (),
        description="Who may talk to it: people and groups as platform:id, whole platforms as platform:*, or *.",
    )
    blocked: Names = Field(
        (), description="Who may not, whatever else is said: people and groups as platform:id."
    )

    examples = MappingProxyType({"ADMINS": "platform:123", "ALLOWED": "platform:123,platform:-100456"})


class Access:
    """The list, asked before anything is kept of a group's talk and before a private message is answered.

    `trusted` are the platforms whose people were let in by other means (a password, this machine's terminal).
    """

    def __init__(
        self, settings: AccessSettings, redis: Redis, keys: Keys, *, trusted: Collection[str]
    ) -> None:
        self._admins = frozenset(settings.admins)
        self._allowed = frozenset(settings.allowed)
        self._blocked = frozenset(settings.blocked)
        self._trusted = frozenset(trusted)
        self._redis = redis
        self._keys = keys

    def admits(self, place: Place, person: Person) -> bool:
        """Whether this person may talk to the bot in this place."""
        names = {f"{place.platform}:{person.id}"}
        if place.kind == "group":
            names.add(f"{place.platform}:{place.chat}")
        if self._any(names, self._blocked):
            return False
        if place.platform in self._trusted or "*" in self._allowed or f"{place.platform}:*" in self._allowed:
            return True
        return self._any(names, self._allowed) or f"{place.platform}:{person.id}" in self._admins

    async def deny(self, place: Place, person: Person) -> bool:
        """Whether this person is to be told now that the bot is not for them. Raises `StoreAway`."""
        async with reaching():
            key = self._keys.denied(f"{place.platform}:{person.id}")
            return bool(await self._redis.set(key, "1", nx=True, ex=DENIAL_PAUSE))

    def _any(self, names: Iterable[str], listed: frozenset[str]) -> bool:
        return not listed.isdisjoint(names)
