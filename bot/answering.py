"""The answer to one question: asked of the model, said as it comes, with what the model's tools do on the way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import reduce

import structlog
from pydantic import TypeAdapter

from bot.api import Gone, Notice, Option, Status, Text, Unavailable, Usage
from bot.delivery import Delivery
from bot.endpoints.chat import AsideDelta, ChatRequest, Delta, Finish, Message, TextDelta
from bot.endpoints.request import pictures, words
from bot.errors import (
    ContextTooLong,
    EmptyAnswer,
    Filtered,
    Interrupted,
    LeaseLost,
    ParleyError,
    ServerFailed,
)
from bot.framing import Framed, Framing
from bot.limits import Limited, span
from bot.meter import Meter
from bot.roles import Role
from bot.routing import Router
from bot.several import Others, headed, total
from bot.tokens import Tokens
from bot.tools import ROUNDS, Deed, Toolbox, Work
from bot.window import Past, Sight, Turn

_CUT = {"length": "length.cut", "filtered": "filtered.cut"}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer as the journal keeps it: `closing` is the notice said after it, if any.

    `background` is what had been said before the question, where that is remembered with it; `folded` says that
    the person is to be told of the summary. `asked` is the question as the model got it, with its `pictures`, and
    `said` is what the person was told before the answer, such as the transcript of what they said aloud. Where
    `wanted` answers were asked for, `others` are those that came besides. `deeds` is what the model's tools did.
    """

    text: str
    closing: str = ""
    usage: Usage | None = None
    model: str = ""
    background: str = ""
    folded: bool = False
    asked: str = ""
    pictures: tuple[Sight, ...] = ()
    said: tuple[str, ...] = ()
    wanted: int = 1
    others: tuple[str, ...] = ()
    deeds: tuple[Deed, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every answer that came, the one that counts first."""
        return (self.text, *self.others)

    @property
    def remembered(self) -> str:
        """What the dialogue keeps: notes of what was done, in words that every server can read, and the text."""
        return "\n\n".join(filter(None, (*(deed.note for deed in self.deeds), self.text)))


ANSWER = TypeAdapter(Answer)


@dataclass(frozen=True, slots=True)
class Asking:
    """All that a request is made of. `blank` is the answer before there is one.

    A `plain` answer is one, in words alone.
    """

    role: Role
    model: str
    past: Past
    turns: tuple[Turn, ...]
    blank: Answer
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    plain: bool = False


@dataclass(slots=True)
class Draft:
    """What has come of an answer so far, and the request that it answers.

    `others` are there where several answers are wanted, and `warnings` what is to be said behind them of a budget.
    `work` is what the model's tools did, `usage` what the rounds before the present one took, and `closing` what is
    to be said at the end.
    """

    pieces: list[str] = field(default_factory=list)
    finish: Finish | None = None
    framed: Framed | None = None
    others: Others | None = None
    warnings: list[Notice] = field(default_factory=list)
    work: Work = field(default_factory=Work)
    usage: Usage | None = None
    closing: str = ""

    @property
    def text(self) -> str:
        """The answer's words."""
        return "".join(self.pieces)

    @property
    def shown(self) -> bool:
        """Whether the person has got anything of it."""
        return bool(self.pieces or self.work.deeds)

    def close(self, asking: Asking, closing: str = "") -> Answer:
        """The answer as it is now."""
        usage = total(self.usage, self.finish.usage if self.finish else None)
        return replace(
            asking.blank, text=self.text, closing=closing, usage=usage, deeds=tuple(self.work.deeds)
        )


class Answering:
    """Asks the model, and says what it answers."""

    def __init__(
        self, *, framing: Framing, router: Router, meter: Meter, tokens: Tokens, tools: Toolbox
    ) -> None:
        self._framing = framing
        self._router = router
        self._meter = meter
        self._tokens = tokens
        self.tools = tools

    async def answer(self, delivery: Delivery, asking: Asking, draft: Draft) -> Answer:
        """The answer, which has been said. Raises the errors of `Meter.chat`, and of the tools."""
        try:
            answer = await self._first(delivery, asking, draft)
            if draft.others is None:
                return answer
            answer = replace(answer, wanted=draft.others.count + 1)
            if not answer.text or delivery.stopping.is_set():
                return answer
            answer = await self._with_others(delivery, answer, draft.others)
            for warning in draft.warnings:
                await delivery.send(warning)
            return answer
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
        tools = () if asking.plain or several else self.tools.offered(asking.role.tools)
        draft.framed = await self._framing.frame(
            delivery, asking.role, asking.model, asking.past, asking.turns, urls=asking.urls, tools=tools
        )
        request = draft.framed.request
        if several:
            await self._stream_several(delivery, draft, request)
        else:
            await self._stream(delivery, draft, replace(request, n=1) if request.n > 1 else request)
        if draft.finish and draft.finish.calls:
            await self._work(delivery, asking, draft, request)

    # --- with tools -----------------------------------------------------------------------------------------

    async def _work(self, delivery: Delivery, asking: Asking, draft: Draft, request: ChatRequest) -> None:
        """Do what the model calls for, and say what it says to that. What has been done is not done again."""
        start = 0
        for number in range(2, ROUNDS + 1):
            finish, done = draft.finish, len(draft.work.deeds)
            if finish is None or not finish.calls:
                return
            results = await self._use(delivery, asking, draft, request)
            if results is None or delivery.stopping.is_set():
                return
            called = Message(
                "assistant", "".join(draft.pieces[start:]).strip(), calls=finish.calls, extras=finish.thoughts
            )
            request = replace(request, messages=(*request.messages, called, *results))
            draft.usage, draft.finish, start = total(draft.usage, finish.usage), None, len(draft.pieces)
            apart = len(draft.work.deeds) > done  # what was shown between them keeps the words apart
            if apart:
                await delivery.send(
                    Text("")
                )  # a picture may wait for others of its album; this one is shown now
            await delivery.send(thinking(delivery))
            await self._go_on(delivery, draft, request, f"round {number}", apart=apart)
        if not draft.shown and not delivery.stopping.is_set():
            draft.closing = "tool.garbled"

    async def _use(
        self, delivery: Delivery, asking: Asking, draft: Draft, request: ChatRequest
    ) -> list[Message] | None:
        """What the model is told of its calls; None where there is nothing more to say to that."""
        assert draft.finish is not None  # noqa: S101 - it has called

        async def journal(deed: Deed) -> None:
            await delivery.hold.keep(ANSWER.dump_json(draft.close(asking)).decode())

        try:
            results = await self.tools.use(delivery, draft.finish.calls, request.tools, draft.work, journal)
        except (LeaseLost, Gone, Unavailable):
            raise
        except ParleyError as error:
            if not draft.shown:
                raise _final(error) from error
            _log.warning("tool.failed", kind=type(error).__name__, detail=str(error))
            await _tell(delivery, error)
            return None
        if draft.work.garbled > 1:
            draft.closing = "tool.garbled"
            return None
        return results

    async def _go_on(
        self, delivery: Delivery, draft: Draft, request: ChatRequest, purpose: str, *, apart: bool
    ) -> None:
        """Say what the model says to its tools' work. That it says nothing is no fault where something was shown."""
        try:
            await self._stream(delivery, draft, request, purpose, gap="" if apart else "\n\n")
        except (LeaseLost, Gone, Unavailable, Interrupted):
            raise
        except ParleyError as error:
            if not draft.shown:
                raise _final(error) from error
            _log.info("answer.wordless", kind=type(error).__name__, detail=str(error))

    # --- saying ---------------------------------------------------------------------------------------------

    async def _stream(
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

        async def later(warning: Notice) -> None:
            draft.warnings.append(warning)

        others = draft.others = Others(
            request.n - 1, lambda number: self._chat(delivery, alone, f"answer {number}", later)
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

    def _chat(
        self,
        delivery: Delivery,
        request: ChatRequest,
        purpose: str = "",
        warn: Callable[[Notice], Awaitable[None]] | None = None,
    ) -> AsyncGenerator[Delta]:
        attempt = delivery.hold.attempt
        return self._meter.chat(
            request, delivery.message, attempt=attempt, purpose=purpose, warn=warn or delivery.send
        )

    def _size(self, request: ChatRequest) -> int:
        """Tokens of all that is said and shown in a request."""
        said = sum(self._tokens.count(words(m.content), request.model) for m in request.messages)
        return said + sum(picture.tokens for m in request.messages for picture in pictures(m.content))


def thinking(delivery: Delivery) -> Status:
    """That the model thinks, and may be stopped."""
    return Status("thinking", (Option(delivery.say("offer.stop"), "/stop"),))


def _final(error: ParleyError) -> ParleyError:
    """The same, where asking the question anew could do the work twice."""
    return ServerFailed(str(error)) if isinstance(error, ContextTooLong | EmptyAnswer) else error


async def _tell(delivery: Delivery, error: ParleyError) -> None:
    if isinstance(error, Limited):
        await delivery.notice(error.key, wait=span(delivery.say, error.wait), **error.values)
    else:
        await delivery.notice(error.user_key, **error.values)
