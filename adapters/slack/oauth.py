"""Installing the app in many workspaces: the two pages of Slack's OAuth, on slack_bolt's flow.

Source: https://docs.slack.dev/authentication/installing-with-oauth
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from urllib.parse import urljoin

import aiohttp
import structlog
from pydantic import SecretStr
from slack_bolt.adapter.starlette.async_handler import to_async_bolt_request, to_starlette_response
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from adapters.slack.installations import Installations, Installed
from adapters.slack.scopes import NEEDED
from adapters.slack.settings import Credentials
from bot.api import Store, Unavailable

INSTALL_PATH, REDIRECT_PATH = "/slack/install", "/slack/oauth_redirect"
_STATE_TTL = 600
_TIMEOUT = 10
_log = structlog.get_logger(__name__)


def routes(
    credentials: Credentials,
    installations: Installations,
    store: Store,
    session: Callable[[], aiohttp.ClientSession],
    *,
    clock: Callable[[], float] = time.time,
) -> Sequence[BaseRoute]:
    """The page that begins an installation and the one that Slack comes back to; none without OAuth.

    `session` is the pool of connections; `clock` gives seconds since the epoch.
    """
    if not credentials.oauth:
        return []
    pages = _Pages(credentials, installations, States(store, credentials.client_secret, clock=clock), session)
    return [
        Route(INSTALL_PATH, pages.install, methods=["GET"]),
        Route(REDIRECT_PATH, pages.redirected, methods=["GET"]),
    ]


def install_url(credentials: Credentials) -> str:
    """Where a workspace installs the app; empty without PUBLIC_URL."""
    return f"{credentials.public_url}{INSTALL_PATH}" if credentials.public_url else ""


def refusal(error: SlackApiError) -> str:
    """The code of a refusal; "no answer" where what came is none of Slack's."""
    data = getattr(error.response, "data", None)
    code = data.get("error") if isinstance(data, dict) else None
    return str(code or "no answer")


class States(AsyncOAuthStateStore):
    """OAuth's `state`: signed, good for one use within ten minutes. Nothing is kept before it comes back."""

    def __init__(self, store: Store, client_secret: str, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._key = hmac.new(client_secret.encode(), b"parley slack state", hashlib.sha256).digest()
        self._clock = clock

    @property
    def logger(self) -> logging.Logger:
        """The library's."""
        return _QUIET

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        """A new state."""
        return self._signed(f"{int(self._clock())}.{secrets.token_hex(16)}")

    async def async_consume(self, state: str) -> bool:
        """Whether this state is ours, fresh and not used before; from now on it is used. Raises `Unavailable`."""
        body = state.rpartition(".")[0]
        issued, _, nonce = body.partition(".")
        if not hmac.compare_digest(self._signed(body).encode(), state.encode()):
            return False
        if not 0 <= self._clock() - int(issued) <= _STATE_TTL:
            return False
        return await self._store.put(f"oauth:{nonce}", "used", ttl=_STATE_TTL, absent=True)

    def _signed(self, body: str) -> str:
        return f"{body}.{hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()}"


class _Keeping(AsyncInstallationStore):
    """What slack_bolt's flow keeps an installation with."""

    def __init__(self, installations: Installations) -> None:
        self._installations = installations

    @property
    def logger(self) -> logging.Logger:
        """The library's."""
        return _QUIET

    async def async_save(self, installation: Installation) -> None:
        """Keep it. Raises `Unavailable`."""
        whole = bool(installation.is_enterprise_install)
        await self._installations.put(
            Installed(
                team="" if whole else str(installation.team_id or ""),
                enterprise=str(installation.enterprise_id or ""),
                token=SecretStr(str(installation.bot_token)),
                user=str(installation.bot_user_id or ""),
                bot=str(installation.bot_id or ""),
            )
        )
        _log.info("slack.installed", team=installation.team_id, enterprise=installation.enterprise_id)


class _Flow(AsyncOAuthFlow):
    """slack_bolt's flow, which itself would log the code of a failed exchange."""

    async def run_installation(self, code: str) -> Installation | None:
        """The installation that `code` stands for, or None where Slack does not take it."""
        client, settings = self.client, self.settings
        try:
            # Not by the library's own method: it writes the credentials with what aiohttp gives up.
            granted = await client.api_call(
                "oauth.v2.access",
                data={
                    "code": code,
                    "client_id": settings.client_id,
                    "client_secret": settings.client_secret,
                    **({"redirect_uri": settings.redirect_uri} if settings.redirect_uri else {}),
                },
            )
            token = str(granted.get("access_token") or "")
            tested = await client.auth_test(token=token)
        except SlackApiError as error:
            _log.warning("slack.install_refused", error=refusal(error))
            return None
        except AttributeError:  # slack_sdk asks an answer that is plain text for its fields
            raise Unavailable("Slack's answer is no JSON") from None
        if granted.get("expires_in"):
            _log.warning("slack.token_rotation", remedy="switch token rotation off, as the manifest has it")
            return None
        return Installation(
            app_id=granted.get("app_id"),
            enterprise_id=(granted.get("enterprise") or {}).get("id"),
            enterprise_url=tested.get("url"),
            team_id=(granted.get("team") or {}).get("id"),
            bot_token=token,
            bot_id=tested.get("bot_id"),
            bot_user_id=granted.get("bot_user_id") or tested.get("user_id"),
            user_id=str((granted.get("authed_user") or {}).get("id") or ""),
            is_enterprise_install=bool(granted.get("is_enterprise_install")),
        )


class _Pages:
    """The two pages."""

    def __init__(
        self,
        credentials: Credentials,
        installations: Installations,
        states: States,
        session: Callable[[], aiohttp.ClientSession],
    ) -> None:
        self._credentials = credentials
        self._installations = installations
        self._states = states
        self._session = session

    async def install(self, request: Request) -> Response:
        """Sends the browser to Slack, where somebody of the workspace agrees."""
        return to_starlette_response(
            await self._flow().handle_installation(to_async_bolt_request(request, b""))
        )

    async def redirected(self, request: Request) -> Response:
        """Slack sends the browser back with a code, which is changed into a token."""
        try:
            flow = self._flow()
            return to_starlette_response(await flow.handle_callback(to_async_bolt_request(request, b"")))
        except (Unavailable, aiohttp.ClientError, TimeoutError) as error:
            _log.warning("slack.install_failed", fault=type(error).__name__)
            return PlainTextResponse(
                "The installation cannot be finished just now. Please begin it again in a minute.", 503
            )

    def _flow(self) -> _Flow:
        found = self._credentials
        client = AsyncWebClient(
            base_url=found.base_url, session=self._session(), timeout=_TIMEOUT, logger=_QUIET
        )
        client.proxy = None  # the session knows the proxy of the environment
        settings = AsyncOAuthSettings(
            client_id=found.client_id,
            client_secret=found.client_secret,
            scopes=sorted(NEEDED),
            user_scopes=[],
            redirect_uri=f"{found.public_url}{REDIRECT_PATH}" if found.public_url else None,
            install_path=INSTALL_PATH,
            redirect_uri_path=REDIRECT_PATH,
            install_page_rendering_enabled=False,
            authorization_url=urljoin(found.base_url, "/oauth/v2/authorize"),
            installation_store=_Keeping(self._installations),
            state_store=self._states,
            logger=_QUIET,
        )
        return _Flow(client=client, logger=_QUIET, settings=settings)


def _quiet() -> logging.Logger:
    # While debugging, the library logs whole requests, and with them codes and states.
    logger = logging.getLogger(f"{__name__}.flow")
    logger.setLevel(logging.WARNING)
    return logger


_QUIET = _quiet()
