"""One request to Slack: how it is sent, what its answer means, and that nobody else gets the token."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters._body import gathered
from bot.api import Gone, Unavailable

_CHUNK = 64 * 1024
_REDIRECTS = 3
_RETRY_AFTER = 5.0  # seconds, where Slack asks to wait and does not say how long

# What slack_sdk sends as JSON; every method takes a form, whose nested values are JSON
# (https://docs.slack.dev/apis/web-api/#basics).
_JSON = ("agents.", "assistant.", "chat.", "views.")

_GONE = frozenset(
    {
        "account_inactive",
        "channel_not_found",
        "ekm_access_denied",
        "is_archived",
        "messages_tab_disabled",
        "not_in_channel",
        "org_login_required",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "restricted_action_thread_locked",
        "restricted_action_thread_only_channel",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
    }
)
"""Nobody can be written to with this token, or in this channel (https://docs.slack.dev/reference/methods/chat.postMessage)."""

_PASSING = frozenset(
    {
        "fatal_error",
        "internal_error",
        "messaging_processing_failed",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
    }
)
_LIMITED = frozenset({"rate_limited", "ratelimited"})
_BAD_TOKEN = frozenset({"invalid_auth", "not_authed"})


class Limited(Exception):
    """Slack asks to wait for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Slack asks to wait for {seconds:g} seconds")
        self.seconds = seconds


class BadToken(Unavailable):
    """Slack does not take the token: until the operator has mended that, nothing can be done."""


class Refused(Exception):
    """Slack said no to a request, and would again. `error` is its code, `needed` the scope that it names."""

    def __init__(self, method: str, error: str, needed: str = "") -> None:
        super().__init__(f"Slack refuses {method}: {error}" + (f" ({needed})" if needed else ""))
        self.error = error
        self.needed = needed


class Wire:
    """The way to Slack for one token. `session` gives the pool of connections. Times are in seconds."""

    def __init__(self, token: str, base_url: str, session: Callable[[], aiohttp.ClientSession]) -> None:
        self.token = token
        self._base_url = base_url
        self._session = session

    async def request(
        self, method: str, params: Mapping[str, Any], timeout: float
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """A method's answer, and its headers by their names in lower case; a parameter that is None is not sent.

        Raises `Refused`, `Limited`, `Gone`, `Unavailable`.
        """
        web = AsyncWebClient(
            self.token, base_url=self._base_url, session=self._session(), retry_handlers=[], logger=_QUIET
        )
        web.proxy = None  # the session knows the proxy of the environment, and its exceptions
        given = {name: value for name, value in params.items() if value is not None}
        body: dict[str, Any] = {"json": given} if method.startswith(_JSON) else {"data": _form(given)}
        try:
            async with asyncio.timeout(timeout):
                response = await web.api_call(method, **body)
        except SlackApiError as error:
            raise _meant(method, error) from None
        except (aiohttp.ClientError, OSError) as error:  # a time-out is an OSError
            raise Unavailable(f"no connection to Slack: {type(error).__name__}") from None
        except AttributeError:  # slack_sdk asks an answer that is plain text for its fields
            raise Unavailable("Slack's answer is no JSON") from None
        data: Any = response.data
        return data, {name.lower(): value for name, value in response.headers.items()}

    async def put(self, url: str, data: bytes, timeout: float) -> None:
        """Send a file to the address that files.getUploadURLExternal gave. Raises `Unavailable`."""
        try:
            async with (
                asyncio.timeout(timeout),
                self._session().post(url, data=data, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise Unavailable(f"Slack's upload answers {response.status}")
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"the upload broke off: {type(error).__name__}") from None

    async def get(self, url: str, limit: int) -> bytes:
        """A file of at most `limit` bytes from Slack. Raises `Gone` where it cannot be had, `Unavailable`.

        Nobody but Slack is asked, so nobody else gets the token. Without the right to the file Slack answers with
        its login page and 200.
        """
        try:
            for _ in range(_REDIRECTS):
                if not self._own(url):
                    raise Gone("the file is not kept by Slack")
                async with self._session().get(
                    url,
                    headers={"Authorization": f"Bearer {self.token}"},
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(sock_connect=10, sock_read=30),
                ) as response:
                    if response.status in (301, 302, 303, 307, 308):
                        url = urljoin(url, response.headers.get("Location", ""))
                        continue
                    return await _body(response, limit)
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"the download broke off: {type(error).__name__}") from None
        raise Gone("the file's address leads in a circle")

    def _own(self, url: str) -> bool:
        """Whether an address is Slack's own, or that of the gateway which stands for it."""
        try:
            parts, base = urlsplit(url), urlsplit(self._base_url)
            same = (parts.scheme, parts.hostname, parts.port) == (base.scheme, base.hostname, base.port)
        except ValueError:
            return False
        host = parts.hostname or ""
        ours = host == "slack.com" or host.endswith((".slack.com", ".slack-files.com", ".slack-edge.com"))
        return same or (parts.scheme == "https" and parts.port in (None, 443) and ours)


def _meant(method: str, error: SlackApiError) -> Exception:
    """What an answer means that is not ok."""
    response: Any = error.response
    status = getattr(response, "status_code", 0) or getattr(response, "status", 0)
    data = getattr(response, "data", None)
    data = data if isinstance(data, dict) else {}
    code = str(data.get("error") or "")
    if status == 429 or code in _LIMITED:
        return Limited(_seconds(getattr(response, "headers", {})))
    if status >= 500 or not code or code in _PASSING:
        return Unavailable(f"Slack answers {method} with {code or status}")
    if code in _BAD_TOKEN:
        return BadToken(f"Slack does not accept the bot's token: {code}")
    if code in _GONE:
        return Gone(f"Slack refuses {method}: {code}")
    return Refused(method, code, str(data.get("needed") or ""))


def _seconds(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", _RETRY_AFTER)))
    except ValueError:
        return _RETRY_AFTER


def _quiet() -> logging.Logger:
    # While debugging, the library logs all that people say.
    logger = logging.getLogger(f"{__name__}.calls")
    logger.setLevel(logging.WARNING)
    return logger


_QUIET = _quiet()


def _form(params: Mapping[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    if response.status in (400, 401, 403, 404, 410):
        raise Gone(f"Slack does not give the file out ({response.status})")
    if response.status != 200:
        raise Unavailable(f"Slack's file server answers {response.status}")
    attached = response.headers.get("Content-Disposition", "").lower().startswith("attachment")
    if response.content_type == "text/html" and not attached:
        raise Gone("Slack shows its login page in place of the file: is the scope files:read granted?")
    data = await gathered(response.content.iter_chunked(_CHUNK), limit)
    if data is None:
        raise Gone(f"a file of more than {limit} bytes")
    return data
