"""Access: closed unless the operator opens it, a stranger is told once how to be let in, and the settings win."""

import asyncio

import pytest
from redis.asyncio import Redis

from bot.access import CODE_LIFE, REFRESH, WAITING, Access, AccessSettings, make_code, named
from bot.api import Notice, Person, Place, Text
from bot.delivery import Delivery
from bot.errors import StoreAway
from bot.keys import Keys
from bot.middleware import Admission
from tests.bot.doubles import Held, delivery, incoming

ANN, BOB = Person("1"), Person("2")
PRIVATE, GROUP = Place("chat", "bot", "1"), Place("chat", "bot", "-9", kind="group")


class Clock:
    """The time of day, as the test has it."""

    now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def listed(redis: Redis, prefix: str, clock: Clock):
    def make(**settings: str) -> Access:
        return Access(AccessSettings.load(settings), redis, Keys(prefix), trusted={"desk"}, clock=clock)

    return make


@pytest.mark.parametrize(
    ("settings", "admitted"),
    [
        ({}, [False, False, False, False]),
        ({"ALLOWED": "chat:1"}, [True, False, True, False]),
        ({"ALLOWED": "chat:-9"}, [False, False, True, True]),
        ({"ALLOWED": "chat:*"}, [True, True, True, True]),
        ({"ALLOWED": "*"}, [True, True, True, True]),
        ({"ALLOWED": "other:*,other:1"}, [False, False, False, False]),
        ({"ADMINS": "chat:2"}, [False, True, False, True]),
        ({"ALLOWED": "*", "BLOCKED": "chat:1"}, [False, True, False, True]),
        ({"ALLOWED": "*", "BLOCKED": "chat:-9"}, [True, True, False, False]),
        ({"ALLOWED": "*,chat:1", "ADMINS": "chat:2", "BLOCKED": "chat:*"}, [False, False, False, False]),
        ({"ALLOWED": "*", "BLOCKED": "other:*,other:1"}, [True, True, True, True]),
        ({"ALLOWED": "chat:*", "BLOCKED": "*"}, [False, False, False, False]),
    ],
)
def test_whom_a_list_admits(listed, settings: dict[str, str], admitted: list[bool]):
    access = listed(**settings)
    asked = [(PRIVATE, ANN), (PRIVATE, BOB), (GROUP, ANN), (GROUP, BOB)]
    assert [access.admits(*one) for one in asked] == admitted


def test_who_was_let_in_by_other_means_needs_no_list_but_may_be_blocked(listed):
    desk = Place("desk", "bot", "1")
    assert listed().admits(desk, ANN)
    assert not listed(BLOCKED="desk:1").admits(desk, ANN)
    assert not listed(BLOCKED="desk:*").admits(desk, ANN)


def test_an_admin_is_named_in_the_settings_and_nowhere_else(listed):
    access = listed(ADMINS="chat:1", BLOCKED="chat:3")
    assert access.admin(PRIVATE, ANN)
    assert not access.admin(PRIVATE, BOB)
    assert not access.admin(Place("other", "bot", "1"), ANN)
    assert not listed(ADMINS="chat:1", BLOCKED="chat:1").admin(PRIVATE, ANN)
    assert not listed(ADMINS="chat:1", BLOCKED="chat:*").admin(PRIVATE, ANN)


async def test_nobody_of_a_blocked_platform_can_be_let_in(listed):
    access = listed(ALLOWED="chat:2", BLOCKED="chat:*")
    assert (access.settled("chat:1"), access.settled("chat:2")) == ("blocked", "blocked")
    assert access.settled("other:1") == ""
    assert await access.pair(PRIVATE, ANN) == ""
    assert await access.waiting() == []


# --- at run time --------------------------------------------------------------------------------------------


async def test_who_is_let_in_at_run_time_stays_so_in_every_process(listed):
    here, there = listed(), listed()
    assert await here.let_in("chat:1", by="chat:7") == "chat:1"
    assert here.admits(PRIVATE, ANN)
    assert not there.admits(PRIVATE, ANN)
    await there.refresh()
    assert there.admits(PRIVATE, ANN)
    assert await there.shut_out("chat:1", by="chat:7") == "chat:1"
    await here.refresh()
    assert not here.admits(PRIVATE, ANN)
    (verdict,) = await here.verdicts()
    assert (verdict.name, verdict.allowed, verdict.by) == ("chat:1", False, "chat:7")


async def test_a_person_can_be_shut_out_of_a_group_that_the_settings_name(listed):
    access = listed(ALLOWED="chat:-9")
    await access.shut_out("chat:1", by="x")
    assert (access.admits(GROUP, ANN), access.admits(GROUP, BOB)) == (False, True)
    await access.shut_out("chat:-9", by="x")
    assert access.admits(GROUP, BOB)


async def test_a_group_can_be_let_in_and_a_person_of_it_shut_out(listed):
    access = listed()
    await access.let_in("chat:-9", by="x")
    assert access.admits(GROUP, BOB)
    assert not access.admits(PRIVATE, ANN)
    await access.shut_out("chat:2", by="x")
    assert not access.admits(GROUP, BOB)
    assert access.admits(GROUP, ANN)


@pytest.mark.parametrize(
    ("settings", "verdict", "admitted"),
    [
        ({"BLOCKED": "chat:1"}, "in", False),
        ({"ALLOWED": "chat:1"}, "out", True),
        ({"ADMINS": "chat:1"}, "out", True),
        ({"ALLOWED": "*"}, "out", False),  # a wildcard names nobody, so that one of many can be shut out
        ({"ALLOWED": "chat:*"}, "out", False),
    ],
)
async def test_the_settings_win_over_what_was_said_at_run_time(listed, settings, verdict, admitted):
    access = listed(**settings)
    await (access.let_in if verdict == "in" else access.shut_out)("chat:1", by="x")
    assert access.admits(PRIVATE, ANN) == admitted


@pytest.mark.parametrize(
    "text", ["", "nobody", "chat:", ":1", "chat:1 2", "chat:*", "WRONGCDE", "x" * 300 + ":1"]
)
async def test_what_is_neither_a_code_nor_a_name_changes_nothing(listed, text: str):
    access = listed()
    assert await access.let_in(text, by="x") == ""
    assert await access.shut_out(text, by="x") == ""
    assert await access.verdicts() == []
    assert not named(text)


async def test_the_copy_is_kept_up_to_date_and_outlives_a_failing_store(listed, redis: Redis):
    access, other = listed(), listed()
    await other.let_in("chat:1", by="x")
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await access.watch(sleep)
    assert access.admits(PRIVATE, ANN)
    assert slept == [REFRESH, REFRESH]

    class Away(Access):
        async def refresh(self) -> None:
            raise StoreAway("away")

    slept.clear()
    with pytest.raises(asyncio.CancelledError):
        await Away(AccessSettings(), redis, Keys("x"), trusted=()).watch(sleep)
    assert len(slept) == 2


async def test_what_cannot_be_read_is_passed_over(listed, redis: Redis, prefix: str):
    access = listed()
    await redis.hset(Keys(prefix).people_admitted, "chat:2", "{")
    await access.let_in("chat:1", by="x")
    assert [verdict.name for verdict in await access.verdicts()] == ["chat:1"]


# --- pairing ------------------------------------------------------------------------------------------------


def test_a_code_is_short_and_has_no_letter_that_looks_like_another():
    codes = {make_code() for _ in range(200)}
    assert len(codes) == 200
    assert {len(code) for code in codes} == {8}
    assert not set("".join(codes)) & set("01OIL")


async def test_the_same_stranger_has_the_same_code_and_it_lets_in_whoever_it_was_for(listed):
    access = listed()
    code = await access.pair(PRIVATE, ANN)
    assert await access.pair(PRIVATE, ANN) == code
    other = await access.pair(Place("chat", "bot", "2"), BOB)
    assert other != code
    assert await access.let_in(f" {code.lower()} ", by="chat:7") == "chat:1"
    assert [waiting.name for waiting in await access.waiting()] == ["chat:2"]
    assert await access.let_in(code, by="chat:7") == ""  # a code is good once


async def test_a_code_ends_after_a_day(listed, clock: Clock):
    access = listed()
    code = await access.pair(PRIVATE, ANN)
    clock.now += CODE_LIFE + 1
    assert await access.let_in(code, by="x") == ""
    assert await access.waiting() == []
    assert await access.pair(PRIVATE, ANN) != code


async def test_strangers_beyond_number_get_no_code_and_who_was_shut_out_neither(
    listed, redis: Redis, prefix: str
):
    access = listed()
    known = await access.pair(PRIVATE, ANN)
    for number in range(WAITING - 1):
        assert await access.pair(PRIVATE, Person(f"s{number}"))
    assert await access.pair(PRIVATE, BOB) == ""
    assert await access.pair(PRIVATE, ANN) == known
    await access.shut_out("chat:1", by="x")
    assert await access.pair(PRIVATE, ANN) == ""
    assert 0 < await redis.ttl(Keys(prefix).people_waiting) <= CODE_LIFE


async def test_a_strangers_name_is_shown_without_what_turns_text_round(listed):
    access = listed()
    await access.pair(PRIVATE, Person("1", "Ann\n/allow *\u202e\u0007" + "x" * 100))
    (waiting,) = await access.waiting()
    assert waiting.shown.startswith("Ann/allow *xxx")
    assert len(waiting.shown) == 60


# --- what a stranger hears ----------------------------------------------------------------------------------


def through(access: Access) -> tuple[Admission, list[str]]:
    reached: list[str] = []

    async def following(made: Delivery) -> None:
        reached.append(made.message.text)
        await made.send(Text("hi"))

    return Admission(access, following), reached


async def test_a_stranger_is_told_the_code_once_and_never_reaches_the_dialogue(listed):
    access = listed(ALLOWED="test:bob", ADMINS="test:eve")
    admission, reached = through(access)
    first, reply = delivery("hello")
    await admission(first)
    (notice,) = reply.parts
    assert isinstance(notice, Notice)
    (waiting,) = await access.waiting()
    assert notice.key == "pairing.chat"
    assert "test:ann" in notice.text
    assert f"/allow {waiting.code}" in notice.text
    again, reply = delivery("hello?")
    await admission(again)
    assert reply.parts == []
    other, reply = delivery(incoming("hi", chat="bob"))
    await admission(other)
    assert (reply.text, reached) == ("hi", ["hi"])


async def test_without_an_admin_the_stranger_is_told_what_the_operator_types(listed):
    admission, _ = through(listed())
    made, reply = delivery("hello")
    await admission(made)
    assert reply.notices == ["pairing.console"]
    assert "parley allow " in reply.parts[0].text


async def test_who_was_shut_out_gets_no_code(listed):
    access = listed()
    await access.shut_out("test:ann", by="x")
    admission, _ = through(access)
    made, reply = delivery("hello")
    await admission(made)
    assert reply.notices == ["denied"]


async def test_who_was_let_in_elsewhere_a_moment_ago_is_not_turned_away(listed):
    here, there = listed(), listed()
    admission, reached = through(here)
    first, _ = delivery("hello")
    await admission(first)
    await there.let_in("test:ann", by="x")
    second, reply = delivery("hello again")
    await admission(second)
    assert (reply.text, reached) == ("hi", ["hello again"])


async def test_a_stranger_whose_telling_was_lost_in_a_crash_is_told_again(listed):
    access = listed()
    admission, _ = through(access)
    assert await access.deny(Place("test", "bot", "ann"), Person("ann"))
    made, reply = delivery("hello", hold=Held(attempt=2))
    await admission(made)
    assert reply.notices == ["pairing.console"]


async def test_in_a_group_a_stranger_is_not_told_anything(listed):
    admission, reached = through(listed())
    message = incoming("hello")
    place = Place("test", "bot", "-9", kind="group")
    made, reply = delivery(type(message)(message.id, place, message.person, "hello"))
    await admission(made)
    assert (reply.parts, reached) == ([], [])
