"""What a message holds: text with its entities, attachments, whom it quotes and whence it was forwarded; pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bot.api import Attachment, Quoted

Json = dict[str, Any]

_PUNCTUATION = " \t\n,:;，：；、"


@dataclass(frozen=True, slots=True)
class Span:
    """An entity, in characters: Telegram counts in units of UTF-16 (https://core.telegram.org/bots/api#messageentity)."""

    kind: str
    start: int
    end: int
    user: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """A message's text and what came with it."""

    text: str
    spans: tuple[Span, ...] = ()
    attachments: tuple[Attachment, ...] = ()


def content(message: Json) -> Content | None:
    """What a person said with this message; None for a service message."""
    kinds = [kind for kind in _KINDS if message.get(kind)]
    if "text" in message:
        return Content(message["text"], _spans(message["text"], message.get("entities")))
    if not kinds:
        return None
    said, attachments = _KINDS[kinds[0]](message[kinds[0]])
    caption = message.get("caption")
    if caption:
        return Content(caption, _spans(caption, message.get("caption_entities")), attachments)
    return Content(said, (), attachments)


def without(text: str, spans: Sequence[Span]) -> str:
    """`text` without the spans, as one would have written it without them."""
    for span in sorted(spans, key=lambda span: span.start, reverse=True):
        before, after = text[: span.start].rstrip(" "), text[span.end :]
        if not before.strip():
            text = after.lstrip(_PUNCTUATION)
            continue
        glue = " " if after[:1] not in ("", *_PUNCTUATION, ".", "!", "?", "。", "！", "？") else ""
        text = before + glue + after
    return text.strip()


def quoted(message: Json, me: str) -> Quoted | None:
    """The message that is replied to: the part that was marked, if one was. `me` is the bot's id."""
    part = str((message.get("quote") or {}).get("text", ""))
    reply, external = message.get("reply_to_message"), message.get("external_reply")
    if reply is not None and not is_topic_root(message):
        found = content(reply) or Content("")
        ours = str((reply.get("from") or {}).get("id", "")) == me
        return Quoted(part or found.text, author(reply), found.attachments, ours)
    if external is not None:
        found = content(external) or Content("")
        return Quoted(part or found.text, origin(external.get("origin") or {}), found.attachments)
    return Quoted(part) if part else None


def is_topic_root(message: Json) -> bool:
    """Whether the reply is one in form only: every message of a topic answers to the one that opened it."""
    reply = message.get("reply_to_message") or {}
    return "forum_topic_created" in reply or (
        bool(message.get("is_topic_message")) and reply.get("message_id") == message.get("message_thread_id")
    )


def author(message: Json) -> str:
    """Who is shown as the sender."""
    return name(message.get("sender_chat") or message.get("from") or {})


def name(who: Json) -> str:
    """The name of a user, or the title of a chat."""
    return str(who.get("title") or f"{who.get('first_name', '')} {who.get('last_name', '')}".strip())


def origin(given: Json) -> str:
    """The name in a MessageOrigin (https://core.telegram.org/bots/api#messageorigin)."""
    who = given.get("sender_user") or given.get("sender_chat") or given.get("chat")
    return name(who) if who else str(given.get("sender_user_name", ""))


# --- entities --------------------------------------------------------------------------------------------


def _spans(text: str, entities: Sequence[Json] | None) -> tuple[Span, ...]:
    if not entities:
        return ()
    narrow = text.isascii()
    units = b"" if narrow else text.encode("utf-16-le", "surrogatepass")

    def characters(offset: int) -> int:
        return offset if narrow else len(units[: 2 * offset].decode("utf-16-le", "replace"))

    return tuple(
        Span(
            entity["type"],
            characters(entity["offset"]),
            characters(entity["offset"] + entity["length"]),
            str((entity.get("user") or {}).get("id", "")),
        )
        for entity in entities
        if entity["type"] in ("mention", "text_mention", "bot_command")
    )


# --- what comes along ------------------------------------------------------------------------------------

Said = tuple[str, tuple[Attachment, ...]]
"""What stands for the text where there is none, and the attachments."""


def ref(file: Json) -> str:
    """What `fetch` needs."""
    return json.dumps([file["file_id"], file.get("file_unique_id", "")], separators=(",", ":"))


def file_id(ref: str) -> str:
    """The file in a `ref`. Raises `ValueError` where it is not one of ours."""
    found = json.loads(ref)
    if not isinstance(found, list) or not found or not isinstance(found[0], str):
        raise ValueError("not a reference to a file at Telegram")
    return found[0]


def _attachment(kind: Any, file: Json, mime: str = "") -> Attachment:
    return Attachment(
        kind=kind,
        ref=ref(file),
        mime=str(file.get("mime_type") or mime),
        size=int(file.get("file_size") or 0),
        name=str(file.get("file_name") or ""),
        duration=float(file.get("duration") or 0),
    )


def _one(kind: str, mime: str = "") -> Callable[[Any], Said]:
    return lambda file: ("", (_attachment(kind, file, mime),))


def _photo(sizes: Any) -> Said:
    largest = max(
        sizes, key=lambda size: (size.get("width", 0) * size.get("height", 0), size.get("file_size", 0))
    )
    return "", (_attachment("image", largest, "image/jpeg"),)


def _live_photo(given: Any) -> Said:
    return _photo(given["photo"]) if given.get("photo") else ("", (_attachment("video", given, "video/mp4"),))


def _document(file: Any) -> Said:
    family, _, form = str(file.get("mime_type", "")).partition("/")
    kind = {"image": "image", "audio": "audio", "video": "video"}.get(family, "file")
    if form.startswith("svg"):
        kind = "file"  # a drawing in text, which no model sees as an image
    return "", (_attachment(kind, file),)


def _sticker(file: Any) -> Said:
    moving = file.get("is_animated") or file.get("is_video")
    return str(file.get("emoji", "")), () if moving else (_attachment("image", file, "image/webp"),)


def _paid(given: Any) -> Said:
    found: list[Attachment] = []
    for item in given.get("paid_media", ()):
        if item.get("photo"):
            found += _photo(item["photo"])[1]
        elif item.get("video"):
            found.append(_attachment("video", item["video"], "video/mp4"))
    return "", tuple(found)


def _location(given: Any) -> Said:
    return f"📍 {given['latitude']}, {given['longitude']}", ()


def _venue(given: Any) -> Said:
    where = _location(given["location"])[0]
    return "\n".join(part for part in (given.get("title"), given.get("address"), where) if part), ()


def _contact(given: Any) -> Said:
    return f"👤 {name(given)}\n{given.get('phone_number', '')}".strip(), ()


def _poll(given: Any) -> Said:
    options = [f"- {option['text']}" for option in given.get("options", ())]
    return "\n".join([given["question"], *options]), ()


def _checklist(given: Any) -> Said:
    tasks = [
        f"- [{'x' if task.get('completion_date') else ' '}] {task['text']}" for task in given.get("tasks", ())
    ]
    return "\n".join([given.get("title", ""), *tasks]), ()


def _dice(given: Any) -> Said:
    return f"{given.get('emoji', '')} {given.get('value', '')}".strip(), ()


def _nothing(given: Any) -> Said:
    return "", ()


def _rich(given: Any) -> Said:
    return "\n".join(line for block in given.get("blocks", ()) for line in _lines(block)), ()


def _lines(block: Any) -> list[str]:
    """The text in a block of a rich message, however deep it is (at most 16 levels, Bot API 10.1)."""
    if isinstance(block, str):
        return [block]
    if isinstance(block, list):
        if all(isinstance(part, str) or (isinstance(part, dict) and "text" in part) for part in block):
            return ["".join("\n".join(_lines(part)) for part in block)]
        return [line for part in block for line in _lines(part)]
    if isinstance(block, dict):
        held = [block[key] for key in ("text", "blocks", "items", "cells", "rows", "caption") if key in block]
        return [line for part in held for line in _lines(part)]
    return []


# In this order: an animation comes with a document, and a venue with a location, of the same content.
_KINDS: Mapping[str, Callable[[Any], Said]] = MappingProxyType(
    {
        "live_photo": _live_photo,
        "photo": _photo,
        "voice": _one("audio", "audio/ogg"),
        "audio": _one("audio", "audio/mpeg"),
        "video": _one("video", "video/mp4"),
        "video_note": _one("video", "video/mp4"),
        "animation": _one("video", "video/mp4"),
        "document": _document,
        "sticker": _sticker,
        "paid_media": _paid,
        "rich_message": _rich,
        "venue": _venue,
        "location": _location,
        "contact": _contact,
        "poll": _poll,
        "checklist": _checklist,
        "dice": _dice,
        "story": _nothing,
        "game": _nothing,
        "invoice": _nothing,
        "giveaway": _nothing,
    }
)
