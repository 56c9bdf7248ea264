"""Commands as people write them where an app has no slash commands: with a `#`, in full width, or by name alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.api import MenuEntry

_MARKED = re.compile(
    r"\s*[/／#＃]\s*(?P<name>[^\s/／#＃:：]+)(?:\s*[:：]\s*|\s+|$)(?P<argument>.*)", re.DOTALL
)


class Spoken:
    """Knows every name of every command.

    Behind `/`, `／`, `#` or `＃` each of them counts; alone, only one that is not ASCII and is the whole message:
    `more` may be an answer to the model, `帮助` is hardly anything else.
    """

    def __init__(self, commands: Sequence[MenuEntry]) -> None:
        self._marked: dict[str, str] = {}
        for entry in commands:
            for name in (entry.name, *entry.aliases):
                self._marked.setdefault(name.casefold(), entry.name)
        self._alone = {name: command for name, command in self._marked.items() if not name.isascii()}

    def command(self, text: str) -> str | None:
        """`/name argument`, as the core reads it; None where the text is no command that we know.

        What begins with an ASCII slash and is unknown stays for the core, which names the nearest one.
        """
        alone = self._alone.get(text.strip().casefold())
        if alone is not None:
            return f"/{alone}"
        match = _MARKED.fullmatch(text)
        name = self._marked.get(match["name"].casefold()) if match else None
        if match is None or name is None:
            return None
        return f"/{name} {match['argument']}".strip()
