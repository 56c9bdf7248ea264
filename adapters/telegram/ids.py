"""The ids of `Incoming`: how a message's number at Telegram is written into one, and read out again.

| what | id |
|---|---|
| a message | `17` |
| a message of a group that became a supergroup, where numbers begin again | `17@-1001234567890` |
| an edited message | `17:1700000000` (the time of the edit) |
| an album | `album:13579:17` (the group of media, its first message) |
| a pressed button | `cb:4382bfdwdsb323b2d9` |
| a question asked inline | `ask:42` (who asked; the chat is the inline message) |
| the button by which a draft is stopped | `stop:900` (the update) |
"""

from __future__ import annotations

import re

_MESSAGE = re.compile(r"(?:album:[^:@]*:)?(\d+)(?:[:@].*)?")


def edited(message: str, date: int) -> str:
    """The id of a message after an edit."""
    return f"{message}:{date}"


def album(group: str, first: str) -> str:
    """The id of an album whose first message is `first`."""
    return f"album:{group}:{first}"


def elsewhere(message: str, chat: str) -> str:
    """The id of a message whose chat is not the one that `Place.chat` names."""
    return f"{message}@{chat}"


def message_number(id: str) -> int | None:
    """Telegram's number of the message; None where the id is not a message's."""
    found = _MESSAGE.fullmatch(id)
    return int(found[1]) if found else None


def chat(id: str) -> str:
    """The chat that the id names; empty where the message is in the chat that `Place.chat` names."""
    return id.partition("@")[2]
