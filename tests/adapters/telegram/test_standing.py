"""Where the bot is blocked, added, put out or silenced: one line each, and one greeting."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from adapters.telegram.words import say
from tests.adapters.telegram.running import Ear, confirmed, nobody, running
from tests.simulators.telegram import Chat, Person, TelegramSimulator, telegram_simulator


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
def ann(telegram: TelegramSimulator) -> Person:
    return telegram.person(5, "Ann", "zh-hant")


@pytest.fixture
def group(telegram: TelegramSimulator, ann: Person) -> Chat:
    made = telegram.group("Cooks", [ann], supergroup=True)
    made.status = "left"
    return made


def told(caplog: pytest.LogCaptureFixture, chat: Chat) -> list[str]:
    head = f"telegram: chat {chat.id} "
    return [text.removeprefix(head) for text in caplog.messages if text.startswith(head)]


async def test_each_change_is_one_line(
    telegram: TelegramSimulator, ann: Person, group: Chat, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    chat = telegram.private(ann)
    async with running(telegram) as bot:
        await ann.blocks()
        await ann.unblocks()
        await ann.adds(group)
        await ann.mutes(group)
        await ann.unmutes(group)
        await ann.kicks(group)
        await confirmed(telegram)
        assert told(caplog, chat) == ["has blocked the bot (user 5)", "has unblocked the bot (user 5)"]
        assert told(caplog, group) == [
            "has the bot in it now (user 5)",
            "does not let the bot write any more (user 5)",
            "lets the bot write again (user 5)",
            "has put the bot out (user 5)",
        ]
        assert bot.ear.tried == []


async def test_a_group_is_greeted_once_in_the_language_of_who_added_the_bot(
    telegram: TelegramSimulator, ann: Person, group: Chat
) -> None:
    async with running(telegram):
        await ann.adds(group)
        greeting = await group.shows("@parley_bot")
        assert greeting.text == say("zh-TW", "greeting", bot="parley_bot")
        assert greeting.text != say("zh-CN", "greeting", bot="parley_bot")
        await ann.kicks(group)
        await ann.adds(group)
        await confirmed(telegram)
    assert group.said == [greeting.text]


async def test_a_greeting_that_fails_is_not_tried_again(
    telegram: TelegramSimulator, ann: Person, group: Chat
) -> None:
    telegram.fail("sendMessage", 100, 403, "Forbidden: bot was kicked from the supergroup chat")
    with capture_logs() as logs:
        async with running(telegram):
            await ann.adds(group)
            await confirmed(telegram)
    assert telegram.counts["sendMessage"] == 1
    assert [line["what"] for line in logs if line["event"] == "telegram.errand_failed"] == ["a greeting"]


async def test_a_stranger_gets_no_greeting(telegram: TelegramSimulator, ann: Person, group: Chat) -> None:
    async with running(telegram, admits=nobody):
        await ann.adds(group)
        await confirmed(telegram)
    assert telegram.counts["sendMessage"] == 0


async def test_a_group_that_became_a_supergroup_is_not_greeted_again(
    telegram: TelegramSimulator, ann: Person
) -> None:
    team = telegram.group("Team", [ann])
    async with running(telegram, ear=Ear()):
        new = await ann.migrates(team)
        await confirmed(telegram)
        new.status = "left"
        await ann.adds(new)
        await confirmed(telegram)
    assert telegram.counts["sendMessage"] == 0
