"""The smart bot by its callback: what is heard, streams and their refreshes, one more answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.wecom.bot.drawer import File, Final, stream_of
from adapters.wecom.bot.media import is_public
from adapters.wecom.bot.words import LANGUAGE, say
from bot.api import (
    Accepted,
    Attachment,
    Busy,
    Choices,
    End,
    Gone,
    Ignored,
    Media,
    Notice,
    Option,
    Status,
    Text,
    Unavailable,
)
from tests.adapters.memory_store import MemoryStore
from tests.adapters.wecom.bot_running import Core, made, reachable
from tests.simulators.wecom_bot import Clock, WebhookSimulator, webhook_simulator
from tests.simulators.wecom_bot.world import LIMIT

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture
async def wecom() -> AsyncIterator[WebhookSimulator]:
    async with webhook_simulator(
        Clock(8.0)
    ) as simulator:  # the ten seconds for a refresh are more than one of ours
        yield simulator


# --- the door ----------------------------------------------------------------------------------------------


async def test_the_address_is_verified_by_its_echo(wecom: WebhookSimulator):
    async with reachable(wecom):
        assert await wecom.verify() == (200, b"4735648")
        assert (await wecom.verify(token="another"))[0] == 403
        assert (await wecom.verify(timestamp=str(int(wecom.clock()) - 400)))[0] == 403
        assert (await wecom.verify(timestamp="now"))[0] == 403


async def test_what_is_forged_cut_or_too_long_is_refused(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        data, query = wecom.signed({"msgid": "1", "from": {"userid": "ann"}})
        assert await wecom.post_raw(data, **query | {"msg_signature": "0" * 40}) == 403
        assert await wecom.post_raw(data[:-9] + b'"}', **query) == 403
        assert await wecom.post_raw(b"no JSON", **query) == 400
        assert await wecom.post_raw(b"{}", **query) == 403
        assert await wecom.post_raw(b"[" * 100_000, **query) == 400
        assert await wecom.post_raw(b"x" * 300_000, **query) == 413
        wecom.clock.turn(400)
        assert await wecom.post_raw(data, **query) == 403
        assert bot.core.tried == 0


async def test_what_is_no_message_is_answered_empty(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        for body in (
            {},
            {"msgid": "1"},
            {"msgtype": "event"},
            {"msgtype": "stream", "stream": {"id": "x:y"}},
        ):
            assert await wecom.post(body) == (200, None)
        assert await wecom.post(
            {
                "msgid": "1",
                "from": {"userid": "ann"},
                "chattype": "group",
                "msgtype": "text",
                "text": {"content": "hi"},
            }
        ) == (200, None)
        assert bot.core.tried == 0


async def test_whoever_opens_the_chat_is_greeted_unless_they_may_not_talk(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        assert "帮助" in await wecom.enters("ann")
        bot.admitted[0] = False
        assert await wecom.enters("eve") == ""


# --- what is heard -----------------------------------------------------------------------------------------


async def test_a_private_message_is_accepted_before_it_is_answered(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "Hello?")
        assert exchange.thinking
        (message,) = bot.core.heard
        assert (message.text, message.person.id, message.place.chat) == ("Hello?", "ann", "ann")
        assert (message.place.kind, message.addressed) == ("private", "private")
        assert message.id == exchange.id
        await bot.answers(message, "Hello!")
        await wecom.until(lambda: exchange.finished)
        assert (exchange.shown, exchange.finished) == ("Hello!", True)


async def test_in_a_group_the_mention_is_left_out(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        await wecom.says("ann", "@小助手 what is for lunch?", group="team")
        await wecom.says("bob", "and to drink? @小助手", group="team")
        await wecom.says("eve", "write to a@b.example please", group="team")
        assert [m.text for m in bot.core.heard] == [
            "what is for lunch?",
            "and to drink?",
            "write to a@b.example please",
        ]
        (message, *_) = bot.core.heard
        assert (message.place.chat, message.place.kind, message.addressed) == ("team", "group", "mention")
        for heard in bot.core.heard:
            await bot.answers(heard, "Soup.")


async def test_voice_comes_as_text_and_files_can_be_fetched(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        await wecom.says("ann", {"msgtype": "voice", "voice": {"content": "spoken words"}})
        picture = {"msgtype": "image", "image": {"url": wecom.files.put(PNG, wecom.key)}}
        text = {"msgtype": "text", "text": {"content": "what is this?"}}
        await wecom.says("bob", {"msgtype": "mixed", "mixed": {"msg_item": [text, picture, "junk"]}})
        quoted = {"msgtype": "file", "file": {"url": wecom.files.put(b"a page", wecom.key)}}
        await wecom.says("eve", {"msgtype": "text", "text": {"content": "and this?"}, "quote": quoted})
        spoken, mixed, asked = bot.core.heard
        assert (spoken.text, spoken.spoken, mixed.spoken) == ("spoken words", True, False)
        assert mixed.text == "what is this?"
        assert [one.kind for one in mixed.attachments] == ["image"]
        assert await bot.line.fetch(mixed.attachments[0]) == PNG
        assert asked.quoted is not None
        assert await bot.line.fetch(asked.quoted.attachments[0]) == b"a page"
        assert "http" not in mixed.attachments[0].ref
        for message in bot.core.heard:
            await bot.answers(message, "I see.")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("64:ff9b::8.8.8.8", True),  # NAT64: all that a network without IPv4 sees of one
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::808:808", False),
        ("2002:a00:1::", False),
        ("::ffff:169.254.169.254", False),
        ("::127.0.0.1", False),
        ("fe80::1%eth0", False),
        ("100.64.0.1", False),
        ("ff0e::1", False),
        ("nowhere", False),
    ],
)
def test_an_address_is_public_only_where_it_leads_to_the_internet(address: str, public: bool):
    assert is_public(address) == public


async def test_files_that_are_gone_locked_or_somewhere_private_are_not_fetched(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        url = wecom.files.put(PNG, wecom.key)
        refer = bot.line._references.seal
        other = wecom.files.put(PNG, "B" * 43)
        wrong = [refer(other, ""), "bot:not sealed by us", refer(f"{wecom.url}/file/none", "")]
        elsewhere = [
            "http://10.0.0.1/x",
            "https://10.0.0.1/x",
            "https://[::1]/x",
            "file:///etc/passwd",
            "https://",
            "https://[::",
        ]
        for ref in [*wrong, *(refer(one, "") for one in elsewhere)]:
            with pytest.raises(Gone):
                await bot.line.fetch(Attachment("image", ref))
        wecom.clock.turn(301)
        with pytest.raises(Gone):
            await bot.line.fetch(Attachment("image", refer(url, "")))
        for host in ("localhost", "2130706433", "127.1", "[::ffff:10.0.0.1]"):
            with pytest.raises(Gone):
                await bot.line.fetch(Attachment("image", refer(f"https://{host}/x", "")))


async def test_a_command_is_known_by_its_chinese_name_and_a_list_by_its_numbers(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "帮助")
        message = await bot.core.hears(1)
        assert (message.text, message.addressed) == ("/help", "command")
        reply = bot.reply(message)
        await reply.send(Choices("Which?", (Option("Cook", "/role cook"), Option("Coder", "/role coder"))))
        await reply.send(End())
        await wecom.until(lambda: exchange.finished)
        assert "1. Cook\n2. Coder" in exchange.shown
        await wecom.says("ann", "2")
        assert (await bot.core.hears(2)).text == "/role coder"
        await wecom.says("bob", "2")
        assert (await bot.core.hears(3)).text == "2"
        for message in bot.core.heard[1:]:
            await bot.answers(message, "Done.")


async def test_too_much_is_said_at_once_and_what_is_ignored_is_not_answered(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        bot.core.outcomes += [Busy("Too much waits."), Ignored()]
        busy = await wecom.says("ann", "Hello?")
        assert (busy.shown, busy.finished) == ("Too much waits.", True)
        ignored = await wecom.says("eve", "noise", group="team")
        assert (ignored.statuses, ignored.texts) == ([200], [])


async def test_while_redis_is_away_wecom_is_asked_to_deliver_again(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        bot.core.outcomes += [Unavailable("away"), Unavailable("away"), Accepted("ref")]
        exchange = await wecom.says("ann", "Hello?")
        assert exchange.statuses == [503, 503, 200]
        await bot.answers(await bot.core.hears(), "Hello!")
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown == "Hello!"


# --- streams -----------------------------------------------------------------------------------------------


async def test_an_answer_grows_before_the_persons_eyes(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "Tell me a story")
        reply = bot.reply(await bot.core.hears())
        await reply.send(Status("thinking"))
        await reply.send(Text("Once **upon** a time, "))
        await wecom.until(lambda: exchange.shown == "Once **upon** a time,")
        await reply.send(Text("there was code:\n```py\nx = 1\n"))
        await wecom.until(lambda: exchange.shown.endswith("x = 1\n```"))
        await reply.send(Text("```\nThe end."))
        await reply.send(End(offers=(Option("Retry", "/retry"), Option("Go on", "/continue"))))
        await wecom.until(lambda: exchange.finished)
        assert exchange.finished
        assert exchange.shown.endswith("```\nThe end.\n\nGo on：发送 /continue")
        assert wecom.chat("ann").said == []


async def test_notices_and_the_models_words_are_paragraphs(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "Hello?")
        reply = bot.reply(await bot.core.hears())
        for part in (
            Notice("a", text="One."),
            Text("Two"),
            Text(" three."),
            Notice("b", text="Four."),
            End(),
        ):
            await reply.send(part)
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown == "One.\n\nTwo three.\n\nFour."


async def test_a_message_that_is_answered_with_another_says_so(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "and also")
        await bot.reply(await bot.core.hears()).send(End())
        await wecom.until(lambda: exchange.finished)
        assert "一并回答" in exchange.shown


async def test_a_redelivered_message_is_answered_once_in_the_same_stream(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "Hello?")
        await wecom.deliver(exchange)
        await bot.answers(await bot.core.hears(), "Hello!")
        await wecom.deliver(exchange)
        assert len(bot.core.heard) == 1
        assert exchange.shown == "Hello!"
        assert wecom.chat("ann").said == []


async def test_another_replica_answers_the_refreshes(wecom: WebhookSimulator):
    store = MemoryStore()
    async with reachable(wecom, store=store) as first:
        exchange = await wecom.says("ann", "Hello?")
        message = await first.core.hears()
    async with reachable(wecom, store=store) as second:
        worker = made(wecom, store=store)
        reply = worker.reply(message)
        await reply.send(Text("Written elsewhere"))
        await wecom.until(lambda: exchange.shown == "Written elsewhere")
        await reply.send(Text(", read here."))
        await reply.send(End())
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown == "Written elsewhere, read here."
        assert second.core.tried == 0
        await worker.stop()


async def test_a_later_attempt_goes_on_in_the_same_stream(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        dead = bot.reply(message)
        await dead.send(Text("Half an ans"))
        await wecom.until(lambda: exchange.shown == "Half an ans")
        await dead.abandon()
        heir = bot.reply(message, attempt=2)
        await heir.send(Text("The answer."))
        await heir.send(End())
        await wecom.until(lambda: exchange.finished)
        assert (exchange.shown, exchange.finished) == ("The answer.", True)
        third = bot.reply(message, attempt=3)  # killed between the end and the note of it
        await third.send(Text("Another answer."))
        await third.send(End())
        await wecom.deliver(exchange)
        assert exchange.shown == "The answer."
        assert wecom.chat("ann").said == []


async def test_pictures_come_with_the_end_and_other_files_are_named(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "Draw a cat")
        reply = bot.reply(await bot.core.hears())
        await reply.send(Media("image", "image/png", PNG, caption="A cat"))
        await reply.send(Media("audio", "audio/mpeg", b"sound" * 9))
        await reply.send(Media("image", "image/webp", b"RIFFxxxxWEBP"))
        await reply.send(End())
        await wecom.until(lambda: exchange.finished)
        assert exchange.pictures == [PNG]
        assert (
            exchange.shown
            == "A cat\n\n【录音已生成，但企业微信无法在这里播放。】\n\n【图片已生成，但企业微信无法在这里显示。】"
        )
        alone = await wecom.says("ann", "Another")
        reply = bot.reply(await bot.core.hears(2))
        await reply.send(Media("image", "image/jpeg", b"\xff\xd8\xff" + PNG))
        await reply.send(End())
        await wecom.until(lambda: alone.finished)
        assert (alone.shown, len(alone.pictures)) == ("如下：", 1)


async def test_answers_are_forgotten_and_what_was_not_sent_of_them_never_is(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        await wecom.says("ann", "A secret")
        asked = await bot.core.hears()
        reply = bot.reply(asked)
        for part in (Text("Nobody shall know."), Media("image", "image/png", PNG)):
            await reply.send(part)
        await reply.abandon()
        stream = stream_of(asked)
        await bot.line._drawer.keep(stream, 0, PNG, 60)
        await bot.line._drawer.finish(stream, Final("Nobody shall know.", (), (File("image", "a.png"),)))
        await bot.line.forget(asked.place, asked.person)
        assert (await bot.line._drawer.page(stream)).text == say("zh-CN", "unknown")
        assert await bot.line._drawer.kept(stream, 0) is None
        assert isinstance(bot.store, MemoryStore)
        assert "Nobody" not in repr(bot.store.values) + repr(bot.store.logs)


async def test_who_waits_is_told_until_the_answer_begins(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        bot.core.outcomes = [Accepted("ref", 1)]
        exchange = await wecom.says("ann", "And then?")
        assert exchange.shown == say("zh-CN", "waits")
        reply = bot.reply(await bot.core.hears())
        await reply.send(Text("Then comes summer."))
        await reply.send(End())
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown == "Then comes summer."


async def test_a_file_of_text_is_said_where_no_file_can_be_sent(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "/export")
        reply = bot.reply(await bot.core.hears())
        await reply.send(Media("file", "text/markdown", b"# A dialogue", "Two questions.", "dialogue.md"))
        await reply.send(Media("file", "text/markdown", b"x" * 30_000, name="dialogue.md"))
        await reply.send(End())
        await wecom.until(lambda: exchange.finished)
        said = "Two questions.\n\n# A dialogue\n\n【文件已生成，但企业微信无法在这里接收。】"
        assert exchange.shown == said


async def test_a_refresh_for_a_stream_that_nobody_knows_ends_it(wecom: WebhookSimulator):
    async with reachable(wecom):
        status, answer = await wecom.post({"msgtype": "stream", "stream": {"id": "0" * 32}})
        assert status == 200
        assert answer is not None
        assert answer["stream"]["finish"]


# --- what is too long, or too late -------------------------------------------------------------------------


async def test_what_a_stream_cannot_hold_follows_by_the_one_more_answer(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "Tell me everything")
        words = [f"{number:05} is a number. " for number in range(1500)]  # 33,000 bytes
        await bot.answers(await bot.core.hears(), *words)
        (rest,) = wecom.chat("ann").texts
        await wecom.until(lambda: exchange.finished)
        assert "下一条消息继续" in exchange.shown
        assert len(exchange.shown.encode()) <= LIMIT
        seen = exchange.shown + rest
        assert all(f"{number:05} is" in seen for number in range(1500))
        assert "过长" not in rest


async def test_what_even_that_cannot_hold_is_said_to_be_missing(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        await wecom.says("ann", "Tell me everything")
        await bot.answers(await bot.core.hears(), *[f"{number:05} is a number. " for number in range(3000)])
        (rest,) = wecom.chat("ann").texts
        assert rest.endswith("或只问其中一部分。）")
        assert len(rest.encode()) <= LIMIT


async def test_a_stream_is_closed_before_its_time_is_over_and_the_rest_follows(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "Think long")
        reply = bot.reply(await bot.core.hears())
        await reply.send(Text("The first paragraph.\n\nThe second one"))
        await wecom.until(lambda: "second" in exchange.shown)
        wecom.clock.turn(331)
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown == "The first paragraph.\n\n（下一条消息继续。）"
        wecom.clock.turn(600)
        await reply.send(Text(" ends here."))
        await reply.send(End())
        assert wecom.chat("ann").texts == ["The second one ends here."]


async def test_an_answer_that_begins_after_six_minutes_comes_as_a_message(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "Think long")
        reply = bot.reply(await bot.core.hears())
        await reply.send(Status("thinking"))
        wecom.clock.turn(331)
        await wecom.until(lambda: exchange.finished)
        assert "另发一条消息" in exchange.shown
        wecom.clock.turn(1200)
        await reply.send(Text("At last."))
        await reply.send(End())
        assert wecom.chat("ann").texts == ["At last."]


async def test_an_attempt_that_comes_too_late_for_the_stream_says_all_by_a_message(wecom: WebhookSimulator):
    wecom.asking = False
    async with reachable(wecom) as bot:
        await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        dead = bot.reply(message)
        await dead.send(Text("The answ"))
        await dead.abandon()
        wecom.clock.turn(700)
        for attempt in (2, 3):
            heir = bot.reply(message, attempt)
            await heir.send(Text("The answer."))
            await heir.send(End())
        assert wecom.chat("ann").texts == ["The answer."]


async def test_where_wecom_stops_asking_the_whole_answer_comes_as_a_message(wecom: WebhookSimulator):
    async with reachable(wecom) as bot:
        exchange = await wecom.says("ann", "Hello?")
        wecom.asking = False
        await bot.answers(await bot.core.hears(), "Hello!")
        assert wecom.chat("ann").texts == ["Hello!"]
        wecom.asking = True
        await wecom.until(lambda: exchange.finished)
        assert exchange.shown == "回答见下一条消息。"


async def test_the_one_more_answer_is_tried_again_where_wecom_cannot_be_reached(wecom: WebhookSimulator):
    store = MemoryStore()
    async with reachable(wecom, store=store) as bot:
        wecom.asking = False
        exchange = await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        drawer = bot.line._drawer
        way = await drawer.way(exchange.stream)
        assert way is not None
        url, dead_url = way.url, "http://127.0.0.1:9/none"
        await store.drop(f"open:{exchange.stream}")
        await drawer.opened(exchange.stream, type(way)(way.at, way.chat, False, way.language, "", dead_url))
        with pytest.raises(Unavailable):
            await bot.answers(message, "Hello!")
        await store.drop(f"open:{exchange.stream}")
        await drawer.opened(exchange.stream, type(way)(way.at, way.chat, False, way.language, "", url))
        await bot.answers(message, "Another answer, which nobody needs.")
        assert wecom.chat("ann").texts == ["Hello!"]


async def test_where_redis_forgot_the_way_an_answer_by_the_callback_reaches_nobody(wecom: WebhookSimulator):
    store = MemoryStore()
    async with reachable(wecom, store=store) as bot:
        await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        store.values.clear()
        reply = bot.reply(message)
        await reply.send(Text("Hello!"))
        with pytest.raises(Gone):
            await reply.send(End())


async def test_redis_away_in_the_middle_costs_nothing(wecom: WebhookSimulator):
    store = MemoryStore()
    async with reachable(wecom, store=store) as bot:
        exchange = await wecom.says("ann", "Hello?")
        message = await bot.core.hears()
        reply = bot.reply(message)
        await reply.send(Text("Hello"))
        await wecom.until(lambda: exchange.shown == "Hello")
        await store.go()
        await reply.send(Text(" there"))
        with pytest.raises(Unavailable):
            await reply.send(End())
        await store.come()
        await bot.answers(message, "Hello there.")
        await wecom.until(lambda: exchange.finished)
        assert (exchange.shown, exchange.finished) == ("Hello there.", True)


async def test_no_secret_and_no_address_stands_in_redis(wecom: WebhookSimulator):
    store = MemoryStore()
    async with reachable(wecom, store=store) as bot:
        await wecom.says("ann", {"msgtype": "image", "image": {"url": wecom.files.put(PNG, wecom.key)}})
        message = await bot.core.hears()
        await bot.answers(message, "I see.")
        kept = str([store.values, store.logs, message])
        assert "response_code" not in kept
        assert wecom.key not in kept
        assert wecom.token not in kept


# --- looking -----------------------------------------------------------------------------------------------


async def test_check_names_the_url_to_enter(wecom: WebhookSimulator):
    bot = made(wecom, public_url="https://bot.example.org/")
    (finding,) = await bot.line.check()
    assert finding.ok
    assert "https://bot.example.org/wecom/bot" in finding.detail
    (finding,) = await made(wecom).line.check()
    assert not finding.ok
    assert "PUBLIC_URL" in finding.remedy


async def test_two_hundred_people_at_once_get_their_own_answers(wecom: WebhookSimulator):
    core = Core()
    async with reachable(wecom, core=core) as bot:
        exchanges = await asyncio.gather(*(wecom.says(f"p{n}", f"I am {n}") for n in range(200)))
        await asyncio.gather(*(bot.answers(m, f"Hello {m.text}.") for m in core.heard))
        await wecom.until(lambda: all(one.finished for one in exchanges))

        def seen(n: int) -> list[str]:
            """By the stream or, where this machine is too slow to ask for its end in time, by one message more."""
            shown = (exchanges[n].shown, *(one["markdown"]["content"] for one in wecom.chat(f"p{n}").said))
            return [text for text in shown if text != say(LANGUAGE, "below")]

        assert [seen(n) for n in range(200)] == [[f"Hello I am {n}."] for n in range(200)]
