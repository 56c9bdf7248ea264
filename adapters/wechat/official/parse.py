"""What WeChat delivers to an Official Account, as what it means; pure.

Sources: "接收普通消息" and "接收事件推送", developers.weixin.qq.com.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adapters._envelope import Forged
from adapters.wechat.words import LANGUAGE
from bot.api import Attachment, Incoming, Person, Place

PREFIX = "oa:"


@dataclass(frozen=True, slots=True)
class Heard:
    """A message to be answered, or (`greeting`) somebody who has come and wants to be greeted.

    `us` is the account as WeChat calls it in what it delivers, and wants to be called in a reply.
    """

    incoming: Incoming
    us: str
    greeting: bool = False


def parse(values: Mapping[str, object], app_id: str) -> Heard | None:
    """None for what is answered empty: events that nobody expects an answer to. Raises `Forged`."""
    kind, sender, us = (_text(values, name) for name in ("MsgType", "FromUserName", "ToUserName"))
    if not (kind and sender and us):
        raise Forged("this is no message")
    at = _number(values, "CreateTime")
    place = Place("wechat", f"{PREFIX}{app_id}", sender)
    person = Person(sender, language=LANGUAGE)
    if kind == "event":
        return _event(values, place, person, us, at)
    id = _text(values, "MsgId") or f"{at:.0f}:{kind}"
    text, attachments = _content(kind, values)
    if not (text or attachments):
        return None
    spoken = kind == "voice" and not attachments
    return Heard(Incoming(id, place, person, text, attachments, sent_at=at, spoken=spoken), us)


def _event(values: Mapping[str, object], place: Place, person: Person, us: str, at: float) -> Heard | None:
    event, key = _text(values, "Event").upper(), _text(values, "EventKey")
    id = f"{at:.0f}:{event}:{key}"[:200]
    match event:
        case "CLICK" if key:
            return Heard(Incoming(id, place, person, key, addressed="command", sent_at=at), us)
        case "SUBSCRIBE" | "SCAN":
            return Heard(Incoming(id, place, person, sent_at=at), us, greeting=True)
        case _:
            return None


def _content(kind: str, values: Mapping[str, object]) -> tuple[str, tuple[Attachment, ...]]:
    """The text and the attachments; neither where we do not know this kind."""
    ref = f"{PREFIX}{media}" if (media := _text(values, "MediaId")) else ""
    text = ""
    attachments: tuple[Attachment, ...] = ()
    match kind:
        case "text":
            text = _text(values, "Content")
        case "image" if ref:
            attachments = (Attachment("image", ref, "image/jpeg"),)
        case "voice" if ref:
            # What WeChat has heard, for accounts that it does this for.
            text = _text(values, "Recognition").strip()
            attachments = () if text else (Attachment("audio", ref, "audio/amr", name="voice.amr"),)
        case "video" | "shortvideo" if ref:
            attachments = (Attachment("video", ref, "video/mp4", name="video.mp4"),)
        case "location":
            x, y = _text(values, "Location_X"), _text(values, "Location_Y")
            text = " ".join(filter(None, ("📍", _text(values, "Label"), f"({x}, {y})")))
        case "link":
            parts = (_text(values, name).strip() for name in ("Title", "Description", "Url"))
            text = "\n".join(filter(None, parts))
    return text, attachments


def _text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name, "")
    return value if isinstance(value, str) else ""


def _number(values: Mapping[str, object], name: str) -> float:
    text = _text(values, name).strip()
    return float(text) if text.isdecimal() and len(text) < 13 else 0.0
