"""The chats and messages on the simulated Telegram, as the people see them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiogram.types import Message as MessageType

from tests.simulators.telegram.attachments import Media
from tests.simulators.telegram.markup import Entity
from tests.simulators.telegram.schema import checked

if TYPE_CHECKING:
    from tests.simulators.telegram.person import Person
    from tests.simulators.telegram.simulator import TelegramSimulator

_DRAFT_SECONDS = 30  # a draft is a preview of thirty seconds (Bot API, sendMessageDraft)


@dataclass(frozen=True, slots=True)
class Edit:
    """What stood in a message before an edit, and when it was edited."""

    time: float
    text: str
    entities: list[Entity]
    reply_markup: dict[str, Any] | None
    media: Media | None = None


@dataclass(slots=True, eq=False)
class Shown:
    """A message as the people of its chat see it now. `text` holds the caption of a message with media."""

    id: int
    chat: Chat = field(repr=False)
    sender: dict[str, Any]
    time: float
    text: str = ""
    entities: list[Entity] = field(default_factory=list)
    media: Media | None = None
    reply_markup: dict[str, Any] | None = None
    reply_to: int | None = None
    thread: int | None = None
    album: str | None = None
    quote: str | None = None
    parse_mode: str | None = None
    rich: dict[str, Any] | None = None
    effect: str | None = None
    silent: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)
    reactions: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    deleted: bool = False
    update_id: int | None = None
    by_bot: bool = False

    @property
    def buttons(self) -> list[str]:
        """The texts of the inline buttons, row after row."""
        return [button["text"] for row in self._rows() for button in row]

    def button(self, wanted: str) -> dict[str, Any]:
        """The inline button with this text or callback data; raises LookupError."""
        for row in self._rows():
            for button in row:
                if wanted in (button["text"], button.get("callback_data")):
                    return button
        raise LookupError(f"no button {wanted!r} under message {self.id}: {self.buttons}")

    def _rows(self) -> list[list[dict[str, Any]]]:
        rows: list[list[dict[str, Any]]] = (self.reply_markup or {}).get("inline_keyboard", [])
        return rows

    def change(
        self,
        time: float,
        text: str,
        entities: list[Entity],
        markup: dict[str, Any] | None,
        media: Media | None = None,
    ) -> None:
        """Put something else in its place, and remember what was there; its media stay unless there are others."""
        self.edits.append(Edit(time, self.text, self.entities, self.reply_markup, self.media))
        self.media = media or self.media
        self.text, self.entities, self.reply_markup = text, entities, markup

    def json(self, *, whole: bool = True) -> dict[str, Any]:
        """The Bot API's Message; the quoted message is in it only when `whole`."""
        document: dict[str, Any] = {
            "message_id": self.id,
            "from": self.sender,
            "chat": self.chat.json(),
            "date": int(self.time),
            **self.extra,
        }
        if self.media is not None:
            document |= {self.media.kind: self.media.document}
        document |= self._said()
        if self.edits:
            document["edit_date"] = int(self.edits[-1].time)
        if self.album:
            document["media_group_id"] = self.album
        if self.thread:
            document |= {"message_thread_id": self.thread, "is_topic_message": True}
        if self.quote:
            document["quote"] = {"text": self.quote, "position": 0}
        if self.rich:
            document["rich_message"] = self.rich
        if self.reply_markup and "inline_keyboard" in self.reply_markup:
            document["reply_markup"] = self.reply_markup
        if whole and (quoted := self._quoted()) is not None:
            document["reply_to_message"] = quoted
        return checked(MessageType, document) if whole else document

    def _said(self) -> dict[str, Any]:
        if not self.text or self.rich:
            return {}
        text, entities = ("caption", "caption_entities") if self.media else ("text", "entities")
        return {text: self.text} | ({entities: self.entities} if self.entities else {})

    def _quoted(self) -> dict[str, Any] | None:
        quoted = self.chat.find(self.reply_to) if self.reply_to else None
        if quoted is None and self.thread and self.chat.forum:
            # Every message of a topic that quotes nothing says that it replies to the topic's first message.
            quoted = self.chat.find(self.thread)
        return None if quoted is None or quoted is self else quoted.json(whole=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """One call of sendMessageDraft."""

    chat: Chat = field(repr=False)
    id: int
    text: str
    entities: list[Entity]
    time: float
    thread: int | None = None
    can_stop: bool = False
    keep_on_stop: bool = False
    rich: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One call of sendChatAction."""

    name: str
    time: float
    thread: int | None = None


@dataclass(eq=False)
class Chat:
    """A chat and what is on its screen. `status` is the bot's: member, administrator, kicked, left, restricted."""

    sim: TelegramSimulator = field(repr=False)
    id: int
    kind: str
    title: str = ""
    person: Person | None = None
    members: dict[int, Person] = field(default_factory=dict, repr=False)
    admins: set[int] = field(default_factory=set)
    forum: bool = False
    username: str | None = None
    status: str = "member"
    blocked: bool = False
    migrated_to: int | None = None
    messages: list[Shown] = field(default_factory=list, repr=False)
    drafts: deque[Draft] = field(default_factory=lambda: deque(maxlen=10_000), repr=False)
    actions: deque[Action] = field(default_factory=lambda: deque(maxlen=10_000), repr=False)
    topics: dict[int, str] = field(default_factory=dict)
    closed_topics: set[int] = field(default_factory=set)
    last_id: int = 1  # the first message tells that the chat was made

    @property
    def private(self) -> bool:
        """Whether it is the chat of one person with the bot."""
        return self.kind == "private"

    def json(self) -> dict[str, Any]:
        """The Bot API's Chat."""
        document: dict[str, Any] = {"id": self.id, "type": self.kind}
        if self.person is not None:
            named = self.person.json()
            return document | {
                key: named[key] for key in ("first_name", "last_name", "username") if key in named
            }
        document["title"] = self.title
        if self.username:
            document["username"] = self.username
        if self.forum:
            document["is_forum"] = True
        return document

    def find(self, id: int | None) -> Shown | None:
        """The message with this id, unless it is deleted."""
        for message in reversed(self.messages):
            if message.id == id:
                return None if message.deleted else message
        return None

    # --- what people see ---

    def visible(self, *, thread: int | None = None) -> list[str]:
        """The texts on the screen, in order; of one topic where `thread` is given."""
        return [
            message.text
            for message in self.messages
            if not message.deleted and (thread is None or message.thread == thread)
        ]

    @property
    def from_bot(self) -> list[Shown]:
        """The bot's messages on the screen, in order."""
        return [message for message in self.messages if message.by_bot and not message.deleted]

    @property
    def said(self) -> list[str]:
        """The texts of the bot's messages on the screen, in order."""
        return [message.text for message in self.from_bot]

    @property
    def last(self) -> Shown:
        """The bot's newest message on the screen; raises LookupError when there is none."""
        if not self.from_bot:
            raise LookupError(f"the bot has said nothing; on the screen: {self.visible()}")
        return self.from_bot[-1]

    @property
    def draft(self) -> Draft | None:
        """The draft on the screen: the last, unless it is thirty seconds old or a message has followed it."""
        if not self.drafts:
            return None
        last = self.drafts[-1]
        followed = any(message.time >= last.time and message.by_bot for message in self.messages[-1:])
        return None if followed or self.sim.clock() - last.time > _DRAFT_SECONDS else last

    async def shows(self, wanted: str | Callable[[Shown], object], timeout: float = 30) -> Shown:
        """The bot's first message that holds a text or a condition, as soon as there is one.

        Raises AssertionError with what is on the screen after `timeout` seconds.
        """
        test = (lambda message: wanted in message.text) if isinstance(wanted, str) else wanted
        found: list[Shown] = []

        def look() -> bool:
            found[:] = [message for message in self.from_bot if test(message)][:1]
            return bool(found)

        await self._wait(look, timeout, self)
        return found[0]

    async def until(self, condition: Callable[[], object], timeout: float = 30) -> None:
        """Wait until a condition of the simulator's state holds; raises AssertionError after `timeout`."""
        await self._wait(condition, timeout, None)

    async def _wait(self, condition: Callable[[], object], timeout: float, chat: Chat | None) -> None:
        try:
            await self.sim.until(condition, timeout, chat=chat)
        except AssertionError:
            raise AssertionError(
                f"not within {timeout} s; on the screen of chat {self.id}: {self.visible()}; "
                f"drafts: {[draft.text for draft in self.drafts][-3:]}"
            ) from None

    async def says_nothing(self, during: float = 0.2) -> None:
        """Watch for `during` seconds that the bot posts and edits nothing."""
        before = [(message.id, message.text) for message in self.from_bot]
        await asyncio.sleep(during)
        assert [(message.id, message.text) for message in self.from_bot] == before, self.visible()
