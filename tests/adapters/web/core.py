"""A web chat over real HTTP with a scripted core behind it, for the tests of this folder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from adapters.web import Web
from adapters.web.interface import READING
from adapters.web.session import Attempts
from adapters.web.settings import WebSettings
from adapters.web.stream import Pace
from bot.api import Accepted, Duplicate, End, Host, Incoming, Outcome, Reply, Store, Text, Unavailable
from tests.adapters.memory_store import MemoryJournal, MemoryStore

PATIENCE = 30.0  # seconds that anything may take on a loaded machine

Script = Callable[[Incoming, Reply], Awaitable[None]]


async def echo(incoming: Incoming, reply: Reply) -> None:
    """The shortest dialogue."""
    await reply.send(Text(f"You said **{incoming.text}**."))
    await reply.send(End())


@dataclass
class Core:
    """Takes what an adapter submits, and answers it by a script. `mood` is what it says to everything."""

    script: Script = echo
    mood: Outcome | Unavailable | None = None
    heard: list[Incoming] = field(default_factory=list)
    answers: list[asyncio.Task[None]] = field(default_factory=list)
    web: Web | None = None

    async def submit(self, incoming: Incoming) -> Outcome:
        if isinstance(self.mood, Unavailable):
            raise self.mood
        if self.mood is not None:
            return self.mood
        if any(incoming.key == known.key for known in self.heard):
            return Duplicate("ref-" + incoming.id)
        self.heard.append(incoming)
        assert self.web is not None
        reply = self.web.reply(incoming, MemoryJournal())
        self.answers.append(asyncio.create_task(self.script(incoming, reply)))
        return Accepted("ref-" + incoming.id)

    async def quiet(self) -> None:
        """Wait until everything is answered."""
        await asyncio.wait_for(asyncio.gather(*self.answers), PATIENCE)


@dataclass
class House:
    """A running web chat: its address, its core and its store."""

    url: str
    core: Core
    store: Any
    server: uvicorn.Server

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A browser of its own, not signed in."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        # Nobody speaks TLS here, and to read the certificates of the world takes longer than most tests.
        return httpx.AsyncClient(
            base_url=self.url, headers=names, timeout=PATIENCE, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )

    @contextlib.asynccontextmanager
    async def visitor(self, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        """A browser that has opened the page."""
        async with self.client(**headers) as client:
            assert (await client.get("/")).status_code == 200
            yield client


async def stop(server: uvicorn.Server) -> None:
    """What `Server.shutdown` does at last, without its pauses in which connections may end by themselves."""
    for listening in server.servers:
        listening.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    tasks = list(server.server_state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def house(
    *,
    script: Script = echo,
    store: Store | None = None,
    password: str = "",
    public_url: str = "",
    pace: Pace | None = None,
    attempts: Attempts | None = None,
    reading: float = READING,
    clock: Callable[[], float] = lambda: 1_000_000.0,
) -> AsyncIterator[House]:
    """A web chat on a port of its own, stopped at the end."""
    kept = store or MemoryStore()
    # asyncio switches off Nagle's delay only where the protocol is named.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        core = Core(script)
        settings = WebSettings.load({"WEB_PASSWORD": password})
        host = Host(kept, "127.0.0.1", port, public_url, alone=True)
        core.web = Web(settings, host, pace=pace, attempts=attempts, reading=reading, clock=clock)
        app = Starlette(routes=core.web.routes(core.submit))
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup([listening])
        try:
            yield House(f"http://127.0.0.1:{port}", core, kept, server)
        finally:
            for answer in core.answers:
                answer.cancel()
            await asyncio.gather(*core.answers, return_exceptions=True)
            await asyncio.wait_for(stop(server), PATIENCE)


@dataclass(frozen=True)
class Event:
    """One server-sent event. A comment has the kind `:`."""

    kind: str
    id: str
    data: Any


class Listener:
    """Reads a stream of events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self, *, comments: bool = False) -> Event:
        """The next event, or comment where they are asked for."""
        return await asyncio.wait_for(self._next(comments), PATIENCE)

    async def until(self, kind: str) -> list[Event]:
        """The events up to and with the first of this kind."""
        found = [await self.next()]
        while found[-1].kind != kind:
            found.append(await self.next())
        return found

    async def _next(self, comments: bool) -> Event:
        fields: dict[str, str] = {}
        async for line in self._lines:
            name, _, value = line.partition(":")
            if line.startswith(":") and comments:
                return Event(":", "", value.strip())
            if name in ("id", "event", "data"):
                fields[name] = value.removeprefix(" ")
            if not line and "event" in fields:
                return Event(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
        raise EOFError("the stream has ended")


@contextlib.asynccontextmanager
async def listen(client: httpx.AsyncClient, after: str = "0", **headers: str) -> AsyncIterator[Listener]:
    """A stream of events from a cursor on."""
    async with client.stream("GET", "/api/events", params={"after": after}, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Listener(response)


def show(events: list[Event]) -> str:
    """What a page shows of the current text part after these events."""
    blocks: list[str] = []
    for event in events:
        if event.kind == "begin":
            blocks = []
        if event.kind == "text":
            told = event.data["blocks"]
            assert told["from"] <= len(blocks), "a page would miss something"
            if told["html"]:
                blocks[told["from"] :] = told["html"]
    return "".join(blocks)
