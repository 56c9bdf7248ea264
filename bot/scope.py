"""Which conversation a message belongs to: a pure function of the message and the operator's policy."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import Literal
from urllib.parse import quote

from bot.api import Incoming

LONGEST_PART = 64
"""Characters of one part of a conversation's id; a longer part is represented by its hash."""


def scope(message: Incoming, policy: Literal["user", "thread", "chat"]) -> str:
    """The id of the conversation that `message` belongs to; printable ASCII, at most 400 characters.

    In private, a conversation is the chat, and its thread where there is one. In a group `policy` says who
    shares one: nobody (`user`: each person, in each thread), a `thread`, or the whole `chat`; a discussion is
    shared by those who take part in it, if not by the whole chat. Different conversations have different ids,
    whatever characters the platform's own ids are made of.
    """
    place = message.place
    if place.kind == "private":
        parts: tuple[str, ...] = ("private", place.chat, place.thread)
    elif policy == "user" and not (place.discussion and place.thread):
        parts = ("user", place.chat, place.thread, message.person.id)
    elif policy != "chat":
        parts = ("thread", place.chat, place.thread)
    else:
        parts = ("chat", place.chat)
    return ":".join(_part(part) for part in (place.platform, place.account, *parts))


def shared(message: Incoming, policy: Literal["user", "thread", "chat"]) -> bool:
    """Whether several people talk in the conversation of `message`."""
    return message.place.kind == "group" and scope(message, policy) == scope(_another(message), policy)


def home(message: Incoming, policy: Literal["user", "thread", "chat"]) -> str:
    """The conversation outside all threads, whose choices hold in those that made none of their own."""
    outside = replace(message, place=replace(message.place, thread=""))
    return scope(outside, "chat" if shared(message, policy) else policy)


def _another(message: Incoming) -> Incoming:
    return replace(message, person=replace(message.person, id=f"{message.person.id}'"))


def _part(text: str) -> str:
    # Quoting leaves no colon and no "=", so parts cannot run together and a hash cannot be written by hand.
    raw = text.encode("utf-8", "surrogatepass")
    quoted = quote(raw, safe="")
    return quoted if len(quoted) <= LONGEST_PART else f"={blake2b(raw, digest_size=20).hexdigest()}"
