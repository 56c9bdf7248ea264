"""The roles that people make: kept once, bounded, shared, deleted, and never mixed up."""

from __future__ import annotations

import asyncio
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.api import Person, Place
from bot.keys import Keys
from bot.roles.own import NAME_LIMIT, OwnRoles, group_of, name_of, owner_of, role_id

ANN, BOB = Person("ann", "Ann"), Person("bob", "Bob")
HOME, CLUB = Place("test", "bot", "ann"), Place("test", "bot", "club", kind="group")
HERS, CLUBS = owner_of(HOME, ANN), group_of(CLUB)


@pytest.fixture
def own(redis: Redis, prefix: str) -> OwnRoles:
    return OwnRoles(redis, Keys(prefix), limit=3)


async def names(own: OwnRoles, owner: str) -> list[str]:
    return [made.name for made in await own.listed(owner)]


async def test_a_role_is_kept_with_its_prompt(own: OwnRoles):
    assert await own.add(HERS, "Pirate", "Arr.\nAlways.", author=HERS) == "kept"
    (made,) = await own.listed(HERS)
    assert (made.id, made.name, made.author, made.shared) == (role_id(HERS, "Pirate"), "Pirate", HERS, False)
    role = await own.get(made.id)
    assert role is not None
    assert (role.name("zh-Hant"), role.prompt("zh-Hant"), role.category) == ("Pirate", "Arr.\nAlways.", "own")


async def test_names_that_differ_in_case_only_are_one(own: OwnRoles):
    assert await own.add(HERS, "Pirate", "Arr.", author=HERS) == "kept"
    assert await own.add(HERS, "PIRATE", "Other.", author=HERS) == "taken"
    assert await names(own, HERS) == ["Pirate"]


async def test_the_same_once_more_changes_nothing(own: OwnRoles):
    for _ in range(2):
        assert await own.add(HERS, "Pirate", "Arr.", author=HERS) == "kept"
    assert await names(own, HERS) == ["Pirate"]


async def test_no_more_are_kept_than_the_limit_however_many_come_at_once(own: OwnRoles):
    added = await asyncio.gather(*(own.add(HERS, f"Role {n}", "x", author=HERS) for n in range(20)))
    assert sorted(set(added)) == ["full", "kept"]
    assert len(await names(own, HERS)) == 3
    assert await own.add(owner_of(HOME, BOB), "Role", "x", author=owner_of(HOME, BOB)) == "kept"


async def test_a_prompt_is_changed_by_its_author_alone(own: OwnRoles):
    await own.add(CLUBS, "Pirate", "Arr.", author=HERS)
    assert not await own.edit(CLUBS, "Pirate", "Hacked.", author=owner_of(CLUB, BOB))
    assert not await own.edit(CLUBS, "Sailor", "Ahoy.", author=HERS)
    assert await own.edit(CLUBS, "pirate", "Yo ho.", author=HERS)
    role = await own.get(role_id(CLUBS, "Pirate"))
    assert role is not None
    assert (role.name("en"), role.prompt("en"), role.category) == ("Pirate", "Yo ho.", "shared")


async def test_a_deleted_role_is_gone_and_makes_room(own: OwnRoles):
    for name in ("a", "b", "c"):
        await own.add(HERS, name, "x", author=HERS)
    assert await own.delete(role_id(HERS, "b"))
    assert not await own.delete(role_id(HERS, "b"))
    assert await own.get(role_id(HERS, "b")) is None
    assert await own.add(HERS, "d", "x", author=HERS) == "kept"


@pytest.mark.parametrize(
    "text", ["", "own:", "translator", "own:" + "0" * 20 + ":x", "x" * 10_000, "own:*:*"]
)
async def test_what_is_no_id_leads_nowhere(own: OwnRoles, text: str):
    assert await own.get(text) is None
    assert not await own.delete(text)


async def test_different_people_bots_and_groups_have_different_roles():
    places = [
        owner_of(HOME, ANN),
        owner_of(HOME, BOB),
        owner_of(Place("test", "other", "ann"), ANN),
        owner_of(Place("test", "bo", "ann"), Person("tann")),
        group_of(CLUB),
        group_of(Place("test", "bot", "ann", kind="group")),
    ]
    assert len(set(places)) == len(places)
    assert owner_of(CLUB, ANN) == owner_of(HOME, ANN)
    assert group_of(HOME) == ""


async def test_forgetting_a_person_takes_what_they_made_and_shared_and_nobody_elses(own: OwnRoles):
    bobs = owner_of(CLUB, BOB)
    await own.add(HERS, "Pirate", "Arr.", author=HERS)
    await own.add(CLUBS, "Pirate", "Arr.", author=HERS)
    await own.add(CLUBS, "Sailor", "Ahoy.", author=bobs)
    await own.add(bobs, "Sailor", "Ahoy.", author=bobs)
    await own.forget(CLUB, ANN)
    assert [await names(own, owner) for owner in (HERS, CLUBS, bobs)] == [[], ["Sailor"], ["Sailor"]]


async def test_roles_that_nobody_uses_are_forgotten_in_time(redis: Redis, prefix: str):
    own = OwnRoles(redis, Keys(prefix), ttl=1000)
    await own.add(HERS, "Pirate", "Arr.", author=HERS)
    key = Keys(prefix).roles(HERS)
    assert 0 < await redis.ttl(key) <= 1000
    await redis.expire(key, 10)
    await own.get(role_id(HERS, "Pirate"))
    assert await redis.ttl(key) > 900


async def test_what_cannot_be_read_is_passed_over(redis: Redis, prefix: str):
    own = OwnRoles(redis, Keys(prefix))
    await own.add(HERS, "Pirate", "Arr.", author=HERS)
    await redis.hset(Keys(prefix).roles(HERS), "label:" + "0" * 16, "{not json")
    assert await names(own, HERS) == ["Pirate"]


# --- names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("  My   pirate ", "My pirate"),
        ("My\n\tpirate", "My pirate"),
        ("Pi\u202erate\u200b\u2066\ufeff", "Pirate"),
        ("\x00\x1b海盗\u00ad", "海盗"),
        ("C++ / C# (fast!)", "C++ / C# (fast!)"),
        ("🏴 Pirate", "🏴 Pirate"),
    ],
)
def test_a_name_is_cleaned_of_what_cannot_be_seen(text: str, name: str):
    assert name_of(text) == name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \u200b\u202e ", "empty"),
        ("🦜!!", "empty"),
        ("<b>x</b>", "markup"),
        ("*bold*", "markup"),
        ("[a](b)", "markup"),
        ("@everyone", "markup"),
        ("`x`", "markup"),
        ("own:1", "markup"),
        ("x" * (NAME_LIMIT + 1), "long"),
        ("x" * 100_000, "long"),
    ],
)
def test_a_name_with_markup_or_without_letters_is_refused(text: str, reason: str):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        name_of(text)


@given(st.text())
def test_a_name_that_is_taken_is_short_clean_and_stays_the_same(text: str):
    name = ""
    with suppress(ValueError):
        name = name_of(text)
    if name:
        assert len(name) <= NAME_LIMIT
        assert not any(unicodedata.category(character).startswith("C") for character in name)
        assert name_of(name) == name
