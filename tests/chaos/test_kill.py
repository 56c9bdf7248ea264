"""SIGKILL at random points during conversations: afterwards every message has exactly one answer."""

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path

import pytest

from tests.process import Bot, Visitor, said
from tests.simulators.endpoint import Call, EndpointSimulator, endpoint_simulator, say

PEOPLE, QUESTIONS, KILLS = 3, 8, 7


def reply_to(text: str) -> str:
    """An answer that tells to what it is one, and takes a while."""
    return f"You said: {text}. " + " ".join(f"{text}-{n}" for n in range(12)) + " ."


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("store_too", [False, True], ids=["bot", "bot-and-valkey"])
async def test_every_accepted_message_is_answered_exactly_once_in_order(
    tmp_path: Path, seed: int, store_too: bool
):
    chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    async with endpoint_simulator() as endpoint:
        endpoint.reply = lambda call: say(reply_to(call.text), delay=0.004)(call)
        settings = {
            "OPENAI_BASE_URL": endpoint.base_url,
            "OPENAI_API_KEY": endpoint.key,
            "CHAT_MODEL": "small",
            "BURST": "0s",  # each message is a question of its own
        }
        made = Bot(tmp_path, settings)
        try:
            await made.start()
            conversations = [asyncio.create_task(converse(made, f"p{n}")) for n in range(PEOPLE)]
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(0.02, 0.4))
                await made.kill()
                if store_too:
                    with contextlib.suppress(
                        ProcessLookupError, StopIteration, IndexError
                    ):  # not started yet
                        os.kill(made.store_pid(), signal.SIGKILL)
                await made.start(ready=False)
            for task in conversations:
                await task
            await contexts_are_whole(made, endpoint)
        finally:
            await made.remove()


async def converse(made: Bot, name: str) -> None:
    """Ask without waiting for the answers, then look at everything that was said."""
    async with Visitor(made) as visitor:
        asked = []
        for n in range(QUESTIONS):
            asked.append(await visitor.ask(f"{name}q{n}"))
            if n % 3 == 2:
                await visitor.answered(asked[-1])
        for id in asked:
            await visitor.answered(id)
        items = await visitor.history()
        assert [item["message"] for item in items] == asked
        for n, item in enumerate(items):
            assert item["ended"]
            assert [part["type"] for part in item["parts"]] == ["text"], item["parts"]
            assert said(item) == reply_to(f"{name}q{n}")
        await visitor.answered(await visitor.ask(f"{name}last"))


async def contexts_are_whole(made: Bot, endpoint: EndpointSimulator) -> None:
    """The last request of each conversation holds every exchange before it, once and in order."""
    last: dict[str, Call] = {call.text: call for call in endpoint.requests}
    for n in range(PEOPLE):
        turns = [
            (m["role"], m["content"]) for m in last[f"p{n}last"].body["messages"] if m["role"] != "system"
        ]
        expected = [
            turn
            for q in range(QUESTIONS)
            for turn in (("user", f"p{n}q{q}"), ("assistant", reply_to(f"p{n}q{q}")))
        ]
        assert turns == [*expected, ("user", f"p{n}last")]
