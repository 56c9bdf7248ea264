"""WeCom's self-built app on the simulator: what is heard is kept before it is acknowledged, and answered once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from wechatpy.enterprise.crypto import WeChatCrypto
from wechatpy.enterprise.parser import parse_message

from adapters._envelope import BODY_LIMIT, Envelope, write_xml
from adapters.wecom.app.pace import HOUR_LIMIT, MINUTE_LIMIT
from adapters.wecom.app.parse import parse
from adapters.wecom.app.reply import SILENCE
from adapters.wecom.words import say
from bot.api import (
    Accepted,
    Attachment,
    Busy,
    Choices,
    Duplicate,
    End,
    Gone,
    Ignored,
    Incoming,
    Media,
    Notice,
    Option,
    Status,
    Text,
    Unavailable,
)
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.adapters.wecom.running import Dying, Running, running
from tests.simulators.wecom import Delivery, Member, WeComSimulator, wecom_simulator

PNG, AMR = b"\x89PNG\r\n\x1a\n picture", b"#!AMR\n" + (b"\x3c" + bytes(31)) * 50


@pytest.fixture
async def wecom() -> AsyncIterator[WeComSimulator]:
    async with wecom_simulator() as simulator:
        yield simulator
        assert simulator.broken == []


@pytest.fixture
def ann(wecom: WeComSimulator) -> Member:
    return wecom.member("Ann")


@pytest.fixture
async def bot(wecom: WeComSimulator) -> AsyncIterator[Running]:
    async with running(wecom) as found:
        yield found


async def asked(bot: Running, ann: Member, text: str = "hello") -> Incoming:
    await ann.says(text)
    return bot.ear.heard[-1]


# --- the callback ------------------------------------------------------------------------------------------


async def test_the_address_is_verified_by_its_echo(wecom: WeComSimulator, bot: Running) -> None:
    response = await wecom.callbacks.verifies("7777")
    assert (response.status_code, response.text) == (200, "7777")


async def test_a_message_is_acknowledged_with_nothing_once_it_is_kept(bot: Running, ann: Member) -> None:
    delivery = await ann.says("hello")
    assert delivery.statuses == [200]
    assert delivery.acknowledged
    (heard,) = bot.ear.heard
    assert heard.text == "hello"
    assert heard.place.platform == "wecom"
    assert heard.place.account == "app:ww0123456789abcdef:1000002"
    assert (heard.place.chat, heard.place.kind, heard.person.id) == ("Ann", "private", "Ann")
    assert heard.id == str(delivery.message["MsgId"])


async def test_while_nothing_can_be_kept_wecom_delivers_again(bot: Running, ann: Member) -> None:
    bot.ear.outcomes = [Unavailable("away"), Unavailable("away")]
    delivery = await ann.says("hello")
    assert delivery.statuses == [503, 503, 200]
    assert len({message.key for message in bot.ear.heard}) == 1


async def test_a_redelivered_message_has_the_same_key(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    delivery = await ann.says("hello")
    bot.ear.outcomes = [Duplicate("ref")]
    await wecom.callbacks.again(delivery)
    assert delivery.acknowledged
    assert len({message.key for message in bot.ear.heard}) == 1


async def test_an_ignored_message_is_acknowledged(bot: Running, ann: Member) -> None:
    bot.ear.outcomes = [Ignored()]
    assert (await ann.says("hello")).acknowledged
    assert ann.shown == []


async def test_who_has_too_much_waiting_is_told_so(bot: Running, ann: Member) -> None:
    bot.ear.outcomes = [Busy("Too much waits already.")]
    assert (await ann.says("hello")).acknowledged
    await bot.adapter.close()
    assert ann.shown == ["Too much waits already."]


@pytest.mark.parametrize("skew", [301, -301])
async def test_a_recorded_request_is_refused(
    wecom: WeComSimulator, bot: Running, ann: Member, skew: float
) -> None:
    wecom.callbacks.skew = skew
    assert (await ann.says("hello")).statuses == [403, 403, 403]
    assert (await wecom.callbacks.verifies()).status_code == 403
    assert bot.ear.heard == []


async def post(wecom: WeComSimulator, params: dict[str, str], body: bytes) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.post(wecom.callbacks.url, params=params, content=body)).status_code


async def test_forged_and_broken_requests_are_refused(wecom: WeComSimulator, bot: Running) -> None:
    params, body = wecom.callbacks.sealed("<xml><MsgType>text</MsgType></xml>")
    forged = {
        "another signature": (params | {"msg_signature": "0" * 40}, body),
        "no signature": ({name: params[name] for name in ("timestamp", "nonce")}, body),
        "another nonce": (params | {"nonce": "1"}, body),
        "no time": (params | {"timestamp": ""}, body),
        "another time": (params | {"timestamp": "9" * 30}, body),
        "cut": (params, body[:60]),
        "another text": (params, body.replace(b"]]></Encrypt>", b"AAAA]]></Encrypt>")),
        "not XML": (params, b"{}"),
        "a bomb": (params, b'<!DOCTYPE x [<!ENTITY a "aa">]><xml><Encrypt>&a;</Encrypt></xml>'),
        "nothing": (params, b""),
    }
    statuses = {name: await post(wecom, *request) for name, request in forged.items()}
    assert statuses == dict.fromkeys(forged, 403)
    assert await post(wecom, params, b"x" * (BODY_LIMIT + 1)) == 413
    assert bot.ear.heard == []


async def test_a_message_for_another_company_is_refused(wecom: WeComSimulator, bot: Running) -> None:
    stranger = Envelope(wecom.token, wecom.key, "ww-another")
    timestamp = str(int(wecom.clock()))
    sealed, signature = stranger.seal(b"<xml><MsgType>text</MsgType></xml>", timestamp, "n")
    params = {"msg_signature": signature, "timestamp": timestamp, "nonce": "n"}
    assert await post(wecom, params, write_xml({"Encrypt": sealed}).encode()) == 403


@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80))
@settings(max_examples=60, deadline=None)
def test_what_we_seal_another_library_opens_and_the_other_way_round(text: str) -> None:
    token, key, corp = "QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7"
    ours, theirs = Envelope(token, key, corp), WeChatCrypto(token, key, corp)
    xml = f"<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{text}]]></Content></xml>"
    sealed, signature = ours.seal(xml.encode(), "1409659813", "263014780")
    wrapped = write_xml({"Encrypt": sealed})
    assert theirs.decrypt_message(wrapped, signature, "1409659813", "263014780") == xml
    found = theirs.encrypt_message(xml, "263014780", "1409659813")
    encrypted = found.partition("<Encrypt><![CDATA[")[2].partition("]]>")[0]
    signed = found.partition("<MsgSignature><![CDATA[")[2].partition("]]>")[0]
    assert ours.open(encrypted, signed, "1409659813", "263014780") == xml.encode()


async def test_a_forged_echo_is_refused(wecom: WeComSimulator, bot: Running) -> None:
    timestamp = str(int(wecom.clock()))
    params = {"msg_signature": "0" * 40, "timestamp": timestamp, "nonce": "1", "echostr": "AAAA"}
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(wecom.callbacks.url, params=params)).status_code == 403


async def test_what_customer_service_announces_to_an_app_alone_is_named_in_the_log(
    wecom: WeComSimulator, bot: Running
) -> None:
    with capture_logs() as logs:
        assert (await wecom.kf.announce("wk1")).acknowledged
    assert logs[0]["event"] == "wecom.callback_unexpected"
    assert logs[0]["kind"] == "kf_msg_or_event"


# --- what is heard -----------------------------------------------------------------------------------------


async def test_a_picture_a_recording_and_a_video_are_fetched(bot: Running, ann: Member) -> None:
    for kind, data, heard_as in [
        ("image", PNG, "image"),
        ("voice", AMR, "audio"),
        ("video", b"\0\0\0 x", "video"),
    ]:
        await ann.sends(kind, data)
        (attachment,) = bot.ear.heard[-1].attachments
        assert attachment.kind == heard_as
        assert await bot.adapter.fetch(attachment) == data


async def test_a_file_that_is_gone_is_told_from_a_passing_fault(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    await ann.sends("image", PNG)
    (attachment,) = bot.ear.heard[-1].attachments
    wecom.fail()
    with pytest.raises(Unavailable):
        await bot.adapter.fetch(attachment)
    wecom.clock.turn(3 * 86400 + 1)
    with pytest.raises(Gone):
        await bot.adapter.fetch(attachment)
    with pytest.raises(Gone):
        await bot.adapter.fetch(Attachment("image", "elsewhere:1"))


async def test_a_place_and_a_page_are_read_as_text(bot: Running, ann: Member) -> None:
    await ann.locates("深圳市海岸城")
    await ann.links("A page", "https://example.org")
    assert bot.ear.texts == ["深圳市海岸城\n23.134, 113.358", "A page\n…\nhttps://example.org"]


async def test_a_pressed_button_is_its_command(bot: Running, ann: Member) -> None:
    await ann.clicks("/new")
    (heard,) = bot.ear.heard
    assert (heard.text, heard.addressed) == ("/new", "command")


async def test_other_events_are_acknowledged_and_not_heard(wecom: WeComSimulator, bot: Running) -> None:
    for event in ("subscribe", "unsubscribe", "LOCATION", "view", "batch_job_result", "template_card_event"):
        message = {
            "FromUserName": "Ann",
            "CreateTime": 1,
            "MsgType": "event",
            "Event": event,
            "EventKey": "k",
        }
        delivery: Delivery = await wecom.callbacks.post(message)
        assert delivery.acknowledged
    odd = {"FromUserName": "Ann", "CreateTime": 1, "MsgType": "from-the-future", "MsgId": 5}
    assert (await wecom.callbacks.post(odd)).acknowledged
    assert bot.ear.heard == []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("帮助", "/help"),
        ("#新对话", "/new"),
        ("／角色 poet", "/role poet"),
        ("/help", "/help"),
        ("more", "more"),
    ],
)
async def test_commands_are_known_by_their_names(bot: Running, ann: Member, text: str, meant: str) -> None:
    assert (await asked(bot, ann, text)).text == meant


async def test_whoever_opens_the_app_is_greeted_once_a_day(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    greeting = say("zh-CN", "greeting")
    for _ in range(3):
        await ann.opens()
    wecom.clock.turn(86400)
    await ann.opens()
    await bot.adapter.close()
    assert ann.shown == [greeting, greeting]
    assert bot.ear.heard == []


async def test_a_stranger_who_opens_the_app_is_not_greeted(bot: Running, ann: Member) -> None:
    bot.admitted[0] = False
    await ann.opens()
    await bot.adapter.close()
    assert ann.shown == []


def test_what_another_library_reads_of_a_message_we_read_too() -> None:
    xml = (
        "<xml><ToUserName><![CDATA[ww1]]></ToUserName><FromUserName><![CDATA[ann]]></FromUserName>"
        "<CreateTime>1348831860</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        "<Content><![CDATA[this is a test]]></Content><MsgId>1234567890123456</MsgId><AgentID>1</AgentID></xml>"
    )
    theirs = parse_message(xml)
    fields = {"FromUserName": "ann", "CreateTime": "1348831860", "MsgType": "text"}
    ours = parse(fields | {"Content": "this is a test", "MsgId": "1234567890123456"}, "app:ww1:1")
    assert isinstance(ours, Incoming)
    assert (ours.text, ours.id, ours.person.id) == (theirs.content, str(theirs.id), theirs.source)


# --- what is said ------------------------------------------------------------------------------------------


async def test_an_answer_is_one_plain_text(bot: Running, ann: Member) -> None:
    message = await asked(bot, ann)
    await bot.answers(message, "**Soup**", "\n\n| a | b |\n|---|---|\n| 1 | 2 |", "\n\n- salt")
    assert ann.shown == ["Soup\n\na | b\n1 | 2\n\n• salt"]


async def test_nothing_is_sent_before_the_end(bot: Running, ann: Member) -> None:
    reply = bot.adapter.reply(await asked(bot, ann), MemoryJournal())
    await reply.send(Text("so far"))
    assert ann.shown == []
    await reply.abandon()
    assert ann.shown == []


async def test_a_long_answer_comes_in_marked_parts(bot: Running, ann: Member) -> None:
    sentences = [f"第{number}句话说的是汤和面。" for number in range(200)]
    await bot.answers(await asked(bot, ann), "".join(sentences))
    assert len(ann.shown) == 4
    assert all(len(text.encode()) <= 2048 for text in ann.shown)
    assert [text.rpartition("\n")[2] for text in ann.shown] == [f"({n}/4)" for n in range(1, 5)]
    assert "".join(text.rpartition("\n")[0] for text in ann.shown) == "".join(sentences)


async def test_pictures_recordings_and_files_are_sent_as_such(bot: Running, ann: Member) -> None:
    reply = bot.adapter.reply(await asked(bot, ann), MemoryJournal())
    for part in (
        Text("Look:"),
        Media("image", "image/png", PNG, "a soup"),
        Media("audio", "audio/amr", AMR),
        Media("audio", "audio/ogg", b"OggS recording"),
        End(),
    ):
        await reply.send(part)
    assert ann.shown == ["Look:", f"<image {len(PNG)}>", "a soup", f"<voice {len(AMR)}>", "<file 14>"]


async def test_who_waits_in_silence_is_told_once_and_nobody_whose_answer_has_begun(
    bot: Running, ann: Member
) -> None:
    bot.ear.outcomes = [Accepted("ref"), Accepted("ref", 1), Accepted("ref", 2), Accepted("ref", 1)]
    for text in ("one", "two", "three", "/help"):
        await asked(bot, ann, text)
    await bot.pauses.go()
    async with asyncio.timeout(30):
        while not ann.shown:  # noqa: ASYNC110 - a phone tells nobody
            await asyncio.sleep(0.001)
    bot.ear.outcomes = [Accepted("ref", 1)]
    await bot.adapter.reply(await asked(bot, ann, "four"), MemoryJournal()).send(End())
    await bot.pauses.go(2)
    await bot.adapter.close()
    assert ann.shown == [say("zh-CN", "waits")]


async def test_a_file_to_be_kept_keeps_its_name(wecom: WeComSimulator, bot: Running, ann: Member) -> None:
    reply = bot.adapter.reply(await asked(bot, ann, "/export"), MemoryJournal())
    await reply.send(
        Media("file", "text/markdown", b"# A dialogue", "Two questions.", "dialogue-2026-07-01.md")
    )
    await reply.send(End())
    assert ann.shown == ["<file 12>", "Two questions."]
    (kept,) = wecom.media.all
    assert (kept.kind, kept.name) == ("file", "dialogue-2026-07-01.md")


@pytest.mark.parametrize("data", [b"\x89PNG", b"no picture at all", b"\x89PNG" + bytes(21 << 20)])
async def test_what_wecom_does_not_take_is_said_in_words(bot: Running, ann: Member, data: bytes) -> None:
    reply = bot.adapter.reply(await asked(bot, ann), MemoryJournal())
    await reply.send(Media("image", "image/png", data, "a soup"))
    await reply.send(End())
    assert ann.shown == [f"{say('zh-CN', 'media.image')}\n\na soup"]


async def test_choices_are_a_numbered_list_whose_number_is_the_answer(bot: Running, ann: Member) -> None:
    reply = bot.adapter.reply(await asked(bot, ann, "/role"), MemoryJournal())
    await reply.send(Choices("Which?", (Option("Chef", "/role chef"), Option("Poet", "/role poet"))))
    await reply.send(End())
    assert ann.shown == [f"Which?\n\n1. Chef\n2. Poet\n\n{say('zh-CN', 'number')}"]
    chosen = await asked(bot, ann, "2")
    assert (chosen.text, chosen.addressed) == ("/role poet", "command")


async def test_one_persons_list_is_not_anothers(wecom: WeComSimulator, bot: Running, ann: Member) -> None:
    reply = bot.adapter.reply(await asked(bot, ann, "/role"), MemoryJournal())
    await reply.send(Choices("Which?", (Option("Chef", "/role chef"),)))
    await reply.send(End())
    assert (await asked(bot, wecom.member("bob"), "1")).text == "1"


async def test_an_answer_that_was_cut_says_how_it_goes_on(bot: Running, ann: Member) -> None:
    reply = bot.adapter.reply(await asked(bot, ann), MemoryJournal())
    await reply.send(Text("Once upon a time"))
    await reply.send(Notice("cut", text="Here it was cut."))
    await reply.send(End(offers=(Option("重试", "/retry"), Option("继续", "/continue"))))
    line = say("zh-CN", "offer", label="继续", command="/continue")
    assert ann.shown == [f"Once upon a time\n\nHere it was cut.\n\n{line}"]


# --- a long wait -------------------------------------------------------------------------------------------


async def test_after_ten_seconds_of_silence_a_person_is_told_once(bot: Running, ann: Member) -> None:
    journal = MemoryJournal()
    message = await asked(bot, ann)
    reply = bot.adapter.reply(message, journal)
    await reply.send(Status("thinking"))
    await reply.send(Text("Soup"))
    await bot.pauses.go()
    async with asyncio.timeout(30):
        while not journal.posts:  # noqa: ASYNC110 - a journal tells nobody
            await asyncio.sleep(0.001)
    await reply.abandon()
    assert ann.shown == [say("zh-CN", "thinking")]
    await bot.answers(message, "Soup", journal=MemoryJournal(2, journal.posts))
    assert ann.shown == [say("zh-CN", "thinking"), "Soup"]
    assert bot.pauses.lengths.count(SILENCE) == 1


async def test_an_answer_in_time_comes_without_a_word_in_between(bot: Running, ann: Member) -> None:
    before = asyncio.all_tasks()
    reply = bot.adapter.reply(await asked(bot, ann), MemoryJournal())
    await reply.send(Status("thinking"))
    await reply.send(Text("Soup"))
    await reply.send(End())
    assert ann.shown == ["Soup"]
    assert not [task for task in asyncio.all_tasks() - before if "AppReply" in repr(task)]


async def test_a_word_in_between_that_cannot_be_said_does_not_harm_the_answer(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    reply = bot.adapter.reply(await asked(bot, ann), MemoryJournal())
    wecom.fail(path="message/send")
    await reply.send(Status("thinking"))
    await bot.pauses.go()
    async with asyncio.timeout(30):
        while not wecom.called("message/send"):  # noqa: ASYNC110 - the simulator tells nobody
            await asyncio.sleep(0.001)
    await reply.send(Text("Soup"))
    await reply.send(End())
    assert ann.shown == ["Soup"]


# --- once --------------------------------------------------------------------------------------------------


async def test_a_kill_between_the_send_and_its_note_shows_one_answer(bot: Running, ann: Member) -> None:
    message = await asked(bot, ann)
    await bot.answers(message, "Soup")
    await bot.answers(message, "Soup", journal=MemoryJournal(2))  # its journal was never written
    assert ann.shown == ["Soup"]


@pytest.mark.parametrize("last", [1, 2, 3, 4, 5])
async def test_a_kill_at_any_of_several_messages_shows_each_once_and_in_order(
    bot: Running, ann: Member, last: int
) -> None:
    parts = (
        Text("Soup and noodles. " * 200),
        Media("image", "image/png", PNG, "a soup"),
        Text("\n\nThe end."),
    )
    message, journal = await asked(bot, ann), Dying(last)
    for attempt, kept in enumerate([journal, MemoryJournal(2, journal.posts), MemoryJournal(3)], 1):
        kept.posts = list(journal.posts) if attempt > 1 else kept.posts
        reply = bot.adapter.reply(message, kept)
        for part in parts:
            await reply.send(part)
        if attempt == 1 and last < 5:
            with pytest.raises(Unavailable):
                await reply.send(End())
        else:
            await reply.send(End())
    assert [text[:4] for text in ann.shown] == ["Soup", "Soup", f"<image {len(PNG)}>"[:4], "a so"]


async def test_half_a_character_is_sent_as_a_question_mark(bot: Running, ann: Member) -> None:
    await bot.answers(await asked(bot, ann), "Soup \ud83d")
    assert ann.shown == ["Soup ?"]


async def test_an_answer_whose_connection_breaks_is_sent_again_and_shown_once(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    message, journal = await asked(bot, ann), MemoryJournal()
    wecom.lose("message/send")
    with pytest.raises(Unavailable):
        await bot.answers(message, "Soup", journal=journal)
    assert ann.shown == ["Soup"]
    assert journal.posts == []
    await bot.answers(message, "Soup", journal=MemoryJournal(2, journal.posts))
    assert ann.shown == ["Soup"]


async def test_a_picture_is_shown_once_too(wecom: WeComSimulator, bot: Running, ann: Member) -> None:
    message = await asked(bot, ann)
    for attempt in (1, 2):
        reply = bot.adapter.reply(message, MemoryJournal(attempt))
        await reply.send(Media("image", "image/png", PNG))
        await reply.send(End())
    assert ann.shown == [f"<image {len(PNG)}>"]
    assert wecom.media.uploads == 1


async def test_two_questions_with_the_same_answer_are_both_answered(bot: Running, ann: Member) -> None:
    for _ in range(3):
        await bot.answers(await asked(bot, ann, "sure?"), "Yes.")
    assert ann.shown == ["Yes.", "Yes.", "Yes."]


async def test_an_answer_that_says_the_same_twice_is_shown_whole(bot: Running, ann: Member) -> None:
    reply = bot.adapter.reply(await asked(bot, ann), MemoryJournal())
    for part in (*[Media("image", "image/png", PNG)] * 2, End()):
        await reply.send(part)
    assert len(ann.shown) == 2


async def test_what_an_earlier_attempt_noted_is_not_sent_again(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    message, journal = await asked(bot, ann), MemoryJournal()
    text = "Soup and noodles. " * 200
    await bot.answers(message, text, journal=journal)
    sent = len(wecom.called("message/send"))
    await bot.answers(message, text, journal=MemoryJournal(2, journal.posts))
    assert len(wecom.called("message/send")) == sent == 2


async def test_another_answer_takes_the_place_of_what_an_earlier_attempt_said(
    bot: Running, ann: Member
) -> None:
    message, journal = await asked(bot, ann), MemoryJournal()
    await bot.answers(message, "Soup", journal=journal)
    second = MemoryJournal(2, journal.posts)
    await bot.answers(message, "Noodles", journal=second)
    assert ann.shown == ["Noodles"]
    await bot.answers(message, "Soup", journal=MemoryJournal(3, second.posts))
    assert ann.shown == ["Soup"]


# --- limits and faults -------------------------------------------------------------------------------------


async def test_nobody_is_sent_more_than_wecom_shows_in_a_minute_and_others_do_not_wait(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    wecom.rates = True
    bob = wecom.member("bob")
    for number in range(MINUTE_LIMIT):
        await bot.answers(await asked(bot, ann), f"{number}")
    await bot.answers(await asked(bot, bob), "for bob")
    assert bot.pauses.lengths.count(SILENCE) == len(bot.pauses.lengths)
    await bot.answers(await asked(bot, ann), "one more")
    assert len(ann.shown) == MINUTE_LIMIT + 1
    assert any(50 < pause <= 60 for pause in bot.pauses.lengths)
    assert not [call for call in wecom.calls if call.code]


async def test_what_is_too_much_in_an_hour_waits_until_there_is_room(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    message = await asked(bot, ann)
    key = "app:pace:Ann"
    minute = int(wecom.clock() // 60)
    bot.store.values[key] = f'[[], {{"{minute - 30}": {HOUR_LIMIT}}}]'
    with pytest.raises(Unavailable):
        await bot.answers(message, "Soup")
    wecom.clock.turn(31 * 60)
    await bot.answers(message, "Soup", journal=MemoryJournal(2))
    assert ann.shown == ["Soup"]


@pytest.mark.parametrize("code", [45009, 45033, -1])
async def test_where_wecom_finds_us_too_fast_the_answer_waits(
    wecom: WeComSimulator, bot: Running, ann: Member, code: int
) -> None:
    wecom.refuse("message/send", code, times=3)
    await bot.answers(await asked(bot, ann), "Soup")
    assert ann.shown == ["Soup"]
    assert [pause for pause in bot.pauses.lengths if pause != SILENCE] == [2.0, 4.0, 8.0]


async def test_where_it_stays_too_fast_the_answer_is_tried_again_later(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    wecom.refuse("message/send", 45009, times=1000)
    with pytest.raises(Unavailable):
        await bot.answers(await asked(bot, ann), "Soup")
    assert sum(pause for pause in bot.pauses.lengths if pause != SILENCE) <= 300


async def test_a_token_that_ended_is_replaced(wecom: WeComSimulator, bot: Running, ann: Member) -> None:
    await bot.answers(await asked(bot, ann), "one")
    wecom.end_tokens()
    await bot.answers(await asked(bot, ann), "two")
    wecom.clock.turn(7201)
    await bot.answers(await asked(bot, ann), "three")
    assert ann.shown == ["one", "two", "three"]
    assert len(wecom.called("gettoken")) == 3


async def test_who_is_no_member_any_more_is_gone(wecom: WeComSimulator, bot: Running, ann: Member) -> None:
    message = await asked(bot, ann)
    del wecom.members["ann"]
    with pytest.raises(Gone):
        await bot.answers(message, "Soup")


async def test_a_message_of_an_account_that_is_set_up_no_more_is_gone(bot: Running, ann: Member) -> None:
    message = await asked(bot, ann)
    kf = Incoming("1", type(message.place)("wecom", "kf:wk1", "wm1"), message.person, "hello")
    reply = bot.adapter.reply(kf, MemoryJournal())
    with pytest.raises(Gone):
        await reply.send(End())
    await reply.abandon()


async def test_two_replicas_share_one_token_and_answer_for_each_other(
    wecom: WeComSimulator, ann: Member
) -> None:
    store = MemoryStore()
    async with running(wecom, store=store) as one, running(wecom, store=store) as two:
        message = await asked(two, ann)
        await one.answers(message, "Soup")
        await two.answers(message, "Soup", journal=MemoryJournal(2))
    assert ann.shown == ["Soup"]
    assert len(wecom.called("gettoken")) == 1


# --- the operator ------------------------------------------------------------------------------------------


async def test_check_names_the_app(bot: Running) -> None:
    (finding,) = await bot.adapter.check()
    assert (finding.name, finding.ok) == ("WECOM_AGENT_ID", True)
    assert "Parley" in finding.detail


async def test_check_names_the_address_that_wecom_does_not_trust(wecom: WeComSimulator, bot: Running) -> None:
    wecom.trusted = False
    (finding,) = await bot.adapter.check()
    assert not finding.ok
    assert "203.0.113.9" in finding.detail
    assert "Trusted IP" in finding.remedy


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"WECOM_SECRET": "wrong"}, "WECOM_SECRET"),
        ({"WECOM_CORP_ID": "ww-wrong"}, "WECOM_CORP_ID"),
        ({"WECOM_AGENT_ID": "9"}, "WECOM_AGENT_ID"),
        ({"WECOM_API_BASE_URL": "http://127.0.0.1:1"}, "WECOM_API_BASE_URL"),
    ],
)
async def test_check_names_what_is_wrong(wecom: WeComSimulator, change: dict[str, str], named: str) -> None:
    async with running(wecom, wecom.environment | change) as bot:
        (finding,) = await bot.adapter.check()
    assert (finding.name, finding.ok) == (named, False)
    assert finding.remedy
    assert wecom.secret not in repr(finding)


async def test_check_says_that_the_app_is_disabled(wecom: WeComSimulator, bot: Running) -> None:
    wecom.sending.enabled = False
    (finding,) = await bot.adapter.check()
    assert not finding.ok
    assert "disabled" in finding.detail


async def test_a_greeting_that_fails_is_a_line_in_the_log(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    wecom.fail(path="message/send")
    with capture_logs() as logs:
        assert (await ann.opens()).acknowledged
        await bot.adapter.close()
    assert [line["event"] for line in logs] == ["wecom.errand_failed"]


async def test_a_message_that_cannot_be_taken_back_any_more_stands(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    message, journal = await asked(bot, ann), MemoryJournal()
    await bot.answers(message, "Soup", journal=journal)
    wecom.clock.turn(86401)
    await bot.answers(message, "Noodles", journal=MemoryJournal(2, journal.posts))
    assert ann.shown == ["Soup", "Noodles"]


async def test_without_an_app_there_is_no_menu(wecom: WeComSimulator) -> None:
    said: list[str] = []
    async with running(wecom, wecom.kf_environment) as bot:
        assert await bot.adapter.use("menu", said.append) == 1
    assert "WECOM_AGENT_ID" in said[0]


async def test_the_menu_is_published(wecom: WeComSimulator, bot: Running, ann: Member) -> None:
    said: list[str] = []
    assert await bot.adapter.use("menu", said.append) == 0
    assert wecom.sending.menu is not None
    new, help_, more = wecom.sending.menu["button"]
    assert (new["name"], new["key"], help_["name"]) == ("新对话", "/new", "帮助")
    assert [button["key"] for button in more["sub_button"]] == ["/role", "/model"]
    assert "published" in said[0]


async def test_a_menu_that_wecom_refuses_is_said_so(wecom: WeComSimulator, bot: Running) -> None:
    said: list[str] = []
    wecom.refuse("menu/create", 60011)
    assert await bot.adapter.use("menu", said.append) == 1
    assert "60011" in said[0]
    assert await bot.adapter.use("dance", said.append) == 2


async def test_neither_secrets_nor_what_people_say_is_logged(
    wecom: WeComSimulator, bot: Running, ann: Member
) -> None:
    with capture_logs() as logs:
        bot.ear.outcomes = [Unavailable("away")]
        message = await asked(bot, ann, "my diary")
        wecom.callbacks.skew = 900
        await ann.says("my diary")
        wecom.trusted = False
        with pytest.raises(Unavailable):
            await bot.answers(message, "your diary")
    assert logs
    for hidden in ("diary", wecom.secret, wecom.token, wecom.key, *wecom._tokens):
        assert hidden not in repr(logs)
