"""WeCom's customer service on the simulator: everything in its log is heard once, and answered within the quota."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from adapters.wecom.kf import CustomerService
from adapters.wecom.kf.outbox import QUOTA
from adapters.wecom.kf.parse import parse
from adapters.wecom.settings import KfCredentials
from adapters.wecom.words import say
from bot.api import (
    Accepted,
    Busy,
    Choices,
    End,
    Gone,
    Host,
    Incoming,
    Media,
    Option,
    Outcome,
    Status,
    Text,
    Unavailable,
)
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.adapters.wecom.running import Dying, Ear, Running, running
from tests.simulators.wecom import Customer, WeComSimulator, wecom_simulator

PNG, AMR = b"\x89PNG\r\n\x1a\n picture", b"#!AMR\n" + (b"\x3c" + bytes(31)) * 50
CURSOR = "kf:cursor:wk1"


@pytest.fixture
async def wecom() -> AsyncIterator[WeComSimulator]:
    async with wecom_simulator() as simulator:
        yield simulator
        assert simulator.broken == []


@pytest.fixture
def wang(wecom: WeComSimulator) -> Customer:
    return wecom.customer("wm1")


@pytest.fixture
async def bot(wecom: WeComSimulator) -> AsyncIterator[Running]:
    async with running(wecom, wecom.kf_environment) as found:
        yield found


async def asked(bot: Running, wang: Customer, text: str = "你好") -> Incoming:
    await wang.says(text)
    return bot.ear.heard[-1]


async def said_in_silence(wecom: WeComSimulator, wang: Customer, *texts: str) -> None:
    """Things that are said while every callback is lost."""
    wecom.silent = True
    for text in texts:
        await wang.says(text)
    wecom.silent = False


# --- what is heard -----------------------------------------------------------------------------------------


async def test_a_message_is_heard_and_its_callback_acknowledged(bot: Running, wang: Customer) -> None:
    delivery = await wang.says("你好")
    assert delivery is not None
    assert delivery.acknowledged
    (heard,) = bot.ear.heard
    assert heard.text == "你好"
    assert (heard.place.account, heard.place.chat, heard.person.id) == ("kf:wk1", "wm1", "wm1")
    assert heard.place.kind == "private"


async def test_the_address_is_verified_without_an_app(wecom: WeComSimulator, bot: Running) -> None:
    assert (await wecom.callbacks.verifies("42")).text == "42"


async def test_what_cannot_be_kept_stays_before_the_cursor(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    bot.ear.outcomes = [Accepted("ref"), Unavailable("away")]
    await wang.says("one")
    first = bot.store.values[CURSOR]
    delivery = await wang.says("two")
    assert delivery is not None
    assert delivery.statuses == [503, 200]
    assert bot.store.values[CURSOR] != first
    assert bot.ear.texts == ["one", "two", "two"]
    assert len({message.key for message in bot.ear.heard}) == 2


async def test_many_pages_are_read_in_order(wecom: WeComSimulator, bot: Running, wang: Customer) -> None:
    wecom.kf.page = 2
    texts = [f"{number}" for number in range(7)]
    await said_in_silence(wecom, wang, *texts)
    await wecom.kf.announce("wk1")
    assert bot.ear.texts == texts


async def test_only_what_people_in_wechat_say_is_heard(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    head = {"external_userid": "wm1", "open_kfid": "wk1"}
    await wecom.kf.add("wk1", {"origin": 5, "msgtype": "text", "text": {"content": "colleague"}, **head})
    event = {"event_type": "session_status_change", "change_type": 1, **head}
    await wecom.kf.add("wk1", {"origin": 4, "msgtype": "event", "event": event})
    await wecom.kf.add("wk1", {"origin": 3, "msgtype": "from_the_future", **head})
    assert bot.ear.heard == []


async def test_files_are_fetched(bot: Running, wang: Customer) -> None:
    for kind, data, heard_as in [
        ("image", PNG, "image"),
        ("voice", AMR, "audio"),
        ("file", b"%PDF-1", "file"),
    ]:
        await wang.sends(kind, data)
        (attachment,) = bot.ear.heard[-1].attachments
        assert attachment.kind == heard_as
        assert await bot.adapter.fetch(attachment) == data


def test_places_and_pages_are_read_as_text() -> None:
    head = {"msgid": "1", "origin": 3, "external_userid": "wm1", "open_kfid": "wk1", "send_time": 5}
    where = {"name": "Harbour", "address": "1 Quay", "latitude": 1.5, "longitude": 2.5}
    place = parse({**head, "msgtype": "location", "location": where})
    page = parse({**head, "msgtype": "link", "link": {"title": "T", "desc": "D", "url": "https://e.org"}})
    assert isinstance(place, Incoming)
    assert place.text == "Harbour\n1 Quay\n1.5, 2.5"
    assert isinstance(page, Incoming)
    assert page.text == "T\nD\nhttps://e.org"


async def test_a_message_that_is_taken_back_is_heard_of(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    message = await asked(bot, wang)
    await wang.recalls(message.id)
    assert bot.ear.heard[-1].withdrawn
    assert bot.ear.heard[-1].edits == message.id


@pytest.mark.parametrize(("text", "meant"), [("帮助", "/help"), ("#新对话", "/new"), ("more", "more")])
async def test_commands_are_known_by_their_names(bot: Running, wang: Customer, text: str, meant: str) -> None:
    assert (await asked(bot, wang, text)).text == meant


async def test_who_has_too_much_waiting_is_told_so(bot: Running, wang: Customer) -> None:
    bot.ear.outcomes = [Busy("Too much waits already.")]
    await wang.says("你好")
    await bot.adapter.close()
    assert wang.shown == ["Too much waits already."]


# --- heard once --------------------------------------------------------------------------------------------


async def test_a_lost_callback_is_made_up_for(wecom: WeComSimulator, bot: Running, wang: Customer) -> None:
    await asked(bot, wang, "one")
    await said_in_silence(wecom, wang, "two")
    receiving = asyncio.create_task(bot.adapter.run(bot.ear.submit))
    await bot.pauses.go(1)
    assert bot.ear.texts == ["one", "two"]
    await said_in_silence(wecom, wang, "three")
    await bot.pauses.go(2)
    await bot.pauses.go(3)
    receiving.cancel()
    await asyncio.wait([receiving])
    assert bot.ear.texts == ["one", "two", "three"]


async def test_a_look_that_fails_is_followed_by_another(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    await said_in_silence(wecom, wang, "one")
    wecom.fail(path="kf/account/list")
    receiving = asyncio.create_task(bot.adapter.run(bot.ear.submit))
    await bot.pauses.go(1)
    wecom.refuse("kf/account/list", 60020)
    await bot.pauses.go(2)
    await bot.pauses.go(3)
    receiving.cancel()
    await asyncio.wait([receiving])
    assert bot.ear.texts == ["one"]


async def test_an_account_that_fails_does_not_hold_up_another(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    wecom.kf.account("wk0").managed = False
    li = wecom.customer("wm2", "wk2")
    await said_in_silence(wecom, wang, "to the first")
    await said_in_silence(wecom, li, "to the second")
    wecom.fail(path="kf/sync_msg")
    receiving = asyncio.create_task(bot.adapter.run(bot.ear.submit))
    await bot.pauses.go(1)
    assert bot.ear.texts == ["to the second"]
    await bot.pauses.go(2)
    receiving.cancel()
    await asyncio.wait([receiving])
    assert bot.ear.texts == ["to the second", "to the first"]


class Leaderless(MemoryStore):
    """A store that is away when somebody first wants to lead."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    async def lead(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        if not self.refused:
            self.refused += 1
            raise Unavailable("away")
        await super().lead(name, work)


async def test_while_nobody_can_lead_it_is_tried_again(wecom: WeComSimulator, wang: Customer) -> None:
    store = Leaderless()
    await said_in_silence(wecom, wang, "one")
    async with running(wecom, wecom.kf_environment, store=store) as bot:
        receiving = asyncio.create_task(bot.adapter.run(bot.ear.submit))
        await bot.pauses.go(1)
        receiving.cancel()
        await asyncio.wait([receiving])
        assert (bot.ear.texts, store.refused) == (["one"], 1)


async def test_a_lost_cursor_repeats_nothing(wecom: WeComSimulator, bot: Running, wang: Customer) -> None:
    for text in ("one", "two"):
        await asked(bot, wang, text)
    del bot.store.values[CURSOR]
    wecom.clock.turn(2 * 3600)
    await asked(bot, wang, "three")
    assert bot.ear.texts == ["one", "two", "three"]


async def test_what_was_said_before_the_bot_was_there_is_not_answered(
    wecom: WeComSimulator, wang: Customer
) -> None:
    await said_in_silence(wecom, wang, "two days ago")
    wecom.clock.turn(2 * 86400)
    await said_in_silence(wecom, wang, "just now")
    async with running(wecom, wecom.kf_environment) as bot:
        await wecom.kf.announce("wk1")
        assert bot.ear.texts == ["just now"]


async def test_what_was_said_while_the_bot_was_away_is_answered(
    wecom: WeComSimulator, wang: Customer
) -> None:
    store = MemoryStore()
    async with running(wecom, wecom.kf_environment, store=store) as bot:
        await asked(bot, wang, "one")
    await said_in_silence(wecom, wang, "three days later, of no use")
    wecom.clock.turn(49 * 3600)
    await said_in_silence(wecom, wang, "two")
    wecom.clock.turn(20 * 3600)
    async with running(wecom, wecom.kf_environment, store=store) as bot:
        await wecom.kf.announce("wk1")
        assert bot.ear.texts == ["two"]


async def test_two_replicas_hear_a_message_once(wecom: WeComSimulator, wang: Customer) -> None:
    store = MemoryStore()
    async with (
        running(wecom, wecom.kf_environment, store=store) as one,
        running(wecom, wecom.kf_environment, store=store) as two,
    ):
        texts = [f"{number}" for number in range(5)]
        await said_in_silence(wecom, wang, *texts)
        await wecom.kf.announce("wk1")
        wecom.deliver_to(one.url)
        await wecom.kf.announce("wk1")
        await wang.says("5")
        assert (one.ear.texts, two.ear.texts) == (["5"], texts)


async def test_a_token_that_is_too_old_does_not_hinder(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    wecom.refuse("kf/sync_msg", 95007)
    assert (await asked(bot, wang)).text == "你好"


async def test_accounts_have_cursors_of_their_own(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    li = wecom.customer("wm2", "wk2")
    await asked(bot, wang, "to the first")
    heard = await asked(bot, li, "to the second")
    assert heard.place.account == "kf:wk2"
    assert bot.ear.texts == ["to the first", "to the second"]


async def test_a_callback_does_not_wait_longer_than_wecom_does(wecom: WeComSimulator, wang: Customer) -> None:
    ear, gate = Ear(), asyncio.Event()

    async def slowly(message: Incoming) -> Outcome:
        await gate.wait()
        return await ear.submit(message)

    host = Host(MemoryStore(), "127.0.0.1", 0, "", alone=False)
    line = CustomerService(
        KfCredentials(wecom.corp, wecom.kf_secret, wecom.url), host, patience=0.01, clock=wecom.clock
    )
    await said_in_silence(wecom, wang, "你好")
    token = {"OpenKfId": "wk1", "Token": ""}
    await line.take(token, slowly)
    assert ear.heard == []
    gate.set()
    await line.take(token, slowly)
    async with asyncio.timeout(30):
        while not ear.heard:  # noqa: ASYNC110 - the core tells nobody
            await asyncio.sleep(0.001)
    await line.close()
    assert ear.texts == ["你好"]


# --- what is said ------------------------------------------------------------------------------------------


async def test_an_answer_is_one_plain_text_and_nothing_is_said_before(bot: Running, wang: Customer) -> None:
    reply = bot.adapter.reply(await asked(bot, wang), MemoryJournal())
    await reply.send(Status("thinking"))
    await reply.send(Text("**Soup**\n\n- salt"))
    assert wang.shown == []
    await reply.send(End())
    assert wang.shown == ["Soup\n\n• salt"]


async def test_pictures_and_recordings_are_sent_as_such(bot: Running, wang: Customer) -> None:
    reply = bot.adapter.reply(await asked(bot, wang), MemoryJournal())
    for part in (Media("image", "image/png", PNG), Media("audio", "audio/amr", AMR), End()):
        await reply.send(part)
    assert wang.shown == [f"<image {len(PNG)}>", f"<voice {len(AMR)}>"]


async def test_choices_are_a_numbered_list_whose_number_is_the_answer(bot: Running, wang: Customer) -> None:
    reply = bot.adapter.reply(await asked(bot, wang, "/role"), MemoryJournal())
    await reply.send(Choices("Which?", (Option("Chef", "/role chef"), Option("Poet", "/role poet"))))
    await reply.send(End())
    assert wang.shown[0].startswith("Which?\n\n1. Chef\n2. Poet")
    assert (await asked(bot, wang, "１")).text == "/role chef"


async def test_whoever_opens_the_chat_is_greeted(wecom: WeComSimulator, bot: Running, wang: Customer) -> None:
    await wang.opens()
    await bot.adapter.close()
    assert wang.shown == [say("zh-CN", "greeting")]
    assert bot.ear.heard == []


async def test_a_stranger_is_not_greeted_and_nobody_is_too_late(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    bot.admitted[0] = False
    await wang.opens()
    bot.admitted[0] = True
    wecom.silent = True
    await wang.opens()
    wecom.silent = False
    wecom.clock.turn(21)
    await wecom.kf.announce("wk1")
    await bot.adapter.close()
    assert wang.shown == []
    assert wecom.called("kf/send_msg_on_event") == []


# --- once --------------------------------------------------------------------------------------------------


async def test_a_kill_between_the_send_and_its_note_shows_one_answer(bot: Running, wang: Customer) -> None:
    message = await asked(bot, wang)
    await bot.answers(message, "Soup")
    await bot.answers(message, "Soup", journal=MemoryJournal(2))
    assert wang.shown == ["Soup"]


@pytest.mark.parametrize("last", [1, 2, 3])
async def test_a_kill_at_any_of_several_messages_shows_each_once_and_in_order(
    bot: Running, wang: Customer, last: int
) -> None:
    message, journal, text = await asked(bot, wang), Dying(last), long(3)
    with pytest.raises(Unavailable):
        await bot.answers(message, text, journal=journal)
    await bot.answers(message, text, journal=MemoryJournal(2, journal.posts))
    await bot.answers(message, text, journal=MemoryJournal(3, journal.posts))
    assert [shown.rpartition("\n")[2] for shown in wang.shown] == ["(1/3)", "(2/3)", "(3/3)"]


async def test_an_answer_whose_connection_breaks_is_shown_once(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    message, journal = await asked(bot, wang), MemoryJournal()
    wecom.lose("kf/send_msg")
    with pytest.raises(Unavailable):
        await bot.answers(message, "Soup", journal=journal)
    await bot.answers(message, "Soup", journal=MemoryJournal(2, journal.posts))
    assert wang.shown == ["Soup"]


async def test_two_questions_with_the_same_answer_are_both_answered(bot: Running, wang: Customer) -> None:
    for _ in range(3):
        await bot.answers(await asked(bot, wang), "Yes.")
    assert wang.shown == ["Yes.", "Yes.", "Yes."]


async def test_an_answer_that_failed_gives_way_to_another(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    message, journal = await asked(bot, wang), MemoryJournal()
    wecom.fail(path="kf/send_msg")
    with pytest.raises(Unavailable):
        await bot.answers(message, "Soup", journal=journal)
    await bot.answers(message, "Noodles", journal=MemoryJournal(2, journal.posts))
    assert wang.shown == ["Noodles"]


# --- the quota ---------------------------------------------------------------------------------------------

REST = say("zh-CN", "rest")


def long(parts: int) -> str:
    """A text that takes so many messages."""
    return "".join(f"第{number:04}句话说的是汤和面条的故事。\n" for number in range(parts * 33))


async def test_what_does_not_fit_the_quota_comes_with_the_next_message_which_is_answered_too(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    text = long(7)
    await bot.answers(await asked(bot, wang), text)
    assert len(wang.shown) == QUOTA
    assert [REST in shown for shown in wang.shown] == [False] * 4 + [True]
    await bot.answers(await asked(bot, wang, "and?"), "That is all.")
    assert wang.shown[-1] == "That is all."
    read = "".join(shown.removesuffix(f"\n\n{REST}").rpartition("\n(")[0] + "\n" for shown in wang.shown[:-1])
    assert read.split() == text.split()
    assert not [call for call in wecom.calls if call.code]


async def test_what_waits_is_forgotten_with_its_list(bot: Running, wang: Customer) -> None:
    first = await asked(bot, wang)
    reply = bot.adapter.reply(first, MemoryJournal())
    await reply.send(Text(long(7)))
    await reply.send(Choices("Which?", (Option("Chef", "/role chef"),)))
    await reply.send(End())
    assert len(wang.shown) == QUOTA
    asking = await asked(bot, wang, "/forget yes")
    await bot.adapter.forget(asking.place, asking.person)
    await bot.answers(asking, "Done.")
    assert wang.shown[QUOTA:] == ["Done."]
    assert (await asked(bot, wang, "1")).text == "1"
    assert "句话" not in repr(bot.store.logs) + repr(bot.store.values)


async def test_a_very_long_answer_is_carried_on_over_several_messages(bot: Running, wang: Customer) -> None:
    await bot.answers(await asked(bot, wang), long(12))
    await bot.answers(await asked(bot, wang), "one")
    await bot.answers(await asked(bot, wang), "two")
    assert [shown for shown in wang.shown if shown in ("one", "two")] == ["one", "two"]
    assert sum(REST in shown for shown in wang.shown) == 2


async def test_where_wechat_counts_otherwise_the_rest_is_kept(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    message = await asked(bot, wang)
    wang.left = 1
    await bot.answers(message, long(3))
    assert len(wang.shown) == 1
    await bot.answers(await asked(bot, wang), "That is all.")
    assert len(wang.shown) == 4
    assert wang.shown[-1] == "That is all."


async def test_an_answer_after_two_days_is_kept_for_the_next_message(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    message = await asked(bot, wang)
    wecom.clock.turn(49 * 3600)
    await bot.answers(message, "Late.")
    assert wang.shown == []
    await bot.answers(await asked(bot, wang), "In time.")
    assert wang.shown == ["Late.", "In time."]


async def test_where_a_colleague_serves_the_person_the_bot_is_silent(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    message = await asked(bot, wang)
    wang.state = 3
    with pytest.raises(Gone):
        await bot.answers(message, "Soup")
    wang.state = 0
    await bot.answers(await asked(bot, wang), "Noodles")
    assert wang.shown == ["Noodles"]


async def test_a_session_that_nobody_has_is_taken(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    message = await asked(bot, wang)
    wecom.refuse("kf/send_msg", 95018)
    await bot.answers(message, "Soup")
    assert wang.shown == ["Soup"]
    assert wang.state == 1


async def test_after_a_session_has_ended_the_answer_is_kept(bot: Running, wang: Customer) -> None:
    message = await asked(bot, wang)
    wang.state = 4
    await bot.answers(message, "Soup")
    assert wang.shown == []
    await bot.answers(await asked(bot, wang), "Noodles")
    assert wang.shown == ["Soup", "Noodles"]


async def test_a_message_that_wechat_refuses_does_not_hold_up_the_others(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    message = await asked(bot, wang)
    wecom.refuse("kf/send_msg", 40058)
    await bot.answers(message, "Soup")
    await bot.answers(await asked(bot, wang), "Noodles")
    assert wang.shown == ["Noodles"]


@pytest.mark.parametrize("code", [45009, -1])
async def test_where_wecom_finds_us_too_fast_the_answer_waits(
    wecom: WeComSimulator, bot: Running, wang: Customer, code: int
) -> None:
    message = await asked(bot, wang)
    wecom.refuse("kf/send_msg", code, times=2)
    await bot.answers(message, "Soup")
    assert wang.shown == ["Soup"]


async def test_until_the_operator_has_mended_the_rights_the_answer_waits(
    wecom: WeComSimulator, bot: Running, wang: Customer
) -> None:
    message, journal = await asked(bot, wang), MemoryJournal()
    wecom.trusted = False
    with pytest.raises(Unavailable):
        await bot.answers(message, "Soup", journal=journal)
    wecom.trusted = True
    await bot.answers(message, "Soup", journal=MemoryJournal(2, journal.posts))
    assert wang.shown == ["Soup"]


# --- the operator ------------------------------------------------------------------------------------------


async def test_check_names_the_accounts(wecom: WeComSimulator, bot: Running, wang: Customer) -> None:
    wecom.kf.account("wk2").managed = False
    first, second = await bot.adapter.check()
    assert (first.name, first.ok) == ("WECOM_KF_SECRET", True)
    assert "Service wk1" in first.detail
    assert not second.ok
    assert second.remedy


async def test_check_says_that_there_is_no_account(bot: Running) -> None:
    (finding,) = await bot.adapter.check()
    assert (finding.ok, finding.detail) == (False, "there is no account")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"WECOM_KF_SECRET": "wrong"}, "WECOM_KF_SECRET"),
        ({"WECOM_CORP_ID": "ww-wrong"}, "WECOM_CORP_ID"),
        ({"WECOM_API_BASE_URL": "http://127.0.0.1:1"}, "WECOM_API_BASE_URL"),
    ],
)
async def test_check_names_what_is_wrong(wecom: WeComSimulator, change: dict[str, str], named: str) -> None:
    async with running(wecom, wecom.kf_environment | change) as bot:
        (finding,) = await bot.adapter.check()
    assert (finding.name, finding.ok) == (named, False)
    assert finding.remedy


async def test_check_names_the_address_that_is_not_trusted(wecom: WeComSimulator, bot: Running) -> None:
    wecom.trusted = False
    (finding,) = await bot.adapter.check()
    assert "203.0.113.9" in finding.detail


async def test_an_app_and_customer_service_share_the_callback(wecom: WeComSimulator, wang: Customer) -> None:
    async with running(wecom, wecom.environment | wecom.kf_environment) as bot:
        ann = wecom.member("ann")
        await ann.says("to the app")
        await wang.says("to the desk")
        assert [message.place.account for message in bot.ear.heard] == [
            f"app:{wecom.corp}:{wecom.agent}",
            "kf:wk1",
        ]
        for message in bot.ear.heard:
            await bot.answers(message, f"I heard: {message.text}")
        assert ann.shown == ["I heard: to the app"]
        assert wang.shown == ["I heard: to the desk"]
