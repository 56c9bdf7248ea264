"""The methods that change or remove what is already in a chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.simulators.telegram.markup import Entity
from tests.simulators.telegram.schema import Refused, bad
from tests.simulators.telegram.sending import Files, captioned, find_chat, found, markup, writable
from tests.simulators.telegram.text import CAPTION_LIMIT, formatted
from tests.simulators.telegram.world import Chat, Shown

if TYPE_CHECKING:
    from tests.simulators.telegram.simulator import TelegramSimulator

_UNCHANGED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a "
    "current content and reply markup of the message"
)
_DELETE_SECONDS = 48 * 3600  # "a message can only be deleted if it was sent less than 48 hours ago"
_REACTIONS = frozenset(
    "👍👎❤🔥🥰👏😁🤔🤯😱🤬😢🎉🤩🤮💩🙏👌🕊🤡🥱🥴😍🐳🌚🌭💯🤣⚡🍌🏆💔🤨😐🍓🍾💋🖕😈😴😭🤓👻👀🎃🙈😇😨🤝🤗🫡🎅🎄💅🤪🗿🆒💘🙉🦄😘💊🙊😎👾😡✍"
)


async def edit_message_text(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> Any:
    """editMessageText. The keyboard goes unless it is sent again."""
    if p.get("rich_message"):
        raise Refused(400, "Bad Request: message can't be edited")
    text, entities = formatted(p.get("text") or "", p.get("entities"), p.get("parse_mode"))
    if not text:
        raise bad("message text is empty")
    keyboard = markup(p.get("reply_markup"))
    shown = _editable(sim, p, "editMessageText")
    if shown.media is not None:
        raise bad("there is no text in the message to edit")
    return _changed(sim, shown, text, entities, keyboard)


async def edit_message_caption(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> Any:
    """editMessageCaption."""
    text, entities = formatted(
        p.get("caption") or "",
        p.get("caption_entities"),
        p.get("parse_mode"),
        limit=CAPTION_LIMIT,
        too_long="message caption is too long",
    )
    keyboard = markup(p.get("reply_markup"))
    shown = _editable(sim, p, "editMessageCaption")
    if shown.media is None:
        raise bad("there is no caption in the message to edit")
    return _changed(sim, shown, text, entities, keyboard)


async def edit_message_media(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> Any:
    """editMessageMedia. The caption is that of the new media, and the keyboard goes unless it is sent again."""
    item = p["media"]
    text, entities = captioned(item)
    keyboard = markup(p.get("reply_markup"))
    shown = _editable(sim, p, "editMessageMedia")
    if shown.album and item["type"] not in {"photo", "video"} and item["type"] != _kind(shown):
        raise bad("can't change media type in the album")
    if (inline := "inline_message_id" in p) and item["media"].startswith("attach://"):
        raise bad("can't upload files to an inline message")
    media = found(sim, item["media"], files, item["type"], item)
    same = shown.media is not None and shown.media.content == media.content
    if same and (shown.text, shown.entities, shown.reply_markup) == (text, entities, keyboard):
        raise bad(_UNCHANGED)
    shown.change(sim.clock(), text, entities, keyboard, media)
    return True if inline else shown.json()


def _kind(shown: Shown) -> str:
    return shown.media.kind if shown.media is not None else ""


async def edit_message_reply_markup(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> Any:
    """editMessageReplyMarkup."""
    keyboard = markup(p.get("reply_markup"))
    shown = _editable(sim, p, "editMessageReplyMarkup")
    return _changed(sim, shown, shown.text, shown.entities, keyboard)


async def delete_message(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """deleteMessage."""
    chat = find_chat(sim, p["chat_id"])
    shown = chat.find(p["message_id"])
    if shown is None:
        raise bad("message to delete not found")
    if not _may_delete(sim, chat, shown):
        raise bad("message can't be deleted")
    shown.deleted = True
    return True


async def delete_messages(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """deleteMessages: one to a hundred; those that cannot be found are passed over."""
    if not 1 <= len(p["message_ids"]) <= 100:
        raise bad("message identifiers are not specified")
    chat = find_chat(sim, p["chat_id"])
    for id in p["message_ids"]:
        shown = chat.find(id)
        if shown is not None and _may_delete(sim, chat, shown):
            shown.deleted = True
    return True


async def set_message_reaction(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """setMessageReaction: a bot sets one at most."""
    chat = writable(sim, p, "setMessageReaction")
    shown = chat.find(p["message_id"])
    if shown is None:
        raise bad("message to react not found")
    wanted = p.get("reaction") or []
    if len(wanted) > 1:
        raise bad("REACTIONS_TOO_MANY")
    if any(one["type"] != "emoji" or one["emoji"].rstrip("\ufe0f") not in _REACTIONS for one in wanted):
        raise bad("REACTION_INVALID")
    shown.reactions[sim.id] = wanted
    return True


def _editable(sim: TelegramSimulator, p: Mapping[str, Any], method: str) -> Shown:
    if (inline := p.get("inline_message_id")) is not None:
        shown = sim.inline_messages.get(inline)
        if shown is None:
            raise bad("MESSAGE_ID_INVALID")
        return shown
    if "chat_id" not in p:
        raise bad("chat_id is empty")
    if "message_id" not in p:
        raise bad("message identifier is not specified")
    chat = writable(sim, p, method)
    shown = chat.find(p["message_id"])
    if shown is None:
        raise bad("message to edit not found")
    if not shown.by_bot:
        raise bad("message can't be edited")
    return shown


def _changed(
    sim: TelegramSimulator, shown: Shown, text: str, entities: list[Entity], keyboard: dict[str, Any] | None
) -> Any:
    if (shown.text, shown.entities, shown.reply_markup) == (text, entities, keyboard):
        raise bad(_UNCHANGED)
    shown.change(sim.clock(), text, entities, keyboard)
    return True if "inline_message_id" in shown.extra else shown.json()


def _may_delete(sim: TelegramSimulator, chat: Chat, shown: Shown) -> bool:
    own = shown.by_bot or chat.private or chat.status == "administrator"
    return own and sim.clock() - shown.time < _DELETE_SECONDS
