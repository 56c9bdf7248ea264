"""How commands are written in Slack, whose apps keep every message that begins with a slash to themselves.

They say that it is no command of theirs (https://slack.com/help/articles/201259356), and offer `/parley` outside of
threads only. So where a message can be written, a command begins with an exclamation mark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from adapters.slack.words import say
from bot.api import Choices, MenuEntry, Notice, Reply, ReplyPart

_WRITTEN = re.compile(r"[!！](\S+)(.*)", re.DOTALL)
_NAMED = re.compile(r"(?<![A-Za-z0-9_/.:])/([a-z]+|[\u4e00-\u9fff]+)(?![A-Za-z0-9_/])")
_HELP = "command.help"


class Spelling:
    """Knows the names of the bot's commands, and how each is written."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """These are the commands from now on."""
        self._names = frozenset(name.lower() for entry in commands for name in (entry.name, *entry.aliases))

    def knows(self, name: str) -> bool:
        """Whether there is a command of this name, in lower case."""
        return name in self._names

    def heard(self, text: str) -> str:
        """What somebody wrote, as the core reads it: `!role chef` is `/role chef`."""
        match = _WRITTEN.fullmatch(text)
        return f"/{match[1]}{match[2]}" if match and match[1].lower() in self._names else text

    def shown(self, text: str, sign: str) -> str:
        """What the bot says, with `sign` before each command in the place of the slash."""
        return _NAMED.sub(lambda found: f"{sign}{found[1]}" if found[1] in self._names else found[0], text)


class Spelt:
    """A `bot.api.Reply` whose own words name the commands as they are written where it is read.

    `alone`: only the person sees it, and asks by `/parley`; else it stands in a thread.
    """

    def __init__(self, reply: Reply, spelling: Spelling, language: str, *, alone: bool) -> None:
        self._reply = reply
        self._spelling = spelling
        self._language = language
        self._alone = alone

    async def send(self, part: ReplyPart) -> None:
        """Show `part`. Raises `Gone`, `Unavailable`."""
        if isinstance(part, Notice | Choices):
            text = self._spelling.shown(part.text, "/parley " if self._alone else "!")
            if self._alone and isinstance(part, Notice) and part.key == _HELP:
                text = f"{text}\n\n{say(self._language, 'in_threads')}"
            part = replace(part, text=text)
        await self._reply.send(part)

    async def abandon(self) -> None:
        """Show nothing more. Raises nothing."""
        await self._reply.abandon()
