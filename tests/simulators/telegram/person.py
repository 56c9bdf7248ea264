"""What people do on the simulated Telegram; each act becomes the update that Telegram would send for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulators.telegram import attachments
from tests.simulators.telegram.attachments import Media
from tests.simulators.telegram.markup import Entity
from tests.simulators.telegram.text import cut, detected
from tests.simulators.telegram.world import Chat, Draft, Shown

if TYPE_CHECKING:
    from tests.simulators.telegram.simulator import TelegramSimulator

_CALLBACK_LIFE, _QUERY_LIFE, _CHOSEN_LIFE = 150, 30, 600  # seconds an update is kept (Client.cpp)


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What the presser of a button is shown."""

    text: str = ""
    alert: bool = False
    url: str | None = None


@dataclass(eq=False, slots=True)
class Press:
    """A button that was pressed. `await press.answered` gives the `CallbackAnswer`."""

    id: str
    time: float
    data: str
    update_id: int | None
    answered: asyncio.Future[CallbackAnswer]


@dataclass(eq=False, slots=True)
class Query:
    """An inline query. `await query.answered` gives the results as they were sent."""

    id: str
    time: float
    text: str
    update_id: int | None
    answered: asyncio.Future[list[dict[str, Any]]]


@dataclass(eq=False)
class Person:
    """Somebody on Telegram."""

    sim: TelegramSimulator = field(repr=False)
    id: int
    first_name: str
    language_code: str | None = "en"
    last_name: str | None = None
    username: str | None = None

    def json(self) -> dict[str, Any]:
        """The Bot API's User."""
        document = {"id": self.id, "is_bot": False, "first_name": self.first_name}
        for name in ("last_name", "username", "language_code"):
            if (value := getattr(self, name)) is not None:
                document[name] = value
        return document

    # --- messages ---

    async def says(
        self,
        chat: Chat,
        text: str,
        entities: Sequence[Entity] | None = None,
        *,
        reply_to: Shown | int | None = None,
        thread: int | None = None,
        quote: str | None = None,
        **extra: Any,
    ) -> Shown:
        """Send a text; commands, mentions and links are marked unless `entities` are given.

        `extra` are further fields of the message, such as `forward_origin`.
        """
        marked = detected(text) if entities is None else list(entities)
        return self._post(
            chat, text=text, entities=marked, reply_to=_id(reply_to), thread=thread, quote=quote, extra=extra
        )

    async def edits(self, message: Shown, text: str, entities: Sequence[Entity] | None = None) -> int | None:
        """Edit a message of one's own; returns the update's id."""
        marked = detected(text) if entities is None else list(entities)
        message.change(self.sim.clock(), text, marked, message.reply_markup)
        self.sim.changed(message.chat)
        if not self._reaches(message.chat, message):
            return None
        return self.sim.put("edited_message", message.json(), f"chat:{message.chat.id}")

    async def deletes(self, message: Shown) -> None:
        """Delete a message. Bots are not told."""
        message.deleted = True
        self.sim.changed(message.chat)

    async def sends_photo(
        self,
        chat: Chat,
        content: bytes,
        caption: str = "",
        *,
        width: int = 1280,
        height: int = 960,
        **more: Any,
    ) -> Shown:
        """Send a photo; `size` pretends another length in bytes."""
        photo = attachments.sizes(self.sim.files, content, width, height, more.pop("size", None))
        return self._attach(chat, photo, caption, **more)

    async def sends_voice(self, chat: Chat, content: bytes, *, duration: int = 3, **more: Any) -> Shown:
        """Send a voice message, OGG/Opus as the clients record it."""
        return self._send(chat, "voice", content, "", "audio/ogg", fields={"duration": duration}, **more)

    async def sends_audio(
        self, chat: Chat, content: bytes, name: str = "song.mp3", mime: str = "audio/mpeg", **more: Any
    ) -> Shown:
        """Send music."""
        return self._send(
            chat, "audio", content, name, mime, fields={"duration": more.pop("duration", 3)}, **more
        )

    async def sends_document(
        self, chat: Chat, content: bytes, name: str = "notes.txt", mime: str = "text/plain", **more: Any
    ) -> Shown:
        """Send a file."""
        return self._send(chat, "document", content, name, mime, fields={}, **more)

    async def sends_video(self, chat: Chat, content: bytes, **more: Any) -> Shown:
        """Send a video."""
        return self._send(chat, "video", content, "clip.mp4", "video/mp4", fields={}, **more)

    async def sends_video_note(self, chat: Chat, content: bytes, **more: Any) -> Shown:
        """Send a round video message."""
        return self._send(chat, "video_note", content, "", "video/mp4", fields={}, **more)

    async def sends_album(
        self, chat: Chat, contents: Sequence[bytes | Media], caption: str = "", *, thread: int | None = None
    ) -> list[Shown]:
        """Send several photos (or any media) at once: separate updates, the caption on the first."""
        album = str(13_000_000_000 + self.sim.number())
        shown = []
        for position, content in enumerate(contents):
            item = (
                content
                if isinstance(content, Media)
                else attachments.sizes(self.sim.files, content, 1280, 960)
            )
            text = caption if position == 0 else ""
            shown.append(self._attach(chat, item, text, thread=thread, album=album))
        return shown

    async def sends(self, chat: Chat, *, thread: int | None = None, **content: Any) -> Shown:
        """Send anything else, as its JSON: `await ann.sends(chat, location={"latitude": 1, "longitude": 2})`."""
        return self._post(chat, thread=thread, extra=content)

    # --- buttons, inline mode, drafts, reactions ---

    async def presses(self, message: Shown, button: str, *, forged: bool = False) -> Press:
        """Press an inline button, named by its text or data; `forged` sends any data, as an old client may."""
        data = button if forged else message.button(button).get("callback_data")
        if data is None:
            raise LookupError(f"{button!r} is not a callback button")
        id = str(4_000_000_000_000_000 + self.sim.number())
        inline = message.extra.get("inline_message_id")
        document: dict[str, Any] = {"id": id, "from": self.json(), "chat_instance": "-1234567", "data": data}
        document |= {"inline_message_id": inline} if inline else {"message": message.json()}
        press = Press(id, self.sim.clock(), data, None, asyncio.get_running_loop().create_future())
        self.sim.presses[id] = press
        press.update_id = self.sim.put("callback_query", document, f"callback:{self.id}", _CALLBACK_LIFE)
        return press

    async def inline_query(self, text: str, offset: str = "", chat_type: str = "sender") -> Query:
        """Type `@bot text` in any chat."""
        id = str(5_000_000_000_000_000 + self.sim.number())
        document = {"id": id, "from": self.json(), "query": text, "offset": offset, "chat_type": chat_type}
        query = Query(id, self.sim.clock(), text, None, asyncio.get_running_loop().create_future())
        self.sim.queries[id] = query
        query.update_id = self.sim.put("inline_query", document, f"inline:{self.id}", _QUERY_LIFE)
        return query

    async def chooses(self, query: Query, result: str | int = 0) -> Shown:
        """Choose a result, by id or position; the message that it makes can be edited when it has buttons."""
        results = await query.answered
        chosen = next((one for n, one in enumerate(results) if result in (n, one["id"])), None)
        if chosen is None:
            raise LookupError(f"no result {result!r} in {[one['id'] for one in results]}")
        inline_id = f"AAAA{self.sim.number()}inline"
        said = chosen.get("input_message_content") or {}
        shown = Shown(
            self.sim.number(),
            self.sim.elsewhere,
            self.json(),
            self.sim.clock(),
            text=said.get("message_text", chosen.get("caption", "")),
            entities=said.get("entities", []),
            reply_markup=chosen.get("reply_markup"),
        )
        document: dict[str, Any] = {"result_id": chosen["id"], "from": self.json(), "query": query.text}
        if shown.reply_markup:
            shown.extra["inline_message_id"] = document["inline_message_id"] = inline_id
            self.sim.inline_messages[inline_id] = shown
        self.sim.elsewhere.messages.append(shown)
        shown.update_id = self.sim.put("chosen_inline_result", document, f"chosen:{self.id}", _CHOSEN_LIFE)
        return shown

    async def stops_generation(self, draft: Draft | Chat) -> int | None:
        """Press the stop button of a draft (Bot API 10.3); of the chat's last one where a chat is given."""
        shown = draft if isinstance(draft, Draft) else draft.drafts[-1]
        assert shown.can_stop, "this draft has no stop button"
        document: dict[str, Any] = {"chat": shown.chat.json(), "draft_id": shown.id}
        if shown.thread:
            document["message_thread_id"] = shown.thread
        return self.sim.put("stopped_message_generation", document, f"stopped:{shown.chat.id}")

    async def reacts(self, message: Shown, *emoji: str) -> int | None:
        """Set reactions; none takes them away."""
        old = message.reactions.get(self.id, [])
        new = [{"type": "emoji", "emoji": one} for one in emoji]
        message.reactions[self.id] = new
        document = {
            "chat": message.chat.json(),
            "message_id": message.id,
            "user": self.json(),
            "date": int(self.sim.clock()),
            "old_reaction": old,
            "new_reaction": new,
        }
        if not message.chat.private and message.chat.status != "administrator":
            return None
        return self.sim.put("message_reaction", document, f"reaction:{message.chat.id}")

    # --- the bot's place in a chat ---

    async def blocks(self) -> int | None:
        """Block the bot: it may send nothing more."""
        return self._standing(self.sim.private(self), "kicked")

    async def unblocks(self) -> int | None:
        """Start the bot again."""
        return self._standing(self.sim.private(self), "member")

    async def adds(self, chat: Chat) -> Shown:
        """Add the bot to a group: its own update and a service message."""
        self._standing(chat, "member")
        return self._service(chat, new_chat_members=[self.sim.me()])

    async def kicks(self, chat: Chat) -> int | None:
        """Throw the bot out."""
        self._service(chat, left_chat_member=self.sim.me())
        return self._standing(chat, "kicked")

    async def mutes(self, chat: Chat) -> int | None:
        """Forbid the bot to send."""
        return self._standing(chat, "restricted")

    async def unmutes(self, chat: Chat) -> int | None:
        """Allow it again."""
        return self._standing(chat, "member")

    async def promotes(self, chat: Chat) -> int | None:
        """Make the bot an administrator, which ends its privacy mode there."""
        return self._standing(chat, "administrator")

    async def joins(self, chat: Chat) -> Shown:
        """Come into a group."""
        chat.members[self.id] = self
        return self._service(chat, new_chat_members=[self.json()])

    async def leaves(self, chat: Chat) -> Shown:
        """Leave a group."""
        left = self._service(chat, left_chat_member=self.json())
        chat.members.pop(self.id, None)
        return left

    async def opens_topic(self, chat: Chat, name: str) -> int:
        """Open a topic in a forum; returns its thread."""
        assert chat.forum, "only a forum has topics"
        shown = self.sim.post(Shown(0, chat, self.json(), self.sim.clock()))
        shown.thread, chat.topics[shown.id] = shown.id, name
        shown.extra["forum_topic_created"] = {"name": name, "icon_color": 7322096}
        shown.update_id = self.sim.put("message", shown.json(), f"chat:{chat.id}")
        return shown.id

    async def migrates(self, chat: Chat) -> Chat:
        """Make a group a supergroup: two service messages; the old id is no longer good. Returns the new chat."""
        new = self.sim.supergroup(chat)
        chat.migrated_to = new.id
        self._service(chat, migrate_to_chat_id=new.id)
        self._service(new, migrate_from_chat_id=chat.id)
        return new

    # --- how it is done ---

    def _send(
        self,
        chat: Chat,
        kind: str,
        content: bytes,
        name: str,
        mime: str,
        *,
        fields: dict[str, Any],
        **more: Any,
    ) -> Shown:
        if "size" in more:
            fields["size"] = more.pop("size")
        item = attachments.media(self.sim.files, kind, content, name, mime, **fields)
        return self._attach(chat, item, more.pop("caption", ""), **more)

    def _attach(self, chat: Chat, item: Media, caption: str = "", **more: Any) -> Shown:
        reply_to = _id(more.pop("reply_to", None))
        return self._post(
            chat, text=caption, entities=detected(caption), media=item, reply_to=reply_to, **more
        )

    def _post(self, chat: Chat, **content: Any) -> Shown:
        assert self.id in chat.members, f"{self.first_name} is not in chat {chat.id}"
        if chat.blocked and chat.private:
            self._standing(chat, "member")  # whoever writes to a bot that he blocked has unblocked it
        if (thread := content.get("thread")) is not None:
            assert thread in chat.topics, f"there is no topic {thread}"
        shown = self.sim.post(Shown(0, chat, self.json(), self.sim.clock(), **content))
        if self._reaches(chat, shown):
            shown.update_id = self.sim.put("message", shown.json(), f"chat:{chat.id}")
        return shown

    def _service(self, chat: Chat, **content: Any) -> Shown:
        shown = self.sim.post(Shown(0, chat, self.json(), self.sim.clock(), extra=content))
        if chat.status not in {"kicked", "left"}:
            shown.update_id = self.sim.put("message", shown.json(), f"chat:{chat.id}")
        return shown

    def _reaches(self, chat: Chat, shown: Shown) -> bool:
        if chat.private:
            return not chat.blocked
        if chat.status in {"kicked", "left"}:
            return False
        quoted = chat.find(shown.reply_to)
        replies = quoted is not None and quoted.by_bot
        hears_all = not self.sim.privacy or chat.status == "administrator"
        return hears_all or replies or any(self._addresses(shown, entity) for entity in shown.entities)

    def _addresses(self, shown: Shown, entity: Entity) -> bool:
        mine, word = f"@{self.sim.username}".lower(), cut(shown.text, entity).lower()
        match entity["type"]:
            case "mention":
                return word == mine
            case "text_mention":
                return bool(entity.get("user", {}).get("id") == self.sim.id)
            case "bot_command":
                return "@" not in word or word.endswith(mine)
        return False

    def _standing(self, chat: Chat, status: str) -> int | None:
        old, chat.status = chat.status, status
        if chat.private:
            chat.blocked = status == "kicked"
        document = {
            "chat": chat.json(),
            "from": self.json(),
            "date": int(self.sim.clock()),
            "old_chat_member": self.sim.membership(old),
            "new_chat_member": self.sim.membership(status),
        }
        return self.sim.put("my_chat_member", document, f"member:{chat.id}")


def _id(message: Shown | int | None) -> int | None:
    return message.id if isinstance(message, Shown) else message
