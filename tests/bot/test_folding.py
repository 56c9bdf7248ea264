"""Long dialogues: what falls out is summarised once, in the background, and never tells of what was forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from bot.dialogue import Dialogue
from bot.endpoints.chat import ChatRequest, Delta, Finish, TextDelta
from bot.errors import EndpointBusy
from bot.keys import Keys
from bot.profile import Profiles
from bot.roles import Roles
from bot.roles.casting import Casting
from bot.roles.own import OwnRoles
from bot.settings import DialogueSettings
from bot.window import Windows
from tests.bot.doubles import Collected, delivery, tokens
from tests.bot.test_dialogue import Model

RECORD = "Ann has a cat called Miu."


class Scribe(Model):
    """A model that answers at length, and writes records when it is asked for them."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[ChatRequest] = []
        self.purposes: list[str] = []
        self.gate: asyncio.Event | None = None
        self.trouble: Exception | None = None

    async def chat(
        self, request: ChatRequest, *_: object, purpose: str = "", **__: object
    ) -> AsyncIterator[Delta]:
        record = purpose == "summary"
        (self.records if record else self.requests).append(request)
        if record and self.gate:
            await self.gate.wait()
        if record and self.trouble:
            raise self.trouble
        yield TextDelta(RECORD if record else "word " * 60)
        yield Finish("stop", None, request.model)


@dataclass
class House:
    windows: Windows
    model: Scribe
    dialogue: Dialogue

    async def talk(self, first: int, last: int) -> list[Collected]:
        replies = []
        for n in range(first, last):
            made, reply = delivery(f"question {n} " + "word " * 60)
            await self.dialogue(made)
            await self.dialogue.folding.idle()
            replies.append(reply)
        return replies

    def asked(self) -> str:
        return str(self.model.requests[-1].messages)


@pytest.fixture
def make(redis: Redis, prefix: str):
    def made(**settings: object) -> House:
        keys, model = Keys(prefix), Scribe()
        windows = Windows(redis, keys, ttl=600)
        given = DialogueSettings.model_validate({"context_tokens": 1000, **settings})
        casting = Casting(Roles.load(None), OwnRoles(redis, keys), Profiles(redis, keys), "assistant")
        dialogue = Dialogue(
            windows=windows,
            casting=casting,
            router=model,  # type: ignore[arg-type]
            meter=model,  # type: ignore[arg-type]
            tokens=tokens(),
            settings=given,
        )
        return House(windows, model, dialogue)

    return made


async def test_what_falls_out_goes_on_as_a_summary_and_the_person_is_told_once(make):
    house = make()
    replies = await house.talk(0, 20)
    assert RECORD in house.asked()
    assert "question 0 " not in house.asked()
    assert [reply.notices for reply in replies].count(["summary.told"]) == 1
    assert all(RECORD not in reply.text for reply in replies)


async def test_not_every_message_is_one_more_request(make):
    house = make()
    await house.talk(0, 20)
    assert 2 <= len(house.model.records) <= 8
    assert all(RECORD in str(request.messages) for request in house.model.records[1:])


async def test_each_exchange_is_in_a_summary_or_goes_along_and_none_is_in_both(make):
    house = make()
    await house.talk(0, 20)
    told = "".join(str(request.messages) for request in house.model.records)
    past = await house.windows.open("test-ann")
    through = [e.id for e in past.exchanges].index(past.through)
    for n, exchange in enumerate(past.exchanges):
        assert (f"question {n} " in told) == (n <= through), exchange.id


async def test_the_operator_names_the_model_that_summarises_or_wants_none(make):
    house = make(summary_model="cheap")
    await house.talk(0, 8)
    assert {request.model for request in house.model.records} == {"cheap"}
    off = make(context_summary=False)
    await off.talk(0, 8)
    assert off.model.records == []


async def test_a_summary_that_fails_is_made_later_and_no_answer_suffers(make):
    house = make()
    house.model.trouble = EndpointBusy("busy")
    replies = await house.talk(0, 8)
    assert all(reply.ended and reply.notices == [] for reply in replies)
    house.model.trouble = None
    await house.talk(8, 10)
    assert (await house.windows.open("test-ann")).summary == RECORD


async def test_what_is_forgotten_meanwhile_does_not_come_back_as_a_summary(make):
    house = make()
    house.model.gate = asyncio.Event()
    for n in range(8):
        made, _ = delivery(f"question {n} " + "word " * 60)
        await house.dialogue(made)
    assert len(house.model.records) == 1
    await house.windows.clear("test-ann")
    house.model.gate.set()
    await house.dialogue.folding.idle()
    assert (await house.windows.open("test-ann")).summary == ""
    await house.talk(0, 1)
    assert RECORD not in house.asked()


async def test_a_process_that_stops_gives_up_what_it_was_summarising(make):
    house = make()
    house.model.gate = asyncio.Event()
    for n in range(8):
        made, _ = delivery(f"question {n} " + "word " * 60)
        await house.dialogue(made)
    await asyncio.wait_for(house.dialogue.close(), 30)
    assert (await house.windows.open("test-ann")).summary == ""
