"""Who is at the other end: signed sessions without a table, and how often a password may be tried."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import deque
from collections.abc import Callable

from bot.api import Store

COOKIE = "parley_session"
LIFETIME = 365 * 86400
"""Seconds for which a session is valid; opening the page renews it."""

_KEY = "session-key"
_TOKEN = re.compile(r"([0-9a-f]{32})\.(\d{1,12})\.([0-9a-f]{64})")


class Sessions:
    """Issues and checks tokens `<id>.<issued>.<HMAC-SHA256>`.

    The key is made once and kept in the store, so every replica knows the sessions of the others. The
    password is part of what is signed: whoever changes it signs everyone out.
    """

    def __init__(
        self,
        store: Store,
        password: str | None,
        *,
        clock: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._password = password
        self._clock = clock
        self._random = random
        self._key: bytes | None = None

    @property
    def closed(self) -> bool:
        """Whether a password is needed."""
        return self._password is not None

    def opens(self, password: str) -> bool:
        """Whether this is the password, or none is needed. Takes the same time for every wrong one."""
        if self._password is None:
            return True
        return hmac.compare_digest(_digest(password), _digest(self._password))

    async def issue(self, session: str | None = None) -> str:
        """A token for `session`, or for a new one. Raises `Unavailable`."""
        session = session or self._random(16).hex()
        issued = int(self._clock())
        return f"{session}.{issued}.{await self._sign(session, issued)}"

    async def verify(self, token: str) -> str | None:
        """The session of a token of ours that is still valid. Raises `Unavailable`."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        session, issued = found[1], int(found[2])
        genuine = hmac.compare_digest(await self._sign(session, issued), found[3])
        return session if genuine and self._clock() < issued + LIFETIME else None

    async def _sign(self, session: str, issued: int) -> str:
        if self._key is None:
            await self._store.put(_KEY, self._random(32).hex(), absent=True)
            self._key = bytes.fromhex(await self._store.get(_KEY) or "")
        secret = hmac.digest(self._key, (self._password or "").encode(), "sha256")
        return hmac.new(secret, f"{session}.{issued}".encode(), "sha256").hexdigest()


class Attempts:
    """At most `limit` attempts within `window` seconds for each address."""

    def __init__(
        self,
        limit: int = 10,
        window: float = 60,
        *,
        addresses: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._window = window
        self._addresses = addresses
        self._clock = clock
        self._made: dict[str, deque[float]] = {}

    def allow(self, address: str) -> bool:
        """Note an attempt, and whether it may be made. The address silent for longest is forgotten first."""
        made = self._made.pop(address, deque[float]())
        self._made[address] = made
        if len(self._made) > self._addresses:
            del self._made[next(iter(self._made))]
        now = self._clock()
        while made and made[0] <= now - self._window:
            made.popleft()
        if len(made) >= self._limit:
            return False
        made.append(now)
        return True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
