"""From a request's body to an `Incoming`: pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from adapters._shelf import ATTACHMENTS, TOGETHER, Kept, attachment, id_of, reference
from adapters.web.guard import Refusal
from bot.api import Attachment, Incoming, Person, Place

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_CURSOR = re.compile(r"\d{1,20}(?:-\d{1,20})?")


def parse(raw: bytes, session: str, *, language: str = "", now: float) -> Incoming:
    """The message in the body of `POST /api/messages`, its attachments by their ids. Raises `Refusal`."""
    given = json_object(raw)
    name, text, ids = given.get("id"), given.get("text", ""), given.get("attachments", [])
    if not isinstance(name, str) or _ID.fullmatch(name) is None:
        raise Refusal(400, "id")
    if not isinstance(ids, list) or len(ids) > ATTACHMENTS or not all(isinstance(id, str) for id in ids):
        raise Refusal(400, "attachments")
    if not isinstance(text, str) or not (text.strip() or ids):
        raise Refusal(400, "text")
    said = incoming(name, text, session, language=language, now=now)
    return replace(
        said, attachments=tuple(Attachment("file", reference(session, id)) for id in dict.fromkeys(ids))
    )


def attached(said: Incoming, known: Mapping[str, Kept]) -> Incoming:
    """`said` with what is known of its attachments. Raises `Refusal` where one is not there."""
    found = [known.get(id_of(each)) for each in said.attachments]
    kept = [each for each in found if each is not None]
    if len(kept) < len(found):
        raise Refusal(410, "media_gone")
    if sum(each.size for each in kept) > TOGETHER:
        raise Refusal(413, "attachments")
    return replace(said, attachments=tuple(attachment(said.place.chat, each) for each in kept))


def incoming(name: str, text: str, session: str, *, language: str = "", now: float) -> Incoming:
    """What a person says in the web chat: the session is the person, and the chat."""
    return Incoming(
        id=name,
        place=Place("web", "web", session),
        person=Person(session, language=language),
        text=text.encode("utf-8", "replace").decode("utf-8"),  # half a surrogate pair cannot be stored
        addressed="command" if text.startswith("/") else "private",
        sent_at=now,
    )


def password(raw: bytes, content_type: str) -> str:
    """The password in a form, or in a JSON object; empty where there is none. Raises `Refusal`."""
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        fields = parse_qs(raw.decode("utf-8", "replace"), max_num_fields=20)
        return fields.get("password", [""])[0]
    given = json_object(raw or b"{}").get("password", "")
    return given if isinstance(given, str) else ""


def cursor(text: str) -> str:
    """Where a stream of events goes on. Raises `Refusal`."""
    if _CURSOR.fullmatch(text) is None:
        raise Refusal(400, "cursor")
    return text


def json_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in a body. Raises `Refusal`."""
    try:
        given = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refusal(400, "not_json") from None
    if not isinstance(given, dict):
        raise Refusal(400, "not_json")
    return given
