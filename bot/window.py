"""Context windows: what was asked and answered, kept in Redis, and how much of it fits a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Literal

import structlog
from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from bot.api import Incoming
from bot.keys import Keys, reaching
from bot.tokens import estimate

LIMIT_BYTES = 2_000_000
"""Bytes of one conversation that are kept; what is older falls out. Half a million tokens or more."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """Something said. `tokens` are the content's (0: not counted); `name` is the speaker's, where known."""

    role: Literal["user", "assistant"]
    content: str
    tokens: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was asked, and its answer: kept or forgotten as a whole.

    `id` is the question's `Incoming.key`; `at` is when it was answered, in seconds since the epoch.
    """

    id: str
    at: float
    turns: tuple[Turn, ...]


_EXCHANGE = TypeAdapter(Exchange)
_INCOMING = TypeAdapter(Incoming)
_TEXT = TypeAdapter(str)


class Windows:
    """Every conversation's window, and the last question that was asked in it.

    A conversation is forgotten `ttl` seconds after it was last added to. A window holds the newest `limit`
    exchanges, in at most `size` bytes, but always the newest one. All calls raise `StoreAway`.
    """

    def __init__(
        self, redis: Redis, keys: Keys, *, ttl: float, limit: int = 200, size: int = LIMIT_BYTES
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._ttl = round(ttl * 1000)
        self._limit = limit
        self._size = size
        self._append = redis.register_script(resources.files("bot").joinpath("window.lua").read_text("utf-8"))

    async def load(self, conversation: str) -> list[Exchange]:
        """The exchanges, oldest first. One that cannot be read is passed over."""
        async with reaching():
            stored = await self._redis.lrange(self._window(conversation), 0, -1)
        found = []
        for text in stored:
            try:
                found.append(_EXCHANGE.validate_json(text))
            except ValidationError as error:
                _log.warning("window.unreadable", faults=error.error_count())
        return found

    async def append(self, conversation: str, exchange: Exchange, *, replaces: str = "") -> None:
        """Add an exchange; adding it again changes nothing.

        Where `replaces` is the id of the last exchange, the new one takes its place: a question asked again.
        """
        exchange = replace(exchange, turns=tuple(_writable(turn) for turn in exchange.turns))
        arguments = (
            _EXCHANGE.dump_json(exchange),
            _beginning(exchange.id),
            _beginning(replaces) if replaces else "",
            self._limit,
            self._size,
            self._ttl,
        )
        async with reaching():
            await self._append(keys=[self._window(conversation)], args=arguments)

    async def clear(self, conversation: str) -> None:
        """Forget the exchanges and the last question."""
        async with reaching():
            await self._redis.delete(self._window(conversation), self._asked(conversation))

    async def asked(self, conversation: str, message: Incoming) -> None:
        """Note the question that is put to the model now, whatever becomes of it."""
        async with reaching():
            await self._redis.set(self._asked(conversation), _INCOMING.dump_json(message), px=self._ttl)

    async def last_asked(self, conversation: str) -> Incoming | None:
        """The question that was put to the model last."""
        async with reaching():
            text = await self._redis.get(self._asked(conversation))
        if text is None:
            return None
        try:
            return _INCOMING.validate_json(text)
        except ValidationError as error:
            _log.warning("question.unreadable", faults=error.error_count())
            return None

    def _window(self, conversation: str) -> str:
        return self._keys.window(conversation)

    def _asked(self, conversation: str) -> str:
        return self._keys.asked(conversation)


def fit(exchanges: Sequence[Exchange], budget: int) -> list[Exchange]:
    """The newest exchanges that together take at most `budget` tokens, whole and in order."""
    first = len(exchanges)
    while first > 0 and (budget := budget - cost(exchanges[first - 1])) >= 0:
        first -= 1
    return list(exchanges[first:])


def cost(exchange: Exchange) -> int:
    """Tokens of an exchange within a request: 3 and the role's 1 come to each turn, and a name with 1 more.

    Source: OpenAI cookbook, "How to count tokens with tiktoken".
    """
    return sum(
        4 + (turn.tokens or estimate(turn.content)) + (estimate(turn.name) + 1 if turn.name else 0)
        for turn in exchange.turns
    )


def budget(window: int, *, answer: int, ceiling: int, fixed: int) -> int:
    """Tokens that earlier exchanges may take, never negative.

    `window` is the model's, `answer` the room kept free in it, `ceiling` the most that a whole request may
    have, and `fixed` what the contents of the system prompt and the question take. 5 % and 50 tokens of the
    window stay free, because a server's own template and vocabulary may count more than we do; 11 are the
    frame of the fixed messages.
    """
    room = window - answer
    return max(0, min(ceiling, room - room // 20 - 50) - fixed - 11)


def _beginning(exchange_id: str) -> bytes:
    # How the JSON of this exchange begins, so that the script finds it without reading every exchange.
    return b'{"id":' + _TEXT.dump_json(exchange_id)


def _writable(turn: Turn) -> Turn:
    # A model's answer may hold half a surrogate pair, which no UTF-8 can; two halves are joined.
    content = turn.content.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return replace(turn, content=content)
