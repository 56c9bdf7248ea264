"""What somebody writes to a personal account's bot → `Incoming`; pure.

Source: "Message model" of docs/protocol.md, https://github.com/Tencent/openclaw-weixin. Direct chats only: the plugin
declares no other, and a message with a `group_id` is left alone.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from adapters._sealed import Seal
from adapters.wechat.personal.cdn import PREFIX, reference
from adapters.wechat.words import LANGUAGE
from bot.api import Attachment, Incoming, Person, Place, Quoted

TEXT, IMAGE, VOICE, FILE, VIDEO = 1, 2, 3, 4, 5
_BOT = 2
_ITEMS = 20
_VOICES = MappingProxyType(
    {1: "audio/pcm", 4: "audio/speex", 5: "audio/amr", 6: "audio/silk", 7: "audio/mpeg", 8: "audio/ogg"}
)
_Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """A message, and what the answer to it needs.

    `names` are the ids by which it may be quoted later; `quotes` is that of the message that it quotes itself.
    """

    incoming: Incoming
    context_token: str = field(repr=False)
    names: tuple[str, ...] = ()
    quotes: str = ""


def parse(message: object, account: str, seal: Seal) -> Heard | None:
    """None for what is no message of a person's to us: our own, one of a group, one without content."""
    if not isinstance(message, Mapping):
        return None
    sender, id = _text(message, "from_user_id"), _id(message)
    items = [item for item in _list(message, "item_list") if isinstance(item, Mapping)][:_ITEMS]
    ours = message.get("message_type") == _BOT or sender == account
    if ours or not (sender and id) or _text(message, "group_id") or message.get("delete_time_ms"):
        return None
    text, attachments = _content(items, seal)
    if not (text or attachments):
        return None
    quoted, quotes = _quoted(items, seal)
    incoming = Incoming(
        id,
        Place("wechat", f"{PREFIX}{account}", sender),
        Person(sender, language=LANGUAGE),
        text,
        attachments,
        quoted,
        sent_at=_number(message, "create_time_ms") / 1000,
        spoken=bool(text) and not attachments and all(item.get("type") == VOICE for item in items),
    )
    names = tuple(dict.fromkeys([id, *(name for item in items if (name := _text(item, "msg_id")))]))
    return Heard(incoming, _text(message, "context_token"), names, quotes)


def _id(message: _Json) -> str:
    """The message's id, of 64 bits: Python reads it without loss. Else what WeChat has besides."""
    for name in ("message_id", "seq", "client_id"):
        value = message.get(name)
        if isinstance(value, int | str) and not isinstance(value, bool) and value:
            return str(value) if name == "message_id" else f"{name}:{value}"
    return ""


def _content(items: Sequence[_Json], seal: Seal) -> tuple[str, tuple[Attachment, ...]]:
    texts, attachments = [], []
    for item in items:
        spoken = _text(_part(item, "voice_item"), "text").strip()  # WeChat has heard it already
        if item.get("type") == TEXT:
            texts.append(_text(_part(item, "text_item"), "text"))
        elif item.get("type") == VOICE and spoken:
            texts.append(spoken)
        elif (attachment := _attachment(item, seal)) is not None:
            attachments.append(attachment)
    return "\n".join(text for text in texts if text.strip()), tuple(attachments)


def _attachment(item: _Json, seal: Seal) -> Attachment | None:
    name = {IMAGE: "image_item", VOICE: "voice_item", FILE: "file_item", VIDEO: "video_item"}.get(
        _kind(item), ""
    )
    part = _part(item, name)
    ref = reference(_part(part, "media"), _text(part, "aeskey"), seal)
    if ref is None:
        return None
    match _kind(item):
        case 2:
            return Attachment("image", ref, "image/jpeg")
        case 3:
            mime = _VOICES.get(int(_number(part, "encode_type")), "audio/silk")
            return Attachment("audio", ref, mime, name="voice", duration=_number(part, "playtime") / 1000)
        case 5:
            seconds = _number(part, "play_length")
            return Attachment("video", ref, "video/mp4", name="video.mp4", duration=seconds)
        case _:
            file = _text(part, "file_name")[:200] or "file"
            mime = mimetypes.guess_type(file)[0] or "application/octet-stream"
            return Attachment("file", ref, mime, size=int(_number(part, "len")), name=file)


def _quoted(items: Sequence[_Json], seal: Seal) -> tuple[Quoted | None, str]:
    """What the first item that answers another message answers, as far as it came, and the id of that."""
    for item in items:
        found = _part(item, "ref_msg")
        if not found:
            continue
        whole = _part(found, "message_item")
        text, attachments = _content([whole], seal) if whole else ("", ())
        text = text or ("" if attachments else _text(found, "title"))
        name = _text(found, "svr_id") or _text(whole, "msg_id")
        return (Quoted(text, attachments=attachments) if text or attachments else None), name
    return None, ""


def _kind(item: _Json) -> int:
    kind = item.get("type")
    return kind if isinstance(kind, int) else 0


def _part(values: _Json, name: str) -> _Json:
    value = values.get(name)
    return value if isinstance(value, Mapping) else MappingProxyType({})


def _list(values: _Json, name: str) -> Sequence[Any]:
    value = values.get(name)
    return value if isinstance(value, list) else ()


def _text(values: _Json, name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""


def _number(values: _Json, name: str) -> float:
    """A number, which WeChat also writes as text; 0 where there is none that can be one."""
    value = values.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        return float(value)
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return float(value) if good and isinstance(value, int | float) else 0.0
