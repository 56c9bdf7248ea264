"""The web chat: the smallest whole adapter, and the one to copy for the next.

| module | what it is for |
|---|---|
| `settings` | its block of settings, and whether it is on |
| `parse` | native request → `Incoming`, pure |
| `interface`, `media` | the routes |
| `guard`, `session` | which requests are genuine, and whose they are |
| `shown`, `stream` | what is said → what a front end is given |
| `words` | what it has to say itself |

Messages arrive at the routes; replies are kept as a log (`adapters._feed`), which the routes read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Self

from starlette.routing import BaseRoute

from adapters._feed import FeedReply, log_of
from adapters._shelf import Shelf
from adapters.web.guard import Guard
from adapters.web.interface import READING, Interface, files
from adapters.web.session import Attempts, Sessions
from adapters.web.settings import WebSettings, enabled
from adapters.web.stream import Pace
from bot.api import (
    Attachment,
    Finding,
    Host,
    Incoming,
    Journal,
    MenuEntry,
    Person,
    Place,
    Reply,
    Said,
    Submit,
    VoiceForm,
)

_STATIC = Path(__file__).with_name("static")


class Web:
    """`bot.api.Adapter` for people with a browser, and for other front ends that speak its JSON."""

    name: ClassVar[str] = "web"
    voice_form: ClassVar[VoiceForm] = "mp3"
    Settings: ClassVar[type[WebSettings]] = WebSettings
    interactive: ClassVar[bool] = False
    trusted: ClassVar[bool] = True

    def __init__(
        self,
        settings: WebSettings,
        host: Host,
        *,
        static: Path = _STATIC,
        pace: Pace | None = None,
        attempts: Attempts | None = None,
        reading: float = READING,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._host = host
        self._shelf = Shelf(host.store)
        self._static = static
        self._pace = pace or Pace()
        self._attempts = attempts or Attempts()
        self._reading = reading
        self._clock = clock
        self._commands: Sequence[MenuEntry] = ()

    @classmethod
    def create(cls, settings: WebSettings, host: Host) -> Self | None:
        """The web chat where it is on. Raises `ValueError` where it would be open to everyone."""
        return cls(settings, host) if enabled(settings, host) else None

    async def run(self, submit: Submit) -> None:
        """Nothing to do: everything arrives by `routes`."""

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """A reply in the session's log."""
        log = log_of(incoming.place.chat)
        return FeedReply(self._host.store, log, incoming, journal, clock=self._clock, previews=True)

    async def fetch(self, attachment: Attachment) -> bytes:
        """What was uploaded before the message was sent."""
        return await self._shelf.fetch(attachment)

    async def earlier(self, incoming: Incoming) -> Sequence[Said]:
        """The page has no threads."""
        return ()

    async def administers(self, place: Place, person: Person) -> bool:
        """The page has no groups."""
        return False

    async def check(self) -> Sequence[Finding]:
        """There is nobody to ask."""
        return ()

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """The page and its interface."""
        interface = Interface(
            store=self._host.store,
            shelf=self._shelf,
            submit=submit,
            guard=Guard(self._host),
            sessions=Sessions(self._host.store, self._settings.password(), clock=self._clock),
            files=files(self._static),
            commands=lambda: self._commands,
            secure=self._host.public_url.startswith("https://"),
            pace=self._pace,
            attempts=self._attempts,
            reading=self._reading,
            clock=self._clock,
        )
        return interface.routes()

    async def menu(self, commands: Sequence[MenuEntry]) -> None:
        """Keep the menu for `GET /api/commands`."""
        self._commands = tuple(entry for entry in commands if not entry.admin)

    async def close(self) -> None:
        """Nothing is open but the store, and that is the core's."""
