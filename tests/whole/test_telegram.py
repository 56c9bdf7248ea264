"""Telegram, the whole way: a person, the Bot API, the bot in a process of its own, and the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.keys import Keys
from tests.process import Bot, bot, until
from tests.simulators.endpoint import EndpointSimulator, echo, fail, say
from tests.simulators.telegram import Flood, Shown, TelegramSimulator, telegram_simulator
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
        **more,
    }


@pytest.fixture
async def running(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
) -> AsyncIterator[Bot]:
    async with bot(tmp_path, **settings(endpoint, telegram, BURST="0s")) as made:  # each message on its own
        yield made


def edited(message: Shown, text: str) -> bool:
    return bool(message.edits) and text in message.text


def heard(endpoint: EndpointSimulator) -> list[str]:
    """What the person said, as the last request has it."""
    return [m["content"] for m in endpoint.requests[-1].body["messages"] if m["role"] == "user"]


async def test_a_private_conversation_streams_and_remembers(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    gate = asyncio.Event()
    begun = asyncio.Event()
    begun.set()
    endpoint.script(say(["The first words of the answer, ", "and **the rest**."], gates=[begun, gate]))
    await ann.says(chat, "My name is Ann.")
    await chat.until(lambda: chat.draft and "first words" in chat.draft.text)
    assert chat.said == []
    gate.set()
    answer = await chat.shows("the rest")
    assert answer.text == "The first words of the answer, and the rest."
    assert [e["type"] for e in answer.entities] == ["bold"]
    assert answer.buttons == ["Retry"]
    await ann.says(chat, "What is my name?")
    await chat.shows("What is my name?")
    assert heard(endpoint) == ["My name is Ann.", "What is my name?"]
    assert any(action.name == "typing" for action in chat.actions)


async def test_in_a_group_it_answers_who_calls_it_and_nobody_else(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    telegram.privacy = False
    ann, bob = telegram.person(1, "Ann"), telegram.person(2, "Bob")
    team = telegram.group("Team", [ann, bob])
    await ann.says(team, "Lunch?")
    question = await ann.says(team, "@parley_bot what is for lunch?")
    answer = await team.shows("what is for lunch?")
    assert answer.reply_to == question.id
    await bob.says(team, "and to drink?", reply_to=answer)
    await team.shows("and to drink?")
    # Each person in a group has a context of their own, and private talk is not in it.
    assert not any(
        "for lunch" in m["content"]
        for m in endpoint.requests[-1].body["messages"]
        if m["role"] == "assistant"
    )
    assert len(endpoint.requests) == 2
    assert "Lunch?" not in str([call.body for call in endpoint.requests])


async def test_a_stranger_is_told_once_and_the_model_is_not_asked(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann, eve = telegram.person(1, "Ann"), telegram.person(66, "Eve", language_code="zh-hans")
    async with bot(tmp_path, **settings(endpoint, telegram, ALLOWED="telegram:1")):
        chat, other = telegram.private(eve), telegram.private(ann)
        await eve.says(chat, "hello")
        denial = await chat.shows("telegram:66")
        assert "管理者" in denial.text
        await eve.says(chat, "hello?")
        await ann.says(other, "hi")
        await other.shows("hi")
        assert len(chat.said) == 1
        assert len(endpoint.requests) == 1


async def test_buttons_stop_retry_and_choose(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann = telegram.person(1, "Ann")
    team = telegram.group("Team", [ann])
    begun = asyncio.Event()
    begun.set()
    endpoint.script(say(["Words without end", " never"], gates=[begun, asyncio.Event()]), "another answer")
    await ann.says(team, "@parley_bot talk")
    growing = await team.shows(lambda m: m.text.startswith("Words") and "Stop" in m.buttons)
    press = await ann.presses(growing, "Stop")
    await team.shows("Stopped.")
    assert press.answered
    stopped = await team.shows(lambda m: "Retry" in m.buttons)
    await ann.presses(stopped, "Retry")
    await team.shows("another answer")
    assert [call.text for call in endpoint.requests] == ["talk", "talk"]
    await ann.says(team, "/role@parley_bot")
    choices = await team.shows(lambda m: len(m.buttons) > 3)
    await ann.presses(choices, next(b for b in choices.buttons if "Translator" in b))
    await team.shows("From now on")


async def test_a_long_answer_comes_in_order_and_whole(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    text = "\n\n".join(f"Paragraph {n}. " + "word " * 60 for n in range(45))
    endpoint.script(text)
    await ann.says(chat, "Go on at length")
    await chat.shows("Paragraph 44", timeout=60)
    await chat.until(lambda: "Retry" in chat.last.buttons, timeout=60)
    assert len(chat.said) >= 4
    assert " ".join(" ".join(chat.said).split()) == " ".join(text.split())


async def test_a_fault_is_said_plainly_and_an_edit_is_answered_anew(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    endpoint.script(fail(401, code="invalid_api_key"))
    await ann.says(chat, "hello")
    await chat.shows("did not accept this bot's key")
    message = await ann.says(chat, "2+2")
    await chat.shows("2+2")
    await ann.edits(message, "3*3")
    await chat.shows("3*3")
    await ann.says(chat, "last")
    await chat.shows("last")
    assert heard(endpoint) == ["3*3", "last"]


@pytest.mark.parametrize("mode", ["polling", "webhook"])
async def test_a_kill_between_acceptance_and_answer_leaves_exactly_one_answer(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator, mode: str
):
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    team = telegram.group("Team", [ann])
    endpoint.reply = lambda call: say(
        [f"Answer to {call.text}: ", *(f"{n} " for n in range(40)), "end"], delay=0.02
    )(call)
    made = Bot(tmp_path, {})
    made.settings = settings(endpoint, telegram, TELEGRAM_MODE=mode, PUBLIC_URL=made.url)
    try:
        await made.start()
        for n, (place, call) in enumerate(
            [(chat, ""), (team, "@parley_bot "), (chat, ""), (team, "@parley_bot ")]
        ):
            await ann.says(place, f"{call}question {n}")

            async def asked(n: int = n) -> bool:
                return any(call.text == f"question {n}" for call in endpoint.requests)

            await until(asked)
            if n % 2:
                # An edit follows the journal's note. Between Telegram's posting and that note nothing can be known.
                await place.until(
                    lambda place=place, n=n: any(edited(m, f"question {n}") for m in place.from_bot)
                )
            await made.kill()
            await made.start(ready=False)
            full = f"Answer to question {n}: " + "".join(f"{i} " for i in range(40)) + "end"
            await place.until(lambda place=place, full=full: place.said.count(full) == 1, timeout=40)
            assert [text for text in place.said if f"question {n}" in text] == [full]
    finally:
        await made.remove()


async def test_two_replicas_poll_in_turn_and_answer_each_message_once(
    tmp_path: Path,
    endpoint: EndpointSimulator,
    telegram: TelegramSimulator,
    redis_url: str,
    redis: Redis,
    prefix: str,
):
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    shared = settings(endpoint, telegram, REDIS_URL=redis_url, REDIS_PREFIX=prefix, LEASE="10s")
    replicas = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        replicas.append(Bot(tmp_path / name, shared))

    async def idle() -> bool:
        return await redis.scard(Keys(prefix).active) == 0

    try:
        await asyncio.gather(*(replica.start() for replica in replicas))
        for n in range(6):
            await ann.says(chat, f"question {n}")
            await chat.shows(f"question {n}", timeout=40)
            if n == 3:
                await until(idle)
                await replicas[0].kill()
        await chat.until(lambda: len(chat.said) == 6)
        assert chat.said == [f"question {n}" for n in range(6)]
        assert not any("409" in line for line in telegram.refused("getUpdates"))
    finally:
        for replica in replicas:
            await replica.remove()


async def test_flood_control_slows_one_chat_and_loses_nothing(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    telegram.flood = Flood()
    ann, bob = telegram.person(1, "Ann"), telegram.person(2, "Bob")
    busy, calm = telegram.group("Busy", [ann]), telegram.private(bob)
    text = " ".join(f"word{n}" for n in range(120))
    endpoint.reply = lambda call: say(text, delay=0.01)(call) if call.text.startswith("busy") else echo(call)
    await ann.says(busy, "@parley_bot busy")
    await bob.says(calm, "calm")
    await calm.shows("calm")
    await busy.until(lambda: text in busy.said, timeout=60)


async def test_two_hundred_people_at_once_get_their_own_answers_in_order(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    endpoint.reply = lambda call: say(f"To {call.text}: " + "word " * 20 + "end")(call)
    people = [telegram.person(1000 + n, f"P{n}") for n in range(200)]
    chats = [telegram.private(person) for person in people]
    for question in range(3):
        for n, (person, chat) in enumerate(zip(people, chats, strict=True)):
            await person.says(chat, f"p{n}q{question}")

    def answered() -> bool:
        return all(len(chat.said) == 3 for chat in chats)

    await telegram.until(answered, timeout=90)
    for n, chat in enumerate(chats):
        assert chat.said == [f"To p{n}q{question}: " + "word " * 20 + "end" for question in range(3)]
    dialogues = {call.text: [m["content"] for m in call.body["messages"]] for call in endpoint.requests}
    for n in range(200):
        said = [text for text in dialogues[f"p{n}q2"][1:] if not text.startswith("To ")]
        assert said == [f"p{n}q{question}" for question in range(3)]
    assert telegram.token.partition(":")[2] not in running.log
    assert telegram.refused() == []
