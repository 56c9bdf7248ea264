"""The adapter: what the parts of this package do together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from starlette.routing import BaseRoute
from telegram.error import TelegramError

from adapters._errands import Errands
from adapters.telegram import ids
from adapters.telegram.administrators import Administrators
from adapters.telegram.albums import Albums
from adapters.telegram.card import CardReply
from adapters.telegram.chats import Chats
from adapters.telegram.check import checked
from adapters.telegram.client import DOWNLOAD_LIMIT, Client
from adapters.telegram.content import file_id
from adapters.telegram.inlet import Inlet
from adapters.telegram.inline import Inline
from adapters.telegram.menu import Menu
from adapters.telegram.outbox import Outbox
from adapters.telegram.parse import INLINE
from adapters.telegram.receive import Patience, Poller
from adapters.telegram.reply import TelegramReply
from adapters.telegram.settings import Credentials
from adapters.telegram.standing import Standings
from adapters.telegram.webhook import Registration, Webhook
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
    Unavailable,
    VoiceForm,
)

_SWEEP = 60.0


class TelegramAdapter:
    """`bot.api.Adapter` for Telegram.

    `sleep` is what every pause is made of; `album_wait` is how many seconds after its last picture an album is
    complete.
    """

    name: ClassVar[str] = "telegram"
    voice_form: ClassVar[VoiceForm] = "ogg-opus"

    def __init__(
        self,
        credentials: Credentials,
        host: Host,
        *,
        client: Client | None = None,
        patience: Patience | None = None,
        album_wait: float = 1.2,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.credentials = credentials
        self._host = host
        self._client = client or Client(credentials.token, credentials.base_url)
        self._patience = patience or Patience()
        self._sleep = sleep
        self._chats = Chats(host.store)
        self._albums = Albums(host.store, wait=album_wait, sleep=sleep)
        self._administrators = Administrators(self._client, self._chats)
        self._errands = Errands("telegram", TelegramError)
        self._inline = Inline(self._client, host) if credentials.inline else None
        self._menu = Menu(self._client, host.store, sleep=sleep)
        self._outbox = Outbox(sleep=sleep)
        self._commands: Sequence[MenuEntry] = ()

    async def run(self, submit: Submit) -> None:
        """Receive until cancelled; by a webhook, see to it that Telegram knows the address."""
        inlet = self._inlet(submit)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receiving(inlet))
                group.create_task(self._sweeping(inlet))
                group.create_task(self._menu.publish(self._commands))
        finally:
            await self._albums.close()
            await self._errands.settle()

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """A reply in the chat, or in the card that was sent inline."""
        if incoming.place.chat.startswith(INLINE):
            return CardReply(
                self._client, incoming, outbox=self._outbox, store=self._host.store, sleep=self._sleep
            )
        return TelegramReply(
            self._client,
            incoming,
            journal,
            outbox=self._outbox,
            store=self._host.store,
            chat=self._chats.known(incoming.place.chat),
            reply_to=ids.message_number(incoming.id) if incoming.place.kind == "group" else None,
            moved=self._chats.moved,
            sleep=self._sleep,
        )

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download an attachment of at most 20 MB. Raises `Gone`, `Unavailable`."""
        if attachment.size > DOWNLOAD_LIMIT:
            raise Gone(f"a file of {attachment.size} bytes; Telegram gives out at most {DOWNLOAD_LIMIT}")
        try:
            name = file_id(attachment.ref)
        except ValueError:
            raise Gone("this is no reference to a file at Telegram") from None
        return await self._client.file(name)

    async def earlier(self, incoming: Incoming) -> Sequence[Said]:
        """Telegram does not let a bot read back."""
        return ()

    async def administers(self, place: Place, person: Person) -> bool:
        """Whether Telegram names them as an administrator of the group. Raises `Unavailable`."""
        return await self._administrators.are(place, person)

    async def check(self) -> Sequence[Finding]:
        """Whether Telegram takes the token, and allows what the settings ask for. Raises nothing."""
        return await checked(self._client, self.credentials)

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """The webhook, where that is the mode."""
        return [Webhook(self.credentials, self._inlet(submit)).route()] if self.credentials.webhook else []

    async def menu(self, commands: Sequence[MenuEntry]) -> None:
        """Have the menu published by whoever receives: nobody waits for it, and a failure is a line in the log."""
        self._commands = tuple(commands)

    async def close(self) -> None:
        """End every connection. Raises nothing."""
        await self._errands.settle()
        await self._client.close_connections()

    def _inlet(self, submit: Submit) -> Inlet:
        return Inlet(
            self._client,
            self._host.store,
            submit,
            chats=self._chats,
            albums=self._albums,
            errands=self._errands,
            inline=self._inline,
            standings=Standings(self._client, self._host, chats=self._chats, errands=self._errands),
        )

    async def _receiving(self, inlet: Inlet) -> None:
        store, patience = self._host.store, self._patience
        if self.credentials.webhook:
            await Registration(
                self._client, store, self.credentials, patience=patience, sleep=self._sleep
            ).run()
        else:
            inline = self.credentials.inline
            await Poller(
                self._client, store, inlet, inline=inline, patience=patience, sleep=self._sleep
            ).run()

    async def _sweeping(self, inlet: Inlet) -> None:
        """Pick up albums that a crash has left behind."""
        while True:
            try:
                await inlet.pick_up()
            except Unavailable:
                await self._sleep(1)
                continue
            await self._sleep(_SWEEP)
