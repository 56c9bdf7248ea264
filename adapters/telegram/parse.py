"""From an update, as JSON, to what it means for us: pure functions.

The JSON is read as it comes, not through a library's types, so that kinds of updates that are newer than the
library are understood. Reading one that is not as documented raises `LookupError`, `TypeError`, `ValueError` or
`AttributeError` (`UNREADABLE`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from adapters.telegram import ids
from adapters.telegram.content import Content, Span, content, is_topic_root, name, origin, quoted, without
from bot.api import Incoming, Person, Place

Json = dict[str, Any]
Addressed = Literal["private", "mention", "reply", "command", "ambient"]

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)

INLINE = "inline:"
"""What the chat of a message begins with that was sent inline: the rest is its `inline_message_id`."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are. `username` is lower case and without the @."""

    id: str
    username: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Somebody said something. `album` names the group of media that the message is a part of, or is empty."""

    incoming: Incoming
    album: str = ""


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody pressed one of our buttons. In a message sent inline the place is that message."""

    query: str
    data: str
    place: Place
    person: Person


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody types `@bot question` in any chat."""

    query: str
    question: str
    person: Person


@dataclass(frozen=True, slots=True)
class Moved:
    """A group became a supergroup, with a new chat id."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Our own place in a chat has changed, by what `person` did."""

    change: Literal["blocked", "unblocked", "added", "removed", "muted", "unmuted"]
    place: Place
    person: Person


Meaning = Heard | Pressed | Asked | Moved | Standing


def parse(update: Json, me: Identity) -> Meaning | None:
    """What an update means; None where it means nothing to us."""
    found: Meaning | None = None
    match update:
        case {"message": message}:
            found = _message(message, me)
        case {"edited_message": message}:
            found = _edited(message, me)
        case {"callback_query": query}:
            found = _pressed(query, me)
        case {"inline_query": query}:
            found = Asked(query["id"], query.get("query", "").strip(), _person(query["from"]))
        case {"stopped_message_generation": stopped}:
            found = _stopped(update["update_id"], stopped, me)
        case {"my_chat_member": change}:
            found = _standing(change, me)
    return found


def lane(update: Json) -> str:
    """Updates of one lane are taken one after the other: those of a chat; without a chat, those of a person."""
    for kind, held in update.items():
        if kind == "update_id" or not isinstance(held, dict):
            continue
        holder = held.get("message") if kind == "callback_query" else held
        chat = (holder or {}).get("chat") or held.get("from") or {}
        return str(chat.get("id", ""))
    return ""


# --- messages --------------------------------------------------------------------------------------------


def _message(message: Json, me: Identity) -> Heard | Moved | None:
    chat = str(message["chat"]["id"])
    if "migrate_to_chat_id" in message:
        return Moved(chat, str(message["migrate_to_chat_id"]))
    if "migrate_from_chat_id" in message:
        return Moved(str(message["migrate_from_chat_id"]), chat)
    person, held = _sender(message), content(message)
    if message["chat"]["type"] == "channel" or person is None or held is None or _is_ours(message, me):
        return None
    addressed, text = _forwarded(message, held) or _address(message, held, me) or ("", "")
    if not addressed:
        return None
    incoming = Incoming(
        id=str(message["message_id"]),
        place=_place(message["chat"], message, me),
        person=person,
        text=text,
        attachments=held.attachments,
        quoted=quoted(message, me.id),
        addressed=addressed,
        sent_at=float(message.get("date", 0)),
    )
    return Heard(incoming, str(message.get("media_group_id", "")))


def _edited(message: Json, me: Identity) -> Heard | None:
    """A live location is edited again and again, and a change that nobody sees has no date."""
    date = int(message.get("edit_date") or 0)
    heard = _message(message, me) if date and "location" not in message else None
    if not isinstance(heard, Heard):
        return None
    was = heard.incoming
    return Heard(replace(was, id=ids.edited(was.id, date), edits=was.id, sent_at=float(date)), heard.album)


def _sender(message: Json) -> Person | None:
    """Who said it: None for other bots, and for what a channel posts into its discussion group.

    Somebody may speak for a chat: an anonymous administrator for the group, or anyone for a channel of theirs.
    Then `from` is an account of Telegram's that all of them share, so the chat is the person.
    """
    if message.get("is_automatic_forward"):
        return None
    spoken_for = message.get("sender_chat")
    if spoken_for is not None:
        return Person(str(spoken_for["id"]), name(spoken_for))
    who = message.get("from")
    return None if who is None or who.get("is_bot") else _person(who)


def _person(user: Json) -> Person:
    return Person(str(user["id"]), name(user), str(user.get("language_code") or ""))


def _is_ours(message: Json, me: Identity) -> bool:
    """The card of an inline question that somebody posted where we are, too."""
    return str((message.get("via_bot") or {}).get("id", "")) == me.id


def _place(chat: Json, message: Json, me: Identity) -> Place:
    thread = str(message.get("message_thread_id", "")) if message.get("is_topic_message") else ""
    kind: Literal["private", "group"] = "private" if chat["type"] == "private" else "group"
    return Place("telegram", me.id, str(chat["id"]), thread, kind)


# --- for whom it was meant -------------------------------------------------------------------------------


def _forwarded(message: Json, held: Content) -> tuple[Addressed, str] | None:
    """Words of somebody else: named as such, so they are no command, and no mention in them counts."""
    if "forward_origin" not in message:
        return None
    head = f"Forwarded from {origin(message['forward_origin']) or 'somebody'}:"
    private = message["chat"]["type"] == "private"
    return "private" if private else "ambient", f"{head}\n\n{held.text}".strip()


def _address(message: Json, held: Content, me: Identity) -> tuple[Addressed, str] | None:
    """How a message was meant, and its text without what only served to call us; None: for another bot."""
    private = message["chat"]["type"] == "private"
    text, spans = held.text, held.spans
    command = next((span for span in spans if span.kind == "bot_command" and span.start == 0), None)
    if command is not None:
        called, _, bot = text[: command.end].partition("@")
        if bot and bot.lower() != me.username and not private:
            return None
        return "command", called + text[command.end :]
    mentions = [span for span in spans if _names_us(text, span, me)]
    text = without(text, mentions) if mentions else text
    if private:
        return ("command" if text.startswith(("/", "／")) else "private"), text
    if mentions:
        return "mention", text
    return ("reply" if _answers_us(message, me) else "ambient"), text


def _names_us(text: str, span: Span, me: Identity) -> bool:
    if span.kind == "text_mention":
        return span.user == me.id
    return span.kind == "mention" and text[span.start : span.end].lower() == f"@{me.username}"


def _answers_us(message: Json, me: Identity) -> bool:
    sender = (message.get("reply_to_message") or {}).get("from") or {}
    return str(sender.get("id", "")) == me.id and not is_topic_root(message)


# --- buttons ---------------------------------------------------------------------------------------------


def _pressed(query: Json, me: Identity) -> Pressed | None:
    data, message = query.get("data"), query.get("message")
    if not data:
        return None  # a game
    if message is not None:
        place = _place(message["chat"], message, me)
    else:
        place = Place("telegram", me.id, f"{INLINE}{query['inline_message_id']}", kind="group")
    return Pressed(query["id"], data, place, _person(query["from"]))


def _stopped(update: int, stopped: Json, me: Identity) -> Heard:
    """The Stop of a draft (Bot API 10.3). Drafts are for private chats, where the chat is the person."""
    chat = stopped["chat"]
    thread = stopped.get("message_thread_id")
    place = Place(
        "telegram",
        me.id,
        str(chat["id"]),
        str(thread) if thread else "",
        "private" if chat["type"] == "private" else "group",
    )
    person = Person(str(chat["id"]), name(chat))
    return Heard(Incoming(f"stop:{update}", place, person, "/stop", addressed="command"))


def _standing(change: Json, me: Identity) -> Standing | None:
    """None for channels, and for what changes nothing for an answer, such as the rights of an administrator."""
    chat = change["chat"]
    if chat["type"] == "channel":
        return None
    old, new = change["old_chat_member"], change["new_chat_member"]
    was, now = _present(old), _present(new)
    place, person = _place(chat, {}, me), _person(change["from"])
    if place.kind == "private":
        return None if was == now else Standing("unblocked" if now else "blocked", place, person)
    if was != now:
        return Standing("added" if now else "removed", place, person)
    spoke, speaks = (member.get("can_send_messages", True) for member in (old, new))
    return None if spoke == speaks else Standing("unmuted" if speaks else "muted", place, person)


def _present(member: Json) -> bool:
    """https://core.telegram.org/bots/api#chatmember; who is restricted may be in the chat or not."""
    return member["status"] not in ("left", "kicked") and bool(member.get("is_member", True))


def merged(parts: Sequence[Incoming]) -> Incoming:
    """An album's parts as one message: all attachments in order, and the caption that one of them has.

    In a group only the part with the caption names us, so the strongest way in which one was meant counts.
    """
    ordered = sorted(parts, key=lambda part: ids.message_number(part.id) or 0)
    first = ordered[0]
    return replace(
        first,
        text=next((part.text for part in ordered if part.text), ""),
        attachments=tuple(attachment for part in ordered for attachment in part.attachments),
        quoted=next((part.quoted for part in ordered if part.quoted), None),
        addressed=next((part.addressed for part in ordered if part.addressed != "ambient"), "ambient"),
    )
