"""Inline mode on the simulator: a card for those who may ask, and an answer that is written into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.api import Choices, End, Gone, Media, Notice, Option, Status, Text, Unavailable
from tests.adapters.memory_store import MemoryJournal
from tests.adapters.telegram.running import Running, Time, confirmed, nobody, running
from tests.simulators.telegram import Person, Shown, TelegramSimulator, telegram_simulator


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
def ann(telegram: TelegramSimulator) -> Person:
    return telegram.person(5, "Ann")


async def results(person: Person, text: str) -> list[dict[str, Any]]:
    query = await person.inline_query(text)
    return await asyncio.wait_for(query.answered, 30)


async def card(ann: Person, question: str) -> Shown:
    """A card in a chat that the bot is not in."""
    query = await ann.inline_query(question)
    await asyncio.wait_for(query.answered, 30)
    return await ann.chooses(query)


async def pressed(bot: Running, ann: Person, question: str = "why is the sky blue") -> Shown:
    shown = await card(ann, question)
    await ann.presses(shown, "Answer")
    await bot.ear.hears(1)
    return shown


# --- the card ----------------------------------------------------------------------------------------------


async def test_a_question_is_offered_as_a_card_with_a_button(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with running(telegram, TELEGRAM_INLINE="on"):
        (offered,) = await results(ann, "why is the sky blue")
        assert offered["description"] == "why is the sky blue"
        shown = await card(ann, "why is the sky blue")
        assert (shown.text, shown.buttons) == ("❓ why is the sky blue", ["Answer"])


async def test_the_card_is_in_the_persons_language(telegram: TelegramSimulator) -> None:
    li = telegram.person(7, "Li", "zh-hant")
    async with running(telegram, TELEGRAM_INLINE="on"):
        assert (await results(li, "为什么"))[0]["title"] == "回答"


async def test_nothing_is_offered_before_there_is_a_question(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with running(telegram, TELEGRAM_INLINE="on"):
        assert await results(ann, "  ") == []


async def test_strangers_get_no_card_and_a_hint(telegram: TelegramSimulator, ann: Person) -> None:
    async with running(telegram, admits=nobody, TELEGRAM_INLINE="on"):
        assert await results(ann, "why is the sky blue") == []
        (answer,) = telegram.called("answerInlineQuery")
        assert answer["button"]["text"] == "You cannot use this bot here. Open the chat with it"
        assert answer["cache_time"] == 0


async def test_without_the_setting_nobody_is_even_asked(telegram: TelegramSimulator, ann: Person) -> None:
    async with running(telegram) as bot:
        await ann.says(telegram.private(ann), "hello")
        await bot.ear.hears(1)
        assert (await ann.inline_query("why")).update_id is None


# --- the question ------------------------------------------------------------------------------------------


async def test_the_button_asks_the_question_in_a_chat_of_its_own(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with running(telegram, TELEGRAM_INLINE="on") as bot:
        shown = await pressed(bot, ann)
        (heard,) = bot.ear.heard
        assert heard.text == "why is the sky blue"
        assert heard.place.chat == f"inline:{shown.extra['inline_message_id']}"
        assert (heard.place.kind, heard.place.thread, heard.person.id) == ("group", "", "5")


async def test_who_presses_twice_has_asked_once(telegram: TelegramSimulator, ann: Person) -> None:
    async with running(telegram, TELEGRAM_INLINE="on") as bot:
        shown = await pressed(bot, ann)
        again = await ann.presses(shown, "Answer")
        await asyncio.wait_for(again.answered, 30)
        assert len(bot.ear.tried) == 2
        assert len(bot.ear.heard) == 1


async def test_whoever_presses_is_the_one_who_asks(telegram: TelegramSimulator, ann: Person) -> None:
    bob = telegram.person(6, "Bob")
    async with running(telegram, TELEGRAM_INLINE="on") as bot:
        shown = await card(ann, "why")
        await bob.presses(shown, "Answer")
        await bot.ear.hears(1)
        assert bot.ear.heard[0].person.id == "6"


async def test_a_card_that_nobody_knows_any_more_says_so(telegram: TelegramSimulator, ann: Person) -> None:
    async with running(telegram, TELEGRAM_INLINE="on") as bot:
        shown = await card(ann, "why")
        press = await ann.presses(shown, "ask:gone", forged=True)
        assert "too old" in (await asyncio.wait_for(press.answered, 30)).text
        await confirmed(telegram)
        assert bot.ear.tried == []


# --- the answer --------------------------------------------------------------------------------------------


async def test_the_answer_is_written_into_the_card_below_the_question(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with running(telegram, TELEGRAM_INLINE="on") as bot:
        shown = await pressed(bot, ann)
        reply = bot.adapter.reply(bot.ear.heard[0], MemoryJournal())
        await reply.send(Status("thinking", (Option("Stop", "/stop"),)))
        assert (shown.text, shown.buttons) == ("❓ why is the sky blue\n\n…", ["Stop"])
        await reply.send(Text("Because of **"))
        await reply.send(Text("scattering** 🌈."))
        await reply.send(Notice("note", text="The answer was cut off."))
        await reply.send(End(offers=(Option("Retry", "/retry"),)))
        assert shown.text == "❓ why is the sky blue\n\nBecause of scattering 🌈.\n\nThe answer was cut off."
        assert [entity["type"] for entity in shown.entities] == ["bold"]
        (bold,) = shown.entities
        units = shown.text.encode("utf-16-le")
        marked = units[2 * bold["offset"] : 2 * (bold["offset"] + bold["length"])]
        assert marked.decode("utf-16-le") == "scattering"
        assert shown.buttons == ["Retry"]


async def test_a_button_below_the_answer_is_a_command_there(telegram: TelegramSimulator, ann: Person) -> None:
    async with running(telegram, TELEGRAM_INLINE="on") as bot:
        shown = await pressed(bot, ann)
        reply = bot.adapter.reply(bot.ear.heard[0], MemoryJournal())
        await reply.send(Text("Blue."))
        await reply.send(End(offers=(Option("Retry", "/retry"),)))
        await ann.presses(shown, "Retry")
        await bot.ear.hears(2)
        again = bot.ear.heard[1]
        assert (again.text, again.addressed, again.place) == ("/retry", "command", bot.ear.heard[0].place)
        reply = bot.adapter.reply(again, MemoryJournal())
        await reply.send(Choices("Which?", (Option("One", "/pick 1"),)))
        await reply.send(Media("image", "image/png", b"x", "a picture"))
        await reply.send(End())
        assert (shown.text, shown.buttons) == ("Which?\n\na picture", ["One"])


async def test_growing_text_is_shown_now_and_then_and_the_end_exactly(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with running(telegram, TELEGRAM_INLINE="on") as bot:
        shown = await pressed(bot, ann)
        reply = bot.adapter.reply(bot.ear.heard[0], MemoryJournal())
        for number in range(100):
            await reply.send(Text(f"{number} "))
        await reply.send(End())
        assert shown.text.endswith("98 99")
        assert len(shown.edits) <= 3


async def test_an_answer_that_is_too_long_for_one_message_ends_with_a_sign(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with running(telegram, TELEGRAM_INLINE="on") as bot:
        shown = await pressed(bot, ann)
        reply = bot.adapter.reply(bot.ear.heard[0], MemoryJournal())
        await reply.send(Text("很长 **bold** 👋 " * 600))
        await reply.send(End())
        assert len(shown.text.encode("utf-16-le")) // 2 <= 4096
        assert shown.text.endswith("\n…")
        assert len(shown.text) > 3000


async def test_a_pause_that_telegram_asks_for_is_kept_and_the_end_still_exact(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with running(telegram, time=Time(auto=50), TELEGRAM_INLINE="on") as bot:
        shown = await pressed(bot, ann)
        reply = bot.adapter.reply(bot.ear.heard[0], MemoryJournal())
        telegram.fail("editMessageText", 1, 429, "Too Many Requests: retry after 30", {"retry_after": 0.01})
        await reply.send(Text("Blue."))
        telegram.fail("editMessageText", 1)
        await reply.send(End())
        assert shown.text.endswith("Blue.")


async def test_where_telegram_refuses_the_marks_the_words_come_plain(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with running(telegram, TELEGRAM_INLINE="on") as bot:
        shown = await pressed(bot, ann)
        reply = bot.adapter.reply(bot.ear.heard[0], MemoryJournal())
        telegram.fail("editMessageText", 1, 400, "Bad Request: can't parse entities: odd")
        await reply.send(Text("**Blue**."))
        await reply.send(End())
        assert shown.text.endswith("Blue.")


async def test_a_card_that_was_deleted_is_gone_and_one_that_cannot_be_reached_waits(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with running(telegram, TELEGRAM_INLINE="on") as bot:
        await pressed(bot, ann)
        reply = bot.adapter.reply(bot.ear.heard[0], MemoryJournal())
        telegram.fail("editMessageText", 1, 400, "Bad Request: MESSAGE_ID_INVALID")
        with pytest.raises(Gone):
            await reply.send(Text("Blue."))
        again = bot.adapter.reply(bot.ear.heard[0], MemoryJournal(2))
        telegram.fail("editMessageText", 20)
        await again.send(Text("Blue."))
        bot.time.auto = 50
        with pytest.raises(Unavailable):
            await again.send(End())
