"""Options as inline keyboards, and what a pressed button stands for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from bot.api import Option, Store

Keyboard = dict[str, Any]
"""https://core.telegram.org/bots/api#inlinekeyboardmarkup"""

_DATA_LIMIT = 64  # bytes of callback_data (https://core.telegram.org/bots/api#inlinekeyboardbutton)
_SIGN = "~"
_TTL = 30 * 86400.0
_NARROW = 18  # characters of a label that leave room for a second one beside it
_MOST = 100


async def remember(store: Store, value: str) -> str:
    """`callback_data` for the value of an option; a long value is kept in `store`. Raises `Unavailable`."""
    if value and len(value.encode()) <= _DATA_LIMIT and not value.startswith(_SIGN):
        return value
    name = _SIGN + hashlib.blake2b(value.encode(), digest_size=20).hexdigest()
    await store.put(_key(name), value, ttl=_TTL)
    return name


async def recall(store: Store, data: str) -> str | None:
    """The value behind a pressed button's data; None where it is too old. Raises `Unavailable`."""
    return await store.get(_key(data)) if data.startswith(_SIGN) else data


async def keyboard(store: Store, options: Sequence[Option]) -> Keyboard | None:
    """A keyboard of one or two columns, None where there is no option. Raises `Unavailable`."""
    buttons = [
        {"text": option.label, "callback_data": await remember(store, option.value)}
        for option in options[:_MOST]
    ]
    if not buttons:
        return None
    columns = 2 if all(len(option.label) <= _NARROW for option in options) else 1
    rows = [buttons[start : start + columns] for start in range(0, len(buttons), columns)]
    return {"inline_keyboard": rows}


def below(upper: Keyboard | None, lower: Keyboard | None) -> Keyboard | None:
    """Two keyboards as one."""
    rows = [row for part in (upper, lower) if part for row in part["inline_keyboard"]]
    return {"inline_keyboard": rows} if rows else None


def _key(name: str) -> str:
    return f"button:{name}"
