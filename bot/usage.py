"""The tallies of what was used: by person, group and model, by day and month (UTC)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from redis.asyncio import Redis

from bot.api import Person, Place
from bot.keys import Keys, reaching

Period = Literal["day", "month"]
PERIODS: tuple[Period, ...] = ("day", "month")

KEPT: Mapping[Period, int] = {"day": 40 * 86400, "month": 400 * 86400}
"""Seconds for which the tallies of a day and of a month are kept."""

PEOPLE = 2000
"""People that one period's tallies can be listed of; beyond it the longest silent are left out of lists."""

MODELS = 100
"""Models that one period's tallies tell apart; the rest are taken together."""

_PAGE = 200


def person_name(place: Place, person: Person) -> str:
    """A person's name across platforms, as it stands in the settings."""
    return f"{place.platform}:{person.id}"


def group_name(place: Place) -> str:
    """A group's name across platforms; empty in private."""
    return f"{place.platform}:{place.chat}" if place.kind == "group" else ""


def stamp(period: Period, now: float) -> str:
    """The day or the month of a time, in UTC: `2026-11-21`, `2026-11`."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d" if period == "day" else "%Y-%m")


def until_next(period: Period, now: float) -> float:
    """Seconds until the next day or month begins, in UTC."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    following = today + timedelta(days=1) if period == "day" else (today.replace(day=1) + timedelta(days=32))
    return (following if period == "day" else following.replace(day=1)).timestamp() - now


@dataclass(frozen=True, slots=True)
class Tally:
    """What was used: answered requests, tokens, money in micro-units, good and bad words about answers."""

    requests: int = 0
    prompt: int = 0
    completion: int = 0
    cost: int = 0
    good: int = 0
    bad: int = 0
    models: Mapping[str, Tally] = field(default_factory=dict)


_COUNTED = ("requests", "prompt", "completion", "cost", "good", "bad")


class Usages:
    """The tallies in Redis. A scope is `total`, `person:<name>` or `group:<name>`. All calls raise `StoreAway`.

    They are written by `Limits.settle`, together with what is owed. `clock` is the time of day.
    """

    def __init__(self, redis: Redis, keys: Keys, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._keys = keys
        self._clock = clock

    async def tally(self, scope: str, period: Period) -> Tally:
        """What `scope` used in the present day or month; `total` by models, too."""
        found: Any
        async with reaching():
            found = await self._redis.hgetall(self._keys.tally(scope, stamp(period, self._clock())))
        return _tally(found)

    async def count(self, period: Period) -> int:
        """How many people used anything in the present day or month."""
        async with reaching():
            return int(await self._redis.zcard(self._keys.people(stamp(period, self._clock()))))

    async def people(self, period: Period) -> list[tuple[str, Tally]]:
        """Everybody who used anything in the present day or month, dearest first."""
        when = stamp(period, self._clock())
        names: Any
        async with reaching():
            names = await self._redis.zrange(self._keys.people(when), 0, -1)
        found: list[tuple[str, Tally]] = []
        for start in range(0, len(names), _PAGE):
            page = names[start : start + _PAGE]
            async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
                for name in page:
                    pipeline.hgetall(self._keys.tally(f"person:{name}", when))
                tallies = [_tally(values) for values in await pipeline.execute()]
            found += zip(page, tallies, strict=True)
        return sorted(found, key=lambda each: (-each[1].cost, -each[1].requests, each[0]))

    async def rate(self, place: Place, person: Person, *, good: bool) -> None:
        """Count a good or a bad word about an answer."""
        now = self._clock()
        async with reaching(), self._redis.pipeline(transaction=True) as pipeline:
            for scope in ("total", f"person:{person_name(place, person)}"):
                for period in PERIODS:
                    key = self._keys.tally(scope, stamp(period, now))
                    pipeline.hincrby(key, "good" if good else "bad", 1)
                    pipeline.expire(key, KEPT[period])
            await pipeline.execute()

    async def forget(self, place: Place, person: Person) -> None:
        """Take a person out of the lists; what they cost stays counted: budgets are not got round so."""
        now, name = self._clock(), person_name(place, person)
        async with reaching():
            for period in PERIODS:
                await self._redis.zrem(self._keys.people(stamp(period, now)), name)


def _tally(stored: Mapping[str, str]) -> Tally:
    models: dict[str, dict[str, int]] = {}
    for name, value in stored.items():
        if name.startswith("model:"):
            model, _, what = name.removeprefix("model:").rpartition(":")
            models.setdefault(model, {})[what] = int(value)
    counts = _counts({name: int(value) for name, value in stored.items() if name in _COUNTED})
    return replace(counts, models={name: _counts(found) for name, found in models.items()})


def _counts(found: Mapping[str, int]) -> Tally:
    requests, prompt, completion, cost, good, bad = (found.get(name, 0) for name in _COUNTED)
    return Tally(requests, prompt, completion, cost, good, bad)
