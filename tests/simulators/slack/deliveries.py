"""How events, commands and interactions reach the app: by WebSocket or by signed HTTP, again where nobody answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp
from slack_sdk.signature import SignatureVerifier

from tests.simulators.slack.sockets import Connection

if TYPE_CHECKING:
    from tests.simulators.slack.simulator import SlackSimulator

_KEPT = (
    360.0  # seconds for which an event waits where nobody is connected: the last retry is after five minutes
)


@dataclass(slots=True)
class Try:
    """One attempt. `outcome` is acknowledged, http_timeout, http_error, connection_failed, timeout or closed."""

    time: float
    via: str
    outcome: str = ""
    status: int = 0


@dataclass(eq=False)
class Delivery:
    """Something that the app is told. `over` is set when it was acknowledged or given up."""

    kind: str
    payload: dict[str, Any] = field(repr=False)
    time: float
    tries: list[Try] = field(default_factory=list)
    acknowledged: bool = False
    body: Any = None
    over: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    then: Callable[[Any], None] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The event's type, or what kind of interaction it is."""
        event = self.payload.get("event", {})
        return str(event.get("type") or self.payload.get("type") or self.payload.get("command"))

    @property
    def lost(self) -> bool:
        """Whether Slack has given it up."""
        return self.over.is_set() and not self.acknowledged


class Deliveries:
    """Everything that the app was told, in order."""

    def __init__(self, sim: SlackSimulator) -> None:
        self._sim = sim
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: aiohttp.ClientSession | None = None
        self.all: deque[Delivery] = deque(maxlen=100_000)
        self.url = ""
        self.secret = ""

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def of(self, name: str) -> list[Delivery]:
        """Those of one event type or interaction."""
        return [delivery for delivery in self.all if delivery.name == name]

    def add(self, kind: str, payload: dict[str, Any], then: Callable[[Any], None] | None = None) -> Delivery:
        """Start to deliver."""
        delivery = Delivery(kind, payload, self._sim.clock(), then=then)
        self.all.append(delivery)
        self._start(delivery)
        return delivery

    def again(self, delivery: Delivery) -> Delivery:
        """Deliver the same thing once more, as Slack sometimes does although it was acknowledged."""
        return self.add(delivery.kind, delivery.payload)

    async def verify(self, url: str, secret: str) -> None:
        """The url_verification; AssertionError where the challenge does not come back."""
        self.url, self.secret = url, secret
        challenge = uuid4().hex
        body = {"token": "verification", "challenge": challenge, "type": "url_verification"}
        status, answer, _ = await self.post(json.dumps(body), "application/json")
        told = answer.get("challenge") if isinstance(answer, Mapping) else answer
        assert (status, told) == (200, challenge), f"url_verification: {status} {answer!r}"

    async def post(
        self, body: str, kind: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        """POST something signed to the app's address; the status, the body and the headers."""
        stamp = str(int(time.time() - self._sim.skew))  # the app looks at the real time
        signature = SignatureVerifier(self.secret).generate_signature(timestamp=stamp, body=body)
        sent = {
            "Content-Type": kind,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": signature or "",
            **(headers or {}),
        }
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._sim.ack_seconds))
        async with self._client.post(self.url, data=body.encode(), headers=sent) as response:
            text = await response.text()
            if response.content_type == "application/json" and text:
                return response.status, json.loads(text), response.headers
            return response.status, text or None, response.headers

    async def close(self) -> None:
        """Stop everything."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def _start(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            delays = [0.0, *self._sim.retry_delays] if delivery.kind == "events_api" else [0.0]
            connection: Connection | None = None
            for number, delay in enumerate(delays):
                if delay:
                    await asyncio.sleep(delay)
                if self.url:
                    done, more = await self._by_http(delivery, number)
                else:
                    done, more, connection = await self._by_socket(delivery, number, connection)
                if done or not more:
                    break
        finally:
            delivery.over.set()
            self._sim.changed()

    def _done(self, delivery: Delivery, body: Any) -> None:
        delivery.acknowledged, delivery.body = True, body or None
        if delivery.then is not None:
            delivery.then(delivery.body)

    async def _by_http(self, delivery: Delivery, number: int) -> tuple[bool, bool]:
        headers = {}
        if number:
            reason = delivery.tries[-1].outcome
            headers = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}
        attempt = Try(self._sim.clock(), "http")
        delivery.tries.append(attempt)
        body, kind = _form(delivery)
        try:
            attempt.status, answer, told = await self.post(body, kind, headers)
        except TimeoutError:
            attempt.outcome = "http_timeout"
            return False, True
        except aiohttp.ClientError:
            attempt.outcome = "connection_failed"
            return False, True
        if 200 <= attempt.status < 300:
            attempt.outcome = "acknowledged"
            self._done(delivery, answer)
            return True, False
        attempt.outcome = "http_error"
        return False, told.get("X-Slack-No-Retry") != "1"

    async def _by_socket(
        self, delivery: Delivery, number: int, last: Connection | None
    ) -> tuple[bool, bool, Connection | None]:
        event = delivery.kind == "events_api"
        connection = self._sim.sockets.choose(last)
        if connection is None and event:
            await self._sim.until(lambda: self._sim.sockets.choose(last) is not None, None)
            connection = self._sim.sockets.choose(last)
        attempt = Try(self._sim.clock(), f"socket {connection.number if connection else 0}")
        delivery.tries.append(attempt)
        if connection is None or self._sim.clock() - delivery.time > _KEPT:
            attempt.outcome = "connection_failed"
            return False, False, connection
        envelope: dict[str, Any] = {
            "envelope_id": str(uuid4()),
            "payload": delivery.payload,
            "type": delivery.kind,
            "accepts_response_payload": not event,
        }
        if event:
            reason = delivery.tries[-2].outcome if number else ""
            envelope |= {"retry_attempt": number, "retry_reason": reason}
        try:
            async with asyncio.timeout(self._sim.ack_seconds):
                answer = await self._sim.sockets.send(connection, envelope)
        except TimeoutError:
            attempt.outcome = "timeout"
            return False, True, connection
        except ConnectionError:
            attempt.outcome = "closed"
            return False, True, connection
        attempt.outcome = "acknowledged"
        self._done(delivery, answer.get("payload"))
        return True, False, connection


def _form(delivery: Delivery) -> tuple[str, str]:
    if delivery.kind == "events_api":
        return json.dumps(delivery.payload), "application/json"
    form = "application/x-www-form-urlencoded"
    if delivery.kind == "slash_commands":
        return urlencode(delivery.payload), form
    return urlencode({"payload": json.dumps(delivery.payload)}), form
