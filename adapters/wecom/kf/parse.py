"""One entry of customer service's log → what it means, pure.

Source: developer.work.weixin.qq.com/document/path/94670 (sync_msg: messages and events).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from adapters.wecom.words import LANGUAGE
from bot.api import Attachment, Incoming, Person, Place

PREFIX = "kf:"
_CUSTOMER, _SYSTEM = 3, 4
_FILES: Mapping[str, tuple[Literal["image", "audio", "video", "file"], str]] = {
    "image": ("image", "image/jpeg"),
    "voice": ("audio", "audio/amr"),
    "video": ("video", "video/mp4"),
    "file": ("file", ""),
}

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Arrived:
    """Somebody opened the chat and may be greeted with `code`, within 20 seconds."""

    place: Place
    person: Person
    code: str
    sent_at: float


Meaning = Incoming | Arrived


def parse(entry: Json) -> Meaning | None:
    """What it means; None for what colleagues said, for other events and for what cannot be read."""
    number, sent_at = _text(entry, "msgid"), float(entry.get("send_time") or 0)
    if entry.get("msgtype") == "event" and entry.get("origin") in (_SYSTEM, _CUSTOMER):
        return _event(_part(entry, "event"), number, sent_at)
    account, customer = _text(entry, "open_kfid"), _text(entry, "external_userid")
    if entry.get("origin") != _CUSTOMER or not (number and account and customer):
        return None
    text, attachments = _content(entry)
    if not (text or attachments):
        return None
    place, person = _who(account, customer)
    return Incoming(number, place, person, text, attachments, sent_at=sent_at)


def _event(event: Json, number: str, sent_at: float) -> Meaning | None:
    account, customer = _text(event, "open_kfid"), _text(event, "external_userid")
    if not (account and customer):
        return None
    place, person = _who(account, customer)
    match _text(event, "event_type"):
        case "enter_session" if _text(event, "welcome_code"):
            return Arrived(place, person, _text(event, "welcome_code"), sent_at)
        case "user_recall_msg" if number and _text(event, "recall_msgid"):
            recalled = _text(event, "recall_msgid")
            return Incoming(number, place, person, edits=recalled, sent_at=sent_at, withdrawn=True)
    return None


def _who(account: str, customer: str) -> tuple[Place, Person]:
    return Place("wecom", PREFIX + account, customer), Person(customer, language=LANGUAGE)


def _content(entry: Json) -> tuple[str, tuple[Attachment, ...]]:
    kind = _text(entry, "msgtype")
    part = _part(entry, kind)
    if kind == "text":
        return _text(part, "content").strip(), ()
    if kind in _FILES and _text(part, "media_id"):
        what, mime = _FILES[kind]
        return "", (Attachment(what, PREFIX + _text(part, "media_id"), mime),)
    if kind == "location":
        where = f"{part.get('latitude', '')}, {part.get('longitude', '')}"
        return _lines(_text(part, "name"), _text(part, "address"), where.strip(", ")), ()
    if kind == "link":
        return _lines(_text(part, "title"), _text(part, "desc"), _text(part, "url")), ()
    return "", ()


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)


def _part(entry: Json, name: str) -> Json:
    value = entry.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(part: Json, name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else ""
