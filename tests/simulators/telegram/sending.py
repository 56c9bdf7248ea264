"""The methods that put something into a chat."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.simulators.telegram import attachments
from tests.simulators.telegram.attachments import Media
from tests.simulators.telegram.schema import Refused, bad, forbidden
from tests.simulators.telegram.text import CAPTION_LIMIT, formatted
from tests.simulators.telegram.wire import Upload
from tests.simulators.telegram.world import Action, Chat, Draft, Shown

if TYPE_CHECKING:
    from tests.simulators.telegram.simulator import TelegramSimulator

Files = Mapping[str, Upload]

_PHOTO_LIMIT = 10 * 1024 * 1024
_ACTIONS = frozenset(
    [
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    ]
)
_RICH_LIMIT = 32_768  # characters (tdlib, OptionManager.cpp)


# --- what all of them check -------------------------------------------------------------------------------


def find_chat(sim: TelegramSimulator, id: int | str) -> Chat:
    """The chat of an id or @username. Raises `Refused` where there is none, or where it has moved."""
    if isinstance(id, str):
        chat = next((c for c in sim.chats.values() if c.username and f"@{c.username}" == id), None)
    else:
        chat = sim.chats.get(id)
    if chat is None:
        raise bad("chat_id is empty" if id == "" else "chat not found")
    if chat.migrated_to is not None:
        raise bad("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to)
    return chat


def writable(sim: TelegramSimulator, p: Mapping[str, Any], method: str, what: str = "text messages") -> Chat:
    """The chat, if the bot may send to it now; flood control counts the request."""
    chat = find_chat(sim, p["chat_id"])
    kind = "supergroup" if chat.kind == "supergroup" else "group"
    if chat.private and chat.blocked:
        raise forbidden("bot was blocked by the user")
    if chat.status == "kicked":
        raise forbidden(f"bot was kicked from the {kind} chat")
    if chat.status == "left":
        raise forbidden(f"bot is not a member of the {kind} chat")
    if chat.status == "restricted":
        raise bad(f"not enough rights to send {what} to the chat")
    if sim.flood is not None:
        cost = len(p["media"]) if method == "sendMediaGroup" else 1
        sim.flood.check(method, chat.id, not chat.private, sim.clock, cost)
    return chat


def thread(chat: Chat, p: Mapping[str, Any]) -> int | None:
    """The topic that is written to. Raises `Refused` where there is none; the general one has no number."""
    id: int | None = p.get("message_thread_id")
    if id is None:
        return None
    if id not in chat.topics:
        raise bad("message thread not found")
    if id in chat.closed_topics:
        raise bad("TOPIC_CLOSED")
    return id


def reply(chat: Chat, p: Mapping[str, Any]) -> tuple[int | None, str | None]:
    """The message that is replied to, and what of it is quoted."""
    given = p.get("reply_parameters") or {}
    id = given.get("message_id", p.get("reply_to_message_id"))
    if id is None:
        return None, None
    quoted = chat.find(id)
    if quoted is None:
        if given.get("allow_sending_without_reply", p.get("allow_sending_without_reply")):
            return None, None
        raise bad("message to be replied not found")
    quote = given.get("quote")
    if quote is not None and quote not in quoted.text:
        raise bad("QUOTE_TEXT_INVALID")
    return id, quote


def markup(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The keyboard, checked."""
    if given is None:
        return None
    if "inline_keyboard" not in given:
        return dict(given)
    rows = [list(row) for row in given["inline_keyboard"] if row]
    for button in (button for row in rows for button in row):
        _check_button(button)
    if sum(len(row) for row in rows) > 100:
        raise bad("reply markup is too long")
    return {**given, "inline_keyboard": rows} if rows else None


def _check_button(button: Mapping[str, Any]) -> None:
    if not button.get("text", "").strip():
        raise bad('can\'t parse inline keyboard button: Field "text" must be of type String')
    kinds = set(button) - {"text", "icon_custom_emoji_id", "style"}
    if len(kinds) != 1:
        raise bad("Text buttons are unallowed in the inline keyboard")
    if "callback_data" in kinds and not 1 <= len(button["callback_data"].encode()) <= 64:
        raise bad("BUTTON_DATA_INVALID")
    if "url" in kinds and not re.match(r"(https?://)?[^\s/]+\.[^\s]+$|(https?|tg)://\S+$", button["url"]):
        raise bad("BUTTON_URL_INVALID")


# --- text -------------------------------------------------------------------------------------------------


async def send_message(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """sendMessage."""
    text, entities = formatted(p["text"], p.get("entities"), p.get("parse_mode"))
    if not text:
        raise bad("message text is empty")
    keyboard = markup(p.get("reply_markup"))
    chat = writable(sim, p, "sendMessage")
    return _posted(sim, chat, p, keyboard, text=text, entities=entities)


async def send_message_draft(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """sendMessageDraft: private chats only, `draft_id` is not 0, an empty text shows "Thinking…"."""
    text, entities = formatted(p.get("text") or "", p.get("entities"), p.get("parse_mode"))
    return _drafted(sim, p, "sendMessageDraft", text=text, entities=entities)


async def send_rich_message(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """sendRichMessage (Bot API 10.1): its text is shown as it came."""
    text = _rich(sim, p["rich_message"])
    keyboard = markup(p.get("reply_markup"))
    chat = writable(sim, p, "sendRichMessage")
    shown = {"blocks": [{"type": "paragraph", "text": text}]}
    return _posted(sim, chat, p, keyboard, text=text, rich=shown)


async def send_rich_message_draft(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """sendRichMessageDraft (Bot API 10.1)."""
    text = _rich(sim, p["rich_message"])
    return _drafted(sim, p, "sendRichMessageDraft", text=text, entities=[], rich=p["rich_message"])


async def send_chat_action(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> bool:
    """sendChatAction."""
    if p["action"] not in _ACTIONS:
        raise bad("wrong parameter action in request")
    chat = writable(sim, p, "sendChatAction")
    chat.actions.append(Action(p["action"], sim.clock(), thread(chat, p)))
    return True


def _rich(sim: TelegramSimulator, given: Mapping[str, Any]) -> str:
    if not sim.rich:
        raise Refused(404, "Not Found")  # as a server before Bot API 10.1
    named = [name for name in ("html", "markdown", "blocks") if given.get(name)]
    if len(named) != 1:
        raise bad("exactly one of html, markdown and blocks must be specified")
    text = str(given[named[0]])
    if len(text) > _RICH_LIMIT:
        raise bad("RICH_MESSAGE_TOO_LONG")
    return text


def _drafted(sim: TelegramSimulator, p: Mapping[str, Any], method: str, **content: Any) -> bool:
    if p["draft_id"] == 0:
        raise bad("RANDOM_ID_INVALID")
    chat = writable(sim, p, method)
    if not chat.private:
        raise bad("TEXTDRAFT_PEER_INVALID")
    chat.drafts.append(
        Draft(
            chat,
            p["draft_id"],
            time=sim.clock(),
            thread=thread(chat, p),
            can_stop=bool(p.get("can_stop")),
            keep_on_stop=bool(p.get("keep_on_stop")),
            **content,
        )
    )
    return True


def _posted(
    sim: TelegramSimulator, chat: Chat, p: Mapping[str, Any], keyboard: dict[str, Any] | None, **content: Any
) -> dict[str, Any]:
    topic = thread(chat, p)
    reply_to, quote = reply(chat, p)
    effect = p.get("message_effect_id")
    if effect and not chat.private:
        raise bad("EFFECT_CHAT_INVALID")
    shown = Shown(
        0,
        chat,
        sim.me(),
        sim.clock(),
        reply_markup=keyboard,
        reply_to=reply_to,
        quote=quote,
        thread=topic,
        parse_mode=p.get("parse_mode"),
        effect=effect,
        silent=bool(p.get("disable_notification")),
        by_bot=True,
        **content,
    )
    return sim.post(shown).json()


# --- media ------------------------------------------------------------------------------------------------


async def send_photo(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """sendPhoto."""
    return _media(sim, p, files, "photo", "photos")


async def send_voice(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """sendVoice; what is not OGG/Opus, MP3 or M4A becomes a document, as on the real server."""
    return _media(sim, p, files, "voice", "voice messages")


async def send_audio(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """sendAudio; what is not MP3 or M4A becomes a document."""
    return _media(sim, p, files, "audio", "music")


async def send_document(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """sendDocument."""
    return _media(sim, p, files, "document", "documents")


async def send_video(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> dict[str, Any]:
    """sendVideo."""
    return _media(sim, p, files, "video", "videos")


async def send_media_group(sim: TelegramSimulator, p: dict[str, Any], files: Files) -> list[dict[str, Any]]:
    """sendMediaGroup: two to ten, documents and music only among themselves."""
    items = p["media"]
    if not 2 <= len(items) <= 10:
        raise bad(f"Too {'few' if len(items) < 2 else 'many'} messages to send as an album")
    kinds = {item["type"] for item in items}
    if len(kinds) > 1 and kinds & {"document", "audio"}:
        raise bad("Can't use the media of the specified type in the album")
    prepared = [(*captioned(item), found(sim, item["media"], files, item["type"], item)) for item in items]
    chat = writable(sim, p, "sendMediaGroup", "media messages")
    album = str(13_500_000_000 + sim.number())
    return [
        _posted(sim, chat, p, None, text=text, entities=entities, media=item, album=album)
        for text, entities, item in prepared
    ]


def _media(sim: TelegramSimulator, p: dict[str, Any], files: Files, kind: str, what: str) -> dict[str, Any]:
    text, entities = captioned(p)
    item = found(sim, p[kind], files, kind, p)
    keyboard = markup(p.get("reply_markup"))
    chat = writable(sim, p, f"send{kind.capitalize()}", what)
    return _posted(sim, chat, p, keyboard, text=text, entities=entities, media=item)


def captioned(p: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """A caption and its entities, checked."""
    return formatted(
        p.get("caption") or "",
        p.get("caption_entities"),
        p.get("parse_mode"),
        limit=CAPTION_LIMIT,
        too_long="message caption is too long",
    )


def found(sim: TelegramSimulator, given: str, files: Files, kind: str, p: Mapping[str, Any]) -> Media:
    """The media that a request brings or names. Raises `Refused`."""
    if given.startswith("attach://"):
        upload = files.get(given.removeprefix("attach://"))
        if upload is None:
            raise bad("file not found in the request")
        return _uploaded(sim, upload, kind, p)
    if re.match(r"https?://", given):
        raise bad("failed to get HTTP URL content")  # the simulator fetches nothing
    known = sim.files.get(given)
    if known is None:
        raise bad("wrong file identifier/HTTP URL specified")
    if known.kind != kind:
        raise bad(f"can't use file of type {known.kind.capitalize()} as {kind.capitalize()}")
    upload = Upload(known.name, known.mime, known.content)
    return _uploaded(sim, upload, kind, p)


def _uploaded(sim: TelegramSimulator, upload: Upload, kind: str, p: Mapping[str, Any]) -> Media:
    if not upload.content:
        raise bad("file must be non-empty")
    if kind == "photo":
        return _photo(sim, upload)
    kind = kind if _plays_as(kind, upload.content) else "document"
    names = {
        "voice": ("duration",),
        "audio": ("duration", "performer", "title"),
        "video": ("duration", "width", "height"),
    }
    more = {name: p[name] for name in names.get(kind, ()) if name in p}
    mime = {"voice": "audio/ogg", "audio": "audio/mpeg", "video": "video/mp4"}.get(kind, upload.mime)
    return attachments.media(sim.files, kind, upload.content, upload.name, mime, **more)


def _photo(sim: TelegramSimulator, upload: Upload) -> Media:
    content = upload.content
    if len(content) > _PHOTO_LIMIT:
        raise bad(
            f"file of size {len(content)} bytes is too big for a photo; the maximum size is {_PHOTO_LIMIT} bytes"
        )
    if not content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8")) and content[8:12] != b"WEBP":
        raise bad("IMAGE_PROCESS_FAILED")
    width, height = 1024, 1024
    if content.startswith(b"\x89PNG") and len(content) >= 24:
        width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    if not width or not height or width + height > 10_000 or max(width, height) > 20 * min(width, height):
        raise bad("PHOTO_INVALID_DIMENSIONS")
    return attachments.sizes(sim.files, content, width, height)


def _plays_as(kind: str, content: bytes) -> bool:
    mp3 = content.startswith(b"ID3") or (content[:1] == b"\xff" and content[1:2] >= b"\xe0")
    m4a = content[4:8] == b"ftyp"
    match kind:
        case "voice":
            return mp3 or m4a or (content.startswith(b"OggS") and b"OpusHead" in content[:128])
        case "audio":
            return mp3 or m4a
        case "video":
            return m4a
    return True
