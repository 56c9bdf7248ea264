"""SIGKILL at random points while people talk in Slack: afterwards every message has exactly one answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.process import Bot
from tests.simulators.endpoint import Call, EndpointSimulator, endpoint_simulator, say
from tests.simulators.slack import Channel, Message, Person, SlackSimulator, slack_simulator
from tests.whole.conftest import towards

QUESTIONS, KILLS = 5, 6


def reply_to(text: str) -> str:
    """An answer that tells to what it is one, and takes a while."""
    return f"You said: {text}. " + " ".join(f"{text}-{n}" for n in range(12)) + " ."


def asked(call: Call) -> str:
    """The question without its speaker."""
    return call.text.rpartition("] ")[2]


@pytest.mark.parametrize(("streaming", "seed"), [(True, 1), (False, 2)], ids=["streams", "updates"])
async def test_every_message_in_slack_is_answered_exactly_once(tmp_path: Path, seed: int, streaming: bool):
    chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    async with endpoint_simulator() as endpoint, slack_simulator() as slack:
        endpoint.reply = lambda call: say(reply_to(asked(call)), delay=0.02)(call)
        slack.streaming = streaming
        slack.retry_delays = (0.05,) * 50
        ann, bob, cid = (slack.person(name) for name in ("Ann", "Bob", "Cid"))
        general = slack.channel("general", [cid])
        made = Bot(tmp_path, settings(endpoint, slack))
        try:
            await made.start()
            await slack.connected()
            talks = [
                asyncio.create_task(talk(person, channel, name))
                for name, person, channel in (
                    ("a", ann, slack.dm(ann)),
                    ("b", bob, slack.dm(bob)),
                    ("c", cid, general),
                )
            ]
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(0.05, 0.8))
                await made.kill()
                await made.start(ready=False)
                await slack.connected(within=60)
            threads = [await one for one in talks]
            await slack.settled(60)
            for name, first in zip("abc", threads, strict=True):
                shown = first.thread.visible()
                # An event that met a dead bot comes again, behind those that were said after it.
                order = sorted(range(QUESTIONS), key=lambda n: shown.index(reply_to(f"{name}{n}")))
                assert shown == [reply_to(f"{name}{n}") for n in order]
                assert all(message.buttons == ["Retry", "👍", "👎"] for message in first.thread.from_app)
                contexts_are_whole(endpoint, [f"{name}{n}" for n in order])
        finally:
            await made.remove()


def settings(endpoint: EndpointSimulator, slack: SlackSimulator) -> dict[str, str]:
    return towards(endpoint) | {
        "SLACK_API_BASE_URL": slack.base_url,
        "SLACK_BOT_TOKEN": slack.team.token,
        "SLACK_APP_TOKEN": slack.app_token,
        "ALLOWED": "slack:*",
        "ATTEMPTS": "20",  # nothing is given up, however often it is hit
        "BURST": "0s",  # each message is a question of its own
    }


async def talk(person: Person, channel: Channel, name: str) -> Message:
    """Ask in one thread, two questions at a time; the first of them."""
    call = person.sim.mention if channel.kind == "channel" else ""
    first: Message | None = None
    for n in range(QUESTIONS):
        said = await person.says(channel, f"{call} {name}{n}".strip(), thread=first)
        first = first or said
        if n % 2 == 0:
            await first.thread.until(
                lambda n=n, first=first: whole(first, f"{name}{n}"), 90
            )  # the bot is killed meanwhile
    assert first is not None
    return first


def whole(first: Message, text: str) -> bool:
    return any(
        message.shown == reply_to(text) and "Retry" in message.buttons for message in first.thread.from_app
    )


def contexts_are_whole(endpoint: EndpointSimulator, questions: Sequence[str]) -> None:
    """The last request of a conversation holds every exchange before it, once and in order."""
    *before, last = questions
    request = next(call for call in reversed(endpoint.requests) if asked(call) == last)
    turns = [m["content"].rpartition("] ")[2] for m in request.body["messages"] if m["role"] != "system"]
    assert turns == [*(turn for text in before for turn in (text, reply_to(text))), last]
