"""Who may talk to the bot: those whom the operator names, and those whom an admin lets in."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeVar

import structlog
from pydantic import Field, TypeAdapter, ValidationError
from redis.asyncio import Redis

from bot.api import Person, Place
from bot.errors import StoreAway
from bot.keys import Keys, reaching
from bot.settings import Block, Names

DENIAL_PAUSE = 3600
"""Seconds between two denials to the same person: a stranger is told once, not at every message."""

CODE_LIFE = 86400
"""Seconds for which a pairing code is good."""

WAITING = 500
"""Strangers who may wait with a code at the same time; further ones are told their id only."""

REFRESH = 3.0
"""Seconds after which every process knows whom an admin let in or shut out."""

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0 O, 1 I L
_LENGTH = 8
_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


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
        (),
        description="Who may not, not even an admin: people and groups as platform:id, or platform:*, or *.",
    )

    examples = MappingProxyType({"ADMINS": "platform:123", "ALLOWED": "platform:123,platform:-100456"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an admin said of a person or a group at run time, and when (seconds since the epoch)."""

    name: str
    allowed: bool
    by: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A stranger with a pairing code. `shown` is the name that their app gives them."""

    code: str
    name: str
    shown: str = ""
    at: float = 0.0


_VERDICT = TypeAdapter(Verdict)
_WAITING = TypeAdapter(Waiting)


def make_code() -> str:
    """A pairing code at random."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def named(text: str) -> bool:
    """Whether a text is the name of a person or a group: `platform:id`. A wildcard names nobody."""
    platform, _, id = text.partition(":")
    return bool(platform and id) and id != "*" and len(text) <= 200 and not any(c.isspace() for c in text)


def _wildcards(name: str) -> set[str]:
    """What a list says of this name without naming it."""
    return {"*", f"{name.partition(':')[0]}:*"}


class Access:
    """The list, asked before anything is kept of a group's talk and before a private message is answered.

    The settings win: `BLOCKED` with its wildcards, then `ADMINS` and whoever is named in `ALLOWED`; then what an
    admin said at run time (a person who was shut out is so in a group of `ALLOWED`, too); then the wildcards of
    `ALLOWED` and the `trusted` platforms, whose people were let in by other means (a password, this machine's
    terminal). `clock` is the time of day. What was said at run time is in Redis, and a copy of it in each process
    (`watch`), because it is asked for at every word of a group.
    """

    def __init__(
        self,
        settings: AccessSettings,
        redis: Redis,
        keys: Keys,
        *,
        trusted: Collection[str],
        clock: Callable[[], float] = time.time,
        codes: Callable[[], str] = make_code,
    ) -> None:
        self._admins = frozenset(settings.admins)
        self._allowed = frozenset(settings.allowed)
        self._blocked = frozenset(settings.blocked)
        self._trusted = frozenset(trusted)
        self._redis = redis
        self._keys = keys
        self._clock = clock
        self._codes = codes
        self._let_in: frozenset[str] = frozenset()
        self._shut_out: frozenset[str] = frozenset()

    @property
    def has_admins(self) -> bool:
        """Whether anybody can let a stranger in by chat."""
        return bool(self._admins)

    def admits(self, place: Place, person: Person) -> bool:
        """Whether this person may talk to the bot in this place."""
        name = f"{place.platform}:{person.id}"
        names = {name, f"{place.platform}:{place.chat}"} if place.kind == "group" else {name}
        if not self._blocked.isdisjoint(names | _wildcards(name)):
            return False
        if name in self._admins or name in self._allowed:
            return True
        named = not names.isdisjoint(self._allowed)  # the group is
        if name in self._shut_out or not (named or names.isdisjoint(self._shut_out)):
            return False
        if named or not names.isdisjoint(self._let_in) or place.platform in self._trusted:
            return True
        return not self._allowed.isdisjoint(_wildcards(name))

    def admin(self, place: Place, person: Person) -> bool:
        """Whether this person runs the bot."""
        name = f"{place.platform}:{person.id}"
        return name in self._admins and self.settled(name) != "blocked"

    def settled(self, name: str) -> Literal["", "blocked", "allowed"]:
        """What the settings say of a name, which nothing at run time can change."""
        if not self._blocked.isdisjoint({name} | _wildcards(name)):
            return "blocked"
        return "allowed" if name in self._admins | self._allowed else ""

    # --- strangers ------------------------------------------------------------------------------------------

    async def deny(self, place: Place, person: Person) -> bool:
        """Whether this person is to be told now that the bot is not for them. Raises `StoreAway`."""
        async with reaching():
            key = self._keys.denied(f"{place.platform}:{person.id}")
            return bool(await self._redis.set(key, "1", nx=True, ex=DENIAL_PAUSE))

    async def pair(self, place: Place, person: Person) -> str:
        """The code by which an admin lets this person in, the same for a day.

        Empty for who was shut out, and where too many wait already. Raises `StoreAway`.
        """
        name = f"{place.platform}:{person.id}"
        if name in self._shut_out or self.settled(name) == "blocked":
            return ""
        waiting = await self.waiting()
        known = next((each.code for each in waiting if each.name == name), "")
        if known or len(waiting) >= WAITING:
            return known
        shown = "".join(
            c for c in person.name if c.isprintable()
        )  # no line breaks, nothing that turns text round
        entry = Waiting(self._codes(), name, shown[:60], self._clock())
        async with reaching():
            await self._redis.hset(self._keys.people_waiting, entry.code, _WAITING.dump_json(entry))
            await self._redis.expire(self._keys.people_waiting, CODE_LIFE)
        _log.info("person.waits", person=name)
        return entry.code

    async def waiting(self) -> list[Waiting]:
        """Who waits with a code that is still good, longest first. Raises `StoreAway`."""
        async with reaching():
            stored = await self._redis.hvals(self._keys.people_waiting)
        entries = _readable(_WAITING, stored)
        gone = [entry.code for entry in entries if entry.at < self._clock() - CODE_LIFE]
        if gone:
            async with reaching():
                await self._redis.hdel(self._keys.people_waiting, *gone)
        return sorted((e for e in entries if e.code not in gone), key=lambda entry: entry.at)

    # --- verdicts -------------------------------------------------------------------------------------------

    async def let_in(self, text: str, *, by: str) -> str:
        """Admit a person or a group by a pairing code or by name; the name, or nothing where it is neither.

        Raises `StoreAway`.
        """
        name = await self._meant(text)
        if name:
            await self._say(Verdict(name, True, by, self._clock()))
        return name

    async def shut_out(self, text: str, *, by: str) -> str:
        """Take the admission back, or refuse a stranger, by code or by name; as `let_in`."""
        name = await self._meant(text)
        if name:
            await self._say(Verdict(name, False, by, self._clock()))
        return name

    async def verdicts(self) -> list[Verdict]:
        """Everything that was said at run time, newest first. Raises `StoreAway`."""
        async with reaching():
            stored = await self._redis.hvals(self._keys.people_admitted)
        return sorted(_readable(_VERDICT, stored), key=lambda verdict: -verdict.at)

    async def refresh(self) -> None:
        """Bring this process's copy up to date. Raises `StoreAway`."""
        verdicts = await self.verdicts()
        self._let_in = frozenset(v.name for v in verdicts if v.allowed)
        self._shut_out = frozenset(v.name for v in verdicts if not v.allowed)

    async def watch(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Keep the copy up to date, until cancelled."""
        while True:
            try:
                await self.refresh()
            except StoreAway as error:
                _log.info("access.stale", detail=str(error))
            await sleep(REFRESH)

    async def _meant(self, text: str) -> str:
        """The name that a text stands for, be it a code; empty where it is none."""
        text = text.strip()
        waiting = {each.code: each.name for each in await self.waiting()}
        return waiting.get(text.upper()) or (text if named(text) else "")

    async def _say(self, verdict: Verdict) -> None:
        codes = [each.code for each in await self.waiting() if each.name == verdict.name]
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(self._keys.people_admitted, verdict.name, _VERDICT.dump_json(verdict))
            pipeline.delete(self._keys.denied(verdict.name))
            if codes:
                pipeline.hdel(self._keys.people_waiting, *codes)
            await pipeline.execute()
        await self.refresh()
        _log.info(
            "person.admitted" if verdict.allowed else "person.refused", person=verdict.name, by=verdict.by
        )


def _readable(kind: TypeAdapter[_T], stored: Iterable[str | bytes]) -> list[_T]:
    """What can be read of what is stored."""
    found = []
    for text in stored:
        try:
            found.append(kind.validate_json(text))
        except ValidationError:
            _log.warning("access.unreadable")
    return found
