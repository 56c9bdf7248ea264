"""Who runs a group, by what Telegram tells a bot that is no administrator itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.api import Person as Someone
from bot.api import Place, Unavailable
from bot.groups import RUNS, Groups
from tests.adapters.telegram.running import Running, made
from tests.simulators.telegram import Chat, Person, TelegramSimulator, telegram_simulator


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
async def bot(telegram: TelegramSimulator) -> AsyncIterator[Running]:
    running = made(telegram)
    yield running
    await running.adapter.close()


@pytest.fixture
def people(telegram: TelegramSimulator) -> list[Person]:
    return [telegram.person(number, name) for number, name in ((5, "Ann"), (6, "Bob"), (7, "Cas"))]


@pytest.fixture
def team(telegram: TelegramSimulator, people: list[Person]) -> Chat:
    return telegram.group("Team", people, supergroup=True)


def where(telegram: TelegramSimulator, chat: Chat | str) -> Place:
    id = chat if isinstance(chat, str) else str(chat.id)
    return Place("telegram", str(telegram.id), id, kind="group")


async def run_by(bot: Running, place: Place, *ids: int | str) -> list[bool]:
    return [await bot.adapter.administers(place, Someone(str(id))) for id in ids]


async def test_the_owner_and_the_administrators_run_a_group(
    telegram: TelegramSimulator, bot: Running, team: Chat
) -> None:
    team.admins.add(6)
    assert await run_by(bot, where(telegram, team), 5, 6, 7, 99) == [True, True, False, False]


async def test_who_speaks_as_the_group_runs_it_and_who_speaks_as_a_channel_does_not(
    telegram: TelegramSimulator, bot: Running, team: Chat
) -> None:
    assert await run_by(bot, where(telegram, team), team.id, -1009) == [True, False]
    assert telegram.counts["getChatAdministrators"] == 1


async def test_who_was_dismissed_loses_the_right_when_it_is_asked_again(
    telegram: TelegramSimulator, bot: Running, team: Chat
) -> None:
    now = 0.0
    groups, place, bob = Groups(clock=lambda: now), where(telegram, team), Someone("6")
    team.admins.add(6)
    assert await groups.runs(bot.adapter.administers, place, bob)
    team.admins.remove(6)
    assert await groups.runs(bot.adapter.administers, place, bob)
    now = RUNS
    assert not await groups.runs(bot.adapter.administers, place, bob)


async def test_a_group_that_became_a_supergroup_is_asked_under_its_new_id(
    telegram: TelegramSimulator, bot: Running, people: list[Person]
) -> None:
    old = telegram.group("Club", people)
    new = await people[0].migrates(old)
    place = where(telegram, old)
    with pytest.raises(Unavailable):  # whose error is how this process learns of it
        await run_by(bot, place, 5)
    assert await run_by(bot, place, 5, 6, old.id, new.id) == [True, False, True, True]


@pytest.mark.parametrize("status", ["kicked", "left"])
async def test_of_a_group_that_we_are_not_in_nobody_is_known(
    telegram: TelegramSimulator, bot: Running, team: Chat, status: str
) -> None:
    team.status = status
    assert await run_by(bot, where(telegram, team), 5) == [False]
    assert await run_by(bot, where(telegram, "-1"), 5) == [False]


async def test_what_is_sent_inline_is_in_no_group_of_ours(telegram: TelegramSimulator, bot: Running) -> None:
    assert await run_by(bot, where(telegram, "inline:abc"), 5) == [False]
    assert not telegram.calls


@pytest.mark.parametrize("fault", ["fail", "cut", "flood"])
async def test_a_passing_fault_is_no_answer(
    telegram: TelegramSimulator, bot: Running, team: Chat, fault: str
) -> None:
    match fault:
        case "fail":
            telegram.fail("getChatAdministrators", error_code=502)
        case "cut":
            telegram.cut("getChatAdministrators")
        case _:
            wait = {"retry_after": 3}
            telegram.fail("getChatAdministrators", error_code=429, parameters=wait)
    place = where(telegram, team)
    with pytest.raises(Unavailable):
        await run_by(bot, place, 5)
    assert await run_by(bot, place, 5) == [True]
