"""The line of personal accounts on the simulator, with a core that only listens and pauses that end at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters._sealed import Seal
from adapters.wechat.personal import Personal
from adapters.wechat.personal.accounts import Account, Accounts
from adapters.wechat.personal.presence import AGAIN
from adapters.wechat.settings import PersonalCredentials
from bot.api import Accepted, Duplicate, End, Host, Incoming, Outcome, Reply, ReplyPart, Store, Text
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.simulators.ilink import Bot, ILinkSimulator

SECRET = "a secret of the tests' own"


class Pauses:
    """A double of `asyncio.sleep`: pauses end at once, but those between two signs of typing never do."""

    def __init__(self) -> None:
        self.made: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.made.append(seconds)
        if seconds == AGAIN:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0)


class Ear:
    """A double of `bot.api.Submit` that knows what it has had. `outcomes` are returned or raised first."""

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.heard: list[Incoming] = []
        self.tried: list[Incoming] = []
        self.answer: Callable[[Incoming], Awaitable[None]] | None = None
        self._change = asyncio.Condition()

    async def submit(self, message: Incoming) -> Outcome:
        """`bot.api.Submit`."""
        self.tried.append(message)
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted("ref")
        if not isinstance(outcome, Exception):
            if any(message.key == known.key for known in self.heard):
                outcome = Duplicate("ref")
            elif isinstance(outcome, Accepted):
                self.heard.append(message)
                if self.answer is not None:
                    await self.answer(message)
        async with self._change:
            self._change.notify_all()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @property
    def texts(self) -> list[str]:
        """What was accepted, in order."""
        return [message.text for message in self.heard]

    async def hears(self, number: int) -> None:
        """Wait until so many messages have been accepted."""
        await self.until(lambda: len(self.heard) >= number)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition of what was heard or tried."""
        async with asyncio.timeout(30), self._change:
            await self._change.wait_for(condition)


@dataclass
class Running:
    """A line that receives, as one process does."""

    line: Personal
    ear: Ear
    store: Store
    pauses: Pauses
    task: asyncio.Task[None] | None = field(default=None)

    def start(self) -> None:
        """Begin to receive."""
        self.task = asyncio.create_task(self.line.run(self.ear.submit))

    async def stop(self) -> None:
        """Stop receiving."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})
            if not self.task.cancelled():
                self.task.result()
            self.task = None

    def reply(self, message: Incoming, journal: MemoryJournal | None = None) -> Reply:
        """A reply of the line's."""
        return self.line.reply(message, journal or MemoryJournal())

    async def says(
        self, message: Incoming, *parts: str | ReplyPart, journal: MemoryJournal | None = None
    ) -> None:
        """Answer a message with these parts and an end."""
        reply = self.reply(message, journal)
        for part in parts:
            await reply.send(Text(part) if isinstance(part, str) else part)
        await reply.send(End())


def made(ilink: ILinkSimulator, *, store: Store | None = None, ear: Ear | None = None, **how: Any) -> Running:
    """The line, not receiving yet. `public_url` is the host's."""
    store, pauses = store or MemoryStore(), Pauses()
    host = Host(store, "127.0.0.1", 8080, how.pop("public_url", ""), alone=False)
    secret = how.pop("secret", SECRET)
    line = Personal(
        PersonalCredentials(secret, ilink.url),
        host,
        **{"cdn": ilink.cdn.url, "clock": ilink.clock, "sleep": pauses.sleep, **how},
    )
    return Running(line, ear or Ear(), store, pauses)


@asynccontextmanager
async def running(ilink: ILinkSimulator, **how: Any) -> AsyncIterator[Running]:
    """The line, receiving."""
    bot = made(ilink, **how)
    bot.start()
    try:
        yield bot
    finally:
        await bot.stop()
        await bot.line.close()


async def sign_in(ilink: ILinkSimulator, store: Store, *bots: Bot, secret: str = SECRET) -> Sequence[Account]:
    """Put bots into the drawer, as a sign-in does."""
    accounts = Accounts(store, Seal(secret, "personal accounts"))
    for bot in bots:
        await accounts.add(Account(bot.id, bot.token, ilink.url, bot.person.id))
    return await accounts.all()
