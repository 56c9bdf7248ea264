"""What `parley check` asks Slack: whether it takes the tokens, and which rights are missing; the same for the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.client import Clients, Refused
from adapters.slack.installations import Installations, Installed
from adapters.slack.oauth import install_url, refusal
from adapters.slack.scopes import NEEDED, WITHOUT
from adapters.slack.settings import CLOUD, Credentials
from adapters.slack.wire import BadToken
from bot.api import Finding, Gone, Unavailable

_TIMEOUT = 10
_MOST = 20  # workspaces that are looked at
_REMEDY = "take the Bot User OAuth Token (xoxb-…) from OAuth & Permissions"
_SCOPE_REMEDY = "add it under OAuth & Permissions (the manifest has it), and install the app anew"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Tested:
    """What Slack says to a token: the error's code or nothing, whose it is, and its scopes where it tells them."""

    error: str = ""
    name: str = ""
    scopes: frozenset[str] | None = None
    reached: bool = True

    @property
    def missing(self) -> Sequence[str]:
        return () if self.scopes is None else sorted(NEEDED - self.scopes)


async def checked(
    clients: Clients, credentials: Credentials, installations: Installations | None
) -> Sequence[Finding]:
    """What Slack says to the settings; nothing is changed there. Raises nothing."""
    found: list[Finding] = []
    if credentials.token:
        found += _of_token(await _tested(clients, credentials, credentials.token))
    if credentials.socket:
        tested = await _tested(clients, credentials, credentials.app_token, "apps.connections.open")
        found.append(_of_app_token(tested))
    if credentials.http:
        found.append(_of_http(credentials))
    if credentials.oauth:
        found.append(_of_oauth(credentials))
        found += await _of_installations(clients, credentials, installations)
    return list(dict.fromkeys(found))  # an address that does not answer is told of once


async def report(clients: Clients) -> None:
    """Log, when the bot starts, whether Slack takes the single token, and which scopes it lacks. Raises nothing."""
    try:
        client = await clients.first()
        granted = await client.scopes() if client else frozenset[str]()
    except (BadToken, Gone) as error:
        _log.error("slack.token_refused", variable="SLACK_BOT_TOKEN", error=str(error), remedy=_REMEDY)
        return
    except (Refused, Unavailable) as error:
        _log.info("slack.scopes_unknown", fault=str(error))
        return
    if client is None:
        return
    _log.info("slack.signed_in", team=client.team, user=client.user)
    missing = sorted(NEEDED - granted) if granted else []
    if missing:
        lost = {scope: WITHOUT[scope] for scope in missing}
        _log.warning("slack.scopes_missing", team=client.team, scopes=lost, remedy=_SCOPE_REMEDY)


def _of_token(tested: _Tested) -> list[Finding]:
    if not tested.reached:
        return [_unreached(tested)]
    if tested.error:
        detail = f"Slack does not take it: {tested.error}"
        return [Finding("SLACK_BOT_TOKEN", False, detail, _REMEDY)]
    return [Finding("SLACK_BOT_TOKEN", True, f"{tested.name} answers to it"), *_of_scopes(tested)]


def _of_scopes(tested: _Tested, where: str = "") -> list[Finding]:
    behind = f" in {where}" if where else ""
    return [
        Finding(f"Slack scope {scope}", False, f"is missing{behind}: {WITHOUT[scope]}", _SCOPE_REMEDY)
        for scope in tested.missing
    ]


def _of_app_token(tested: _Tested) -> Finding:
    if not tested.reached:
        return _unreached(tested)
    if tested.error == "missing_scope":
        remedy = "make an app-level token with the scope connections:write (Basic Information)"
        return Finding("SLACK_APP_TOKEN", False, "it lacks connections:write, so nothing arrives", remedy)
    if tested.error:
        remedy = "take an app-level token (xapp-…) from Basic Information, and switch Socket Mode on"
        return Finding("SLACK_APP_TOKEN", False, f"Slack does not take it: {tested.error}", remedy)
    return Finding("SLACK_APP_TOKEN", True, "Socket Mode is open to us")


def _of_http(credentials: Credentials) -> Finding:
    if credentials.public_url:
        return Finding("Slack events", True, f"are taken at {credentials.public_url}/slack/events")
    detail = "are taken at /slack/events; PUBLIC_URL is not set, so the full address is not known here"
    return Finding("Slack events", True, detail)


def _of_oauth(credentials: Credentials) -> Finding:
    url = install_url(credentials)
    if not url:
        remedy = "set PUBLIC_URL to the https address by which people reach this bot"
        return Finding("Slack installation", False, "Slack cannot send the browser back to us", remedy)
    return Finding("Slack installation", True, f"workspaces install the app at {url}")


async def _of_installations(
    clients: Clients, credentials: Credentials, installations: Installations | None
) -> list[Finding]:
    try:
        kept = await installations.all() if installations else ()
    except Unavailable:  # the store's own line tells of it where that is a fault
        return [Finding("Slack workspaces", True, "are not known here while Redis does not answer")]
    found = [Finding("Slack workspaces", True, f"{len(kept)} installed")]
    for installed in kept[:_MOST]:
        found += await _of_installed(clients, credentials, installed)
    return found


async def _of_installed(clients: Clients, credentials: Credentials, installed: Installed) -> list[Finding]:
    name = installed.team or installed.enterprise
    tested = await _tested(clients, credentials, installed.token.get_secret_value())
    if not tested.reached:
        return [_unreached(tested)]
    if tested.error:
        remedy = "have the app installed there again"
        return [Finding(f"Slack workspace {name}", False, f"its token is refused: {tested.error}", remedy)]
    return _of_scopes(tested, name)


def _unreached(tested: _Tested) -> Finding:
    remedy = f"is the network open, and the address right ({CLOUD})?"
    return Finding("SLACK_API_BASE_URL", False, f"does not answer: {tested.error}", remedy)


async def _tested(
    clients: Clients, credentials: Credentials, token: str, method: str = "auth.test"
) -> _Tested:
    web = AsyncWebClient(token, base_url=credentials.base_url, session=clients.session(), timeout=_TIMEOUT)
    web.proxy = None  # the session knows the proxy of the environment
    try:
        response = await web.api_call(method)
    except SlackApiError as error:
        return _Tested(error=refusal(error))
    except (aiohttp.ClientError, TimeoutError, OSError, AttributeError) as error:
        return _Tested(error=type(error).__name__, reached=False)
    headers = {name.lower(): value for name, value in response.headers.items()}
    told = headers.get("x-oauth-scopes")
    scopes = None if told is None else frozenset(scope.strip() for scope in str(told).split(","))
    return _Tested(name=f"@{response.get('user')} of {response.get('team')}", scopes=scopes)
