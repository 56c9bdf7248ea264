"""Telegram's flood control: a message a second for a chat, twenty a minute for a group, thirty a second in all."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.telegram.schema import Refused

_COUNTED = frozenset(
    [
        "sendmessage",
        "sendphoto",
        "sendvoice",
        "sendaudio",
        "senddocument",
        "sendvideo",
        "sendmediagroup",
        "sendrichmessage",
        "editmessagetext",
        "editmessagecaption",
        "editmessagemedia",
        "editmessagereplymarkup",
    ]
)


@dataclass(slots=True)
class _Bucket:
    rate: float
    size: float
    level: float
    time: float

    def take(self, now: float, cost: float) -> float:
        """Seconds until there is enough; 0 where it was taken."""
        self.level = min(self.size, self.level + (now - self.time) * self.rate)
        self.time = now
        if self.level < cost:
            return (cost - self.level) / self.rate
        self.level -= cost
        return 0.0


@dataclass(slots=True)
class Flood:
    """Limits of sends and edits. Whoever goes over is refused for `retry_after` seconds, whatever is sent.

    `retry_after` overrides the seconds that are told; a penalty lasts `scale` seconds of the clock for each.
    `drafts` limits sendMessageDraft (a second, for a chat), of which no limit is published.
    """

    per_second: float = 1.0
    burst: int = 3
    group_per_minute: int = 20
    overall: float = 30.0
    drafts: float | None = None
    retry_after: int | None = None
    scale: float = 1.0
    refused: int = 0
    _buckets: dict[tuple[str, int], _Bucket] = field(default_factory=dict, repr=False)
    _until: dict[int, float] = field(default_factory=dict, repr=False)

    def check(self, method: str, chat: int, group: bool, clock: Callable[[], float], cost: int = 1) -> None:
        """Count a request; raises `Refused` 429 over the limit and while its penalty lasts."""
        name, now = method.lower(), clock()
        if name in _COUNTED:
            limits = [
                ("chat", chat, self.per_second, float(self.burst)),
                ("all", 0, self.overall, self.overall),
            ]
            if group:
                limits.append(("group", chat, self.group_per_minute / 60, float(self.group_per_minute)))
        elif name.endswith("draft") and self.drafts is not None:
            limits = [("draft", chat, self.drafts, max(1.0, self.drafts))]
        else:
            return
        if (left := self._until.get(chat, 0.0) - now) > 0:
            self._refuse(max(1, math.ceil(left / self.scale)))
        waits = [
            self._buckets.setdefault((kind, id), _Bucket(rate, size, size, now)).take(now, min(cost, size))
            for kind, id, rate, size in limits
        ]
        if (wait := max(waits)) > 0:
            told = self.retry_after or max(1, math.ceil(wait))
            self._until[chat] = now + told * self.scale
            self._refuse(told)

    def _refuse(self, seconds: int) -> None:
        self.refused += 1
        parameters: dict[str, Any] = {"retry_after": seconds}
        raise Refused(429, f"Too Many Requests: retry after {seconds}", parameters)
