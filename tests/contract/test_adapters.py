"""The contract of `bot.api.Adapter`, kept by every adapter that an entry point names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from typing import Any, get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bot.api import (
    Busy,
    Choices,
    Duplicate,
    End,
    Host,
    Incoming,
    Media,
    MenuEntry,
    Notice,
    Option,
    Person,
    Reply,
    ReplyPart,
    Status,
    Text,
    Unavailable,
    Usage,
    VoiceForm,
)
from bot.settings import Block
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.contract.harness import HARNESSES, OK, Core, Harness, sample

ADAPTERS = sorted(["pager", *(entry.name for entry in entry_points(group="parley.adapters"))])
"""Every one that is installed, and the sample of CONTRIBUTING.md."""

every_adapter = pytest.mark.parametrize("name", ADAPTERS)
examples = settings(max_examples=40, deadline=None)


def adapter_class(name: str) -> Any:
    if name == "pager":
        return sample().Pager
    (entry,) = entry_points(group="parley.adapters", name=name)
    return entry.load()


# --- what it says of itself --------------------------------------------------------------------------------


def test_every_adapter_has_its_harness() -> None:
    assert set(ADAPTERS) == set(HARNESSES)


@every_adapter
def test_it_declares_its_name_its_settings_and_whether_it_needs_a_terminal(name: str) -> None:
    cls = adapter_class(name)
    assert cls.name == name
    assert issubclass(cls.Settings, Block)
    assert isinstance(cls.interactive, bool)
    assert isinstance(cls.trusted, bool)


@every_adapter
def test_each_of_its_settings_is_described_and_belongs_to_no_other(name: str) -> None:
    mine = adapter_class(name).Settings.names()
    assert all(field.description for field in mine.values())
    others = [adapter_class(other).Settings for other in ADAPTERS if other != name]
    assert not set(mine) & {variable for block in others for variable in block.names()}


@every_adapter
@pytest.mark.parametrize("alone", [True, False])
def test_it_is_made_from_an_empty_environment_or_not_at_all(name: str, alone: bool) -> None:
    cls = adapter_class(name)
    made = cls.create(cls.Settings.load({}), Host(MemoryStore(), "127.0.0.1", 0, "", alone))
    assert made is None or isinstance(made, cls)


@every_adapter
async def test_it_says_in_which_form_it_plays_speech(name: str) -> None:
    async with HARNESSES[name]() as harness:
        assert harness.adapter.voice_form in get_args(VoiceForm)


@every_adapter
async def test_its_menu_takes_any_commands(name: str) -> None:
    async with HARNESSES[name]() as harness:
        await harness.adapter.menu([])
        await harness.adapter.menu([MenuEntry("help", {"en": "What I can do", "zh-Hans": "帮助"})])


# --- what is heard -----------------------------------------------------------------------------------------


@every_adapter
async def test_what_it_hears_survives_the_wait_in_redis(name: str) -> None:
    border = TypeAdapter(Incoming)
    async with HARNESSES[name]() as harness:
        heard = harness.heard()
        assert heard
        for message in heard:
            assert border.validate_json(border.dump_json(message)) == message
            assert message.place.platform == name
            assert message.id
            assert message.person.id


@every_adapter
async def test_its_messages_have_keys_of_their_own(name: str) -> None:
    async with HARNESSES[name]() as harness:
        heard = harness.heard()
        assert len({message.key for message in heard}) == len(heard)


@every_adapter
async def test_a_message_is_handed_in_and_its_answer_seen(name: str) -> None:
    async with HARNESSES[name]() as harness:
        core = Core()
        assert OK in await harness.hand_in("hello", core)
        assert [message.text for message in core.heard] == ["hello"]


@every_adapter
async def test_while_nothing_can_be_accepted_the_same_message_comes_again(name: str) -> None:
    async with HARNESSES[name]() as harness:
        core = Core(Unavailable("away"), Unavailable("away"))
        assert OK in await harness.hand_in("hello", core)
        assert len(core.heard) == 3
        assert len({message.key for message in core.heard}) == 1


class Forgetful(Core):
    """Accepts, but the word of it is lost on the way, so the message is a duplicate when it comes again."""

    async def answer(self, message: Incoming) -> None:
        if len(self.heard) == 1:
            await super().answer(message)
            self.outcomes = [Duplicate("ref")]
            raise Unavailable("after it was kept")


@every_adapter
async def test_a_duplicate_is_acknowledged_and_its_answer_seen_once(name: str) -> None:
    async with HARNESSES[name]() as harness:
        core = Forgetful()
        seen = await harness.hand_in("hello", core)
        assert seen.count(OK) == 1
        assert len(core.heard) == 2


@every_adapter
async def test_who_has_too_much_waiting_is_told_so(name: str) -> None:
    async with HARNESSES[name]() as harness:
        core = Core(Busy("Too much waits already."))
        assert "Too much waits already." in await harness.hand_in("hello", core)
        assert len(core.heard) == 1


@every_adapter
async def test_whom_the_platform_does_not_know_runs_no_group(name: str) -> None:
    async with HARNESSES[name]() as harness:
        for message in harness.heard():
            nowhere = replace(message.place, chat="-1", kind="group")
            assert await harness.adapter.administers(nowhere, Person("0")) is False


# --- what is said ------------------------------------------------------------------------------------------


class Marked:
    """Parts that each bear words of their own, so that they can be found where a person looks."""

    def __init__(self, kinds: Sequence[str], name: str = "mark") -> None:
        self.marks: list[str] = []
        self._name = name
        self.parts: list[ReplyPart] = [MAKERS[kind](self._mark) for kind in kinds]

    @property
    def texts(self) -> str:
        """The model's answer."""
        return "".join(part.delta for part in self.parts if isinstance(part, Text))

    def _mark(self) -> str:
        self.marks.append(f"{self._name}{len(self.marks):03}x")
        return self.marks[-1]


def choices(mark: Callable[[], str]) -> Choices:
    question = mark()
    return Choices(question, (Option(mark(), "/pick 1"), Option(mark(), "/pick 2")))


MAKERS: Mapping[str, Callable[[Callable[[], str]], ReplyPart]] = {
    "text": lambda mark: Text(f"{mark()} "),
    "empty text": lambda mark: Text(""),
    "notice": lambda mark: Notice("role.set", {"role": "x"}, mark()),
    "choices": choices,
    "image": lambda mark: Media("image", "image/png", b"\x89PNG", mark()),
    "audio": lambda mark: Media("audio", "audio/ogg", b"OggS", mark()),
    "thinking": lambda mark: Status("thinking"),
    "drawing": lambda mark: Status("drawing"),
}

kinds = st.lists(st.sampled_from(["text", *MAKERS]), max_size=12)
answers = kinds.map(Marked)
others = kinds.map(lambda kinds: Marked(kinds, "other"))
ends = st.sampled_from([End(), End(Usage(3, 5)), End(Usage(1, 1, True), (Option("Again", "/retry"),))])


async def say(reply: Reply, parts: Sequence[ReplyPart]) -> None:
    for part in parts:
        await reply.send(part)


def assert_seen_once(harness: Harness, message: Incoming, answer: Marked) -> None:
    seen = "\n".join(harness.seen(message))
    assert {mark: seen.count(mark) for mark in answer.marks} == dict.fromkeys(answer.marks, 1)
    assert not re.search("thinking|drawing", seen)
    assert harness.whole(message)


@every_adapter
@given(answer=answers, end=ends)
@examples
async def test_every_part_in_any_order_is_seen_once(name: str, answer: Marked, end: End) -> None:
    async with HARNESSES[name]() as harness:
        message = harness.heard()[0]
        reply = harness.adapter.reply(message, MemoryJournal())
        await say(reply, [*answer.parts, end])
        assert_seen_once(harness, message, answer)
        found = "\n".join(harness.seen(message))
        positions = [found.index(mark) for mark in answer.texts.split()]
        assert positions == sorted(positions)


@every_adapter
@given(answer=answers, second=others, cut=st.integers(0, 13), end=ends)
@examples
async def test_after_a_crash_at_any_point_one_answer_is_seen(
    name: str, answer: Marked, second: Marked, cut: int, end: End
) -> None:
    async with HARNESSES[name]() as harness:
        message = harness.heard()[0]
        journal = MemoryJournal()
        reply = harness.adapter.reply(message, journal)
        await say(reply, [*answer.parts, end][:cut])
        again = harness.adapter.reply(message, MemoryJournal(2, journal.posts))
        await say(again, [*second.parts, end])
        assert_seen_once(harness, message, second)
        assert not re.search("|".join(answer.marks) or "(?!)", "\n".join(harness.seen(message)))


@every_adapter
@given(answer=answers, cut=st.integers(0, 13))
@examples
async def test_a_platform_that_cannot_be_reached_is_told_and_the_next_attempt_shows_one_answer(
    name: str, answer: Marked, cut: int
) -> None:
    left = answer.parts[cut:]
    assume(any(part.delta if isinstance(part, Text) else not isinstance(part, Status) for part in left))
    async with HARNESSES[name]() as harness:
        message = harness.heard()[0]
        journal = MemoryJournal()
        reply = harness.adapter.reply(message, journal)
        await say(reply, answer.parts[:cut])
        await harness.cut()
        with pytest.raises(Unavailable):
            await say(reply, [*answer.parts[cut:], End()])
        await harness.mend()
        again = harness.adapter.reply(message, MemoryJournal(2, journal.posts))
        await say(again, [*answer.parts, End()])
        assert_seen_once(harness, message, answer)


@every_adapter
async def test_an_attempt_that_is_abandoned_shows_nothing_more_and_the_next_leaves_one_answer(
    name: str,
) -> None:
    async with HARNESSES[name]() as harness:
        message, journal = harness.heard()[0], MemoryJournal()
        before = asyncio.all_tasks()
        reply = harness.adapter.reply(message, journal)
        answer = Marked(["thinking", "text", "text", "text", "text"])
        await say(reply, answer.parts)
        await reply.abandon()
        assert asyncio.all_tasks() <= before
        again = harness.adapter.reply(message, MemoryJournal(2, journal.posts))
        await say(again, [*answer.parts, End()])
        assert_seen_once(harness, message, answer)


@every_adapter
async def test_nothing_is_left_to_be_posted_after_the_end(name: str) -> None:
    async with HARNESSES[name]() as harness:
        message = harness.heard()[0]
        before = asyncio.all_tasks()
        reply = harness.adapter.reply(message, MemoryJournal())
        answer = Marked(["text", "text", "thinking", "text"])
        await say(reply, [*answer.parts, End()])
        assert_seen_once(harness, message, answer)
        assert asyncio.all_tasks() == before


@every_adapter
async def test_answers_under_way_do_not_mix(name: str) -> None:
    async with HARNESSES[name]() as harness:
        messages = harness.heard()
        replies = [harness.adapter.reply(message, MemoryJournal()) for message in messages]
        for piece in ("begin", "middle", "finish"):
            for number, reply in enumerate(replies):
                await reply.send(Text(f"{piece}{number} "))
        for reply in replies:
            await reply.send(End())
        for number, message in enumerate(messages):
            seen = "".join(harness.seen(message))
            assert seen.strip() == f"begin{number} middle{number} finish{number}"


@pytest.mark.parametrize("name", [name for name in ADAPTERS if not adapter_class(name).interactive])
async def test_it_stops_receiving_when_it_is_cancelled(name: str) -> None:
    async with HARNESSES[name]() as harness:
        running = asyncio.create_task(harness.adapter.run(Core().submit))
        await asyncio.sleep(0)
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=30)
        assert done == {running}
        assert running.cancelled() or running.exception() is None
