"""Chat commands: the registry is the one place that knows them; it also makes /help and the platforms' menus."""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from bot.api import MenuEntry, Person, Place, Unavailable
from bot.delivery import Delivery, Say

_COMMAND = re.compile(r"[/／](?P<name>[^\W\d]\w{0,31})(?:@\w+)?(?:\s+(?P<argument>.*))?", re.DOTALL)

_log = structlog.get_logger(__name__)

Admin = Callable[[Place, Person], bool]
"""Whether a person runs the bot."""


def nobody(place: Place, person: Person) -> bool:
    """Nobody is an admin."""
    return False


@dataclass(frozen=True, slots=True)
class Call:
    """A command as it was given: the text behind its name, and where the answer goes.

    `admin`: who gave it runs the bot, wherever they are.
    """

    argument: str
    delivery: Delivery
    admin: bool = False

    @property
    def common(self) -> bool:
        """Whether the choices of this conversation are a whole group's, and not a person's or a thread's."""
        delivery = self.delivery
        return delivery.shared and (
            not delivery.message.place.thread or delivery.conversation == delivery.home
        )

    async def leads(self) -> bool | None:
        """Whether this person may decide for the whole group: an admin of the bot, or of the group.

        None where the platform cannot be asked now.
        """
        if self.admin:
            return True
        try:
            return await self.delivery.administers()
        except Unavailable as error:
            _log.warning("group.unasked", platform=self.delivery.message.place.platform, detail=str(error))
            return None

    async def may_choose(self, command: str) -> bool:
        """Whether this person may choose in this conversation; who may not is told, with the command's name."""
        leads = await self.leads() if self.common else True
        if not leads:
            key = "command.admins_unknown" if leads is None else "command.admins_only"
            await self.delivery.notice(key, command=command)
        return bool(leads)


@dataclass(frozen=True, slots=True)
class Command:
    """One command. Its help is the sentence `command.help.<name>`, unless it is `hidden`.

    `aliases` are its other names (Chinese ones, and what people type by habit). An `urgent` command does not wait
    behind the answer under way: it interrupts that answer, and runs only where there is none. An `admin` one does
    not exist for anybody else. What is `hidden` (a button's) stands in no list. One that `chooses` does so for its
    whole conversation: where that is a whole group's, only for who may (`Call.may_choose`).
    """

    name: str
    run: Callable[[Call], Awaitable[None]]
    aliases: tuple[str, ...] = ()
    urgent: bool = False
    admin: bool = False
    hidden: bool = False
    chooses: bool = False
    where: Literal["everywhere", "private", "group"] = "everywhere"

    def listed(self, delivery: Delivery, admin: Admin) -> bool:
        """Whether this person may know of it, and use it in this place."""
        place, person = delivery.message.place, delivery.message.person
        allowed = not self.admin or admin(place, person)
        return allowed and not self.hidden and self.where in ("everywhere", place.kind)


def nearest(name: str, commands: Sequence[Command]) -> str:
    """Of all their names, the one that is like `name`; empty where none is."""
    names = [each for command in commands for each in (command.name, *command.aliases)]
    # Of a Chinese name's two characters, one that is right is near.
    return next(iter(difflib.get_close_matches(name.lower(), names, 1, 0.6 if name.isascii() else 0.5)), "")


class Registry:
    """All commands, by every name they have."""

    def __init__(
        self, commands: Sequence[Command], *, languages: Sequence[str], say: Say, admin: Admin = nobody
    ) -> None:
        """Raises `ValueError` where two commands have the same name."""
        self.commands = tuple(commands)
        self._languages = languages
        self._say = say
        self._admin = admin
        self._named: dict[str, Command] = {}
        for command in commands:
            for name in (command.name, *command.aliases):
                if self._named.setdefault(name, command) is not command:
                    raise ValueError(f"two commands are called /{name}")

    async def run(self, delivery: Delivery) -> bool:
        """Run the delivery's message if it is a command, known or not. Was it one?"""
        match = _COMMAND.fullmatch(delivery.message.text.strip())
        if match is None:
            return False
        place, person = delivery.message.place, delivery.message.person
        command = self._named.get(match["name"].lower())
        admin = self._admin(place, person)
        if command is not None and command.admin and not admin:
            command = None
        if command is None and place.kind == "group":
            return True  # in a group it may be another bot's: better silent than noisy
        if command is None:
            await self._unknown(delivery, match["name"])
        elif command.where not in ("everywhere", place.kind):
            await self._elsewhere(delivery, command)
        else:
            await command.run(Call((match["argument"] or "").strip(), delivery, admin))
        return True

    def urgent(self, text: str) -> bool:
        """Whether this text must not wait in its lane."""
        match = _COMMAND.fullmatch(text.strip())
        command = self._named.get(match["name"].lower()) if match else None
        return command is not None and command.urgent

    def menu(self) -> list[MenuEntry]:
        """The commands for the platforms' menus, described in every language, those for admins last."""
        return [
            MenuEntry(
                c.name,
                {lang: self._say(lang, f"command.help.{c.name}") for lang in self._languages},
                c.aliases,
                c.admin,
            )
            for c in sorted(self.commands, key=lambda c: c.admin)
            if not c.hidden
        ]

    async def _unknown(self, delivery: Delivery, name: str) -> None:
        near = nearest(name, [c for c in self.commands if c.listed(delivery, self._admin)])
        if near:
            await delivery.notice("command.unknown_near", command=f"/{name}", nearest=f"/{near}")
        else:
            await delivery.notice("command.unknown", command=f"/{name}")

    async def _elsewhere(self, delivery: Delivery, command: Command) -> None:
        if command.where == "private":
            await delivery.notice("command.private_only", command=f"/{command.name}")
        else:
            await delivery.notice("command.group_only", command=f"/{command.name}")
