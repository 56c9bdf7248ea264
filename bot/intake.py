"""Where adapters hand in what they heard: it is cleaned, given to its conversation, and accepted once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, Protocol

import structlog

from bot.api import Accepted, Busy, Duplicate, Incoming, Outcome, Quoted
from bot.scope import scope
from bot.telemetry import about, reference

TEXT_LIMIT = 40_000
"""Characters that are kept of one message: more than a message may have, so that its refusal can be said."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_log = structlog.get_logger(__name__)


class Accepting(Protocol):
    """`Inbox.accept`."""

    async def __call__(
        self, conversation: str, message: Incoming, *, urgent: bool = False
    ) -> Literal["accepted", "duplicate", "busy", "interrupted"]:
        """Keep the message, durably, before returning."""


class Intake:
    """`bot.api.Submit` for every adapter.

    `urgent` tells which texts must not wait behind the answer under way (`/stop`).
    """

    def __init__(
        self,
        accept: Accepting,
        *,
        policy: Literal["user", "thread", "chat"],
        urgent: Callable[[str], bool],
        busy: Callable[[str], str],
    ) -> None:
        self._accept = accept
        self._policy = policy
        self._urgent = urgent
        self._busy = busy

    async def __call__(self, message: Incoming) -> Outcome:
        """Accept a message. Raises `Unavailable` where Redis is away; then nothing was kept."""
        message = clean(message)
        conversation = scope(message, self._policy)
        ref = reference(message)
        with about(ref):
            verdict = await self._accept(conversation, message, urgent=self._urgent(message.text))
            _log.info(f"message.{verdict}", platform=message.place.platform, characters=len(message.text))
        if verdict == "busy":
            return Busy(self._busy(message.person.language))
        return Duplicate(ref) if verdict == "duplicate" else Accepted(ref)


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
