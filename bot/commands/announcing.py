"""Saying something to everybody: /broadcast."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import structlog

from bot.api import Choices, Incoming, Notice, Option, Person, Place
from bot.commands import Call, Command
from bot.correspondents import Correspondents

TEXT_LIMIT = 2000
"""Characters of an announcement: one message on every platform."""

DELIVER = "announcement"
"""The hidden command by which an announcement comes into each conversation, in its turn."""

_NAME = re.compile(r"[0-9a-f]{12}")
_log = structlog.get_logger(__name__)


class Announcing:
    """An announcement goes the way of every message, so that none is lost, and nobody hears it twice.

    `accept` takes it into a conversation, once, and tells whether it is in: a full one takes nothing. `admits` tells
    who may still talk to the bot.
    """

    def __init__(
        self,
        correspondents: Correspondents,
        accept: Callable[[Incoming], Awaitable[bool]],
        admits: Callable[[Place, Person], bool],
    ) -> None:
        self._correspondents = correspondents
        self._accept = accept
        self._admits = admits

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("broadcast", self.broadcast, ("announce", "广播", "廣播"), admin=True, where="private"),
            Command(DELIVER, self.deliver, hidden=True, where="private"),
        ]

    async def broadcast(self, call: Call) -> None:
        """Show what would be said and to how many people; the button sends it."""
        delivery, text = call.delivery, call.argument
        word, _, name = text.partition(" ")
        if word == "send" and _NAME.fullmatch(name):
            await self._send(call, name)
        elif not text:
            await delivery.notice("broadcast.how")
        elif len(text) > TEXT_LIMIT:
            await delivery.notice("broadcast.too_long", limit=TEXT_LIMIT)
        elif not (people := await self._people(call)):
            await delivery.notice("broadcast.nobody")
        else:
            name = await self._correspondents.keep(text)
            asked = delivery.say("broadcast.confirm", count=len(people))
            option = Option(delivery.say("broadcast.send"), f"/broadcast send {name}")
            await delivery.send(Choices(f"{asked}\n\n{text}", (option,)))

    async def deliver(self, call: Call) -> None:
        """Say an announcement here. Somebody who writes this command without knowing one gets nothing."""
        text = await self._correspondents.text(call.argument) if _NAME.fullmatch(call.argument) else None
        if text is not None:
            await call.delivery.send(Notice("announcement", text=f"📣 {text}"))

    async def _send(self, call: Call, name: str) -> None:
        if await self._correspondents.text(name) is None:
            await call.delivery.notice("broadcast.expired")
            return
        people, reached = await self._people(call), 0
        for place, person in people:
            # The same id, however often the button is pressed or this is begun anew: each hears it once.
            told = Incoming(f"announcement:{name}", place, person, f"/{DELIVER} {name}", addressed="command")
            reached += await self._accept(told)
        _log.info("announcement.sent", people=reached, full=len(people) - reached)
        if reached == len(people):
            await call.delivery.notice("broadcast.done", count=reached)
            return
        say = call.delivery.say
        again = Option(say("broadcast.again"), f"/broadcast send {name}")
        await call.delivery.send(
            Choices(say("broadcast.partly", count=reached, people=len(people)), (again,))
        )

    async def _people(self, call: Call) -> list[tuple[Place, Person]]:
        mine = call.delivery.message
        return [
            (place, person)
            for place, person in await self._correspondents.known()
            if self._admits(place, person)
            and (place.platform, person.id) != (mine.place.platform, mine.person.id)
        ]
