"""The client, the names of keys, and what counts as Redis being away."""

import asyncio

import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bot.errors import SettingsError, StoreAway
from bot.keys import Heard, Keys, Subscription, connect, reaching


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError("refused"),
        RedisTimeoutError("slow"),
        AuthenticationError("wrong password"),
        BusyLoadingError("loading"),
        ReadOnlyError("a replica"),
        OutOfMemoryError("full"),
        OSError(24, "Too many open files"),
        ResponseError("MISCONF Redis is configured to save RDB snapshots, but it is unable to"),
        ResponseError("NOREPLICAS Not enough good replicas to write."),
        ResponseError(
            "-READONLY You can't write against a read only replica. script: abc, on @user_script:3."
        ),
        ResponseError(
            "Error running script (call to f_12): @user_script:3: @user_script: 3: -OOM command not allowed"
        ),
        ResponseError("BUSY Redis is busy running a script."),
    ],
    ids=lambda error: f"{type(error).__name__} {str(error)[:20]}",
)
async def test_what_a_server_says_that_cannot_serve_is_being_away(error: Exception):
    with pytest.raises(StoreAway):
        async with reaching():
            raise error


@pytest.mark.parametrize(
    "error", [ResponseError("WRONGTYPE Operation against a key"), ValueError("BUSY"), KeyError("x")]
)
async def test_a_mistake_stays_a_mistake(error: Exception):
    with pytest.raises(type(error)):
        async with reaching():
            raise error


async def test_a_full_server_is_away_and_keeps_nothing_of_the_message(private_server):
    redis = connect(private_server.url)
    await redis.config_set("maxmemory", "1")
    script = redis.register_script("redis.call('SET', KEYS[1], 1)")
    with pytest.raises(StoreAway):
        async with reaching():
            await redis.set("x", "1")
    with pytest.raises(StoreAway):
        async with reaching():
            await script(keys=["x"])
    await redis.aclose()


async def test_an_unreachable_server_is_away_soon():
    redis = connect("redis://127.0.0.1:1/0")
    with pytest.raises(StoreAway):
        async with asyncio.timeout(30), reaching():
            await redis.ping()
    await redis.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@host",
        "redis://:hunter2@host:port",
        "hunter2",
        "redis://host?hunter2=1",
        "redis://h?socket_timeout=hunter2",
    ],
)
def test_a_wrong_url_is_refused_without_being_quoted(url: str):
    with pytest.raises(SettingsError, match="REDIS_URL") as refused:
        connect(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_password_does_not_show_in_a_client():
    assert "hunter2" not in repr(connect("redis://:hunter2@host:1/0"))


def test_valkeys_own_scheme_is_understood():
    kwargs = connect("valkeys://host:7000/3").connection_pool.connection_kwargs
    assert (kwargs["host"], kwargs["port"], kwargs["db"]) == ("host", 7000, 3)


async def test_answers_are_text_on_every_server(flavour: str, prefix: str):
    redis = connect(flavour)
    await redis.set(prefix + "k", "é\ud800")
    assert await redis.get(prefix + "k") == "é?"
    await redis.set(prefix + "k", b"\xff")
    assert await redis.get(prefix + "k") == "\ufffd"
    await redis.aclose()


async def test_many_more_commands_than_connections_take_turns(flavour: str, prefix: str):
    redis = connect(flavour)
    await asyncio.gather(*(redis.incr(prefix + "n") for _ in range(1000)))
    assert await redis.get(prefix + "n") == "1000"
    assert len([each for each in await redis.client_list() if each["cmd"] == "incr"]) <= 64
    await redis.aclose()


def test_the_keys_of_the_queue_share_a_hash_tag_and_no_two_names_meet():
    keys = Keys("p:")
    queue = [keys.ready, keys.active, keys.dead, keys.interrupts]
    queue += [keys.lane("x"), keys.journal("x"), keys.seen("x")]
    rest = [keys.window("x"), keys.asked("x"), keys.profile("x"), keys.roles("x"), keys.default_role]
    rest += [keys.value("x", "y"), keys.log("x", "y"), keys.leader("x", "y")]
    assert all(name.startswith("p:{inbox}:") for name in queue)
    assert all(name.startswith("p:") and "{" not in name for name in rest)
    assert len({*queue, *rest}) == len(queue) + len(rest)


async def test_a_subscription_tells_when_it_begins_and_what_is_said(redis, prefix: str):
    async with asyncio.timeout(30), Subscription.open(redis) as subscription:
        await subscription.add(prefix + "a", prefix + "b")
        assert [await subscription.hear() for _ in "ab"] == [
            Heard(prefix + "a", None),
            Heard(prefix + "b", None),
        ]
        await subscription.drop(prefix + "a")
        await redis.publish(prefix + "a", "unheard")
        await redis.publish(prefix + "b", "heard")
        assert await subscription.hear() == Heard(prefix + "b", "heard")


async def test_a_broken_subscription_says_so_and_does_not_reconnect_behind_our_back(redis, prefix: str):
    async with asyncio.timeout(30), Subscription.open(redis) as subscription:
        await subscription.add(prefix)
        await subscription.hear()
        await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        with pytest.raises(StoreAway):
            await subscription.hear()
        with pytest.raises(StoreAway):
            await subscription.hear()
