"""WeChat's lines as one adapter: each message is answered by the line that heard it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from starlette.routing import BaseRoute

from adapters.wechat.line import Line
from adapters.wechat.official import Official
from adapters.wechat.personal import Personal
from adapters.wechat.settings import Credentials, PersonalCredentials
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


class WeChatAdapter:
    """`bot.api.Adapter` for WeChat, made of the lines that are set up."""

    name: ClassVar[str] = "wechat"
    voice_form: ClassVar[VoiceForm] = "amr"
    picture_limit: ClassVar[int] = 2 * 1024 * 1024
    tools: ClassVar[Mapping[str, str]] = MappingProxyType({**Official.tools, **Personal.tools})

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = tuple(lines)

    @classmethod
    def of(
        cls, official: Credentials | None, personal: PersonalCredentials | None, host: Host
    ) -> WeChatAdapter:
        """The adapter with a line for each kind of account that is set up."""
        lines: list[Line] = []
        if official is not None:
            lines.append(Official(official, host))
        if personal is not None:
            lines.append(Personal(personal, host))
        return cls(lines)

    async def run(self, submit: Submit) -> None:
        """Receive until cancelled; return at once where everything arrives by HTTP."""
        async with asyncio.TaskGroup() as group:
            for line in self._lines:
                group.create_task(line.run(submit))

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """A reply by the line that heard the message. Raises `Gone` where it is not set up any more."""
        return self._line(incoming.place.account).reply(incoming, journal)

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download an attachment. Raises `Gone`, `Unavailable`."""
        return await self._line(attachment.ref).fetch(attachment)

    async def earlier(self, incoming: Incoming) -> Sequence[Said]:
        """WeChat does not tell what was said before."""
        return ()

    async def administers(self, place: Place, person: Person) -> bool:
        """WeChat tells a bot nothing of who runs a group."""
        return False

    async def forget(self, place: Place, person: Person) -> None:
        """Keep no answer that waits for them, no list and no quote. Raises `Unavailable`."""
        await self._line(place.account).forget(place)

    async def check(self) -> Sequence[Finding]:
        """What each line finds. Raises nothing."""
        found = await asyncio.gather(*(line.check() for line in self._lines))
        return [finding for findings in found for finding in findings]

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """What the lines serve."""
        return [route for line in self._lines for route in line.routes(submit)]

    async def menu(self, commands: Sequence[MenuEntry]) -> None:
        """Know the commands. The menu itself is published by `parley wechat menu`: an account has only one."""
        for line in self._lines:
            line.know(commands)

    async def use(self, tool: str, say: Callable[[str], None]) -> int:
        """Do what the operator asks for; the exit status. Raises `Unavailable`."""
        for line in self._lines:
            if tool in line.tools:
                return await line.use(tool, say)
        say(f"There is nothing set up that knows {tool!r}.")
        return 1

    async def close(self) -> None:
        """End every connection. Raises nothing."""
        for line in self._lines:
            await line.close()

    def _line(self, name: str) -> Line:
        for line in self._lines:
            if name.startswith(line.prefix):
                return line
        raise Gone("the account that this came by is not set up here")
