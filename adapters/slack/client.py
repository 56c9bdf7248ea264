"""Slack's Web API by slack_sdk: rate limits kept, refusals told apart, and a token that nobody gets to read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.request import getproxies

import aiohttp
import structlog

from adapters._draft import Later
from adapters.slack.installations import Installations
from adapters.slack.settings import Credentials
from adapters.slack.wire import Limited, Refused, Wire
from bot.api import Gone, Unavailable

__all__ = ["TRIES", "Client", "Clients", "Refused"]

TRIES = 4
"""Of a call that may be repeated: it takes some four seconds until it is given up."""

_PAUSE = 0.5
_CLOSED = 10_000  # pairs of method and channel whose rate limit we remember at most
_CLIENTS = 1_000  # workspaces whose client is kept at hand
_CONNECTIONS = 256
_APPENDS = 100  # a minute (https://docs.slack.dev/reference/methods/chat.appendStream: tier 4)

_log = structlog.get_logger(__name__)


class Client:
    """One workspace's bot: `team` (T…), `user` (U…) and `bot` (B…) are its ids. Times are in seconds.

    Rate limits hold for a method and a channel (https://docs.slack.dev/apis/web-api/rate-limits/): while one is
    closed, its calls do not leave. `clock` is monotonic.
    """

    def __init__(
        self,
        token: str,
        *,
        base_url: str,
        session: Callable[[], aiohttp.ClientSession],
        team: str = "",
        user: str = "",
        bot: str = "",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.team = team
        self.user = user
        self.bot = bot
        self.token = token
        self.clock = clock
        self.sleep = sleep
        self._wire = Wire(token, base_url, session)
        self._closed: dict[tuple[str, str], float] = {}
        self._refused: dict[str, float] = {}  # what is not tried, and until when
        self._missing: set[str] = set()  # scopes whose lack has been logged
        self._words = (
            float(_APPENDS),
            clock(),
        )  # how many times growing text may be sent, and when it was so

    def __repr__(self) -> str:
        return f"Client({self.team})"

    async def call(
        self, method: str, *, channel: str = "", timeout: float = 30, tries: int = 1, **params: Any
    ) -> dict[str, Any]:
        """The answer of a method. `channel` is also sent as its parameter `channel`; None is not sent.

        More than one try is for what may be repeated. Raises `Refused`, `Later` (nothing was done), `Unavailable`,
        and `Gone` where the workspace or the channel cannot be written to any more.
        """
        if channel:
            params["channel"] = channel
        key = (method, channel or str(params.get("channel_id") or ""))
        self._check(key)
        for left in reversed(range(tries)):
            try:
                data, _ = await self._request(key, params, timeout)
                return data
            except Later:
                raise
            except Unavailable:
                if not left:
                    raise
            await self.sleep(_PAUSE * 2 ** (tries - 1 - left))
        raise Unavailable("no tries")

    async def identify(self) -> frozenset[str]:
        """Fill in the ids by auth.test; the scopes that the token has. Raises as `call` does."""
        data, headers = await self._request(("auth.test", ""), {}, 30)
        self.team = str(data.get("team_id") or self.team)
        self.user = str(data.get("user_id") or self.user)
        self.bot = str(data.get("bot_id") or self.bot)
        scopes = headers.get("x-oauth-scopes", "").split(",")
        return frozenset(filter(None, (scope.strip() for scope in scopes)))

    async def scopes(self) -> frozenset[str]:
        """The scopes that the token has. Raises as `call` does."""
        return await self.identify()

    def allows(self, what: str) -> bool:
        """Whether `what` has not been refused lately in this workspace."""
        until = self._refused.get(what)
        if until is None:
            return True
        if until > self.clock():
            return False
        del self._refused[what]
        return True

    def disallow(self, what: str, seconds: float) -> None:
        """Do not try `what` in this workspace for so long."""
        self._refused[what] = self.clock() + seconds

    def pace(self) -> None:
        """Take one of the times that growing text may be sent in this workspace. Raises `Later` where none is left.

        All streams share the hundred calls of chat.appendStream in a minute; what ends an answer does not wait.
        """
        now, (left, then) = self.clock(), self._words
        left = min(float(_APPENDS), left + (now - then) * _APPENDS / 60)
        self._words = (left, now)
        if left < 1:
            raise Later((1 - left) * 60 / _APPENDS)
        self._words = (left - 1, now)

    # --- files -----------------------------------------------------------------------------------------------

    async def put(self, name: str, data: bytes, *, alt: str = "", timeout: float = 120) -> str:
        """Give Slack a file that nobody sees before it is shared; its id. Raises as `call` does."""
        begun = await self.call(
            "files.getUploadURLExternal", filename=name, length=len(data), alt_txt=alt or None, tries=TRIES
        )
        url, file = str(begun.get("upload_url", "")), str(begun.get("file_id", ""))
        await self._wire.put(url, data, timeout)
        return file

    async def upload(
        self, channel: str, thread: str, name: str, data: bytes, *, comment: str = "", alt: str = ""
    ) -> str:
        """Share a file in a thread, `comment` (mrkdwn) above it; its id. Raises as `call` does."""
        file = await self.put(name, data, alt=alt)
        await self.share(channel, thread, [file], comment=comment)
        return file

    async def share(self, channel: str, thread: str, files: list[str], *, comment: str = "") -> None:
        """Show uploaded files in one message of a thread. Raises as `call` does."""
        await self.call(
            "files.completeUploadExternal",
            files=[{"id": file} for file in files],
            channel_id=channel,
            thread_ts=thread or None,
            initial_comment=comment or None,
        )

    async def download(self, url: str, *, limit: int) -> bytes:
        """A file of at most `limit` bytes from Slack. Raises `Gone` where it cannot be had, `Unavailable`."""
        return await self._wire.get(url, limit)

    # --- rate limits -----------------------------------------------------------------------------------------

    async def _request(
        self, key: tuple[str, str], params: Mapping[str, Any], timeout: float
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        try:
            return await self._wire.request(key[0], params, timeout)
        except Limited as limited:
            self._close(key, limited.seconds)
            raise Later(limited.seconds) from None
        except Refused as refused:
            if refused.error == "missing_scope" and refused.needed not in self._missing:
                self._missing.add(refused.needed)
                _log.warning("slack.scope_missing", team=self.team, scope=refused.needed, method=key[0])
            raise

    def _check(self, key: tuple[str, str]) -> None:
        wait = self._closed.get(key, 0.0) - self.clock()
        if wait > 0:
            raise Later(wait)
        self._closed.pop(key, None)

    def _close(self, key: tuple[str, str], seconds: float) -> None:
        now = self.clock()
        if len(self._closed) >= _CLOSED:
            self._closed = {other: until for other, until in self._closed.items() if until > now}
        if len(self._closed) < _CLOSED:
            self._closed[key] = now + seconds


class Clients:
    """The client of each workspace, over one pool of connections.

    `installations` are those of an app that many workspaces install; a single token serves beside it or alone.
    """

    def __init__(
        self,
        credentials: Credentials,
        installations: Installations | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._credentials = credentials
        self._installations = installations
        self._clock = clock
        self._sleep = sleep
        self._pool: aiohttp.ClientSession | None = None
        self._over = False
        self._first: Client | None = None
        self._first_lock = asyncio.Lock()
        self._known: dict[str, Client] = {}

    async def of(self, team: str, enterprise: str = "") -> Client:
        """The client of a workspace. Raises `Gone` where the app is not installed there, and `Unavailable`."""
        if self._installations is None:
            first = await self.first()
            if first is None:
                raise Gone("Slack's credentials are not set")
            return first
        installed = await self._installations.get(team, enterprise)
        if installed is None:
            first = await self.first()
            if first is None or first.team != team:
                raise Gone(f"the app is not installed in {team}")
            return first
        token = installed.token.get_secret_value()
        known = self._known.get(team)
        if known is None or known.token != token:
            if len(self._known) >= _CLIENTS:
                self._known.pop(next(iter(self._known)))
            known = self._known[team] = self._make(token, team, installed.user, installed.bot)
        return known

    async def first(self) -> Client | None:
        """The client of the single token, whose ids are asked for once; None where there is no such token.

        Raises `Unavailable`, `Gone`.
        """
        if not self._credentials.token:
            return None
        async with self._first_lock:
            if self._first is None:
                client = self._make(self._credentials.token)
                try:
                    await client.identify()
                except Refused as error:
                    raise Unavailable(str(error)) from None
                self._first = client
            return self._first

    def session(self) -> aiohttp.ClientSession:
        """The pool, which knows the environment's proxy. Raises `Unavailable` once it is closed."""
        if self._over:
            raise Unavailable("the connections to Slack are closed")
        if self._pool is None:
            self._pool = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=bool(getproxies()),
            )
        return self._pool

    async def close(self) -> None:
        """End every connection, for good. Raises nothing."""
        self._over = True
        if self._pool is not None:
            await self._pool.close()

    def _make(self, token: str, team: str = "", user: str = "", bot: str = "") -> Client:
        return Client(
            token,
            base_url=self._credentials.base_url,
            session=self.session,
            team=team,
            user=user,
            bot=bot,
            clock=self._clock,
            sleep=self._sleep,
        )
