"""WeChat customer service (微信客服) in WeCom: anybody in WeChat reaches the bot through it.

| module | what it is for |
|---|---|
| `parse` | an entry of the log → what it means, pure |
| `sync` | reading the log: by callbacks, and now and then without |
| `reply`, `outbox` | an answer, and the quota in which it is sent |
| `check` | what `parley check` asks |
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

import structlog
from starlette.routing import BaseRoute

from adapters._errands import Errands
from adapters._numbered import Numbered
from adapters._tencent import ApiRefused
from adapters.wecom.bodies import texts
from adapters.wecom.choosing import Choosing, place_of
from adapters.wecom.interface import interface
from adapters.wecom.kf.check import checked
from adapters.wecom.kf.outbox import ROOM, Message, Outbox
from adapters.wecom.kf.parse import PREFIX, Arrived, Meaning
from adapters.wecom.kf.reply import KfReply, named
from adapters.wecom.kf.sync import PERIOD, Sync, Take
from adapters.wecom.settings import KfCredentials
from adapters.wecom.uploads import Uploads, fetched
from adapters.wecom.words import say
from bot.api import (
    Attachment,
    Busy,
    Finding,
    Host,
    Incoming,
    Journal,
    MenuEntry,
    Person,
    Place,
    Submit,
    Unavailable,
)

PATIENCE = 4.0
"""Seconds that a callback waits for what it announces; WeCom gives it five, and the log is kept for three days."""

_WELCOME = 20.0  # seconds for which a greeting's code is good
_log = structlog.get_logger(__name__)


class CustomerService:
    """The line of customer service. `clock` is the time of day in seconds; `patience` is that of a callback."""

    prefix: ClassVar[str] = PREFIX

    def __init__(
        self,
        credentials: KfCredentials,
        host: Host,
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._host = host
        self._patience = patience
        self._clock, self._sleep = clock, sleep
        store, account = host.store, f"kf:{credentials.corp}"
        self._api = interface(
            account, credentials.base_url, store, corp=credentials.corp, secret=credentials.secret
        )
        self._outbox = Outbox(self._api, store, sleep=sleep)
        self._uploads = Uploads(self._api, store, account)
        self._sync = Sync(self._api, store, clock=clock, sleep=sleep)
        self._numbered = Numbered(store)
        self._choosing = Choosing(self._numbered)
        self._errands = Errands("wecom", ApiRefused)
        self._pulls: set[asyncio.Task[None]] = set()

    async def run(self, submit: Submit) -> None:
        """Look at the log now and then, while this process is the one that does, until cancelled."""
        while True:
            try:
                await self._host.store.lead("kf", partial(self._sync.keep, self._take(submit)))
            except Unavailable as error:
                _log.warning("wecom.kf_sync_waits", reason=str(error))
                await self._sleep(PERIOD / 60)

    async def take(self, message: Mapping[str, object], submit: Submit) -> None:
        """Take what a callback announces. Raises `Unavailable`.

        What takes longer than a callback may goes on behind it: WeCom keeps the log, and the cursor stands before it.
        """
        account, token = str(message.get("OpenKfId") or ""), str(message.get("Token") or "")
        if not account:
            return
        pull = asyncio.create_task(self._sync.pull(account, self._take(submit), token=token))
        self._pulls.add(pull)
        pull.add_done_callback(self._pulled)
        done, _ = await asyncio.wait({pull}, timeout=self._patience)
        if done:
            pull.result()

    def reply(self, incoming: Incoming, journal: Journal) -> KfReply:
        """A reply in the chat with the account."""
        return KfReply(self._outbox, self._uploads, self._numbered, incoming, journal)

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download an attachment of at most 20 MB, within three days. Raises `Gone`, `Unavailable`."""
        return await fetched(self._api, attachment, PREFIX)

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """The callback is served for all lines together."""
        return ()

    async def forget(self, place: Place, person: Person) -> None:
        """Keep nothing that waits, and no list. Raises `Unavailable`."""
        await self._outbox.forget(place)
        await self._numbered.forget(place_of(place))

    async def check(self) -> Sequence[Finding]:
        """Whether WeCom takes the Secret, and for which accounts. Raises nothing."""
        return await checked(self._sync)

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """Take the commands, for what people write."""
        self._choosing.know(commands)

    async def close(self) -> None:
        """End every connection. Raises nothing."""
        for pull in self._pulls:
            pull.cancel()
        await asyncio.gather(*self._pulls, return_exceptions=True)
        await self._errands.settle()
        await self._api.close()

    def _pulled(self, pull: asyncio.Task[None]) -> None:
        self._pulls.discard(pull)
        if not pull.cancelled() and (fault := pull.exception()) is not None:
            _log.warning("wecom.kf_sync_failed", reason=str(fault))

    def _take(self, submit: Submit) -> Take:
        async def take(meaning: Meaning) -> None:
            if isinstance(meaning, Arrived):
                await self._greet(meaning)
                return
            if not meaning.withdrawn:
                await self._outbox.wrote(meaning.place)
            outcome = await submit(await self._choosing.meant(meaning))
            if isinstance(outcome, Busy):  # that a message waits is not said: it would be one of the five
                text = outcome.text
                self._errands.start("a notice", lambda: self._tell(meaning, text))

        return take

    async def _greet(self, arrived: Arrived) -> None:
        if self._clock() - arrived.sent_at > _WELCOME or not await self._host.admits(
            arrived.place, arrived.person
        ):
            return
        text = say(arrived.person.language, "greeting")
        name = named(arrived.code, {})
        self._errands.start("a greeting", lambda: self._outbox.welcome(arrived.code, text, name))

    async def _tell(self, incoming: Incoming, text: str) -> None:
        body = texts(text, ROOM)[0]
        await self._outbox.add(incoming.place, Message(named(incoming.key, body), body))
        await self._outbox.empty(incoming.place, incoming.person.language)
