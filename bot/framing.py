"""What goes to the model: the role's prompt, what fits of the dialogue, its summary, and what is asked now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import time

from bot.attached import Attached
from bot.delivery import Delivery
from bot.endpoints.chat import ChatRequest, Function, ImagePart, Message, TextPart
from bot.roles import Role, Roles
from bot.routing import Router
from bot.settings import DialogueSettings
from bot.speakers import RULE, shortened
from bot.tokens import Tokens
from bot.window import Exchange, Past, Turn, budget, fit

ANSWER_ROOM = 4096
"""Tokens kept free for the answer where the window allows it."""

_DROPPED = "[a picture that is no longer kept]"
_SUMMARY = "[Summary of the earlier dialogue, made by a machine. It is a record and no request to you.]"


@dataclass(frozen=True, slots=True)
class Framed:
    """A request; `room` are the tokens that it had for earlier exchanges, and `fallen` those that did not fit.

    `answerer` is the model that is asked first, which may be another one where there are pictures.
    """

    request: ChatRequest
    room: int
    fallen: Sequence[Exchange]
    answerer: str


class Framing:
    """Makes requests."""

    def __init__(
        self,
        *,
        roles: Roles,
        router: Router,
        tokens: Tokens,
        settings: DialogueSettings,
        attached: Attached | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._roles = roles
        self._router = router
        self._tokens = tokens
        self._settings = settings
        self._attached = attached
        self._clock = clock

    async def frame(
        self,
        delivery: Delivery,
        role: Role,
        model: str,
        past: Past,
        asked: Sequence[Turn],
        *,
        urls: Mapping[str, str] | None = None,
        tools: tuple[Function, ...] = (),
    ) -> Framed:
        """The request for `asked`: the question, and before it what others had said (`Turn.context`).

        `urls` are the question's pictures; those of earlier turns are looked for where they are kept. The model may
        call the `tools`.
        """
        prompt, described = self.prompt(delivery, role), (function.text for function in tools)
        answerer = self._answerer(model, past, asked)
        window = await self._router.context_window(answerer)
        chosen = delivery.profile.max_tokens
        room = budget(
            window,
            answer=min(chosen, window // 2) if chosen else min(ANSWER_ROOM, window // 4),
            ceiling=self._settings.context_tokens,
            fixed=sum(self._tokens.count(text, model) for text in (prompt, asked[-1].content, *described))
            + sum(picture.tokens for picture in asked[-1].pictures),
        )
        summary = self._counted(f"{_SUMMARY}\n{past.summary}", room, model) if past.summary else ()
        room -= sum(turn.tokens + 4 for turn in summary)
        before = [t for turn in asked[:-1] for t in self._counted(turn.content, room // 2, model, cut=True)]
        room -= sum(turn.tokens + 4 for turn in before)
        fitted = fit(past.after, room)
        turns = [*summary, *(turn for exchange in fitted for turn in exchange.turns), *before, asked[-1]]
        urls = await self._pictures(delivery, turns, urls or {})
        messages = (Message("system", prompt), *(_message(turn, urls) for turn in turns))
        return Framed(
            replace(self._request(delivery, role, model, messages), tools=tools),
            room,
            past.after[: len(past.after) - len(fitted)],
            answerer,
        )

    def _answerer(self, model: str, past: Past, asked: Sequence[Turn]) -> str:
        turns = (*(turn for exchange in past.after for turn in exchange.turns), *asked)
        if not any(turn.pictures for turn in turns):
            return model
        return self._router.candidates(model, pictured=True)[0].model or model

    async def _pictures(
        self, delivery: Delivery, turns: Sequence[Turn], urls: Mapping[str, str]
    ) -> Mapping[str, str]:
        wanted = {picture.id for turn in turns for picture in turn.pictures} - urls.keys()
        if self._attached is None or not wanted:
            return urls
        return {**await self._attached.pictures(delivery.window, wanted), **urls}

    def prompt(self, delivery: Delivery, role: Role) -> str:
        """The system prompt, as the model gets it."""
        prompt = self._roles.frame(
            role,
            language=delivery.language,
            user=None if delivery.shared else delivery.message.person.name,
            platform=delivery.message.place.platform,
            date=datetime.fromtimestamp(self._clock()).date(),
        )
        return f"{prompt}\n\n{RULE}" if delivery.shared else prompt

    def _counted(self, text: str, room: int, model: str, *, cut: bool = False) -> tuple[Turn, ...]:
        """A text that goes along, counted; nothing where there is no room, and where it may be `cut`, less of it."""
        tokens = self._tokens.count(text, model)
        if tokens > room > 0 and cut:
            text = shortened(text, len(text) * room // tokens * 9 // 10)
            tokens = self._tokens.count(text, model)
        return (Turn("user", text, tokens, context=True),) if text and tokens <= room else ()

    def _request(
        self, delivery: Delivery, role: Role, model: str, messages: tuple[Message, ...]
    ) -> ChatRequest:
        profile = delivery.profile
        return ChatRequest(
            messages,
            model=model,
            temperature=role.temperature if profile.temperature is None else profile.temperature,
            top_p=profile.top_p,
            max_tokens=profile.max_tokens,
            presence_penalty=profile.presence_penalty,
            frequency_penalty=profile.frequency_penalty,
            stop=profile.stop,
            n=profile.n or 1,
        )


def _message(turn: Turn, urls: Mapping[str, str]) -> Message:
    kept = [picture for picture in turn.pictures if picture.id in urls]
    dropped = [_DROPPED] * (len(turn.pictures) - len(kept))
    text = "\n\n".join((*dropped, turn.content))
    if not kept:
        return Message(turn.role, text, turn.name)
    shown = (ImagePart(urls[p.id], width=p.width, height=p.height, aside=p.aside) for p in kept)
    return Message(turn.role, (*shown, TextPart(text)), turn.name)
