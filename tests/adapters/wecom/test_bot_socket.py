"""The smart bot by its long connection: subscribing, streaming, what follows a stream, restarts, replicas."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import permutations
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters.wecom.bot.drawer import File
from adapters.wecom.bot.media import as_file
from adapters.wecom.bot.pace import Pace
from bot.api import Busy, Choices, End, Gone, Ignored, Media, Notice, Option, Status, Store, Text, Unavailable
from bot.keys import Keys
from bot.store import Feeds, RedisStore
from tests.adapters.memory_store import MemoryStore
from tests.adapters.wecom.bot_running import Core, connected, made
from tests.simulators.wecom_bot import Clock, SocketSimulator, new_key, socket_simulator
from tests.simulators.wecom_bot.world import LIMIT

Eventually = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture
async def wecom() -> AsyncIterator[SocketSimulator]:
    async with socket_simulator() as simulator:
        yield simulator


@asynccontextmanager
async def drawer_of(redis: Redis, prefix: str) -> AsyncIterator[Store]:
    """A process's own store on the Redis that all share; whoever would lead looks often whether nobody does."""
    feeds = Feeds(redis)

    async def moment(_: float) -> None:
        await asyncio.sleep(0.01)

    try:
        yield RedisStore(redis, Keys(prefix), "wecom", feeds, sleep=moment)
    finally:
        await feeds.close()


# --- the connection ----------------------------------------------------------------------------------------


async def test_it_subscribes_and_shows_signs_of_life(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        assert wecom.frames[0]["cmd"] == "aibot_subscribe"
        for number in (1, 2):
            await wecom.clock.sleep(2)
            wecom.clock.turn(31)
            await wecom.until(lambda least=number: wecom.pings >= least)
        assert bot.line.routes(bot.core.submit) == ()
        assert all(finding.ok for finding in await bot.line.check())


async def test_a_lost_connection_is_made_anew(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        wecom.cut()
        await wecom.connected(2)
        exchange = await wecom.says("ann", "Hello?")
        await bot.answers(await bot.core.hears(), "Hello!")
        await wecom.until(lambda: exchange.shown == "Hello!")


async def test_a_connection_without_signs_of_life_is_given_up(wecom: SocketSimulator):
    async with connected(wecom, patience=0.5):
        wecom.deaf.add("ping")
        for number in (1, 2):
            await wecom.clock.sleep(25 * (number - 1) + 2)
            wecom.clock.turn(31)
            await wecom.until(lambda least=number: wecom.pings >= least)
        await wecom.connected(2)


async def test_being_kicked_is_said_once_and_it_comes_back_after_a_while(wecom: SocketSimulator):
    with capture_logs() as logs:
        async with connected(wecom) as bot:
            for times in (2, 3):
                await wecom.kick()
                await wecom.until(lambda: wecom.connection is None)
                wecom.clock.turn(30)
                assert (wecom.connection, wecom.subscriptions) == (None, times - 1)
                await wecom.clock.sleep(5)
                wecom.clock.turn(100)
                await wecom.connected(times)
            await wecom.kick()
            await wecom.until(lambda: wecom.connection is None)
            state = (await bot.line.check())[1]
    assert [log["log_level"] for log in logs if log["event"] == "wecom.bot_kicked"] == ["error"]
    assert not state.ok
    assert "another connection" in state.detail


async def test_a_refused_secret_is_said_once_and_shown_by_check(wecom: SocketSimulator):
    with capture_logs() as logs:
        bot = made(wecom, WECOM_BOT_SECRET="not-the-secret")
        bot.task = asyncio.create_task(bot.line.run(bot.core.submit))
        for tries in (1, 2, 3):
            await wecom.until(lambda least=tries: len(wecom.frames) >= least)
            await wecom.clock.sleep(5)
            findings = await bot.line.check()
            wecom.clock.turn(200)
        await bot.stop()
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["wecom.bot_refused"]
    assert "40001" in findings[1].detail
    assert "WECOM_BOT_SECRET" in findings[1].remedy
    assert "not-the-secret" not in str([logs, findings])


async def test_check_leaves_the_running_connection_alone_and_needs_no_redis(wecom: SocketSimulator):
    store = MemoryStore()
    async with connected(wecom, store=store) as bot:
        assert "connected" in (await bot.line.check())[1].detail
        await store.go()
        assert all(finding.ok for finding in await bot.line.check())
        await store.come()
        assert wecom.subscriptions == 1


async def test_check_says_where_wecom_cannot_be_reached(wecom: SocketSimulator):
    bot = made(wecom, WECOM_BOT_WS_URL="ws://127.0.0.1:9/")
    assert [finding.ok for finding in await bot.line.check()] == [False, True]


# --- what is heard -----------------------------------------------------------------------------------------


async def test_a_message_is_accepted_then_thought_about_then_answered_in_one_stream(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "Tell me a story")
        message = await bot.core.hears()
        assert (message.place.account, message.place.chat) == (f"bot:{wecom.bot_id}", "ann")
        await wecom.until(lambda: exchange.thinking)
        reply = bot.reply(message)
        await reply.send(Status("thinking"))
        await reply.send(Text("Once upon "))
        await wecom.until(lambda: exchange.shown == "Once upon")
        await reply.send(Text("a time."))
        await reply.send(End())
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown == "Once upon a time."
        assert wecom.chat("ann").said == []


async def test_nothing_is_said_before_the_message_is_safe(wecom: SocketSimulator):
    core = Core([Unavailable("away"), Unavailable("away")])
    async with connected(wecom, core=core) as bot:
        exchange = await wecom.says("ann", "Hello?")
        await core.until(lambda: core.tried >= 2)
        assert exchange.texts == []
        await bot.answers(await core.hears(), "Hello!")
        await wecom.until(lambda: exchange.shown == "Hello!")


async def test_a_redelivered_message_is_answered_once(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "Hello?")
        await wecom.deliver(exchange)
        await bot.core.until(lambda: bot.core.tried >= 2)
        await bot.answers(await bot.core.hears(), "Hello!")
        await wecom.until(lambda: exchange.finished)
        await wecom.deliver(exchange)
        await bot.core.until(lambda: bot.core.tried >= 3)
        other = await wecom.says("ann", "And you?")
        await wecom.until(lambda: other.thinking)
        assert len(bot.core.heard) == 2
        assert wecom.chat("ann").visible.count("Hello!") == 1


async def test_a_group_hears_it_only_when_it_is_called_and_gets_its_own_answers(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "@助手 Lunch?", group="team")
        message = await bot.core.hears()
        assert (message.text, message.place.kind, message.place.chat) == ("Lunch?", "group", "team")
        await bot.answers(message, "Soup.")
        await wecom.until(lambda: exchange.shown == "Soup.")


async def test_files_come_with_a_key_of_their_own(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        key = new_key()
        await wecom.says(
            "ann", {"msgtype": "file", "file": {"url": wecom.files.put(PNG, key), "aeskey": key}}
        )
        (attachment,) = (await bot.core.hears()).attachments
        assert attachment.kind == "file"
        assert await bot.line.fetch(attachment) == PNG
        assert key not in attachment.ref
        # Two keys of which the one surely does not open what the other sealed: one in 256 seems to.
        right, wrong = (base64.b64encode(letter * 32).decode() for letter in (b"r", b"w"))
        await wecom.says(
            "ann", {"msgtype": "image", "image": {"url": wecom.files.put(PNG, right), "aeskey": wrong}}
        )
        with pytest.raises(Gone):
            await bot.line.fetch((await bot.core.hears(2)).attachments[0])


async def test_whoever_opens_the_chat_is_greeted_unless_they_may_not_talk(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        await wecom.enters("ann")
        await wecom.until(lambda: wecom.greetings)
        bot.admitted[0] = False
        await wecom.enters("eve")
        await wecom.says("ann", "Hello?")
        await bot.core.hears()
        assert set(wecom.greetings) == {"ann"}


async def test_too_much_is_said_at_once_and_what_is_ignored_is_not_answered(wecom: SocketSimulator):
    core = Core([Busy("Too much waits."), Ignored()])
    async with connected(wecom, core=core):
        busy = await wecom.says("ann", "Hello?")
        ignored = await wecom.says("eve", "noise", group="team")
        await wecom.until(lambda: busy.finished)
        await core.until(lambda: core.tried == 2)
        assert busy.shown == "Too much waits."
        assert ignored.texts == []


async def test_choices_are_a_list_whose_number_is_the_answer(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "角色")
        reply = bot.reply(await bot.core.hears())
        await reply.send(Choices("Which?", (Option("Cook", "/role cook"),)))
        await reply.send(End())
        await wecom.until(lambda: "1. Cook" in exchange.shown)
        await wecom.says("ann", "１")
        assert (await bot.core.hears(2)).text == "/role cook"


async def test_junk_on_the_connection_does_no_harm(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        assert wecom.connection is not None
        for junk in (
            "no JSON",
            "[]",
            '{"cmd": "aibot_msg_callback"}',
            '{"cmd": 5, "headers": 7}',
            "[" * 5000,
        ):
            await wecom.connection.ws.send_str(junk)
        await wecom.says("ann", {"msgtype": "text"})
        exchange = await wecom.says("ann", "Hello?")
        await bot.answers(await bot.core.hears(2), "Hello!")
        await wecom.until(lambda: exchange.shown == "Hello!")


# --- what is too long, too late, or not text ---------------------------------------------------------------


async def test_what_a_stream_cannot_hold_follows_in_messages(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "Tell me everything")
        await bot.answers(await bot.core.hears(), *[f"{number:05} is a number. " for number in range(3000)])
        chat = wecom.chat("ann")
        await wecom.until(lambda: exchange.finished and len(chat.said) == 2)
        assert all(f"{number:05} is" in chat.visible for number in range(3000))
        assert all(len(text.encode()) <= LIMIT for text in chat.texts)


async def test_a_stream_is_closed_before_its_time_is_over_and_the_rest_is_pushed(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "Think long", group="team")
        reply = bot.reply(await bot.core.hears())
        await reply.send(Text("The first paragraph.\n\nThe second one"))
        await wecom.until(lambda: "second" in exchange.shown)
        wecom.clock.turn(331)
        await wecom.until(lambda: exchange.finished)
        wecom.clock.turn(900)
        await reply.send(Text(" ends here."))
        await reply.send(End())
        await wecom.until(lambda: wecom.chat("team").texts)
        assert exchange.shown == "The first paragraph.\n\n（下一条消息继续。）"
        assert wecom.chat("team").texts == ["The second one ends here."]


async def test_an_attempt_after_the_stream_was_closed_says_only_the_rest(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "Think long")
        message = await bot.core.hears()
        dead = bot.reply(message)
        await dead.send(Text("The first paragraph.\n\nThe second one"))
        wecom.clock.turn(331)
        await wecom.until(lambda: exchange.finished)
        await dead.abandon()
        await bot.answers(message, "The first paragraph.\n\nThe second one ends here.")
        await wecom.until(lambda: wecom.chat("ann").texts)
        assert wecom.chat("ann").texts == ["The second one ends here."]


@pytest.mark.parametrize("code", [846605, 846608])
async def test_where_wecom_takes_no_stream_the_answer_is_pushed(wecom: SocketSimulator, code: int):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        await wecom.until(lambda: exchange.thinking)
        wecom.refuse["aibot_respond_msg"] = deque([code] * 9)
        await bot.answers(message, "Hello!")
        await wecom.until(lambda: wecom.chat("ann").texts == ["Hello!"])


async def test_a_chat_that_takes_no_messages_is_given_up_with_a_word_in_the_log(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        wecom.refuse = {"aibot_respond_msg": deque([846608] * 9), "aibot_send_msg": deque([846607])}
        with capture_logs() as logs:
            await bot.answers(message, "Hello!")
            await wecom.until(lambda: not wecom.refuse["aibot_send_msg"])
            other = await wecom.says("bob", "Hello?")
            wecom.refuse.clear()
            await wecom.until(lambda: other.texts)
        assert any("no messages" in str(log.get("reason")) for log in logs)


async def test_where_wecom_is_busy_it_is_tried_again(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        await wecom.until(lambda: exchange.thinking)
        await bot.line._drawer.looked([])
        reply = bot.reply(message)
        wecom.refuse["aibot_respond_msg"] = deque([45009, -1])
        await reply.send(Text("Hello!"))
        await reply.send(End())
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown == "Hello!"


async def test_files_are_uploaded_and_follow_the_stream():
    # In slow time: a machine that is busy with other things must not see the stream expire.
    async with socket_simulator(Clock(4.0)) as wecom, connected(wecom, patience=60) as bot:
        exchange = await wecom.says("ann", "Draw and speak")
        reply = bot.reply(await bot.core.hears())
        sound = bytes(700_000)
        await reply.send(Media("image", "image/png", PNG, caption="A cat"))
        await reply.send(Media("audio", "audio/mpeg", sound))
        await reply.send(Media("file", "text/plain", b"tiny"))
        await reply.send(Media("file", "application/pdf", b"tiny"))
        await reply.send(Media("file", "text/markdown", b"# A dialogue", name="dialogue-2026-07-01.md"))
        await reply.send(End())
        chat = wecom.chat("ann")
        await wecom.until(lambda: len(chat.said) == 3)
        assert exchange.shown == "A cat\n\ntiny\n\n【文件已生成，但企业微信无法在这里接收。】"
        assert [one["msgtype"] for one in chat.said] == ["image", "file", "file"]
        sent = [wecom.media[one[one["msgtype"]]["media_id"]][1] for one in chat.said]
        assert sent == [PNG, sound, b"# A dialogue"]


def test_a_file_to_be_kept_keeps_its_name():
    file = Media("file", "text/markdown", b"# A dialogue", name="dialogue-2026-07-01.md")
    assert as_file(file) == File("file", "dialogue-2026-07-01.md")


async def test_every_part_in_any_order_is_seen_once(wecom: SocketSimulator):
    orders = list(permutations(("text", "notice", "choices", "image", "status")))
    async with connected(wecom) as bot:
        for number, order in enumerate(orders):
            await wecom.says(f"p{number}", "Hello?")
            reply = bot.reply(await bot.core.hears(number + 1))
            parts = {
                "text": Text("textmark"),
                "notice": Notice("key", text="noticemark"),
                "choices": Choices("choicemark", (Option("optionmark", "/pick"),)),
                "image": Media("image", "image/png", PNG, caption="captionmark"),
                "status": Status("drawing"),
            }
            for kind in order:
                await reply.send(parts[kind])
            await reply.send(End())
        chats = [wecom.chat(f"p{number}") for number in range(len(orders))]
        await wecom.until(lambda: all(chat.exchanges[0].finished and chat.said for chat in chats), 40)
        for order, chat in zip(orders, chats, strict=True):
            shown = chat.exchanges[0].shown
            assert [
                shown.count(f"{kind}mark") for kind in ("text", "notice", "choice", "option", "caption")
            ] == [1] * 5
            marks = [
                kind.replace("image", "caption").replace("choices", "choice")
                for kind in order
                if kind != "status"
            ]
            assert sorted(marks, key=lambda mark: shown.index(f"{mark}mark")) == marks
            assert len(chat.said) == 1


async def test_an_attempt_that_is_given_up_leaves_nothing_running(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        await wecom.until(lambda: exchange.thinking)
        before = asyncio.all_tasks()
        reply = bot.reply(message)
        await reply.send(Text("Half"))
        await reply.abandon()
        await bot.reply(message).abandon()
        left = {task for task in asyncio.all_tasks() - before if "BotReply" in repr(task.get_coro())}
        assert left == set()


async def test_a_file_that_wecom_does_not_take_is_named_instead(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        await wecom.says("ann", "Draw")
        wecom.refuse["aibot_upload_media_finish"] = deque([40009])
        reply = bot.reply(await bot.core.hears())
        await reply.send(Media("image", "image/png", PNG))
        await reply.send(End())
        await wecom.until(lambda: wecom.chat("ann").texts)
        assert wecom.chat("ann").texts == ["【图片已生成，但企业微信无法在这里显示。】"]


async def test_growing_text_is_brisk_at_first_then_slower_and_leaves_room_for_the_rest():
    now = 0.0
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    pace = Pace(lambda: now, sleep)
    for _ in range(40):
        wait = pace.wait("ann", growing=True)
        pauses.append(round(wait, 3))
        await sleep(wait)
        pace.count("ann")
    assert pauses[:9] == [0.0, *[1.0] * 7, 3.0]
    assert now > 90  # twenty-four a minute
    assert pace.wait("ann") == 0.0
    assert pace.wait("bob", growing=True) == 0.0
    said = []
    for _ in range(40):
        await pace.turn("bob")
        said.append(now)
    assert min(later - earlier for earlier, later in zip(said, said[30:], strict=False)) >= 60


async def test_a_chat_gets_no_more_than_thirty_frames_a_minute(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "Tell me a long story")
        reply = bot.reply(await bot.core.hears())
        for number in range(60):
            await reply.send(Text(f"{number} "))
            await wecom.clock.sleep(0.4)
            wecom.clock.turn(1.6)
        await reply.send(End())
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown.endswith("58 59")
        stamps = wecom.chat("ann").stamps  # the simulator would have refused the thirty-first
        assert 20 < len(stamps) < 70


# --- restarts and replicas ---------------------------------------------------------------------------------


async def test_a_kill_between_acceptance_and_answer_costs_nothing(wecom: SocketSimulator):
    store = MemoryStore()
    async with connected(wecom, store=store) as first:
        exchange = await wecom.says("ann", "Hello?")
        message = await first.core.hears()
        dead = first.reply(message)
        await dead.send(Text("Half an ans"))
        await wecom.until(lambda: exchange.shown == "Half an ans")
        await dead.abandon()
    async with connected(wecom, store=store) as second:
        await second.answers(message, "The answer.")
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown == "The answer."
        assert wecom.chat("ann").said == []


async def test_an_end_that_was_written_while_nobody_was_connected_is_sent_later(wecom: SocketSimulator):
    store = MemoryStore()
    async with connected(wecom, store=store) as first:
        exchange = await wecom.says("ann", "Hello?")
        message = await first.core.hears()
        await wecom.until(lambda: exchange.thinking)
    worker = made(wecom, store=store)
    await worker.answers(message, "Hello!")
    late = await wecom.says("bob", "nobody hears this")
    assert late.texts == []
    async with connected(wecom, store=store):
        await wecom.until(lambda: exchange.shown == "Hello!")
    await worker.stop()


async def test_an_hour_without_a_connection_the_answer_is_pushed_once(wecom: SocketSimulator):
    store = MemoryStore()
    async with connected(wecom, store=store) as first:
        await wecom.says("ann", "Hello?")
        message = await first.core.hears()
    worker = made(wecom, store=store)
    await worker.answers(message, "Hello!")
    wecom.clock.turn(3600)
    for _ in range(2):
        async with connected(wecom, store=store) as bot:
            await wecom.until(lambda: wecom.chat("ann").texts)
            await wecom.says("bob", "Hello?")
            await bot.core.hears()
            await wecom.until(lambda: wecom.chat("bob").exchanges[-1].texts)
    assert wecom.chat("ann").texts == ["Hello!"]
    await worker.stop()


async def test_where_redis_forgot_the_way_the_answer_is_pushed(wecom: SocketSimulator):
    store = MemoryStore()
    async with connected(wecom, store=store) as bot:
        exchange = await wecom.says("ann", "@助手 Hello?", group="team")
        message = await bot.core.hears()
        await wecom.until(lambda: exchange.thinking)
        store.values.clear()
        await bot.answers(message, "Hello!")
        await wecom.until(lambda: wecom.chat("team").texts == ["Hello!"])


async def test_an_end_that_was_taken_is_not_said_again_where_only_its_note_was_lost(wecom: SocketSimulator):
    store = MemoryStore()
    async with connected(wecom, store=store) as bot:
        exchange = await wecom.says("ann", "Hello?")
        await bot.answers(await bot.core.hears(), "Hello!")
        await wecom.until(lambda: exchange.finished)
    await store.drop(f"sent:{exchange.stream}")  # a kill came between the two
    await bot.line._drawer.changed(exchange.stream)
    async with connected(wecom, store=store) as bot:
        other = await wecom.says("bob", "Hello?")
        await wecom.until(lambda: other.texts)
        assert wecom.chat("ann").said == []


async def test_an_end_that_got_lost_with_its_connection_is_sent_by_the_next(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        await wecom.until(lambda: exchange.thinking)
        wecom.lose.add("aibot_respond_msg")
        seen = len(wecom.frames)
        await bot.answers(message, "Hello!")
        await wecom.until(lambda: len(wecom.frames) > seen)
        wecom.cut()
        wecom.lose.clear()
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown == "Hello!"
        assert wecom.chat("ann").said == []


async def test_of_several_messages_those_that_were_sent_are_not_sent_again(wecom: SocketSimulator):
    store = MemoryStore()
    async with connected(wecom, store=store) as bot:
        exchange = await wecom.says("ann", "Tell me everything")
        chat = wecom.chat("ann")
        await wecom.until(lambda: exchange.thinking)
        await bot.answers(await bot.core.hears(), *[f"{number:05} is a number. " for number in range(4000)])
        await wecom.until(lambda: len(chat.said) == 3)
    await bot.line._drawer.changed(exchange.stream)
    async with connected(wecom, store=store):
        other = await wecom.says("bob", "Hello?")
        await wecom.until(lambda: other.texts)
    assert all(chat.visible.count(f"{number:05} is") == 1 for number in range(4000))


async def test_after_a_redelivery_the_answer_goes_by_the_new_request(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchange = await wecom.says("ann", "Hello?")
        message, first = await bot.core.hears(), exchange.request
        await wecom.until(lambda: exchange.thinking)
        await wecom.deliver(exchange)
        await bot.core.until(lambda: bot.core.tried == 2)
        other = await wecom.says("bob", "Hello?")
        await wecom.until(lambda: other.thinking)
        wecom.forget(first)
        await bot.answers(message, "Hello!")
        await wecom.until(lambda: exchange.finished)
        assert wecom.chat("ann").said == []


@pytest.mark.parametrize("command", ["aibot_respond_msg", "aibot_send_msg"])
async def test_a_connection_that_dies_with_the_acknowledgement_under_way(
    wecom: SocketSimulator, command: str, eventually: Eventually
):
    store = MemoryStore()
    async with connected(wecom, store=store) as bot:
        exchange = await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        await wecom.until(lambda: exchange.thinking)
        if command == "aibot_respond_msg":
            wecom.deaf.add(command)
            await bot.answers(message, "Hello!")
            await wecom.until(lambda: exchange.finished)
            wecom.cut()
            wecom.deaf.clear()
        else:
            wecom.cut()
            await bot.answers(message, *["A long answer. "] * 2000)
        await wecom.connected(2)
        other = await wecom.says("bob", "Hello?")
        await wecom.until(lambda: other.texts and exchange.finished)
        expected = 0 if command == "aibot_respond_msg" else 1
        await wecom.until(lambda: len(wecom.chat("ann").said) == expected)

        async def settled() -> bool:
            return await store.read(bot.line._drawer.news) == []

        await eventually(settled)
        assert len(wecom.chat("ann").said) == expected


async def test_of_two_replicas_one_is_connected_and_either_answers(
    wecom: SocketSimulator,
    redis: Redis,
    prefix: str,
):
    async with drawer_of(redis, prefix) as one, drawer_of(redis, prefix) as other:
        first, second = made(wecom, store=one), made(wecom, store=other)
        first.task = asyncio.create_task(first.line.run(first.core.submit))
        await wecom.connected(1)
        second.task = asyncio.create_task(second.line.run(second.core.submit))
        exchange = await wecom.says("ann", "Hello?")
        reply = second.reply(await first.core.hears())
        await reply.send(Text("Written by the other"))
        await wecom.until(lambda: exchange.shown == "Written by the other")
        await first.stop()
        await reply.send(Text(", sent by it, too."))
        await reply.send(End())
        await wecom.connected(2)
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown == "Written by the other, sent by it, too."
        assert wecom.subscriptions == 2  # never two at once, or one would have been kicked
        again = await wecom.says("ann", "And now?")
        await second.answers(await second.core.hears(), "Now, too.")
        await wecom.until(lambda: again.shown == "Now, too.")
        assert first.core.tried == 1
        await second.stop()


async def test_redis_away_in_the_middle_costs_nothing(wecom: SocketSimulator):
    store = MemoryStore()
    async with connected(wecom, store=store) as bot:
        exchange = await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        await wecom.until(lambda: exchange.thinking)
        await store.go()
        late = await wecom.says("bob", "Hello?")
        with pytest.raises(Unavailable):
            await bot.answers(message, "Hello!")
        await store.come()
        await bot.answers(message, "Hello!")
        await wecom.until(lambda: exchange.shown == "Hello!" and late.thinking)
        await bot.answers(await bot.core.hears(2), "Hello, Bob.")
        await wecom.until(lambda: late.finished)


async def test_no_secret_and_no_address_stands_in_redis_or_in_the_log(wecom: SocketSimulator):
    store = MemoryStore()
    with capture_logs() as logs:
        async with connected(wecom, store=store) as bot:
            key = new_key()
            url = wecom.files.put(PNG, key)
            exchange = await wecom.says("ann", {"msgtype": "image", "image": {"url": url, "aeskey": key}})
            message: Any = await bot.core.hears()
            await bot.answers(message, "I see.")
            await wecom.until(lambda: exchange.finished)
            kept = str([store.values, store.logs, message, logs, bot.line._credentials])
    for secret in (wecom.secret, key, url):
        assert secret not in kept


async def test_two_hundred_people_at_once_get_their_own_answers(wecom: SocketSimulator):
    async with connected(wecom) as bot:
        exchanges = [await wecom.says(f"p{n}", f"I am {n}") for n in range(200)]
        await bot.core.hears(200)
        await asyncio.gather(*(bot.answers(m, f"Hello {m.text}.") for m in bot.core.heard))
        await wecom.until(lambda: all(one.finished for one in exchanges))
        assert [one.shown for one in exchanges] == [f"Hello I am {n}." for n in range(200)]
