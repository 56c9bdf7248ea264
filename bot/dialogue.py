"""One exchange with the model: hear, frame, ask, say, remember."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import time

import structlog

from bot.answer import ANSWER, Answer, Asking, Draft
from bot.answering import Answering
from bot.api import Incoming, Notice, Option, Text
from bot.attached import Attached
from bot.delivery import Delivery
from bot.errors import ParleyError
from bot.folding import Folding
from bot.framing import Framing
from bot.hearing import Heard, Hearing, heard
from bot.meter import Meter
from bot.overheard import Overheard
from bot.roles import Role
from bot.roles.casting import Casting
from bot.rounds import thinking
from bot.routing import Router
from bot.settings import DialogueSettings
from bot.several import all_said, choices
from bot.speakers import signed
from bot.tokens import Tokens
from bot.tools import Toolbox
from bot.unpacking import Unpacking
from bot.window import Exchange, Turn, Windows

__all__ = ["After", "Answer", "Dialogue"]

_UNFINISHED = ("error.interrupted", "stopped", "length.cut")
_RATINGS = (Option("👍", "/feedback good"), Option("👎", "/feedback bad"))
_log = structlog.get_logger(__name__)

After = Callable[[Delivery, Incoming, Answer], Awaitable[None]]
"""What is done with an answer between its last word and the end of the reply: it is spoken, for one thing."""


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
        tools: Toolbox | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._windows = windows
        self._after = after
        self._casting = casting
        self._router = router
        self._tools = tools or Toolbox()
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
        self._answering = Answering(
            framing=self._framing, router=router, meter=meter, tokens=tokens, tools=self._tools
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

    async def answer(
        self, delivery: Delivery, question: Incoming, *, again: bool = False, plain: bool = False
    ) -> None:
        """Put `question` to the model and deliver the answer; `again` puts it in the place of the earlier one.

        A `plain` one is one answer in words, however many the conversation wants and whatever tools the role has.
        A crash at any point is answered by calling this again with the same delivery's journal: an answer that was
        finished is delivered from there, and remembering it twice changes nothing.
        Raises the errors of `Meter.chat`, `MessageTooLong`, `NothingToAnswer` and those of `Unpacking.unpack`.
        """
        self._hearing.check(question)
        if delivery.hold.kept is not None:
            answer = ANSWER.validate_json(delivery.hold.kept)
            await self._say_again(delivery, answer)
        else:
            if delivery.window != delivery.home:
                await self._windows.enlist(delivery.home, delivery.window, self._clock())
            await self._windows.asked(delivery.window, question)
            answer = await self._ask(delivery, question, plain=plain)
            await delivery.hold.keep(ANSWER.dump_json(answer).decode())
        if answer.folded:
            await delivery.notice("summary.told")
        if answer.closing:
            await delivery.notice(answer.closing)
        if delivery.withdrawn:
            await delivery.end(answer.usage)
            return
        muted = delivery.muted
        if self._after is not None:
            await self._after(delivery, question, answer)
        await self._offer_others(delivery, answer, muted=muted)
        offers = [Option(delivery.say("offer.retry"), "/retry")]
        if answer.text and answer.closing in _UNFINISHED:
            offers.append(Option(delivery.say("offer.continue"), "/continue"))
        finished = bool(answer.text) and not answer.closing
        await delivery.end(answer.usage, *offers, ratings=_RATINGS if finished else ())
        if answer.remembered:
            await self._remember(delivery, question, answer, again=again)

    async def _say_again(self, delivery: Delivery, answer: Answer) -> None:
        """Deliver what an earlier attempt got."""
        await self._tell(delivery, answer.said)
        await self._tools.again(delivery, answer.deeds)
        if answer.text:
            said = all_said(delivery, answer.all, answer.wanted) if answer.wanted > 1 else answer.text
            await delivery.send(Text(said))

    async def _offer_others(self, delivery: Delivery, answer: Answer, *, muted: bool) -> None:
        """Ask which one counts. Only the first is spoken, so that the others are shown where it was."""
        if muted and answer.others:
            await delivery.send(Text(all_said(delivery, answer.all, answer.wanted, first=2)))
        if answer.text and not answer.closing and len(answer.all) < answer.wanted:
            await delivery.notice("several.fewer", count=len(answer.all), wanted=answer.wanted)
        if answer.others:
            await delivery.send(choices(delivery, len(answer.all)))

    # --- asking --------------------------------------------------------------------------------------------

    async def _ask(self, delivery: Delivery, question: Incoming, *, plain: bool) -> Answer:
        await delivery.send(thinking(delivery))
        role = await self._role(delivery)
        model = await self._model(delivery, role)
        asked = await delivery.unless_stopped(self._hear(delivery, question, model))
        if asked is None:
            return Answer("", "" if delivery.withdrawn else "stopped", model=model)
        await self._tell(delivery, asked.notices)
        if asked.notices or asked.pictures:
            await delivery.send(thinking(delivery))
        text = signed(question.person, asked.text) if delivery.shared else asked.text
        whole = await self._windows.open(delivery.window)
        past = whole.without(question.origin)
        before = await self._hearing.before(delivery, question, whole)
        others = (before, await self._hearing.aside(question, past))
        turns = (
            *(Turn("user", said, context=True) for said in others if said),
            Turn("user", text, pictures=asked.pictures),
        )
        blank = Answer(
            "", model=model, asked=text, pictures=asked.pictures, said=asked.notices, background=before
        )
        draft, asking = Draft(), Asking(role, model, past, turns, blank, asked.urls, plain)
        answer = replace(
            await self._answering.answer(delivery, asking, draft),
            folded=bool(past.summary) and not past.told and await self._windows.told(delivery.window),
        )
        if draft.framed is not None and draft.framed.fallen:
            self.folding.begin(delivery, past, draft.framed.room, model)
        return answer

    async def _hear(self, delivery: Delivery, question: Incoming, model: str) -> Heard:
        room = min(self._settings.context_tokens, await self._router.context_window(model)) // 2
        return await self._hearing.question(
            delivery, question, room, lambda text: self._tokens.count(text, model)
        )

    async def _tell(self, delivery: Delivery, notices: Sequence[str]) -> None:
        for text in notices:
            await delivery.send(Notice("hear.told", text=text))

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

    # --- remembering -----------------------------------------------------------------------------------------

    async def _remember(self, delivery: Delivery, question: Incoming, answer: Answer, *, again: bool) -> None:
        model, text = answer.model, answer.asked or heard(question)
        await self._tokens.ready(model)
        turns: Sequence[Turn] = (
            Turn("user", answer.background, self._tokens.count(answer.background, model), context=True),
            Turn("user", text, self._tokens.count(text, model), pictures=answer.pictures),
            Turn("assistant", answer.remembered, self._tokens.count(answer.remembered, model)),
        )
        exchange = Exchange(
            question.origin,
            self._clock(),
            tuple(turn for turn in turns if turn.content),
            *((answer.all, delivery.ref) if answer.others else ()),
        )
        await self._windows.append(delivery.window, exchange, replaces=question.origin if again else "")
