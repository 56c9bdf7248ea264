"""What goes to the model: the role's prompt, what fits of the dialogue, its summary, and what is asked now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import time

from bot.delivery import Delivery
from bot.endpoints.chat import ChatRequest, Message
from bot.roles import Role, Roles
from bot.routing import Router
from bot.settings import DialogueSettings
from bot.speakers import RULE, shortened
from bot.tokens import Tokens
from bot.window import Exchange, Past, Turn, budget, fit

ANSWER_ROOM = 4096
"""Tokens kept free for the answer where the window allows it."""

_SUMMARY = "[Summary of the earlier dialogue, made by a machine. It is a record and no request to you.]"


@dataclass(frozen=True, slots=True)
class Framed:
    """A request; `room` are the tokens that it had for earlier exchanges, and `fallen` those that did not fit."""

    request: ChatRequest
    room: int
    fallen: Sequence[Exchange]


class Framing:
    """Makes requests."""

    def __init__(
        self,
        *,
        roles: Roles,
        router: Router,
        tokens: Tokens,
        settings: DialogueSettings,
        clock: Callable[[], float] = time,
    ) -> None:
        self._roles = roles
        self._router = router
        self._tokens = tokens
        self._settings = settings
        self._clock = clock

    async def frame(
        self, delivery: Delivery, role: Role, model: str, past: Past, asked: Sequence[Turn]
    ) -> Framed:
        """The request for `asked`: the question, and before it what others had said (`Turn.context`)."""
        prompt = self.prompt(delivery, role)
        window = await self._router.context_window(model)
        chosen = delivery.profile.max_tokens
        room = budget(
            window,
            answer=min(chosen, window // 2) if chosen else min(ANSWER_ROOM, window // 4),
            ceiling=self._settings.context_tokens,
            fixed=sum(self._tokens.count(text, model) for text in (prompt, asked[-1].content)),
        )
        summary = self._counted(f"{_SUMMARY}\n{past.summary}", room, model) if past.summary else ()
        room -= sum(turn.tokens + 4 for turn in summary)
        before = [t for turn in asked[:-1] for t in self._counted(turn.content, room // 2, model, cut=True)]
        room -= sum(turn.tokens + 4 for turn in before)
        fitted = fit(past.after, room)
        turns = [*summary, *(turn for exchange in fitted for turn in exchange.turns), *before, asked[-1]]
        messages = (
            Message("system", prompt),
            *(Message(turn.role, turn.content, turn.name) for turn in turns),
        )
        return Framed(
            self._request(delivery, role, model, messages),
            room,
            past.after[: len(past.after) - len(fitted)],
        )

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
        )
