"""Personal WeChat, the whole way: `parley wechat login`, a phone, the bot in a process of its own, and the model."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.process import PARLEY, Bot, bot, surroundings
from tests.simulators.endpoint import EndpointSimulator, echo, say
from tests.simulators.ilink import ILinkSimulator, Person, ilink_simulator
from tests.whole.conftest import towards

SECRET = "the operator's own secret"


@pytest.fixture
async def ilink() -> AsyncIterator[ILinkSimulator]:
    async with ilink_simulator() as simulator:
        yield simulator


def settings(endpoint: EndpointSimulator, ilink: ILinkSimulator) -> dict[str, str]:
    return towards(endpoint) | {
        "WECHAT_PERSONAL": "on",
        "WECHAT_PERSONAL_SECRET": SECRET,
        "WECHAT_PERSONAL_BASE_URL": ilink.url,
        "ALLOWED": "wechat:*",
        "BURST": "0s",  # each message is a question of its own
    }


async def sign_in(running: Bot, ilink: ILinkSimulator, person: Person) -> str:
    """Have the operator sign somebody in; what the terminal shows."""
    process = await asyncio.create_subprocess_exec(
        *PARLEY,
        "wechat",
        "login",
        cwd=running.folder,
        env=surroundings(running.folder, HTTP_PORT=str(running.port)) | dict(running.settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    await ilink.news.until(lambda: ilink.codes and ilink.codes[-1].asked, 60)
    await ilink.confirm(ilink.codes[-1], person)
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def test_signed_in_from_the_terminal_and_answered(
    tmp_path: Path, endpoint: EndpointSimulator, ilink: ILinkSimulator
):
    ann = ilink.person("ann")
    endpoint.reply = echo
    async with bot(tmp_path, **settings(endpoint, ilink)) as running:
        shown = await sign_in(running, ilink, ann)
        link = re.search(r"http://127\.0\.0\.1:\d+/wechat/login/\S+", shown)
        assert link is not None
        async with httpx.AsyncClient() as page:
            assert "Signed in" in (await page.get(link[0])).text
        await ann.says("Good morning")
        await ann.sees(1)
        assert "Good morning" in ann.texts[0]
        assert ann.bot is not None
        assert ann.bot.token not in running.log
        assert await running.stop() == 0
    assert ann.bot.notified == ["start", "stop"]


async def test_every_question_is_answered_once_however_often_the_bot_is_killed(
    tmp_path: Path, endpoint: EndpointSimulator, ilink: ILinkSimulator
):
    chance, ann = random.Random(7), ilink.person("ann")  # noqa: S311 - a schedule, not a secret
    endpoint.reply = lambda call: say(f"You said {call.text}. " + "and so on " * 10, delay=0.002)(call)
    questions = [f"question-{number}-" for number in range(8)]
    async with bot(tmp_path, **settings(endpoint, ilink)) as running:
        await sign_in(running, ilink, ann)

        async def ask() -> None:
            for question in questions:
                await ann.says(question)
                await asyncio.sleep(chance.uniform(0.05, 0.3))

        asking = asyncio.create_task(ask())
        for _ in range(4):
            await asyncio.sleep(chance.uniform(0.1, 0.8))
            await running.kill()
            await running.start(ready=False)
        await asking
        await ilink.news.until(lambda: all(any(q in text for text in ann.texts) for q in questions), 60)
    said = [text for text in ann.texts if text.startswith("You said")]
    assert [next(q for q in questions if q in text) for text in said] == questions
    assert ann.bot is not None
    assert ann.bot.most_at_once == 1
