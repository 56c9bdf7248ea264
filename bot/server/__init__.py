"""The one HTTP server: health, readiness, the routes that adapters bring, and what holds for all of them.

A route whose endpoint has an attribute `body_limit` (bytes) sets its own limit for what it receives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bot.api import Unavailable
from bot.server.guards import BodyLimit, Closing, Faults, SafeHeaders, Stoppable, json, refusal
from bot.server.wire import Protocol, Uvicorn, listen

_KEEP_ALIVE_SECONDS = 75  # longer than a load balancer's minute, so that it is never ours that closes first
_CHECK_SECONDS = 5.0
_CLOSING_SECONDS = 1.0

_log = structlog.get_logger()


class Server:
    """Serves `routes` and `/healthz`, `/readyz` on a host and port (0: a free one).

    `ready` tells by name what the process depends on: `ok`, or in a word what is wrong. Anybody sees it.
    `body_limit` is in bytes; `connections` is how many there may be before new requests get 503; a request's
    head has `head_seconds` to come in, and each piece of its body `body_seconds`.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        routes: Sequence[BaseRoute],
        ready: Callable[[], Awaitable[Mapping[str, str]]],
        body_limit: int = 1 << 20,
        connections: int = 4096,
        head_seconds: float = 20.0,
        body_seconds: float = 30.0,
    ) -> None:
        self._host = host
        self._port = port
        self._ready = ready
        self._closing = Closing()
        own = [Route("/healthz", self._healthz), Route("/readyz", self._readyz)]
        app = Starlette(
            routes=[*own, *routes],
            middleware=[
                Middleware(SafeHeaders),
                Middleware(Faults),
                Middleware(Stoppable, closing=self._closing),
                Middleware(BodyLimit, limit=body_limit, seconds=body_seconds, routes=routes),
            ],
            exception_handlers={HTTPException: refusal},
        )
        config = uvicorn.Config(
            app,
            http=type("BoundedProtocol", (Protocol,), {"head_seconds": head_seconds}),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            limit_concurrency=connections,
        )
        self._uvicorn = Uvicorn(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listen; the port. Raises `SettingsError` where the address cannot be had."""
        listeners = await listen(self._host, self._port)
        port: int = listeners[0].getsockname()[1]
        self._serving = asyncio.create_task(self._uvicorn.serve(sockets=listeners), name="http server")
        up = asyncio.create_task(self._uvicorn.up.wait())
        await asyncio.wait({up, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            up.cancel()
            await self._serving  # raises what went wrong
        _log.info("http server listens", host=self._host, port=port)
        return port

    async def stop(self, grace: float) -> None:
        """Accept nothing more, end the event streams; other requests have `grace` seconds before they end."""
        if self._serving is None:
            return
        self._uvicorn.should_exit = True
        self._closing.streams()
        await asyncio.wait({self._serving}, timeout=grace)
        if not self._serving.done():
            self._closing.everything()
            await asyncio.wait(
                set(self._uvicorn.server_state.tasks) or {self._serving}, timeout=_CLOSING_SECONDS
            )
            self._uvicorn.force_exit = True
            for connection in list(self._uvicorn.server_state.connections):
                connection.transport.abort()
        await self._serving
        self._serving = None

    async def _healthz(self, request: Request) -> Response:
        return json({"status": "ok"})

    async def _readyz(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                checks = dict(await self._ready())
        except Unavailable:
            checks = {"redis": "away"}
        except TimeoutError:
            checks = {"checks": "too slow"}
        ready = all(word == "ok" for word in checks.values())
        return json({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)
