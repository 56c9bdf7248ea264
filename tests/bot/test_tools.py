"""Tools: offered with a question, carried out where the model calls for them, and never twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.api import Media, Text, Usage
from bot.delivery import Delivery
from bot.endpoints.chat import ChatRequest, Delta, Finish, Function, TextDelta, ToolCall
from bot.errors import EmptyAnswer, Filtered, NoImages, ServerFailed, Unreachable
from bot.limits import BudgetSpent
from bot.profile import Profile
from bot.tools import CALLS, ROUNDS, Deed, Journal, Toolbox
from tests.bot.commands.house import House
from tests.bot.doubles import Collected, Held, delivery, incoming
from tests.bot.test_dialogue import Script, fails, says


class Easel:
    """A tool that shows what it is told to; `fault` is raised instead, `waits` is waited for."""

    function = Function("image", "Draws.", {"type": "object"})

    def __init__(self) -> None:
        self.drawn: list[str] = []
        self.calls: list[int] = []
        self.fault: Exception | None = None
        self.missing = False
        self.waits: asyncio.Event | None = None
        self.begun = asyncio.Event()

    def there(self) -> bool:
        return not self.missing

    async def use(self, made: Delivery, arguments: Mapping[str, Any], *, call: int, journal: Journal) -> str:
        if self.fault is not None:
            raise self.fault
        self.begun.set()
        if self.waits is not None and await made.unless_stopped(self.waits.wait()) is None:
            return ""
        self.drawn.append(str(arguments.get("prompt")))
        self.calls.append(call)
        deed = Deed.of("image", self.drawn[-1], did="drew", call=call)
        await journal(deed)
        await made.send(Media("image", "image/png", b"", deed.wish))
        return "Done."

    async def again(self, made: Delivery, deed: Deed) -> bool:
        await made.send(Media("image", "image/png", b"", f"{deed.wish} (again)"))
        return True


def wants(*calls: tuple[str, str], text: str = "", usage: Usage | None = None) -> Script:
    async def script(request: ChatRequest) -> AsyncIterator[Delta]:
        if text:
            yield TextDelta(text)
        made = tuple(ToolCall(f"c{n}", name, arguments) for n, (name, arguments) in enumerate(calls))
        yield Finish("stop", usage, request.model, made)

    return script


FOX = ("image", '{"prompt": "a fox"}')
OWL = ("image", '{"prompt": "an owl"}')


@pytest.fixture
def easel() -> Easel:
    return Easel()


@pytest.fixture
def house(redis: Redis, prefix: str, easel: Easel) -> House:
    return House(redis, prefix, tools=Toolbox([easel]))


async def asked(house: House, *scripts: Script, hold: Held | None = None, **profile: Any) -> Collected:
    house.server.scripts = list(scripts)
    made, reply = delivery(incoming("Draw a fox.", id="q1"), hold=hold, profile=Profile(**profile))
    await house.dialogue(made)
    return reply


async def remembered(house: House) -> str:
    exchanges = await house.windows.load("test-ann")
    return exchanges[-1].turns[-1].content if exchanges else ""


def told(house: House) -> list[str]:
    """What the model was told in the last request."""
    return [str(m.content) for m in house.server.requests[-1].messages if m.role == "tool"]


def shown(reply: Collected) -> list[str]:
    said = (
        p.caption if isinstance(p, Media) else p.delta for p in reply.parts if isinstance(p, Media | Text)
    )
    return [text for text in said if text]


async def test_a_tool_is_used_and_the_model_has_the_last_word(house: House, easel: Easel) -> None:
    reply = await asked(house, wants(FOX, usage=Usage(9, 2)), says("There it is.", usage=Usage(20, 3)))
    assert shown(reply) == ["a fox", "There it is."]
    assert reply.parts[-1].usage == Usage(29, 5)  # type: ignore[union-attr]
    first, second = house.server.requests
    assert first.tools == second.tools == (easel.function,)
    assert [m.role for m in second.messages[-3:]] == ["user", "assistant", "tool"]
    assert (second.messages[-2].calls[0].id, second.messages[-1].call_id) == ("c0", "c0")
    assert told(house) == ["Done."]
    # What was done stays in words, which every server can read.
    assert await remembered(house) == "[drew: a fox]\n\nThere it is."
    house.server.scripts = [says("Yes.")]
    await house.dialogue(delivery("Is it red?")[0])
    assert {m.role for m in house.server.requests[-1].messages} == {"system", "user", "assistant"}


async def test_words_before_a_picture_and_behind_it_are_one_answer(house: House) -> None:
    reply = await asked(house, wants(FOX, text="One moment."), says("Here."))
    assert shown(reply) == ["One moment.", "a fox", "Here."]
    assert house.server.requests[1].messages[-2].content == "One moment."
    assert await remembered(house) == "[drew: a fox]\n\nOne moment.\n\nHere."


@pytest.mark.parametrize("second", [says(), fails(EmptyAnswer()), fails(ServerFailed("away"))])
async def test_where_the_model_says_nothing_more_the_picture_is_the_answer(
    house: House, second: Script
) -> None:
    reply = await asked(house, wants(FOX), second)
    assert (shown(reply), reply.notices, reply.ended) == (["a fox"], [], True)
    assert await remembered(house) == "[drew: a fox]"


@pytest.mark.parametrize(
    ("fault", "notice"),
    [(ServerFailed("away"), "error.server_failed"), (BudgetSpent("budget.person_day"), "budget.person_day")],
)
async def test_where_nothing_was_done_and_the_model_fails_the_person_is_told(
    house: House, fault: Exception, notice: str
) -> None:
    reply = await asked(house, wants(("search", "{}"), text="One moment."), fails(fault))
    assert (shown(reply), reply.notices, reply.ended) == (["One moment."], [notice], True)
    assert await remembered(house) == "One moment."


async def test_rounds_and_calls_are_bounded_and_each_is_paid_for_itself(house: House, easel: Easel) -> None:
    many = wants(*[("image", f'{{"prompt": "{n}"}}') for n in range(3)])
    reply = await asked(house, *[many] * 9)
    assert len(house.server.requests) == ROUNDS
    assert easel.drawn == ["0", "1", "2", "0"]
    assert easel.calls == list(range(1, CALLS + 1))
    assert told(house)[-1] == "Not done: too many calls in one answer."
    assert reply.ended


async def test_arguments_that_nobody_can_read_are_told_once_to_the_model_and_then_to_the_person(
    house: House, easel: Easel
) -> None:
    garbled = wants(("image", '{"prompt": "a f'))
    reply = await asked(house, garbled, wants(FOX), says("Here."))
    assert "no JSON object" in told(house)[0]
    assert shown(reply) == ["a fox", "Here."]
    reply = await asked(house, garbled, garbled, says("never asked"))
    assert (reply.notices, reply.text, len(house.server.scripts)) == (["tool.garbled"], "", 1)
    assert easel.drawn == ["a fox"]


@pytest.mark.parametrize(
    "arguments", ['"{\\"prompt\\": \\"a fox\\"}"', '{"prompt": "a fox"}', ' {"prompt": "a fox"}\n']
)
async def test_arguments_in_json_twice_are_read(house: House, easel: Easel, arguments: str) -> None:
    await asked(house, wants(("image", arguments)), says("Here."))
    assert easel.drawn == ["a fox"]


async def test_half_an_emoji_in_the_arguments_breaks_nothing(house: House, easel: Easel) -> None:
    reply = await asked(house, wants(("image", '{"prompt": "a fox \\ud83e \\ud83e\\udd8a"}')), says("Here."))
    assert (easel.drawn, reply.ended) == (["a fox ? 🦊"], True)


async def test_a_function_that_is_not_there_is_told_to_the_model(house: House, easel: Easel) -> None:
    reply = await asked(house, wants(("search", "{}")), says("I cannot search."))
    assert told(house) == ["There is no function 'search'. There are: image."]
    assert (reply.text, easel.drawn) == ("I cannot search.", [])
    reply = await asked(house, *[wants(("search", "{}"))] * ROUNDS)
    assert reply.notices == ["tool.garbled"]


@pytest.mark.parametrize("fault", [Filtered("no"), BudgetSpent("budget.person_day"), Unreachable("gone")])
async def test_what_fails_is_the_persons_to_know_and_the_model_is_not_asked_again(
    house: House, easel: Easel, fault: Exception
) -> None:
    easel.fault = fault
    with pytest.raises(type(fault)):
        await asked(house, wants(FOX), says("never asked"))
    assert len(house.server.requests) == 1
    reply = await asked(house, wants(FOX, text="One moment."), says("never asked"))
    assert reply.notices == [getattr(fault, "key", None) or fault.user_key]  # type: ignore[attr-defined]
    assert (await remembered(house), len(house.server.requests)) == ("One moment.", 2)


async def test_a_fault_of_the_tool_does_not_have_the_question_asked_anew(house: House, easel: Easel) -> None:
    await house.say("hello")
    easel.fault = EmptyAnswer("a drawing that never ended")
    with pytest.raises(ServerFailed):
        await asked(house, wants(FOX), says("never asked"))
    assert len(house.server.scripts) == 1


async def test_where_nobody_draws_the_model_answers_in_words(house: House, easel: Easel) -> None:
    easel.fault = NoImages("no model")
    assert (await asked(house, wants(FOX), says("I cannot draw."))).text == "I cannot draw."
    easel.missing = True
    await asked(house, says("I cannot draw."))
    assert house.server.requests[-1].tools == ()


async def test_stopping_while_it_draws_ends_the_answer(house: House, easel: Easel) -> None:
    easel.waits = asyncio.Event()
    house.server.scripts = [wants(FOX), says("never asked")]
    made, reply = delivery("Draw a fox.")
    answering = asyncio.create_task(house.dialogue(made))
    await asyncio.wait_for(easel.begun.wait(), 30)
    made.stop()
    await asyncio.wait_for(answering, 30)
    assert (reply.notices, easel.drawn, len(house.server.requests)) == (["stopped"], [], 1)


async def test_after_a_crash_behind_the_picture_it_is_shown_and_not_drawn_again(
    house: House, easel: Easel
) -> None:
    hold = Held()

    async def crashes(request: ChatRequest) -> AsyncIterator[Delta]:
        raise MemoryError
        yield

    with pytest.raises(MemoryError):
        await asked(house, wants(FOX, OWL, text="One moment."), crashes, hold=hold)
    assert hold.kept is not None
    reply = await asked(house, says("never asked"), hold=Held(hold.kept, attempt=2))
    assert shown(reply) == ["a fox (again)", "an owl (again)", "One moment."]
    assert (reply.ended, easel.drawn, len(house.server.requests)) == (True, ["a fox", "an owl"], 2)
    assert await remembered(house) == "[drew: a fox]\n\n[drew: an owl]\n\nOne moment."


async def test_of_pictures_that_were_noted_without_their_call_only_the_last_is_there(
    house: House, easel: Easel
) -> None:
    earlier = [Deed.of("image", wish, did="drew") for wish in ("a fox", "an owl")]
    made, reply = delivery("Draw them.")
    await Toolbox([easel]).again(made, earlier)
    assert shown(reply) == ["an owl (again)"]


async def test_only_a_role_that_has_tools_offers_them_and_only_for_one_answer(
    house: House, easel: Easel
) -> None:
    await asked(house, says("Bonjour"), role="translator")
    await asked(house, says("one"), says("two"), n=2)
    await house.say("/continue")
    await house.say("/summary")
    assert [request.tools for request in house.server.requests] == [()] * len(house.server.requests)
    await asked(house, says("fine"), system="You are a pirate.")
    assert house.server.requests[-1].tools == (easel.function,)


async def test_the_description_of_a_tool_takes_room_from_the_dialogue(redis: Redis, prefix: str) -> None:
    wordy = Easel()
    wordy.function = Function("image", "word " * 2000, {})
    house = House(redis, prefix, tools=Toolbox([wordy]))
    house.server.window = 6000
    for _ in range(2):
        await house.say("word " * 1200)
    with_tools = len(house.server.requests[-1].messages)
    wordy.missing = True
    await house.say("word " * 1200)
    assert len(house.server.requests[-1].messages) > with_tools


def test_the_note_of_a_long_wish_is_short() -> None:
    assert len(Deed.of("image", "a fox\n" * 1000, did="drew").note) < 400
