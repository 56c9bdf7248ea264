"""Context windows: what was asked and answered, kept in Redis, and how much of it fits a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any, Literal

import structlog
from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from bot.api import Incoming
from bot.keys import Keys, reaching
from bot.tokens import estimate

MEMBERS = 1000
"""Windows of one home (threads, sessions) that are known to belong to it."""

LIMIT_BYTES = 2_000_000
"""Bytes of one conversation that are kept; what is older falls out. Half a million tokens or more."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sight:
    """A picture by its id, with its size in pixels and about how many tokens it takes.

    `aside`: the question can be answered without it.
    """

    id: str
    width: int
    height: int
    tokens: int
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """Something said. `tokens` are the content's (0: not counted); `name` is the speaker's, where known.

    `context` is what others had said before the question, and not the question. `pictures` came with it.
    """

    role: Literal["user", "assistant"]
    content: str
    tokens: int = 0
    name: str = ""
    context: bool = False
    pictures: tuple[Sight, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was asked, and its answer: kept or forgotten as a whole.

    `id` is the question's `Incoming.key`; `at` is when it was answered, in seconds since the epoch. Where several
    answers were given, these are the `answers`, one of which stands in the turns, and `ref` is the reference of the
    message that they were given to.
    """

    id: str
    at: float
    turns: tuple[Turn, ...]
    answers: tuple[str, ...] = ()
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """A window as it is: its exchanges, and what became of older ones.

    `summary` tells of everything up to the exchange `through`, and `told` says that the person knows of it.
    `cleared`: the window was begun afresh, on purpose.
    """

    exchanges: Sequence[Exchange] = field(default_factory=tuple)
    summary: str = ""
    through: str = ""
    cleared: bool = False
    told: bool = False

    @property
    def after(self) -> Sequence[Exchange]:
        """The exchanges of which the summary does not tell."""
        for number, exchange in enumerate(self.exchanges, 1):
            if self.summary and exchange.id == self.through:
                return self.exchanges[number:]
        return self.exchanges

    def without(self, exchange_id: str) -> Past:
        """The same, as if that exchange were not there."""
        return replace(self, exchanges=[e for e in self.exchanges if e.id != exchange_id])


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
        self._fold = redis.register_script(resources.files("bot").joinpath("fold.lua").read_text("utf-8"))

    async def load(self, conversation: str) -> list[Exchange]:
        """The exchanges, oldest first. One that cannot be read is passed over."""
        stored: Any
        async with reaching():
            stored = await self._redis.lrange(self._window(conversation), 0, -1)
        return _read(stored)

    async def open(self, conversation: str) -> Past:
        """The exchanges, and what became of older ones."""
        stored: list[str]
        folded: Mapping[str, str]
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.lrange(self._window(conversation), 0, -1)
            pipeline.hgetall(self._keys.folded(conversation))
            pipeline.pexpire(self._keys.folded(conversation), self._ttl)
            stored, folded, _ = await pipeline.execute()
        return Past(
            _read(stored),
            folded.get("summary", ""),
            folded.get("through", ""),
            cleared="cleared" in folded,
            told="told" in folded,
        )

    async def append(self, conversation: str, exchange: Exchange, *, replaces: str = "") -> None:
        """Add an exchange; adding it again changes nothing.

        Where `replaces` is the id of the last exchange, or of an earlier one with the same id, the new one takes
        its place, at the end: a question asked again.
        """
        exchange = replace(
            exchange,
            turns=tuple(_writable(turn) for turn in exchange.turns),
            answers=tuple(map(_surrogates_joined, exchange.answers)),
        )
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

    async def fold(self, conversation: str, through: str, summary: str) -> bool:
        """Keep `summary` in the place of the exchanges up to `through`, if that is still there. Kept?"""
        arguments = (_beginning(through), through, _surrogates_joined(summary), self._ttl)
        async with reaching():
            kept = await self._fold(
                keys=[self._window(conversation), self._keys.folded(conversation)], args=arguments
            )
        return bool(kept)

    async def told(self, conversation: str) -> bool:
        """Whether it is now, for the first time, that the person is told of the summary."""
        async with reaching():
            return bool(await self._redis.hsetnx(self._keys.folded(conversation), "told", "1"))

    async def clear(self, conversation: str) -> None:
        """Begin afresh: forget the exchanges, their summary, the last question and all that was attached."""
        folded = self._keys.folded(conversation)
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(*self._contents(conversation), folded)
            pipeline.hset(folded, "cleared", "1")
            pipeline.pexpire(folded, self._ttl)
            await pipeline.execute()

    async def undo(self, conversation: str, exchange_id: str) -> None:
        """Take the exchange out if it is the last one, and forget that it was asked and what came with it."""
        key, folded = self._window(conversation), self._keys.folded(conversation)
        last: Any
        async with reaching():
            last = await self._redis.lindex(key, -1)
            through = await self._redis.hget(folded, "through")
        if last is None or not last.encode().startswith(_beginning(exchange_id)):
            return
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.lrem(key, -1, last)
            pipeline.delete(self._asked(conversation), self._keys.attached(conversation))
            for picture in await self._shown(conversation, last):
                pipeline.lrem(self._keys.pictures(conversation), 0, picture)
            if through == exchange_id:
                pipeline.hdel(folded, "through", "summary")
            await pipeline.execute()

    async def enlist(self, home: str, conversation: str, at: float) -> None:
        """Note that a window belongs to `home`, which is where it will be looked for when all is to be forgotten."""
        key = self._keys.members(home)
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zadd(key, {conversation: at})
            pipeline.zremrangebyrank(key, 0, -MEMBERS - 1)
            pipeline.pexpire(key, self._ttl)
            await pipeline.execute()

    async def members(self, home: str) -> list[str]:
        """The windows that belong to `home`, besides its own."""
        members: Any
        async with reaching():
            members = await self._redis.zrange(self._keys.members(home), 0, -1)
        return list(members)

    async def forget(self, home: str, conversations: Iterable[str]) -> None:
        """Keep nothing of these windows, nor that they belonged to `home`.

        Of those beside `home` it stays known that they were cleared, so that nothing is read back into them.
        """
        windows = list(dict.fromkeys((home, *conversations)))
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(self._keys.members(home))
            for window in windows:
                folded = self._keys.folded(window)
                pipeline.delete(*self._contents(window), folded)
                if window != home:
                    pipeline.hset(folded, "cleared", "1")
                    pipeline.pexpire(folded, self._ttl)
            await pipeline.execute()

    async def sizes(self, conversations: Sequence[str]) -> list[int]:
        """How many exchanges each window has."""
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            for conversation in conversations:
                pipeline.llen(self._window(conversation))
            return [int(size) for size in await pipeline.execute()]

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

    async def _shown(self, conversation: str, exchange: str) -> list[str]:
        """The pictures that are kept of an exchange, as they are kept."""
        names = tuple(f"{s.id}\n" for e in _read([exchange]) for turn in e.turns for s in turn.pictures)
        if not names:
            return []
        kept: Any = await self._redis.lrange(self._keys.pictures(conversation), 0, -1)
        return [picture for picture in kept if picture.startswith(names)]

    def _contents(self, conversation: str) -> tuple[str, ...]:
        """The keys of all that was said in a conversation."""
        keys = self._keys
        return (
            keys.window(conversation),
            keys.asked(conversation),
            keys.attached(conversation),
            keys.pictures(conversation),
        )

    def _window(self, conversation: str) -> str:
        return self._keys.window(conversation)

    def _asked(self, conversation: str) -> str:
        return self._keys.asked(conversation)


def _read(stored: Iterable[str]) -> list[Exchange]:
    found = []
    for text in stored:
        try:
            found.append(_EXCHANGE.validate_json(text))
        except ValidationError as error:
            _log.warning("window.unreadable", faults=error.error_count())
    return found


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
        4
        + (turn.tokens or estimate(turn.content))
        + (estimate(turn.name) + 1 if turn.name else 0)
        + sum(picture.tokens for picture in turn.pictures)
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
    return replace(turn, content=_surrogates_joined(turn.content))


def _surrogates_joined(text: str) -> str:
    # A model's answer may hold half a surrogate pair, which no UTF-8 can; two halves are joined.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
