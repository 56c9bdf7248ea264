"""The WeCom adapter at work on the simulator, with a core that only listens and a time that only tests move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette

from adapters.wecom import WeComSettings
from adapters.wecom.adapter import WeComAdapter
from adapters.wecom.app.reply import SILENCE
from adapters.wecom.kf.sync import PERIOD
from adapters.wecom.settings import credentials
from bot.api import (
    Accepted,
    End,
    Host,
    Incoming,
    Journal,
    MenuEntry,
    Outcome,
    Person,
    Place,
    Text,
    Unavailable,
)
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.simulators.endpoint import serve
from tests.simulators.wecom import WeComSimulator

COMMANDS = (
    MenuEntry("help", {"en": "What I can do"}, ("start", "帮助")),
    MenuEntry("new", {"en": "Start afresh"}, ("reset", "新对话")),
    MenuEntry("role", {"en": "Choose a role"}, ("角色",)),
    MenuEntry("model", {"en": "Choose a model"}, ("模型",)),
)
_HELD = (SILENCE, PERIOD)


@dataclass
class Pauses:
    """A double of `asyncio.sleep`: time passes at once, but what waits in silence waits for the test."""

    wecom: WeComSimulator
    lengths: list[float] = field(default_factory=list)
    held: list[asyncio.Future[None]] = field(default_factory=list)
    begun: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`."""
        self.lengths.append(seconds)
        over = asyncio.get_running_loop().create_future()
        if seconds in _HELD:
            self.held.append(over)
        async with self.begun:
            self.begun.notify_all()
        if seconds in _HELD:
            await over
        else:
            self.wecom.clock.turn(seconds)
            await asyncio.sleep(0)

    async def go(self, times: int = 1) -> None:
        """Let those go on who wait; as many waits have begun by then."""
        async with asyncio.timeout(30), self.begun:
            await self.begun.wait_for(lambda: sum(one in _HELD for one in self.lengths) >= times)
        for over in self.held:
            if not over.done():
                over.set_result(None)


class Dying(MemoryJournal):
    """A journal whose process is killed when it is to note its `last`-th post: that note is never written."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self._last = last

    async def posted(self, post: str) -> None:
        if len(self.posts) + 1 >= self._last:
            raise Unavailable("killed")
        await super().posted(post)


@dataclass
class Ear:
    """The core: it hears, and answers with what the test has put into `outcomes`, else accepts."""

    heard: list[Incoming] = field(default_factory=list)
    outcomes: list[Outcome | Exception] = field(default_factory=list)

    async def submit(self, message: Incoming) -> Outcome:
        """`bot.api.Submit`."""
        self.heard.append(message)
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted("ref")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @property
    def texts(self) -> list[str]:
        """What was said to it."""
        return [message.text for message in self.heard]


@dataclass
class Running:
    """The adapter, reachable for the simulator."""

    adapter: WeComAdapter
    ear: Ear
    store: MemoryStore
    pauses: Pauses
    admitted: list[bool]
    url: str

    async def answers(self, message: Incoming, *texts: str, journal: Journal | None = None) -> None:
        """Answer with these texts."""
        reply = self.adapter.reply(message, journal or MemoryJournal())
        for text in texts:
            await reply.send(Text(text))
        await reply.send(End())


@asynccontextmanager
async def running(
    wecom: WeComSimulator, environment: Mapping[str, str] | None = None, *, store: MemoryStore | None = None
) -> AsyncIterator[Running]:
    """The adapter with its routes on a real port, and WeCom told of it. Nothing is polled until `run` is called."""
    settings = WeComSettings.load(wecom.environment if environment is None else environment)
    found, admitted = credentials(settings), [True]
    assert found is not None

    async def admits(place: Place, person: Person) -> bool:
        return admitted[0]

    kept = store or MemoryStore()
    host = Host(kept, "127.0.0.1", 0, "", alone=False, admits=admits)
    ear, pauses = Ear(), Pauses(wecom)
    adapter = WeComAdapter(found, host, clock=wecom.clock, sleep=pauses.sleep)
    await adapter.menu(COMMANDS)
    async with serve(Starlette(routes=list(adapter.routes(ear.submit))), 0) as port:
        url = f"http://127.0.0.1:{port}/wecom"
        wecom.deliver_to(url)
        try:
            yield Running(adapter, ear, kept, pauses, admitted, url)
        finally:
            await adapter.close()
            wecom.deliver_to("")
