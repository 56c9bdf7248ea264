"""What holds for every route: safe headers, answers to faults, limits for bodies, an end on a stop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLOSING_SECONDS = 1.0

_log = structlog.get_logger()


def json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON that nobody keeps."""
    return JSONResponse(content, status, {"cache-control": "no-store", **(headers or {})})


async def refusal(request: Request, error: Exception) -> Response:
    """The answer to an `HTTPException`, unknown paths among them."""
    if not isinstance(error, HTTPException):  # only for the type: no other is sent here
        raise error
    return json({"error": error.detail}, error.status_code, error.headers)


class SafeHeaders:
    """Headers that browsers should see on everything; a route's own ones stay."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("x-content-type-options", "nosniff")
                headers.setdefault("referrer-policy", "no-referrer")
            await send(message)

        await self._app(scope, receive, with_headers)


class Faults:
    """An unexpected exception is logged here, once, and answered without a word about it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:  # noqa: BLE001 - one of the borders that must hold
            _log.exception("a request failed", method=scope.get("method"), path=scope.get("path"))
            if not started:
                await json({"error": "internal error"}, 500)(scope, receive, send)


class Closing:
    """The requests that are being answered, and their end when the server stops."""

    def __init__(self) -> None:
        self.begun = False
        self.open: dict[asyncio.Task[object], bool] = {}
        """Task → whether it is an event stream, which would never end by itself."""

    def streams(self) -> None:
        """End the event streams."""
        self.begun = True
        self._cancel([task for task, endless in self.open.items() if endless])

    def everything(self) -> None:
        """End what is left."""
        self._cancel(list(self.open))

    def _cancel(self, tasks: list[asyncio.Task[object]]) -> None:
        for task in tasks:
            task.cancel("the server stops")


class Stoppable:
    """Lets `closing` end a request in good order: a stream with its last chunk, any other with 503."""

    def __init__(self, app: ASGIApp, closing: Closing) -> None:
        self._app = app
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - uvicorn gives each request one
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                kind = Headers(scope=message).get("content-type", "")
                self._closing.open[task] = kind.startswith("text/event-stream")
                if self._closing.begun and self._closing.open[task]:
                    raise asyncio.CancelledError("the server stops")
            started = True
            await send(message)

        self._closing.open[task] = False
        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            if not self._closing.begun:
                raise
            task.uncancel()
            async with asyncio.timeout(_CLOSING_SECONDS):
                if not started:
                    await json({"error": "the server stops"}, 503, {"retry-after": "5"})(scope, receive, send)
                elif self._closing.open[task]:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._closing.open.pop(task, None)


class BodyLimit:
    """No body is larger than its route allows, nor slower than we wait for."""

    def __init__(self, app: ASGIApp, limit: int, seconds: float, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._seconds = seconds
        self._limit = limit
        own = [(route, getattr(getattr(route, "endpoint", None), "body_limit", None)) for route in routes]
        self._own = [(route, limit) for route, limit in own if isinstance(limit, int)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = next((own for route, own in self._own if route.matches(scope)[0] is Match.FULL), self._limit)
        told = Headers(scope=scope).get("content-length", "")
        if told.isdigit() and int(told) > limit:
            await json({"error": "too large"}, 413, {"connection": "close"})(scope, receive, send)
            return
        read, complete = 0, False

        async def limited() -> Message:
            nonlocal read, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout(self._seconds):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "too slow", {"connection": "close"}) from None
            read += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if read > limit:
                raise HTTPException(413, "too large", {"connection": "close"})
            return message

        await self._app(scope, limited, send)
