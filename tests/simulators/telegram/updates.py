"""The updates that wait for the bot: long polling and the webhook, with Telegram's order and patience."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiogram.types import Update

from tests.simulators.telegram.schema import Refused, bad, checked

KINDS = frozenset(set(Update.model_fields) - {"update_id"})
_ON_DEMAND = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """An update that is not confirmed."""

    id: int
    lane: str
    expires: float
    document: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where updates are posted."""

    url: str
    secret: str | None = None
    max_connections: int = 40
    ip: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try to deliver; the status is None where no answer came."""

    update_id: int
    lane: str
    status: int | None
    time: float


class Updates:
    """The queue. `backoff` gives the seconds to wait after so many failures of one update."""

    def __init__(self, clock: Callable[[], float], backoff: Callable[[int], float]) -> None:
        self._clock = clock
        self._backoff = backoff
        self._next = 714_000_001
        self._waiting: dict[int, Waiting] = {}
        self._allowed: frozenset[str] | None = None
        self._poller: asyncio.Future[str] | None = None
        self._arrived = asyncio.Event()
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._connections = asyncio.Semaphore(40)
        self._http: aiohttp.ClientSession | None = None
        self._last_error: tuple[int, str] | None = None
        self.webhook: Webhook | None = None
        self.deliveries: deque[Delivery] = deque(maxlen=100_000)
        self.answered: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None
        self.on_delivery: Callable[[], None] = lambda: None

    @property
    def pending(self) -> list[Waiting]:
        """What is not confirmed, oldest first."""
        self._forget_the_old()
        return list(self._waiting.values())

    def put(self, kind: str, document: dict[str, Any], lane: str, life: float = _DAY) -> int | None:
        """Queue an update; returns its id, or None where the bot does not want this kind."""
        allowed = KINDS - _ON_DEMAND if self._allowed is None else self._allowed
        if kind not in allowed:
            return None
        id, self._next = self._next, self._next + 1
        update = checked(Update, {"update_id": id, kind: document})
        self.resend(Waiting(id, lane, self._clock() + life, update))
        return id

    def resend(self, update: Waiting) -> None:
        """Put an update there, perhaps once more, as Telegram does when it doubts that it arrived."""
        self._waiting[update.id] = update
        if update.id < next(reversed(self._waiting)):
            self._waiting = dict(sorted(self._waiting.items()))
        self._arrived.set()
        self._arrived = asyncio.Event()
        if self.webhook is not None:
            self._deliver(update.lane)

    def skip(self, number: int = 1000) -> None:
        """Leave a gap in the ids, as after a week of silence."""
        self._next += number

    # --- long polling ---

    async def get(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """getUpdates. Raises `Refused` 409 where a webhook is set or another request takes its place."""
        if self.webhook is not None:
            raise Refused(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the "
                "webhook first",
            )
        self._want(given.get("allowed_updates"))
        self._end_poll(
            "terminated by other getUpdates request; make sure that only one bot instance is running"
        )
        mine: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._poller = mine
        try:
            return await self._poll(given, mine)
        finally:
            if self._poller is mine:
                self._poller = None

    async def _poll(self, given: Mapping[str, Any], mine: asyncio.Future[str]) -> list[dict[str, Any]]:
        limit = min(100, max(1, given.get("limit") or 100))
        deadline = time.monotonic() + min(50, max(0, given.get("timeout") or 0))
        self._confirm(given.get("offset") or 0)
        while not (ready := self.pending[:limit]) and (left := deadline - time.monotonic()) > 0:
            arrived = asyncio.ensure_future(self._arrived.wait())
            both: set[asyncio.Future[Any]] = {mine, arrived}
            try:
                await asyncio.wait(both, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                arrived.cancel()
            if mine.done():
                raise Refused(409, f"Conflict: {mine.result()}")
        return [update.document for update in ready]

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            for id in list(self._waiting)[:offset]:
                del self._waiting[id]
        for id in [id for id in self._waiting if 0 < offset > id]:
            del self._waiting[id]

    def _end_poll(self, reason: str) -> None:
        if self._poller is not None and not self._poller.done():
            self._poller.set_result(reason)

    def _want(self, allowed: list[str] | None) -> None:
        if allowed is None:
            return  # what was said before holds
        if unknown := set(allowed) - KINDS:
            raise bad(f"unknown allowed_updates {sorted(unknown)}")  # the real one passes over them
        self._allowed = frozenset(allowed) or None

    def _forget_the_old(self) -> None:
        now = self._clock()
        for id in [id for id, update in self._waiting.items() if update.expires <= now]:
            del self._waiting[id]

    # --- webhook ---

    def set_webhook(self, given: Mapping[str, Any]) -> None:
        """setWebhook and, with an empty URL, deleteWebhook."""
        url = given.get("url") or ""
        if given.get("drop_pending_updates"):
            self._waiting.clear()
        if not url:
            self._stop()
            self.webhook = None
            return
        self._check(url, given.get("secret_token"))
        self._want(given.get("allowed_updates"))
        self._end_poll("terminated by setWebhook request")
        self._stop()
        connections = min(100, max(1, given.get("max_connections") or 40))
        self._connections = asyncio.Semaphore(connections)
        self.webhook = Webhook(url, given.get("secret_token"), connections, given.get("ip_address"))
        for lane in {update.lane for update in self.pending}:
            self._deliver(lane)

    def info(self) -> dict[str, Any]:
        """getWebhookInfo."""
        info: dict[str, Any] = {
            "url": self.webhook.url if self.webhook else "",
            "has_custom_certificate": False,
            "pending_update_count": len(self.pending),
        }
        if self.webhook is not None:
            info |= {
                "max_connections": self.webhook.max_connections,
                "ip_address": self.webhook.ip or "127.0.0.1",
            }
        if self._last_error is not None:
            info |= {"last_error_date": self._last_error[0], "last_error_message": self._last_error[1]}
        if self._allowed is not None:
            info["allowed_updates"] = sorted(self._allowed)
        return info

    async def close(self) -> None:
        """Stop delivering."""
        self._stop()
        self._end_poll("terminated by the end of the simulator")
        if self._http is not None:
            await self._http.close()

    def _check(self, url: str, secret: str | None) -> None:
        parts = urlsplit(url)
        loopback = parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if not loopback and (parts.port or 443) not in {443, 80, 88, 8443}:
            raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        if secret is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise bad("secret token contains unallowed characters")

    def _stop(self) -> None:
        for task in self._lanes.values():
            task.cancel()
        self._lanes.clear()

    def _deliver(self, lane: str) -> None:
        if lane not in self._lanes:
            self._lanes[lane] = asyncio.create_task(self._empty(lane))

    async def _empty(self, lane: str) -> None:
        # One update of a lane is in flight at a time; one that fails holds up its own lane alone.
        failures = 0
        try:
            while (update := self._first(lane)) is not None:
                async with self._connections:
                    delivered = await self._post(update)
                if delivered:
                    self._waiting.pop(update.id, None)
                    failures = 0
                    self.on_delivery()
                else:
                    failures += 1
                    await asyncio.sleep(self._backoff(failures))
        finally:
            if self._lanes.get(lane) is asyncio.current_task():
                del self._lanes[lane]

    def _first(self, lane: str) -> Waiting | None:
        now = self._clock()
        return next((one for one in self._waiting.values() if one.lane == lane and one.expires > now), None)

    async def _post(self, update: Waiting) -> bool:
        assert self.webhook is not None
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60))
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.webhook.secret} if self.webhook.secret else {}
        status, reply, error = None, None, "Connection refused"
        try:
            async with self._http.post(self.webhook.url, json=update.document, headers=headers) as response:
                status, body = response.status, await response.text()
                error = f"Wrong response from the webhook: {response.status} {response.reason}"
                if response.ok and body and "json" in response.content_type:
                    reply = await response.json()
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            error = f"Connection failed: {type(failure).__name__}"
        self.deliveries.append(Delivery(update.id, update.lane, status, self._clock()))
        if status is None or not 200 <= status < 300:
            self._last_error = (int(self._clock()), error)
            return False
        if isinstance(reply, dict) and "method" in reply and self.answered is not None:
            await self.answered(reply)
        return True
