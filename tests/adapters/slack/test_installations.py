"""Workspaces that have installed the app: their tokens are kept, shared by all replicas, and unreadable in Redis."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from adapters.slack.installations import Installations, Installed
from bot.api import Unavailable
from bot.keys import Keys
from bot.store import Feeds, RedisStore
from tests.adapters.memory_store import MemoryStore

SECRET = "client-secret"


def installed(team: str = "T1", token: str = "xoxb-1", enterprise: str = "") -> Installed:
    return Installed(team, enterprise, SecretStr(token), "U1", "B1")


async def test_an_installation_is_found_again_by_another_replica() -> None:
    store = MemoryStore()
    await Installations(store, SECRET).put(installed())
    assert await Installations(store, SECRET).get("T1") == installed()


async def test_nobody_reads_the_token_in_redis_in_a_log_or_in_an_error() -> None:
    store = MemoryStore()
    await Installations(store, SECRET).put(installed(token="xoxb-very-secret"))
    assert "very-secret" not in repr((store.values, store.logs))
    assert "very-secret" not in repr(installed(token="xoxb-very-secret"))


async def test_a_workspace_that_installs_again_has_its_new_token_and_is_listed_once() -> None:
    store = MemoryStore()
    kept = Installations(store, SECRET)
    await kept.put(installed())
    await kept.put(installed("T2", "xoxb-2"))
    await kept.put(installed(token="xoxb-new"))
    assert [(one.team, one.token.get_secret_value()) for one in await kept.all()] == [
        ("T1", "xoxb-new"),
        ("T2", "xoxb-2"),
    ]


async def test_an_uninstalled_workspace_is_forgotten_and_may_come_back() -> None:
    kept = Installations(MemoryStore(), SECRET)
    await kept.put(installed())
    await kept.drop("T1")
    assert await kept.get("T1") is None
    assert await kept.all() == []
    await kept.put(installed())
    assert len(await kept.all()) == 1


async def test_to_drop_what_was_never_there_is_no_fault() -> None:
    kept = Installations(MemoryStore(), SECRET)
    await kept.drop("T9")
    assert await kept.all() == []


async def test_an_organisation_that_installs_as_a_whole_serves_its_workspaces() -> None:
    kept = Installations(MemoryStore(), SECRET)
    await kept.put(installed("", "xoxb-org", "E1"))
    found = await kept.get("T5", "E1")
    assert found is not None
    assert found.token.get_secret_value() == "xoxb-org"
    assert await kept.get("T5") is None


async def test_a_workspaces_own_installation_comes_before_the_organisations() -> None:
    kept = Installations(MemoryStore(), SECRET)
    await kept.put(installed("", "xoxb-org", "E1"))
    await kept.put(installed("T1", "xoxb-own", "E1"))
    found = await kept.get("T1", "E1")
    assert found is not None
    assert found.token.get_secret_value() == "xoxb-own"


async def test_another_client_secret_reads_nothing_and_breaks_nothing() -> None:
    store = MemoryStore()
    await Installations(store, SECRET).put(installed())
    other = Installations(store, "another")
    assert await other.get("T1") is None
    assert await other.all() == []


@pytest.mark.parametrize("value", ["", "{}", "null", '{"team": 1}', "not json"])
async def test_what_is_damaged_counts_as_not_installed(value: str) -> None:
    store = MemoryStore()
    await store.put("installation:T1", value)
    assert await Installations(store, SECRET).get("T1") is None


async def test_an_installation_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="a team or an enterprise"):
        await Installations(MemoryStore(), SECRET).put(installed(team=""))


async def test_while_the_store_is_away_nobody_is_taken_for_uninstalled() -> None:
    store = MemoryStore()
    kept = Installations(store, SECRET)
    await kept.put(installed())
    await store.go()
    with pytest.raises(Unavailable):
        await kept.get("T1")


async def test_more_workspaces_than_one_page_are_all_listed() -> None:
    kept = Installations(MemoryStore(), SECRET)
    for n in range(1005):
        await kept.put(installed(f"T{n}"))
    assert len(await kept.all()) == 1005


async def test_they_outlive_the_process_in_a_real_redis(redis: Redis, prefix: str) -> None:
    store = RedisStore(redis, Keys(prefix), "slack", Feeds(redis))
    await Installations(store, SECRET).put(installed())
    await Installations(store, SECRET).put(installed("T2", "xoxb-2"))
    await Installations(store, SECRET).drop("T1")
    later = Installations(RedisStore(redis, Keys(prefix), "slack", Feeds(redis)), SECRET)
    assert [one.team for one in await later.all()] == ["T2"]
