"""The threads that the bot takes part in, and what it reads of those that it is called into."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from string import Formatter

import pytest

from adapters.slack.bots import PER_CHANNEL, PER_THREAD, Bots
from adapters.slack.client import Client, Clients
from adapters.slack.lanes import Lanes
from adapters.slack.people import People
from adapters.slack.settings import Credentials
from adapters.slack.threads import Threads
from adapters.slack.words import WORDS, leaves, say
from bot.api import Incoming, Person, Place, Said, Unavailable
from tests.adapters.memory_store import MemoryStore
from tests.adapters.slack.running import made
from tests.simulators.slack import Channel, File, Message, SlackSimulator, slack_simulator


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator() as simulator:
        yield simulator


@pytest.fixture
async def client(slack: SlackSimulator) -> AsyncIterator[Client]:
    clients = Clients(Credentials(token=slack.team.token, base_url=slack.base_url), None)
    yield await clients.of(slack.team.id)
    await clients.close()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def threads(store: MemoryStore) -> Threads:
    return Threads(store, People(store))


def calling(slack: SlackSimulator, channel: Channel, message: Message) -> Incoming:
    """The message, as it is handed in."""
    place = Place("slack", slack.team.id, channel.id, message.thread.ts, "group", discussion=True)
    return Incoming(message.ts, place, Person(message.user), "x", sent_at=float(message.ts))


def read(slack: SlackSimulator) -> int:
    return len(slack.called("conversations.replies"))


# --- taking part ---------------------------------------------------------------------------------------------


async def test_a_thread_is_joined_until_it_is_left(threads: Threads) -> None:
    thread = ("T1", "C1", "1.1")
    assert not await threads.joined(*thread)
    await threads.join(*thread)
    assert await threads.joined(*thread)
    assert not await threads.joined("T1", "C1", "1.2")
    assert not await threads.joined("T1", "C2", "1.1")
    assert not await threads.joined("T2", "C1", "1.1")
    await threads.leave(*thread)
    assert not await threads.joined(*thread)


@pytest.mark.parametrize(
    "text",
    ["leave", "Leave.", " BYE  bot! ", "goodbye", "请离开", "再见！", "離開", "再見機器人", "stop listening"],
)
def test_these_words_send_it_away(text: str) -> None:
    assert leaves(text)


@pytest.mark.parametrize(
    "text", ["", "leave me a note", "how do I say bye bot in French?", "再见是什么意思", "/stop"]
)
def test_a_sentence_does_not(text: str) -> None:
    assert not leaves(text)


# --- what was said before ------------------------------------------------------------------------------------


async def test_what_was_said_before_the_call_is_read_in_order_with_its_speakers(
    slack: SlackSimulator, client: Client, threads: Threads
) -> None:
    ann, bob = slack.person("Ann"), slack.person("Bob")
    general = slack.channel("general", [ann, bob])
    root = await ann.says(general, "soup &amp; salad?".replace("&amp;", "&"))
    await bob.says(general, f"ask {ann.mention}", thread=root)
    call = await bob.says(general, f"{slack.mention} what do you think?", thread=root)
    await ann.says(general, "I am late", thread=root)
    assert await threads.earlier(client, calling(slack, general, call)) == (
        Said("Ann", "soup & salad?"),
        Said("Bob", "ask @Ann"),
    )


async def test_it_is_read_once(
    slack: SlackSimulator, client: Client, threads: Threads, store: MemoryStore
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    root = await ann.says(general, "soup?")
    incoming = calling(slack, general, await ann.says(general, f"{slack.mention} hm", thread=root))
    first = await threads.earlier(client, incoming)
    assert await threads.earlier(client, incoming) == first
    other = Threads(store, People(store))
    assert await other.earlier(client, replace(incoming, id=f"{incoming.id}:9.9", edits=incoming.id)) == first
    assert read(slack) == 1


async def test_what_we_said_ourselves_is_marked(
    slack: SlackSimulator, client: Client, threads: Threads
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    root = await ann.says(general, "soup?")
    await client.call("chat.postMessage", channel=general.id, thread_ts=root.ts, text="with leeks")
    call = await ann.says(general, f"{slack.mention} more", thread=root)
    assert [
        (said.text, said.ours) for said in await threads.earlier(client, calling(slack, general, call))
    ] == [
        ("soup?", False),
        ("with leeks", True),
    ]


async def test_files_and_other_bots_are_named(
    slack: SlackSimulator, client: Client, threads: Threads
) -> None:
    ann, robot = slack.person("Ann"), slack.robot("Deploybot")
    general = slack.channel("general", [ann, robot])
    root = await ann.uploads(general, File(b"x", "plan.pdf", "application/pdf"))
    await robot.says(general, "deployed", thread=root)
    call = await ann.says(general, f"{slack.mention} hm", thread=root)
    assert await threads.earlier(client, calling(slack, general, call)) == (
        Said("Ann", "[plan.pdf]"),
        Said("Deploybot", "deployed"),
    )


async def test_of_a_long_thread_the_first_message_and_the_newest_are_read(
    slack: SlackSimulator, client: Client, threads: Threads
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    root = await ann.says(general, "the question")
    for number in range(70):
        await ann.says(general, f"message {number}", thread=root)
    call = await ann.says(general, f"{slack.mention} hm", thread=root)
    said = await threads.earlier(client, calling(slack, general, call))
    assert [one.text for one in said] == ["the question", *(f"message {number}" for number in range(21, 70))]


async def test_of_long_messages_as_many_are_read_as_fit(
    slack: SlackSimulator, client: Client, threads: Threads
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    root = await ann.says(general, "r" * 3000)
    for letter in "abcdef":
        await ann.says(general, letter * 1900, thread=root)
    call = await ann.says(general, f"{slack.mention} hm", thread=root)
    said = await threads.earlier(client, calling(slack, general, call))
    assert [one.text[0] for one in said] == ["r", "d", "e", "f"]
    assert len(said[0].text) == 2000
    assert sum(len(one.text) for one in said) <= 8000


async def test_nothing_is_asked_where_nothing_can_have_been_said(
    slack: SlackSimulator, client: Client, threads: Threads
) -> None:
    ann = slack.person("Ann")
    general, dm = slack.channel("general", [ann]), slack.dm(ann)
    first = calling(slack, general, await ann.says(general, f"{slack.mention} hi"))
    assert await threads.earlier(client, first) == ()
    alone = replace(first, place=Place("slack", slack.team.id, dm.id, "1.1"))
    assert await threads.earlier(client, alone) == ()
    assert await threads.earlier(client, replace(first, place=replace(first.place, thread=""))) == ()
    assert read(slack) == 0


async def test_a_button_is_pressed_behind_all_that_was_said(
    slack: SlackSimulator, client: Client, threads: Threads
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    root = await ann.says(general, "soup?")
    await ann.says(general, "salad?", thread=root)
    pressed = replace(calling(slack, general, root), id="press:1.1", sent_at=float(slack.ts()))
    assert [said.text for said in await threads.earlier(client, pressed)] == ["soup?", "salad?"]


@pytest.mark.parametrize("fault", ["scope", "limit", "member"])
async def test_where_slack_does_not_let_us_read_nothing_was_said(
    slack: SlackSimulator, client: Client, threads: Threads, fault: str
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    root = await ann.says(general, "soup?")
    incoming = calling(slack, general, await ann.says(general, f"{slack.mention} hm", thread=root))
    if fault == "scope":
        slack.team.scopes.discard("channels:history")
    elif fault == "limit":
        slack.limit("conversations.replies", retry_after=30)
    else:
        slack.refuse("conversations.replies", "not_in_channel")
    assert await threads.earlier(client, incoming) == ()


async def test_while_slack_is_away_the_message_has_to_wait(
    slack: SlackSimulator, client: Client, threads: Threads
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    root = await ann.says(general, "soup?")
    incoming = calling(slack, general, await ann.says(general, f"{slack.mention} hm", thread=root))
    slack.fail(1, 502, method="conversations.replies")
    with pytest.raises(Unavailable):
        await threads.earlier(client, incoming)
    assert len(await threads.earlier(client, incoming)) == 1


async def test_the_adapter_reads_for_the_core(slack: SlackSimulator) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    root = await ann.says(general, "soup?")
    incoming = calling(slack, general, await ann.says(general, f"{slack.mention} hm", thread=root))
    bot = made(slack)
    assert await bot.adapter.earlier(incoming) == (Said("Ann", "soup?"),)
    await bot.adapter.close()


# --- other bots, lanes, words --------------------------------------------------------------------------------


def from_bot(thread: str, number: int) -> Incoming:
    place = Place("slack", "T1", "C1", thread, "group", discussion=True)
    return Incoming(f"{number}.0", place, Person("B1"), "x", addressed="mention")


async def test_other_bots_are_heard_so_often_in_a_thread_and_no_more(store: MemoryStore) -> None:
    bots = Bots(store, {"B1"})
    heard = [await bots.may({"B1", "U1"}, from_bot("1.0", number)) for number in range(PER_THREAD + 3)]
    assert heard == [True] * PER_THREAD + [False] * 3
    assert await bots.may({"B1"}, from_bot("2.0", 99))
    assert await bots.may({"B1"}, from_bot("1.0", 0))  # delivered again
    assert not await bots.may({"B2"}, from_bot("3.0", 98))


async def test_what_bots_tell_each_other_is_not_counted(store: MemoryStore) -> None:
    bots = Bots(store, {"B1"})
    chatter = [replace(from_bot("1.0", number), addressed="ambient") for number in range(PER_CHANNEL + 1)]
    assert all([await bots.may({"B1"}, message) for message in chatter])
    assert await bots.may({"B1"}, from_bot("1.0", 999))


async def test_nor_can_they_talk_for_ever_in_ever_new_threads(store: MemoryStore) -> None:
    bots = Bots(store, {"A1"})
    heard = [await bots.may({"A1"}, from_bot(f"{number}.0", number)) for number in range(PER_CHANNEL + 3)]
    assert heard == [True] * PER_CHANNEL + [False] * 3


async def test_a_lane_is_forgotten_when_nobody_is_in_it() -> None:
    lanes = Lanes()
    async with lanes.turn("a"):
        assert len(lanes._locks) == 1
    assert len(lanes._locks) == 0


@pytest.mark.parametrize("key", sorted(WORDS))
def test_every_sentence_is_there_in_three_languages_and_none_lacks_a_value(key: str) -> None:
    assert all(WORDS[key])
    gaps = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in WORDS[key]]
    assert gaps[0] >= gaps[1] == gaps[2]


def test_a_language_is_spoken_by_its_script_and_its_country() -> None:
    spoken = [say(tag, "left") for tag in ("zh-Hant", "zh_TW", "zh-HK", "zh", "zh-Hans-CN", "de-DE", "")]
    assert len(set(spoken[:3])) == len(set(spoken[3:5])) == len(set(spoken[5:])) == 1
    assert len(set(spoken)) == 3
