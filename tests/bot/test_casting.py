"""Who is played in a conversation, and whom a person finds by a name."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from bot.api import Person, Place
from bot.keys import Keys
from bot.profile import Profile, Profiles
from bot.roles import Roles
from bot.roles.casting import FRESH, Casting
from bot.roles.own import OwnRoles, group_of, owner_of, role_id
from bot.roles.role import CATEGORIES

ANN, BOB = Person("ann", "Ann"), Person("bob", "Bob")
HOME, CLUB = Place("test", "bot", "ann"), Place("test", "bot", "club", kind="group")
HERS, CLUBS = owner_of(HOME, ANN), group_of(CLUB)


@pytest.fixture
def profiles(redis: Redis, prefix: str) -> Profiles:
    return Profiles(redis, Keys(prefix))


@pytest.fixture
def casting(redis: Redis, prefix: str, profiles: Profiles) -> Casting:
    return Casting(Roles.load(), OwnRoles(redis, Keys(prefix)), profiles, "teacher")


async def test_a_conversation_plays_the_role_it_has_chosen_else_the_default(casting: Casting):
    assert (await casting.resolve(Profile())).id == "teacher"
    assert (await casting.resolve(Profile(role="chef"))).id == "chef"
    assert (await casting.resolve(Profile(role="gone"))).id == "teacher"


async def test_an_unknown_default_is_the_assistant(casting: Casting, profiles: Profiles):
    assert (await Casting(casting.roles, casting.own, profiles, "none").default()).id == "assistant"


async def test_an_admins_choice_stands_before_the_settings_and_reaches_every_process(
    casting: Casting, profiles: Profiles
):
    now = [0.0]
    other = Casting(casting.roles, casting.own, profiles, "teacher", clock=lambda: now[0])
    assert (await other.default()).id == "teacher"
    assert (await casting.choose_default("chef")).id == "chef"
    assert (await casting.resolve(Profile())).id == "chef"
    now[0] += FRESH - 0.1
    assert (await other.default()).id == "teacher"
    now[0] += 0.1
    assert (await other.default()).id == "chef"
    assert (await casting.choose_default("")).id == "teacher"


async def test_a_role_of_ones_own_is_played_for_everybody_in_the_conversation(casting: Casting):
    await casting.own.add(HERS, "Pirate", "Arr, {user}.", author=HERS)
    role = await casting.resolve(Profile(role=role_id(HERS, "Pirate")))
    assert (role.name("en"), role.prompt("en")) == ("Pirate", "Arr, {user}.")


async def test_a_system_prompt_stands_in_the_roles_place_in_every_language(casting: Casting):
    role = await casting.resolve(Profile(role="coder", system="Be brief."))
    assert [role.prompt(tag) for tag in ("en", "zh-Hans", "de")] == ["Be brief."] * 3
    assert (role.id, role.temperature) == ("coder", 0.2)


async def test_a_conversation_whose_role_is_gone_plays_the_default_from_then_on(
    casting: Casting, profiles: Profiles
):
    await profiles.change("c", role="own:gone", model="m")
    await casting.dismiss("c")
    assert await profiles.load("c") == Profile(role="teacher", model="m")


async def test_a_person_finds_their_own_then_the_groups_then_everybodys(casting: Casting):
    await casting.own.add(HERS, "Muse", "Hers.", author=HERS)
    await casting.own.add(CLUBS, "Muse", "The club's.", author=owner_of(CLUB, BOB))

    async def found(text: str, place: Place, person: Person) -> str:
        role = await casting.find(text, "en", place, person)
        return role.id if role else ""

    assert await found("muse", CLUB, ANN) == role_id(HERS, "Muse")
    assert await found("MUSE", CLUB, BOB) == role_id(CLUBS, "Muse")
    assert await found("muse", HOME, BOB) == ""
    assert await found("Chef", CLUB, ANN) == "chef"
    assert await found(role_id(HERS, "Muse"), HOME, ANN) == role_id(HERS, "Muse")
    assert await found(role_id(HERS, "Muse"), CLUB, BOB) == ""  # somebody else's button


async def test_all_roles_are_listed_by_category_ones_own_first(casting: Casting):
    await casting.own.add(HERS, "Muse", "Hers.", author=HERS)
    await casting.own.add(CLUBS, "Sage", "The club's.", author=HERS)
    listed = await casting.choices(CLUB, ANN)
    assert [role.name("en") for role in listed[:3]] == ["Muse", "Sage", "Assistant"]
    places = [CATEGORIES.index(role.category) for role in listed]
    assert places == sorted(places)
    assert len(await casting.choices(HOME, BOB)) == len(listed) - 2


async def test_a_misspelt_name_is_near_to_ones_own_first(casting: Casting):
    await casting.own.add(HERS, "Travel mate", "Hers.", author=HERS)
    near = await casting.near("travle mate", HOME, ANN)
    assert near[0].name("en") == "Travel mate"
    assert len(near) == 3
    known = await casting.near("travle", HOME, BOB)
    assert known[0].id == "travel"
