"""All conversations together keep no more pictures than they may, whichever process keeps them."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from bot.attached import Attached
from bot.easel import Easel
from bot.endpoints.images import Source
from bot.kept import Kept
from bot.keys import Keys
from bot.window import Windows


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix)


def room(redis: Redis, keys: Keys, clock: Clock, limit: int = 10_000) -> Attached:
    """What one process has of all the pictures."""
    return Attached(redis, keys, ttl=60, kept=Kept(redis, keys, limit=limit, life=600, clock=clock))


def url(size: int = 1000) -> str:
    return "A" * (size - len("p\n"))


async def seen(attached: Attached, *conversations: str) -> list[str]:
    """Those that still have their picture, without looking at it: that would count as use."""
    return [name for name in conversations if await attached._redis.exists(attached._keys.pictures(name))]


async def test_what_is_still_used_stays_in_the_ledger(redis: Redis, keys: Keys, clock: Clock) -> None:
    attached = room(redis, keys, clock)
    await attached.keep("c", {"p": url()})
    ledger = [keys.kept("order"), keys.kept("sizes")]
    for name in ledger:
        await redis.expire(name, 30)
    await attached.pictures("c", ["p"])
    assert all([await redis.ttl(name) > 300 for name in ledger])


async def test_the_pictures_not_looked_at_for_longest_go_first_whichever_process_keeps_them(
    redis: Redis, keys: Keys, clock: Clock
) -> None:
    one, two = room(redis, keys, clock), room(redis, keys, clock)
    names = [f"c{n}" for n in range(10)]
    for number, name in enumerate(names):
        await (one, two)[number % 2].keep(name, {"p": url()})
    assert await seen(one, *names) == names
    assert await two.pictures("c0", ["p"]) == {"p": url()}
    await one.keep("late", {"p": url()})
    assert await seen(two, *names, "late") == ["c0", *names[3:], "late"]  # a tenth is made free
    assert await two.pictures("c1", ["p"]) == {}


async def test_pictures_that_were_forgotten_or_replaced_do_not_count(
    redis: Redis, keys: Keys, clock: Clock
) -> None:
    attached, windows = room(redis, keys, clock), Windows(redis, keys, ttl=60)
    for n in range(9):
        await attached.keep(f"c{n}", {"p": url()})
    for _ in range(30):
        await attached.keep("c0", {"p": url()})
    await windows.clear("c7")
    await windows.forget("c8", ())
    for n in range(10, 13):
        await attached.keep(f"c{n}", {"p": url()})
    assert len(await seen(attached, *(f"c{n}" for n in range(13)))) == 10


async def test_what_was_drawn_counts_too(redis: Redis, keys: Keys, clock: Clock) -> None:
    kept = Kept(redis, keys, limit=10_000, clock=clock)
    attached, easel = Attached(redis, keys, ttl=60, kept=kept), Easel(redis, keys, kept=kept)
    await attached.keep("old", {"p": url(4000)})
    await easel.put("new", Source(bytes(3000), "image/png"))
    assert await seen(attached, "old") == ["old"]
    await easel.put("newer", Source(bytes(3000), "image/png"))
    assert await seen(attached, "old") == []
    assert await easel.picture("new") is not None
    assert await easel.picture("newer") is not None


async def test_all_pictures_of_a_drawing_count(redis: Redis, keys: Keys, clock: Clock) -> None:
    kept = Kept(redis, keys, limit=10_000, clock=clock)
    attached, easel = Attached(redis, keys, ttl=60, kept=kept), Easel(redis, keys, kept=kept)
    await attached.keep("old", {"p": url(4000)})
    await easel.put("new", Source(bytes(3000), "image/png"), of="m", place=1)
    assert await seen(attached, "old") == ["old"]
    await easel.put("new", Source(bytes(3000), "image/png"), of="m", place=2)
    assert await seen(attached, "old") == []
    assert await easel.drawn("new", "m", 1) is not None


async def test_where_none_may_be_kept_none_is(redis: Redis, keys: Keys, clock: Clock) -> None:
    attached = room(redis, keys, clock, limit=0)
    await attached.keep("c", {"p": url()})
    assert await attached.pictures("c", ["p"]) == {}


async def test_nothing_is_known_any_more_of_what_has_ended(redis: Redis, keys: Keys, clock: Clock) -> None:
    attached = room(redis, keys, clock)
    await attached.keep("ann", {"p": url()})
    clock.now += 601
    await attached.keep("bob", {"p": url()})
    assert await redis.zrange(keys.kept("order"), 0, -1) == [keys.pictures("bob")]
    assert await redis.hgetall(keys.kept("sizes")) == {"": "1000", keys.pictures("bob"): "1000"}
    assert 0 < await redis.ttl(keys.kept("order")) <= 600


async def test_many_at_once_stay_within_the_bound(redis: Redis, keys: Keys, clock: Clock) -> None:
    rooms = [room(redis, keys, clock) for _ in range(4)]
    names = [f"c{n}" for n in range(100)]
    await asyncio.gather(*(rooms[n % 4].keep(name, {"p": url()}) for n, name in enumerate(names)))
    left = await seen(rooms[0], *names)
    assert 9 <= len(left) <= 10
    assert await redis.hget(keys.kept("sizes"), "") == str(1000 * len(left))
