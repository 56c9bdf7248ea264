"""Apps made with slack-bolt, to talk to the simulated Slack by both of its ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.simulators.endpoint import serve
from tests.simulators.slack import SlackSimulator, Team

Way = Callable[[SlackSimulator, AsyncApp], Any]


def client(slack: SlackSimulator, team: Team | None = None) -> AsyncWebClient:
    return AsyncWebClient(token=(team or slack.team).token, base_url=slack.base_url)


def bolt(slack: SlackSimulator) -> AsyncApp:
    return AsyncApp(client=client(slack), signing_secret=slack.signing_secret)


@asynccontextmanager
async def by_socket(slack: SlackSimulator, app: AsyncApp) -> AsyncIterator[AsyncSocketModeHandler]:
    handler = AsyncSocketModeHandler(app, slack.app_token)
    handler.client.ping_interval = 1
    before = len(slack.sockets.live)
    try:
        await handler.connect_async()
        await slack.connected(before + 1)
        yield handler
    finally:
        await handler.close_async()


@asynccontextmanager
async def by_http(slack: SlackSimulator, app: AsyncApp) -> AsyncIterator[None]:
    handler = AsyncSlackRequestHandler(app)

    async def events(request: Request) -> Response:
        return await handler.handle(request)

    async with serve(Starlette(routes=[Route("/slack/events", events, methods=["POST"])])) as port:
        await slack.deliver_to(f"http://127.0.0.1:{port}/slack/events")
        yield


class Heard:
    """What a Bolt app was told, in order."""

    def __init__(self, app: AsyncApp) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.fails = 0
        app.middleware(self._hear)

    async def _hear(self, body: dict[str, Any], next: Callable[[], Awaitable[Any]]) -> Any:
        if self.fails > 0:
            self.fails -= 1
            raise RuntimeError("not now")
        self.bodies.append(body)
        return await next()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [body["event"] for body in self.bodies if "event" in body]

    @property
    def kinds(self) -> list[str]:
        return [event.get("subtype") or event["type"] for event in self.events]


def listening(slack: SlackSimulator) -> tuple[AsyncApp, Heard]:
    app = bolt(slack)
    heard = Heard(app)
    for event in (
        "message",
        "app_mention",
        "app_home_opened",
        "agent_session_stopped",
        "member_joined_channel",
    ):
        app.event(event)(nothing)
    return app, heard


async def nothing() -> None:
    """Acknowledged by Bolt itself."""


async def refusal(call: Any) -> Any:
    """What Slack says to a call that it must refuse."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response


async def code(call: Any) -> str:
    """The code of a refusal."""
    return str((await refusal(call))["error"])
