"""What an admin of a group may there, what stays the operator's, and what others are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.api import Choices, Notice, Unavailable
from bot.profile import Profile
from tests.bot.commands.house import ADMIN, GROUP, House
from tests.bot.doubles import Collected

CHOICES = ("/role chef", "/role default", "/system Be brief.", "/model big-model", "/set temperature 1")
CHOICES += ("/lang zh-Hans", "/sessions new other")


@pytest.fixture
def house(redis: Redis, prefix: str) -> House:
    return House(redis, prefix, policy="chat")


async def leads() -> bool:
    return True


async def away() -> bool:
    raise Unavailable("away")


def words(reply: Collected) -> str:
    (part,) = reply.parts
    assert isinstance(part, Notice | Choices)
    return part.text


async def as_leader(house: House, text: str, place: Any = GROUP) -> Collected:
    return await house.say(text, "lee", place, administers=leads)


@pytest.mark.parametrize("text", CHOICES)
async def test_a_groups_admin_chooses_for_all_and_a_member_does_not(house: House, text: str):
    await house.say("/role coder", ADMIN, GROUP)
    before = await house.profile(place=GROUP)
    assert (await house.say(text, place=GROUP)).notices == ["command.admins_only"]
    assert await house.profile(place=GROUP) == before
    await as_leader(house, text)
    assert await house.profile("bob", GROUP) != before


@pytest.mark.parametrize("text", CHOICES)
async def test_where_the_platform_cannot_be_asked_nothing_changes_and_that_is_said(house: House, text: str):
    reply = await house.say(text, place=GROUP, administers=away)
    assert reply.notices == ["command.admins_unknown"]
    assert "try again" in words(reply)
    assert await house.profile(place=GROUP) == Profile()
    await house.say("/set temperature 1", ADMIN, GROUP, administers=away)  # who runs the bot is known anyway
    assert (await house.profile(place=GROUP)).temperature == 1


async def test_nobody_is_asked_about_who_looks_or_chooses_for_themselves(redis: Redis, prefix: str):
    async def never() -> bool:
        raise AssertionError("asked")

    alone, together = House(redis, f"{prefix}1:"), House(redis, f"{prefix}2:", policy="chat")
    for text in CHOICES:
        assert "command.admins_only" not in (await alone.say(text, place=GROUP, administers=never)).notices
    for text in ("/role", "/system", "/model", "/set", "/lang", "/sessions", "/settings", "/new", "hello"):
        await together.say(text, place=GROUP, administers=never)


async def test_a_topic_of_a_group_that_shares_one_conversation_is_no_way_round_its_admins(house: House):
    topic = replace(GROUP, thread="7")
    assert (await house.say("/set temperature 1", place=topic)).notices == ["command.admins_only"]
    await as_leader(house, "/set temperature 1", topic)
    assert (await house.profile("bob", GROUP)).temperature == 1


async def test_in_a_thread_of_its_own_everybody_chooses(redis: Redis, prefix: str):
    house, thread = House(redis, prefix, policy="thread"), replace(GROUP, thread="7")
    await house.say("/set temperature 1", place=thread)
    assert (await house.profile("bob", thread)).temperature == 1
    assert (await house.say("/set temperature 1", place=GROUP)).notices == ["command.admins_only"]


async def test_what_is_the_operators_is_not_a_groups_admins(house: House):
    for text in ("/allow test:bob", "/deny test:bob", "/reload"):
        assert (await as_leader(house, text)).parts == []  # in a group: another bot's, perhaps
    assert (await as_leader(house, "/role default chef")).notices == ["role.default_admin"]
    assert await house.access.verdicts() == []


async def test_a_groups_admin_takes_a_shared_role_out_of_the_group_and_out_of_no_other(house: House):
    other = replace(GROUP, chat="other")
    await house.say("/role new Sea dog: Arr.")
    for place in (GROUP, other):
        await house.say("/role share sea dog", place=place)
    assert "somebody else" in words(await house.say("/role delete sea dog", "bob", GROUP))
    assert "try again" in words(await house.say("/role delete sea dog", "bob", GROUP, administers=away))
    (asked,) = (await as_leader(house, "/role delete sea dog")).choices
    (shared,) = asked.options
    assert (await as_leader(house, shared.value, other)).notices == ["role.not_yours"]
    assert (await as_leader(house, shared.value)).notices == ["role.deleted"]
    assert "no role" in words(await house.say("/role sea dog", "bob", GROUP))
    assert "Sea dog" in words(await as_leader(house, "/role sea dog", other))
    assert "Sea dog" in words(await house.say("/role sea dog"))


async def test_help_says_who_chooses_for_the_group(house: House):
    line = "/role, /system, /model, /sessions, /set, /lang"
    last = words(await house.say("/help", place=GROUP)).splitlines()[-1]
    assert last.startswith(f"What is chosen with {line} holds for the whole group here.")
    for who, ask in (("lee", leads), (ADMIN, away)):
        last = words(await house.say("/help", who, GROUP, administers=ask)).splitlines()[-1]
        assert "You are an admin here" in last
        assert line in last
    assert "whole group" not in words(await house.say("/help"))
    assert "with /set holds for the whole group" in words(await house.say("/help set", place=GROUP))
    assert "whole group" not in words(await house.say("/help undo", place=GROUP))
