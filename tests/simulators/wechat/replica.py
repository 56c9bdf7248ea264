"""The Official Account's line at work behind real HTTP, with a core that answers as slowly as it is told to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.wechat.official import Official
from adapters.wechat.official.pace import Pace
from adapters.wechat.settings import WeChatSettings, credentials
from bot.api import (
    Accepted,
    Duplicate,
    End,
    Host,
    Incoming,
    Outcome,
    ReplyPart,
    Status,
    Store,
    Text,
    Unavailable,
)
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.simulators.wechat.simulator import WeChatSimulator

Answer = Callable[[Incoming], tuple[float, Sequence[ReplyPart]]]
"""How many seconds the answer to a message takes, and what it is."""


def echo(message: Incoming) -> tuple[float, Sequence[ReplyPart]]:
    """`6 tea` is answered after six seconds."""
    seconds, _, subject = message.text.partition(" ")
    return (float(seconds) if seconds.isdecimal() else 0.0), (Text(f"All about {subject or seconds}."),)


@dataclass
class Job:
    """An accepted message, with what earlier attempts have noted."""

    message: Incoming
    attempt: int = 0
    posts: list[str] = field(default_factory=list)


@dataclass
class Hall:
    """What all replicas share: the drawer, and the core's lanes, in which messages wait in order."""

    answer: Answer = echo
    store: Store = field(default_factory=MemoryStore)
    outcomes: list[Outcome | Exception] = field(default_factory=list)
    heard: list[Incoming] = field(default_factory=list)
    lanes: dict[str, list[Job]] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    replicas: list[Replica] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)

    def accept(self, message: Incoming) -> Outcome:
        if self.outcomes:
            outcome = self.outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
        if message.key in self._known:
            return Duplicate("ref")
        self._known.add(message.key)
        self.heard.append(message)
        self.jobs.append(Job(message))
        self.lanes.setdefault(message.place.chat, []).append(self.jobs[-1])
        return Accepted("ref", len(self.lanes[message.place.chat]) - 1)


class Replica:
    """One process of the bot. `works`: it answers, and does not only receive."""

    def __init__(
        self, simulator: WeChatSimulator, hall: Hall, *, works: bool = True, pace: Pace | None = None
    ) -> None:
        self._simulator = simulator
        self._hall = hall
        self._works = works
        self._up = False
        self._pace = pace or Pace()
        self._serving = Serving()
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self.official: Official
        hall.replicas.append(self)
        simulator.deliveries.callbacks.append(f"{self._serving.url}/wechat")

    async def start(self) -> None:
        """Come up, and take up what was left behind."""
        clock, hall = self._simulator.clock, self._hall
        found = credentials(WeChatSettings.load(self._simulator.settings()))
        assert found is not None
        host = Host(hall.store, "127.0.0.1", 0, "", alone=False)
        self.official = Official(found, host, pace=self._pace, clock=clock.time, sleep=clock.sleep)
        await self._serving.start(self.official.routes(self.submit))
        self._up = True
        for lane in list(hall.lanes):
            self.work(lane)

    async def submit(self, message: Incoming) -> Outcome:
        """`bot.api.Submit`."""
        outcome = self._hall.accept(message)
        if isinstance(outcome, Accepted):
            for replica in self._hall.replicas:
                replica.work(message.place.chat)
        return outcome

    async def kill(self) -> None:
        """End at once, as a power cut would, but not while it is not noted yet that a message was sent.

        A message that WeChat has posted and we have not noted is posted again: WeChat knows no names for them.
        """
        async with asyncio.timeout(30):
            while self._unnoted():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.001)
        await self._rest()
        await self._serving.stop(abruptly=True)
        await self.official.close()

    async def stop(self) -> None:
        """End in good order."""
        await self._rest()
        await self._serving.close()
        await self.official.close()

    def _unnoted(self) -> bool:
        people = self._simulator.people.values()
        sent = sum(shown.way == "service" for person in people for shown in person.shown)
        return sent > sum(post.startswith("sent ") for job in self._hall.jobs for post in job.posts)

    async def _rest(self) -> None:
        self._up = False
        for task in self._lanes.values():
            task.cancel()
        await asyncio.gather(*self._lanes.values(), return_exceptions=True)
        self._lanes.clear()

    def work(self, lane: str) -> None:
        """There is something in a lane."""
        if self._works and self._up and (lane not in self._lanes or self._lanes[lane].done()):
            self._lanes[lane] = asyncio.create_task(self._answer(lane))

    async def _answer(self, lane: str) -> None:
        while jobs := self._hall.lanes.get(lane):
            job = jobs[0]
            job.attempt += 1
            journal = MemoryJournal(job.attempt)
            journal.posts = job.posts
            reply = self.official.reply(job.message, journal)
            seconds, parts = self._hall.answer(job.message)
            try:
                await reply.send(Status("thinking"))
                await self._simulator.clock.sleep(seconds)
                for part in (*parts, End()):
                    await reply.send(part)
            except Unavailable:
                await self._simulator.clock.sleep(0.5)
                continue
            finally:
                await reply.abandon()
            jobs.remove(job)


class Serving:
    """Routes behind real HTTP, on a port that stays the same when they are served again."""

    def __init__(self) -> None:
        # Bound and not listening: nobody else can have the port while we are down.
        self._reserve = socket.socket()
        self._reserve.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserve.bind(("127.0.0.1", 0))
        self.port = int(self._reserve.getsockname()[1])
        self._server: _Quiet
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, routes: Sequence[BaseRoute]) -> None:
        config = uvicorn.Config(
            _Mortal(Starlette(routes=list(routes))),
            host="127.0.0.1",
            port=self.port,
            ws="none",
            lifespan="off",
            log_config=None,
        )
        self._server = _Quiet(config)
        self._task = asyncio.create_task(self._server.serve())
        async with asyncio.timeout(30):
            while not self._server.started:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.002)

    async def stop(self, *, abruptly: bool = False) -> None:
        """End; abruptly as a power cut would."""
        if abruptly:
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)
        tasks = list(self._server.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._server.should_exit = self._server.force_exit = True
        if self._task is not None:
            await self._task

    async def close(self) -> None:
        """End in good order, for good."""
        await self.stop()
        self._reserve.close()


class _Mortal:
    """An application whose requests may be ended at any point without a word."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(asyncio.CancelledError):
            await self._app(scope, receive, send)


class _Quiet(uvicorn.Server):
    """Leaves the signals to the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
