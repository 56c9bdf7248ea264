"""Tencent's HTTP interface: one token for all replicas, and errors that an operator understands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from adapters._draft import Later
from adapters._tencent import Api, ApiRefused, Grant, meaning
from bot.api import Unavailable
from tests.adapters.memory_store import MemoryStore


@dataclass
class Server:
    """Grants numbered tokens, and answers what the test has put into `answers`."""

    url: str = ""
    granted: int = 0
    life: int = 7200
    forced: list[bool] = field(default_factory=list)
    answers: list[dict[str, object]] = field(default_factory=list)
    heard: list[tuple[str, str, bytes]] = field(default_factory=list)

    async def grant(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked["secret"] != "hush":
            return web.json_response({"errcode": 40125, "errmsg": "invalid appsecret"})
        self.granted += 1
        self.forced.append(asked.get("force_refresh", False))
        return web.json_response({"access_token": f"token-{self.granted}", "expires_in": self.life})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.heard.append((request.query["access_token"], request.content_type, await request.read()))
        found = self.answers.pop(0) if self.answers else {"errcode": 0, "errmsg": "ok"}
        return web.json_response(found)

    async def file(self, request: web.Request) -> web.StreamResponse:
        if request.query["media_id"] == "none":
            return web.json_response({"errcode": 40007, "errmsg": "invalid media_id"})
        return web.Response(body=b"x" * 100, content_type="image/jpeg")

    async def broken(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=502, body=b"<html>bad gateway</html>", content_type="text/html")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found, app = Server(), web.Application()
    app.router.add_post("/token", found.grant)
    app.router.add_route("*", "/do", found.answer)
    app.router.add_get("/file", found.file)
    app.router.add_post("/broken", found.broken)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


Make = Callable[..., Api]


@pytest.fixture
async def make(server: Server) -> AsyncIterator[Make]:
    made: list[Api] = []

    def one(store: MemoryStore, *, secret: str = "hush", clock: Callable[[], float] = lambda: 1000.0) -> Api:
        grant = Grant("/token", body={"appid": "wx1", "secret": secret})
        made.append(Api(server.url, store, name="wx1", grant=grant, secret=secret, clock=clock))
        return made[-1]

    yield one
    for api in made:
        await api.close()


async def test_replicas_share_one_token_which_redis_does_not_hold_in_the_clear(
    server: Server, make: Make
) -> None:
    store = MemoryStore()
    one, other = make(store), make(store)
    await asyncio.gather(*(api.call("/do", {"a": 1}) for api in (one, other, one, other)))
    assert server.granted == 1
    assert {token for token, *_ in server.heard} == {"token-1"}
    kept = await store.get("token:wx1")
    assert kept is not None
    assert "token-1" not in kept
    assert "hush" not in kept


async def test_a_token_is_replaced_before_it_ends(server: Server, make: Make) -> None:
    now = 1000.0
    api = make(MemoryStore(), clock=lambda: now)
    await api.call("/do")
    now += server.life - 301
    await api.call("/do")
    assert server.granted == 1
    now += 2
    await api.call("/do")
    assert (server.granted, server.heard[-1][0]) == (2, "token-2")


@pytest.mark.parametrize(("code", "force"), [(40001, True), (40014, True), (42001, False)])
async def test_a_token_that_is_refused_is_replaced_once(
    server: Server, make: Make, code: int, force: bool
) -> None:
    stale = {"errcode": code, "errmsg": "access_token expired"}
    api = make(MemoryStore())
    server.answers = [stale]
    assert (await api.call("/do", {}))["errmsg"] == "ok"
    assert [token for token, *_ in server.heard] == ["token-1", "token-2"]
    assert server.forced == [False, force]
    server.answers = [stale, stale]
    with pytest.raises(ApiRefused):
        await api.call("/do", {})
    assert server.granted == 3


async def test_text_is_sent_unescaped(server: Server, make: Make) -> None:
    await make(MemoryStore()).call("/do", {"content": "你好 👋"})
    _, kind, body = server.heard[0]
    assert (kind, "你好 👋" in body.decode()) == ("application/json", True)


async def test_a_file_goes_up_as_a_form_and_comes_down_within_its_bound(server: Server, make: Make) -> None:
    api = make(MemoryStore())
    await api.upload("/do", "a.png", "image/png", b"picture")
    assert server.heard[0][1] == "multipart/form-data"
    assert b'name="media"; filename="a.png"' in server.heard[0][2]
    assert await api.download("/file", query={"media_id": "m"}, limit=100) == (b"x" * 100, "image/jpeg")
    with pytest.raises(ApiRefused, match="more than 99 bytes"):
        await api.download("/file", query={"media_id": "m"}, limit=99)
    with pytest.raises(ApiRefused, match="40007"):
        await api.download("/file", query={"media_id": "none"}, limit=100)


async def test_what_may_be_over_soon_can_be_told_from_what_is_final(server: Server, make: Make) -> None:
    api = make(MemoryStore())
    server.answers = [
        {"errcode": -1, "errmsg": "system error"},
        {"errcode": 48001, "errmsg": "api unauthorized"},
    ]
    with pytest.raises(Later):
        await api.call("/do", {})
    with pytest.raises(ApiRefused, match="verified account") as refused:
        await api.call("/do", {})
    assert refused.value.code == 48001
    with pytest.raises(Unavailable, match="502"):
        await api.call("/broken", {})


async def test_a_server_that_is_away_is_unavailable_and_no_secret_is_told(server: Server) -> None:
    grant = Grant("/token", body={"secret": "hush"})
    assert "hush" not in repr(grant)
    api = Api("http://127.0.0.1:9", MemoryStore(), name="wx1", grant=grant, secret="hush")
    with pytest.raises(Unavailable) as away:
        await api.call("/do", {})
    assert "hush" not in str(away.value)
    await api.close()


async def test_a_wrong_secret_is_said_in_plain_words(make: Make) -> None:
    with pytest.raises(ApiRefused, match="the app secret is not right"):
        await make(MemoryStore(), secret="wrong").call("/do", {})


def test_an_address_that_is_not_on_the_list_is_named() -> None:
    said = json.loads('{"m": "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 5f"}')[
        "m"
    ]
    assert meaning(40164, said).endswith("add it there: 203.0.113.7")
    assert meaning(99999, "x" * 500) == "x" * 200
