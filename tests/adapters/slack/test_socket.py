"""The socket where the library alone would stay cut off; Slack is a small server that hands out bad addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from adapters.slack.bolt import bolt
from adapters.slack.settings import Credentials
from adapters.slack.socket import Socket


class Addresses:
    """Gives an address for every question; only those from the number `good` on can be connected to."""

    def __init__(self, good: int) -> None:
        self.good = good
        self.asked = 0
        self.tried: list[int] = []
        self.connected = asyncio.Event()
        self.url = ""
        self.app = web.Application()
        self.app.add_routes(
            [web.route("*", "/api/apps.connections.open", self._open), web.get("/link/{n}", self._link)]
        )

    async def _open(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"ok": True, "url": f"ws{self.url.removeprefix('http')}/link/{self.asked}"})

    async def _link(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["n"])
        self.tried.append(number)
        if number < self.good:
            return web.Response(status=403)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.connected.set()
        async for _ in ws:
            continue
        return ws


@pytest.fixture
async def addresses() -> AsyncIterator[Addresses]:
    slack = Addresses(good=3)
    runner = web.AppRunner(slack.app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    slack.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield slack
    await runner.cleanup()


async def test_an_address_that_has_expired_is_not_tried_for_ever(addresses: Addresses) -> None:
    async def take(body: object) -> None:
        raise AssertionError("nothing is sent here")

    credentials = Credentials("xoxb-1", "xapp-1", base_url=f"{addresses.url}/api/")
    socket = Socket(credentials, bolt(credentials, take), ping=0.02)
    with capture_logs() as logs:
        running = asyncio.create_task(socket.run())
        async with asyncio.timeout(30):
            await addresses.connected.wait()
        running.cancel()
        await asyncio.wait([running])
    assert sorted(set(addresses.tried)) == [1, 2, 3]
    assert len(addresses.tried) > 3
    said = [line["said"] for line in logs if line["event"] == "slack.library"]
    assert len(said) == 2  # once for each of the two
    assert not any("/link/" in line for line in said)
