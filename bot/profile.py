"""What a conversation has chosen: its role or prompt, model, sampling, language and voice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, TypedDict, Unpack

import structlog
from pydantic import Field, TypeAdapter, ValidationError
from redis.asyncio import Redis

from bot.keys import Keys, reaching

DAY = 86400.0
SYSTEM_LIMIT = 16_000
"""Characters of a system prompt of one's own."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Profile:
    """A conversation's choices; what is empty or None follows the operator's settings.

    `system` is a prompt of the conversation's own, in the place of the role's. `max_tokens` are an answer's,
    and `n` answers are given to one question.
    `session` is the id of the session it is in; its first one has none. `voice` says what is answered by voice, a
    `settings.VOICES`; `speaker` with which voice, and `speed` how fast (1: as usual).
    """

    role: str = ""
    model: str = ""
    temperature: float | None = None
    language: str = ""
    voice: str = ""
    system: str = ""
    top_p: float | None = None
    max_tokens: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    session: str = ""
    speaker: str = ""
    speed: float | None = None
    n: int | None = None


class Choice(TypedDict, total=False):
    """Fields of a profile to change; what is empty or None takes a choice back."""

    role: str
    model: str
    temperature: float | None
    language: str
    voice: str
    system: str
    top_p: float | None
    max_tokens: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    stop: tuple[str, ...]
    session: str
    speaker: str
    speed: float | None
    n: int | None


def _number(kind: type, low: float, high: float) -> TypeAdapter[Any]:
    bounds = Field(ge=low, le=high) if kind is int else Field(ge=low, le=high, allow_inf_nan=False)
    return TypeAdapter(Annotated[kind, bounds])


_WORD: TypeAdapter[Any] = TypeAdapter(Annotated[str, Field(max_length=200)])
_STOP: TypeAdapter[Any] = TypeAdapter(
    Annotated[tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(max_length=4)]
)
_FIELDS: Mapping[str, TypeAdapter[Any]] = {
    **{field.name: _WORD for field in fields(Profile)},
    "system": TypeAdapter(Annotated[str, Field(max_length=SYSTEM_LIMIT)]),
    "temperature": _number(float, 0, 2),
    "top_p": _number(float, 0, 1),
    "max_tokens": _number(int, 1, 1_000_000),
    "presence_penalty": _number(float, -2, 2),
    "frequency_penalty": _number(float, -2, 2),
    "stop": _STOP,
    "speed": _number(float, 0.5, 2),
    "n": _number(int, 1, 4),
}
"""The chat endpoint has these bounds (platform.openai.com/docs/api-reference/chat/create); the speed's and those of
`n` are ours."""


class Profiles:
    """Every conversation's profile, in Redis; forgotten `ttl` seconds after its last use.

    All calls raise `StoreAway`.
    """

    def __init__(self, redis: Redis, keys: Keys, *, ttl: float = 400 * DAY) -> None:
        self._redis = redis
        self._keys = keys
        self._ttl = round(ttl * 1000)

    async def load(self, conversation: str, home: str = "") -> Profile:
        """The profile; what the conversation did not choose is as in `home`, the one outside all threads.

        A stored value that cannot be used counts as not chosen.
        """
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            for name in dict.fromkeys((conversation, home or conversation)):
                key = self._keys.profile(name)
                pipeline.pexpire(key, self._ttl)
                pipeline.hgetall(key)
            _, own, *rest = await pipeline.execute()
        return _merged(_read(own), _read(rest[1])) if rest else _read(own)

    async def change(self, conversation: str, **choice: Unpack[Choice]) -> Profile:
        """Change the given fields, at once, and leave the others; the conversation's own profile as it is then.

        Raises `ValueError` for a value out of its bounds.
        """
        key = self._keys.profile(conversation)
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            for name, value in _checked(choice).items():
                if value:
                    pipeline.hset(key, name, value)
                else:
                    pipeline.hdel(key, name)
            pipeline.pexpire(key, self._ttl)
            pipeline.hgetall(key)
            *_, stored = await pipeline.execute()
        return _read(stored)

    async def clear(self, conversation: str) -> None:
        """Take all choices back."""
        async with reaching():
            await self._redis.delete(self._keys.profile(conversation))


def _checked(choice: Choice) -> dict[str, str]:
    values = {**choice}
    return {name: "" if value in ("", None, ()) else _written(name, value) for name, value in values.items()}


def _written(name: str, value: object) -> str:
    checked = _FIELDS[name].validate_python(value)
    return json.dumps(checked, ensure_ascii=False) if name == "stop" else str(checked)


def _read(stored: Mapping[str, str]) -> Profile:
    profile: dict[str, Any] = {}
    for name, text in stored.items():
        try:
            adapter = _FIELDS[name]
            reading: Callable[[str], Any] = (
                adapter.validate_json if name == "stop" else adapter.validate_strings
            )
            profile[name] = reading(text)
        except (KeyError, ValidationError):
            _log.warning("profile.unreadable", field=name)
    return Profile(**profile)


def _merged(own: Profile, home: Profile) -> Profile:
    # What is said in one conversation is not seen in another; and a prompt of the home's would hide the own role.
    home = replace(home, session="", system="" if own.role else home.system)
    if own.role or own.system:
        home = replace(home, role="", system="")  # the two are one choice: whom the model plays
    unchosen = {
        field.name: getattr(home, field.name)
        for field in fields(Profile)
        if getattr(own, field.name) in ("", None, ())
    }
    return replace(own, **unchosen)
