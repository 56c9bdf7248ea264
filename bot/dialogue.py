"""One exchange with the model: hear, frame, ask, say, remember."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from time import time

import structlog
from pydantic import TypeAdapter

from bot.api import Incoming, Option, Status, Text, Usage
from bot.delivery import Delivery
from bot.endpoints.chat import ChatRequest, Finish, Message, TextDelta
from bot.errors import ContextTooLong, EmptyAnswer, Filtered, Interrupted, MessageTooLong, NothingToAnswer
from bot.roles import Role, Roles
from bot.routing import Router
from bot.settings import DialogueSettings
from bot.tokens import Tokens
from bot.window import Exchange, Turn, Windows, budget, fit

MESSAGE_LIMIT = 32_000
"""Characters of one message; well within every model's window, and a bound on what one person makes us keep."""

ANSWER_ROOM = 4096
"""Tokens kept free for the answer where the window allows it."""

_UNFINISHED = ("error.interrupted", "stopped", "length.cut")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer as the journal keeps it: `closing` is the notice said after it, if any."""

    text: str
    closing: str = ""
    usage: Usage | None = None


_ANSWER = TypeAdapter(Answer)


@dataclass(slots=True)
class _Draft:
    """What has come of an answer so far."""

    pieces: list[str] = field(default_factory=list)
    finish: Finish | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Dialogue:
    """Answers a message by asking the model; a `delivery.Handler`."""

    def __init__(
        self,
        *,
        windows: Windows,
        roles: Roles,
        router: Router,
        tokens: Tokens,
        settings: DialogueSettings,
        clock: Callable[[], float] = time,
    ) -> None:
        self._windows = windows
        self._roles = roles
        self._router = router
        self._tokens = tokens
        self._settings = settings
        self._clock = clock

    async def __call__(self, delivery: Delivery) -> None:
        """Answer the delivery's own message; an edited one only where it is the latest question."""
        message = delivery.message
        if message.edits:
            last = await self._windows.last_asked(delivery.conversation)
            if last is None or last.origin != message.origin:
                return
        await self.answer(delivery, message, again=bool(message.edits))

    async def answer(self, delivery: Delivery, question: Incoming, *, again: bool = False) -> None:
        """Put `question` to the model and deliver the answer; `again` puts it in the place of the earlier one.

        A crash at any point is answered by calling this again with the same delivery's journal: an answer that was
        finished is delivered from there, and remembering it twice changes nothing.
        Raises the errors of `Router.chat`, `MessageTooLong` and `NothingToAnswer`.
        """
        text = heard(question)
        if delivery.hold.kept is not None:
            answer = _ANSWER.validate_json(delivery.hold.kept)
            await delivery.send(Text(answer.text))
        else:
            await self._windows.asked(delivery.conversation, question)
            answer = await self._ask(delivery, question, text)
            await delivery.hold.keep(_ANSWER.dump_json(answer).decode())
        if answer.closing:
            await delivery.notice(answer.closing)
        offers = [Option(delivery.say("offer.retry"), "/retry")]
        if answer.text and answer.closing in _UNFINISHED:
            offers.append(Option(delivery.say("offer.continue"), "/continue"))
        await delivery.end(answer.usage, *offers)
        if answer.text:
            await self._remember(delivery, question, text, answer, again=again)

    async def _ask(self, delivery: Delivery, question: Incoming, text: str) -> Answer:
        await delivery.send(Status("thinking", (Option(delivery.say("offer.stop"), "/stop"),)))
        model = await self._model(delivery)
        past = [e for e in await self._windows.load(delivery.conversation) if e.id != question.origin]
        role = self._role(delivery)
        draft = _Draft()
        try:
            await self._stream(delivery, draft, await self._frame(delivery, role, model, past, text))
        except (ContextTooLong, EmptyAnswer) as error:
            # Some servers say that the dialogue is too long, some just say nothing (LM Studio): once more, shorter.
            if not past and isinstance(error, EmptyAnswer):
                raise
            request = await self._frame(delivery, role, model, past, text)
            tried = sum(self._tokens.count(str(m.content), model) for m in request.messages)
            limit = error.limit if isinstance(error, ContextTooLong) else 0
            self._router.learn_window(model, limit, tried)
            _log.info("context.shrunk", model=model, tried=tried, limit=limit)
            await self._stream(delivery, draft, await self._frame(delivery, role, model, past, text))
        except Interrupted:
            return self._close(draft, "error.interrupted")
        if delivery.stopping.is_set():
            return self._close(draft, "stopped")
        if draft.finish and draft.finish.reason == "filtered" and not draft.text:
            raise Filtered(model)
        closing = {"length": "length.cut", "filtered": "filtered.cut"}
        return self._close(draft, closing.get(draft.finish.reason, "") if draft.finish else "")

    async def _stream(self, delivery: Delivery, draft: _Draft, request: ChatRequest) -> None:
        """Say the answer as it comes, until it ends or the person stops it. What came stays in `draft`."""

        async def say() -> None:
            async with aclosing(self._router.chat(request)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, TextDelta):
                        draft.pieces.append(delta.text)
                        await delivery.send(Text(delta.text))
                    elif isinstance(delta, Finish):
                        draft.finish = delta

        saying = asyncio.create_task(say())
        stopping = asyncio.create_task(delivery.stopping.wait())
        try:
            await asyncio.wait({saying, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (saying, stopping):
                if not task.done():
                    task.cancel()
            await asyncio.wait({saying, stopping})
        if not saying.cancelled():
            saying.result()

    async def _frame(
        self, delivery: Delivery, role: Role, model: str, past: Sequence[Exchange], text: str
    ) -> ChatRequest:
        """The request: the role's prompt, what fits of the dialogue, and the question."""
        prompt = self._roles.frame(
            role,
            language=delivery.language,
            user=delivery.message.person.name,
            platform=delivery.message.place.platform,
            date=datetime.fromtimestamp(self._clock()).date(),
        )
        window = await self._router.context_window(model)
        fixed = self._tokens.count(prompt, model) + self._tokens.count(text, model)
        room = budget(
            window, answer=min(ANSWER_ROOM, window // 4), ceiling=self._settings.context_tokens, fixed=fixed
        )
        turns = [turn for exchange in fit(past, room) for turn in exchange.turns]
        messages = (
            Message("system", prompt),
            *(Message(turn.role, turn.content, turn.name) for turn in turns),
            Message("user", text),
        )
        temperature = (
            delivery.profile.temperature if delivery.profile.temperature is not None else role.temperature
        )
        return ChatRequest(messages, model=model, temperature=temperature)

    def _role(self, delivery: Delivery) -> Role:
        return (
            self._roles.get(delivery.profile.role)
            or self._roles.get(self._settings.default_role)
            or self._roles.all()[0]
        )

    async def _model(self, delivery: Delivery) -> str:
        chosen = delivery.profile.model or self._role(delivery).model
        model = chosen or await self._router.default_model()
        await self._tokens.ready(model)
        return model

    def _close(self, draft: _Draft, closing: str) -> Answer:
        return Answer(draft.text, closing, draft.finish.usage if draft.finish else None)

    async def _remember(
        self, delivery: Delivery, question: Incoming, text: str, answer: Answer, *, again: bool
    ) -> None:
        model = await self._model(delivery)
        turns = (
            Turn("user", text, self._tokens.count(text, model)),
            Turn("assistant", answer.text, self._tokens.count(answer.text, model)),
        )
        exchange = Exchange(question.origin, self._clock(), turns)
        await self._windows.append(delivery.conversation, exchange, replaces=question.origin if again else "")


def heard(message: Incoming) -> str:
    """What the person says, as one text: the quoted message first, if there is one, and last what cannot be read.

    Raises `MessageTooLong` and `NothingToAnswer`.
    """
    if len(message.text) > MESSAGE_LIMIT:
        raise MessageTooLong(message.key, limit=MESSAGE_LIMIT)
    if not message.text.strip():
        raise NothingToAnswer(message.key)
    text = message.text
    if message.quoted is not None and message.quoted.text:
        quoted = message.quoted.text[:MESSAGE_LIMIT].replace("\n", "\n> ")
        text = f"> {quoted}\n\n{text}"
    if message.attachments:
        kinds = ", ".join(attachment.kind for attachment in message.attachments)
        text = f"{text}\n\n[Attached, but not shown to you: {kinds}]"
    return text
