"""WeChat, the whole way: a person, WeChat's deliveries, the bot in processes of its own, and the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.media.recordings import recorded, tone
from tests.process import Bot, bot
from tests.simulators.endpoint import EndpointSimulator, say
from tests.simulators.wechat import Account, Clock, WeChatSimulator, wechat_simulator
from tests.whole.conftest import parley, towards


@pytest.fixture
async def wechat() -> AsyncIterator[WeChatSimulator]:
    # The bot's seconds are ours. WeChat's are nearly so, and it gives up before the bot expects it to.
    async with wechat_simulator(Account(mode="secure"), clock=Clock(0.7, outside=True)) as simulator:
        yield simulator


def settings(endpoint: EndpointSimulator, wechat: WeChatSimulator, **more: str) -> dict[str, str]:
    return towards(endpoint) | wechat.settings() | {"ALLOWED": "wechat:*", **more}


@pytest.fixture
async def running(tmp_path: Path, endpoint: EndpointSimulator, wechat: WeChatSimulator) -> AsyncIterator[Bot]:
    async with bot(tmp_path, **settings(endpoint, wechat)) as made:
        wechat.deliveries.callbacks.append(f"{made.url}/wechat")
        yield made


async def test_a_conversation_in_an_official_account(
    running: Bot, endpoint: EndpointSimulator, wechat: WeChatSimulator
):
    ann = wechat.person("oAnn")
    endpoint.script(say(["Hello **Ann**, ", "how are you?"]))
    assert (await ann.says("My name is Ann.")).deliveries == 1
    assert ann.texts == ["Hello Ann, how are you?"]
    await ann.says("What is my name?")
    asked = [m["content"] for m in endpoint.requests[-1].body["messages"] if m["role"] == "user"]
    assert asked == ["My name is Ann.", "What is my name?"]


async def test_commands_are_chinese_words_and_lists_have_numbers(
    running: Bot, endpoint: EndpointSimulator, wechat: WeChatSimulator
):
    ann = wechat.person("oAnn")
    await ann.says("帮助")
    assert "/new" in "".join(ann.texts)
    await ann.does("CLICK", "/model")
    assert "1. " in ann.texts[-1]
    assert endpoint.requests == []


async def test_a_voice_message_is_written_down_afterwards_where_nothing_can_be_replied_to(
    tmp_path: Path, endpoint: EndpointSimulator, wechat: WeChatSimulator
):
    ann = wechat.person("oAnn")
    wechat.account.media["voice-1"] = ("audio/amr", recorded(tone(2), "amr"))

    async def comes(words: str) -> None:
        async with asyncio.timeout(60):
            while not any(text.startswith(words) for text in ann.texts):
                await wechat.clock.sleep(1)
                await ann.says("1")  # on a slow machine the answer is kept until it is asked for

    endpoint.reply = say("Good day to you.")
    async with bot(tmp_path, **settings(endpoint, wechat, TRANSCRIPTION_MODEL="listener")) as made:
        wechat.deliveries.callbacks.append(f"{made.url}/wechat")
        await ann.sends_voice("voice-1")
        await comes("🎙")
        await ann.says("/transcribe")
        await comes("hello there")
        heard = [call for call in endpoint.requests if call.path == "audio/transcriptions"]
        assert len(heard) == 2
        await ann.says("新对话")
        await ann.says("转写")
        await comes("没有找到录音")


async def test_a_bot_that_dies_while_it_answers_gives_the_answer_once(
    running: Bot, endpoint: EndpointSimulator, wechat: WeChatSimulator
):
    ann = wechat.person("oAnn")
    begun, never = asyncio.Event(), asyncio.Event()
    begun.set()
    endpoint.script(say(["The answer ", "is lost"], gates=[begun, never]), say("The answer is 42."))
    asking = asyncio.create_task(ann.says("What is the answer?"))
    async with asyncio.timeout(30):
        while not endpoint.requests:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    await running.kill()
    await running.start()
    told = await asking
    assert told.deliveries >= 2
    async with asyncio.timeout(60):  # a slow machine may need more than WeChat's three deliveries
        while not any("42" in text for text in ann.texts):
            if any("1" in text for text in ann.texts[-1:]):  # the answer is kept
                await ann.says("1")
            await wechat.clock.sleep(1)
    assert [text for text in ann.texts if "42" in text] == ["The answer is 42."]
    assert "lost" not in "".join(ann.texts)


async def test_the_operator_checks_the_account_and_publishes_its_menu(
    tmp_path: Path, endpoint: EndpointSimulator, wechat: WeChatSimulator
):
    _, printed = await parley(tmp_path, settings(endpoint, wechat), "check")
    assert "slow answers are sent by it" in " ".join(printed.split())
    status, printed = await parley(tmp_path, settings(endpoint, wechat), "wechat", "menu")
    assert status == 0, printed
    assert wechat.account.menu is not None
