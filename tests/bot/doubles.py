"""Small doubles at the seams of the contract: a reply that collects, a hold that never runs out."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Any

from bot.api import Choices, End, Incoming, Notice, Person, Place, ReplyPart, Text, Unavailable
from bot.delivery import Delivery
from bot.i18n import Catalogue
from bot.profile import Profile
from bot.tokens import Tokens

_ids = count(1)


def incoming(text: str, *, id: str = "", chat: str = "ann", language: str = "en") -> Incoming:
    """A private message from Ann."""
    return Incoming(id or f"m{next(_ids)}", Place("test", "bot", chat), Person(chat, "Ann", language), text)


@cache
def catalogue() -> Catalogue:
    """The catalogue, read once."""
    return Catalogue.load()


@cache
def tokens() -> Tokens:
    """The counter of tokens, whose vocabularies take 40 MB and a tenth of a second each."""
    return Tokens()


class Collected:
    """A `Reply` that keeps what was sent; while it is `away` nothing can be."""

    def __init__(self) -> None:
        self.parts: list[ReplyPart] = []
        self.abandoned = False
        self.away = False

    async def send(self, part: ReplyPart) -> None:
        if self.away:
            raise Unavailable("the platform is away")
        self.parts.append(part)

    async def abandon(self) -> None:
        self.abandoned = True

    @property
    def text(self) -> str:
        return "".join(p.delta for p in self.parts if isinstance(p, Text))

    @property
    def notices(self) -> list[str]:
        return [p.key for p in self.parts if isinstance(p, Notice)]

    @property
    def choices(self) -> list[Choices]:
        return [p for p in self.parts if isinstance(p, Choices)]

    @property
    def ended(self) -> bool:
        return bool(self.parts) and isinstance(self.parts[-1], End)


class Held:
    """A `Hold` whose journal is a variable."""

    def __init__(self, kept: str | None = None, attempt: int = 1) -> None:
        self.kept = kept
        self.attempt = attempt
        self.ours = True

    def held(self) -> bool:
        return self.ours

    async def keep(self, answer: str) -> None:
        self.kept = answer


def delivery(
    message: Incoming | str,
    *,
    hold: Held | None = None,
    profile: Profile | None = None,
    language: str = "en",
    conversation: str = "test-ann",
    reply: Collected | None = None,
    **more: Any,
) -> tuple[Delivery, Collected]:
    """A delivery of `message` and what will have been said; `more` is for `Delivery`."""
    reply = reply or Collected()
    made = Delivery(
        incoming(message) if isinstance(message, str) else message,
        conversation,
        reply,
        hold or Held(),
        ref="REF12345",
        profile=profile or Profile(),
        language=language,
        say=catalogue().say,
        **more,
    )
    return made, reply
