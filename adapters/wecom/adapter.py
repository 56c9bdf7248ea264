"""The adapter: each message goes by the line whose account heard it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from starlette.routing import BaseRoute

from adapters.wecom.app import SelfBuiltApp
from adapters.wecom.bot import SmartBot
from adapters.wecom.callback import Door
from adapters.wecom.kf import CustomerService
from adapters.wecom.line import Line, Nowhere
from adapters.wecom.settings import Credentials
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


class WeComAdapter:
    """`bot.api.Adapter` for WeCom: each message goes by the line whose account heard it.

    `clock` is the time of day in seconds; `sleep` is what every pause is made of.
    """

    name: ClassVar[str] = "wecom"
    voice_form: ClassVar[VoiceForm] = "amr"
    picture_limit: ClassVar[int] = 10 * 1024 * 1024
    tools: ClassVar[Mapping[str, str]] = MappingProxyType({"menu": "Publish the self-built app's menu."})

    def __init__(
        self,
        credentials: Credentials,
        host: Host,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.credentials = credentials
        self._clock = clock
        self._app = SelfBuiltApp(credentials.app, host, clock=clock, sleep=sleep) if credentials.app else None
        self._kf = CustomerService(credentials.kf, host, clock=clock, sleep=sleep) if credentials.kf else None
        bot = SmartBot(credentials.bot, host, clock=clock, sleep=sleep) if credentials.bot else None
        self._lines: tuple[Line, ...] = tuple(line for line in (self._app, self._kf, bot) if line is not None)

    async def run(self, submit: Submit) -> None:
        """Receive by every line until cancelled; return where everything arrives by `routes`."""
        async with asyncio.TaskGroup() as group:
            for line in self._lines:
                group.create_task(line.run(submit))

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """A reply by the line that heard the message."""
        line = self._line(incoming.place.account)
        return Nowhere() if line is None else line.reply(incoming, journal)

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download an attachment. Raises `Gone`, `Unavailable`."""
        line = self._line(attachment.ref)
        if line is None:
            raise Gone("this is no reference to a file of WeCom's")
        return await line.fetch(attachment)

    async def earlier(self, incoming: Incoming) -> Sequence[Said]:
        """WeCom does not let a bot read back."""
        return ()

    async def administers(self, place: Place, person: Person) -> bool:
        """WeCom tells a bot nothing of who runs a group: an app hears no group, a smart bot only who mentions it."""
        return False

    async def forget(self, place: Place, person: Person) -> None:
        """Keep no answer that waits for them, and no list. Raises `Unavailable`."""
        if (line := self._line(place.account)) is not None:
            await line.forget(place, person)

    async def check(self) -> Sequence[Finding]:
        """Whether WeCom takes the credentials of every line. Raises nothing."""
        return [finding for line in self._lines for finding in await line.check()]

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """The callback of the app and of customer service, and what the other lines serve."""
        found = [route for line in self._lines for route in line.routes(submit)]
        if self.credentials.callback is not None:
            found.append(
                Door(self.credentials.callback, submit, app=self._app, kf=self._kf, clock=self._clock).route()
            )
        return found

    async def menu(self, commands: Sequence[MenuEntry]) -> None:
        """Every line learns the commands. The app's menu is published by `parley wecom menu` alone."""
        for line in self._lines:
            line.know(commands)

    async def use(self, tool: str, say: Callable[[str], None]) -> int:
        """`menu`: publish the app's menu. Raises `Unavailable`."""
        if tool != "menu":
            say(f"There is no tool {tool!r}; there is: {', '.join(self.tools)}")
            return 2
        if self._app is None:
            say("No self-built app is set up: set WECOM_CORP_ID, WECOM_AGENT_ID and WECOM_SECRET.")
            return 1
        return await self._app.publish(say)

    async def close(self) -> None:
        """End every connection. Raises nothing."""
        for line in self._lines:
            await line.close()

    def _line(self, account: str) -> Line | None:
        return next((line for line in self._lines if account.startswith(line.prefix)), None)
