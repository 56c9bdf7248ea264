"""How fast and how much: rate limits, requests at once, and budgets in money, kept in Redis for all replicas."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import AfterValidator, BeforeValidator, Field
from redis.asyncio import Redis

from bot.api import Incoming, Person, Place, Usage
from bot.errors import ParleyError
from bot.keys import Keys, reaching
from bot.prices import MICRO
from bot.settings import Block
from bot.usage import KEPT, MODELS, PEOPLE, Period, group_name, person_name, stamp, until_next

HOLD = 900.0
"""Seconds after which what a crash left set aside is free again; an answer under way may take longer."""

FLOOD = 5
"""A person may send so many times as many messages of any kind (commands, too) as `RATE_LIMIT` allows questions."""

CALM = 30
"""So many messages at once are no flood, nor is one every two seconds, however few questions are allowed."""

_CHARGED = 86_400_000  # ms for which a message's second attempt is known as such
_UNITS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
}
_RATE = re.compile(r"([0-9]{1,6})\s*/\s*([0-9]{1,4})?\s*([a-z]+)", re.IGNORECASE)

Bound = Literal["person_day", "person_month", "group_day", "total_day", "total_month"]
BOUNDS: tuple[Bound, ...] = ("person_day", "person_month", "group_day", "total_day", "total_month")


def amount(text: str) -> int:
    """Micro-units of an amount as people write it: `0.50`. Raises `ValueError`."""
    match = re.fullmatch(r"[0-9]{1,9}(?:[.,][0-9]{1,6})?", text.strip())
    if match is None:
        raise ValueError("write an amount such as 0.50")
    return int(Decimal(match[0].replace(",", ".")) * MICRO)


def _money(value: object) -> object:
    return amount(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds, at once or spread; 0 is no limit."""

    count: int
    seconds: float

    @classmethod
    def read(cls, text: str) -> Rate:
        """`20/min`, `5/10s`, `100/h`, or `off`. Raises `ValueError`."""
        if text.strip().lower() in ("off", "0", "none"):
            return cls(0, 1)
        match = _RATE.fullmatch(text.strip())
        if match is None or match[3].lower() not in _UNITS or not int(match[1]) or match[2] == "0":
            raise ValueError("write a rate such as 20/min, 5/10s or 100/h, or off")
        return cls(int(match[1]), int(match[2] or 1) * _UNITS[match[3].lower()])

    @property
    def interval(self) -> float:
        """Milliseconds from one to the next where they are spread evenly; 0 for no limit."""
        return self.seconds * 1000 / self.count if self.count else 0


def _rate(text: str) -> str:
    Rate.read(text)
    return text


Money = Annotated[int, BeforeValidator(_money), Field(ge=0)]
"""Micro-units, written `0.50`."""


class LimitSettings(Block):
    """Limits and money"""

    rate_limit: Annotated[str, AfterValidator(_rate)] = Field(
        "20/min", description="How many questions a person may ask: 20/min, 5/10s, 100/h, or off."
    )
    person_concurrency: int = Field(
        3, ge=0, description="How many questions of one person are answered at the same time; 0: any number."
    )
    budget_person_day: Money | None = Field(
        None,
        description="What one person may cost a day (UTC), in the currency of the prices (USD). Unset: no bound.",
    )
    budget_person_month: Money | None = Field(None, description="The same for a month.")
    budget_group_day: Money | None = Field(
        None, description="What all people of one group may cost there a day."
    )
    budget_total_day: Money | None = Field(None, description="What everybody together may cost a day.")
    budget_total_month: Money | None = Field(None, description="The same for a month.")
    prices_file: Path | None = Field(
        None, description="A TOML file with prices of your own, over those that are shipped."
    )

    examples = MappingProxyType(
        {
            "BUDGET_PERSON_DAY": "0.50",
            "BUDGET_PERSON_MONTH": "5.00",
            "BUDGET_GROUP_DAY": "2.00",
            "BUDGET_TOTAL_DAY": "10.00",
            "BUDGET_TOTAL_MONTH": "100.00",
            "PRICES_FILE": "prices.toml",
        }
    )


class Limited(ParleyError):
    """A limit is reached. `key` is what the person is told; `wait` are seconds until it opens again, 0: unknown."""

    user_key = "limit.reached"

    def __init__(self, key: str, *, wait: float = 0, **values: str | int) -> None:
        super().__init__(key, **values)
        self.key = key
        self.wait = wait


class BudgetSpent(Limited):
    """A budget is used up until `wait` seconds from now."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What is set aside for a running request.

    `granted` are micro-units; `limited`: some budget bounds it; `asked`: a person did, not the bot of itself.
    """

    id: str
    token: str
    attempt: int
    person: str
    group: str
    granted: int
    limited: bool
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands, in micro-units."""

    bound: Bound
    spent: int
    limit: int


class Limits:
    """All limits. Every call raises `StoreAway`.

    `clock` is the time of day; `tokens` make names that never come twice.
    """

    def __init__(
        self,
        settings: LimitSettings,
        redis: Redis,
        keys: Keys,
        *,
        clock: Callable[[], float] = time.time,
        tokens: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self._rate = Rate.read(settings.rate_limit)
        self._running = settings.person_concurrency
        given = (getattr(settings, f"budget_{bound}") for bound in BOUNDS)
        self._limits = tuple(-1 if limit is None else int(limit) for limit in given)
        self._redis = redis
        self._keys = keys
        self._clock = clock
        self._tokens = tokens
        holds = _lua("_holds")
        self._reserve = redis.register_script(holds + _lua("reserve"))
        self._settle = redis.register_script(holds + _lua("settle"))
        self._flood = redis.register_script(_lua("flood"))

    async def reserve(
        self, message: Incoming, *, want: int, least: int, attempt: int = 1, purpose: str = ""
    ) -> Hold:
        """Set aside up to `want` micro-units for one request, or less where a budget has no more, but `least`.

        Another request for the same message and `purpose` takes the place of one that a crash left. Free requests
        (`want` 0) count for the rate and the number at once only, those with a purpose for the budgets only. Raises
        `Limited` and `BudgetSpent`.
        """
        keys, now = self._keys, self._clock()
        person, group = person_name(message.place, message.person), group_name(message.place)
        id, token = f"{message.key}#{purpose}", self._tokens()
        bounded = (keys.tally(*scope) for scope in self._scopes(person, group, now))
        found: list[Any]
        asked = not purpose  # what the bot does of itself is not the person's haste
        async with reaching():
            found = await self._reserve(
                keys=[keys.holds, keys.hold, keys.held, keys.charged(id), keys.rate(person), keys.budgets, *bounded],
                args=[
                    round(now * 1000), id, token, want, least, person, group, round(HOLD * 1000),
                    self._running * asked, f"{self._rate.interval * asked:.3f}", self._rate.count, _CHARGED,
                    *self._limits, int(asked),
                ],
            )  # fmt: skip
        if found[0] != "granted":
            raise self._refusal(found, now)
        return Hold(id, token, attempt, person, group, int(found[1]), bool(found[2]), asked)

    async def settle(self, hold: Hold, cost: int, usage: Usage, model: str) -> list[Standing]:
        """Count what a request did cost, and give back the rest; the budgets of which little is left since now.

        Doing it twice changes nothing. All zeros: it never came to anything.
        """
        keys, now = self._keys, self._clock()
        tallies = [keys.tally(*scope) for scope in self._scopes(hold.person, hold.group, now)]
        day, month = stamp("day", now), stamp("month", now)
        found: Sequence[Sequence[Any]]
        async with reaching():
            found = await self._settle(
                keys=[
                    keys.holds, keys.hold, keys.held, keys.charged(hold.id), keys.budgets, *tallies,
                    keys.people(day), keys.people(month), keys.tally(f"group:{hold.group}", month),
                ],
                args=[
                    round(now * 1000), hold.id, hold.token, hold.attempt, cost, usage.prompt, usage.completion,
                    model[:100], hold.person, hold.group, KEPT["day"], KEPT["month"], PEOPLE, MODELS, _CHARGED,
                    *self._limits, int(hold.asked),
                ],
            )  # fmt: skip
        return [Standing(BOUNDS[number - 1], int(spent), int(limit)) for number, spent, limit in found]

    async def flooding(self, place: Place, person: Person) -> tuple[float, bool]:
        """Seconds for which a person sends too much (0: they do not), and whether they are to be told so now."""
        if not self._rate.count:
            return 0, False
        key = self._keys.flood(person_name(place, person))
        async with reaching():
            wait, tell = await self._flood(
                keys=[key, f"{key}:told"],
                args=[
                    round(self._clock() * 1000),
                    f"{min(self._rate.interval / FLOOD, 60_000 / CALM):.3f}",
                    max(self._rate.count * FLOOD, CALM),
                ],
            )
        return int(wait) / 1000, bool(tell)

    # --- budgets --------------------------------------------------------------------------------------------

    async def standings(self, place: Place, person: Person) -> list[Standing]:
        """How every budget stands that bounds a person's requests in a place."""
        name, group, now = person_name(place, person), group_name(place), self._clock()
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hmget(self._keys.budgets, [f"{name}:day", f"{name}:month"])
            for scope in self._scopes(name, group, now):
                pipeline.hget(self._keys.tally(*scope), "cost")
            own, *spent = await pipeline.execute()
        limits = [
            int(mine) if mine else limit
            for mine, limit in zip((*own, None, None, None), self._limits, strict=True)
        ]
        return [
            Standing(bound, int(cost or 0), limit)
            for bound, cost, limit in zip(BOUNDS, spent, limits, strict=True)
            if limit >= 0 and (group or bound != "group_day")
        ]

    async def budgets(self) -> Mapping[str, int]:
        """The budgets of single people: `<name>:day` or `<name>:month` → micro-units, -1 for no bound."""
        found: Any
        async with reaching():
            found = await self._redis.hgetall(self._keys.budgets)
        return {name: int(limit) for name, limit in sorted(found.items())}

    async def set_budget(self, name: str, period: Period, limit: int | None) -> None:
        """Give a person a budget of their own (-1: no bound); None: that of the settings again."""
        async with reaching():
            if limit is None:
                await self._redis.hdel(self._keys.budgets, f"{name}:{period}")
            else:
                await self._redis.hset(self._keys.budgets, f"{name}:{period}", str(limit))

    def default(self, bound: Bound) -> int | None:
        """The budget of the settings; None where there is none."""
        limit = self._limits[BOUNDS.index(bound)]
        return None if limit < 0 else limit

    def _scopes(self, person: str, group: str, now: float) -> list[tuple[str, str]]:
        """Scope and period of the tallies that the five budgets bound."""
        names = {"person": f"person:{person}", "group": f"group:{group}", "total": "total"}
        parts = (bound.split("_") for bound in BOUNDS)
        return [(names[scope], stamp(_period(period), now)) for scope, period in parts]

    def _refusal(self, found: Sequence[Any], now: float) -> Limited:
        match found:
            case ["running"]:
                return Limited("limit.running", count=self._running)
            case ["rate", wait]:
                return Limited("limit.rate", wait=int(wait) / 1000)
            case ["spent", number]:
                bound = BOUNDS[number - 1]
                return BudgetSpent(f"budget.{bound}", wait=until_next(_period(bound.split("_")[1]), now))
            case _:
                return Limited("budget.held")


def _period(text: str) -> Period:
    return "day" if text == "day" else "month"


def span(say: Callable[..., str], seconds: float) -> str:
    """A time from now in the person's words: seconds, minutes, hours or days, rounded up."""
    for unit, size, most in (("seconds", 1, 90), ("minutes", 60, 90 * 60), ("hours", 3600, 48 * 3600)):
        if seconds <= most:
            return say(f"span.{unit}", count=max(1, -int(-seconds // size)))
    return say("span.days", count=-int(-seconds // 86400))


def _lua(name: str) -> str:
    return (files("bot") / f"{name}.lua").read_text(encoding="utf-8")
