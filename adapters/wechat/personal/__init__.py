"""Personal WeChat accounts by Tencent's own iLink (微信 ClawBot): sign-in by a code, long polling, direct chats.

| module | what it is for |
|---|---|
| `client` | iLink over HTTP |
| `accounts`, `login`, `page` | who has signed in; the sign-in in the terminal and behind a link |
| `receive`, `parse`, `quotes` | long polling; a message as `Incoming`, pure; what was quoted |
| `cdn` | files, encrypted |
| `reply`, `presence` | an answer; that it is being written |
| `outbox` | messages within WeChat's limits, and what is kept for later |
| `check`, `words` | what `parley check` asks; what is said of our own |
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from starlette.routing import BaseRoute

from adapters._numbered import Numbered
from adapters._sealed import Seal
from adapters.wechat.personal.accounts import Accounts
from adapters.wechat.personal.cdn import PREFIX, Cdn
from adapters.wechat.personal.check import checked
from adapters.wechat.personal.client import CDN, Client
from adapters.wechat.personal.login import Ask, Login
from adapters.wechat.personal.outbox import Outbox, To
from adapters.wechat.personal.page import Page
from adapters.wechat.personal.presence import Typing
from adapters.wechat.personal.quotes import Quotes
from adapters.wechat.personal.receive import Meanings, Patience, Receiver
from adapters.wechat.personal.reply import PersonalReply
from adapters.wechat.settings import PersonalCredentials
from bot.api import Attachment, Finding, Host, Incoming, Journal, MenuEntry, Place, Reply, Submit


class Personal:
    """All personal accounts that have signed in here.

    `cdn` is where files lie of which WeChat names no full address, `ask` reads what the operator types at the
    sign-in; `clock` is the time of day in seconds, and it and `sleep` are what every wait is made of.
    """

    prefix: ClassVar[str] = PREFIX
    tools: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"login": "sign a personal account in, by a code that its owner scans"}
    )

    def __init__(
        self,
        credentials: PersonalCredentials,
        host: Host,
        *,
        cdn: str = CDN,
        ask: Ask | None = None,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._credentials = credentials
        self._host = host
        self._ask = ask
        self._clock, self._sleep = clock, sleep
        store, seal = host.store, Seal(credentials.secret, "personal accounts")
        self._client = Client()
        self._accounts = Accounts(store, seal)
        self._page = Page(store, seal)
        self._cdn = Cdn(self._client, seal, credentials.base_url, url=cdn)
        self._numbered = Numbered(store, clock=clock)
        self._meanings = Meanings(self._numbered)
        self._quotes = Quotes(store)
        self._outbox = Outbox(
            self._client, self._accounts, self._quotes, store, seal, clock=clock, sleep=sleep
        )
        self._typing = Typing(self._client, self._accounts, self._outbox, sleep=sleep)
        self._receiver = Receiver(
            self._client,
            self._accounts,
            self._outbox,
            quotes=self._quotes,
            meanings=self._meanings,
            store=store,
            seal=seal,
            patience=patience,
            sleep=sleep,
        )

    async def run(self, submit: Submit) -> None:
        """Receive for every account until cancelled."""
        await self._receiver.run(submit)

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """A reply to `incoming`."""
        place = incoming.place
        return PersonalReply(
            To(place.account.removeprefix(PREFIX), place.chat, incoming.person.language),
            incoming,
            journal,
            accounts=self._accounts,
            outbox=self._outbox,
            cdn=self._cdn,
            numbered=self._numbered,
            typing=self._typing,
        )

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download an attachment. Raises `Gone`, `Unavailable`."""
        return await self._cdn.fetch(attachment)

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """The page of a sign-in, behind the link that `parley wechat login` prints."""
        return [self._page.route()]

    async def forget(self, place: Place) -> None:
        """Keep no answer, no list and no quote of the person's. Raises `Unavailable`."""
        to = To(place.account.removeprefix(PREFIX), place.chat)
        await self._outbox.forget(to)
        await self._quotes.forget(to.name)
        await self._numbered.forget(f"me:{to.name}")

    async def check(self) -> Sequence[Finding]:
        """Who has signed in, and whether WeChat still takes it. Raises `Unavailable`."""
        return await checked(self._client, self._accounts)

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """These are the commands that people may write."""
        self._meanings.know(commands)

    async def use(self, tool: str, say: Callable[[str], None]) -> int:
        """`login`: sign an account in; the exit status. Raises `Unavailable`."""
        if tool not in self.tools:
            say(f"There is no tool {tool!r}; there is: {', '.join(self.tools)}")
            return 2
        login = Login(
            self._client,
            self._accounts,
            self._page,
            self._credentials.base_url,
            say,
            address=_address(self._host),
            ask=self._ask,
            clock=self._clock,
            sleep=self._sleep,
        )
        return await login.run()

    async def close(self) -> None:
        """End every connection. Raises nothing."""
        await self._client.close()


def _address(host: Host) -> str:
    """Where a browser of the operator's finds the bot; empty where that is not known."""
    if host.public_url:
        return host.public_url.rstrip("/")
    if not host.http_port:
        return ""
    name = "127.0.0.1" if host.http_host in ("0.0.0.0", "::", "") else host.http_host  # noqa: S104 - it is compared
    return f"http://{f'[{name}]' if ':' in name else name}:{host.http_port}"


__all__ = ["Personal"]
