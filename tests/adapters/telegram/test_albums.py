"""Albums on the simulator: several updates, one message, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.telegram import ids
from bot.api import Busy, Unavailable
from bot.keys import Keys
from bot.store import Feeds, RedisStore
from tests.adapters.memory_store import MemoryStore
from tests.adapters.telegram.running import Ear, Running, Time, confirmed, running
from tests.simulators.telegram import Chat, Person, TelegramSimulator, telegram_simulator

WAIT = 1.2


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
def ann(telegram: TelegramSimulator) -> Person:
    return telegram.person(5, "Ann")


@pytest.fixture
def chat(telegram: TelegramSimulator, ann: Person) -> Chat:
    return telegram.private(ann)


async def quiet(bot: Running, times: int = 1) -> None:
    """Let time pass until so many messages have been handed in."""
    async with asyncio.timeout(30):
        while len(bot.ear.tried) < times:
            bot.time.go(WAIT)
            await asyncio.sleep(0.001)


async def test_an_album_is_one_message_with_its_caption_and_its_pictures_in_order(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram) as bot:
        shown = await ann.sends_album(chat, [b"one", b"two", b"three"], "which?")
        await confirmed(telegram)
        assert bot.ear.tried == [], "it is safe, and it is not complete"
        await quiet(bot)
        await bot.ear.hears(1)
        (whole,) = bot.ear.heard
        assert (whole.text, whole.place.chat) == ("which?", "5")
        assert whole.id == ids.album(shown[0].album or "", str(shown[0].id))
        assert [await bot.adapter.fetch(a) for a in whole.attachments] == [b"one", b"two", b"three"]


async def test_each_picture_prolongs_the_wait(telegram: TelegramSimulator, ann: Person, chat: Chat) -> None:
    bob = telegram.person(6, "Bob")
    async with running(telegram) as bot:
        one, _ = await ann.sends_album(chat, [b"one", b"two"])
        await confirmed(telegram)
        await bot.time.holds(WAIT)
        bot.time.go(0.7)
        await ann.sends_photo(chat, b"three", album=one.album)
        await confirmed(telegram)
        await bot.time.holds(WAIT)
        bot.time.go(0.7)
        await bob.says(telegram.private(bob), "not before me")
        await bot.ear.hears(1)
        bot.time.go(0.6)
        await bot.ear.hears(2)
        assert [len(message.attachments) for message in bot.ear.heard] == [0, 3]


async def test_what_is_said_behind_an_album_comes_behind_it(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram) as bot:
        await ann.sends_album(chat, [b"one", b"two"])
        await ann.says(chat, "which is nicer?")
        await bot.ear.hears(2)  # without any wait
        assert [(m.text, len(m.attachments)) for m in bot.ear.heard] == [("", 2), ("which is nicer?", 0)]


async def test_an_album_that_a_crash_left_behind_is_picked_up(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    store, ear = MemoryStore(), Ear()
    async with running(telegram, store=store, ear=ear):
        await ann.sends_album(chat, [b"one", b"two"], "which?")
        await confirmed(telegram)
    assert ear.tried == []
    async with running(telegram, store=store, ear=ear) as bot:
        await quiet(bot)
        await ear.hears(1)
    assert [(m.text, len(m.attachments)) for m in ear.heard] == [("which?", 2)]
    async with running(telegram, store=store, ear=ear) as bot:
        await bot.time.paused(60.0)  # it has looked for what was left behind
    assert len(ear.tried) == 1


async def test_an_album_waits_while_nothing_can_be_accepted(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    ear = Ear(Unavailable("Redis is away"), Unavailable("Redis is away"))
    async with running(telegram, ear=ear, time=Time(auto=20)) as bot:
        await ann.sends_album(chat, [b"one", b"two"], "which?")
        await bot.ear.hears(1)
        assert len(ear.tried) == 3
        assert len({message.key for message in ear.tried}) == 1


async def test_a_message_behind_an_album_that_cannot_be_accepted_waits_with_it(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    ear = Ear(Unavailable("Redis is away"))
    async with running(telegram, ear=ear) as bot:
        await ann.sends_album(chat, [b"one", b"two"])
        await ann.says(chat, "and?")
        await bot.ear.hears(2)
        assert [len(message.attachments) for message in ear.tried] == [2, 2, 0]


async def test_two_replicas_make_one_message_of_an_album(
    telegram: TelegramSimulator, ann: Person, chat: Chat, redis: Any, prefix: str
) -> None:
    feeds = Feeds(redis)
    one, two = (RedisStore(redis, Keys(prefix), "telegram", feeds) for _ in range(2))
    ear = Ear()
    try:
        async with running(telegram, store=one, ear=ear) as first:
            await ann.sends_album(chat, [b"one", b"two"], "which?")
            await confirmed(telegram)
            await first.time.holds(WAIT)
            async with running(telegram, store=two, ear=ear) as second:  # it picks up what waits at the first
                await second.time.paused(WAIT)
                async with asyncio.timeout(30):
                    while len(ear.tried) < 2:  # either may just have begun to wait anew
                        first.time.go(WAIT)
                        second.time.go(WAIT)
                        await asyncio.sleep(0.002)
        assert len(ear.heard) == 1
        assert len({message.key for message in ear.tried}) == 1
    finally:
        await feeds.close()


async def test_a_picture_that_comes_too_late_is_a_message_of_its_own(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram) as bot:
        shown = await ann.sends_album(chat, [b"one", b"two"], "which?")
        await confirmed(telegram)
        await quiet(bot)
        await bot.ear.hears(1)
        late = await ann.sends_photo(chat, b"three", album=shown[0].album)
        await confirmed(telegram)
        await quiet(bot, 2)
        await bot.ear.hears(2)
        assert [(m.id, len(m.attachments)) for m in bot.ear.heard[1:]] == [(str(late.id), 1)]


async def test_a_caption_that_is_edited_asks_again_with_all_pictures(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram) as bot:
        shown = await ann.sends_album(chat, [b"one", b"two"], "which?")
        await confirmed(telegram)
        await quiet(bot)
        await bot.ear.hears(1)
        await ann.edits(shown[0], "which is older?")
        await confirmed(telegram)
        await quiet(bot, 2)
        await bot.ear.hears(2)
        first, again = bot.ear.heard
        assert (again.edits, again.text, len(again.attachments)) == (first.id, "which is older?", 2)
        assert again.id != first.id
        assert ids.message_number(again.id) == shown[0].id


async def test_an_edited_part_of_an_unknown_album_is_an_edited_message(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    shown = await ann.sends_album(chat, [b"one", b"two"], "which?")
    telegram.updates.set_webhook({"url": "", "drop_pending_updates": True})  # nobody has heard of it
    async with running(telegram) as bot:
        await ann.edits(shown[0], "which is older?")
        await confirmed(telegram)
        await quiet(bot)
        await bot.ear.hears(1)
        assert bot.ear.heard[0].edits == str(shown[0].id)


async def test_whose_album_finds_too_much_waiting_is_told_so(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram, ear=Ear(Busy("Too much waits already."))) as bot:
        await ann.sends_album(chat, [b"one", b"two"])
        await confirmed(telegram)
        await quiet(bot)
        await chat.shows("Too much waits already.")
    assert chat.said == ["Too much waits already."]
