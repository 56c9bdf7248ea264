"""Announcements: each person hears one once, in their own conversation, and only who still may."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from bot.api import Choices, Incoming, Person, Place
from bot.commands import Registry
from bot.commands.announcing import TEXT_LIMIT, Announcing
from bot.correspondents import LIFE, Correspondents
from bot.keys import Keys
from tests.bot.doubles import Collected, catalogue, delivery

BOSS = "boss"


class Hall:
    """The family over a real Redis; what is announced stays in `accepted`, by its key."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.now = 1_795_000_000.0
        self.correspondents = Correspondents(redis, Keys(prefix), clock=lambda: self.now)
        self.accepted: dict[str, Incoming] = {}
        self.denied: set[str] = set()
        self.full: set[str] = set()
        family = Announcing(self.correspondents, self._accept, self._admits).commands()
        self.registry = Registry(
            family, languages=("en",), say=catalogue().say, admin=lambda place, person: person.id == BOSS
        )

    async def hears(self, *people: str, language: str = "") -> None:
        for person in people:
            place = Place("test", "bot", f"dm-{person}", thread=f"{person}-1")
            await self.correspondents.met(
                Incoming("1", place, Person(person, person.title(), language), "hi")
            )

    async def says(self, text: str, who: str = BOSS) -> Collected:
        made, reply = delivery(Incoming("9", Place("test", "bot", f"dm-{who}"), Person(who), text))
        assert await self.registry.run(made)
        return reply

    async def delivered(self, key: str) -> Sequence[str]:
        made, reply = delivery(self.accepted[key])
        assert await self.registry.run(made)
        return [part.text for part in reply.parts]

    async def _accept(self, message: Incoming) -> bool:
        if message.person.id in self.full and message.key not in self.accepted:
            return False
        self.accepted.setdefault(message.key, message)
        return True

    def _admits(self, place: Place, person: Person) -> bool:
        return person.id not in self.denied


@pytest.fixture
def hall(redis: Redis, prefix: str) -> Hall:
    return Hall(redis, prefix)


async def announce(hall: Hall, text: str) -> Collected:
    (asked,) = (await hall.says(f"/broadcast {text}")).parts
    assert isinstance(asked, Choices)
    assert text in asked.text
    assert hall.accepted == {}
    return await hall.says(asked.options[0].value)


async def test_an_announcement_reaches_each_private_conversation_once(hall: Hall):
    await hall.hears("ann", "bob", BOSS)
    await hall.hears("ann", language="zh-CN")  # the app's language has changed
    (asked,) = (await hall.says("/broadcast Back at noon.\nBring cake.")).parts
    assert isinstance(asked, Choices)
    assert asked.text.startswith("2 people")
    for _ in range(2):
        assert (await hall.says(asked.options[0].value)).notices == ["broadcast.done"]
    assert sorted(m.person.id for m in hall.accepted.values()) == ["ann", "bob"]
    assert all(m.place.thread == "" and m.person.name == "" for m in hall.accepted.values())
    assert {m.person.id: m.person.language for m in hall.accepted.values()}["ann"] == "zh-CN"
    for key in hall.accepted:
        assert await hall.delivered(key) == ["📣 Back at noon.\nBring cake."]


async def test_who_may_not_talk_to_the_bot_any_more_hears_nothing(hall: Hall):
    await hall.hears("ann", "bob")
    hall.denied.add("bob")
    await announce(hall, "hello")
    assert [m.person.id for m in hall.accepted.values()] == ["ann"]


async def test_whose_conversation_is_full_is_not_counted_and_can_be_tried_again(hall: Hall):
    await hall.hears("ann", "bob", "carl")
    hall.full.add("bob")
    (told,) = (await announce(hall, "hello")).parts
    assert isinstance(told, Choices)
    assert told.text.startswith("It is on its way to 2 of 3 people.")
    hall.full = {"ann"}
    again = await hall.says(told.options[0].value)
    assert [part.text for part in again.parts] == ["It is on its way to 3 people."]
    assert sorted(m.person.id for m in hall.accepted.values()) == ["ann", "bob", "carl"]


async def test_who_has_been_silent_for_a_month_or_wants_to_be_forgotten_hears_nothing(hall: Hall):
    await hall.hears("ann")
    hall.now += LIFE / 2
    await hall.hears("bob", "carl")
    hall.now += LIFE / 2 + 1
    await hall.correspondents.forget(Incoming("2", Place("test", "bot", "x"), Person("carl"), "/forget"))
    await announce(hall, "hello")
    assert [m.person.id for m in hall.accepted.values()] == ["bob"]
    hall.now += LIFE
    assert (await hall.says("/broadcast again")).notices == ["broadcast.nobody"]


async def test_a_bad_announcement_gets_a_clear_answer_and_nothing_is_sent(hall: Hall):
    assert (await hall.says("/broadcast")).notices == ["broadcast.how"]
    assert (await hall.says("/broadcast hello")).notices == ["broadcast.nobody"]
    await hall.hears("ann")
    assert (await hall.says(f"/broadcast {'x' * (TEXT_LIMIT + 1)}")).notices == ["broadcast.too_long"]
    assert (await hall.says("/broadcast send 0123456789ab")).notices == ["broadcast.expired"]
    assert (await hall.says("/broadcast hello", who="ann")).notices == ["command.unknown"]
    assert (await hall.says("/announcement 0123456789ab", who="ann")).parts == []
    assert (await hall.says("/announcement", who="ann")).parts == []
    assert hall.accepted == {}


async def test_one_conversation_is_noted_once_an_hour(hall: Hall, redis: Redis, prefix: str):
    await hall.hears("ann")
    await redis.delete(Keys(prefix).correspondents)
    await hall.hears("ann")
    assert await hall.correspondents.known() == []
    hall.now += 3601
    await hall.hears("ann")
    assert [person.id for _, person in await hall.correspondents.known()] == ["ann"]


async def test_what_an_earlier_version_noted_of_a_person_is_forgotten_too(
    hall: Hall, redis: Redis, prefix: str
):
    written = '[{"platform":"test","account":"bot","chat":"dm-ann"},{"id":"ann"}]'
    await redis.zadd(Keys(prefix).correspondents, {written: hall.now})
    assert [person.id for _, person in await hall.correspondents.known()] == ["ann"]
    await hall.correspondents.forget(Incoming("2", Place("test", "bot", "x"), Person("ann"), "/forget"))
    assert await redis.zcard(Keys(prefix).correspondents) == 0
