"""Reads what a smart bot hears, the same by callback and by the connection.

Source: developer.work.weixin.qq.com/document/path/100719 (messages), 101027 (events).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from adapters.wecom.bot.words import LANGUAGE
from bot.api import Attachment, Incoming, Person, Place, Quoted

PLATFORM = "wecom"

Refer = Callable[[str, str], str]
"""Makes the `ref` of an attachment from its address and its key."""

_KINDS: Mapping[str, Literal["image", "video", "file"]] = {"image": "image", "video": "video", "file": "file"}
_CALLED = re.compile(r"\A\s*@[^\s@]{1,64}(?:\s+|\Z)|(?:\A|\s+)@[^\s@]{1,64}\s*\Z")
_MOST = 50  # pieces of one mixed message


def message_of(body: Mapping[str, Any], account: str, refer: Refer, now: float) -> Incoming | None:
    """A message, or None where it lacks what every message has. `now` is in seconds since the epoch."""
    id, person = _word(body, "msgid"), _word(_part(body, "from"), "userid")
    if not id or not person:
        return None
    group = _word(body, "chattype") == "group"
    chat = _word(body, "chatid") if group else person
    if not chat:
        return None
    text, attachments = _content(body, refer)
    if group:
        text = _CALLED.sub("", text, count=1).strip()
    quote = _part(body, "quote")
    quoted = Quoted(*_quoted(quote, refer)) if quote else None
    created = body.get("create_time")
    return Incoming(
        id,
        Place(PLATFORM, account, chat, kind="group" if group else "private"),
        Person(person, _word(_part(body, "from"), "name"), LANGUAGE),
        text,
        tuple(attachments),
        quoted,
        addressed="mention" if group else "private",  # in groups it hears only what mentions it
        sent_at=float(created) if isinstance(created, int) and created > 0 else now,
        spoken=_word(body, "msgtype") == "voice",
    )


def event_of(body: Mapping[str, Any]) -> str:
    """The kind of an event; empty where it is none."""
    return _word(_part(body, "event"), "eventtype") if body.get("msgtype") == "event" else ""


def stream_asked(body: Mapping[str, Any]) -> str:
    """The id of the stream that a refresh asks for; empty where it is none."""
    return _word(_part(body, "stream"), "id") if body.get("msgtype") == "stream" else ""


def answer_url(body: Mapping[str, Any]) -> str:
    """The address for one more answer."""
    return _word(body, "response_url")


def _content(node: Mapping[str, Any], refer: Refer) -> tuple[str, Sequence[Attachment]]:
    """The text and the attachments of a message, a piece of one, or a quote."""
    kind = _word(node, "msgtype")
    if kind == "mixed":
        pieces = _part(node, "mixed").get("msg_item")
        items = [one for one in pieces[:_MOST] if isinstance(one, dict)] if isinstance(pieces, list) else []
        found = [_content(one, refer) for one in items if one.get("msgtype") != "mixed"]
        texts = [text for text, _ in found if text]
        return "\n".join(texts), [one for _, attachments in found for one in attachments]
    part = _part(node, kind)
    if kind in ("text", "voice", "markdown"):  # what was spoken comes as text
        return _word(part, "content"), ()
    url = _word(part, "url")
    if kind not in _KINDS or not url:
        return "", ()
    ref = refer(url, _word(part, "aeskey"))
    name = _word(part, "filename") or _word(part, "name")
    return "", (Attachment(_KINDS[kind], ref, name=name[:200]),)


def _quoted(quote: Mapping[str, Any], refer: Refer) -> tuple[str, str, tuple[Attachment, ...]]:
    text, attachments = _content(quote, refer)
    return text, _word(_part(quote, "from"), "userid"), tuple(attachments)


def _part(node: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = node.get(name)
    return found if isinstance(found, dict) else {}


def _word(node: Mapping[str, Any], name: str) -> str:
    found = node.get(name)
    return found.strip() if isinstance(found, str) else ""
