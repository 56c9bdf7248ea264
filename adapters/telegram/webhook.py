"""The webhook: where Telegram posts updates, and seeing to it that Telegram knows where that is."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from telegram.error import TelegramError

from adapters._body import body_of
from adapters.telegram.client import Client, Json
from adapters.telegram.inlet import Inlet
from adapters.telegram.receive import Patience, Trouble, kinds
from adapters.telegram.settings import Credentials
from bot.api import Store, Unavailable

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - its name, https://core.telegram.org/bots/api#setwebhook
BODY_LIMIT = 1_000_000
CONNECTIONS = 40
"""How many updates Telegram may deliver at once; of one chat it delivers one after the other."""

CHECK = 600.0
"""Seconds between two looks whether the webhook is still ours."""

_log = logging.getLogger(__name__)


class Webhook:
    """The route. 200 is the acknowledgement, so it is said last; on anything else Telegram delivers again."""

    def __init__(self, credentials: Credentials, inlet: Inlet) -> None:
        self._secret = credentials.secret.encode()
        self._path = credentials.path
        self._inlet = inlet
        self._trouble = Trouble(Patience())

    def route(self) -> Route:
        """What the HTTP server serves."""
        return Route(self._path, self._receive, methods=["POST"])

    async def _receive(self, request: Request) -> Response:
        given = request.headers.get(SECRET_HEADER, "").encode()
        if not hmac.compare_digest(given, self._secret):
            return Response(status_code=403)
        try:
            body = await body_of(request, BODY_LIMIT)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response(status_code=413)
        update = _update(body)
        if update is None:
            return Response(status_code=400)
        try:
            await self._inlet.take(update)
        except Unavailable as error:
            self._trouble.met(error)
            return Response(status_code=503, headers={"Retry-After": "1"})
        self._trouble.over()
        return Response(status_code=200)


def _update(body: bytes) -> Json | None:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) and "update_id" in given else None


class Registration:
    """Tells Telegram where to post, and looks again now and then: somebody else may have told it otherwise."""

    def __init__(
        self,
        client: Client,
        store: Store,
        credentials: Credentials,
        *,
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._store = store
        self._credentials = credentials
        self._patience = patience or Patience()
        self._sleep = sleep
        self._reported: tuple[Any, Any] = (None, None)

    async def run(self) -> None:
        """Keep the webhook set until cancelled, while this process is the one that does."""
        trouble = Trouble(self._patience)
        while True:
            try:
                await self._store.lead("webhook", self._keep)
            except Unavailable as error:
                await self._sleep(trouble.met(error))
            else:
                return

    async def _keep(self) -> None:
        trouble = Trouble(self._patience)
        ready = False  # the secret cannot be asked for, so the first time it is set in any case
        while True:
            try:
                if not ready or not self._agrees(await self._client.call("getWebhookInfo")):
                    await self._set()
                    ready = True
            except TelegramError as error:
                await self._sleep(trouble.met(error))
            else:
                trouble.over()
                await self._sleep(CHECK)

    async def _set(self) -> None:
        await self._client.call(
            "setWebhook",
            {
                "url": self._credentials.webhook_url,
                "secret_token": self._credentials.secret,
                "allowed_updates": kinds(inline=self._credentials.inline),
                "max_connections": CONNECTIONS,
                "drop_pending_updates": False,
            },
        )
        _log.info("telegram: the webhook is set")

    def _agrees(self, info: Json) -> bool:
        report = (info.get("last_error_date"), info.get("last_error_message"))
        if report[0] and report != self._reported:
            _log.warning("telegram: the webhook was not reached: %s", report[1])
        self._reported = report
        return info.get("url") == self._credentials.webhook_url and set(
            info.get("allowed_updates", ())
        ) == set(kinds(inline=self._credentials.inline))
