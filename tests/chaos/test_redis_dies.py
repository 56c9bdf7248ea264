"""Redis is killed, restarted and emptied while the inbox and the stores are in use."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from bot.api import Incoming, Person, Place
from bot.errors import StoreAway
from bot.inbox import Inbox, Interrupt
from bot.keys import Keys, connect
from bot.store import Feeds, RedisStore

BOUND = 30  # seconds


def message(number: int) -> Incoming:
    return Incoming(str(number), Place("telegram", "bot", "1"), Person("7"), f"text {number}")


@pytest.fixture
async def redis(private_server) -> AsyncIterator[Redis]:
    connection = connect(private_server.url)
    yield connection
    await connection.aclose()


@pytest.fixture
async def inbox(redis: Redis) -> Inbox:
    made = Inbox(redis, Keys("p:"), lease=60)
    await made.open()
    return made


async def test_what_was_accepted_survives_a_power_cut_of_redis(private_server, inbox: Inbox):
    for n in range(3):
        await inbox.accept("c", message(n))
    (lease,) = await inbox.take("a", count=1, block=0)
    await inbox.posted(lease, "post")
    await inbox.finish(lease, "answer")
    private_server.stop()
    private_server.start()
    assert await inbox.accept("c", message(0)) == "duplicate"
    assert await inbox.renew([lease]) == {lease.token}
    assert await inbox.done(lease)
    (lease,) = await inbox.take("a", count=1, block=0)
    assert lease.message == message(1)


async def test_every_call_says_that_redis_is_away_and_works_again_afterwards(private_server, inbox: Inbox):
    await inbox.accept("c", message(1))
    (lease,) = await inbox.take("a", count=1, block=0)
    private_server.stop()
    for call in (
        inbox.open(),
        inbox.accept("c", message(2)),
        inbox.take("a", count=1, block=1),
        inbox.adopt("a", count=1),
        inbox.renew([lease]),
        inbox.done(lease),
        inbox.release(lease),
        inbox.bury(lease, "x"),
        inbox.posted(lease, "x"),
        inbox.finish(lease, "x"),
        inbox.leave("a"),
        inbox.depth(),
        inbox.dead(),
    ):
        with pytest.raises(StoreAway):
            await call
    private_server.start()
    assert await inbox.accept("c", message(2)) == "accepted"
    assert await inbox.done(lease)


async def test_a_waiting_worker_notices_that_redis_died(
    private_server, redis: Redis, inbox: Inbox, eventually
):
    waiting = asyncio.create_task(inbox.take("a", count=1, block=2))

    async def blocked() -> bool:
        return (await redis.info("clients"))["blocked_clients"] == 1

    await eventually(blocked)
    private_server.stop()
    with pytest.raises(StoreAway):
        await asyncio.wait_for(waiting, BOUND)


async def test_work_goes_on_after_redis_was_emptied_under_a_waiting_worker(redis: Redis, inbox: Inbox):
    await inbox.accept("c", message(1))
    (stale,) = await inbox.take("a", count=1, block=0)
    waiting = asyncio.create_task(inbox.take("b", count=1, block=2))
    await redis.flushall()
    assert await inbox.renew([stale]) == set()
    assert not await inbox.done(stale)
    assert await inbox.accept("c", message(1)) == "accepted"
    async with asyncio.timeout(BOUND):
        found = await waiting
        while not found:
            found = await inbox.take("b", count=1, block=1)
    assert found[0].message == message(1)
    assert await inbox.done(found[0])


async def test_interrupts_come_back_by_themselves(private_server, redis: Redis, inbox: Inbox, eventually):
    heard: asyncio.Queue[Interrupt] = asyncio.Queue()

    async def hear() -> None:
        async for interrupt in inbox.interrupts():
            heard.put_nowait(interrupt)

    async def listening() -> bool:
        return (await redis.pubsub_numsub(Keys("p:").interrupts))[0][1] == 1

    task = asyncio.create_task(hear())
    await eventually(listening)
    private_server.stop()
    private_server.start()
    await eventually(listening)
    await inbox.accept("c", message(1))
    await inbox.accept("c", message(2), urgent=True)
    assert await asyncio.wait_for(heard.get(), BOUND) == Interrupt("c", message(1).key)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_follower_hears_that_redis_is_away_and_can_go_on_where_it_was(private_server, redis: Redis):
    feeds = Feeds(redis)
    store = RedisStore(redis, Keys("p:"), "web", feeds)
    await store.append("log", "one", limit=10, ttl=60)
    following = store.follow("log")
    first = await anext(following)
    pending = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    private_server.stop()
    with pytest.raises(StoreAway):
        await asyncio.wait_for(pending, BOUND)
    with pytest.raises(StoreAway):
        await anext(store.follow("log"))
    private_server.start()
    await store.append("log", "two", limit=10, ttl=60)
    again = store.follow("log", after=first.id)
    assert (await asyncio.wait_for(anext(again), BOUND)).value == "two"
    await again.aclose()
    await feeds.close()


async def test_a_store_says_that_redis_is_away(private_server, redis: Redis):
    store = RedisStore(redis, Keys("p:"), "web", Feeds(redis))

    async def work() -> None:
        raise AssertionError("nobody leads without Redis")

    private_server.stop()
    for call in (
        store.get("x"),
        store.put("x", "y"),
        store.drop("x"),
        store.append("log", "x", limit=1, ttl=1),
        store.read("log"),
        store.remove("log", ["1-1"]),
        store.lead("x", work),
    ):
        with pytest.raises(StoreAway):
            await call


async def test_a_leader_that_loses_redis_stops_before_another_can_lead(private_server, redis: Redis):
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += max(seconds, 5)
        await asyncio.sleep(0.001)

    store = RedisStore(redis, Keys("p:"), "web", Feeds(redis), lease=60, clock=lambda: now, sleep=sleep)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    leading = asyncio.create_task(store.lead("x", work))
    await asyncio.wait_for(begun.wait(), BOUND)
    private_server.stop()
    died = now
    await asyncio.wait_for(ended.wait(), BOUND)
    assert now - died < 60
    with pytest.raises(StoreAway):
        await asyncio.wait_for(leading, BOUND)
