"""The Bolt app: it checks signatures and answers Slack's own questions; everything else is asked of one function.

Bolt acknowledges an event before its listeners run (`asyncio_runner.py`), so there are none: a middleware takes
everything in, and what it returns is the acknowledgement.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import structlog
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.settings import Credentials
from bot.api import Unavailable

Take = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]
"""Takes a payload in; the acknowledgement's body. Raises `Unavailable` where nothing may be acknowledged."""

_ADDRESS = re.compile(r"\b(?:wss?|https?)://\S+")
_EXPECTED = (aiohttp.ClientError, SlackApiError, OSError)  # a time-out is an OSError
_log = structlog.get_logger(__name__)


class _Retold(logging.Filter):
    """Says what the library logs as one line of ours, without addresses: a WebSocket's holds a ticket.

    What it says again and again, while Slack is away, is a warning once. A filter, because the library copies the
    filters of a logger to those that it makes itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never lets the record pass to other handlers."""
        fault = record.exc_info[1] if record.exc_info else None
        unexpected = fault is not None and not isinstance(fault, _EXPECTED)
        said = _ADDRESS.sub("…", record.getMessage().partition("\n")[0])
        if unexpected:
            _log.warning("slack.library", said=said[:500], exc_info=record.exc_info)
        elif said != self._last:
            self._last = said
            _log.warning("slack.library", said=said[:500])
        return False


def voice() -> logging.Logger:
    """A logger for the library. Below warnings it would log all that people say."""
    logger = logging.Logger("slack", logging.WARNING)
    logger.addFilter(_Retold())
    return logger


def bolt(credentials: Credentials, take: Take) -> AsyncApp:
    """The app. It answers 503 where nothing can be accepted; over a socket that is no acknowledgement."""

    # Bolt finds the parameters by their names.
    async def taken(req: AsyncBoltRequest, next: Callable[[], Awaitable[None]]) -> BoltResponse | None:
        if req.body.get("type") == "url_verification":
            await next()
            return None
        try:
            body = await take(req.body)
        except Unavailable as error:
            _log.warning("slack.not_accepted", reason=str(error))
            return BoltResponse(status=503)
        return BoltResponse(status=200, body=dict(body) if body else "")

    async def nobody() -> AuthorizeResult:
        """Never asked: what needs no authorization goes through, the rest does not come so far."""
        return AuthorizeResult(enterprise_id=None, team_id=None)

    logger = voice()
    logger.setLevel(
        logging.CRITICAL + 1
    )  # at its start it wonders at environment variables, which are ours, too
    app = AsyncApp(
        name="parley",
        logger=logger,
        signing_secret=credentials.signing_secret,
        client=AsyncWebClient(base_url=credentials.base_url, logger=logger),
        before_authorize=taken,
        authorize=nobody,
    )
    logger.setLevel(logging.WARNING)
    return app
