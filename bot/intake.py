"""Where adapters hand in what they heard: it is cleaned, given to its conversation, and accepted once."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal, Protocol

import structlog

from bot.api import Accepted, Busy, Duplicate, Ignored, Incoming, Outcome, Person, Place, Quoted, Unavailable
from bot.inbox import Verdict
from bot.scope import scope
from bot.telemetry import about, reference

TEXT_LIMIT = 40_000
"""Characters that are kept of one message: more than a message may have, so that its refusal can be said."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_KINDS = frozenset({"private", "mention", "reply", "command", "keyword", "ambient"})
_log = structlog.get_logger(__name__)


class Accepting(Protocol):
    """`Inbox.queue`."""

    async def __call__(self, conversation: str, message: Incoming, *, urgent: bool = False) -> Verdict:
        """Keep the message, durably, before returning."""


class Overhearing(Protocol):
    """`Overheard.hear`."""

    async def __call__(self, message: Incoming) -> None:
        """Keep for a while what was said to others, where the operator wants it, or what became of it."""


class Withdrawing(Protocol):
    """`Inbox.withdraw`."""

    async def __call__(self, conversation: str, key: str) -> str:
        """Take the message back, whatever has come of it."""


class Intake:
    """`bot.api.Submit` for every adapter.

    `urgent` tells which texts must not wait behind the answer under way (`/stop`). What is not meant for the bot in a
    group, by `triggers`, or comes there from somebody who may not talk to it, by `admits`, is not even kept.
    """

    def __init__(
        self,
        accept: Accepting,
        withdraw: Withdrawing,
        *,
        policy: Literal["user", "thread", "chat"],
        triggers: Sequence[str] = ("mention", "reply", "command"),
        admits: Callable[[Place, Person], bool],
        urgent: Callable[[str], bool],
        busy: Callable[[str], str],
        overhear: Overhearing | None = None,
        met: Callable[[Incoming], Awaitable[None]] | None = None,
    ) -> None:
        self._accept = accept
        self._withdraw = withdraw
        self._policy = policy
        self._triggers = frozenset(triggers)
        self._keywords = _keywords(self._triggers - _KINDS)
        self._admits = admits
        self._urgent = urgent
        self._busy = busy
        self._overhear = overhear
        self._met = met

    async def __call__(self, message: Incoming) -> Outcome:
        """Accept a message. Raises `Unavailable` where Redis is away; then nothing was kept."""
        message = self._heard(clean(message))
        if message.withdrawn:
            return await self._taken_back(message)
        if message.place.kind == "group" and not self._meant(message):
            await self._overheard(message)
            return Ignored()
        conversation = scope(message, self._policy)
        ref = reference(message)
        with about(ref):
            verdict = await self._accept(conversation, message, urgent=self._urgent(message.text))
            _log.info(
                f"message.{verdict.what}",
                platform=message.place.platform,
                characters=len(message.text),
                behind=verdict.behind,
            )
        if verdict.what == "busy":
            return Busy(self._busy(message.person.language))
        if verdict.what == "interrupted":
            return Ignored()  # it has stopped what runs, and has no answer of its own
        if verdict.what == "duplicate":
            return Duplicate(ref)
        await self._remembered(message)
        return Accepted(ref, verdict.behind)

    async def _taken_back(self, message: Incoming) -> Outcome:
        ref = reference(message)
        with about(ref):
            await self._overheard(message)
            verdict = await self._withdraw(scope(message, self._policy), message.origin)
            _log.info("message.taken_back", verdict=verdict)
        return Ignored() if verdict == "unknown" else Accepted(ref)

    async def _remembered(self, message: Incoming) -> None:
        """Note who talks to us in private; that this fails is no obstacle to anything."""
        if self._met is None or message.place.kind != "private":
            return
        if not self._admits(message.place, message.person):
            return
        try:
            await self._met(message)
        except Unavailable as error:
            _log.warning("correspondents.away", detail=str(error))

    async def _overheard(self, message: Incoming) -> None:
        """Note group talk; that this fails is no obstacle to anything."""
        if self._overhear is None or message.place.kind != "group":
            return
        if not self._admits(message.place, message.person):
            return
        try:
            await self._overhear(message)
        except Unavailable as error:
            _log.warning("overheard.away", detail=str(error))

    def _heard(self, message: Incoming) -> Incoming:
        if message.addressed == "ambient" and self._keywords and self._keywords.search(message.text):
            return replace(message, addressed="keyword")
        return message

    def _meant(self, message: Incoming) -> bool:
        called = message.addressed in self._triggers or message.addressed == "keyword"
        return called and self._admits(message.place, message.person)


def _keywords(words: Iterable[str]) -> re.Pattern[str] | None:
    """Any of the words, as a word of its own where its script has words."""
    parts = [rf"(?<!\w){re.escape(w)}(?!\w)" if w.isascii() else re.escape(w) for w in sorted(words)]
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None


def clean(message: Incoming) -> Incoming:
    """The message without control characters, lone surrogates and carriage returns, and bounded."""
    quoted = message.quoted
    return replace(
        message,
        text=_clean(message.text),
        person=replace(message.person, name=_clean(message.person.name)[:200]),
        quoted=replace(quoted, text=_clean(quoted.text), author=_clean(quoted.author)[:200])
        if isinstance(quoted, Quoted)
        else None,
    )


def _clean(text: str) -> str:
    text = text[:TEXT_LIMIT].replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub(lambda found: "\ufffd" if found[0] >= "\ud800" else "", text)
