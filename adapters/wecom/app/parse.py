"""A message or an event of the self-built app → what it means, pure.

Sources: developer.work.weixin.qq.com/document/path/90239 (messages), 90240 (events).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from adapters.wecom.words import LANGUAGE
from bot.api import Attachment, Incoming, Person, Place

PREFIX = "app:"
_DAY = 86400
_FILES: Mapping[str, tuple[Literal["image", "audio", "video"], str]] = {
    "image": ("image", "image/jpeg"),
    "voice": ("audio", "audio/amr"),
    "video": ("video", "video/mp4"),
}


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody opened the app. `day` is the number of the day, by WeCom's clock."""

    place: Place
    person: Person
    day: int


Meaning = Incoming | Entered


def parse(message: Mapping[str, object], account: str) -> Meaning | None:
    """What it means; None where there is nothing to answer (an event of another kind, a message from nobody)."""
    sender, at = _text(message, "FromUserName"), _number(message, "CreateTime")
    if not sender or sender == "sys":
        return None
    place, person = Place("wecom", account, sender), Person(sender, language=LANGUAGE)
    kind = _text(message, "MsgType")
    if kind == "event":
        return _event(message, place, person, at)
    text, attachments = _content(kind, message)
    number = _text(message, "MsgId")
    if not number or not (text or attachments):
        return None
    return Incoming(number, place, person, text, attachments, sent_at=float(at))


def _event(message: Mapping[str, object], place: Place, person: Person, at: int) -> Meaning | None:
    event, key = _text(message, "Event"), _text(message, "EventKey")
    if event == "enter_agent":
        return Entered(place, person, at // _DAY)
    if event == "click" and key:
        return Incoming(f"{at}:click:{key}", place, person, key, addressed="command", sent_at=float(at))
    return None


def _content(kind: str, message: Mapping[str, object]) -> tuple[str, tuple[Attachment, ...]]:
    if kind == "text":
        return _text(message, "Content").strip(), ()
    if kind in _FILES and _text(message, "MediaId"):
        what, mime = _FILES[kind]
        return "", (Attachment(what, PREFIX + _text(message, "MediaId"), mime),)
    if kind == "location":
        where = f"{_text(message, 'Location_X')}, {_text(message, 'Location_Y')}"
        return "\n".join(line for line in (_text(message, "Label"), where) if line.strip(", ")), ()
    if kind == "link":
        names = ("Title", "Description", "Url")
        return "\n".join(line for line in (_text(message, name) for name in names) if line), ()
    return "", ()


def _text(message: Mapping[str, object], name: str) -> str:
    value = message.get(name)
    return value if isinstance(value, str) else ""


def _number(message: Mapping[str, object], name: str) -> int:
    value = _text(message, name)
    return int(value) if value.isdecimal() and len(value) < 20 else 0
