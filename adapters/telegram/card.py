"""An answer in a message that was sent inline: there is one message only, so everything is written into it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from telegram.error import BadRequest, InvalidToken

from adapters._draft import PATIENCE, Later
from adapters.telegram.buttons import Keyboard, keyboard
from adapters.telegram.client import Client
from adapters.telegram.outbox import TRIES, Outbox
from adapters.telegram.parse import INLINE
from adapters.telegram.posts import NO_LINKS, refused
from adapters.telegram.rendering import ENTITY_LIMIT, TEXT_LIMIT, Rendered, render, split_plain, units
from adapters.telegram.words import say
from bot.api import (
    Choices,
    End,
    Gone,
    Incoming,
    Media,
    Notice,
    Option,
    ReplyPart,
    Status,
    Store,
    Text,
    Unavailable,
)

_PACE = 2.0
_ENDING = "\n…"
_UNCHANGED = "message is not modified"
_LOST = ("message_id_invalid", "message to edit not found", "message can't be edited")


class CardReply:
    """A `bot.api.Reply`.

    A later attempt writes over what an earlier one has written, so nothing is journalled. An answer that is too long
    for one message ends with `…`. `clock` is monotonic.
    """

    def __init__(
        self,
        client: Client,
        message: Incoming,
        *,
        outbox: Outbox,
        store: Store,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._chat = message.place.chat
        self._message = message
        self._outbox = outbox
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._parts: list[Text | str] = []
        self._options: list[Option] = []
        self._markup: Keyboard | None = None
        self._due = 0.0

    async def abandon(self) -> None:
        """Nothing goes on in the background."""

    async def send(self, part: ReplyPart) -> None:
        """Write `part` into the card; growing text now and then, the end exactly. Raises `Gone`, `Unavailable`."""
        match part:
            case Text(delta):
                self._grow(delta)
                await self._show()
            case Status(offers=offers):
                self._markup = await keyboard(self._store, offers)
                await self._show()
            case End(offers=offers):
                self._markup = await keyboard(self._store, [*self._options, *offers])
                await self._finish()
            case Notice(text=text) | Media(caption=text):
                self._parts.append(text)
            case Choices(text, options):
                self._parts.append(text)
                self._options += options

    def _grow(self, delta: str) -> None:
        if self._parts and isinstance(last := self._parts[-1], Text):
            self._parts[-1] = Text(last.delta + delta)
        elif delta:
            self._parts.append(Text(delta))

    async def _show(self) -> None:
        """Show what there is, if it is time for it. What fails here is tried again by the next words."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + _PACE
        try:
            await self._edit(self._rendered(waiting=True), 1)
        except Later as later:
            self._due = now + max(_PACE, later.seconds)
        except Unavailable:
            self._due = now + 2 * _PACE

    async def _finish(self) -> None:
        while True:
            try:
                await self._edit(self._rendered(waiting=False), TRIES)
                return
            except Later as later:
                if later.seconds > PATIENCE:
                    raise
                await self._sleep(later.seconds)

    async def _edit(self, words: Rendered, tries: int) -> None:
        try:
            await self._outbox.call(self._chat, lambda: self._call(words), tries=tries)
        except BadRequest as error:
            said = error.message.lower()
            if _UNCHANGED in said:
                return
            if any(lost in said for lost in _LOST):
                raise Gone(error.message) from None
            if "entit" not in said or not words.entities:
                raise refused(error) from None
            await self._edit(words.plain, tries)
        except InvalidToken as error:
            raise refused(error) from None

    async def _call(self, words: Rendered) -> object:
        return await self._client.call(
            "editMessageText",
            {
                "inline_message_id": self._chat.removeprefix(INLINE),
                **words.json(),
                "reply_markup": self._markup,
                "link_preview_options": NO_LINKS,
            },
        )

    def _rendered(self, *, waiting: bool) -> Rendered:
        """Everything that was said, below the question; a sign where there is nothing yet."""
        parts = [render(part.delta) if isinstance(part, Text) else Rendered(part) for part in self._parts]
        said = [part for part in parts if part.text.strip()] or [Rendered("…" if waiting else "–")]
        if self._message.addressed == "mention":
            question = say(self._message.person.language, "question", question=self._message.text)
            said.insert(0, Rendered(question))
        return _cut(_joined(said))


def _joined(parts: Sequence[Rendered]) -> Rendered:
    text, entities = "", []
    for part in parts:
        text += "\n\n" if text else ""
        begin = units(text)
        entities += [replace(entity, offset=begin + entity.offset) for entity in part.entities]
        text += part.text
    return Rendered(text, tuple(entities)[:ENTITY_LIMIT])


def _cut(words: Rendered) -> Rendered:
    """The beginning that is one message."""
    if units(words.text) <= TEXT_LIMIT:
        return words
    begun = split_plain(words.text, TEXT_LIMIT - len(_ENDING))[0]
    whole = tuple(entity for entity in words.entities if entity.offset + entity.length <= units(begun))
    return Rendered(begun + _ENDING, whole)
