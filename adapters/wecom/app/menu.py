"""The app's menu: the commands as buttons below the chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.api import MenuEntry

_FIRST = ("new", "help")
_NEXT = ("role", "model", "image", "retry", "continue", "usage", "settings", "stop")
_BUTTONS, _BELOW = 3, 5
_NAME, _NAME_BELOW = 16, 40  # bytes
_MORE = "更多"


def buttons(commands: Sequence[MenuEntry]) -> dict[str, Any]:
    """The body of menu/create: at most three buttons, the last with at most five below it.

    Source: developer.work.weixin.qq.com/document/path/90231 (names of 16 and 40 bytes, keys of 128).
    """
    known = {entry.name: entry for entry in commands}
    first = [known[name] for name in _FIRST if name in known]
    order = [*_NEXT, *known]
    rest = [known[name] for name in dict.fromkeys(order) if name in known and name not in _FIRST]
    found = [_button(entry, _NAME) for entry in first][: _BUTTONS - 1]
    if rest:
        found.append({"name": _MORE, "sub_button": [_button(entry, _NAME_BELOW) for entry in rest[:_BELOW]]})
    return {"button": found}


def _button(entry: MenuEntry, room: int) -> dict[str, Any]:
    names = [*(alias for alias in entry.aliases if not alias.isascii()), entry.name]
    label = next((name for name in names if len(name.encode()) <= room), entry.name[:room])
    return {"type": "click", "name": label, "key": f"/{entry.name}"}
