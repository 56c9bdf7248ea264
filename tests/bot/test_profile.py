"""What a conversation chooses is kept, field by field."""

from __future__ import annotations

import asyncio
import math

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from bot.keys import Keys
from bot.profile import Profile, Profiles


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix)


@pytest.fixture
def profiles(redis: Redis, keys: Keys) -> Profiles:
    return Profiles(redis, keys, ttl=60)


async def test_a_new_conversation_has_chosen_nothing(redis: Redis, keys: Keys, profiles: Profiles) -> None:
    assert await profiles.load("c") == Profile()
    assert await redis.exists(keys.profile("c")) == 0


async def test_choices_are_kept_and_returned(profiles: Profiles) -> None:
    chosen = await profiles.change(
        "c", role="chef", model="gpt-5.2/你好", temperature=0.7, language="zh-Hant", voice="x"
    )
    assert chosen == Profile("chef", "gpt-5.2/你好", 0.7, "zh-Hant", "x")
    sampling = {"top_p": 0.5, "max_tokens": 100, "presence_penalty": -1.0, "frequency_penalty": 2.0}
    chosen = await profiles.change("c", **sampling, stop=("\n\n", "结束"), system="Be\nbrief.", session="1f")
    assert (chosen.top_p, chosen.max_tokens, chosen.stop) == (0.5, 100, ("\n\n", "结束"))
    assert (chosen.system, chosen.session) == ("Be\nbrief.", "1f")
    chosen = await profiles.change("c", speaker="nova", speed=1.25)
    assert (chosen.speaker, chosen.speed) == ("nova", 1.25)
    assert await profiles.load("c") == chosen
    assert await profiles.load("d") == Profile()


async def test_a_change_leaves_the_other_choices(profiles: Profiles) -> None:
    await profiles.change("c", role="chef")
    assert await profiles.change("c", model="m") == Profile(role="chef", model="m")


async def test_changes_at_the_same_time_all_count(profiles: Profiles) -> None:
    await asyncio.gather(
        profiles.change("c", role="chef"),
        profiles.change("c", model="m"),
        profiles.change("c", temperature=1),
    )
    assert await profiles.load("c") == Profile(role="chef", model="m", temperature=1.0)


async def test_a_choice_can_be_taken_back(redis: Redis, keys: Keys, profiles: Profiles) -> None:
    await profiles.change("c", role="chef", temperature=0.5)
    assert await profiles.change("c", role="", temperature=None) == Profile()
    assert await redis.exists(keys.profile("c")) == 0


async def test_a_temperature_of_zero_is_a_choice(profiles: Profiles) -> None:
    assert (await profiles.change("c", temperature=0)).temperature == 0.0
    assert (await profiles.load("c")).temperature == 0.0


@pytest.mark.parametrize(
    "choice",
    [
        {"model": "m" * 201},
        {"temperature": 2.1},
        {"temperature": math.nan},
        {"system": "s" * 16_001},
        {"top_p": 1.1},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"presence_penalty": -2.1},
        {"frequency_penalty": math.inf},
        {"stop": ("a",) * 5},
        {"stop": ("",)},
        {"speed": 0.4},
        {"speed": 2.5},
    ],
)
async def test_a_value_out_of_bounds_is_refused_and_nothing_changes(
    profiles: Profiles, choice: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="validation error"):
        await profiles.change("c", role="chef", **choice)  # type: ignore[arg-type]
    assert await profiles.load("c") == Profile()


async def test_stored_values_that_cannot_be_used_are_passed_over_and_logged(
    redis: Redis, keys: Keys, profiles: Profiles
) -> None:
    stored = {"role": "chef", "temperature": "warm", "model": "m" * 500, "shoe_size": "43", "stop": "["}
    await redis.hset(keys.profile("c"), mapping=stored)
    with capture_logs() as lines:
        assert await profiles.load("c") == Profile(role="chef")
    assert {line["field"] for line in lines} == {"temperature", "model", "shoe_size", "stop"}


async def test_using_a_profile_renews_the_time_it_is_kept(
    redis: Redis, keys: Keys, profiles: Profiles
) -> None:
    await profiles.change("c", role="chef")
    assert 0 < await redis.pttl(keys.profile("c")) <= 60_000
    await redis.persist(keys.profile("c"))
    await profiles.load("c")
    assert 0 < await redis.pttl(keys.profile("c")) <= 60_000


async def test_what_a_thread_did_not_choose_is_as_in_its_home(profiles: Profiles) -> None:
    await profiles.change("home", role="chef", model="m", language="zh-Hans", session="1f")
    await profiles.change("thread", model="n", temperature=0)
    assert await profiles.load("thread", "home") == Profile(
        role="chef", model="n", temperature=0.0, language="zh-Hans"
    )
    assert (await profiles.load("thread")).role == ""
    assert await profiles.load("home", "home") == await profiles.load("home")


async def test_a_role_chosen_in_a_thread_is_not_hidden_by_a_prompt_from_its_home(profiles: Profiles) -> None:
    await profiles.change("home", system="You are a pirate.")
    await profiles.change("thread", role="chef")
    assert await profiles.load("thread", "home") == Profile(role="chef")


async def test_all_choices_can_be_taken_back_at_once(redis: Redis, keys: Keys, profiles: Profiles) -> None:
    await profiles.change("c", role="chef", stop=("x",))
    await profiles.clear("c")
    assert await redis.exists(keys.profile("c")) == 0
