"""Chat commands: the registry is the one place that knows them; it also makes /help and the platforms' menus."""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bot.api import MenuEntry
from bot.delivery import Delivery, Say

_COMMAND = re.compile(r"[/／](?P<name>[^\W\d]\w{0,31})(?:@\w+)?(?:\s+(?P<argument>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """A command as it was given: the text behind its name, and where the answer goes."""

    argument: str
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Command:
    """One command. Its help is the sentence `command.help.<name>`.

    `aliases` are its other names (Chinese ones, and what people type by habit). An `urgent` command does not wait
    behind the answer under way: it interrupts that answer, and runs only where there is none.
    """

    name: str
    run: Callable[[Call], Awaitable[None]]
    aliases: tuple[str, ...] = ()
    urgent: bool = False


class Registry:
    """All commands, by every name they have."""

    def __init__(self, commands: Sequence[Command], *, languages: Sequence[str], say: Say) -> None:
        self.commands = tuple(commands)
        self._languages = languages
        self._say = say
        self._named = {name: c for c in commands for name in (c.name, *c.aliases)}

    async def run(self, delivery: Delivery) -> bool:
        """Run the delivery's message if it is a command, known or not. Was it one?"""
        match = _COMMAND.fullmatch(delivery.message.text.strip())
        if match is None:
            return False
        command = self._named.get(match["name"].lower())
        if command is None and delivery.message.place.kind == "group":
            return True  # in a group it may be another bot's: better silent than noisy
        if command is None:
            await self._unknown(delivery, match["name"])
        else:
            await command.run(Call((match["argument"] or "").strip(), delivery))
        return True

    def urgent(self, text: str) -> bool:
        """Whether this text must not wait in its lane."""
        match = _COMMAND.fullmatch(text.strip())
        command = self._named.get(match["name"].lower()) if match else None
        return command is not None and command.urgent

    def menu(self) -> list[MenuEntry]:
        """The commands for the platforms' menus, described in every language."""
        return [
            MenuEntry(
                c.name,
                {lang: self._say(lang, f"command.help.{c.name}") for lang in self._languages},
                c.aliases,
            )
            for c in self.commands
        ]

    async def _unknown(self, delivery: Delivery, name: str) -> None:
        near = difflib.get_close_matches(name.lower(), self._named, 1, 0.6)
        if near:
            await delivery.notice("command.unknown_near", command=f"/{name}", nearest=f"/{near[0]}")
        else:
            await delivery.notice("command.unknown", command=f"/{name}")
