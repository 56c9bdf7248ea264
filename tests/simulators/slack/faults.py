"""What goes wrong by a test's wish: rate limits, broken answers, refusals, answers that never come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from tests.simulators.slack.refusal import Refused

if TYPE_CHECKING:
    from tests.simulators.slack.api import Call
    from tests.simulators.slack.simulator import SlackSimulator

_TIERS = {1: 1, 2: 20, 3: 50, 4: 100}  # calls a minute (docs.slack.dev, rate limits)
_POSTS = 1.0  # chat.postMessage, a second and channel
_BURST = 5


@dataclass(slots=True)
class Fault:
    """`kind` is fail, limit, refuse, hang or lose (the call is carried out, its answer is lost)."""

    kind: str
    times: int
    method: str | None = None
    channel: str | None = None
    status: int = 500
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    def meets(self, call: Call) -> bool:
        """Whether it befalls this call."""
        channel = call.params.get("channel") or call.params.get("channel_id")
        return self.times > 0 and self.method in (None, call.method) and self.channel in (None, channel)


class Faults:
    """The faults that wait for their calls, and the real rates where `slack.rates` is set."""

    def __init__(self, sim: SlackSimulator) -> None:
        self._sim = sim
        self._waiting: list[Fault] = []
        self._spent: dict[tuple[str, ...], tuple[float, float]] = {}
        self._healed = asyncio.Event()

    def add(self, fault: Fault) -> None:
        """Let it befall the next calls that it meets."""
        self._waiting.append(fault)

    def heal(self) -> None:
        """Take all faults away; what hangs is let go and refused."""
        self._waiting.clear()
        self._healed.set()
        self._healed = asyncio.Event()

    async def befall(self, call: Call) -> web.StreamResponse | None:
        """The answer of a call that a fault has met, else None; raises Refused."""
        if any(fault.kind == "lose" and fault.meets(call) for fault in self._waiting):
            return None
        fault = next((fault for fault in self._waiting if fault.meets(call)), None)
        if fault is None:
            return None
        fault.times -= 1
        call.fault = fault.kind
        if fault.kind == "refuse":
            raise Refused(fault.error)
        if fault.kind == "limit":
            raise Refused("ratelimited", status=429, headers=fault.headers)
        if fault.kind == "hang":
            await self._healed.wait()
            raise Refused("fatal_error", status=500)
        call.error, call.status = "fault", fault.status
        return web.Response(status=fault.status, body=fault.body, headers=fault.headers)

    def lost(self, call: Call) -> web.StreamResponse | None:
        """What comes in place of the answer of a call that was carried out, if a fault has met it."""
        fault = next((one for one in self._waiting if one.kind == "lose" and one.meets(call)), None)
        if fault is None:
            return None
        fault.times -= 1
        call.fault = fault.kind
        return web.Response(status=fault.status)

    def pace(self, call: Call, tier: int) -> None:
        """Refuse a call that comes too soon by Slack's own limits; does nothing unless `slack.rates`."""
        if not self._sim.rates:
            return
        now = self._sim.clock()
        key: tuple[str, ...] = (call.team, call.method)
        rate, burst = _TIERS[tier] / 60, float(_TIERS[tier])
        if call.method in {"chat.postMessage", "chat.postEphemeral"}:
            rate, burst, key = _POSTS, float(_BURST), (*key, str(call.params.get("channel")))
        left, then = self._spent.get(key, (burst, now))
        left = min(burst, left + (now - then) * rate)
        if left < 1:
            wait = max(1, round((1 - left) / rate + 0.5))
            raise Refused("ratelimited", status=429, headers={"Retry-After": str(wait)})
        self._spent[key] = (left - 1, now)


class Troubles:
    """What a test asks for by the simulator itself; every fault meets so many of the next calls."""

    faults: Faults

    def limit(
        self, method: str | None = None, *, retry_after: float = 1, times: int = 1, channel: str | None = None
    ) -> None:
        """Let calls be rate limited: 429 with Retry-After."""
        headers = {"Retry-After": f"{retry_after:g}"}
        self.faults.add(Fault("limit", times, method, channel, headers=headers))

    def fail(
        self, times: int = 1, status: int = 500, body: str | bytes = "", *, method: str | None = None
    ) -> None:
        """Let calls be answered with a status and a body, without being carried out."""
        self.faults.add(Fault("fail", times, method, status=status, body=body))

    def lose(self, method: str | None = None, *, times: int = 1, status: int = 502) -> None:
        """Let calls be carried out, but answered with a status: the app cannot know."""
        self.faults.add(Fault("lose", times, method, status=status))

    def refuse(self, method: str | None, error: str, *, times: int = 1, channel: str | None = None) -> None:
        """Let calls be refused with a code."""
        self.faults.add(Fault("refuse", times, method, channel, error=error))

    def hang(self, method: str | None = None, *, times: int = 1) -> None:
        """Let calls get no answer until `heal`; they are not carried out."""
        self.faults.add(Fault("hang", times, method))

    def heal(self) -> None:
        """Take the faults away."""
        self.faults.heal()
