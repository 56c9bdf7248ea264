"""One answer on its way out: fenced by the lease, in the person's language, stoppable, ended exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from bot.api import End, Incoming, Notice, Option, Reply, ReplyPart, Status, Usage
from bot.errors import LeaseLost


class Say(Protocol):
    """The bot's own words in a language: `i18n.Catalogue.say`."""

    def __call__(self, language: str, key: str, **values: str | int) -> str:
        """The sentence for `key`."""


class Delivery:
    """What the core's handlers answer to: an adapter's `Reply` with the rules of the house around it.

    `ref` is the reference id of the message; `attempt` counts from 1; `stopping` is set when the person asks to
    stop; `shown` tells whether anything but a status has been sent.
    """

    def __init__(
        self,
        message: Incoming,
        conversation: str,
        reply: Reply,
        *,
        ref: str,
        attempt: int,
        language: str,
        say: Say,
        held: Callable[[], bool],
    ) -> None:
        self.message = message
        self.conversation = conversation
        self.ref = ref
        self.attempt = attempt
        self.language = language
        self.stopping = asyncio.Event()
        self.shown = False
        self.ended = False
        self._reply = reply
        self._say = say
        self._held = held

    async def send(self, part: ReplyPart) -> None:
        """Show `part`. Raises `LeaseLost` where the message belongs to another worker by now."""
        if self.ended:
            raise RuntimeError(f"{part!r} after the end of the reply")
        if not self._held():
            raise LeaseLost(self.message.key)
        if isinstance(part, Notice) and not part.text:
            part = replace(part, text=self.say(part.key, **part.values))
        if isinstance(part, End):
            self.ended = True
        self.shown = self.shown or not isinstance(part, Status | End)
        await self._reply.send(part)

    def say(self, key: str, **values: str | int) -> str:
        """The sentence for `key` in the person's language; `{ref}` is always known."""
        return self._say(self.language, key, **{"ref": self.ref, **values})

    async def notice(self, key: str, **values: str | int) -> None:
        """Say `key` with the bot's own voice."""
        await self.send(Notice(key, values))

    async def end(self, usage: Usage | None = None, *offers: Option) -> None:
        """End the reply, unless it has ended."""
        if not self.ended:
            await self.send(End(usage, offers))


Handler = Callable[[Delivery], Awaitable[None]]
"""The dialogue, each middleware and their stack: answers `delivery.message` by `delivery.send`."""
