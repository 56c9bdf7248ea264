"""What was heard, on its way to the core: its way back is kept first, then it is accepted, then it is answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters._numbered import Numbered
from adapters._spoken import Spoken
from adapters.wecom.bot.drawer import Drawer, Way, stream_of
from adapters.wecom.bot.media import References
from adapters.wecom.bot.parse import PLATFORM, answer_url, message_of
from adapters.wecom.bot.words import LANGUAGE, say
from bot.api import Accepted, Host, Incoming, MenuEntry, Outcome, Person, Place, Submit


def place_of(message: Incoming) -> str:
    """The name under which a list's numbers are remembered: one person in one chat."""
    return asker(message.place, message.person)


def asker(place: Place, person: Person) -> str:
    """The same, by their place."""
    return f"{place.account}:{place.chat}:{person.id}"


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was handed to the core, and what became of it."""

    stream: str
    outcome: Outcome


class Inlet:
    """One bot's ear. `clock` is the time of day in seconds."""

    def __init__(
        self, account: str, host: Host, drawer: Drawer, references: References, clock: Callable[[], float]
    ) -> None:
        self._account = account
        self._host = host
        self._drawer = drawer
        self._references = references
        self._clock = clock
        self._numbered = Numbered(host.store, clock=clock)
        self._spoken = Spoken(())

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """These are the commands that people may use."""
        self._spoken = Spoken(commands)

    async def take(self, body: Mapping[str, Any], submit: Submit, *, request: str = "") -> Taken | None:
        """Hand a message over; None where it is none. Raises `Unavailable`.

        `request` is the `req_id` that it came with.
        """
        message = message_of(body, self._account, self._references.seal, self._clock())
        if message is None:
            return None
        stream, place = stream_of(message), message.place
        way = Way(
            self._clock(),
            place.chat,
            place.kind == "group",
            message.person.language,
            request,
            answer_url(body),
        )
        await self._drawer.opened(stream, way)
        await self._drawer.asked(place_of(message), stream)
        outcome = await submit(await self._meant(message))
        if isinstance(outcome, Accepted) and outcome.behind:
            await self._drawer.wait(stream, say(message.person.language, "waits"))
        return Taken(stream, outcome)

    async def greeting(self, body: Mapping[str, Any]) -> str:
        """What a person is greeted with who opens the chat; empty for one who may not talk to the bot."""
        sender = body.get("from")
        person = str(sender.get("userid") or "") if isinstance(sender, dict) else ""
        place = Place(PLATFORM, self._account, person)
        if not person or not await self._host.admits(place, Person(person, language=LANGUAGE)):
            return ""
        return say(LANGUAGE, "greeting")

    async def _meant(self, message: Incoming) -> Incoming:
        """The message with what its text stands for: a line of a list, a command by its name."""
        if not message.text or message.attachments:
            return message
        value = await self._numbered.taken(place_of(message), message.text)
        if value is None:
            value = self._spoken.command(message.text)
        return message if value is None else replace(message, text=value, addressed="command")


def read_json(data: bytes | str) -> dict[str, Any] | None:
    """A JSON object, or None."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
