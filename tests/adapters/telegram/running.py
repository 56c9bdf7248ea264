"""The Telegram adapter at work on the simulator, with a core that only listens and a time that only tests move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.telegram.adapter import TelegramAdapter
from adapters.telegram.settings import TelegramSettings, credentials
from bot.api import Accepted, Duplicate, Host, Incoming, Outcome, Person, Place, Store
from tests.adapters.memory_store import MemoryStore
from tests.simulators.telegram import TelegramSimulator


class Time:
    """A double of `asyncio.sleep`: pauses shorter than `auto` seconds end at once, others when `go` says so."""

    def __init__(self, auto: float = 1.1) -> None:
        self.auto = auto
        self.pauses: list[float] = []
        self._now = 0.0
        self._waiting: list[tuple[float, float, asyncio.Future[None]]] = []
        self._begun = asyncio.Condition()

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`."""
        self.pauses.append(seconds)
        over = asyncio.get_running_loop().create_future()
        if seconds >= self.auto:
            self._waiting.append((self._now + seconds, seconds, over))
        async with self._begun:
            self._begun.notify_all()
        if seconds < self.auto:
            await asyncio.sleep(0)
        else:
            await over

    async def paused(self, seconds: float, times: int = 1) -> None:
        """Wait until somebody has begun to pause for so long, so often."""
        async with asyncio.timeout(30), self._begun:
            await self._begun.wait_for(lambda: self.pauses.count(seconds) >= times)

    async def holds(self, seconds: float) -> None:
        """Wait until somebody is in a pause that was to last so long."""
        async with asyncio.timeout(30), self._begun:
            await self._begun.wait_for(
                lambda: any(length == seconds and not over.done() for _, length, over in self._waiting)
            )

    def go(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        ended = [pause for pause in self._waiting if pause[0] <= self._now]
        self._waiting = [pause for pause in self._waiting if pause not in ended and not pause[2].done()]
        for _, _, over in ended:
            if not over.done():
                over.set_result(None)


class Ear:
    """A double of `bot.api.Submit`: keeps what it accepts, and knows what it has had.

    `outcomes` are returned or raised first; while `gate` is held for a chat, its messages wait there.
    """

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.tried: list[Incoming] = []
        self.heard: list[Incoming] = []
        self.held: dict[str, asyncio.Event] = {}
        self._change = asyncio.Condition()

    async def submit(self, message: Incoming) -> Outcome:
        """`bot.api.Submit`."""
        self.tried.append(message)
        await self._changed()
        if message.place.chat in self.held:
            await self.held[message.place.chat].wait()
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted("ref")
        if isinstance(outcome, Exception):
            raise outcome
        if any(message.key == known.key for known in self.heard):
            return Duplicate("ref")
        if isinstance(outcome, Accepted):
            self.heard.append(message)
            await self._changed()
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

    async def _changed(self) -> None:
        async with self._change:
            self._change.notify_all()


@dataclass
class Running:
    """A running adapter."""

    adapter: TelegramAdapter
    ear: Ear
    time: Time
    store: Store
    task: asyncio.Task[None] | None = field(default=None)

    async def stop(self) -> None:
        """Stop receiving, as a crash would: nothing more is said to Telegram."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])


async def confirmed(telegram: TelegramSimulator) -> None:
    """Wait until the bot has acknowledged everything."""
    async with asyncio.timeout(30):
        while telegram.updates.pending:  # noqa: ASYNC110 - it tells nobody when one is confirmed
            await asyncio.sleep(0.002)


async def nobody(place: Place, person: Person) -> bool:
    """A double of `Host.admits` that lets nobody in."""
    return False


async def anyone(place: Place, person: Person) -> bool:
    """A double of `Host.admits` that lets everyone in."""
    return True


def made(
    telegram: TelegramSimulator,
    *,
    store: Store | None = None,
    time: Time | None = None,
    ear: Ear | None = None,
    public_url: str = "",
    admits: Any = anyone,
    **environment: str,
) -> Running:
    """The adapter, not running yet."""
    time, store = time or Time(), store or MemoryStore()
    host = Host(store, "127.0.0.1", 0, public_url, alone=False, admits=admits)
    settings: Mapping[str, str] = {
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_API_BASE_URL": telegram.base_url,
        **environment,
    }
    found = TelegramSettings.load(settings)
    checked = credentials(found, host)
    assert checked is not None
    adapter = TelegramAdapter(checked, host, sleep=time.sleep)
    return Running(adapter, ear or Ear(), time, store)


@asynccontextmanager
async def running(telegram: TelegramSimulator, **how: Any) -> AsyncIterator[Running]:
    """The adapter, receiving."""
    bot = made(telegram, **how)
    bot.task = asyncio.create_task(bot.adapter.run(bot.ear.submit))
    try:
        yield bot
    finally:
        await bot.stop()
        await bot.adapter.close()
        if bot.task is not None and not bot.task.cancelled():
            bot.task.result()
