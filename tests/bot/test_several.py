"""Several answers to one question: said one behind the other, and one of them counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from bot.api import Choices, Notice, Option, Text, Usage
from bot.delivery import Delivery
from bot.dialogue import Answer
from bot.endpoints.chat import AsideDelta, ChatRequest, Delta, Finish, TextDelta
from bot.errors import Interrupted, ServerFailed
from bot.profile import Profile
from bot.several import all_said, headed
from tests.bot.commands.house import House
from tests.bot.doubles import Collected, Held, delivery, incoming
from tests.bot.test_dialogue import Script, fails, says

THREE = Profile(n=3)
WHOLE = "**1 of 3**\n\nheads\n\n**2 of 3**\n\ntails\n\n**3 of 3**\n\nedge"


@pytest.fixture
def house(redis: Redis, prefix: str) -> House:
    return House(redis, prefix)


def mingled(*others: str, first: str = "heads", whole: int | None = None) -> Script:
    """An answer and others beside it, of which so many come to their end."""

    async def script(request: ChatRequest) -> AsyncIterator[Delta]:
        assert request.n == 3
        for number, text in enumerate(others, 1):
            yield AsideDelta(number, text[:2])
        yield TextDelta(first)
        for number, text in enumerate(others, 1):
            yield AsideDelta(number, text[2:], last=whole is None or number <= whole)
        yield Finish("stop", Usage(5, 3), request.model)

    return script


async def answered(house: House, hold: Held | None = None, text: str = "Toss a coin.") -> Collected:
    made, reply = delivery(incoming(text, id="q1"), hold=hold, profile=THREE)
    await house.dialogue(made)
    return reply


async def remembered(house: House) -> list[str]:
    return [turn.content for e in await house.windows.load("test-ann") for turn in e.turns]


async def test_the_first_answer_streams_and_the_others_are_said_behind_it(house: House) -> None:
    house.server.scripts = [mingled("tails", "edge")]
    reply = await answered(house)
    assert reply.text == WHOLE
    assert [p.delta for p in reply.parts if isinstance(p, Text)][:2] == ["**1 of 3**\n\n", "heads"]
    assert reply.choices == [
        Choices(
            "The first answer counts for what follows. Should another one?",
            (Option("Keep 2", "/keep 2 REF12345"), Option("Keep 3", "/keep 3 REF12345")),
        )
    ]
    assert reply.notices == []
    assert reply.ended
    assert await remembered(house) == ["Toss a coin.", "heads"]
    assert len(house.server.requests) == 1


async def test_what_a_model_does_not_give_of_itself_is_asked_for_alone(house: House) -> None:
    house.server.scripts = [
        mingled("tails", "edge", whole=1),
        says("the edge", usage=Usage(5, 4)),
    ]
    reply = await answered(house)
    assert reply.text.endswith("**2 of 3**\n\ntails\n\n**3 of 3**\n\nthe edge")
    assert [request.n for request in house.server.requests] == [3, 1]
    assert reply.parts[-1].usage == Usage(10, 7)  # type: ignore[union-attr]


async def test_where_a_model_is_known_to_give_one_the_others_are_under_way_while_it_speaks(
    house: House,
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def first(request: ChatRequest) -> AsyncIterator[Delta]:
        yield TextDelta("hea")
        await asyncio.wait_for(asked.wait(), 30)  # the first one has not ended yet
        yield TextDelta("ds")
        go_on.set()
        yield Finish("stop", None, request.model)

    async def other(request: ChatRequest) -> AsyncIterator[Delta]:
        asked.set()
        await go_on.wait()
        yield TextDelta("tails")
        yield Finish("stop", None, request.model)

    house.server.alone, house.server.scripts = True, [first, other, other]
    reply = await answered(house)
    assert reply.text == WHOLE.replace("edge", "tails")
    assert [request.n for request in house.server.requests] == [1, 1, 1]


async def test_an_answer_that_fails_is_left_out_and_its_absence_told(house: House) -> None:
    house.server.alone = True
    house.server.scripts = [says("heads"), fails(ServerFailed("away")), says("tails")]
    reply = await answered(house)
    assert reply.text == "**1 of 3**\n\nheads\n\n**2 of 3**\n\ntails"
    assert reply.notices == ["several.fewer"]
    assert [option.label for option in reply.choices[0].options] == ["Keep 2"]


async def test_where_only_the_first_came_there_is_nothing_to_choose(house: House) -> None:
    house.server.scripts = [says("heads"), fails(ServerFailed()), fails(Interrupted(), "half")]
    reply = await answered(house)
    assert (reply.text, reply.notices, reply.choices) == ("**1 of 3**\n\nheads", ["several.fewer"], [])


async def test_a_finished_set_is_delivered_again_as_it_was_and_not_asked_for_again(house: House) -> None:
    hold = Held()
    house.server.scripts = [mingled("tails", "edge")]
    first = await answered(house, hold)
    again = await answered(house, Held(hold.kept, attempt=2))
    assert again.text == first.text
    assert again.choices == first.choices
    assert len(house.server.requests) == 1
    assert len(await house.windows.load("test-ann")) == 1


async def test_stopping_stops_them_all_and_keeps_what_was_said(house: House) -> None:
    made, reply = delivery(incoming("Toss a coin.", id="q1"), profile=THREE)
    left: list[str] = []

    async def endless(request: ChatRequest) -> AsyncIterator[Delta]:
        try:
            yield TextDelta("on and on")
            made.stop()
            await asyncio.Event().wait()
        finally:
            left.append("gone")

    house.server.alone, house.server.scripts = True, [says("heads"), endless, endless]
    await asyncio.wait_for(house.dialogue(made), 30)
    assert left == ["gone", "gone"]
    assert (reply.text, reply.choices) == ("**1 of 3**\n\nheads", [])
    assert reply.notices == ["stopped"]
    assert (await remembered(house))[-1] == "heads"


async def test_going_on_and_a_summary_are_one_answer_each(house: House) -> None:
    await house.say("/set n 3")
    house.server.scripts = [mingled("tails", "edge"), says("and more"), says("in short")]
    await house.say("Toss a coin.")
    assert (await house.say("/continue")).text == "and more"
    assert (await house.say("/summary")).text == "in short"
    assert [request.n for request in house.server.requests] == [3, 1, 1]


async def test_only_the_first_is_spoken_and_the_others_are_shown(redis: Redis, prefix: str) -> None:
    heard: list[str] = []

    async def speak(made: Delivery, question: object, answer: Answer) -> None:
        made.muted = False
        heard.append(answer.text)

    house = House(redis, prefix, after=speak)
    house.server.scripts = [mingled("tails", "edge")]
    made, reply = delivery(incoming("Toss a coin.", id="q1"), profile=THREE)
    made.muted = True
    await house.dialogue(made)
    assert heard == ["heads"]
    assert reply.text == "\n\n**2 of 3**\n\ntails\n\n**3 of 3**\n\nedge"


async def test_a_warning_of_the_budget_does_not_part_an_answer(house: House) -> None:
    first_said, warned = asyncio.Event(), asyncio.Event()

    async def first(request: ChatRequest) -> AsyncIterator[Delta]:
        yield TextDelta("hea")
        first_said.set()
        await asyncio.wait_for(warned.wait(), 30)
        yield TextDelta("ds")
        yield Finish("stop", None, request.model)

    async def other(request: ChatRequest) -> AsyncIterator[Delta]:
        await first_said.wait()
        yield TextDelta("tails")
        yield Finish("stop", None, request.model)
        warned.set()

    house.server.alone, house.server.scripts = True, [first, other, other]
    house.server.warning = Notice("budget.near.person_day", {"percent": 80, "spent": "1", "limit": "2"})
    reply = await answered(house)
    kinds = [type(part).__name__ for part in reply.parts if isinstance(part, Text | Notice)]
    assert kinds == ["Text"] * 5 + ["Notice"] * 3


def test_code_that_an_answer_left_open_does_not_swallow_the_next_heading() -> None:
    made, _ = delivery("code")
    assert all_said(made, ["```py\nx = 1", "y"], 2) == "**1 of 2**\n\n```py\nx = 1\n```\n\n**2 of 2**\n\ny"
    assert headed(made, 2, 2, "~~~~\nx\n~~~~") == "\n\n**2 of 2**\n\n"


# --- which one counts --------------------------------------------------------------------------------------


async def kept(house: House, hold: Held | None = None, text: str = "/keep 2") -> list[str]:
    return (await house.say(text, hold=hold)).notices


async def test_another_answer_can_be_kept_and_is_what_the_model_hears_of(house: House) -> None:
    await house.say("/set n 3")
    house.server.scripts = [mingled("tails", "edge")]
    button = (await house.say("Toss a coin.")).choices[0].options[1].value
    assert await kept(house, text=button) == ["keep.done"]
    assert await kept(house, text="/保留 第2个") == ["keep.done"]
    assert await kept(house, text="/keep ３") == ["keep.done"]
    await house.say("/set n default")
    await house.say("Which?")
    assert house.server.asked() == [("user", "Toss a coin."), ("assistant", "edge"), ("user", "Which?")]
    # Now another question is the last one.
    assert await kept(house, text=button) == ["keep.old"]
    assert await kept(house) == ["keep.nothing"]


@pytest.mark.parametrize(
    "text", ["/keep", "/keep 4", "/keep 0", "/keep -1", "/keep the second", "/keep 99999"]
)
async def test_what_cannot_be_kept_is_said_and_nothing_changes(house: House, text: str) -> None:
    await house.say("/set n 3")
    house.server.scripts = [mingled("tails", "edge")]
    await house.say("Toss a coin.")
    assert await kept(house, text=text) == ["keep.range"]
    await house.say("/set n default")
    await house.say("Which?")
    assert ("assistant", "heads") in house.server.asked()


async def test_a_button_of_answers_that_were_asked_for_again_is_too_old(house: House) -> None:
    await house.say("/set n 3")
    house.server.scripts = [mingled("tails", "edge"), mingled("sun", "moon", first="star")]
    await house.say("Toss a coin.")
    await house.say("/retry")
    assert await kept(house, text="/keep 2 OLDREF22") == ["keep.old"]
    assert await kept(house) == ["keep.done"]
    await house.say("Which?")
    assert ("assistant", "sun") in house.server.asked()
    await house.say("/undo")
    assert await kept(house) == ["keep.done"], "the exchange before is the last one again"


async def test_there_is_nothing_to_keep_in_an_empty_dialogue_or_behind_one_answer(house: House) -> None:
    assert await kept(house) == ["keep.nothing"]
    await house.say("hello")
    assert await kept(house) == ["keep.nothing"]


@pytest.mark.parametrize("value", ["0", "5", "1.5", "many"])
async def test_a_number_of_answers_out_of_range_is_refused_in_words(house: House, value: str) -> None:
    reply = await house.say(f"/set n {value}")
    assert reply.notices == ["set.whole_range"]
    assert "n takes a whole number from 1 to 4" in reply.parts[0].text  # type: ignore[union-attr]
    assert (await house.profile()).n is None
