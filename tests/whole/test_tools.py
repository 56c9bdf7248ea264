"""Pictures in plain words, the whole way: the model calls for them, people see them, and nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.process import Visitor, bot, said
from tests.simulators.endpoint import EndpointSimulator, call, fail, hang, make, say
from tests.simulators.telegram import TelegramSimulator, telegram_simulator
from tests.whole import test_telegram
from tests.whole.test_media_out import paths, picture

FOX = call(("image", {"prompt": "a red fox", "shape": "landscape"}))
DRAWN = ["chat/completions", "images/generations", "chat/completions"]


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


def settings(endpoint: EndpointSimulator, telegram: TelegramSimulator) -> dict[str, str]:
    return test_telegram.settings(endpoint, telegram, IMAGE_MODEL="painter", BURST="0s")


async def test_a_picture_is_drawn_and_then_made_brighter_in_plain_words(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
) -> None:
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    async with bot(tmp_path, **settings(endpoint, telegram)):
        endpoint.script(FOX, make(), "There it is.")
        await ann.says(chat, "Draw a red fox, please.")
        drawn = await chat.shows(picture)
        assert drawn.text == "a red fox"
        await chat.shows("There it is.")
        await chat.until(lambda: "Retry" in chat.last.buttons)
        assert paths(endpoint) == DRAWN
        assert endpoint.requests[1].body["size"] == "1536x1024"
        assert {t["function"]["name"] for t in endpoint.requests[0].body["tools"]} == {"image", "edit_image"}

        endpoint.script(call(("edit_image", {"prompt": "brighter"})), make(), "Brighter now.")
        await ann.says(chat, "make it brighter")
        await chat.shows(lambda m: picture(m) and m.text == "brighter")
        await chat.shows("Brighter now.")
        asked = endpoint.requests[3].body["messages"]
        assert [m["content"] for m in asked[1:]] == [
            "Draw a red fox, please.",
            "[drew: a red fox]\n\nThere it is.",
            "make it brighter",
        ]
        assert paths(endpoint)[3:] == ["chat/completions", "images/edits", "chat/completions"]

        endpoint.script("Four.")
        await ann.says(chat, "What is 2 + 2?")
        await chat.shows("Four.")
        assert telegram.refused() == []


async def test_a_bot_that_dies_behind_the_picture_does_not_draw_it_again(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
) -> None:
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    async with bot(tmp_path, **settings(endpoint, telegram)) as running:
        endpoint.script(FOX, make(), hang(asyncio.Event()))
        await ann.says(chat, "Draw a red fox, please.")
        await chat.shows(picture)
        await endpoint.arrived(3)
        await running.kill()
        await running.start()
        await chat.until(lambda: any("Retry" in m.buttons for m in chat.from_bot))
        assert [m.text for m in chat.from_bot if picture(m)] == ["a red fox"]
        await ann.says(chat, "Thanks!")
        await chat.shows("Thanks!")
        assert paths(endpoint) == [*DRAWN, "chat/completions"]
        assert "[drew: a red fox]" in [m["content"] for m in endpoint.requests[-1].body["messages"]]


async def test_a_model_that_takes_no_tools_answers_and_a_filtered_wish_is_told(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
) -> None:
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    async with bot(tmp_path, **settings(endpoint, telegram)):
        endpoint.script(FOX, fail(400, "Rejected by the safety system.", code="moderation_blocked"))
        await ann.says(chat, "Draw something awful.")
        await chat.shows("content rules")
        endpoint.script(fail(400, "small does not support tools"), say("I draw with words: 🦊"))
        await ann.says(chat, "Draw a red fox, please.")
        await chat.shows("I draw with words")
        await ann.says(chat, "And another?")
        await chat.shows("And another?")
        assert "tools" not in endpoint.requests[-1].body


async def test_the_demo_draws_and_changes_offline(tmp_path: Path) -> None:
    async with bot(tmp_path) as running, Visitor(running) as visitor:
        for text in ("draw a lighthouse at night", "make it brighter"):
            item = await visitor.answered(await visitor.ask(text))
            kinds = [part["type"] for part in item["parts"]]
            assert kinds == ["media", "text"], item
            assert "There it is." in said(item)
