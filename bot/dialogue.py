"""One exchange with the model: hear, frame, ask, say, remember."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from time import time
from typing import Any, TypeVar

import structlog
from pydantic import TypeAdapter

from bot.api import Incoming, Notice, Option, Status, Text, Usage
from bot.attached import Attached
from bot.delivery import Delivery
from bot.endpoints.chat import ChatRequest, Finish, TextDelta
from bot.endpoints.request import pictures, words
from bot.errors import ContextTooLong, EmptyAnswer, Filtered, Interrupted, ParleyError
from bot.folding import Folding
from bot.framing import Framed, Framing
from bot.hearing import Heard, Hearing, heard
from bot.meter import Meter
from bot.overheard import Overheard
from bot.roles import Role
from bot.roles.casting import Casting
from bot.routing import Router
from bot.settings import DialogueSettings
from bot.speakers import signed
from bot.tokens import Tokens
from bot.unpacking import Unpacking
from bot.window import Exchange, Past, Sight, Turn, Windows

_UNFINISHED = ("error.interrupted", "stopped", "length.cut")
_RATINGS = (Option("👍", "/feedback good"), Option("👎", "/feedback bad"))
_log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer as the journal keeps it: `closing` is the notice said after it, if any.

    `background` is what had been said before the question, where that is remembered with it; `folded` says that
    the person is to be told of the summary. `asked` is the question as the model got it, with its `pictures`, and
    `said` is what the person was told before the answer, such as the transcript of what they said aloud.
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


After = Callable[[Delivery, Incoming, Answer], Awaitable[None]]
"""What is done with an answer between its last word and the end of the reply: it is spoken, for one thing."""

_ANSWER = TypeAdapter(Answer)


@dataclass(frozen=True, slots=True)
class _Asking:
    """All that a request is made of."""

    role: Role
    model: str
    past: Past
    turns: tuple[Turn, ...]
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class _Draft:
    """What has come of an answer so far, and the request that it answers."""

    pieces: list[str] = field(default_factory=list)
    finish: Finish | None = None
    framed: Framed | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Dialogue:
    """Answers a message by asking the model; a `delivery.Handler`."""

    def __init__(
        self,
        *,
        windows: Windows,
        casting: Casting,
        router: Router,
        meter: Meter,
        tokens: Tokens,
        settings: DialogueSettings,
        overheard: Overheard | None = None,
        attached: Attached | None = None,
        unpacking: Unpacking | None = None,
        after: After | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._windows = windows
        self._after = after
        self._casting = casting
        self._router = router
        self._meter = meter
        self._tokens = tokens
        self._settings = settings
        self._hearing = Hearing(overheard, unpacking)
        self._clock = clock
        self._framing = Framing(
            roles=casting.roles,
            router=router,
            tokens=tokens,
            settings=settings,
            attached=attached,
            clock=clock,
        )
        self.folding = Folding(windows=windows, router=router, meter=meter, tokens=tokens, settings=settings)

    async def __call__(self, delivery: Delivery) -> None:
        """Answer the delivery's own message; an edited one only where it is the latest question."""
        message = delivery.message
        if message.edits:
            last = await self._windows.last_asked(delivery.window)
            if last is None or last.origin != message.origin:
                return
        await self.answer(delivery, message, again=bool(message.edits))

    async def close(self) -> None:
        """Give up what is done in the background."""
        await self.folding.close()

    async def model(self, delivery: Delivery) -> str:
        """The model that answers in this conversation; empty where only its server could tell, and does not."""
        role = await self._casting.resolve(delivery.profile)
        try:
            return delivery.profile.model or role.model or await self._router.default_model()
        except ParleyError as error:
            _log.info("model.unknown", kind=type(error).__name__, detail=str(error))
            return ""

    async def prompt(self, delivery: Delivery) -> str:
        """The system prompt of this conversation, as the model gets it."""
        return self._framing.prompt(delivery, await self._casting.resolve(delivery.profile))

    async def answer(self, delivery: Delivery, question: Incoming, *, again: bool = False) -> None:
        """Put `question` to the model and deliver the answer; `again` puts it in the place of the earlier one.

        A crash at any point is answered by calling this again with the same delivery's journal: an answer that was
        finished is delivered from there, and remembering it twice changes nothing.
        Raises the errors of `Meter.chat`, `MessageTooLong`, `NothingToAnswer` and those of `Unpacking.unpack`.
        """
        self._hearing.check(question)
        if delivery.hold.kept is not None:
            answer = _ANSWER.validate_json(delivery.hold.kept)
            await self._tell(delivery, answer.said)
            await delivery.send(Text(answer.text))
        else:
            if delivery.window != delivery.home:
                await self._windows.enlist(delivery.home, delivery.window, self._clock())
            await self._windows.asked(delivery.window, question)
            answer = await self._ask(delivery, question)
            await delivery.hold.keep(_ANSWER.dump_json(answer).decode())
        if answer.folded:
            await delivery.notice("summary.told")
        if answer.closing:
            await delivery.notice(answer.closing)
        if delivery.withdrawn:
            await delivery.end(answer.usage)
            return
        if self._after is not None:
            await self._after(delivery, question, answer)
        offers = [Option(delivery.say("offer.retry"), "/retry")]
        if answer.text and answer.closing in _UNFINISHED:
            offers.append(Option(delivery.say("offer.continue"), "/continue"))
        finished = bool(answer.text) and not answer.closing
        await delivery.end(answer.usage, *offers, ratings=_RATINGS if finished else ())
        if answer.text:
            await self._remember(delivery, question, answer, again=again)

    # --- asking --------------------------------------------------------------------------------------------

    async def _ask(self, delivery: Delivery, question: Incoming) -> Answer:
        await self._think(delivery)
        role = await self._role(delivery)
        model = await self._model(delivery, role)
        asked = await self._until_stopped(delivery, self._hear(delivery, question, model))
        if asked is None:
            return Answer("", "" if delivery.withdrawn else "stopped", model=model)
        await self._tell(delivery, asked.notices)
        if asked.notices or asked.pictures:
            await self._think(delivery)
        text = signed(question.person, asked.text) if delivery.shared else asked.text
        whole = await self._windows.open(delivery.window)
        past = whole.without(question.origin)
        before = await self._hearing.before(delivery, question, whole)
        others = (before, await self._hearing.aside(question, past))
        turns = (
            *(Turn("user", said, context=True) for said in others if said),
            Turn("user", text, pictures=asked.pictures),
        )
        draft = _Draft()
        answer = replace(
            await self._answered(delivery, _Asking(role, model, past, turns, asked.urls), draft),
            model=model,
            asked=text,
            pictures=asked.pictures,
            said=asked.notices,
            background=before,
            folded=bool(past.summary) and not past.told and await self._windows.told(delivery.window),
        )
        if draft.framed is not None and draft.framed.fallen:
            self.folding.begin(delivery, past, draft.framed.room, model)
        return answer

    async def _think(self, delivery: Delivery) -> None:
        await delivery.send(Status("thinking", (Option(delivery.say("offer.stop"), "/stop"),)))

    async def _hear(self, delivery: Delivery, question: Incoming, model: str) -> Heard:
        room = min(self._settings.context_tokens, await self._router.context_window(model)) // 2
        return await self._hearing.question(
            delivery, question, room, lambda text: self._tokens.count(text, model)
        )

    async def _tell(self, delivery: Delivery, notices: Sequence[str]) -> None:
        for text in notices:
            await delivery.send(Notice("hear.told", text=text))

    async def _answered(self, delivery: Delivery, asking: _Asking, draft: _Draft) -> Answer:
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
            return self._close(draft, "error.interrupted")
        if delivery.stopping.is_set():
            return self._close(draft, "" if delivery.withdrawn else "stopped")
        if draft.finish and draft.finish.reason == "filtered" and not draft.text:
            raise Filtered(asking.model)
        closing = {"length": "length.cut", "filtered": "filtered.cut"}
        return self._close(draft, closing.get(draft.finish.reason, "") if draft.finish else "")

    async def _try(self, delivery: Delivery, asking: _Asking, draft: _Draft) -> None:
        draft.framed = await self._framing.frame(
            delivery, asking.role, asking.model, asking.past, asking.turns, urls=asking.urls
        )
        await self._stream(delivery, draft, draft.framed.request)

    async def _stream(self, delivery: Delivery, draft: _Draft, request: ChatRequest) -> None:
        """Say the answer as it comes, until it ends or the person stops it. What came stays in `draft`."""

        asked = self._meter.chat(request, delivery.message, attempt=delivery.hold.attempt, warn=delivery.send)

        async def say() -> None:
            async with aclosing(asked) as deltas:
                async for delta in deltas:
                    if isinstance(delta, TextDelta):
                        draft.pieces.append(delta.text)
                        await delivery.send(Text(delta.text))
                    elif isinstance(delta, Finish):
                        draft.finish = delta

        await self._until_stopped(delivery, say())

    async def _until_stopped(self, delivery: Delivery, work: Coroutine[Any, Any, T]) -> T | None:
        """What the work gives, or None where the person stops it before."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(delivery.stopping.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, stopping):
                if not task.done():
                    task.cancel()
            await asyncio.wait({working, stopping})
        return None if working.cancelled() else working.result()

    def _size(self, request: ChatRequest) -> int:
        """Tokens of all that is said and shown in a request."""
        said = sum(self._tokens.count(words(m.content), request.model) for m in request.messages)
        return said + sum(picture.tokens for m in request.messages for picture in pictures(m.content))

    async def _role(self, delivery: Delivery) -> Role:
        """Whom to play. Where the chosen role is there no more, the person is told so, once."""
        role = await self._casting.resolve(delivery.profile)
        if delivery.profile.role not in ("", role.id):
            await delivery.notice("role.gone", emoji=role.emoji, name=role.name(delivery.language))
            await self._casting.dismiss(delivery.conversation)
        return role

    async def _model(self, delivery: Delivery, role: Role) -> str:
        model = delivery.profile.model or role.model or await self._router.default_model()
        await self._tokens.ready(model)
        return model

    def _close(self, draft: _Draft, closing: str) -> Answer:
        return Answer(draft.text, closing, draft.finish.usage if draft.finish else None)

    # --- remembering -----------------------------------------------------------------------------------------

    async def _remember(self, delivery: Delivery, question: Incoming, answer: Answer, *, again: bool) -> None:
        model, text = answer.model, answer.asked or heard(question)
        await self._tokens.ready(model)
        turns: Sequence[Turn] = (
            Turn("user", answer.background, self._tokens.count(answer.background, model), context=True),
            Turn("user", text, self._tokens.count(text, model), pictures=answer.pictures),
            Turn("assistant", answer.text, self._tokens.count(answer.text, model)),
        )
        exchange = Exchange(question.origin, self._clock(), tuple(turn for turn in turns if turn.content))
        await self._windows.append(delivery.window, exchange, replaces=question.origin if again else "")
