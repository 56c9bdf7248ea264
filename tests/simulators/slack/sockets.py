"""Socket Mode: tickets, connections, envelopes and their acknowledgements."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from tests.simulators.slack.simulator import SlackSimulator

MOST = 10  # connections an app (slackapi/node-slack-sdk#1654)
_TICKET_LIFE = 30.0
_GRACE = 0.2  # a fiftieth of what Slack leaves after a `disconnect`


@dataclass(eq=False)
class Connection:
    """A live WebSocket. `leaving` is one that gets nothing new."""

    number: int
    ws: web.WebSocketResponse = field(repr=False)
    transport: asyncio.Transport | None = field(repr=False)
    leaving: bool = False
    pending: dict[str, asyncio.Future[Mapping[str, Any]]] = field(default_factory=dict, repr=False)
    delivered: int = 0


class Sockets:
    """The app's connections, taken in turn."""

    def __init__(self, sim: SlackSimulator) -> None:
        self._sim = sim
        self._tickets: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._turn = itertools.count()
        self._closing: set[asyncio.Task[None]] = set()
        self.live: list[Connection] = []
        self.hellos = 0

    def ticket(self) -> str:
        """The address of a new connection; good once, for thirty seconds."""
        ticket = uuid4().hex
        self._tickets[ticket] = self._sim.clock()
        return f"{self._sim.url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={self._sim.app_id}"

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """GET /link/: a connection until it is closed."""
        given = self._tickets.pop(request.query.get("ticket", ""), None)
        if given is None or self._sim.clock() - given > _TICKET_LIFE:
            return web.Response(status=403, text="ticket")
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        if len(self.live) >= MOST:
            await ws.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await ws.close()
            return ws
        connection = Connection(next(self._numbers), ws, request.transport)
        self.live.append(connection)
        self.hellos += 1
        await ws.send_json(
            {
                "type": "hello",
                "num_connections": len(self.live),
                "debug_info": {
                    "host": "applink-simulated",
                    "build_number": 1,
                    "approximate_connection_time": 18060,
                },
                "connection_info": {"app_id": self._sim.app_id},
            }
        )
        self._sim.changed()
        try:
            await self._hear(connection)
        finally:
            self.live.remove(connection)
            for waiting in connection.pending.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionError("closed"))
            self._sim.changed()
        return ws

    async def _hear(self, connection: Connection) -> None:
        async for message in connection.ws:
            if message.type is not WSMsgType.TEXT:
                continue
            answer = json.loads(message.data)
            waiting = connection.pending.get(answer.get("envelope_id", ""))
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    def choose(self, but: Connection | None = None) -> Connection | None:
        """The connection whose turn it is; another than `but` where there is one."""
        ready = [one for one in self.live if not one.leaving]
        others = [one for one in ready if one is not but]
        ready = others or ready
        return ready[next(self._turn) % len(ready)] if ready else None

    async def send(self, connection: Connection, envelope: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send an envelope and wait for what acknowledges it; raises ConnectionError."""
        waiting: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        connection.pending[envelope["envelope_id"]] = waiting
        connection.delivered += 1
        try:
            await connection.ws.send_json(envelope)
            return await waiting
        finally:
            connection.pending.pop(envelope["envelope_id"], None)

    async def disconnect(self, reason: str, connection: Connection | None = None) -> None:
        """Tell one connection, or all, to go; `warning` leaves it open, the others are closed a little later."""
        for one in [connection] if connection is not None else list(self.live):
            await one.ws.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "wss"}})
            if reason != "warning":
                one.leaving = True
                closing = asyncio.create_task(self._close(one))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)

    def cut(self, connection: Connection | None = None) -> None:
        """Let connections die without a word."""
        for one in [connection] if connection is not None else list(self.live):
            one.leaving = True
            if one.transport is not None:
                one.transport.abort()

    async def close(self) -> None:
        """Close everything."""
        for task in list(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        for one in list(self.live):
            await one.ws.close()

    async def _close(self, connection: Connection) -> None:
        await asyncio.sleep(_GRACE)
        await connection.ws.close()
