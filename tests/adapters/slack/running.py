"""The Slack adapter at work on the simulator, with a core that only listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette

from adapters.slack.adapter import SlackAdapter
from adapters.slack.http import PATH
from adapters.slack.settings import SlackSettings, credentials
from bot.api import Accepted, Duplicate, Host, Ignored, Incoming, Outcome, Overview, Person, Place, Store
from tests.adapters.memory_store import MemoryStore
from tests.simulators.endpoint import serve
from tests.simulators.slack import SlackSimulator


class Ear:
    """A double of `bot.api.Submit`: keeps what it accepts, and knows what it has had.

    `outcomes` are returned or raised first, for messages that are meant for the bot. What is ambient is kept and
    ignored, unless it holds the `keyword`.
    """

    def __init__(self, *outcomes: Outcome | Exception, keyword: str = "") -> None:
        self.keyword = keyword
        self.outcomes = list(outcomes)
        self.tried: list[Incoming] = []
        self.heard: list[Incoming] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._change = asyncio.Condition()

    async def submit(self, message: Incoming) -> Outcome:
        """`bot.api.Submit`."""
        self.tried.append(message)
        await self._changed()
        await self.gate.wait()
        if message.addressed == "ambient" and not (self.keyword and self.keyword in message.text):
            self.heard.append(message)
            await self._changed()
            return Ignored()
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
    def meant(self) -> Sequence[Incoming]:
        """What was accepted and is meant for the bot, in order."""
        return [message for message in self.heard if message.addressed != "ambient"]

    @property
    def texts(self) -> Sequence[str]:
        """The texts of what is meant for the bot, in order."""
        return [message.text for message in self.meant]

    async def hears(self, number: int) -> None:
        """Wait until so many messages have been accepted that are meant for the bot."""
        await self.until(lambda: len(self.meant) >= number)

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

    adapter: SlackAdapter
    ear: Ear
    store: Store
    task: asyncio.Task[None] | None = field(default=None)

    async def stop(self) -> None:
        """Stop receiving."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])


async def anyone(place: Place, person: Person) -> bool:
    """A double of `Host.admits` that lets everyone in."""
    return True


async def nothing(place: Place, person: Person) -> Overview:
    """A double of `Host.overview` that knows nothing."""
    return Overview()


async def briefly(seconds: float) -> None:
    """A double of `asyncio.sleep` that is in a hurry."""
    await asyncio.sleep(min(seconds, 0.01))


def made(
    slack: SlackSimulator,
    *,
    store: Store | None = None,
    ear: Ear | None = None,
    public_url: str = "",
    http: bool = False,
    admits: Any = anyone,
    overview: Any = nothing,
    ping: float = 0.5,
    sleep: Callable[[float], Awaitable[None]] = briefly,
    **environment: str,
) -> Running:
    """The adapter, not running yet."""
    store = store or MemoryStore()
    host = Host(store, "127.0.0.1", 0, public_url, alone=False, admits=admits, overview=overview)
    way = {"SLACK_SIGNING_SECRET": slack.signing_secret} if http else {"SLACK_APP_TOKEN": slack.app_token}
    settings = {"SLACK_API_BASE_URL": slack.base_url, "SLACK_BOT_TOKEN": slack.team.token, **way}
    found = credentials(SlackSettings.load(settings | environment), host)
    assert found is not None
    return Running(SlackAdapter(found, host, ping=ping, sleep=sleep), ear or Ear(), store)


@asynccontextmanager
async def running(slack: SlackSimulator, **how: Any) -> AsyncIterator[Running]:
    """The adapter, receiving by a socket."""
    bot = made(slack, **how)
    count = len(slack.sockets.live) + 1
    bot.task = asyncio.create_task(bot.adapter.run(bot.ear.submit))
    try:
        await slack.connected(count)
        yield bot
    finally:
        await bot.stop()
        await bot.adapter.close()
        if bot.task is not None and not bot.task.cancelled():
            bot.task.result()


@asynccontextmanager
async def reachable(slack: SlackSimulator, **how: Any) -> AsyncIterator[Running]:
    """The adapter, receiving by HTTP: its routes are on a real port, and Slack posts to them."""
    bot = made(slack, http=True, **how)
    async with serve(Starlette(routes=list(bot.adapter.routes(bot.ear.submit))), 0) as port:
        await bot.adapter.run(bot.ear.submit)
        await slack.deliver_to(f"http://127.0.0.1:{port}{PATH}")
        try:
            yield bot
        finally:
            await bot.adapter.close()
