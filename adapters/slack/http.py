"""Events by HTTP: the address that Slack posts to, whose requests bear a signature."""

from __future__ import annotations

import structlog
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message

from adapters._body import body_of

PATH = "/slack/events"
BODY_LIMIT = 1_000_000
"""Bytes. The longest that Slack has to tell, an edit with what stood there before, is smaller."""

_log = structlog.get_logger(__name__)


class Endpoint:
    """Bolt checks the signature and its time (±5 minutes); this keeps from it what it could not read."""

    def __init__(self, app: AsyncApp) -> None:
        self._handler = AsyncSlackRequestHandler(app)
        self._told = False

    def route(self) -> Route:
        """Where it is served."""
        return Route(PATH, self._take, methods=["POST"])

    async def _take(self, request: Request) -> Response:
        if not request.headers.get("x-slack-request-timestamp", "").isdecimal():
            return self._unsigned()
        try:
            body = await body_of(request, BODY_LIMIT)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return JSONResponse({"error": "too large"}, 413)
        try:
            response = await self._handler.handle(_again(request, body))
        except (
            ValueError,
            AttributeError,
            RecursionError,
        ):  # no form and no JSON object: Slack sends nothing else
            return JSONResponse({"error": "not readable"}, 400)
        return self._unsigned() if response.status_code == 401 else response

    def _unsigned(self) -> Response:
        if not self._told:
            self._told = True
            _log.warning(
                "slack.signature_refused", remedy="is SLACK_SIGNING_SECRET the app's, and is the clock right?"
            )
        return JSONResponse({"error": "invalid signature"}, 401)


def _again(request: Request, body: bytes) -> Request:
    """The same request with its body yet to be read."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, receive)
