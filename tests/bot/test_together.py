"""Several people and several dialogues: what was said before, who speaks, what was overheard, sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.api import Incoming, Person, Place, Said, Unavailable
from bot.dialogue import Dialogue
from bot.keys import Keys
from bot.overheard import Overheard
from bot.profile import Profile, Profiles
from bot.roles import Roles
from bot.roles.casting import Casting
from bot.roles.own import OwnRoles
from bot.settings import DialogueSettings
from bot.speakers import BACKGROUND_LIMIT, RULE, signed
from bot.window import Windows
from tests.bot.doubles import Collected, Held, delivery, incoming, tokens
from tests.bot.test_dialogue import Model, says

ANN, BOB = Person("1", "Ann"), Person("2", "Bob")
THREAD = Place("test", "bot", "C1", "17", "group", discussion=True)


@dataclass
class Talk:
    """A dialogue over a real window in a place where others talk too."""

    redis: Redis
    keys: Keys
    model: Model = field(default_factory=Model)
    before: Sequence[Said] | Exception = ()
    asked_before: int = 0
    now: float = 1_700_000_000

    def __post_init__(self) -> None:
        self.windows = Windows(self.redis, self.keys, ttl=600)
        self.overheard = Overheard(self.redis, self.keys, limit=3, clock=lambda: self.now)
        profiles, own = Profiles(self.redis, self.keys), OwnRoles(self.redis, self.keys)
        self.dialogue = Dialogue(
            windows=self.windows,
            casting=Casting(Roles.load(None), own, profiles, "assistant"),
            router=self.model,  # type: ignore[arg-type]
            meter=self.model,  # type: ignore[arg-type]
            tokens=tokens(),
            settings=DialogueSettings(context_summary=False),
            overheard=self.overheard,
            clock=lambda: self.now,
        )

    async def earlier(self) -> Sequence[Said]:
        self.asked_before += 1
        if isinstance(self.before, Exception):
            raise self.before
        return self.before

    async def say(self, text: str, person: Person = ANN, place: Place = THREAD, **more: Any) -> Collected:
        self.now += 10
        message = replace(incoming(text), person=person, place=place)
        made, reply = delivery(
            message, conversation="here", **{"shared": True, "earlier": self.earlier, **more}
        )
        again = more.pop("again", None)
        await self.dialogue.answer(made, again or message, again=bool(again))
        return reply

    def system(self) -> str:
        return str(self.model.requests[-1].messages[0].content)


@pytest.fixture
def talk(redis: Redis, prefix: str) -> Talk:
    return Talk(redis, Keys(prefix))


# --- what was said before -----------------------------------------------------------------------------------


async def test_who_is_called_into_a_thread_knows_what_was_said_in_it_and_still_does_afterwards(talk: Talk):
    talk.before = [Said("Bob", "Lunch at noon?"), Said("bot", "I am here", ours=True)]
    await talk.say("Where?")
    background, question = talk.model.asked()
    assert "- Bob: Lunch at noon?\n- (you): I am here\n" in background[1]
    assert question[1].endswith("Where?")
    await talk.say("And when?")
    assert talk.asked_before == 1
    assert [text for _, text in talk.model.asked()][:2] == [background[1], question[1]]


async def test_a_thread_whose_past_cannot_be_told_is_answered_without_it(talk: Talk):
    for trouble in (Unavailable("away"), TimeoutError()):
        talk.before = trouble
        assert (await talk.say("Where?")).text == "fine"
        await talk.windows.forget("here", ())
    assert len(talk.model.asked()) == 1


async def test_outside_of_threads_and_after_new_and_in_another_session_nothing_is_asked_for(talk: Talk):
    talk.before = [Said("Bob", "secret")]
    await talk.say("hello", place=replace(THREAD, thread="", discussion=False))
    await talk.windows.clear("here")
    await talk.say("hello")
    await talk.windows.forget("here", ())
    await talk.say("hello", profile=Profile(session="1f"))
    assert talk.asked_before == 0


async def test_a_first_question_that_is_asked_again_keeps_what_was_said_before_it(talk: Talk):
    talk.before = [Said("Bob", "Lunch?")]
    await talk.say("Where?")
    asked = await talk.windows.last_asked("here")
    assert asked is not None
    made, _ = delivery(incoming("/retry"), conversation="here", shared=True, earlier=talk.earlier)
    await talk.dialogue.answer(made, asked, again=True)
    assert talk.asked_before == 1
    assert "- Bob: Lunch?" in talk.model.asked()[0][1]
    assert len(await talk.windows.load("here")) == 1


async def test_after_a_crash_the_finished_answer_is_remembered_with_what_was_said_before(talk: Talk):
    talk.before = [Said("Bob", "Lunch?")]
    message, hold = replace(incoming("Where?"), place=THREAD), Held()
    for attempt in (1, 2):
        made, _ = delivery(message, hold=Held(hold.kept, attempt), conversation="here", earlier=talk.earlier)
        hold = made.hold  # type: ignore[assignment]
        await talk.dialogue.answer(made, message)
        if attempt == 1:
            await talk.windows.forget("here", ())  # as if the process had died before it remembered
    (kept,) = await talk.windows.load("here")
    assert [turn.context for turn in kept.turns] == [True, False, False]
    assert talk.asked_before == 1


async def test_a_long_past_is_bounded_and_never_crowds_out_the_question(talk: Talk):
    talk.before = [Said("Bob", f"{n} " + "word " * 100) for n in range(100)]
    await talk.say("Where?")
    assert len(talk.model.asked()[0][1]) <= BACKGROUND_LIMIT + 200
    assert "- Bob: 99 word" in talk.model.asked()[0][1]
    talk.model.window = 700
    await talk.windows.forget("here", ())
    await talk.say("Where?")
    assert sum(len(text) for _, text in talk.model.asked()) < 2000
    assert talk.model.asked()[-1][1].endswith("Where?")


# --- who speaks ---------------------------------------------------------------------------------------------


async def test_where_several_people_share_a_window_each_question_names_its_speaker(talk: Talk):
    await talk.say("I like tea.", ANN)
    await talk.say("I like coffee.", BOB)
    said = [text for role, text in talk.model.asked() if role == "user"]
    assert said == [signed(ANN, "I like tea."), signed(BOB, "I like coffee.")]
    assert said[0].startswith("[Ann #")
    assert RULE in talk.system()


async def test_a_private_window_stays_as_it_is(talk: Talk):
    await talk.say("I like tea.", place=Place("test", "bot", "1"), shared=False)
    assert talk.model.asked() == [("user", "I like tea.")]
    assert RULE not in talk.system()


# --- what is overheard --------------------------------------------------------------------------------------


GROUP = Place("test", "bot", "G", kind="group")


def overheard(text: str, person: Person = BOB, **more: Any) -> Incoming:
    return replace(incoming(text), person=person, place=GROUP, addressed="ambient", **more)


async def test_what_was_said_since_the_last_answer_goes_along_once_and_is_not_remembered(talk: Talk):
    for text in ("one", "two", "three", "four"):
        await talk.overheard.hear(overheard(text))
    await talk.say("What do they want?", place=GROUP, shared=False)
    background = talk.model.asked()[0][1]
    assert "one" not in background
    assert background.count("\n- Bob #") == 3
    await talk.say("And now?", place=GROUP, shared=False)
    assert "Bob" not in str(talk.model.asked())
    assert all(not turn.context for e in await talk.windows.load("here") for turn in e.turns)


async def test_what_was_overheard_is_edited_and_taken_back_like_any_message(talk: Talk):
    first = overheard("tea", id="7")
    await talk.overheard.hear(first)
    await talk.overheard.hear(first)
    await talk.overheard.hear(replace(first, id="7:1", edits="7", text="coffee"))
    assert [text for _, text in await talk.overheard.since(first, 0)] == ["coffee"]
    await talk.overheard.hear(replace(first, id="7:2", edits="7", text="", withdrawn=True))
    assert await talk.overheard.since(first, 0) == []


async def test_what_was_overheard_is_kept_for_an_hour_and_only_where_it_was_said(talk: Talk):
    message = overheard("tea")
    await talk.overheard.hear(message)
    elsewhere = replace(message, place=replace(GROUP, chat="H"))
    private = replace(message, place=replace(GROUP, kind="private"))
    assert [await talk.overheard.since(m, 0) for m in (elsewhere, private)] == [[], []]
    (key,) = [name async for name in talk.redis.scan_iter(f"{talk.keys.prefix}overheard:*")]
    assert 0 < await talk.redis.ttl(key) <= 3600
    talk.now += 3601
    assert await talk.overheard.since(message, 0) == []


async def test_a_person_can_have_what_was_overheard_of_them_forgotten(talk: Talk):
    await talk.overheard.hear(overheard("tea"))
    await talk.overheard.hear(overheard("coffee", ANN))
    await talk.overheard.forget(overheard("/forget"))
    assert [text for _, text in await talk.overheard.since(overheard(""), 0)] == ["coffee"]


async def test_by_default_nothing_is_overheard(talk: Talk):
    deaf = Overheard(talk.redis, talk.keys, limit=DialogueSettings().group_ambient)
    await deaf.hear(overheard("tea"))
    assert [name async for name in talk.redis.scan_iter(f"{talk.keys.prefix}*")] == []
    assert await deaf.since(overheard(""), 0) == []


# --- sessions -----------------------------------------------------------------------------------------------


async def test_sessions_of_one_conversation_do_not_mix(talk: Talk):
    await talk.say("My name is Ann.", shared=False, place=Place("test", "bot", "1"))
    await talk.say("Hello.", shared=False, place=Place("test", "bot", "1"), profile=Profile(session="1f"))
    assert talk.model.asked() == [("user", "Hello.")]
    await talk.say("And now?", shared=False, place=Place("test", "bot", "1"))
    assert len(talk.model.asked()) == 3
    assert await talk.windows.members("here") == ["here#1f"]


async def test_two_windows_are_answered_at_the_same_time_without_mixing(talk: Talk):
    talk.model.scripts = [says(f"answer {n}") for n in range(10)]
    await asyncio.gather(
        *(talk.say(f"question {n}", shared=False, profile=Profile(session=f"{n:x}")) for n in range(10))
    )
    for n in range(10):
        (exchange,) = await talk.windows.load(f"here#{n:x}")
        assert exchange.turns[0].content == f"question {n}"
