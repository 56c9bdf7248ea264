"""The HTTP interface of WeChat's and WeCom's servers: its token, shared by all replicas, and its error codes."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import aiohttp

from adapters._body import gathered
from adapters._draft import Later
from adapters._sealed import Seal
from bot.api import Unavailable

ANSWER_LIMIT = 1024 * 1024
"""Bytes of an answer in JSON."""

_EARLY = 300.0  # seconds before its end that a token is replaced; the old one stays good for as long
_STALE = frozenset({40001, 40014, 42001})  # the token is not, or no longer, good
_BUSY = frozenset({-1, 45011, 45033, 6000})  # busy, too fast, too many at once
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
T = TypeVar("T")

MEANINGS: Mapping[int, str] = MappingProxyType(
    {
        40001: "the secret is not right, or the token was replaced by another program",
        40013: "the app id is not right",
        40125: "the app secret is not right",
        40164: "this server's address is not on the account's list of IP addresses; add it there: {ip}",
        45002: "the text is too long",
        45009: "the account has used up its calls of this interface for today",
        45015: "the person has not written for 48 hours, or has unsubscribed: they have to write first",
        45047: "too many messages to this person since they last wrote",
        48001: "the account has no right to this interface; it takes a verified account",
        48002: "no right to this interface, or the person does not take messages of this kind",
        50002: "the account is blocked",
        60011: "the app has no right to reach this member",
        60020: "this server's address is not among the app's trusted IP addresses; add it there: {ip}",
        95001: "the person has had five messages since they last wrote: they have to write first",
        95002: "the person has not written for 48 hours: they have to write first",
        81013: "none of the receivers exists, or the app may not see them",
    }
)
"""What an operator has to know of an error code (developers.weixin.qq.com, "全局返回码"; developer.work.weixin.qq.com
/document/path/90313)."""


class ApiRefused(Exception):
    """The server said no. `code` is its errcode; `str(error)` is fit for a log."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"{code}: {meaning(code, detail)}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Grant:
    """How an access token is asked for: a path, and the body or the query that hold the secret."""

    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    query: Mapping[str, str] | None = field(default=None, repr=False)


def meaning(code: int, detail: str) -> str:
    """An error code in plain words, with the address that the server saw; else the server's own, bounded."""
    ip = re.search(r"(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f:]{4,}:[0-9a-f:]+", detail)
    words = MEANINGS.get(code)
    return words.format(ip=ip[0] if ip else "see the server's own") if words else detail[:200]


class Values(Protocol):
    """The part of `bot.api.Store` that a token is kept in."""

    async def get(self, key: str) -> str | None:
        """As `Store.get`."""

    async def put(self, key: str, value: str, *, ttl: float | None = None, absent: bool = False) -> bool:
        """As `Store.put`."""

    async def drop(self, key: str) -> None:
        """As `Store.drop`."""


class Pocket:
    """`Values` of this process alone, for a short look at a server while Redis may not be running."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        """The value, or None."""
        return self._values.get(key)

    async def put(self, key: str, value: str, *, ttl: float | None = None, absent: bool = False) -> bool:
        """Keep `value`, however long; with `absent`, only where there is none. Kept?"""
        if absent and key in self._values:
            return False
        self._values[key] = value
        return True

    async def drop(self, key: str) -> None:
        """Forget the value."""
        self._values.pop(key, None)


class Api:
    """One account at a server. All calls raise `ApiRefused`, `Later` (wait so long) and `Unavailable`.

    `name` is the account's, under which its token is kept in the drawer, sealed by `secret`; `clock` is the time of
    day in seconds.
    """

    def __init__(
        self,
        base_url: str,
        store: Values,
        *,
        name: str,
        grant: Grant,
        secret: str,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._store = store
        self._key = f"token:{name}"
        self._grant = grant
        self._seal = Seal(secret, "access token")
        self._clock, self._sleep = clock, sleep
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self, path: str, body: Mapping[str, Any] | None = None, *, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """POST `body` as JSON (GET where there is none), and the answer."""

        def request(token: str) -> Awaitable[dict[str, Any]]:
            return self._json(path, body, {**(query or {}), "access_token": token})

        return await self._with_token(request)

    async def upload(
        self, path: str, name: str, mime: str, data: bytes, *, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a file as the form field `media`, and the answer."""

        def request(token: str) -> Awaitable[dict[str, Any]]:
            form = aiohttp.FormData()
            form.add_field("media", data, filename=name, content_type=mime)
            return self._json(path, None, {**(query or {}), "access_token": token}, form=form)

        return await self._with_token(request)

    async def download(self, path: str, *, query: Mapping[str, str], limit: int) -> tuple[bytes, str]:
        """A file of at most `limit` bytes and its kind; a larger one is `ApiRefused` with the code 0."""

        async def request(token: str) -> tuple[bytes, str]:
            url, params = f"{self._base_url}{path}", {**query, "access_token": token}
            async with self._opened().get(url, params=params, timeout=_TIMEOUT) as response:
                data = await _capped(response, limit)
                mime = response.content_type
                if mime in ("application/json", "text/plain") and data.startswith(b"{"):
                    _checked(response.status, data)
                elif response.status != 200:
                    raise Unavailable(f"the server answers {response.status}")
                return data, mime

        return await self._with_token(request)

    async def close(self) -> None:
        """End every connection. Raises nothing."""
        if self._session is not None:
            await self._session.close()

    # --- asking ----------------------------------------------------------------------------------------------

    async def _with_token(self, request: Callable[[str], Awaitable[T]]) -> T:
        token = await self._token()
        try:
            return await _reaching(request(token))
        except ApiRefused as refused:
            if refused.code not in _STALE:
                raise
            ended = refused.code == 42001
        return await _reaching(request(await self._token(instead_of=token, force=not ended)))

    async def _json(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str],
        *,
        form: aiohttp.FormData | None = None,
    ) -> dict[str, Any]:
        # Unescaped, because WeChat shows \u4f60 to the person as it stands.
        data = form if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        headers = {} if body is None else {"Content-Type": "application/json; charset=utf-8"}
        method = "GET" if data is None else "POST"
        url = f"{self._base_url}{path}"
        async with self._opened().request(
            method, url, params=query, data=data, headers=headers, timeout=_TIMEOUT
        ) as response:
            return _checked(response.status, await _capped(response, ANSWER_LIMIT))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    # --- the token -------------------------------------------------------------------------------------------

    async def _token(self, *, instead_of: str = "", force: bool = False) -> str:
        """The token that all replicas use; a new one where it is about to end, or is the one that was refused.

        `force` ends the server's own memory of it, which may be done 20 times a day (stable_token).
        """
        for _ in range(50):
            kept = self._read(await self._store.get(self._key))
            if kept is not None and kept.text != instead_of and kept.until - _EARLY > self._clock():
                return kept.text
            # One asks, the others wait for what it gets: a second request could end the first one's token.
            if await self._store.put(f"{self._key}:asking", "1", ttl=5, absent=True):
                try:
                    return await self._granted(force=force)
                finally:
                    await self._store.drop(f"{self._key}:asking")
            if kept is not None and kept.text != instead_of and kept.until > self._clock():
                return kept.text
            await self._sleep(0.1)
        raise Unavailable("no access token could be had")

    async def _granted(self, *, force: bool) -> str:
        grant = self._grant
        body = None if grant.body is None else {**grant.body, **({"force_refresh": True} if force else {})}
        answer = await _reaching(self._json(grant.path, body, grant.query or {}))
        token, life = str(answer.get("access_token") or ""), float(answer.get("expires_in") or 0)
        if not token or life <= 0:
            raise Unavailable("the server granted no access token")
        kept = json.dumps([token, self._clock() + life])
        await self._store.put(self._key, self._seal.seal(kept), ttl=life)
        return token

    def _read(self, sealed: str | None) -> _Token | None:
        opened = self._seal.open(sealed)
        return None if opened is None else _Token(*json.loads(opened))


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    until: float


async def _reaching(request: Awaitable[T]) -> T:
    try:
        return await request
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        # The text of such an error may hold the address, and with it the token.
        raise Unavailable(f"the server cannot be reached: {type(error).__name__}") from None


async def _capped(response: aiohttp.ClientResponse, limit: int) -> bytes:
    data = await gathered(response.content.iter_chunked(65536), limit)
    if data is None:
        raise ApiRefused(0, f"more than {limit} bytes")
    return data


def _checked(status: int, data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        raise Unavailable(f"the server answers {status}, and no JSON") from None
    if not isinstance(answer, dict):
        raise Unavailable(f"the server answers {status}, and no JSON object")
    code = answer.get("errcode") or 0
    if code in _BUSY:
        raise Later(1.0)
    if code:
        raise ApiRefused(int(code), str(answer.get("errmsg") or ""))
    if status != 200:
        raise Unavailable(f"the server answers {status}")
    return answer
