"""WeChat's Official Accounts (公众号, 服务号): callbacks, and answers that take longer than five seconds.

| module | what it is for |
|---|---|
| `callback` | the address that WeChat delivers to: signatures, encryption, the form of a passive reply |
| `parse`, `meaning` | a delivery as a message, pure; what the person means by it |
| `deliveries`, `pace` | one delivery, held open until there is something to carry |
| `outbox`, `load` | what was answered and has not reached the person; what one response carries of it |
| `reply`, `content` | what is said → items for the outbox |
| `service` | customer-service messages, and whether the account may send them |
| `menu`, `check` | the custom menu, and what `parley check` asks |
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from starlette.routing import BaseRoute

from adapters._numbered import Numbered
from adapters._spoken import Spoken
from adapters._tencent import Api, ApiRefused, Grant, Pocket, Values
from adapters.wechat.official import check
from adapters.wechat.official.callback import Callback
from adapters.wechat.official.deliveries import Deliveries
from adapters.wechat.official.meaning import Meanings
from adapters.wechat.official.menu import menu
from adapters.wechat.official.outbox import Outbox, named
from adapters.wechat.official.pace import Pace
from adapters.wechat.official.parse import PREFIX
from adapters.wechat.official.reply import Means, OfficialReply
from adapters.wechat.official.service import Service
from adapters.wechat.settings import Credentials
from bot.api import Attachment, Finding, Gone, Host, Incoming, Journal, MenuEntry, Place, Reply, Submit

FETCH_LIMIT = 20 * 1024 * 1024
"""Bytes of an attachment."""


class Official:
    """One Official Account. `clock` is the time of day in seconds; it and `sleep` are what every wait is made of."""

    prefix: ClassVar[str] = PREFIX
    tools: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"menu": "publish the Official Account's menu, whose buttons are commands"}
    )

    def __init__(
        self,
        credentials: Credentials,
        host: Host,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.credentials = credentials
        self._host = host
        self._pace = pace or Pace()
        self._clock = clock
        self._sleep = sleep
        store, app_id = host.store, credentials.app_id
        self._api = self._interface(store)
        self._outbox = Outbox(store, clock=clock)
        self._service = Service(self._api, store, credentials.reply, account=app_id, sleep=sleep)
        self._numbered = Numbered(store, clock=clock)
        self._meanings = Meanings(store, self._outbox, self._numbered)
        self._known: tuple[str, ...] = ()

    async def run(self, submit: Submit) -> None:
        """Everything arrives by HTTP."""

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """A reply that a delivery carries, or customer service."""
        means = Means(
            self._api, self._outbox, self._service, self._numbered, self._pace, self._clock, self._sleep
        )
        return OfficialReply(means, incoming, journal)

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a medium, which WeChat keeps for three days. Raises `Gone`, `Unavailable`."""
        query = {"media_id": attachment.ref.removeprefix(PREFIX)}
        try:
            data, _ = await self._api.download("/cgi-bin/media/get", query=query, limit=FETCH_LIMIT)
        except ApiRefused as refused:
            raise Gone(str(refused)) from None
        return data

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """Where WeChat delivers."""
        deliveries = Deliveries(
            self._outbox,
            self._service,
            self._meanings,
            pace=self._pace,
            clock=self._clock,
            sleep=self._sleep,
        )
        store = self._host.store
        callback = Callback(self.credentials, store, self._outbox, deliveries, submit, clock=self._clock)
        return [callback.route()]

    async def forget(self, place: Place) -> None:
        """Keep no answer and no list for the person. Raises `Unavailable`."""
        person = named(place)
        await self._outbox.forget(person)
        await self._numbered.forget(person)

    async def check(self) -> Sequence[Finding]:
        """Whether WeChat takes the credentials, and how slow answers will come. Raises nothing."""
        api = self._interface(Pocket())  # a stable token is the same for all who ask for it
        try:
            return await check.checked(api, self.credentials, self._host.public_url)
        finally:
            await api.close()

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """These are the commands that people may write."""
        self._meanings.know(Spoken(commands))
        self._known = tuple(command.name for command in commands)

    async def use(self, tool: str, say: Callable[[str], None]) -> int:
        """Publish the menu. Raises `Unavailable`."""
        try:
            await self._api.call("/cgi-bin/menu/create", menu(self._known))
        except ApiRefused as refused:
            say(f"WeChat did not take the menu: {refused}")
            return 1
        say("The menu is published. WeChat shows it within a few minutes.")
        return 0

    async def close(self) -> None:
        """End every connection. Raises nothing."""
        await self._api.close()

    def _interface(self, values: Values) -> Api:
        app_id, secret = self.credentials.app_id, self.credentials.secret
        asked = {"grant_type": "client_credential", "appid": app_id, "secret": secret}
        grant = Grant("/cgi-bin/stable_token", body=asked)
        base_url = self.credentials.base_url
        return Api(base_url, values, name=app_id, grant=grant, secret=secret, clock=self._clock)


__all__ = ["Official"]
