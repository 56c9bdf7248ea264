"""The adapters' drawers: values, logs that are followed, leaders."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from bot.api import Entry, Store
from bot.errors import StoreAway
from bot.keys import Keys, connect
from bot.store import Feeds, News, RedisStore

BOUND = 30  # seconds; nothing here takes so long


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix)


@pytest.fixture
async def feeds(redis: Redis) -> AsyncIterator[Feeds]:
    made = Feeds(redis)
    yield made
    await made.close()


@pytest.fixture
def store(redis: Redis, keys: Keys, feeds: Feeds) -> Store:
    return RedisStore(redis, keys, "web", feeds)


async def collect(store: Store, log: str, count: int, after: str = "0") -> list[str]:
    following = store.follow(log, after=after)
    try:
        async with asyncio.timeout(BOUND):
            return [(await anext(following)).value for _ in range(count)]
    finally:
        await following.aclose()  # type: ignore[attr-defined]


# --- values -------------------------------------------------------------------------------------------------


async def test_a_value_is_kept_replaced_and_dropped(store: Store):
    assert await store.get("k") is None
    assert await store.put("k", "one\n\U0001f600")
    assert await store.get("k") == "one\n\U0001f600"
    assert await store.put("k", "")
    assert await store.get("k") == ""
    await store.drop("k")
    await store.drop("k")
    assert await store.get("k") is None


async def test_only_the_first_of_many_puts_where_nothing_was(store: Store):
    kept = await asyncio.gather(*(store.put("k", str(n), absent=True) for n in range(20)))
    assert sum(kept) == 1
    assert await store.get("k") == str(kept.index(True))


async def test_a_value_ends_when_it_should(store: Store, redis: Redis, keys: Keys, eventually):
    await store.put("short", "x", ttl=0.02)
    await store.put("long", "x", ttl=90)
    await store.put("ever", "x")
    assert 60_000 < await redis.pttl(keys.value("web", "long")) <= 90_000
    assert await redis.pttl(keys.value("web", "ever")) == -1

    async def gone() -> bool:
        return await store.get("short") is None

    await eventually(gone)


async def test_adapters_do_not_see_each_others_drawers(store: Store, redis: Redis, keys: Keys, feeds: Feeds):
    await store.put("k", "mine")
    await store.append("k", "mine", limit=10, ttl=60)
    other = RedisStore(redis, keys, "slack", feeds)
    assert await other.get("k") is None
    assert await other.read("k") == []
    assert await store.get("k") == "mine"


# --- logs ---------------------------------------------------------------------------------------------------


async def test_a_log_is_read_in_order_behind_any_entry(store: Store):
    ids = [await store.append("log", f"v{n}", limit=10, ttl=60) for n in range(5)]
    everything = [Entry(id, f"v{n}") for n, id in enumerate(ids)]
    assert await store.read("log") == everything
    assert await store.read("log", after=ids[1]) == everything[2:]
    assert await store.read("log", after=ids[1], count=2) == everything[2:4]
    assert await store.read("log", after=ids[-1]) == []


async def test_entries_are_taken_out(store: Store):
    ids = [await store.append("log", f"v{n}", limit=10, ttl=60) for n in range(3)]
    await store.remove("log", [ids[0], ids[2], "1-1"])
    await store.remove("log", [])
    assert [entry.value for entry in await store.read("log")] == ["v1"]


async def test_a_log_is_bounded_and_ends_after_its_last_entry(store: Store, redis: Redis, keys: Keys):
    for n in range(30):
        await store.append("log", f"v{n}", limit=5, ttl=60)
    assert 30_000 < await redis.pttl(keys.log("web", "log")) <= 60_000
    assert [entry.value for entry in await store.read("log")] == [f"v{n}" for n in range(25, 30)]
    for n in range(1300):
        await store.append("long", f"v{n}", limit=1000, ttl=60)
    assert 1000 <= await redis.xlen(keys.log("web", "long")) <= 1100


async def test_an_entry_that_is_sent_twice_is_there_once(redis: Redis, keys: Keys, feeds: Feeds):
    # As after a connection that broke between the command and its answer.
    store = RedisStore(redis, keys, "web", feeds, ids=lambda: "same")
    assert await store.append("log", "v", limit=5, ttl=60) == await store.append("log", "v", limit=5, ttl=60)
    assert len(await store.read("log")) == 1


# --- following ----------------------------------------------------------------------------------------------


async def test_a_follower_gets_what_is_there_and_then_what_comes(store: Store):
    ids = [await store.append("log", f"v{n}", limit=10, ttl=60) for n in range(3)]
    following = store.follow("log", after=ids[0])
    async with asyncio.timeout(BOUND):
        assert [(await anext(following)).value for _ in range(2)] == ["v1", "v2"]
        for n in range(3, 6):
            id = await store.append("log", f"v{n}", limit=10, ttl=60)
            assert await anext(following) == Entry(id, f"v{n}")


async def test_followers_get_each_entry_once_in_order_while_others_append(store: Store):
    followers = [asyncio.create_task(collect(store, "log", 200)) for _ in range(5)]

    async def append(name: str) -> None:
        for n in range(50):
            await store.append("log", f"{name}{n}", limit=1000, ttl=60)

    await asyncio.gather(*(append(name) for name in "abcd"))
    late = await collect(store, "log", 200)
    assert len(set(late)) == 200
    for name in "abcd":
        assert [value for value in late if value[0] == name] == [f"{name}{n}" for n in range(50)]
    assert await asyncio.gather(*followers) == [late] * 5


async def test_no_entry_is_lost_or_doubled_when_the_connection_breaks(store: Store, redis: Redis):
    followers = [asyncio.create_task(collect(store, f"log{n % 2}", 300)) for n in range(4)]
    for n in range(300):
        await asyncio.gather(*(store.append(log, f"v{n}", limit=1000, ttl=60) for log in ("log0", "log1")))
        if n % 25 == 24:
            await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert await asyncio.gather(*followers) == [[f"v{n}" for n in range(300)]] * 4


async def test_followers_come_and_go_on_one_connection(
    redis_url: str, keys: Keys, store: Store, redis: Redis
):
    async def listeners() -> int:
        return len([each for each in await redis.client_list() if int(each["sub"]) > 0])

    before = await listeners()
    for round in range(5):
        followers = [asyncio.create_task(collect(store, f"log{n}", 2)) for n in range(20)]
        for n in range(20):
            await store.append(f"log{n}", f"v{round}", limit=100, ttl=60)
            await store.append(f"log{n}", f"w{round}", limit=100, ttl=60)
        assert await asyncio.gather(*followers) == [["v0", "w0"]] * 20
        assert await listeners() <= before + 1


async def test_redis_is_asked_for_the_logs_that_are_followed_and_no_others(
    store: Store, redis: Redis, keys: Keys, eventually
):
    def asked(log: str, listeners: int):
        async def so() -> bool:
            return (await redis.pubsub_numsub(keys.log("web", log)))[0][1] == listeners

        return so

    one, two = (asyncio.create_task(collect(store, "one", 1)) for _ in "ab")
    await eventually(asked("one", 1))
    other = asyncio.create_task(collect(store, "other", 1))
    await eventually(asked("other", 1))
    two.cancel()
    await asyncio.gather(two, return_exceptions=True)
    await store.append("other", "v", limit=10, ttl=60)
    assert await other == ["v"]
    await eventually(asked("other", 0))
    assert await asked("one", 1)()
    await store.append("one", "w", limit=10, ttl=60)
    assert await one == ["w"]
    await eventually(asked("one", 0))


async def test_news_that_are_said_often_are_heard_once():
    news = News()
    news.say()
    news.say()
    await news.wait()
    again = asyncio.create_task(news.wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not again.done()
    news.say()
    await asyncio.wait_for(again, BOUND)


async def test_a_follower_that_does_not_read_holds_nothing(store: Store):
    await store.append("log", "first", limit=5, ttl=60)
    slow = store.follow("log")
    await anext(slow)
    for n in range(100):
        await store.append("log", f"v{n}", limit=5, ttl=60)
    async with asyncio.timeout(BOUND):
        assert [(await anext(slow)).value for _ in range(5)] == [f"v{n}" for n in range(95, 100)]


async def test_a_log_may_be_followed_before_it_begins_and_after_it_ended(
    store: Store, redis: Redis, keys: Keys, eventually
):
    following = store.follow("log")
    pending = asyncio.ensure_future(anext(following))
    await store.append("log", "one", limit=5, ttl=0.02)
    assert (await asyncio.wait_for(pending, BOUND)).value == "one"

    async def ended() -> bool:
        return not await redis.exists(keys.log("web", "log"))

    await eventually(ended)
    await store.append("log", "two", limit=5, ttl=60)
    assert (await asyncio.wait_for(anext(following), BOUND)).value == "two"


# --- leading ------------------------------------------------------------------------------------------------


class Office:
    """Work that only one may do: notes who does it, and whether ever two did."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.most = 0
        self.entered = asyncio.Event()
        self.finish = asyncio.Event()

    async def work(self, name: str) -> None:
        self.inside.append(name)
        self.most = max(self.most, len(self.inside))
        self.entered.set()
        try:
            await self.finish.wait()
        finally:
            self.inside.remove(name)


async def moment(_: float) -> None:
    """What waits for a part of the lease looks at once: no lease runs out because the machine is slow."""
    await asyncio.sleep(0.001)


def candidate(redis: Redis, keys: Keys, office: Office, name: str) -> asyncio.Task[None]:
    store = RedisStore(redis, keys, "telegram", Feeds(redis), lease=60, sleep=moment)
    return asyncio.create_task(store.lead("bot", lambda: office.work(name)))


async def test_one_leads_and_the_next_takes_over_when_it_ends(redis: Redis, keys: Keys):
    office = Office()
    tasks = {name: candidate(redis, keys, office, name) for name in "abc"}
    for left in (3, 2, 1):
        await asyncio.wait_for(office.entered.wait(), BOUND)
        (leader,) = office.inside
        assert len([task for task in tasks.values() if not task.done()]) == left
        office.entered.clear()
        tasks[leader].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[leader]
    assert office.most == 1
    assert await redis.exists(keys.leader("telegram", "bot")) == 0


async def test_leading_ends_with_the_work(redis: Redis, keys: Keys):
    office = Office()
    office.finish.set()
    await asyncio.wait_for(candidate(redis, keys, office, "a"), BOUND)
    assert await redis.exists(keys.leader("telegram", "bot")) == 0


async def test_a_fault_of_the_work_is_not_hidden(redis: Redis, keys: Keys):
    async def work() -> None:
        raise ValueError("broken")

    store = RedisStore(redis, keys, "telegram", Feeds(redis))
    with pytest.raises(ValueError, match="broken"):
        await store.lead("bot", work)
    assert await redis.exists(keys.leader("telegram", "bot")) == 0


async def test_a_leader_stays_one_for_longer_than_a_lease(redis: Redis, keys: Keys, eventually):
    office, key = Office(), keys.leader("telegram", "bot")
    task = candidate(redis, keys, office, "a")
    await asyncio.wait_for(office.entered.wait(), BOUND)
    for _ in range(3):
        await redis.pexpire(key, 20_000)

        async def renewed() -> bool:
            return await redis.pttl(key) > 30_000

        await eventually(renewed)
    assert office.inside == ["a"]
    office.finish.set()
    await asyncio.wait_for(task, BOUND)


async def test_a_leader_whose_lease_went_to_another_stops_and_does_not_take_it_back(
    redis: Redis, keys: Keys, eventually
):
    office = Office()
    task = candidate(redis, keys, office, "a")
    await asyncio.wait_for(office.entered.wait(), BOUND)
    await redis.set(keys.leader("telegram", "bot"), "somebody else")

    async def out() -> bool:
        return not office.inside

    await eventually(out)
    assert await redis.get(keys.leader("telegram", "bot")) == "somebody else"
    office.entered.clear()
    await redis.delete(keys.leader("telegram", "bot"))
    await asyncio.wait_for(office.entered.wait(), BOUND)
    office.finish.set()
    await asyncio.wait_for(task, BOUND)


async def test_what_leads_under_different_names_runs_at_the_same_time(redis: Redis, keys: Keys):
    both = asyncio.Barrier(2)

    async def work() -> None:
        await both.wait()

    store = RedisStore(redis, keys, "telegram", Feeds(redis))
    await asyncio.wait_for(asyncio.gather(store.lead("x", work), store.lead("y", work)), BOUND)


async def test_closing_the_hub_ends_every_follow(redis_url: str, keys: Keys):
    redis = connect(redis_url)
    feeds = Feeds(redis)
    store = RedisStore(redis, keys, "web", feeds)
    await store.append("log", "v", limit=5, ttl=60)
    following = store.follow("log")
    await anext(following)
    pending = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    await feeds.close()
    with pytest.raises(StoreAway, match="closed"):
        await asyncio.wait_for(pending, BOUND)
    await redis.aclose()


async def test_a_process_that_is_alone_does_not_wait_for_a_leader_from_before_a_crash(
    redis: Redis, prefix: str
) -> None:
    feeds, keys = Feeds(redis), Keys(prefix)
    await redis.set(keys.leader("a", "poll"), "somebody who died", px=3_600_000)
    led = asyncio.Event()

    async def work() -> None:
        led.set()

    async with asyncio.timeout(30):
        await RedisStore(redis, keys, "a", feeds, alone=True).lead("poll", work)
    assert led.is_set()
    await feeds.close()
