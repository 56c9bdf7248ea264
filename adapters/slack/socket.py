"""Socket Mode: a WebSocket that Slack sends everything through, and that is made anew when it ends.

Any number of processes may be connected, up to ten for one app; Slack gives each event to one of them, and to
another one if it is not acknowledged (https://docs.slack.dev/apis/events-api/using-socket-mode).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack.bolt import voice
from adapters.slack.settings import Credentials

_REFUSALS = frozenset(
    {
        "access_denied", "account_inactive", "app_uninstalled", "invalid_auth", "missing_scope", "no_permission",
        "not_allowed_token_type", "not_authed", "socket_mode_not_enabled", "team_access_not_granted",
        "token_expired", "token_revoked",
    }
)  # fmt: skip
_REFUSED = 60.0  # seconds until a refused token is tried again
_PATIENCE = 4
"""Looks at the connection that may find none before the library is left to itself no longer."""

_log = structlog.get_logger(__name__)


class TokenRefused(Exception):
    """Slack does not take SLACK_APP_TOKEN, or Socket Mode is not switched on: only the operator can mend that.

    `error` is Slack's code.
    """

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Socket:
    """The connection of this process. `ping` is how often it is tested, and the pause between tries, in seconds.

    `sleep` makes the pause after a refusal.
    """

    def __init__(
        self,
        credentials: Credentials,
        app: AsyncApp,
        *,
        ping: float = 10.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._credentials = credentials
        self._app = app
        self._ping = ping
        self._sleep = sleep
        self._said = ""  # the refusal that the log has told of

    async def run(self) -> None:
        """Receive until cancelled. A refusal is said once, and asked about again: somebody may mend it at Slack's."""
        while True:
            try:
                await self._connection()
                _log.warning("slack.cut_off", again="with a new connection")
            except TokenRefused as refused:
                self._refused(refused.error)
                await self._sleep(_REFUSED)

    def _refused(self, error: str) -> None:
        if error != self._said:
            self._said = error
            _log.error(
                "slack.token_refused",
                variable="SLACK_APP_TOKEN",
                error=error,
                remedy="make an app-level token with the scope connections:write, and switch on Socket Mode",
            )

    async def _connection(self) -> None:
        """Receive until there has been no connection for some time. Raises `TokenRefused`."""
        web = _Opening(self._credentials.base_url)
        url = await web.first_url(self._credentials.app_token)
        if url:
            self._said = ""
        handler = AsyncSocketModeHandler(
            self._app,
            self._credentials.app_token,
            logger=voice(),
            web_client=web,
            ping_interval=self._ping,
        )
        client = handler.client
        client.wss_uri = url
        connecting = asyncio.create_task(client.connect())  # type: ignore[no-untyped-call]
        ends = {asyncio.create_task(self._watch(client)), asyncio.create_task(web.refused.wait())}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if web.refusal:
                raise TokenRefused(web.refusal)
        finally:
            for task in (connecting, *ends):
                task.cancel()
            await asyncio.gather(connecting, *ends, return_exceptions=True)
            await client.close()  # type: ignore[no-untyped-call]

    async def _watch(self, client: SocketModeClient) -> None:
        """Wait until the library has failed to connect anew.

        It tries one address again and again, and none is good for longer than half a minute (`SocketModeClient.
        connect` of slack_sdk 3.47).
        """
        missed = 0
        while missed < _PATIENCE:
            await asyncio.sleep(self._ping)
            missed = 0 if await client.is_connected() else missed + 1


class _Opening(AsyncWebClient):
    """Asks for WebSockets' addresses, and notices when that is refused for good: the library would ask for ever."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url=base_url, logger=voice())
        self.refused = asyncio.Event()
        self.refusal = ""

    async def first_url(self, token: str) -> str | None:
        """An address; None where Slack cannot tell one now. Raises `TokenRefused`."""
        try:
            answer = await self.apps_connections_open(app_token=token)
        except SlackApiError:
            if self.refusal:
                raise TokenRefused(self.refusal) from None
            return None
        except (aiohttp.ClientError, OSError) as error:
            _log.warning("slack.unreachable", fault=type(error).__name__)
            return None
        return str(answer["url"])

    async def apps_connections_open(self, *, app_token: str, **kwargs: Any) -> AsyncSlackResponse:
        """As the library's; an answer that is no JSON, of a proxy or of a server at its end, is a lost connection."""
        try:
            return await super().apps_connections_open(app_token=app_token, **kwargs)
        except SlackApiError as error:
            answer: Any = error.response.data if isinstance(error.response, AsyncSlackResponse) else None
            if not isinstance(answer, dict):
                raise aiohttp.ClientConnectionError("Slack answers without JSON") from None
            code = str(answer.get("error"))
            if code in _REFUSALS:
                self.refusal = code
                self.refused.set()
            raise
