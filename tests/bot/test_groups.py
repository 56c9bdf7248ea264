"""Groups: who runs one is asked where it matters, believed for some minutes, and never taken for granted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.api import Gone, Person, Place, Unavailable
from bot.groups import RUNS, RUNS_NOT, Groups

TEAM = Place("test", "bot", "team", kind="group")
ANN, BOB = Person("1", "Ann"), Person("2", "Bob")


class Platform:
    """A double of `Adapter.administers`: `fault` is raised, `admins` are known."""

    def __init__(self, *admins: Person) -> None:
        self.admins = list(admins)
        self.asked = 0
        self.fault: Exception | None = None

    async def administers(self, place: Place, person: Person) -> bool:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return place == TEAM and person in self.admins


class House:
    """What one process knows; `now` is the time."""

    def __init__(self, *admins: Person, patience: float = 5.0) -> None:
        self.now = 0.0
        self.platform = Platform(*admins)
        self.groups = Groups(patience=patience, clock=lambda: self.now)

    async def runs(self, person: Person, place: Place = TEAM) -> bool:
        return await self.groups.runs(self.platform.administers, place, person)


async def test_who_is_dismissed_has_lost_the_right_after_some_minutes():
    house = House(ANN)
    assert await house.runs(ANN)
    house.platform.admins.clear()
    house.now = RUNS - 1
    assert await house.runs(ANN)
    assert house.platform.asked == 1
    house.now = RUNS
    assert not await house.runs(ANN)


async def test_who_is_appointed_is_known_sooner():
    house = House()
    assert not await house.runs(ANN)
    house.platform.admins.append(ANN)
    house.now = RUNS_NOT - 1
    assert not await house.runs(ANN)
    house.now = RUNS_NOT
    assert await house.runs(ANN)


async def test_it_is_known_of_one_person_in_one_group_of_one_bot():
    house = House(ANN)
    assert await house.runs(ANN)
    assert not await house.runs(BOB)
    for other in (replace(TEAM, chat="other"), replace(TEAM, account="b2"), replace(TEAM, platform="t2")):
        assert not await house.runs(ANN, other)
    assert house.platform.asked == 5
    assert await house.runs(replace(ANN, name="Anna"))
    assert house.platform.asked == 5


async def test_of_a_private_chat_nobody_is_asked():
    house = House(ANN)
    assert not await house.runs(ANN, Place("test", "bot", "1"))
    assert house.platform.asked == 0


async def test_a_platform_that_is_away_is_asked_again_at_once_and_one_that_is_gone_knows_nobody():
    house = House(ANN)
    house.platform.fault = Unavailable("away")
    with pytest.raises(Unavailable):
        await house.runs(ANN)
    house.platform.fault = None
    assert await house.runs(ANN)
    house.platform.fault = Gone("put out")
    assert not await house.runs(BOB)


async def test_a_platform_that_does_not_answer_is_not_waited_for():
    async def silent(place: Place, person: Person) -> bool:
        await asyncio.Event().wait()
        return True

    with pytest.raises(Unavailable):
        await Groups(patience=0).runs(silent, TEAM, ANN)


async def test_only_so_many_are_remembered_the_latest_asked():
    house = House()
    house.groups = Groups(clock=lambda: 0.0, limit=2)
    for id in ("1", "2", "3", "2", "1"):
        await house.runs(Person(id))
    assert house.platform.asked == 4
