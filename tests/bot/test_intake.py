"""Intake: what an adapter hands in is cleaned and accepted once."""

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.api import Accepted, Busy, Duplicate, Ignored, Incoming, Person, Quoted, Unavailable
from bot.inbox import Verdict
from bot.intake import TEXT_LIMIT, Intake, clean
from bot.scope import scope
from bot.telemetry import reference
from tests.bot.doubles import incoming

Addressed = Literal["private", "mention", "reply", "command", "keyword", "ambient"]


class Lanes:
    """`Inbox.accept` with a verdict of the test's choice."""

    def __init__(self, verdict: str, behind: int = 0) -> None:
        self.verdict, self.behind = verdict, behind
        self.calls: list[tuple[str, Incoming, bool]] = []
        self.withdrawn: list[tuple[str, str]] = []

    async def __call__(self, conversation: str, message: Incoming, *, urgent: bool = False):
        self.calls.append((conversation, message, urgent))
        return Verdict(self.verdict, self.behind)  # type: ignore[arg-type]

    async def withdraw(self, conversation: str, key: str):
        self.withdrawn.append((conversation, key))
        return self.verdict


def intake(lanes: Lanes, *triggers: str, strangers: tuple[str, ...] = ()) -> Intake:
    return Intake(
        lanes,
        lanes.withdraw,
        policy="user",
        triggers=triggers or ("mention", "reply", "command"),
        admits=lambda place, person: person.id not in strangers,
        urgent=lambda text: text == "/stop",
        busy=lambda tag: f"busy in {tag}",
    )


def said_in_group(text: str, addressed: Addressed = "ambient") -> Incoming:
    message = incoming(text)
    return replace(message, addressed=addressed, place=replace(message.place, chat="team", kind="group"))


async def test_an_accepted_message_gets_the_reference_of_its_log_lines():
    message = incoming("hello")
    assert await intake(Lanes("accepted"))(message) == Accepted(reference(message))


async def test_a_redelivery_is_recognised_and_a_full_lane_is_said_in_the_persons_language():
    assert isinstance(await intake(Lanes("duplicate"))(incoming("hello")), Duplicate)
    assert await intake(Lanes("busy"))(incoming("hello", language="zh-CN")) == Busy("busy in zh-CN")


async def test_only_urgent_texts_pass_the_lane():
    lanes = Lanes("interrupted")
    assert await intake(lanes)(incoming("/stop")) == Ignored()  # nobody need wait for an answer to it
    await intake(lanes)(incoming("stop"))
    assert [urgent for _, _, urgent in lanes.calls] == [True, False]


@pytest.mark.parametrize("addressed", ["mention", "reply", "command"])
async def test_in_a_group_only_what_is_meant_for_the_bot_is_kept(addressed: Addressed):
    lanes = Lanes("accepted")
    assert await intake(lanes)(said_in_group("lunch?")) == Ignored()
    assert isinstance(await intake(lanes)(said_in_group("lunch?", addressed)), Accepted)
    assert await intake(lanes, "keyword")(said_in_group("lunch?", addressed)) == Ignored()
    assert [message.text for _, message, _ in lanes.calls] == ["lunch?"]


@pytest.mark.parametrize(
    ("keyword", "text", "meant"),
    [
        ("parley", "Parley, what time is it?", True),
        ("parley", "ask PARLEY", True),
        ("parley", "parleying is not it", False),
        ("小助手", "请小助手回答", True),
        ("c++", "what about c++ then", True),
    ],
)
async def test_a_keyword_calls_the_bot_as_a_word_of_its_own(keyword: str, text: str, meant: bool):
    lanes = Lanes("accepted")
    outcome = await intake(lanes, "mention", keyword)(said_in_group(text))
    assert isinstance(outcome, Accepted) == meant
    assert [message.addressed for _, message, _ in lanes.calls] == ["keyword"] * meant


async def test_a_strangers_talk_in_a_group_is_not_kept_and_in_private_it_is_so_that_it_can_be_answered():
    lanes = Lanes("accepted")
    hears = intake(lanes, strangers=("ann",))
    assert await hears(said_in_group("hello", "mention")) == Ignored()
    assert isinstance(await hears(incoming("hello")), Accepted)


def test_control_characters_and_lone_surrogates_do_not_get_in():
    assert clean(incoming("a\x00b\x1b[31m\r\nc\td\ud800e\rf")).text == "ab[31m\nc\td\ufffde\nf"


@given(st.text(st.characters(), max_size=200), st.text(st.characters(), max_size=50))
def test_whatever_comes_can_be_written_as_utf8_and_cleaning_again_changes_nothing(text: str, name: str):
    message = incoming(text)
    cleaned = clean(replace(message, person=replace(message.person, name=name), quoted=Quoted(text, name)))
    cleaned.text.encode(), cleaned.person.name.encode()
    assert cleaned.quoted is not None
    assert cleaned.quoted.text == cleaned.text
    assert clean(cleaned) == cleaned


def test_an_enormous_message_is_kept_only_as_far_as_its_refusal_needs():
    assert len(clean(incoming("x" * 10_000_000)).text) == TEXT_LIMIT


@pytest.mark.parametrize(
    ("verdict", "outcome"), [("interrupted", Accepted), ("withdrawn", Accepted), ("unknown", Ignored)]
)
async def test_a_deleted_message_is_taken_back_and_never_answered(verdict: str, outcome: type):
    lanes = Lanes(verdict)
    question = said_in_group("how late is it?", "mention")
    deletion = replace(question, id="2", text="", addressed="ambient", edits=question.id, withdrawn=True)
    assert isinstance(await intake(lanes)(deletion), outcome)
    assert lanes.withdrawn == [(scope(question, "user"), question.key)]
    assert lanes.calls == []


async def test_a_message_that_must_wait_says_behind_how_many():
    message = incoming("hello")
    assert await intake(Lanes("accepted", behind=2))(message) == Accepted(reference(message), behind=2)


async def test_group_talk_is_overheard_where_the_person_may_talk_to_the_bot_and_nothing_else_is():
    heard: list[str] = []

    async def overhear(message: Incoming) -> None:
        heard.append(message.text)
        if message.text == "away":
            raise Unavailable("redis")

    lanes = Lanes("accepted")
    listening = Intake(
        lanes,
        lanes.withdraw,
        policy="user",
        admits=lambda place, person: person.id != "stranger",
        urgent=lambda text: False,
        busy=str,
        overhear=overhear,
    )
    stranger = replace(said_in_group("psst"), person=Person("stranger"))
    for message in (said_in_group("lunch?"), stranger, said_in_group("away"), incoming("private")):
        await listening(message)
    await listening(said_in_group("and you, bot?", "mention"))
    assert heard == ["lunch?", "away"]
