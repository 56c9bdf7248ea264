"""A desk without the rest of the adapter, as another replica has one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters._errands import Errands
from adapters.slack.client import Clients, Refused
from adapters.slack.desk import Desk
from adapters.slack.inlet import Inlet
from adapters.slack.people import People
from adapters.slack.threads import Threads
from bot.api import Host
from tests.adapters.slack.running import Running, anyone


@asynccontextmanager
async def replica(bot: Running) -> AsyncIterator[Desk]:
    """The desk of another process that shares the store and the core of `bot`."""
    clients, people = Clients(bot.adapter.credentials, None), People(bot.store)
    threads, errands = Threads(bot.store, people), Errands("slack", Refused)
    inlet = Inlet(clients, threads, errands, bot.store)
    inlet.open(bot.ear.submit)
    host = Host(bot.store, "127.0.0.1", 0, "", alone=False, admits=anyone)
    try:
        yield Desk(clients, people, inlet, host, threads)
    finally:
        await errands.settle()
        await clients.close()
