"""The adapter: what the parts of this package do together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from slack_bolt.async_app import AsyncApp
from starlette.routing import BaseRoute

from adapters._errands import Errands
from adapters.slack import check, oauth, owners
from adapters.slack.bolt import bolt
from adapters.slack.bots import Bots
from adapters.slack.client import Clients, Refused
from adapters.slack.desk import Desk
from adapters.slack.events import Events
from adapters.slack.fetching import fetched
from adapters.slack.home import PREFIX, HomeReply
from adapters.slack.http import Endpoint
from adapters.slack.inlet import Inlet
from adapters.slack.installations import Installations
from adapters.slack.parse import RATED, WHISPERED
from adapters.slack.people import People
from adapters.slack.reply import SlackReply
from adapters.slack.settings import Credentials
from adapters.slack.socket import Socket
from adapters.slack.spelling import Spelt
from adapters.slack.threads import Threads
from adapters.slack.whisper import SilentReply, WhisperReply
from bot.api import (
    Attachment,
    Finding,
    Gone,
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


class SlackAdapter:
    """`bot.api.Adapter` for Slack.

    `sleep` is what every pause is made of; `ping` is how often the socket is tested, in seconds.
    """

    name: ClassVar[str] = "slack"
    voice_form: ClassVar[VoiceForm] = "mp3"

    def __init__(
        self,
        credentials: Credentials,
        host: Host,
        *,
        ping: float = 10.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.credentials = credentials
        self._host = host
        self._ping = ping
        self._sleep = sleep
        store = host.store
        self._installations = Installations(store, credentials.client_secret) if credentials.oauth else None
        self._clients = Clients(credentials, self._installations, sleep=sleep)
        self._people = People(store)
        self._threads = Threads(store, self._people)
        self._errands = Errands("slack", Refused)
        self._inlet = Inlet(self._clients, self._threads, self._errands, store)
        self._desk = Desk(self._clients, self._people, self._inlet, host, self._threads)
        self._events = Events(
            clients=self._clients,
            people=self._people,
            threads=self._threads,
            inlet=self._inlet,
            desk=self._desk,
            bots=Bots(store, credentials.bots),
            errands=self._errands,
            store=store,
            installations=self._installations,
        )

    async def run(self, submit: Submit) -> None:
        """Receive by Socket Mode until cancelled; return at once where everything arrives by HTTP."""
        self._inlet.open(submit)
        self._errands.start("the look at our rights", self._look)
        if not self.credentials.socket:
            return
        try:
            await Socket(self.credentials, self._app(), ping=self._ping, sleep=self._sleep).run()
        finally:
            await self._errands.settle()

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """A reply in the thread, or one that only the person sees, where and how they asked."""
        alone = incoming.id.startswith((PREFIX, WHISPERED))
        return Spelt(
            self._reply(incoming, journal), self._desk.spelling, incoming.person.language, alone=alone
        )

    def _reply(self, incoming: Incoming, journal: Journal) -> Reply:
        if incoming.id.startswith(PREFIX):
            return HomeReply(self._desk.tab, self._clients.of, incoming)
        if incoming.id.startswith(RATED):
            return SilentReply()
        if incoming.id.startswith(WHISPERED):
            return WhisperReply(self._clients, incoming, journal, store=self._host.store, sleep=self._sleep)
        return SlackReply(self._clients, self._people, incoming, journal, sleep=self._sleep)

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download an attachment of at most 20 MB. Raises `Gone`, `Unavailable`."""
        return await fetched(self._clients, attachment)

    async def earlier(self, incoming: Incoming) -> Sequence[Said]:
        """What was said in a channel's thread before. Raises `Unavailable`."""
        try:
            client = await self._clients.of(incoming.place.account)
        except Gone:
            return ()
        return await self._threads.earlier(client, incoming)

    async def administers(self, place: Place, person: Person) -> bool:
        """Whether they made the channel, or run its workspace. Raises `Unavailable`."""
        try:
            client = await self._clients.of(place.account)
        except Gone:
            return False
        return await owners.runs(client, place.chat, person.id)

    async def check(self) -> Sequence[Finding]:
        """Whether Slack takes the credentials, and which rights are missing. Raises nothing."""
        return await check.checked(self._clients, self.credentials, self._installations)

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """Where Slack posts events, and the pages of an installation."""
        self._inlet.open(submit)
        found: list[BaseRoute] = []
        if self.credentials.http:
            found.append(Endpoint(self._app()).route())
        if self._installations is not None:
            store, pool = self._host.store, self._clients.session
            found.extend(oauth.routes(self.credentials, self._installations, store, pool))
        return found

    async def menu(self, commands: Sequence[MenuEntry]) -> None:
        """Slack has no menu of commands: `/parley` knows them."""
        self._desk.know(commands)

    async def close(self) -> None:
        """End every connection. Raises nothing."""
        await self._errands.settle()
        await self._clients.close()

    def _app(self) -> AsyncApp:
        return bolt(self.credentials, self._events.take)

    async def _look(self) -> None:
        """Say whose token it is and which rights are missing, so that nothing fails in silence."""
        if self.credentials.token:
            await check.report(self._clients)
