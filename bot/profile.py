"""What a conversation has chosen: its role, model, temperature, language and voice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, TypedDict, Unpack

import structlog
from pydantic import Field, TypeAdapter, ValidationError
from redis.asyncio import Redis

from bot.keys import Keys, reaching

DAY = 86400.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Profile:
    """A conversation's choices; what is empty or None follows the operator's settings."""

    role: str = ""
    model: str = ""
    temperature: float | None = None
    language: str = ""
    voice: str = ""


class Choice(TypedDict, total=False):
    """Fields of a profile to change; empty or None takes a choice back."""

    role: str
    model: str
    temperature: float | None
    language: str
    voice: str


_WORD: TypeAdapter[str | float] = TypeAdapter(Annotated[str, Field(max_length=200)])
_TEMPERATURE: TypeAdapter[str | float] = TypeAdapter(Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)])
_FIELDS = {field.name: _TEMPERATURE if field.name == "temperature" else _WORD for field in fields(Profile)}


class Profiles:
    """Every conversation's profile, in Redis; forgotten `ttl` seconds after its last use.

    All calls raise `StoreAway`.
    """

    def __init__(self, redis: Redis, keys: Keys, *, ttl: float = 400 * DAY) -> None:
        self._redis = redis
        self._keys = keys
        self._ttl = round(ttl * 1000)

    async def load(self, conversation: str) -> Profile:
        """The profile. A stored value that cannot be used counts as not chosen."""
        return await self._transact(conversation, {})

    async def change(self, conversation: str, **choice: Unpack[Choice]) -> Profile:
        """Change the given fields, at once, and leave the others; the profile as it is then.

        Raises `ValueError` for a value out of its bounds (200 characters, a temperature from 0 to 2).
        """
        return await self._transact(conversation, _checked(choice))

    async def _transact(self, conversation: str, changes: Mapping[str, str]) -> Profile:
        key = self._keys.profile(conversation)
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            for name, value in changes.items():
                if value:
                    pipeline.hset(key, name, value)
                else:
                    pipeline.hdel(key, name)
            pipeline.pexpire(key, self._ttl)
            pipeline.hgetall(key)
            *_, stored = await pipeline.execute()
        return _read(stored)


def _checked(choice: Choice) -> dict[str, str]:
    values = {**choice}
    return {
        name: "" if value in ("", None) else str(_FIELDS[name].validate_python(value))
        for name, value in values.items()
    }


def _read(stored: Mapping[str, str]) -> Profile:
    profile = {}
    for name, text in stored.items():
        try:
            profile[name] = _FIELDS[name].validate_strings(text)
        except (KeyError, ValidationError):
            _log.warning("profile.unreadable", field=name)
    return Profile(**profile)  # type: ignore[arg-type]  # each field has been read by its own type
