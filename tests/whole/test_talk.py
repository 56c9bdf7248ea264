"""An evening in a group and in private chats: who is called, who speaks, what is kept apart, what is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.process import bot, until
from tests.simulators.endpoint import EndpointSimulator, say
from tests.simulators.telegram import Shown, TelegramSimulator, telegram_simulator
from tests.whole.conftest import towards


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


def settings(endpoint: EndpointSimulator, telegram: TelegramSimulator, **more: str) -> dict[str, str]:
    return towards(endpoint) | {
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_API_BASE_URL": telegram.base_url,
        "ALLOWED": "telegram:*",
        "ADMINS": "telegram:1",
        **more,
    }


def last(endpoint: EndpointSimulator) -> list[dict[str, Any]]:
    return list(endpoint.requests[-1].body["messages"])


def button(shown: Shown, text: str) -> str:
    return next(b for b in shown.buttons if text in b)


async def test_an_evening_in_a_group_and_in_private_chats(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    telegram.privacy = False
    endpoint.reply = lambda call: say(call.text.rpartition("] ")[2])(call)
    names = ("Ann", "Bob", "Cas", "Dee")
    people = [telegram.person(n, name) for n, name in enumerate(names, 1)]
    ann, bob, cas, dee = people
    team, rooms = telegram.group("Team", people), [telegram.private(person) for person in people]
    shared = settings(endpoint, telegram, CONTEXT_GROUP_SCOPE="chat", GROUP_AMBIENT="3")
    async with bot(tmp_path, **shared):
        # Four private dialogues at once, which nobody else ever sees.
        for name, person, room in zip(names, people, rooms, strict=True):
            await person.says(room, f"{name}'s secret")
        for name, room in zip(names, rooms, strict=True):
            await room.shows(f"{name}'s secret")

        # In the group it answers who calls it, knows what was said lately, and who says what.
        for person, text in ((bob, "too old"), (bob, "Tea for me"), (cas, "Coffee for me"), (dee, "Milk")):
            await person.says(team, text)
        await ann.says(team, "@parley_bot who wants what?")
        await team.shows("who wants what?")
        said = "\n".join(m["content"] for m in last(endpoint))
        assert "secret" not in said
        assert "too old" not in said
        for line in (r"- Bob #", "Tea for me", "- Cas #", "- Dee #", "[Ann #"):
            assert line in said
        await bob.says(team, "@parley_bot and who asked you?")
        await team.shows("and who asked you?")
        said = "\n".join(m["content"] for m in last(endpoint))
        assert "[Ann #" in said
        assert "[Bob #" in said
        assert "Tea for me" not in said

        # Choices for all are an admin's, the bot's or the group's own; the rest is not the group's. A command for
        # other bots is left alone.
        await bob.says(team, "/set@parley_bot temperature 0.1")
        await team.shows("Only an admin of this group or of the bot")
        await ann.says(team, "/set@parley_bot temperature 0.1")
        await team.shows("From now on temperature is 0.1")
        team.admins.add(cas.id)  # as one of Telegram's own
        await cas.says(team, "/set@parley_bot top_p 0.5")
        await team.shows("From now on top_p is 0.5")
        await cas.says(team, "/reload@parley_bot")
        count = len(team.said)
        await cas.says(team, "/nonsense")
        await dee.says(team, "@parley_bot good night")
        await team.shows("good night")
        sampling = {"temperature": 0.1, "top_p": 0.5}
        assert endpoint.requests[-1].body.items() >= sampling.items()
        assert len(team.said) == count + 1

        # A language, a second session, and then nothing is left.
        await bob.says(rooms[1], "/lang")
        await bob.presses(await rooms[1].shows(lambda m: "繁體中文" in m.buttons), "繁體中文")
        await rooms[1].shows("從現在起")
        await bob.says(rooms[1], "/sessions new 旅行")
        await rooms[1].shows("旅行")
        await bob.says(rooms[1], "another talk")
        await rooms[1].shows("another talk")
        assert "secret" not in str(last(endpoint))
        await bob.says(rooms[1], "/forget")
        asked = await rooms[1].shows(lambda m: "不，保留" in m.buttons)
        await bob.presses(asked, button(asked, "全部刪除"))
        await rooms[1].shows("我們就重新開始")
        await bob.says(rooms[1], "what do you know?")
        await rooms[1].shows("what do you know?")
        assert [m["role"] for m in last(endpoint)] == ["system", "user"]


async def test_a_text_that_the_app_split_while_an_answer_ran_is_one_question(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann = telegram.person(1, "Ann")
    room = telegram.private(ann)
    gate, begun = asyncio.Event(), asyncio.Event()
    begun.set()
    endpoint.script(say(["The first ", "answer."], gates=[begun, gate]))
    async with bot(tmp_path, **settings(endpoint, telegram)):
        await ann.says(room, "hello")
        await room.until(lambda: room.draft and "The first" in room.draft.text)
        for part in ("one part", "a second part", "the end"):
            await ann.says(room, part)

        async def confirmed() -> bool:
            return not telegram.updates.pending

        await until(confirmed)
        gate.set()
        answer = await room.shows("the end")
        assert answer.text == "one part\na second part\nthe end"
        await ann.says(room, "/export")
        exported = await room.shows(lambda m: m.media is not None)
        assert "2 questions and their answers" in exported.text
        assert len(endpoint.requests) == 2
