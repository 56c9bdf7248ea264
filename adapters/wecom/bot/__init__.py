"""WeCom's smart bot (智能机器人): by a long connection, or by a callback.

| module | what it is for |
|---|---|
| `parse`, `inlet` | what is heard: read, kept, handed to the core |
| `drawer` | an answer on its way, as all replicas see it |
| `script`, `reply`, `words` | an answer being written, in parts that WeCom takes |
| `callback` | `/wecom/bot`: messages, refreshes of streams, one more answer |
| `link`, `socket`, `outlet`, `pace` | the long connection, and what goes out by it |
| `media` | files: references, downloads, what may be sent |
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

import aiohttp
from starlette.routing import BaseRoute

from adapters._envelope import Envelope
from adapters._numbered import Numbered
from adapters._sealed import Seal
from adapters.wecom.bot.callback import PATH, ByCallback, Door
from adapters.wecom.bot.drawer import Drawer
from adapters.wecom.bot.inlet import Inlet, asker
from adapters.wecom.bot.link import PATIENCE
from adapters.wecom.bot.media import PREFIX, References, Web, opened
from adapters.wecom.bot.outlet import BySocket
from adapters.wecom.bot.reply import BotReply, Carrier, Means
from adapters.wecom.bot.socket import PING, REMEDY_KICKED, REMEDY_REFUSED, STATUS, Socket
from adapters.wecom.bot.words import LANGUAGE, say
from adapters.wecom.settings import SOCKET, BotCredentials
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
    Submit,
    Unavailable,
)


class SmartBot:
    """A line of WeCom's. `clock` is the time of day in seconds; `ping` and `patience` are in seconds."""

    prefix: ClassVar[str] = PREFIX

    def __init__(
        self,
        credentials: BotCredentials,
        host: Host,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        ping: float = PING,
        patience: float = PATIENCE,
    ) -> None:
        self._credentials = credentials
        self._host = host
        self._clock, self._sleep = clock, sleep
        secret = credentials.secret or credentials.token
        name = credentials.id or hashlib.sha256(credentials.token.encode()).hexdigest()[:12]
        self.account = f"{PREFIX}{name}"
        self._drawer = Drawer(host.store, Seal(secret, "smart bot's way"), name)
        self._references = References(Seal(secret, "smart bot's file"))
        self._web = Web(_trusted(credentials.ws_url))
        self._inlet = Inlet(self.account, host, self._drawer, self._references, clock)
        self._socket: Socket | None = None
        carrier: Carrier = ByCallback(self._drawer, self._web, clock, sleep)
        if credentials.socket:
            carrier = BySocket(self._drawer)
            self._socket = Socket(
                credentials,
                host.store,
                self._drawer,
                self._inlet,
                clock=clock,
                sleep=sleep,
                ping=ping,
                patience=patience,
            )
        self._means = Means(self._drawer, carrier, Numbered(host.store, clock=clock), clock, sleep)

    async def run(self, submit: Submit) -> None:
        """Hold the long connection, where there is one, until cancelled."""
        if self._socket is not None:
            await self._socket.run(submit)

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """A reply; how far it is stands in the drawer, so it needs no journal."""
        return BotReply(self._means, incoming)

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file and open it. Raises `Gone`, `Unavailable`."""
        url, key = self._references.open(attachment.ref)
        return await opened(await self._web.download(url), key or self._credentials.key)

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """The callback, where there is no long connection."""
        if self._socket is not None:
            return ()
        envelope = Envelope(self._credentials.token, self._credentials.key, "")
        return (Door(envelope, self._inlet, self._drawer, submit, self._clock).route(),)

    async def forget(self, place: Place, person: Person) -> None:
        """Keep none of their answers, sent or not, and no list. Raises `Unavailable`."""
        name = asker(place, person)
        await self._drawer.forgotten(name, say(person.language or LANGUAGE, "unknown"))
        await self._means.numbered.forget(name)

    async def check(self) -> Sequence[Finding]:
        """Whether WeCom can be reached. A second connection would end the first, so none is made."""
        if self._socket is None:
            return [self._callback_finding()]
        return [await self._reached(), await self._state()]

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """These are the commands that people may use."""
        self._inlet.know(commands)

    async def close(self) -> None:
        """End every connection. Raises nothing."""
        await self._web.close()

    # --- looking ---------------------------------------------------------------------------------------------

    def _callback_finding(self) -> Finding:
        url = self._host.public_url.rstrip("/")
        if not url.startswith("https://"):
            return Finding(
                "WeCom smart bot",
                False,
                "WeCom has no address to post to",
                "set PUBLIC_URL to an https address",
            )
        return Finding("WeCom smart bot", True, f"enter this URL on the bot's page in WeCom: {url}{PATH}")

    async def _reached(self) -> Finding:
        name, url = "WeCom smart bot: server", self._credentials.ws_url
        try:
            async with asyncio.timeout(10), aiohttp.ClientSession() as session, session.ws_connect(url):
                return Finding(name, True, f"{urlsplit(url).hostname} can be reached")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            remedy = "let this machine reach it, or correct WECOM_BOT_WS_URL"
            return Finding(name, False, f"no connection: {type(error).__name__}", remedy)

    async def _state(self) -> Finding:
        name = "WeCom smart bot: connection"
        try:
            state = await self._host.store.get(f"{STATUS}:{self._credentials.id}")
        except Unavailable:
            state = None  # Redis has a line of its own, and an embedded one runs with the bot
        if state is None:
            return Finding(name, True, "not looked at: WeCom sees the secret when the bot runs")
        if state == "kicked":
            return Finding(name, False, "another connection took its place", REMEDY_KICKED)
        if state.startswith("refused"):
            return Finding(name, False, f"WeCom {state}", REMEDY_REFUSED)
        return Finding(name, True, f"last seen: {state}")


def _trusted(url: str) -> Sequence[str]:
    """The host of an address that the operator chose: files may come from there, wherever it is."""
    return () if url == SOCKET else (urlsplit(url).hostname or "",)


__all__ = ["SmartBot"]
