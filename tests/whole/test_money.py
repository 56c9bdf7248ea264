"""A budget, the whole way: however much is asked at the same time, a person stops at it, and is told so."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.process import Visitor, bot, said
from tests.simulators.endpoint import EndpointSimulator, count, say
from tests.simulators.telegram import Chat, TelegramSimulator, telegram_simulator
from tests.whole.conftest import parley, towards

CENT = 10_000  # micro-units
WORDS = 80
PRICES = 'models = [{ name = "small", in = 0.1, out = 10 }]'


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


def settings(endpoint: EndpointSimulator, folder: Path, **more: str) -> dict[str, str]:
    (folder / "prices.toml").write_text(PRICES, encoding="utf-8")
    return towards(endpoint) | {
        "PRICES_FILE": str(folder / "prices.toml"),
        "RATE_LIMIT": "off",
        "PERSON_CONCURRENCY": "0",
        "MAX_TOKENS": "100",
        **more,
    }


def cost(endpoint: EndpointSimulator) -> int:
    """What all that the model was asked has cost, by the server's own count."""
    used = [count(call, "word " * WORDS) for call in endpoint.requests]
    return sum(
        -(-(u["prompt_tokens"] * 100_000 + u["completion_tokens"] * 10_000_000) // 1_000_000) for u in used
    )


async def test_fifty_questions_at_once_stop_at_one_cent(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    endpoint.reply = say(("word " * WORDS).strip(), delay=0.001)
    chosen = settings(
        endpoint,
        tmp_path,
        BUDGET_PERSON_DAY="0.01",
        ALLOWED="telegram:*",
        TELEGRAM_BOT_TOKEN=telegram.token,
        TELEGRAM_API_BASE_URL=telegram.base_url,
    )
    ann, bob = telegram.person(1, "Ann"), telegram.person(2, "Bob")
    rooms = [telegram.group(f"Room {number}", [ann, bob]) for number in range(50)]

    async def ask(room: Chat, number: int) -> str:
        await ann.says(room, f"@parley_bot question {number}")
        await room.until(lambda: any(text.count("word") == WORDS or "budget" in text for text in room.said))
        return room.said[0]

    async with bot(tmp_path, **chosen):
        shown = await asyncio.gather(*(ask(room, number) for number, room in enumerate(rooms)))
        answered = [text for text in shown if text.startswith("word ")]
        assert 1 <= len(answered) < 50
        assert len(answered) == len(endpoint.requests)
        assert cost(endpoint) <= CENT
        # One after the other, the cent is used up to what another answer might cost, and then no more is asked.
        chat = telegram.private(ann)
        for number in range(20):
            await ann.says(chat, f"once more {number}")
            await chat.until(lambda number=number: _replies(chat) > number)
            if "used up" in chat.said[-1]:
                break
        assert "at 00:00 UTC" in chat.said[-1]
        assert CENT - 2 * 1100 < cost(endpoint) <= CENT
        asked = len(endpoint.requests)
        # Another person has a cent of their own.
        other = telegram.private(bob)
        await bob.says(other, "and me?")
        await other.until(lambda: any(text.startswith("word ") for text in other.said))
        assert len(endpoint.requests) == asked + 1


def _replies(chat: Chat) -> int:
    """Questions that have got an answer or a refusal; a warning is neither."""
    return sum(text.count("word") >= WORDS or "used up" in text or "set aside" in text for text in chat.said)


async def test_a_person_sees_what_they_used_and_what_is_left_and_is_warned_once(
    tmp_path: Path, endpoint: EndpointSimulator
):
    endpoint.reply = say("word " * WORDS)
    chosen = settings(endpoint, tmp_path, BUDGET_PERSON_DAY="0.002")
    async with bot(tmp_path, **chosen) as running, Visitor(running) as visitor:
        first = await visitor.answered(await visitor.ask("one"))
        assert said(first).startswith("word ")
        assert _keys(first) == []
        second = await visitor.answered(await visitor.ask("two"))
        assert said(second).startswith("word ")
        assert _keys(second) == ["budget.near.person_day"]
        third = await visitor.answered(await visitor.ask("three"))
        assert (said(third), _keys(third)) == ("", ["budget.person_day"])
        usage = await visitor.answered(await visitor.ask("/usage"))
        (notice,) = usage["parts"]
        assert "Today: " in notice["text"]
        assert "Left for today: " in notice["text"]
        assert "of 0.0020 USD" in notice["text"]


def _keys(item) -> list[str]:
    return [part["key"] for part in item["parts"] if part["type"] == "notice"]


async def test_an_answer_that_a_crash_interrupted_is_counted_once(
    tmp_path: Path, endpoint: EndpointSimulator
):
    endpoint.script(say(["word", " word"], gates=[asyncio.Event()]))
    endpoint.reply = say("word " * WORDS)
    chosen = settings(endpoint, tmp_path, BUDGET_PERSON_DAY="0.0012", PERSON_CONCURRENCY="1")
    async with bot(tmp_path, **chosen) as running, Visitor(running) as visitor:
        id = await visitor.ask("one")
        await endpoint.arrived(1)
        await running.kill()
        await running.start()
        # What the killed attempt had set aside leaves too little for another: the second attempt has taken its place.
        item = await visitor.answered(id)
        assert said(item).startswith("word ")
        usage = (await visitor.answered(await visitor.ask("/usage")))["parts"][0]["text"]
        assert "Today: one answer" in usage
    assert len(endpoint.requests) == 2


async def test_the_demo_and_a_local_server_cost_nothing(tmp_path: Path):
    async with (
        bot(tmp_path, BUDGET_TOTAL_DAY="0", BUDGET_PERSON_DAY="0") as running,
        Visitor(running) as visitor,
    ):
        item = await visitor.answered(await visitor.ask("What is 2 + 3?"))
        assert said(item)
        assert _keys(item) == []


async def test_who_asks_too_fast_is_told_when_to_go_on(tmp_path: Path, endpoint: EndpointSimulator):
    async with bot(tmp_path, **towards(endpoint), RATE_LIMIT="2/h") as running, Visitor(running) as visitor:
        for text in ("one", "two"):
            assert said(await visitor.answered(await visitor.ask(text))) == text
        item = await visitor.answered(await visitor.ask("three"))
        assert _keys(item) == ["limit.rate"]
        assert "30 minutes" in item["parts"][0]["text"]
        assert _keys(await visitor.answered(await visitor.ask("/usage"))) == ["usage"]  # costs nothing


async def test_a_price_list_that_cannot_be_used_is_found_by_the_check_and_at_the_start(
    tmp_path: Path, endpoint: EndpointSimulator
):
    chosen = settings(endpoint, tmp_path, BUDGET_TOTAL_DAY="5")
    assert "in USD; BUDGET_TOTAL_DAY" in (await parley(tmp_path, chosen, "check"))[1]
    (tmp_path / "prices.toml").write_text("models = [", encoding="utf-8")
    for command in ("check", "run"):
        status, printed = await parley(tmp_path, chosen, command)
        assert status in (1, 2)
        assert "PRICES_FILE" in printed
