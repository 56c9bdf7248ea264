"""The one HTTP server: what it answers, what it bounds, and how it ends."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest
import structlog
from aiohttp import ClientSession, ClientTimeout
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bot import telemetry
from bot.api import Unavailable
from bot.errors import SettingsError
from bot.server import Server


async def fine() -> Mapping[str, str]:
    return {"redis": "ok"}


class Routes:
    """Endpoints as adapters might bring them."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.go = asyncio.Event()
        self.ended: list[str] = []

    async def echo(self, request: Request) -> Response:
        return JSONResponse({"read": len(await request.body())})

    async def broken(self, request: Request) -> Response:
        raise RuntimeError("the key is sk-verysecret123")

    async def slow(self, request: Request) -> Response:
        self.entered.set()
        await self.go.wait()
        return PlainTextResponse("done at last")

    async def framed(self, request: Request) -> Response:
        return PlainTextResponse("ok", headers={"referrer-policy": "same-origin"})

    async def events(self, request: Request) -> Response:
        async def endless() -> AsyncIterator[str]:
            try:
                yield "data: first\n\n"
                self.entered.set()
                await asyncio.Event().wait()
            finally:
                self.ended.append("events")

        return StreamingResponse(endless(), media_type="text/event-stream")

    def all(self) -> list[Route]:
        async def upload(request: Request) -> Response:
            return JSONResponse({"read": len(await request.body())})

        upload.body_limit = 4000  # type: ignore[attr-defined]
        return [
            Route("/echo", self.echo, methods=["POST"]),
            Route("/broken", self.broken),
            Route("/slow", self.slow),
            Route("/events", self.events),
            Route("/framed", self.framed),
            Route("/upload/{name}", upload, methods=["POST"]),
        ]


@asynccontextmanager
async def serving(
    routes: Routes | None = None, ready: Callable[[], Awaitable[Mapping[str, str]]] = fine, **more: float
) -> AsyncIterator[tuple[Server, str, ClientSession]]:
    server = Server(
        host="127.0.0.1",
        port=0,
        routes=(routes or Routes()).all(),
        ready=ready,
        body_limit=1000,
        **more,  # type: ignore[arg-type]
    )
    port = await server.start()
    async with ClientSession(timeout=ClientTimeout(total=10)) as client:
        yield server, f"http://127.0.0.1:{port}", client
    await server.stop(1)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    telemetry.configure("info", "json", (), stream)
    yield stream
    structlog.reset_defaults()
    root = logging.getLogger()
    root.handlers[:] = [h for h in root.handlers if not isinstance(h, telemetry._Bridge)]
    root.setLevel(logging.WARNING)


async def raw(url: str, sent: bytes) -> bytes:
    """Send bytes and read until the server closes."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_health_is_ok_while_the_loop_turns() -> None:
    async with serving() as (_, url, client), client.get(f"{url}/healthz") as answer:
        assert answer.status == 200
        assert await answer.json() == {"status": "ok"}


async def test_it_is_ready_when_every_check_is_ok() -> None:
    async with serving() as (_, url, client), client.get(f"{url}/readyz") as answer:
        assert answer.status == 200
        assert await answer.json() == {"status": "ready", "checks": {"redis": "ok"}}


async def test_it_is_not_ready_while_redis_is_away() -> None:
    async def away() -> Mapping[str, str]:
        raise Unavailable("redis://:password@host")

    async with serving(ready=away) as (_, url, client), client.get(f"{url}/readyz") as answer:
        assert answer.status == 503
        assert await answer.json() == {"status": "not ready", "checks": {"redis": "away"}}


async def test_it_is_not_ready_when_a_check_says_so() -> None:
    async def draining() -> Mapping[str, str]:
        return {"redis": "ok", "workers": "draining"}

    async with serving(ready=draining) as (_, url, client), client.get(f"{url}/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["checks"] == {"redis": "ok", "workers": "draining"}


async def test_every_answer_has_the_safe_headers_and_none_names_the_software() -> None:
    async with serving() as (_, url, client):
        for path in ("/healthz", "/nowhere", "/broken", "/framed"):
            async with client.get(f"{url}{path}") as answer:
                assert answer.headers["x-content-type-options"] == "nosniff"
                expected = "same-origin" if path == "/framed" else "no-referrer"
                assert answer.headers.getall("referrer-policy") == [expected]
                assert "server" not in answer.headers


async def test_an_unknown_path_and_a_wrong_method_are_told_in_json() -> None:
    async with serving() as (_, url, client):
        async with client.get(f"{url}/nowhere") as answer:
            assert (answer.status, await answer.json()) == (404, {"error": "Not Found"})
        async with client.get(f"{url}/echo") as answer:
            assert (answer.status, await answer.json()) == (405, {"error": "Method Not Allowed"})
            assert answer.headers["allow"] == "POST"


async def test_an_exception_is_logged_once_and_told_without_a_word_about_it(log: io.StringIO) -> None:
    async with serving() as (_, url, client):
        async with client.get(f"{url}/broken") as answer:
            assert (answer.status, await answer.json()) == (500, {"error": "internal error"})
        async with client.get(f"{url}/healthz") as answer:
            assert answer.status == 200
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    [failure] = [line for line in lines if line["level"] == "error"]
    assert failure["path"] == "/broken"
    assert "RuntimeError" in failure["exception"]
    assert "verysecret" not in log.getvalue()


async def test_a_body_up_to_the_limit_is_read_and_a_larger_one_is_refused() -> None:
    async with serving() as (_, url, client):
        async with client.post(f"{url}/echo", data=b"x" * 1000) as answer:
            assert await answer.json() == {"read": 1000}
        async with client.post(f"{url}/echo", data=b"x" * 1001) as answer:
            assert (answer.status, await answer.json()) == (413, {"error": "too large"})


async def test_a_body_without_a_length_is_counted_as_it_comes() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    async with serving() as (_, url, client), client.post(f"{url}/echo", data=pieces()) as answer:
        assert answer.status == 413


async def test_a_route_may_set_a_limit_of_its_own() -> None:
    async with serving() as (_, url, client):
        async with client.post(f"{url}/upload/photo", data=b"x" * 4000) as answer:
            assert await answer.json() == {"read": 4000}
        async with client.post(f"{url}/upload/photo", data=b"x" * 4001) as answer:
            assert answer.status == 413


async def test_a_head_that_does_not_end_is_not_waited_for() -> None:
    async with serving(head_seconds=0.1) as (_, url, _client):
        assert await raw(url, b"") == b""
        assert await raw(url, b"GET /healthz HTTP/1.1\r\nhost: x\r\n") == b""


async def test_the_second_head_on_a_connection_is_not_waited_for_either() -> None:
    async with serving(head_seconds=1) as (_, url, _client):
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b'"ok"}')).startswith(b"HTTP/1.1 200")
        writer.write(b"GET /healthz HT")
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()


async def test_a_request_may_take_longer_than_its_head() -> None:
    routes = Routes()
    async with serving(routes, head_seconds=1) as (_, url, client):
        asking = asyncio.create_task(client.get(f"{url}/slow"))
        await routes.entered.wait()
        asyncio.get_running_loop().call_later(1.5, routes.go.set)
        assert await (await asking).text() == "done at last"


async def test_a_head_without_end_is_cut_off() -> None:
    async with serving() as (_, url, _client):
        assert b"200" not in await raw(url, b"GET /healthz HTTP/1.1\r\nx: " + b"a" * 200_000)


async def test_a_body_that_stalls_is_not_waited_for() -> None:
    async with serving(body_seconds=0.5) as (_, url, _client):
        answer = await raw(url, b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab")
        assert answer.startswith(b"HTTP/1.1 408")


async def test_beyond_the_connections_it_may_have_it_says_503() -> None:
    async with serving(connections=2) as (_, url, client):
        host, port = url.removeprefix("http://").split(":")
        _, idle = await asyncio.open_connection(host, int(port))
        async with client.get(f"{url}/healthz") as answer:
            assert answer.status == 503
        idle.close()


async def test_a_port_in_use_is_said_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SettingsError) as refused:
            await Server(host="127.0.0.1", port=port, routes=[], ready=fine).start()
    assert str(refused.value) == (
        f"HTTP_PORT: 127.0.0.1:{port} is in use by another program; choose another HTTP_PORT"
    )


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
async def test_an_address_that_is_not_ours_is_said(host: str) -> None:
    with pytest.raises(SettingsError, match=f"HTTP_HOST: {host} is not"):
        await Server(host=host, port=0, routes=[], ready=fine).start()


async def test_a_host_name_serves_on_each_of_its_addresses() -> None:
    server = Server(host="localhost", port=0, routes=[], ready=fine)
    port = await server.start()
    async with ClientSession() as client, client.get(f"http://127.0.0.1:{port}/healthz") as answer:
        assert answer.status == 200
    await server.stop(0)


async def test_stopping_lets_a_request_finish_and_accepts_no_other() -> None:
    routes = Routes()
    async with serving(routes) as (server, url, client):
        asking = asyncio.create_task(client.get(f"{url}/slow"))
        await routes.entered.wait()
        stopping = asyncio.create_task(server.stop(5))
        while await accepts(url):  # noqa: ASYNC110 - the kernel has no event for it
            await asyncio.sleep(0.01)
        routes.go.set()
        assert await (await asking).text() == "done at last"
        await stopping


async def accepts(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def test_a_request_that_outlives_the_grace_is_told_to_come_again() -> None:
    routes = Routes()
    async with serving(routes) as (server, url, client):
        asking = asyncio.create_task(client.get(f"{url}/slow"))
        await routes.entered.wait()
        started = time.monotonic()
        await server.stop(0.3)
        assert time.monotonic() - started < 30
        answer = await asking
        assert (answer.status, await answer.json()) == (503, {"error": "the server stops"})


async def test_event_streams_end_in_good_order_and_do_not_hold_up_the_stop(log: io.StringIO) -> None:
    routes = Routes()
    async with serving(routes) as (server, url, client), client.get(f"{url}/events") as answer:
        assert await answer.content.readline() == b"data: first\n"
        await routes.entered.wait()
        started = time.monotonic()
        await server.stop(100)
        assert time.monotonic() - started < 50
        assert await answer.content.read() == b"\n"  # raises if the stream were cut off
        assert routes.ended == ["events"]
    assert '"level": "error"' not in log.getvalue()


async def test_a_client_that_leaves_ends_its_event_stream() -> None:
    routes = Routes()
    async with serving(routes) as (_, url, client):
        answer = await client.get(f"{url}/events")
        await routes.entered.wait()
        answer.close()
        async with asyncio.timeout(30):
            while not routes.ended:  # noqa: ASYNC110 - the peer's leaving travels through the kernel
                await asyncio.sleep(0.005)


async def test_stopping_twice_or_before_the_start_does_nothing() -> None:
    server = Server(host="127.0.0.1", port=0, routes=[], ready=fine)
    await server.stop(1)
    await server.start()
    await server.stop(1)
    await server.stop(1)


async def test_signals_stay_with_the_application() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serving():
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
