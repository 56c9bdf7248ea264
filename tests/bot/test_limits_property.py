"""Whatever is asked, answered, lost and asked again, in whatever order: no budget is overrun, no bucket overflows."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.api import Incoming, Person, Place, Usage
from bot.keys import Keys, connect
from bot.limits import HOLD, Hold, Limited, Limits, LimitSettings
from bot.usage import stamp

PERSON_DAY, PERSON_MONTH, GROUP_DAY, TOTAL_DAY, TOTAL_MONTH = 1000, 1500, 1200, 2000, 4000
PEOPLE, GROUPS = ("ann", "bob"), ("", "-1", "-2")
_runs = count()


@dataclass
class Running:
    """A request under way: what it holds, since when, and which message it answers."""

    hold: Hold
    message: Incoming
    until: float


class Model:
    """Real limits beside what they should add up to."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.redis, self.keys, self.now = redis, keys, 1_795_000_000.0
        chosen = {
            "BUDGET_PERSON_DAY": "0.001",
            "BUDGET_PERSON_MONTH": "0.0015",
            "BUDGET_GROUP_DAY": "0.0012",
            "BUDGET_TOTAL_DAY": "0.002",
            "BUDGET_TOTAL_MONTH": "0.004",
            "RATE_LIMIT": "off",
            "PERSON_CONCURRENCY": "0",
        }
        self.limits = Limits(LimitSettings.load(chosen), redis, keys, clock=lambda: self.now)
        self.numbers = count()
        self.running: dict[str, Running] = {}
        self.attempts: dict[str, int] = defaultdict(int)
        self.spent: dict[tuple[str, str], int] = defaultdict(int)
        self.paid: dict[str, tuple[int, int, int]] = {}  # message → attempt, paid by the person, credit

    async def ask(self, person: str, group: str, want: int, least: int) -> None:
        kind = "group" if group else "private"
        place = Place("chat", "bot", group or person, kind=kind)  # type: ignore[arg-type]
        await self._reserve(Incoming(str(next(self.numbers)), place, Person(person)), want, min(want, least))

    async def ask_again(self, which: int, want: int) -> None:
        """A crash, and another worker's attempt at the same message."""
        if self.running:
            await self._reserve(self._pick(which).message, want, want // 2)

    async def settle(self, which: int, part: int) -> None:
        if not self.running:
            return
        one = self._pick(which)
        cost = one.hold.granted * part // 10
        await self.limits.settle(one.hold, cost, Usage(1, 1), "m")
        del self.running[one.message.key]
        self._count(one, cost)

    async def wait(self, seconds: int) -> None:
        self.now += seconds
        self.running = {key: one for key, one in self.running.items() if one.until > self.now}

    async def _reserve(self, message: Incoming, want: int, least: int) -> None:
        self.attempts[message.key] += 1
        self.running.pop(message.key, None)
        try:
            hold = await self.limits.reserve(
                message, want=want, least=least, attempt=self.attempts[message.key]
            )
        except Limited:
            return
        assert least <= hold.granted <= want
        self.running[message.key] = Running(hold, message, self.now + HOLD)

    def _pick(self, which: int) -> Running:
        return list(self.running.values())[which % len(self.running)]

    def _count(self, one: Running, cost: int) -> None:
        attempt, paid, credit = self.paid.get(one.message.key, (0, 0, 0))
        if one.hold.attempt > attempt:
            credit = paid
        due = cost - min(credit, cost)
        self.paid[one.message.key] = (one.hold.attempt, paid + due, credit - min(credit, cost))
        for period in ("day", "month"):
            when = stamp(period, self.now)  # type: ignore[arg-type]
            self.spent[f"person:{one.hold.person}", when] += due
            self.spent["total", when] += cost
            if one.hold.group:
                self.spent[f"group:{one.hold.group}", when] += due

    async def check(self) -> None:
        bounds = {
            "person": (PERSON_DAY, PERSON_MONTH),
            "group": (GROUP_DAY, 1 << 60),
            "total": (TOTAL_DAY, TOTAL_MONTH),
        }
        for (scope, when), spent in self.spent.items():
            stored = await self.redis.hget(self.keys.tally(scope, when), "cost")
            assert int(stored or 0) == spent
            assert spent <= bounds[scope.split(":")[0]][len(when) == len("2026-11")]
        held = await self.redis.hget(self.keys.held, "t")
        assert int(held or 0) >= sum(one.hold.granted for one in self.running.values())


which, money = st.integers(0, 50), st.integers(1, 900)
steps = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(PEOPLE), st.sampled_from(GROUPS), money, money),
    st.tuples(st.just("ask"), st.sampled_from(PEOPLE), st.sampled_from(GROUPS), money, money),
    st.tuples(st.just("ask_again"), which, money),
    st.tuples(st.just("settle"), which, st.integers(0, 10)),
    st.tuples(st.just("settle"), which, st.just(10)),
    st.tuples(st.just("wait"), st.sampled_from((1, 600, 20_000, 86_400))),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(steps, min_size=10, max_size=50))
def test_no_interleaving_overruns_a_budget_or_loses_count(redis_url, interleaving):
    async def run() -> None:
        redis = connect(redis_url)
        try:
            model = Model(redis, Keys(f"budgets{next(_runs)}:"))
            for name, *arguments in interleaving:
                await getattr(model, name)(*arguments)
                await model.check()
            await model.wait(round(HOLD) + 1)  # what crashes left is free again, to the last micro-unit
            await model.ask("ann", "", 1, 1)
            for one in model.running.values():
                assert one.hold.granted == 1
                assert await redis.hgetall(model.keys.held) == {
                    "n:chat:ann": "1",
                    "p:chat:ann": "1",
                    "t": "1",
                }
        finally:
            await redis.aclose()

    asyncio.run(run())


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.integers(1, 30), st.lists(st.integers(0, 20_000), min_size=1, max_size=30))
def test_the_bucket_lets_through_its_burst_and_its_pace_and_never_more(redis_url, burst, seconds, gaps):
    async def run() -> None:
        redis = connect(redis_url)
        now = 1_795_000_000_000  # milliseconds, as Redis is told them
        try:
            chosen = {"RATE_LIMIT": f"{burst}/{seconds}s", "PERSON_CONCURRENCY": "0"}
            limits = Limits(
                LimitSettings.load(chosen), redis, Keys(f"bucket{next(_runs)}:"), clock=lambda: now / 1000
            )
            passed: list[int] = []
            tokens, since = float(burst), now
            for number, gap in enumerate(gaps):
                now += gap
                tokens, since = min(burst, tokens + (now - since) * burst / (seconds * 1000)), now
                message = Incoming(str(number), Place("chat", "bot", "1"), Person("1"))
                wait = await _refused(limits, message)
                if wait:
                    assert tokens < 1 + 1e-3
                    assert abs(wait - (1 - tokens) * seconds / burst) < 0.01
                else:
                    assert tokens > 1 - 1e-3
                    tokens -= 1
                    passed.append(now)
            for start in range(len(passed)):
                for end in range(start, len(passed)):
                    span = passed[end] - passed[start]
                    assert end - start + 1 <= burst + span * burst / (seconds * 1000) + 1e-3
        finally:
            await redis.aclose()

    asyncio.run(run())


async def _refused(limits: Limits, message: Incoming) -> float:
    """Seconds to wait, 0 where the message goes through."""
    try:
        await limits.reserve(message, want=0, least=0)
    except Limited as limited:
        return limited.wait
    return 0
