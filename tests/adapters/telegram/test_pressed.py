"""Pressed buttons and stopped drafts, on the simulator: answered in time, heard once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.api import Busy, Choices, End, Incoming, Option, Unavailable
from tests.adapters.memory_store import MemoryJournal
from tests.adapters.telegram.running import Ear, Running, confirmed, running
from tests.simulators.telegram import Chat, Person, Shown, TelegramSimulator, telegram_simulator

LONG = "/role " + "a very long name " * 9


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
def ann(telegram: TelegramSimulator) -> Person:
    return telegram.person(5, "Ann", "zh-hans")


@pytest.fixture
def chat(telegram: TelegramSimulator, ann: Person) -> Chat:
    return telegram.private(ann)


async def offered(bot: Running, question: Incoming, chat: Chat) -> Shown:
    """A question with two buttons under an answer."""
    reply = bot.adapter.reply(question, MemoryJournal())
    await reply.send(Choices("Which role?", (Option("Poet", "/role poet"), Option("Long", LONG))))
    await reply.send(End())
    return await chat.shows("Which role?")


async def asked(bot: Running, ann: Person, chat: Chat) -> Shown:
    await ann.says(chat, "@parley_bot /role")
    await bot.ear.hears(1)
    return await offered(bot, bot.ear.heard[0], chat)


@pytest.mark.parametrize(("label", "value"), [("Poet", "/role poet"), ("Long", LONG)])
async def test_a_pressed_button_is_its_value_as_a_command(
    telegram: TelegramSimulator, ann: Person, chat: Chat, label: str, value: str
) -> None:
    async with running(telegram) as bot:
        shown = await asked(bot, ann, chat)
        press = await ann.presses(shown, label)
        await bot.ear.hears(2)
        answer = await asyncio.wait_for(press.answered, 30)
        assert answer.text == ""
        heard = bot.ear.heard[1]
        assert (heard.id, heard.text, heard.addressed) == (f"cb:{press.id}", value, "command")
        assert (heard.place, heard.person) == (bot.ear.heard[0].place, bot.ear.heard[0].person)


async def test_in_a_group_whoever_presses_is_the_one_who_says_it_and_the_topic_is_kept(
    telegram: TelegramSimulator, ann: Person
) -> None:
    bob = telegram.person(6, "Bob")
    group = telegram.group("Cooks", [ann, bob], forum=True)
    topic = await ann.opens_topic(group, "Soup")
    async with running(telegram) as bot:
        await ann.says(group, "@parley_bot /role", thread=topic)
        await bot.ear.hears(1)
        shown = await offered(bot, bot.ear.heard[0], group)
        await bob.presses(shown, "Poet")
        await bot.ear.hears(2)
        assert bot.ear.heard[1].person.id == "6"
        assert bot.ear.heard[1].place == bot.ear.heard[0].place
        assert bot.ear.heard[1].place.thread == str(topic)


async def test_a_button_that_nobody_knows_any_more_says_so_in_the_persons_language(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram) as bot:
        shown = await asked(bot, ann, chat)
        press = await ann.presses(shown, "~gone", forged=True)
        answer = await asyncio.wait_for(press.answered, 30)
        assert (answer.text, answer.alert) == ("这个按钮已过期，请重新提问。", True)
        await confirmed(telegram)
        assert len(bot.ear.tried) == 1


async def test_who_has_too_much_waiting_is_told_so_at_the_button(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram) as bot:
        shown = await asked(bot, ann, chat)
        bot.ear.outcomes = [Busy("Too much waits already. " * 20)]
        press = await ann.presses(shown, "Poet")
        answer = await asyncio.wait_for(press.answered, 30)
        assert answer.alert
        assert answer.text.startswith("Too much waits already.")


async def test_a_button_is_answered_at_once_even_while_nothing_can_be_accepted_and_heard_later(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram) as bot:
        shown = await asked(bot, ann, chat)
        bot.ear.outcomes = [Unavailable("Redis is away"), Unavailable("Redis is away")]
        press = await ann.presses(shown, "Poet")
        await asyncio.wait_for(press.answered, 30)
        await bot.time.paused(2.0)
        bot.time.go(2)
        await bot.ear.hears(2)
        await confirmed(telegram)
    assert telegram.counts["answerCallbackQuery"] == 1


async def test_an_answer_to_a_button_that_fails_holds_up_nothing(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram) as bot:
        shown = await asked(bot, ann, chat)
        telegram.fail(
            "answerCallbackQuery", 1, 400, "Bad Request: query is too old and response timeout expired"
        )
        await ann.presses(shown, "Poet")
        await ann.says(chat, "next")
        await confirmed(telegram)
        assert bot.ear.texts[1:] == ["/role poet", "next"]


async def test_the_same_press_delivered_twice_is_one_message(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    ear = Ear()
    async with running(telegram, ear=ear) as bot:
        shown = await asked(bot, ann, chat)
        await confirmed(telegram)
        await ann.presses(shown, "Poet")
        (update,) = telegram.updates.pending
        await confirmed(telegram)
    telegram.updates.resend(update)
    async with running(telegram, ear=ear):
        await ear.until(lambda: len(ear.tried) == 3)
    assert len(ear.heard) == 2


async def test_the_stop_of_a_draft_is_the_command_stop(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram) as bot:
        await ann.says(chat, "hello")
        await bot.ear.hears(1)
        document = {"chat": chat.json(), "draft_id": 3}
        telegram.put("stopped_message_generation", document, "stopped:5")
        await bot.ear.hears(2)
        stop = bot.ear.heard[1]
        assert (stop.text, stop.addressed, stop.place) == ("/stop", "command", bot.ear.heard[0].place)
