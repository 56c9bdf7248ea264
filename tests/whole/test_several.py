"""Several answers to one question, over real HTTP: whatever the server makes of it, the person gets them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from tests.process import Bot, Visitor, bot, said
from tests.simulators.endpoint import Answer, Call, EndpointSimulator, Reply, fail, offer, say
from tests.simulators.telegram import TelegramSimulator, telegram_simulator
from tests.whole.conftest import towards

COINS = ("heads", "tails", "edge")
SAID = "**1 of 3**\n\nheads\n\n**2 of 3**\n\ntails\n\n**3 of 3**\n\nedge"


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


def one_by_one(*, refused: bool) -> Reply:
    """A server that refuses `n`, or does not look at it: each request gets the next answer."""
    numbers = count()

    def reply(call: Call) -> Answer:
        if refused and "n" in call.body:
            return fail(400, "Unsupported parameter: 'n'.", param="n")(call)
        return say(COINS[next(numbers) % 3])(call)

    return reply


SERVERS = {
    "gives them": lambda: offer(*COINS),
    "refuses": lambda: one_by_one(refused=True),
    "ignores": lambda: one_by_one(refused=False),
}


@pytest.mark.parametrize("server", SERVERS)
async def test_a_person_gets_three_answers_of_any_server_and_keeps_the_second(
    running: Bot, endpoint: EndpointSimulator, server: str
) -> None:
    async with Visitor(running) as visitor:
        await visitor.answered(await visitor.ask("/set n 3"))
        endpoint.reply = SERVERS[server]()
        item = await visitor.answered(await visitor.ask("Toss a coin."))
        text = said(item)
        # Asked one by one they come in whatever order.
        assert text.startswith("**1 of 3**\n\nheads\n\n**2 of 3**\n\n")
        assert sorted(text.split("\n\n")) == sorted(SAID.split("\n\n"))
        (choices,) = [part for part in item["parts"] if part["type"] == "choices"]
        assert [option["label"] for option in choices["options"]] == ["Keep 2", "Keep 3"]

        await visitor.answered(await visitor.ask("/set n default"))
        kept = await visitor.answered(await visitor.ask(choices["options"][0]["value"]))
        assert [part["key"] for part in kept["parts"]] == ["keep.done"]
        endpoint.reply = say("I see.")
        await visitor.answered(await visitor.ask("Which?"))
        second = text.split("\n\n")[3]
        dialogue = endpoint.requests[-1].body["messages"][1:]
        assert [m["content"] for m in dialogue] == ["Toss a coin.", second, "Which?"]


async def test_in_telegram_a_button_keeps_another_answer_and_stop_stops_them_all(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
) -> None:
    ann = telegram.person(1, "Ann")
    room = telegram.private(ann)
    settings = towards(endpoint) | {
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_API_BASE_URL": telegram.base_url,
        "ALLOWED": "telegram:*",
    }
    async with bot(tmp_path, **settings):
        await ann.says(room, "/set n 3")
        await room.shows("n is 3")
        endpoint.script(offer(*COINS))
        await ann.says(room, "Toss a coin.")
        answer = await room.shows("edge")
        for heading, coin in zip(("1 of 3", "2 of 3", "3 of 3"), COINS, strict=True):
            assert f"{heading}\n\n{coin}" in answer.text
        asked = await room.shows(lambda m: {"Keep 3", "Retry"} <= set(m.buttons))
        await ann.presses(asked, "Keep 3")
        await room.shows("answer 3 counts")

        begun, rest = asyncio.Event(), asyncio.Event()
        begun.set()
        endpoint.script(say(["Going on", " for ever"], gates=[begun, rest]))
        await ann.says(room, "And now?")
        await room.until(lambda: room.draft and "Going on" in room.draft.text)
        assert [m["content"] for m in endpoint.requests[-1].body["messages"][1:]][1] == "edge"
        await ann.says(room, "/stop")
        await room.shows("Going on")
        async with asyncio.timeout(30):
            await endpoint.requests[-1].closed.wait()
        assert len(endpoint.requests) == 2, "the others are not asked for any more"
