"""Tallies: periods begin when it is said, and nothing that is counted is kept for ever."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.api import Person, Place
from bot.keys import Keys
from bot.usage import KEPT, Usages, stamp, until_next

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
ANN = Place("chat", "bot", "1"), Person("1")


@given(st.integers(0, 4_000_000_000), st.sampled_from(["day", "month"]))
def test_the_next_period_begins_when_it_is_said(now, period):
    left = until_next(period, now)
    assert 0 < left <= (86400 if period == "day" else 31 * 86400)
    assert stamp(period, now + left) != stamp(period, now) == stamp(period, now + left - 1)


async def test_words_about_answers_are_counted_and_kept_for_a_while(redis: Redis, prefix: str):
    usages = Usages(redis, Keys(prefix), clock=lambda: NOON)
    await usages.rate(*ANN, good=True)
    await usages.rate(*ANN, good=True)
    await usages.rate(*ANN, good=False)
    for scope in ("total", "person:chat:1"):
        for period in ("day", "month"):
            tally = await usages.tally(scope, period)  # type: ignore[arg-type]
            assert (tally.good, tally.bad, tally.requests) == (2, 1, 0)
    keys = [key async for key in redis.scan_iter(f"{prefix}*")]
    assert len(keys) == 4
    for key in keys:
        assert 0 < await redis.ttl(key) <= max(KEPT.values())
