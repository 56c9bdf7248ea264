"""The answer to one question: asked of the model, and said as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import reduce

import structlog

from bot.answer import Answer, Asking, Draft
from bot.api import Text
from bot.delivery import Delivery
from bot.endpoints.chat import AsideDelta, ChatRequest, Delta, Finish, TextDelta
from bot.endpoints.request import pictures, words
from bot.errors import ContextTooLong, EmptyAnswer, Filtered, Interrupted
from bot.framing import Framing
from bot.meter import Meter
from bot.rounds import Rounds
from bot.routing import Router
from bot.several import Others, headed, total
from bot.tokens import Tokens
from bot.tools import Toolbox

_CUT = {"length": "length.cut", "filtered": "filtered.cut"}
_log = structlog.get_logger(__name__)


class Answering:
    """Asks the model, and says what it answers."""

    def __init__(
        self, *, framing: Framing, router: Router, meter: Meter, tokens: Tokens, tools: Toolbox
    ) -> None:
        self._framing = framing
        self._router = router
        self._meter = meter
        self._tokens = tokens
        self._tools = tools
        self._rounds = Rounds(tools, self.stream)

    async def answer(self, delivery: Delivery, asking: Asking, draft: Draft) -> Answer:
        """The answer, which has been said. Raises the errors of `Meter.chat`, and of the tools."""
        try:
            answer = await self._first(delivery, asking, draft)
            if draft.others is None:
                return answer
            answer = replace(answer, wanted=draft.others.count + 1)
            if not answer.text or delivery.stopping.is_set():
                return answer
            return await self._with_others(delivery, answer, draft.others)
        finally:
            if draft.others is not None:
                await draft.others.close()

    async def _with_others(self, delivery: Delivery, answer: Answer, others: Others) -> Answer:
        """The answer with the others, each of which is said as soon as it is whole."""
        came, usage = [answer.text], [answer.usage]

        async def say() -> None:
            async with aclosing(others.come()) as coming:
                async for text, used in coming:
                    head = headed(delivery, len(came) + 1, answer.wanted, came[-1])
                    await delivery.send(Text(head + text))
                    came.append(text)
                    usage.append(used)

        await delivery.unless_stopped(say())
        closing = answer.closing
        if delivery.stopping.is_set():
            closing = "" if delivery.withdrawn else "stopped"
        return replace(answer, others=tuple(came[1:]), usage=reduce(total, usage), closing=closing)

    async def _first(self, delivery: Delivery, asking: Asking, draft: Draft) -> Answer:
        try:
            await self._try(delivery, asking, draft)
        except (ContextTooLong, EmptyAnswer) as error:
            # Some servers say that the dialogue is too long, some just say nothing (LM Studio): once more, shorter.
            if draft.framed is None or (isinstance(error, EmptyAnswer) and not asking.past.exchanges):
                raise
            answerer, tried = draft.framed.answerer, self._size(draft.framed.request)
            limit = error.limit if isinstance(error, ContextTooLong) else 0
            self._router.learn_window(answerer, limit, tried)
            _log.info("context.shrunk", model=answerer, tried=tried, limit=limit)
            await self._try(delivery, asking, draft)
        except Interrupted:
            return draft.close(asking, "error.interrupted")
        if delivery.stopping.is_set():
            return draft.close(asking, "" if delivery.withdrawn else "stopped")
        reason = draft.finish.reason if draft.finish else ""
        if reason == "filtered" and not draft.shown:
            raise Filtered(asking.model)
        return draft.close(asking, draft.closing or _CUT.get(reason, ""))

    async def _try(self, delivery: Delivery, asking: Asking, draft: Draft) -> None:
        several = not asking.plain and (delivery.profile.n or 1) > 1
        tools = () if asking.plain or several else self._tools.offered(asking.role.tools)
        draft.framed = await self._framing.frame(
            delivery, asking.role, asking.model, asking.past, asking.turns, urls=asking.urls, tools=tools
        )
        request = draft.framed.request
        if several:
            await self._stream_several(delivery, draft, request)
        else:
            await self.stream(delivery, draft, replace(request, n=1) if request.n > 1 else request)
        if draft.finish and draft.finish.calls:
            await self._rounds.work(delivery, asking, draft, request)

    # --- saying ---------------------------------------------------------------------------------------------

    async def stream(
        self, delivery: Delivery, draft: Draft, request: ChatRequest, purpose: str = "", gap: str = ""
    ) -> None:
        """Say the answer as it comes, until it ends or the person stops it. What came stays in `draft`.

        Where something was said before, `gap` is between the two.
        """
        asked = self._chat(delivery, request, purpose)

        async def say() -> None:
            between = bool(draft.pieces)
            async with aclosing(asked) as deltas:
                async for delta in deltas:
                    if isinstance(delta, TextDelta):
                        if between:
                            between = False
                            draft.pieces.append("\n\n")
                            if gap:
                                await delivery.send(Text(gap))
                        draft.pieces.append(delta.text)
                        await delivery.send(Text(delta.text))
                    elif isinstance(delta, Finish):
                        draft.finish = delta

        await delivery.unless_stopped(say())

    async def _stream_several(self, delivery: Delivery, draft: Draft, request: ChatRequest) -> None:
        """The same of the first of several answers; the others are gathered meanwhile."""
        alone = replace(request, n=1)
        others = draft.others = Others(
            request.n - 1, lambda number: self._chat(delivery, alone, f"answer {number}")
        )
        single = self._router.single(request.model, pictured=request.pictured)
        asked = self._chat(delivery, alone if single else request)

        async def say() -> None:
            async with aclosing(asked) as deltas:
                async for delta in deltas:
                    if isinstance(delta, TextDelta):
                        if not draft.pieces:
                            await delivery.send(Text(headed(delivery, 1, request.n)))
                            if single:  # that the first one comes shows that the others can
                                others.ask()
                        draft.pieces.append(delta.text)
                        await delivery.send(Text(delta.text))
                    elif isinstance(delta, Finish):
                        draft.finish = delta
                    elif isinstance(delta, AsideDelta):
                        others.note(delta)

        await delivery.unless_stopped(say())

    def _chat(self, delivery: Delivery, request: ChatRequest, purpose: str = "") -> AsyncGenerator[Delta]:
        attempt = delivery.hold.attempt
        return self._meter.chat(
            request, delivery.message, attempt=attempt, purpose=purpose, warn=delivery.later
        )

    def _size(self, request: ChatRequest) -> int:
        """Tokens of all that is said and shown in a request."""
        said = sum(self._tokens.count(words(m.content), request.model) for m in request.messages)
        return said + sum(picture.tokens for m in request.messages for picture in pictures(m.content))
