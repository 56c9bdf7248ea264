"""Several answers to one question: the first is said as it comes, the others are gathered and said behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import structlog

from bot.api import Choices, Option, Usage
from bot.delivery import Delivery
from bot.endpoints.chat import AsideDelta, Delta, Finish, TextDelta
from bot.errors import EmptyAnswer, ParleyError

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_log = structlog.get_logger(__name__)

Said = tuple[str, Usage | None]
"""An answer, and what it took where the server said so."""


class Others:
    """The `count` answers besides the first one.

    `ask` puts the question once more, for one answer: it is called for what the model did not give by itself, and
    its number, from 2, tells these requests apart.
    """

    def __init__(self, count: int, ask: Callable[[int], AsyncGenerator[Delta]]) -> None:
        self.count = count
        self._ask = ask
        self._pieces: dict[int, list[str]] = {}
        self._whole: list[str] = []
        self._asked: list[asyncio.Task[Said | None]] = []

    def note(self, delta: AsideDelta) -> None:
        """Take a piece that came with the first answer."""
        pieces = self._pieces.setdefault(delta.number, [])
        pieces.append(delta.text)
        if delta.last:
            self._whole.append("".join(pieces))

    def ask(self) -> None:
        """Ask for those that are missing, all at once."""
        for number in range(len(self._whole) + len(self._asked), self.count):
            self._asked.append(asyncio.create_task(self._answer(number + 2)))

    async def come(self) -> AsyncGenerator[Said]:
        """Each as soon as it is whole; one that fails is left out."""
        for text in self._whole:
            yield text, None
        self.ask()
        for answered in asyncio.as_completed(self._asked):
            if (said := await answered) is not None:
                yield said

    async def close(self) -> None:
        """Give up what is still asked for."""
        for task in self._asked:
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)

    async def _answer(self, number: int) -> Said | None:
        pieces: list[str] = []
        usage: Usage | None = None
        try:
            async with aclosing(self._ask(number)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, TextDelta):
                        pieces.append(delta.text)
                    elif isinstance(delta, Finish):
                        usage = delta.usage
            if not pieces:
                raise EmptyAnswer("no words")
        except ParleyError as error:
            _log.info("answer.missing", number=number, kind=type(error).__name__, detail=str(error))
            return None
        return "".join(pieces), usage


def total(one: Usage | None, two: Usage | None) -> Usage | None:
    """What both took, as far as it is known."""
    if one is None or two is None:
        return one or two
    return Usage(
        one.prompt + two.prompt, one.completion + two.completion, estimated=one.estimated or two.estimated
    )


# --- how they are said -------------------------------------------------------------------------------------


def headed(delivery: Delivery, number: int, count: int, before: str = "") -> str:
    """What stands before an answer that is one of several; `before` is the answer above it."""
    title = delivery.say("several.heading", number=number, count=count)
    fence = _open_fence(before)
    return "".join((f"\n{fence}" if fence else "", "\n\n" if before else "", f"**{title}**\n\n"))


def all_said(delivery: Delivery, answers: Sequence[str], count: int, *, first: int = 1) -> str:
    """The answers one behind the other as they were said, from the one of the number `first` on."""
    above = ["", *answers]
    return "".join(
        headed(delivery, number, count, above[number - 1]) + text
        for number, text in enumerate(answers, 1)
        if number >= first
    )


def choices(delivery: Delivery, count: int) -> Choices:
    """The question which of `count` answers the dialogue goes on with. The first does by itself."""
    options = (
        Option(delivery.say("several.keep", number=number), f"/keep {number} {delivery.ref}")
        for number in range(2, count + 1)
    )
    return Choices(delivery.say("several.choose"), tuple(options))


def _open_fence(text: str) -> str:
    """The mark of a block of code that is not closed at the end of a text."""
    mark = ""
    for found in map(_FENCE.match, text.splitlines()):
        if found is None:
            continue
        if not mark:
            mark = found[1]
        elif found[1].startswith(mark):
            mark = ""
    return mark
