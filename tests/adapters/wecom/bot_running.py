"""The smart bot at work on its simulators, with a core that only listens, in the simulator's time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette

from adapters.wecom.bot import SmartBot
from adapters.wecom.bot.callback import PATH
from adapters.wecom.settings import WeComSettings, credentials
from bot.api import (
    Accepted,
    Duplicate,
    End,
    Host,
    Incoming,
    MenuEntry,
    Outcome,
    Person,
    Place,
    Reply,
    Store,
    Text,
)
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.simulators.endpoint import serve
from tests.simulators.wecom_bot import SocketSimulator, WebhookSimulator

COMMANDS = (
    MenuEntry("help", {"en": "What I can do"}, ("start", "帮助")),
    MenuEntry("new", {"en": "Start afresh"}, ("reset", "新对话")),
)


@dataclass
class Core:
    """It accepts, knows what it has had, and answers with what the test says.

    `outcomes` are returned or raised first.
    """

    outcomes: list[Outcome | Exception] = field(default_factory=list)
    heard: list[Incoming] = field(default_factory=list)
    tried: int = 0
    change: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def submit(self, message: Incoming) -> Outcome:
        """`bot.api.Submit`."""
        self.tried += 1
        outcome: Outcome | Exception = self.outcomes.pop(0) if self.outcomes else Accepted("ref")
        if not isinstance(outcome, Exception) and any(message.key == known.key for known in self.heard):
            outcome = Duplicate("ref")
        if isinstance(outcome, Accepted):
            self.heard.append(message)
        async with self.change:
            self.change.notify_all()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def hears(self, number: int = 1) -> Incoming:
        """Wait until so many were accepted; the last of them."""
        await self.until(lambda: len(self.heard) >= number)
        return self.heard[number - 1]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(30), self.change:
            await self.change.wait_for(condition)


@dataclass
class Running:
    """A bot, receiving."""

    line: SmartBot
    core: Core
    store: Store
    admitted: list[bool]
    task: asyncio.Task[None] | None = None

    def reply(self, message: Incoming, attempt: int = 1) -> Reply:
        """A reply to a message."""
        return self.line.reply(message, MemoryJournal(attempt))

    async def answers(self, message: Incoming, *texts: str) -> None:
        """Answer with these pieces of a text."""
        reply = self.reply(message)
        for text in texts:
            await reply.send(Text(text))
        await reply.send(End())

    async def stop(self) -> None:
        """Stop receiving, as a process does that ends."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.line.close()


def made(
    wecom: WebhookSimulator | SocketSimulator,
    *,
    store: Store | None = None,
    core: Core | None = None,
    public_url: str = "",
    patience: float = 10.0,
    **environment: str,
) -> Running:
    """A bot that does not receive yet."""
    found = credentials(WeComSettings.load(wecom.environment | environment))
    assert found is not None
    assert found.bot is not None
    admitted = [True]

    async def admits(place: Place, person: Person) -> bool:
        return admitted[0]

    kept = store or MemoryStore()
    host = Host(kept, "127.0.0.1", 0, public_url, alone=False, admits=admits)
    line = SmartBot(found.bot, host, clock=wecom.clock, sleep=wecom.clock.sleep, patience=patience)
    line.know(COMMANDS)
    return Running(line, core or Core(), kept, admitted)


@asynccontextmanager
async def reachable(
    wecom: WebhookSimulator, *, store: Store | None = None, core: Core | None = None, **environment: str
) -> AsyncIterator[Running]:
    """A bot with its callback on a real port, and WeCom told of it."""
    bot = made(wecom, store=store, core=core, **environment)
    async with serve(Starlette(routes=list(bot.line.routes(bot.core.submit))), 0) as port:
        wecom.deliver_to(f"http://127.0.0.1:{port}{PATH}")
        try:
            yield bot
        finally:
            await bot.stop()


@asynccontextmanager
async def connected(
    wecom: SocketSimulator, *, store: Store | None = None, core: Core | None = None, patience: float = 10.0
) -> AsyncIterator[Running]:
    """A bot with its long connection."""
    bot = made(wecom, store=store, core=core, patience=patience)
    times = wecom.subscriptions + 1
    bot.task = asyncio.create_task(bot.line.run(bot.core.submit))
    try:
        await wecom.connected(times)
        yield bot
    finally:
        await bot.stop()
