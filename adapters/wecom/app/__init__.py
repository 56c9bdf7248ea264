"""WeCom's self-built app (自建应用): private chats of a company's members with it.

| module | what it is for |
|---|---|
| `parse` | a message or an event → what it means, pure |
| `reply`, `desk`, `pace` | an answer, its messages, and how fast they may go |
| `menu`, `check` | the menu below the chat, and what `parley check` asks |
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar

from starlette.routing import BaseRoute

from adapters._errands import Errands
from adapters._numbered import Numbered
from adapters._tencent import ApiRefused
from adapters.wecom.app.check import checked
from adapters.wecom.app.desk import Desk
from adapters.wecom.app.menu import buttons
from adapters.wecom.app.pace import Pace
from adapters.wecom.app.parse import PREFIX, Entered, parse
from adapters.wecom.app.reply import SILENCE, AppReply
from adapters.wecom.bodies import texts
from adapters.wecom.choosing import Choosing, place_of
from adapters.wecom.interface import interface
from adapters.wecom.settings import AppCredentials
from adapters.wecom.uploads import Uploads, fetched
from adapters.wecom.words import say
from bot.api import (
    Accepted,
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
)

_GREETED = 86400.0


class SelfBuiltApp:
    """The line of the app.

    `silence` is the number of seconds after which a person is told that their answer is being worked on; `clock` is
    the time of day in seconds.
    """

    prefix: ClassVar[str] = PREFIX

    def __init__(
        self,
        credentials: AppCredentials,
        host: Host,
        *,
        silence: float = SILENCE,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._credentials = credentials
        self._host = host
        self._silence = silence
        self._sleep = sleep
        store, account = host.store, credentials.account
        self._api = interface(
            account, credentials.base_url, store, corp=credentials.corp, secret=credentials.secret
        )
        self._desk = Desk(self._api, store, credentials.agent, pace=Pace(store, clock=clock), sleep=sleep)
        self._uploads = Uploads(self._api, store, account)
        self._numbered = Numbered(store)
        self._choosing = Choosing(self._numbered)
        self._errands = Errands("wecom", ApiRefused)
        self._commands: tuple[MenuEntry, ...] = ()

    async def run(self, submit: Submit) -> None:
        """Everything arrives by the callback."""

    async def take(self, message: Mapping[str, object], submit: Submit) -> None:
        """Take what WeCom has posted; when this returns, it is safe. Raises `Unavailable`."""
        meaning = parse(message, self._credentials.account)
        if isinstance(meaning, Entered):
            await self._entered(meaning)
        elif meaning is not None:
            meant = await self._choosing.meant(meaning)
            outcome = await submit(meant)
            if isinstance(outcome, Busy):
                self._tell(meaning.place.chat, outcome.text)
            elif isinstance(outcome, Accepted) and outcome.behind == 1 and meant.addressed != "command":
                # For the first that waits only: who goes on writing has been told.
                self._errands.start("a notice", lambda: self._tell_that_it_waits(meant))

    def reply(self, incoming: Incoming, journal: Journal) -> AppReply:
        """A reply in the private chat."""
        return AppReply(
            self._desk,
            self._uploads,
            self._numbered,
            incoming,
            journal,
            silence=self._silence,
            sleep=self._sleep,
        )

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download an attachment of at most 20 MB, within three days. Raises `Gone`, `Unavailable`."""
        return await fetched(self._api, attachment, PREFIX)

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """The callback is served for all lines together."""
        return ()

    async def forget(self, place: Place, person: Person) -> None:
        """Keep no list; nothing else is kept. Raises `Unavailable`."""
        await self._numbered.forget(place_of(place))

    async def check(self) -> Sequence[Finding]:
        """Whether WeCom takes the credentials. Raises nothing."""
        return await checked(self._api, self._credentials)

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """Take the commands, for what people write and for the menu."""
        self._commands = tuple(commands)
        self._choosing.know(commands)

    async def publish(self, say: Callable[[str], None]) -> int:
        """Put the commands into the menu below the chat; the exit status. Raises `Unavailable`."""
        body = buttons(self._commands)
        if not body["button"]:
            say("There are no commands to publish.")
            return 1
        try:
            await self._api.call("/cgi-bin/menu/create", body, query={"agentid": self._credentials.agent})
        except ApiRefused as refused:
            say(f"WeCom refuses the menu: {refused}")
            return 1
        say(
            f"The menu of app {self._credentials.agent} is published; people see it when they open the chat anew."
        )
        return 0

    async def close(self) -> None:
        """End every connection. Raises nothing."""
        await self._errands.settle()
        await self._api.close()

    async def _entered(self, entered: Entered) -> None:
        """Greet, once a day, whoever may talk to the bot."""
        member = entered.place.chat
        if not await self._host.admits(entered.place, entered.person):
            return
        if await self._host.store.put(f"app:greeted:{member}:{entered.day}", "1", ttl=_GREETED, absent=True):
            self._tell(member, say(entered.person.language, "greeting"))

    async def _tell_that_it_waits(self, message: Incoming) -> None:
        """After a silence, unless its answer has been begun by then, by whichever process."""
        await self._sleep(self._silence)
        if not await self._desk.begun(message.key):
            body = texts(say(message.person.language, "waits"))[0]
            await self._desk.send(message.place.chat, body)

    def _tell(self, member: str, text: str) -> None:
        body = texts(text)[0]
        self._errands.start("a notice", lambda: self._desk.send(member, body))
