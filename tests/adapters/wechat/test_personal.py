"""Personal accounts against the simulator: receiving, answering within limits, files, the end of a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from redis.asyncio import Redis

from adapters._sealed import Seal
from adapters.wechat.personal.cdn import DOWNLOAD_LIMIT, key_of
from adapters.wechat.personal.client import trusted
from adapters.wechat.personal.parse import parse
from adapters.wechat.personal.reply import parts
from bot.api import (
    Attachment,
    Busy,
    Choices,
    End,
    Gone,
    Ignored,
    Incoming,
    Media,
    MenuEntry,
    Notice,
    Option,
    Status,
    Text,
    Unavailable,
)
from bot.keys import Keys
from bot.store import Feeds, RedisStore
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.adapters.wechat.signed_in import SECRET, Ear, made, running, sign_in
from tests.simulators.ilink import Bot, ILinkSimulator, Person, ilink_simulator

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


@pytest.fixture
async def ilink() -> AsyncIterator[ILinkSimulator]:
    async with ilink_simulator() as simulator:
        yield simulator


@pytest.fixture
def ann(ilink: ILinkSimulator) -> Person:
    return ilink.person("ann")


@pytest.fixture
def bot(ilink: ILinkSimulator, ann: Person) -> Bot:
    return ilink.sign_in(ann)


@pytest.fixture
async def store(ilink: ILinkSimulator, bot: Bot) -> MemoryStore:
    """A drawer in which Ann has signed in."""
    kept = MemoryStore()
    await sign_in(ilink, kept, bot)
    return kept


async def noted(store: MemoryStore, key: str, value: str = "") -> None:
    """Wait until the drawer has a key, and with this value where there is one."""
    async with asyncio.timeout(30):
        while key not in store.values or value not in ("", store.values[key]):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.002)


async def passed(store: MemoryStore, bot: Bot) -> None:
    """Wait until everything that was written to a bot is behind its cursor."""
    await noted(store, f"me:cursor:{bot.id}", bot.cursor())


# --- receiving ---------------------------------------------------------------------------------------------


async def test_what_a_person_writes_arrives_as_it_is(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        id = await ann.says("你好 <b>")
        await line.ear.hears(1)
    (message,) = line.ear.heard
    assert message.id == str(id)
    assert int(message.id) > 1 << 63  # no float has read it
    place = message.place
    assert (place.platform, place.account, place.chat) == ("wechat", f"me:{bot.id}", ann.id)
    assert (message.person.id, message.text, message.addressed) == (ann.id, "你好 <b>", "private")
    assert abs(message.sent_at - ilink.clock()) < 60


async def test_an_answer_reaches_the_person_while_typing_is_shown(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.says("Why?")
        await line.ear.hears(1)
        reply = line.reply(line.ear.heard[0])
        await reply.send(Status("thinking"))
        await ilink.news.until(lambda: ann.typing == [1])
        await reply.send(Text("**Because** it"))
        await reply.send(Text(" is."))
        await reply.send(End())
        assert ann.texts == ["Because it is."]
        assert ann.typing == [1, 2]


async def test_messages_from_before_the_start_are_heard_in_order(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    for number in range(5):
        await ann.says(f"{number}")
    async with running(ilink, store=store) as line:
        await line.ear.hears(5)
    assert line.ear.texts == ["0", "1", "2", "3", "4"]


async def test_nothing_is_lost_or_repeated_by_a_restart_before_acceptance(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    ear = Ear()
    ear.outcomes = [Unavailable("Redis is away")] * 3
    for text in ("one", "two", "three"):
        await ann.says(text)
    first = made(ilink, store=store, ear=ear)
    first.start()
    await ear.until(lambda: len(ear.tried) >= 1)
    await first.stop()
    await first.line.close()
    assert f"me:cursor:{bot.id}" not in store.values  # nothing of the batch was taken in
    ear.outcomes.clear()
    async with running(ilink, store=store, ear=ear):
        await ear.hears(3)
        await passed(store, bot)
    async with running(ilink, store=store, ear=ear):
        await ann.says("four")
        await ear.hears(4)
    assert ear.texts == ["one", "two", "three", "four"]


async def test_a_batch_that_was_half_accepted_comes_again_and_is_recognised(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    ear = Ear()
    gate = asyncio.Event()

    async def hang(message: Incoming) -> None:
        if message.text == "two":
            gate.set()
            await asyncio.get_running_loop().create_future()

    ear.answer = hang
    for text in ("one", "two", "three"):
        await ann.says(text)
    first = made(ilink, store=store, ear=ear)
    first.start()
    await asyncio.wait_for(gate.wait(), 30)
    await first.stop()  # "two" is on disk, and nobody has noted it
    await first.line.close()
    ear.answer = None
    async with running(ilink, store=store, ear=ear):
        await ear.hears(3)
        await passed(store, bot)
    assert ear.texts == ["one", "two", "three"]
    assert [message.text for message in ear.tried] == ["one", "two", "one", "two", "three"]


async def test_a_message_waits_until_it_can_be_accepted(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    ear = Ear(Unavailable("away"), Unavailable("away"))
    async with running(ilink, store=store, ear=ear) as line:
        await ann.says("patience")
        await ear.hears(1)
        await passed(store, bot)
        assert line.pauses.made[:2] == [2.0, 4.0]
    assert len(ear.tried) == 3


async def test_two_replicas_ask_once(ilink: ILinkSimulator, ann: Person, bot: Bot, redis: Redis, prefix: str):
    feeds = Feeds(redis)
    stores = [RedisStore(redis, Keys(prefix), "wechat", feeds) for _ in range(2)]
    await sign_in(ilink, stores[0], bot)
    ear = Ear()
    lines = [made(ilink, store=store, ear=ear, sleep=asyncio.sleep) for store in stores]
    for line in lines:
        line.start()
    for number in range(3):
        await ann.says(f"{number}")
        await ear.hears(number + 1)
    assert bot.most_at_once == 1
    assert bot.notified == ["start"]
    await ear.until(lambda: True)
    for line in lines:
        await line.says(ear.heard[-1], "Yes.", journal=MemoryJournal())  # either of them answers
    assert ann.texts == ["Yes."]  # and the second attempt is the same message
    for line in lines:
        await line.stop()
        await line.line.close()
    await feeds.close()
    assert len(ear.tried) == 3
    assert bot.notified[:2] == ["start", "stop"]


async def test_who_signs_in_while_the_bot_runs_is_heard_at_once(ilink: ILinkSimulator, ann: Person, bot: Bot):
    store = MemoryStore()
    async with running(ilink, store=store) as line:
        await ann.says("early")
        await sign_in(ilink, store, bot)
        await line.ear.hears(1)


async def test_faults_of_the_server_are_waited_out(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    ilink.answers["getupdates"] = [
        503,
        {"ret": -1, "errmsg": "busy"},
        b"<html>",
        b"[]",
        b"x" * (5 << 20),
        "lost",
    ]
    await ann.says("still there?")
    async with running(ilink, store=store) as line:
        await line.ear.hears(1)
        await passed(store, bot)
    assert line.ear.texts == ["still there?"]
    assert line.pauses.made[:6] == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


async def test_a_batch_without_a_cursor_is_not_asked_for_again_and_again(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    await ann.says("hello")
    ilink.answers["getupdates"] = [{"ret": 0, "msgs": bot.inbox, "get_updates_buf": ""}] * 3
    async with running(ilink, store=store) as line:
        await passed(store, bot)
        assert line.pauses.made[:3] == [2.0, 4.0, 8.0]
    assert line.ear.texts == ["hello"]
    assert len(line.ear.tried) == 4


async def test_redis_may_go_and_come_back(ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore):
    async with running(ilink, store=store) as line:
        await ann.says("1")
        await line.ear.hears(1)
        await passed(store, bot)
        await store.go()
        await ann.says("2")
        await store.come()
        await line.ear.hears(2)
        await passed(store, bot)
        await ann.says("3")
        await line.ear.hears(3)
    assert line.ear.texts == ["1", "2", "3"]


async def test_a_question_without_news_is_asked_again(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    ilink.hold = 0.01
    async with running(ilink, store=store) as line:
        await ilink.news.until(lambda: len(ilink.called("getupdates")) >= 3)
        await ann.says("now")
        await line.ear.hears(1)


@pytest.mark.parametrize(
    "fields",
    [
        {"message_type": 2},
        {"group_id": "g@chatroom"},
        {"item_list": []},
        {"item_list": "nonsense"},
        {"item_list": [None, {"type": 99}, {"type": 2, "image_item": []}]},
        {"from_user_id": None},
        {"delete_time_ms": 5},
    ],
)
async def test_what_is_no_message_to_us_holds_nothing_up(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore, fields: dict[str, object]
):
    async with running(ilink, store=store) as line:
        await ann.sends({"type": 1, "text_item": {"text": "not for us"}}, **fields)
        await ann.says("for us")
        await line.ear.hears(1)
    assert line.ear.texts == ["for us"]


_FIELDS = st.sampled_from(
    [
        "message_id", "from_user_id", "message_type", "item_list", "type", "text_item", "text", "voice_item",
        "image_item", "file_item", "media", "playtime", "encode_type", "full_url", "aes_key", "aeskey", "len",
        "file_name", "ref_msg", "message_item", "title", "svr_id", "create_time_ms", "msg_id",
    ]
)  # fmt: skip
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([1, 2, 3, 4, 5, 10**400]),
    st.floats(),
    st.text(max_size=9),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=6),
    max_leaves=20,
)


@given(_VALUES, st.lists(_VALUES, max_size=3))
def test_whatever_comes_is_a_message_or_none(message: object, items: list[object]):
    seal = Seal(SECRET, "test")
    parse(message, "bot", seal)
    whole = {"message_id": 1, "from_user_id": "ann", **(message if isinstance(message, dict) else {})}
    heard = parse({**whole, "item_list": items}, "bot", seal)
    if heard is not None:
        assert heard.incoming.id
        assert heard.incoming.text or heard.incoming.attachments
        TypeAdapter(Incoming).dump_json(heard.incoming)  # it can wait in Redis


async def test_who_is_too_fast_is_told_and_who_is_ignored_is_not(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    ear = Ear(Busy("Too much at once."), Ignored())
    async with running(ilink, store=store, ear=ear):
        await ann.says("1")
        await ann.says("2")
        await ann.says("3")
        await ear.hears(1)
        await passed(store, bot)
    assert ann.texts == ["Too much at once."]
    assert ear.texts == ["3"]


async def test_commands_are_understood_without_a_slash(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        line.line.know([MenuEntry("new", {"en": "Start anew"}, ("新对话",))])
        for text in ("新对话", "#new", "new"):
            await ann.says(text)
        await line.ear.hears(3)
    assert [(m.text, m.addressed) for m in line.ear.heard] == [
        ("/new", "command"),
        ("/new", "command"),
        ("new", "private"),
    ]


async def test_a_number_takes_a_choice(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    async with running(ilink, store=store) as line:
        await ann.says("roles")
        await line.ear.hears(1)
        options = (Option("Poet", "/role poet"), Option("Coder", "/role coder"))
        await line.says(line.ear.heard[0], Choices("Which role?", options))
        assert ann.texts == ["Which role?\n\n1. Poet\n2. Coder\n\n请回复数字选择。"]
        await ann.says("2")
        await line.ear.hears(2)
    assert (line.ear.heard[1].text, line.ear.heard[1].addressed) == ("/role coder", "command")


# --- what is quoted, spoken, shown -------------------------------------------------------------------------


async def test_a_quote_brings_its_text(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    quoted = {"message_item": {"type": 1, "text_item": {"text": "Rome was not built"}}, "title": "Ann"}
    async with running(ilink, store=store) as line:
        await ann.says("by whom?", ref_msg=quoted)
        await ann.says("and?", ref_msg={"title": "only this"})
        await line.ear.hears(2)
    found = [message.quoted.text for message in line.ear.heard if message.quoted]
    assert found == ["Rome was not built", "only this"]


async def test_a_quote_that_is_only_an_id_is_looked_up(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        first = await ann.says("The capital of France?")
        await line.ear.hears(1)
        await line.says(line.ear.heard[0], "Paris.")
        await ann.says("and mine?", ref_msg={"svr_id": str(first)})
        await ann.says("sure?", ref_msg={"svr_id": str(ann.shown[0].message_id)})
        await ann.says("what?", ref_msg={"svr_id": "v1:unknown"})
        await line.ear.hears(4)
    found = [message.quoted and (message.quoted.text, message.quoted.ours) for message in line.ear.heard]
    assert found == [None, ("The capital of France?", False), ("Paris.", True), None]


async def test_a_quoted_picture_comes_along(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    await ann.shows(PNG)
    assert ann.bot is not None
    picture = ann.bot.inbox[0]["item_list"][0]
    async with running(ilink, store=store) as line:
        await ann.says("what is this?", ref_msg={"message_item": picture})
        await line.ear.hears(2)
        quoted = line.ear.heard[1].quoted
        assert quoted is not None
        assert await line.line.fetch(quoted.attachments[0]) == PNG


async def test_a_quoted_picture_of_ours_is_known_as_ours(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    await ann.shows(PNG)
    assert ann.bot is not None
    picture = ann.bot.inbox[0]["item_list"][0]
    async with running(ilink, store=store) as line:
        await line.ear.hears(1)
        await line.says(line.ear.heard[0], Media("image", "image/png", PNG))
        shown = ann.shown[0]
        await ann.says("make it brighter", ref_msg={"svr_id": str(shown.message_id)})
        whole = {"message_item": picture, "svr_id": str(shown.message_id)}
        await ann.says("make it darker", ref_msg=whole)
        await line.ear.hears(3)
        for message in line.ear.heard[1:]:
            assert message.quoted is not None
            assert message.quoted.ours
            assert await line.line.fetch(message.quoted.attachments[0]) == PNG


async def test_a_voice_message_is_its_transcript(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    async with running(ilink, store=store) as line:
        await ann.speaks("今天天气怎么样")
        await ann.says("今天天气怎么样")
        await line.ear.hears(2)
    assert [(heard.text, heard.spoken) for heard in line.ear.heard] == [
        ("今天天气怎么样", True),
        ("今天天气怎么样", False),
    ]
    assert line.ear.heard[0].attachments == ()


async def test_a_voice_message_without_a_transcript_is_a_recording(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.speaks("", b"\x02#!SILK_V3 hm")
        await line.ear.hears(1)
        (recording,) = line.ear.heard[0].attachments
        assert (recording.kind, recording.mime, recording.duration) == ("audio", "audio/silk", 3.2)
        assert await line.line.fetch(recording) == b"\x02#!SILK_V3 hm"


@pytest.mark.parametrize(("full", "bare"), [(True, False), (True, True), (False, False), (False, True)])
async def test_a_picture_is_downloaded_and_opened(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore, full: bool, bare: bool
):
    async with running(ilink, store=store) as line:
        await ann.shows(PNG, full=full, bare_key=bare)
        await line.ear.hears(1)
        (picture,) = line.ear.heard[0].attachments
        assert (picture.kind, picture.ref[:3]) == ("image", "me:")
        assert await line.line.fetch(picture) == PNG


async def test_the_reference_of_a_file_tells_nobody_its_key(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.hands("notes.txt", b"some notes")
        await line.ear.hears(1)
        (file,) = line.ear.heard[0].attachments
        assert (file.kind, file.name, file.mime, file.size) == ("file", "notes.txt", "text/plain", 10)
        assert await line.line.fetch(file) == b"some notes"
    media = bot.inbox[0]["item_list"][0]["file_item"]["media"]
    assert media["aes_key"] not in file.ref
    assert media["encrypt_query_param"] not in file.ref


async def test_a_file_that_cannot_be_had_is_gone(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    async with running(ilink, store=store) as line:
        await ann.shows(PNG)
        await line.ear.hears(1)
        (picture,) = line.ear.heard[0].attachments
        ilink.cdn.away = True
        with pytest.raises(Unavailable):
            await line.line.fetch(picture)
        ilink.cdn.away = False
        ilink.cdn.files.clear()
        for lost in (
            picture,
            Attachment("image", "me:nonsense"),
            Attachment("image", picture.ref, size=1 << 30),
        ):
            with pytest.raises(Gone):
                await line.line.fetch(lost)


async def test_a_file_that_is_too_large_is_gone(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    async with running(ilink, store=store) as line:
        await ann.shows(bytes(DOWNLOAD_LIMIT + 32))
        await line.ear.hears(1)
        with pytest.raises(Gone, match="more than"):
            await line.line.fetch(line.ear.heard[0].attachments[0])


async def test_a_file_that_is_not_what_its_key_made_is_gone(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.shows(PNG)
        await line.ear.hears(1)
        refused = 0
        for wrong in range(5):
            for _, file in ilink.cdn.files.values():
                file.key = bytes([wrong] * 16)
            try:
                await line.line.fetch(line.ear.heard[0].attachments[0])
            except Gone:
                refused += 1
        assert refused >= 3  # the end of one in 256 is by chance as it should be


async def test_nothing_is_fetched_from_elsewhere(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    media = {"full_url": "http://169.254.169.254/latest", "aes_key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    async with running(ilink, store=store) as line:
        await ann.sends({"type": 2, "image_item": {"media": media}})
        await line.ear.hears(1)
        with pytest.raises(Gone):
            await line.line.fetch(line.ear.heard[0].attachments[0])


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://novac2c.cdn.weixin.qq.com/c2c/download?x=1", True),
        ("https://ilinkai.weixin.qq.com", True),
        ("http://127.0.0.1:81/x", False),
        ("https://gateway.example:8443/x", True),
        ("http://gateway.example/x", False),
        ("http://novac2c.cdn.weixin.qq.com/", False),
        ("https://novac2c.cdn.weixin.qq.com:8443/", False),
        ("https://evilqq.com/", False),
        ("https://qq.com.evil.example/", False),
        ("https://novac2c.cdn.weixin.qq.com@evil.example/", False),
        ("https://novac2c.cdn.weixin.qq.com:port/", False),
        ("", False),
    ],
)
def test_only_tencents_servers_and_the_operators_own_are_trusted(url: str, good: bool):
    assert trusted(url, "https://gateway.example") is good


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("000102030405060708090a0b0c0d0e0f", bytes(range(16))),
        ("AAECAwQFBgcICQoLDA0ODw==", bytes(range(16))),
        ("MDAwMTAyMDMwNDA1MDYwNzA4MDkwYTBiMGMwZDBlMGY=", bytes(range(16))),
        ("AAECAw==", None),
        ("not base64!", None),
        ("", None),
    ],
)
def test_a_key_is_read_in_all_its_forms(text: str, key: bytes | None):
    assert key_of(text) == key


# --- answering ---------------------------------------------------------------------------------------------


async def test_a_long_answer_comes_in_few_numbered_parts(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.says("Tell me all.")
        await line.ear.hears(1)
        await line.says(line.ear.heard[0], "It goes on. " * 800)
    assert len(ann.texts) == 3
    assert [text.rpartition("\n")[2] for text in ann.texts] == ["(1/3)", "(2/3)", "(3/3)"]
    assert sum(text.count("It goes on.") for text in ann.texts) == 800


@pytest.mark.parametrize("text", ["字" * 9000, "word " * 3000, "🙂" * 5000, "x"])
def test_no_part_is_longer_than_wechat_takes(text: str):
    found = parts(text)
    assert max(map(len, found)) <= 3900
    assert "".join("".join(found).split()).startswith("".join(text.split())[:1000])


async def test_what_is_said_beside_the_answer_stands_in_order(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.says("Go")
        await line.ear.hears(1)
        reply = line.reply(line.ear.heard[0])
        await reply.send(Notice("n", text="First."))
        await reply.send(Text("Then."))
        await reply.send(Notice("n", text="Last."))
        await reply.send(End(offers=(Option("继续", "/continue"), Option("重试", "/retry"))))
    assert ann.texts == ["First.\n\nThen.\n\nLast.\n\n继续：发送 /continue"]


@pytest.mark.parametrize("full", [True, False])
async def test_pictures_videos_and_files_are_shown(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore, full: bool
):
    ilink.cdn.full_addresses = full
    async with running(ilink, store=store) as line:
        await ann.says("draw")
        await line.ear.hears(1)
        await line.says(
            line.ear.heard[0],
            "Look:",
            Media("image", "image/png", PNG, "A cat"),
            Media("video", "video/mp4", b"film"),
            Media("audio", "audio/mpeg", b"sound"),
        )
    assert [(shown.kind, shown.text or shown.data) for shown in ann.shown] == [
        ("text", "Look:"),
        ("image", PNG),
        ("text", "A cat"),
        ("video", b"film"),
        ("file", "audio.mp3"),
    ]
    assert ann.shown[-1].data == b"sound"


async def test_a_picture_that_wechat_does_not_take_is_a_sentence(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    ilink.answers["getuploadurl"] = [{"ret": -5, "errmsg": "no"}, {"ret": 0}]
    async with running(ilink, store=store) as line:
        await ann.says("draw")
        await line.ear.hears(1)
        picture = Media("image", "image/png", PNG)
        await line.says(line.ear.heard[0], picture, picture, Media("file", "text/plain", b""))
    assert ann.texts == [
        "【图片已生成，但微信没有接收。】\n\n【图片已生成，但微信没有接收。】\n\n【文件已生成，但微信无法在这里显示。】"
    ]


async def test_speech_is_a_file_whose_ending_says_what_plays_it(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.says("/say hello")
        await line.ear.hears(1)
        await line.says(line.ear.heard[0], Media("audio", "audio/amr", b"#!AMR\n" + bytes(32)))
    assert [one.text for one in ann.shown] == ["audio.amr"]


async def test_a_file_to_be_kept_keeps_its_name(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    async with running(ilink, store=store) as line:
        await ann.says("/export")
        await line.ear.hears(1)
        file = Media("file", "text/markdown", b"# A dialogue", name="dialogue-2026-07-01.md")
        await line.says(line.ear.heard[0], file)
    assert [(one.text, one.data) for one in ann.shown] == [("dialogue-2026-07-01.md", b"# A dialogue")]


async def test_a_cdn_that_is_away_is_waited_for_and_one_that_refuses_is_not(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    picture = Media("image", "image/png", PNG)
    async with running(ilink, store=store) as line:
        await ann.says("draw")
        await line.ear.hears(1)
        ilink.cdn.away = True
        reply = line.reply(line.ear.heard[0])
        with pytest.raises(Unavailable):
            await reply.send(picture)
        await reply.abandon()
        ilink.cdn.away, ilink.cdn.refusing = False, True
        await line.says(line.ear.heard[0], picture)
    assert ann.texts == ["【图片已生成，但微信没有接收。】"]


async def test_a_second_attempt_sends_only_what_the_first_did_not(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.says("Tell me all.")
        await line.ear.hears(1)
        journal = MemoryJournal()
        ilink.answers["sendmessage"] = [
            {"message_id": 1},
            "lost",
        ]  # the first is swallowed, the second unanswered
        with pytest.raises(Unavailable):
            await line.says(line.ear.heard[0], "It goes on. " * 800, journal=journal)
        assert len(journal.posts) == 1
        await line.says(line.ear.heard[0], "It goes on. " * 800, journal=journal)
        assert [text.rpartition("\n")[2] for text in ann.texts] == ["(2/3)", "(3/3)"]
        await line.says(line.ear.heard[0], "It goes on. " * 800, journal=journal)
    assert len(ann.texts) == 2


async def test_typing_that_cannot_be_shown_is_no_obstacle(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    ilink.answers["getconfig"] = [500, {"ret": -1}]
    async with running(ilink, store=store) as line:
        await ann.says("Hi")
        await line.ear.hears(1)
        await line.says(line.ear.heard[0], "Hello.")
        await ann.says("Hi again")
        await line.ear.hears(2)
        await line.says(line.ear.heard[1], "Hello again.")
    assert ann.texts == ["Hello.", "Hello again."]


async def test_an_abandoned_answer_shows_nothing(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    async with running(ilink, store=store) as line:
        await ann.says("Hi")
        await line.ear.hears(1)
        reply = line.reply(line.ear.heard[0])
        await reply.send(Text("Half an"))
        await ilink.news.until(lambda: ann.typing)
        await reply.abandon()
    assert (ann.texts, ann.typing) == ([], [1, 2])


async def test_an_account_that_never_signed_in_is_gone(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.says("Hi")
        await line.ear.hears(1)
        stranger = made(ilink)
        with pytest.raises(Gone):
            await stranger.says(line.ear.heard[0], "Hello.")
        await stranger.line.close()


# --- WeChat's limits ---------------------------------------------------------------------------------------


async def test_no_more_than_ten_messages_and_the_next_one_brings_the_rest(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    answer = "It goes on. " * 4000  # thirteen parts
    async with running(ilink, store=store) as line:
        await ann.says("Tell me all.")
        await line.ear.hears(1)
        await line.says(line.ear.heard[0], answer)
        assert len(ann.texts) == 10
        assert ann.texts[-1].endswith("（微信限制：您再发一条消息，我才能继续。）")
        await ann.says("More!")
        await line.ear.hears(2)
        await line.says(line.ear.heard[1], "That was all.")
    assert sum(text.count("It goes on.") for text in ann.texts) == 4000
    assert ann.texts[-1] == "That was all."
    assert len({shown.client_id for shown in ann.shown}) == len(ann.shown)
    assert len(ilink.called("sendmessage")) == len(ann.shown)  # WeChat was never asked in vain


async def test_what_is_kept_comes_before_the_next_answer_is_made(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.says("Wait")
        await line.ear.hears(1)
        ilink.clock.turn(24 * 3600)
        await line.says(line.ear.heard[0], "At last.")
        assert ann.texts == []
        assert ilink.called("sendmessage") == []
        await ann.says("Well?")
        await line.ear.hears(2)
        reply = line.reply(line.ear.heard[1])
        await reply.send(Status("thinking"))
        assert ann.texts == ["At last."]
        await reply.send(Text("Well."))
        await reply.send(End())
    assert ann.texts == ["At last.", "Well."]


async def test_what_is_kept_and_quoted_is_forgotten(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    async with running(ilink, store=store) as line:
        first = await ann.says("A secret")
        await line.ear.hears(1)
        ilink.clock.turn(24 * 3600)
        await line.says(line.ear.heard[0], "Nobody shall know.")
        await ann.says("/forget yes")
        await line.ear.hears(2)
        asking = line.ear.heard[1]
        await line.line.forget(asking.place)
        await line.says(asking, "Done.")
        await ann.says("and that?", ref_msg={"svr_id": str(first)})
        await line.ear.hears(3)
    assert ann.texts == ["Done."]
    assert line.ear.heard[2].quoted is None
    assert "secret" not in repr(store.logs) + repr(store.values)


async def test_a_refused_message_is_kept_in_its_order(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    async with running(ilink, store=store) as line:
        await ann.says("Draw")
        await line.ear.hears(1)
        ilink.answers["sendmessage"] = [{"ret": -2, "errmsg": "prepare failed"}] * 3
        journal = MemoryJournal()
        picture = Media("image", "image/png", PNG)
        await line.says(line.ear.heard[0], "Here:", picture, journal=journal)
        await line.says(line.ear.heard[0], "Here:", picture, journal=journal)  # nothing is kept twice
        assert ann.shown == []
        await ann.says("Where?")
        await line.ear.hears(2)
        await line.says(line.ear.heard[1], "There.")
    assert [shown.text or shown.data for shown in ann.shown] == ["Here:", PNG, "There."]


async def test_what_is_kept_is_sealed(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    async with running(ilink, store=store) as line:
        await ann.says("Draw")
        await line.ear.hears(1)
        ilink.answers["sendmessage"] = [{"ret": -2}]
        await line.says(line.ear.heard[0], Media("image", "image/png", PNG))
    keys = [upload["aeskey"] for upload in ilink.called("getuploadurl")]
    drawer = repr(store.values) + repr(store.logs)
    assert keys
    assert ann.bot is not None
    for secret in (*keys, ann.bot.token, *ann.contexts):
        assert secret not in drawer


async def test_too_fast_is_tried_again_after_a_pause(ilink: ILinkSimulator, ann: Person, store: MemoryStore):
    ilink.crowded = 2
    async with running(ilink, store=store) as line:
        await ann.says("Hi")
        await line.ear.hears(1)
        await line.says(line.ear.heard[0], "Hello.")
        assert [pause for pause in line.pauses.made if pause in (3.0, 6.0)] == [3.0, 6.0]
    assert ann.texts == ["Hello."]


async def test_a_message_that_is_never_taken_does_not_hold_up_the_others(
    ilink: ILinkSimulator, ann: Person, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.says("1")
        await line.ear.hears(1)
        refusal = {"ret": -7, "errmsg": "not this"}
        ilink.answers["sendmessage"] = [
            refusal
        ] * 6  # each message tries it twice: at once, and with its answer
        await line.says(line.ear.heard[0], "Poison.")
        for number in range(2, 5):
            await ann.says(f"{number}")
            await line.ear.hears(number)
            await line.says(line.ear.heard[-1], f"Answer {number}.")
        assert ilink.answers["sendmessage"] == []
    assert ann.texts == ["Answer 2.", "Answer 3.", "Answer 4."]


# --- the end of a session ----------------------------------------------------------------------------------


async def test_a_session_that_ended_is_not_asked_for_again(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore, capfd: pytest.CaptureFixture[str]
):
    async with running(ilink, store=store) as line:
        await ann.says("Hi")
        await line.ear.hears(1)
        await ilink.end(bot)
        await noted(store, f"me:ended:{bot.id}")
        asked = len(ilink.called("getupdates"))
        await line.says(line.ear.heard[0], "Hello.")  # it is kept
        found = await line.line.check()
        assert [(f.ok, f.remedy) for f in found] == [(False, "sign in again: parley wechat login")]
    async with running(ilink, store=store) as line:  # nor after a restart
        assert [f.ok for f in await line.line.check()] == [False]
        assert len(ilink.called("getupdates")) == asked
        assert ilink.called("sendmessage") == []
        again = ilink.sign_in(ann)
        await sign_in(ilink, store, again)
        await ann.says("I am back")
        await line.ear.hears(1)
        await line.ear.until(lambda: "I am back" in line.ear.texts)
        await line.says(line.ear.heard[-1], "Welcome.")
        assert [f.ok for f in await line.line.check()] == [True]
    assert ann.texts == ["Hello.", "Welcome."]
    out, _ = capfd.readouterr()
    assert out.count("wechat.session_ended") == 1


async def test_a_session_that_ends_while_an_answer_is_sent_keeps_it(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.says("Hi")
        await line.ear.hears(1)
        ilink.answers["sendmessage"] = [{"errcode": -14, "errmsg": "session timeout"}]
        await line.says(line.ear.heard[0], "Hello.")
        assert f"me:ended:{bot.id}" in store.values
        await sign_in(ilink, store, ilink.sign_in(ann))
        await ann.says("Again")
        await line.ear.hears(2)
        await line.says(line.ear.heard[1], "Hello again.")
    assert ann.texts == ["Hello.", "Hello again."]


async def test_a_new_sign_in_takes_the_place_of_the_old_one(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    async with running(ilink, store=store) as line:
        await ann.says("1")
        await line.ear.hears(1)
        again = ilink.sign_in(ann)
        await sign_in(ilink, store, again)
        await ann.says("2")
        await line.ear.hears(2)
    assert line.ear.texts == ["1", "2"]
    assert again.most_at_once == 1
    assert len(store.shown("me:accounts")) == 1


# --- what the operator is told -----------------------------------------------------------------------------


async def test_check_tells_who_has_signed_in(ilink: ILinkSimulator, bot: Bot, store: MemoryStore):
    line = made(ilink, store=store)
    (found,) = await line.line.check()
    assert (found.name, found.ok, found.detail) == (
        f"WeChat {bot.id}",
        True,
        f"signed in for {bot.person.id}",
    )
    assert bot.token not in repr(found)
    await line.line.close()


async def test_check_says_what_to_do_where_nobody_has(ilink: ILinkSimulator):
    line = made(ilink)
    (found,) = await line.line.check()
    assert (found.ok, found.remedy) == (False, "sign in: parley wechat login")
    await line.line.close()


async def test_check_finds_a_session_that_nobody_has_noticed_to_be_over(
    ilink: ILinkSimulator, bot: Bot, store: MemoryStore
):
    line = made(ilink, store=store)
    await ilink.end(bot)
    (found,) = await line.line.check()
    assert (found.ok, found.remedy) == (False, "sign in again: parley wechat login")
    await line.line.close()


async def test_check_knows_another_secret(ilink: ILinkSimulator, bot: Bot, store: MemoryStore):
    line = made(ilink, store=store, secret="quite another secret")
    (found,) = await line.line.check()
    assert (found.ok, "WECHAT_PERSONAL_SECRET" in found.detail) == (False, True)
    await line.line.close()


async def test_check_says_what_is_wrong(ilink: ILinkSimulator, store: MemoryStore):
    line = made(ilink, store=store)
    ilink.answers["getconfig"] = [502, {"ret": -3, "errmsg": "no"}]
    assert [f.name for f in await line.line.check()] == ["WECHAT_PERSONAL_BASE_URL"]
    assert "no" in (await line.line.check())[0].detail
    await store.go()
    with pytest.raises(Unavailable):  # nobody can tell who has signed in
        await line.line.check()
    await line.line.close()


async def test_an_account_of_another_secret_is_left_alone(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    ben = ilink.person("ben")
    await sign_in(ilink, store, ilink.sign_in(ben), secret="quite another secret")
    async with running(ilink, store=store, secret="quite another secret") as line:
        await ann.says("1")
        await ben.says("2")
        await line.ear.hears(1)
    assert line.ear.texts == ["2"]
    assert bot.most_at_once == 0


async def test_one_accounts_trouble_is_not_the_others(
    ilink: ILinkSimulator, ann: Person, bot: Bot, store: MemoryStore
):
    ben = ilink.person("ben")
    await sign_in(ilink, store, ilink.sign_in(ben))
    await ilink.end(bot)
    async with running(ilink, store=store) as line:
        await ben.says("hello")
        await line.ear.hears(1)
    assert line.ear.texts == ["hello"]
