"""What a typed text means where there are no buttons: a line of a numbered list, a command by its Chinese name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adapters._numbered import Numbered
from adapters._spoken import Spoken
from bot.api import Incoming, MenuEntry, Place


def place_of(place: Place) -> str:
    """The name under which a list's numbers are remembered: the person's private chat with one account."""
    return f"{place.account}:{place.chat}"


class Choosing:
    """Knows the commands and the lists that were shown."""

    def __init__(self, numbered: Numbered) -> None:
        self._numbered = numbered
        self._spoken = Spoken(())

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """These are the commands that people may use."""
        self._spoken = Spoken(commands)

    async def meant(self, message: Incoming) -> Incoming:
        """The message with what its text stands for. Raises `Unavailable`."""
        if not message.text or message.attachments or message.addressed == "command":
            return message
        value = await self._numbered.taken(place_of(message.place), message.text)
        if value is None:
            value = self._spoken.command(message.text)
        return message if value is None else replace(message, text=value, addressed="command")
