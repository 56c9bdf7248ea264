"""Answers given in a simulated workspace, in a time that passes only where somebody waits or a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.slack.client import Clients
from adapters.slack.people import People
from adapters.slack.reply import SlackReply
from adapters.slack.settings import Credentials
from bot.api import Incoming, Journal, Person, Place, ReplyPart
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.simulators.slack import Channel, Message, SlackSimulator, Thread, slack_simulator
from tests.simulators.slack import Person as Somebody


class Time:
    """Who sleeps, sleeps at once; the clock has gone on then. `slept` are the pauses."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`."""
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@dataclass
class Office:
    """A workspace with Ann and Bob in #general."""

    slack: SlackSimulator
    time: Time
    clients: Clients
    ann: Somebody
    bob: Somebody
    dm: Channel
    general: Channel
    store: MemoryStore = field(default_factory=MemoryStore)

    async def asks(self, channel: Channel | None = None, text: str = "hello") -> tuple[Message, Incoming]:
        """Ann asks, by default in her direct messages; what stands there, and what is heard of it."""
        channel = channel or self.dm
        message = await self.ann.says(channel, text)
        private = channel.kind == "im"
        place = Place(
            "slack",
            self.slack.team.id,
            channel.id,
            message.ts,
            "private" if private else "group",
            discussion=not private,
        )
        return message, Incoming(message.ts, place, Person(self.ann.id, "Ann"), text)

    def reply(self, incoming: Incoming, journal: Journal | None = None) -> SlackReply:
        """A reply by an adapter of its own."""
        return SlackReply(
            self.clients,
            People(self.store),
            incoming,
            journal or MemoryJournal(),
            clock=self.time,
            sleep=self.time.sleep,
        )

    def methods(self) -> list[str]:
        """The methods that were called, without those of the status."""
        return [call.method for call in self.slack.calls if "setStatus" not in call.method]


@asynccontextmanager
async def office(**options: Any) -> AsyncIterator[Office]:
    """A workspace, and a bot's connection to it."""
    time = Time()
    async with slack_simulator(clock=time, **options) as slack:
        ann, bob = slack.person("Ann"), slack.person("Bob")
        dm, general = slack.dm(ann), slack.channel("general", [ann, bob])
        clients = Clients(
            Credentials(token=slack.team.token, base_url=slack.base_url), None, clock=time, sleep=time.sleep
        )
        try:
            yield Office(slack, time, clients, ann, bob, dm, general)
        finally:
            await clients.close()


async def say(reply: SlackReply, *parts: ReplyPart) -> None:
    """Send the parts one after the other."""
    for part in parts:
        await reply.send(part)


def whole(thread: Thread) -> bool:
    """Whether no stream of the thread is open or broken."""
    return not any(message.broken or thread.sim.streams.running(message) for message in thread.from_app)


def joined(texts: Sequence[str]) -> str:
    """What was said in several messages, without the blanks at the cuts."""
    return " ".join(" ".join(texts).split())
