"""Receiving by long polling, on the simulator: nothing is confirmed before it is accepted, and nothing is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.telegram.client import Client
from bot.api import Accepted, Attachment, Busy, Gone, Unavailable
from bot.keys import Keys
from bot.store import Feeds, RedisStore
from tests.adapters.memory_store import MemoryStore
from tests.adapters.telegram.running import Ear, Time, confirmed, made, running
from tests.simulators.telegram import TOKEN, Chat, Person, TelegramSimulator, telegram_simulator
from tests.simulators.telegram.updates import Waiting

SECRET = TOKEN.partition(":")[2]


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


def said(caplog: pytest.LogCaptureFixture, words: str) -> int:
    """How often something was logged."""
    return sum(words in record.getMessage() for record in caplog.records)


def told(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that the bot itself and its libraries logged."""
    return "\n".join(
        str(record.__dict__) for record in caplog.records if not record.name.startswith("uvicorn")
    )


# --- what a person sees of it -------------------------------------------------------------------------------


async def test_a_message_that_waits_for_its_turn_bears_a_sign_of_it(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram, ear=Ear(Accepted("one"), Accepted("two", behind=1))):
        first, second = await ann.says(chat, "one"), await ann.says(chat, "two")
        await telegram.until(lambda: second.reactions)
        ((reaction,),) = second.reactions.values()
        assert reaction["emoji"] == "👀"
        assert not first.reactions


async def test_where_reactions_are_not_allowed_a_message_waits_without_a_sign(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    telegram.fail("setMessageReaction", 1, 400, "Bad Request: REACTION_INVALID")
    with capture_logs() as logs:
        async with running(telegram, ear=Ear(Accepted("one", behind=1))) as bot:
            await ann.says(chat, "one")
            await telegram.until(lambda: telegram.counts["setMessageReaction"])
            await confirmed(telegram)
            assert bot.ear.texts == ["one"]
    assert chat.said == []
    assert [line["what"] for line in logs if line["event"] == "telegram.errand_failed"] == ["a reaction"]


# --- acknowledging -----------------------------------------------------------------------------------------


async def test_an_update_is_confirmed_only_after_it_was_accepted(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram) as bot:
        bot.ear.held["5"] = gate = asyncio.Event()
        await ann.says(chat, "hello")
        await bot.ear.until(lambda: bot.ear.tried)
        assert len(telegram.updates.pending) == 1
        assert not any(call.params.get("offset") for call in telegram.calls)
        gate.set()
        await confirmed(telegram)
        assert bot.ear.texts == ["hello"]


async def test_while_nothing_can_be_accepted_the_same_updates_wait_in_order(
    telegram: TelegramSimulator, ann: Person, chat: Chat, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ear = Ear(*(Unavailable("Redis is away") for _ in range(3)))
    async with running(telegram, ear=ear, time=Time(auto=20)) as bot:
        for text in ("one", "two", "three"):
            await ann.says(chat, text)
        await confirmed(telegram)
        assert bot.ear.texts == ["one", "two", "three"]
        assert [message.text for message in bot.ear.tried[:4]] == ["one"] * 4
        assert [pause for pause in bot.time.pauses if pause < 20] == [1.0, 2.0, 4.0]
        assert said(caplog, "Redis is away") == 1
        assert said(caplog, "it works again") == 1


async def test_after_a_crash_between_acceptance_and_confirmation_the_message_is_a_duplicate(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    ear = Ear()
    ear.held["5"] = asyncio.Event()
    await ann.says(chat, "hello")
    async with running(telegram, ear=ear):
        await ear.until(lambda: ear.tried)
        telegram.hang("getUpdates", asyncio.Event())  # the confirmation does not get through
        ear.held["5"].set()
        await ear.hears(1)
    assert len(telegram.updates.pending) == 1
    telegram.heal()
    async with running(telegram, ear=ear):
        await confirmed(telegram)
    assert ear.texts == ["hello"]
    assert len(ear.tried) == 2
    assert ear.tried[0].key == ear.tried[1].key


async def test_a_chat_whose_message_is_slow_holds_up_no_other_and_keeps_its_order(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    bob = telegram.person(6, "Bob")
    for text in ("a1", "a2"):
        await ann.says(chat, text)
    await bob.says(telegram.private(bob), "b1")
    ear = Ear()
    ear.held["5"] = asyncio.Event()
    async with running(telegram, ear=ear):
        await ear.hears(1)
        assert ear.texts == ["b1"]
        assert len(telegram.updates.pending) == 3
        ear.held["5"].set()
        await confirmed(telegram)
    assert ear.texts == ["b1", "a1", "a2"]


async def test_only_kinds_that_are_understood_are_asked_for(telegram: TelegramSimulator) -> None:
    async with running(telegram):
        await telegram.until(lambda: telegram.counts["getUpdates"])
    (call, *_) = (call for call in telegram.calls if call.method == "getUpdates")
    assert set(call.params["allowed_updates"]) == {
        "message",
        "edited_message",
        "callback_query",
        "my_chat_member",
        "stopped_message_generation",
    }
    assert call.params["timeout"] == 50


async def test_an_update_that_nobody_can_read_is_passed_over_with_a_line_in_the_log(
    telegram: TelegramSimulator, ann: Person, chat: Chat, caplog: pytest.LogCaptureFixture
) -> None:
    broken: dict[str, Any] = {"update_id": 5, "message": {"message_id": "?"}}
    telegram.updates.resend(Waiting(5, "chat:9", telegram.clock() + 99, broken))
    await ann.says(chat, "hello")
    async with running(telegram) as bot:
        await confirmed(telegram)
        assert bot.ear.texts == ["hello"]
    assert said(caplog, "update 5 is not understood") == 1


# --- faults ------------------------------------------------------------------------------------------------


async def test_a_second_poller_is_said_once_and_outlived(
    telegram: TelegramSimulator, ann: Person, chat: Chat, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    rival = Client(telegram.token, telegram.base_url)
    async with running(telegram, time=Time(auto=20)) as bot:
        for asked in (1, 3, 5):
            await telegram.until(lambda asked=asked: telegram.counts["getUpdates"] == asked)
            await rival.call("getUpdates", {"timeout": 0})  # it ends the bot's question
        await telegram.until(lambda: telegram.counts["getUpdates"] == 7)
        await ann.says(chat, "hello")
        await confirmed(telegram)
        assert bot.ear.texts == ["hello"]
    await rival.close_connections()
    assert len(telegram.refused("getUpdates")) == 3
    assert said(caplog, "another process receives") == 1
    assert said(caplog, "it works again") == 1


@pytest.mark.parametrize("fault", ["500", "502 of a proxy", "cut off", "nonsense", "429"])
async def test_faults_of_the_network_are_said_once_and_outlived(
    telegram: TelegramSimulator, ann: Person, chat: Chat, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    match fault:
        case "500":
            telegram.fail("getUpdates", 3)
        case "502 of a proxy":
            telegram.fail("getUpdates", 3, 502, body=b"<html>bad gateway</html>")
        case "cut off":
            telegram.cut("getUpdates", 3, after=False)
        case "nonsense":
            telegram.fail("getUpdates", 3, 200, body=b"<html>Sign in to this hotel's network</html>")
        case _:
            telegram.fail("getUpdates", 3, 429, "Too Many Requests: retry after 7", {"retry_after": 7})
    await ann.says(chat, "hello")
    async with running(telegram, time=Time(auto=20)) as bot:
        await confirmed(telegram)
        assert bot.ear.texts == ["hello"]
        pauses = [pause for pause in bot.time.pauses if pause < 20]
        assert pauses == ([7.0, 7.0, 7.0] if fault == "429" else [1.0, 2.0, 4.0])
    assert said(caplog, "trying again") == 1
    assert said(caplog, "it works again") == 1
    assert SECRET not in told(caplog)


async def test_a_wrong_token_is_said_once_and_tried_again_slowly(
    telegram: TelegramSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "7000000001:AAanother-token-that-is-not-the-bots"
    async with running(telegram, TELEGRAM_BOT_TOKEN=wrong) as bot:
        await bot.time.paused(60.0, 2)  # one of them is the sweep for albums
        bot.time.go(60)
        await bot.time.paused(60.0, 4)
    assert said(caplog, "does not accept TELEGRAM_BOT_TOKEN") == 1
    assert "AAanother" not in told(caplog)


async def test_a_webhook_is_removed_and_what_waited_for_it_is_kept(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    telegram.updates.set_webhook({"url": "http://127.0.0.1:9/elsewhere"})
    await ann.says(chat, "hello")
    async with running(telegram) as bot:
        await confirmed(telegram)
        assert bot.ear.texts == ["hello"]
    assert telegram.updates.webhook is None


async def test_a_webhook_that_somebody_sets_meanwhile_is_removed_too(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram, time=Time(auto=20)) as bot:
        await telegram.until(lambda: telegram.counts["getUpdates"] == 1)
        telegram.updates.set_webhook({"url": "http://127.0.0.1:9/elsewhere"})
        await ann.says(chat, "hello")
        await bot.ear.hears(1)
        assert telegram.updates.webhook is None


async def test_of_two_replicas_one_asks(telegram: TelegramSimulator, redis: Any, prefix: str) -> None:
    feeds = Feeds(redis)
    stores = [RedisStore(redis, Keys(prefix), "telegram", feeds) for _ in range(2)]
    ann = telegram.person(5, "Ann")
    ear = Ear()
    try:
        async with running(telegram, store=stores[0], ear=ear), running(telegram, store=stores[1], ear=ear):
            for number in range(5):
                await ann.says(telegram.private(ann), f"{number}")
                await ear.hears(number + 1)
        assert telegram.refused("getUpdates") == []
        assert ear.texts == ["0", "1", "2", "3", "4"]
        assert len(ear.tried) == 5
    finally:
        await feeds.close()


async def test_a_store_that_is_away_is_waited_for(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    class Away(MemoryStore):
        leads = 0

        async def lead(self, name: str, work: Any) -> None:
            self.leads += 1
            if self.leads < 3:
                raise Unavailable("Redis is away")
            await work()

    await ann.says(chat, "hello")
    async with running(telegram, store=Away(), time=Time(auto=20)) as bot:
        await bot.ear.hears(1)


# --- telling -----------------------------------------------------------------------------------------------


async def test_who_has_too_much_waiting_is_told_so_once(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram, ear=Ear(Busy("Too much waits already."))):
        asked = await ann.says(chat, "hello")
        told = await chat.shows("Too much waits already.")
        assert told.reply_to == asked.id, "several may have been refused"
        await confirmed(telegram)
    assert chat.said == ["Too much waits already."]


async def test_in_a_topic_who_has_too_much_waiting_is_told_there(
    telegram: TelegramSimulator, ann: Person
) -> None:
    group = telegram.group("Cooks", [ann], forum=True)
    topic = await ann.opens_topic(group, "Soup")
    async with running(telegram, ear=Ear(Busy("Too much waits already."))):
        asked = await ann.says(group, "@parley_bot hi", thread=topic)
        told = await group.shows("Too much waits already.")
        assert (told.thread, told.reply_to) == (topic, asked.id)


# --- groups that move --------------------------------------------------------------------------------------


async def test_a_group_that_becomes_a_supergroup_stays_one_conversation(
    telegram: TelegramSimulator, ann: Person
) -> None:
    group = telegram.group("Cooks", [ann])
    async with running(telegram) as bot:
        first = await ann.says(group, "@parley_bot one")
        await bot.ear.hears(1)
        new = await ann.migrates(group)
        new.last_id = first.id - 1  # numbers begin again: the same one comes twice
        second = await ann.says(new, "@parley_bot two")
        await bot.ear.hears(2)
        await ann.edits(second, "@parley_bot two?")
        await bot.ear.hears(3)
        one, two, edited = bot.ear.heard
        assert first.id == second.id
        assert one.place == two.place == edited.place
        assert one.place.chat == str(group.id)
        assert len({one.key, two.key, edited.key}) == 3
        assert edited.edits == two.id


async def test_in_a_group_that_moved_answers_go_to_where_it_is(
    telegram: TelegramSimulator, ann: Person
) -> None:
    group = telegram.group("Cooks", [ann])
    store = MemoryStore()
    async with running(telegram, store=store):
        new = await ann.migrates(group)
        await confirmed(telegram)
    busy = Ear(Busy("Too much waits already."))
    async with running(telegram, store=store, ear=busy):  # another process, which only the store can tell
        asked = await ann.says(new, "@parley_bot hi")
        told = await new.shows("Too much waits already.")
        assert told.reply_to == asked.id


# --- downloads ---------------------------------------------------------------------------------------------


async def test_what_came_along_is_downloaded(telegram: TelegramSimulator, ann: Person, chat: Chat) -> None:
    async with running(telegram) as bot:
        await ann.sends_photo(chat, b"\x89PNG picture", "what is it?")
        await bot.ear.hears(1)
        (picture,) = bot.ear.heard[0].attachments
        assert await bot.adapter.fetch(picture) == b"\x89PNG picture"


async def test_a_file_that_cannot_be_had_is_gone(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    async with running(telegram) as bot:
        await ann.sends_document(chat, b"x", size=20 * 2**20 + 1)
        await ann.sends_document(chat, b"x")
        await bot.ear.hears(2)
        large, small = (message.attachments[0] for message in bot.ear.heard)
        calls = len(telegram.called("getFile"))
        with pytest.raises(Gone, match="at most 20971520"):
            await bot.adapter.fetch(large)
        assert len(telegram.called("getFile")) == calls, "its size is known, so nobody is asked"
        with pytest.raises(Gone, match="too big"):
            await bot.adapter.fetch(Attachment("file", large.ref))
        with pytest.raises(Gone, match="rong file_id"):
            await bot.adapter.fetch(Attachment("file", '["AgAC",""]'))
        with pytest.raises(Gone, match="no reference"):
            await bot.adapter.fetch(Attachment("file", "nonsense"))
        telegram.fail("download", 1, 404, "Not Found")
        with pytest.raises(Gone):
            await bot.adapter.fetch(small)


@pytest.mark.parametrize("method", ["getFile", "download"])
async def test_a_download_that_breaks_off_may_be_tried_again(
    telegram: TelegramSimulator, ann: Person, chat: Chat, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(telegram) as bot:
        await ann.sends_voice(chat, b"OggS")
        await bot.ear.hears(1)
        (voice,) = bot.ear.heard[0].attachments
        for fault in (lambda: telegram.fail(method), lambda: telegram.cut(method)):
            fault()
            with pytest.raises(Unavailable) as caught:
                await bot.adapter.fetch(voice)
            assert SECRET not in str(caught.value)
            assert caught.value.__cause__ is None
        assert await bot.adapter.fetch(voice) == b"OggS"
    assert SECRET not in told(caplog)


async def test_a_file_that_is_longer_than_it_says_is_not_read_to_its_end(
    telegram: TelegramSimulator, ann: Person, chat: Chat
) -> None:
    client = Client(telegram.token, telegram.base_url)
    shown = await ann.sends_document(chat, b"x" * 300_000, size=10)
    assert shown.media is not None
    with pytest.raises(Gone, match="more than 1000"):
        await client.file(shown.media.file.id, limit=1000)
    await client.close_connections()


async def test_a_bot_api_server_of_our_own_may_name_files_on_this_disk(
    telegram: TelegramSimulator, ann: Person, chat: Chat, tmp_path: Any
) -> None:
    path = tmp_path / "voice.oga"
    path.write_bytes(b"OggS")
    shown = await ann.sends_voice(chat, b"elsewhere", size=2)
    assert shown.media is not None
    telegram.files._files[shown.media.file.id] = replace(shown.media.file, path=str(path))
    client = Client(telegram.token, telegram.base_url)
    assert await client.file(shown.media.file.id) == b"OggS"
    with pytest.raises(Gone, match="more than 3 bytes"):
        await client.file(shown.media.file.id, limit=3)
    path.unlink()
    with pytest.raises(Gone, match="cannot be read here"):
        await client.file(shown.media.file.id)
    client._cloud = True  # as Telegram's own server is
    with pytest.raises(Gone, match="names a path on this machine"):
        await client.file(shown.media.file.id)
    await client.close_connections()


# --- the token ---------------------------------------------------------------------------------------------


async def test_the_token_is_in_no_error_no_log_and_no_representation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with telegram_simulator() as telegram:
        bot = made(telegram, time=Time(auto=20))
    task = asyncio.create_task(bot.adapter.run(bot.ear.submit))  # nobody listens there any more
    await bot.time.paused(4.0)
    task.cancel()
    await asyncio.wait([task])
    await bot.adapter.close()
    assert "cannot be reached" in caplog.text
    assert SECRET not in told(caplog)
    client = Client(telegram.token, telegram.base_url)
    assert SECRET not in f"{client!r} {client} {bot.adapter.credentials!r}"
