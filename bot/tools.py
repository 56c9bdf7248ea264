"""What a model may do besides talking: the tools that are offered with a question, and their use."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from bot.delivery import Delivery
from bot.endpoints.chat import Function, Message, ToolCall
from bot.errors import Incapable

ROUNDS = 3
"""Requests for one answer: the question, and what the model says to what its tools gave."""

CALLS = 4
"""Calls that are carried out for one answer."""

_NOTED = 300  # characters of a wish in the dialogue
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that a tool has done for the person: what was wished, and the note of it that the dialogue keeps.

    `call` is which one of the answer it came of; 0 where an earlier version did not note that.
    """

    tool: str
    wish: str
    note: str
    call: int = 0

    @classmethod
    def of(cls, tool: str, wish: str, *, did: str, call: int = 0) -> Deed:
        """One with its note: what it `did`."""
        return cls(tool, wish, note_of(did, wish), call)


def note_of(did: str, wish: str) -> str:
    """What the dialogue says of something that was done, in English, because a model reads it."""
    line = " ".join(wish.split())
    return f"[{did}: {line if len(line) <= _NOTED else line[:_NOTED] + '…'}]"


Journal = Callable[[Deed], Awaitable[None]]
"""Note a deed, once it is done and before it is shown: after a crash it is not done again."""


class Tool(Protocol):
    """One tool; its name is its function's."""

    @property
    def function(self) -> Function:
        """What the model is told of it."""

    def there(self) -> bool:
        """Whether it can be used, as far as is known."""

    async def use(
        self, delivery: Delivery, arguments: Mapping[str, Any], *, call: int, journal: Journal
    ) -> str:
        """Do what the arguments say, for the person of the delivery; what the model is told of it.

        It is the `call`-th of the answer, from 1 to `CALLS`, and is paid for itself. Nothing is told where the person
        stopped it. Raises what the work raises, and the person is told.
        """

    async def again(self, delivery: Delivery, deed: Deed) -> bool:
        """Show once more what an earlier attempt did. Is it there?"""


@dataclass(slots=True)
class Work:
    """What came of the calls of one answer so far: the deeds, how many calls, and how many nobody can read."""

    deeds: list[Deed] = field(default_factory=list)
    calls: int = 0
    garbled: int = 0


class Toolbox:
    """All tools."""

    def __init__(self, tools: Sequence[Tool] = ()) -> None:
        self._tools = {tool.function.name: tool for tool in tools}

    def offered(self, names: Collection[str]) -> tuple[Function, ...]:
        """Those of these names that can be used."""
        return tuple(t.function for name, t in self._tools.items() if name in names and t.there())

    async def use(
        self,
        delivery: Delivery,
        calls: Sequence[ToolCall],
        offered: Sequence[Function],
        work: Work,
        journal: Journal,
    ) -> list[Message]:
        """Carry the calls out, one after the other, and the answers to them. Raises what the tools raise."""

        async def done(deed: Deed) -> None:
            work.deeds.append(deed)
            await journal(deed)

        answers = []
        for call in calls:
            work.calls += 1
            if delivery.stopping.is_set():
                told = ""
            elif work.calls > CALLS:
                told = "Not done: too many calls in one answer."
            elif call.name not in {function.name for function in offered}:
                known = ", ".join(function.name for function in offered)
                told = f"There is no function {call.name[:60]!r}. There are: {known}."
            elif (arguments := _read(call.arguments)) is None:
                work.garbled += 1
                told = "The arguments are no JSON object. Call it once more, with valid JSON."
            else:
                told = await self._used(delivery, call.name, arguments, work.calls, done)
            answers.append(Message("tool", told or "Stopped by the person.", call_id=call.id))
        return answers

    async def again(self, delivery: Delivery, deeds: Sequence[Deed]) -> None:
        """Show once more what an earlier attempt did, in order, and say so where something is there no more."""
        # An earlier version kept what came of the last one only.
        kept = [deed for deed in deeds if deed.call] or deeds[-1:]
        shown = [await tool.again(delivery, deed) for deed in kept if (tool := self._tools.get(deed.tool))]
        if not all(shown):
            await delivery.notice("image.lost")

    async def _used(
        self, delivery: Delivery, name: str, arguments: Mapping[str, Any], call: int, journal: Journal
    ) -> str:
        try:
            return await self._tools[name].use(delivery, arguments, call=call, journal=journal)
        except Incapable as error:
            # The question was put to the model, which may know something better.
            _log.info("tool.missing", tool=name, detail=str(error))
            return "This cannot be done here. Answer in words."


def _read(text: str) -> Mapping[str, Any] | None:
    """The arguments of a call, also where they were put into JSON twice; None where they are no object."""
    found: Any = text.strip() or "{}"
    for _ in range(2):
        if isinstance(found, str):
            try:
                found = json.loads(found)
            except (ValueError, RecursionError):
                return None
    if not isinstance(found, dict):
        return None
    # Half of a surrogate pair has no UTF-8, and neither the journal nor a server would take it.
    whole: dict[str, Any] = json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
    return whole
