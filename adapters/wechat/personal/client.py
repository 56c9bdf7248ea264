"""Tencent's iLink over HTTP: what every request bears, what an answer means, and files at its CDN.

Source: docs/protocol.md, src/api and src/cdn of https://github.com/Tencent/openclaw-weixin (2.4.9), the plugin by
which Tencent opened personal accounts to bots in 2026 ("微信 ClawBot").
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

from adapters._body import gathered
from bot.api import Gone, Unavailable

CDN = "https://novac2c.cdn.weixin.qq.com/c2c"
"""Where files are kept of which WeChat names no full address."""

HOLD = 35.0
"""Seconds for which WeChat may hold a question that it has no answer to yet."""

ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes of an answer in JSON: a batch of messages holds their texts."""

_PROTOCOL = (2, 4, 9)  # the version of Tencent's plugin whose protocol this is
_AGENT = "Parley/1.0"
_ENDED = -14
_SLACK = 10.0  # seconds that we wait longer than WeChat says it holds
_CALL = 15.0
_FILE = aiohttp.ClientTimeout(total=120, connect=10)
_TENCENT = (".qq.com", ".wechat.com")
T = TypeVar("T")


class Refused(Exception):
    """WeChat said no. `code` is its ret or errcode; `str(error)` is fit for a log."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"{code}: {detail[:200] or 'without a word'}")
        self.code = code
        self.detail = detail


class Ended(Refused):
    """The account's session is over (-14): somebody has to sign in again."""


def trusted(url: str, base_url: str) -> bool:
    """Whether an address that came with an answer is Tencent's, or at the server that the settings name.

    Nothing is fetched from any other, and no token goes there.
    """
    try:
        parts, own = urlsplit(url), urlsplit(base_url)
        port = parts.port
    except ValueError:
        return False
    host = (parts.hostname or "").lower()
    if host and (host, parts.scheme) == (own.hostname, own.scheme):
        return True
    return parts.scheme == "https" and port in (None, 443) and host.endswith(_TENCENT)


class Client:
    """All calls raise `Refused`, `Ended` and `Unavailable`. `uin` makes the random number of a request."""

    def __init__(self, *, uin: Callable[[], int] = lambda: secrets.randbits(32)) -> None:
        self._uin = uin
        self._session: aiohttp.ClientSession | None = None

    async def get(self, base_url: str, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Ask without a token; WeChat may hold the question."""
        return await _reaching(
            self._json("GET", f"{base_url}/{path}", query=query, headers=_app_headers(), wait=HOLD + _SLACK)
        )

    async def post(
        self,
        base_url: str,
        path: str,
        body: Mapping[str, Any],
        *,
        token: str = "",
        hold: float = 0.0,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Call a method that may hold its answer for `hold` seconds; the answer."""
        uin = base64.b64encode(str(self._uin()).encode()).decode()
        headers = {
            **_app_headers(),
            "Content-Type": "application/json",
            "AuthorizationType": "ilink_bot_token",
            "X-WECHAT-UIN": uin,
            **({"Authorization": f"Bearer {token}"} if token else {}),
        }
        version = ".".join(map(str, _PROTOCOL))
        whole = {**body, "base_info": {"channel_version": version, "bot_agent": _AGENT}}
        wait = hold + _SLACK if hold else _CALL
        return await _reaching(
            self._json("POST", f"{base_url}/{path}", query=query, headers=headers, body=whole, wait=wait)
        )

    async def download(self, url: str, limit: int) -> bytes:
        """A file of at most `limit` bytes, as it lies there. Raises `Gone` where it is not, or is larger."""

        async def request() -> bytes:
            async with self._opened().get(url, allow_redirects=False, timeout=_FILE) as response:
                if response.status in (400, 401, 403, 404, 410):
                    raise Gone(f"WeChat has this file no more ({response.status})")
                if response.status != 200:
                    raise Unavailable(f"the CDN answers {response.status}")
                data = await _capped(response, limit)
                if data is None:
                    raise Gone(f"a file of more than {limit} bytes")
                return data

        return await _reaching(request())

    async def upload(self, url: str, sealed: bytes) -> str:
        """Send an encrypted file; the parameter by which it is found again."""

        async def request() -> str:
            headers = {"Content-Type": "application/octet-stream"}
            async with self._opened().post(
                url, data=sealed, headers=headers, allow_redirects=False, timeout=_FILE
            ) as response:
                if 400 <= response.status < 500:
                    raise Refused(response.status, response.headers.get("x-error-message", ""))
                found = response.headers.get("x-encrypted-param", "")
                if response.status != 200 or not found:
                    raise Unavailable(f"the CDN answers {response.status}")
                return found

        return await _reaching(request())

    async def close(self) -> None:
        """End every connection. Raises nothing."""
        if self._session is not None:
            await self._session.close()

    async def _json(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        wait: float,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        timeout = aiohttp.ClientTimeout(total=wait, connect=10)
        async with self._opened().request(
            method, url, params=query, data=data, headers=headers, allow_redirects=False, timeout=timeout
        ) as response:
            return _checked(response.status, await _capped(response, ANSWER_LIMIT))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Every account that has signed in holds a connection of its own.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self._session


def _app_headers() -> dict[str, str]:
    major, minor, patch = _PROTOCOL
    return {"iLink-App-Id": "bot", "iLink-App-ClientVersion": str(major << 16 | minor << 8 | patch)}


async def _reaching(request: Awaitable[T]) -> T:
    try:
        return await request
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        # The text of such an error may hold the address, and with it what nobody may see.
        raise Unavailable(f"WeChat cannot be reached: {type(error).__name__}") from None


async def _capped(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    return await gathered(response.content.iter_chunked(65536), limit)


def _checked(status: int, data: bytes | None) -> dict[str, Any]:
    if status != 200 or data is None:
        raise Unavailable(f"WeChat answers {status}" + (" with too much" if data is None else ""))
    try:
        answer = json.loads(data or b"{}")
    except ValueError:
        raise Unavailable("WeChat answers without JSON") from None
    if not isinstance(answer, dict):
        raise Unavailable("WeChat answers without a JSON object")
    codes = [code for name in ("errcode", "ret") if isinstance(code := answer.get(name), int) and code]
    if codes:
        detail = str(answer.get("errmsg") or "")
        raise (Ended if _ENDED in codes else Refused)(_ENDED if _ENDED in codes else codes[0], detail)
    return answer
