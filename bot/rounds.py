"""What a model's tools do for one answer, and what it says to that: round by round, within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from bot.answer import ANSWER, Asking, Draft
from bot.api import Gone, Option, Status, Unavailable
from bot.delivery import Delivery
from bot.endpoints.chat import ChatRequest, Function, Message, ToolCall
from bot.errors import ContextTooLong, EmptyAnswer, Interrupted, LeaseLost, ParleyError, ServerFailed
from bot.several import total
from bot.tools import ROUNDS, Deed, Toolbox

_log = structlog.get_logger(__name__)


class Stream(Protocol):
    """`Answering.stream`."""

    async def __call__(
        self, delivery: Delivery, draft: Draft, request: ChatRequest, purpose: str = "", gap: str = ""
    ) -> None:
        """Say the answer to a request as it comes."""


class Rounds:
    """Has the model's calls carried out, and `stream` say what it says to what they gave."""

    def __init__(self, tools: Toolbox, stream: Stream) -> None:
        self._tools = tools
        self._stream = stream

    async def work(self, delivery: Delivery, asking: Asking, draft: Draft, request: ChatRequest) -> None:
        """Do what the model calls for, and say what it says to that. What has been done is not done again.

        A fault is raised where nothing was shown yet, else it is told. Raises `Interrupted` all the same.
        """
        start = 0
        for number in range(2, ROUNDS + 1):
            finish, done = draft.finish, len(draft.work.deeds)
            if finish is None or not finish.calls:
                return
            results = await self._use(delivery, asking, draft, finish.calls, request.tools)
            if results is None or delivery.stopping.is_set():
                return
            said = "".join(draft.pieces[start:]).strip()
            called = Message("assistant", said, calls=finish.calls, extras=finish.thoughts)
            request = replace(request, messages=(*request.messages, called, *results))
            draft.usage, draft.finish, start = total(draft.usage, finish.usage), None, len(draft.pieces)
            await delivery.send(thinking(delivery))
            # What was shown between them keeps the words apart.
            gap = "" if len(draft.work.deeds) > done else "\n\n"
            await self._go_on(delivery, draft, request, f"round {number}", gap)
        if not draft.shown and not delivery.stopping.is_set():
            draft.closing = "tool.garbled"

    async def _use(
        self,
        delivery: Delivery,
        asking: Asking,
        draft: Draft,
        calls: Sequence[ToolCall],
        offered: Sequence[Function],
    ) -> list[Message] | None:
        """What the model is told of its calls; None where there is nothing more to say to that."""

        async def journal(deed: Deed) -> None:
            await delivery.hold.keep(ANSWER.dump_json(draft.close(asking)).decode())

        try:
            results = await self._tools.use(delivery, calls, offered, draft.work, journal)
        except (LeaseLost, Gone, Unavailable):
            raise
        except ParleyError as error:
            await self._failed(delivery, draft, error)
            return None
        if draft.work.garbled > 1:
            draft.closing = "tool.garbled"
            return None
        return results

    async def _go_on(
        self, delivery: Delivery, draft: Draft, request: ChatRequest, purpose: str, gap: str
    ) -> None:
        """Say what the model says to its tools' work. That it says nothing is no fault where they did some."""
        try:
            await self._stream(delivery, draft, request, purpose, gap)
        except (LeaseLost, Gone, Unavailable, Interrupted):
            raise
        except ParleyError as error:
            if draft.work.deeds:
                _log.info("answer.wordless", kind=type(error).__name__, detail=str(error))
            else:
                await self._failed(delivery, draft, error)

    async def _failed(self, delivery: Delivery, draft: Draft, error: ParleyError) -> None:
        """Tell of a fault behind what was shown already. Raises it where that is nothing."""
        if draft.shown:
            _log.warning("tool.failed", kind=type(error).__name__, detail=str(error))
            await delivery.fault(error)
        elif isinstance(error, ContextTooLong | EmptyAnswer):
            # To these the question is asked anew, which could do the work twice.
            raise ServerFailed(str(error)) from error
        else:
            raise error


def thinking(delivery: Delivery) -> Status:
    """That the model thinks, and may be stopped."""
    return Status("thinking", (Option(delivery.say("offer.stop"), "/stop"),))
