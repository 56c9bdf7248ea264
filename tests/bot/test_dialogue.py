"""Dialogue: one exchange with a scripted model, over a real window."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.api import Attachment, End, Notice, Option, Quoted, ReplyPart, Status, Text, Unavailable, Usage
from bot.dialogue import Dialogue
from bot.endpoints.chat import ChatRequest, Delta, Finish, TextDelta
from bot.errors import (
    ContextTooLong,
    EmptyAnswer,
    Filtered,
    Interrupted,
    LeaseLost,
    MessageTooLong,
    NothingToAnswer,
)
from bot.hearing import MESSAGE_LIMIT
from bot.keys import Keys
from bot.profile import Profile, Profiles
from bot.roles import Roles
from bot.roles.casting import Casting
from bot.roles.own import OwnRoles
from bot.settings import DialogueSettings
from bot.window import Windows
from tests.bot.doubles import Collected, Held, delivery, incoming, tokens

Script = Callable[[ChatRequest], AsyncIterator[Delta]]


class Model:
    """A `Router` whose answers are scripted; it keeps what it was asked."""

    def __init__(self, *scripts: Script, window: int = 16_000) -> None:
        self.scripts = list(scripts)
        self.requests: list[ChatRequest] = []
        self.window = window
        self.alone = False
        self.warning: Notice | None = None

    def chat(
        self,
        request: ChatRequest,
        *_: object,
        warn: Callable[[Notice], Awaitable[None]] | None = None,
        **__: object,
    ) -> AsyncIterator[Delta]:
        self.requests.append(request)
        said = (self.scripts.pop(0) if self.scripts else says("fine"))(request)
        return said if self.warning is None or warn is None else self._warned(said, self.warning, warn)

    async def _warned(
        self, said: AsyncIterator[Delta], warning: Notice, warn: Callable[[Notice], Awaitable[None]]
    ) -> AsyncIterator[Delta]:
        async for delta in said:
            yield delta
        await warn(warning)

    async def default_model(self) -> str:
        return "some-model"

    def single(self, model: str, *, pictured: bool = False) -> bool:
        return self.alone

    async def context_window(self, model: str) -> int:
        return self.window

    def learn_window(self, model: str, limit: int, tried: int) -> None:
        self.window = limit or tried * 3 // 4

    def asked(self, index: int = -1) -> list[tuple[str, str]]:
        """Who said what in a request, without the system prompt."""
        return [(m.role, str(m.content)) for m in self.requests[index].messages if m.role != "system"]


def says(*pieces: str, reason: str = "stop", usage: Usage | None = None) -> Script:
    async def script(request: ChatRequest) -> AsyncIterator[Delta]:
        for piece in pieces:
            yield TextDelta(piece)
        yield Finish(reason, usage, request.model)  # type: ignore[arg-type]

    return script


def fails(error: Exception, *pieces: str) -> Script:
    async def script(request: ChatRequest) -> AsyncIterator[Delta]:
        for piece in pieces:
            yield TextDelta(piece)
        raise error

    return script


@pytest.fixture
def windows(redis: Redis, prefix: str) -> Windows:
    return Windows(redis, Keys(prefix), ttl=600)


@pytest.fixture
def dialogue(windows: Windows, redis: Redis, prefix: str) -> Callable[..., Dialogue]:
    keys = Keys(prefix)

    def make(model: Model, **settings: object) -> Dialogue:
        settings = {"context_summary": False, **settings}
        default = DialogueSettings.model_validate(settings).default_role
        return Dialogue(
            windows=windows,
            casting=Casting(Roles.load(None), OwnRoles(redis, keys), Profiles(redis, keys), default),
            router=model,  # type: ignore[arg-type]
            meter=model,  # type: ignore[arg-type]
            tokens=tokens(),
            settings=DialogueSettings.model_validate(settings),
            clock=lambda: 1_700_000_000,
        )

    return make


async def test_an_answer_is_said_as_it_comes_and_remembered_whole(dialogue, windows):
    model = Model(says("Hel", "lo ", "Ann.", usage=Usage(5, 3)), says("Ann."))
    talk = dialogue(model)
    first, reply = delivery("My name is Ann.")
    await talk(first)
    assert [p.delta for p in reply.parts if isinstance(p, Text)] == ["Hel", "lo ", "Ann."]
    assert isinstance(reply.parts[-1], End)
    assert reply.parts[-1].usage == Usage(5, 3)
    assert [o.value for o in reply.parts[-1].offers] == ["/retry"]
    assert [(o.label, o.value) for o in reply.parts[-1].ratings] == [
        ("👍", "/feedback good"),
        ("👎", "/feedback bad"),
    ]
    second, _ = delivery("What is my name?")
    await talk(second)
    assert model.asked() == [
        ("user", "My name is Ann."),
        ("assistant", "Hello Ann."),
        ("user", "What is my name?"),
    ]
    assert len(await windows.load("test-ann")) == 2


async def test_a_warning_of_the_budget_that_cannot_be_shown_has_nothing_asked_again(dialogue):
    model, hold = Model(says("fine"), says("never asked")), Held()
    model.warning = Notice("budget.near.person_day", {"percent": 90, "spent": "9", "limit": "10"})

    class Away(Collected):
        async def send(self, part: ReplyPart) -> None:
            self.away = isinstance(part, Notice)
            await super().send(part)

    made, _ = delivery("hi", hold=hold, reply=Away())
    with pytest.raises(Unavailable):
        await dialogue(model)(made)
    made, reply = delivery(made.message, hold=Held(hold.kept, attempt=2))
    await dialogue(model)(made)
    assert (reply.text, len(model.requests)) == ("fine", 1)


async def test_the_role_its_temperature_and_the_chosen_model_frame_the_request(dialogue):
    model = Model()
    made, _ = delivery("Bonjour", profile=Profile(role="translator", model="other-model", temperature=0.1))
    await dialogue(model)(made)
    request = model.requests[0]
    assert (request.model, request.temperature) == ("other-model", 0.1)
    assert request.messages[0].role == "system"
    assert "ranslat" in str(request.messages[0].content)


async def test_a_role_that_no_longer_exists_falls_back(dialogue):
    model = Model()
    made, reply = delivery("hi", profile=Profile(role="gone"))
    await dialogue(model, default_role="gone-too")(made)
    assert reply.text == "fine"


async def test_a_quoted_message_goes_along(dialogue):
    model = Model()
    made, _ = delivery(replace(incoming("Is it true?"), quoted=Quoted("The sky\nis green", "Bob")))
    await dialogue(model)(made)
    assert model.asked() == [("user", "> The sky\n> is green\n\nIs it true?")]


async def test_the_model_is_told_of_what_it_is_not_shown(dialogue):
    model = Model()
    attached = (Attachment("image", "ref"), Attachment("file", "ref"))
    await dialogue(model)(delivery(replace(incoming("What is this?"), attachments=attached))[0])
    assert model.asked() == [("user", "What is this?\n\n[Attached, but not shown to you: image, file]")]


@pytest.mark.parametrize(
    ("text", "error"),
    [("", NothingToAnswer), (" \n ", NothingToAnswer), ("x" * (MESSAGE_LIMIT + 1), MessageTooLong)],
)
async def test_what_cannot_be_asked_is_refused_before_the_model_is(dialogue, text, error):
    model = Model()
    made, _ = delivery(text)
    with pytest.raises(error):
        await dialogue(model)(made)
    assert model.requests == []


async def test_old_exchanges_that_do_not_fit_stay_away_and_newest_ones_come_whole(dialogue):
    model = Model(window=6000)
    talk = dialogue(model, context_tokens=700)
    for n in range(6):
        made, _ = delivery(f"question {n} " + "word " * 100)
        await talk(made)
    asked = model.asked()
    assert asked[-1][1].startswith("question 5")
    kept = [text.split()[1] for role, text in asked if role == "user"]
    assert kept == [str(n) for n in range(6 - len(kept), 6)]
    assert 1 < len(kept) < 6


async def test_a_dialogue_that_the_server_finds_too_long_is_shortened_and_asked_once_more(dialogue):
    model = Model(says("one " * 300), says("two"), fails(ContextTooLong(limit=600)), says("three"))
    talk = dialogue(model)
    for text in ("first " * 200, "second", "third"):
        made, reply = delivery(text)
        await talk(made)
    assert reply.text == "three"
    assert len(model.asked(-1)) < len(model.asked(-2))
    assert model.asked(-1)[-1] == ("user", "third")


async def test_a_server_that_finds_even_the_shortened_dialogue_too_long_is_not_asked_for_ever(dialogue):
    model = Model(fails(ContextTooLong()), fails(ContextTooLong()))
    made, _ = delivery("hello")
    with pytest.raises(ContextTooLong):
        await dialogue(model)(made)
    assert len(model.requests) == 2


async def test_an_empty_answer_in_a_long_dialogue_is_tried_again_shorter_and_in_a_new_one_it_is_an_error(
    dialogue,
):
    talk = dialogue(model := Model(fails(EmptyAnswer())))
    made, _ = delivery("hello")
    with pytest.raises(EmptyAnswer):
        await talk(made)
    model.scripts = [says("one " * 500), fails(EmptyAnswer()), says("two")]
    for text in ("first " * 500, "second"):
        made, reply = delivery(text)
        await talk(made)
    assert reply.text == "two"


async def test_an_answer_that_breaks_off_is_kept_and_said_to_be_broken(dialogue, windows):
    made, reply = delivery("tell me")
    await dialogue(Model(fails(Interrupted("cut"), "Once upon")))(made)
    assert reply.text == "Once upon"
    assert reply.notices == ["error.interrupted"]
    assert isinstance(reply.parts[-1], End)
    assert reply.parts[-1].ratings == ()
    (kept,) = await windows.load("test-ann")
    assert kept.turns[-1].content == "Once upon"


async def test_an_answer_without_a_word_is_not_remembered(dialogue, windows):
    made, _ = delivery("forbidden")
    with pytest.raises(Filtered):
        await dialogue(Model(says(reason="filtered")))(made)
    assert await windows.load("test-ann") == []


@pytest.mark.parametrize(("reason", "notice"), [("length", "length.cut"), ("filtered", "filtered.cut")])
async def test_an_answer_that_was_cut_says_why(dialogue, reason, notice):
    made, reply = delivery("tell me")
    await dialogue(Model(says("Once upon", reason=reason)))(made)
    assert reply.notices == [notice]


async def test_stopping_keeps_what_was_said_and_closes_the_stream(dialogue, windows):
    closed, spoken = asyncio.Event(), asyncio.Event()

    async def endless(request: ChatRequest) -> AsyncIterator[Delta]:
        try:
            yield TextDelta("On and on")
            spoken.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    made, reply = delivery("talk")
    answering = asyncio.create_task(dialogue(Model(endless))(made))
    await asyncio.wait_for(spoken.wait(), 30)
    made.stopping.set()
    await asyncio.wait_for(answering, 30)
    assert closed.is_set()
    assert (reply.text, reply.notices, reply.ended) == ("On and on", ["stopped"], True)
    assert [e.turns[-1].content for e in await windows.load("test-ann")] == ["On and on"]


async def test_an_answer_whose_question_is_deleted_ends_without_a_word_and_is_not_remembered(
    dialogue, windows
):
    spoken = asyncio.Event()

    async def endless(request: ChatRequest) -> AsyncIterator[Delta]:
        yield TextDelta("On and on")
        spoken.set()
        await asyncio.Event().wait()

    made, reply = delivery("talk")
    answering = asyncio.create_task(dialogue(Model(endless))(made))
    await asyncio.wait_for(spoken.wait(), 30)
    made.stop(withdrawn=True)
    await asyncio.wait_for(answering, 30)
    assert (reply.notices, reply.parts[-1]) == ([], End())
    assert await windows.load("test-ann") == []


async def test_stopping_before_the_first_word_leaves_nothing_behind(dialogue, windows):
    async def silent(request: ChatRequest) -> AsyncIterator[Delta]:
        await asyncio.Event().wait()
        yield TextDelta("never")

    made, reply = delivery("talk")
    made.stopping.set()
    await asyncio.wait_for(dialogue(Model(silent))(made), 30)
    assert (reply.text, reply.notices) == ("", ["stopped"])
    assert await windows.load("test-ann") == []


async def test_a_finished_answer_is_delivered_again_and_not_asked_for_again(dialogue, windows):
    model, hold, message = Model(says("The answer.", reason="length")), Held(), incoming("question")
    talk = dialogue(model)
    await talk(delivery(message, hold=hold)[0])
    again, reply = delivery(message, hold=Held(hold.kept, attempt=2))
    await talk(again)
    assert len(model.requests) == 1
    assert (reply.text, reply.notices, reply.ended) == ("The answer.", ["length.cut"], True)
    assert len(await windows.load("test-ann")) == 1


async def test_an_answer_that_cannot_be_shown_now_is_heard_out_and_not_asked_for_again(dialogue, windows):
    hold, message = Held(), incoming("question")
    made, reply = delivery(message, hold=hold)

    async def unheard(request: ChatRequest) -> AsyncIterator[Delta]:
        yield TextDelta("The ")
        reply.away = True
        yield TextDelta("whole ")
        yield TextDelta("answer.")

    model = Model(unheard)
    talk = dialogue(model)
    with pytest.raises(Unavailable):
        await talk(made)
    assert reply.text == "The "
    assert await windows.load("test-ann") == []
    again, later = delivery(message, hold=Held(hold.kept, attempt=2))
    await talk(again)
    assert (later.text, later.ended, len(model.requests)) == ("The whole answer.", True, 1)
    assert len(await windows.load("test-ann")) == 1


async def test_an_attempt_that_has_lost_its_lease_stops_asking_and_remembers_nothing(dialogue, windows):
    hold = Held()

    async def losing(request: ChatRequest) -> AsyncIterator[Delta]:
        yield TextDelta("mine ")
        hold.ours = False
        yield TextDelta("not mine")

    made, reply = delivery("question", hold=hold)
    with pytest.raises(LeaseLost):
        await dialogue(Model(losing))(made)
    assert reply.text == "mine "
    assert await windows.load("test-ann") == []
    assert hold.kept is None


async def test_asking_again_puts_the_new_answer_in_the_place_of_the_old(dialogue, windows):
    model, question = Model(says("heads"), says("tails"), says("ok")), incoming("Toss a coin.")
    talk = dialogue(model)
    await talk(delivery(question)[0])
    for hold in (Held(), Held()):  # the second is an attempt after a crash that lost the end of the first
        made, reply = delivery("/retry", hold=hold)
        hold.kept = hold.kept or None
        await talk.answer(made, question, again=True)
        model.scripts.insert(0, says("tails"))
    assert reply.text == "tails"
    assert model.asked() == [("user", "Toss a coin.")]
    assert [e.turns[-1].content for e in await windows.load("test-ann")] == ["tails"]


async def test_a_failed_question_can_be_asked_again(dialogue, windows):
    question = incoming("hello")
    with pytest.raises(EmptyAnswer):
        await dialogue(Model(fails(EmptyAnswer())))(delivery(question)[0])
    assert await windows.last_asked("test-ann") == question


async def test_the_latest_question_may_be_edited_and_is_answered_anew(dialogue, windows):
    model = Model(says("4"), says("9"), says("16"), says("ok"))
    talk, question = dialogue(model), incoming("2+2", id="7")
    await talk(delivery(question)[0])
    for edit in ("3*3", "4*4"):
        made, reply = delivery(replace(question, text=edit, id=f"7:{edit}", edits="7"))
        await talk(made)
    assert reply.text == "16"
    await talk(delivery("and now?")[0])
    assert model.asked() == [("user", "4*4"), ("assistant", "16"), ("user", "and now?")]


async def test_an_edit_of_an_older_question_is_silent(dialogue, windows):
    model, first = Model(), incoming("one", id="1")
    talk = dialogue(model)
    for message in (first, incoming("two", id="2")):
        await talk(delivery(message)[0])
    made, reply = delivery(replace(first, id="1:x", edits="1", text="changed"))
    await talk(made)
    assert reply.parts == []
    assert len(model.requests) == 2


async def test_while_the_model_thinks_the_person_may_stop_it(dialogue):
    made, reply = delivery("hello")
    await dialogue(Model())(made)
    assert reply.parts[0] == Status("thinking", (Option("Stop", "/stop"),))


async def test_notices_never_reach_the_model(dialogue):
    model = Model(fails(Interrupted(), "half"), says("ok"))
    talk = dialogue(model)
    for text in ("one", "two"):
        made, reply = delivery(text)
        await talk(made)
        assert all(
            n.text not in str(model.requests[-1].messages) for n in reply.parts if isinstance(n, Notice)
        )
    assert model.asked() == [("user", "one"), ("assistant", "half"), ("user", "two")]
