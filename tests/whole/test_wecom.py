"""WeCom, the whole way: people, WeCom's wire, the bot in a process of its own, and the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from adapters.wecom.words import say as own
from tests.process import Bot, bot
from tests.simulators.endpoint import EndpointSimulator, say
from tests.simulators.wecom import Customer, Member, WeComSimulator, wecom_simulator
from tests.whole.conftest import parley, towards


@pytest.fixture
async def wecom() -> AsyncIterator[WeComSimulator]:
    async with wecom_simulator() as simulator:
        yield simulator
        assert simulator.broken == []


@pytest.fixture
def ann(wecom: WeComSimulator) -> Member:
    return wecom.member("ann")


@pytest.fixture
def wang(wecom: WeComSimulator) -> Customer:
    return wecom.customer("wm1")


@pytest.fixture
async def running(
    tmp_path: Path, endpoint: EndpointSimulator, wecom: WeComSimulator, wang: Customer
) -> AsyncIterator[Bot]:
    """The app and customer service in one process."""
    settings = towards(endpoint) | wecom.environment | wecom.kf_environment
    settings |= {"ALLOWED": "wecom:*", "BURST": "0s"}
    async with bot(tmp_path, **settings) as made:
        wecom.deliver_to(f"{made.url}/wecom")
        yield made


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what people see, for half a minute at the most."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the bot is in another process
            await asyncio.sleep(0.01)


async def test_a_member_is_answered_and_the_dialogue_goes_on(
    running: Bot, endpoint: EndpointSimulator, ann: Member
):
    endpoint.script(say("The **first** answer."))
    assert (await ann.says("My name is Ann.")).acknowledged
    await until(lambda: ann.shown == ["The first answer."])
    assert (await ann.says("What is my name?")).acknowledged
    await until(lambda: len(ann.shown) == 2)
    heard = [m["content"] for m in endpoint.requests[-1].body["messages"] if m["role"] == "user"]
    assert heard == ["My name is Ann.", "What is my name?"]
    assert (await ann.says("新对话")).acknowledged
    await until(lambda: len(ann.shown) == 3)
    await ann.says("And now?")
    await until(lambda: len(ann.shown) == 4)
    heard = [m["content"] for m in endpoint.requests[-1].body["messages"] if m["role"] == "user"]
    assert heard == ["And now?"]


async def test_a_choice_is_made_by_its_number(running: Bot, ann: Member):
    await ann.says("/role")
    await until(lambda: bool(ann.shown))
    assert "1. " in ann.shown[0]
    assert own("zh-CN", "number") in ann.shown[0]
    await ann.says("1")
    await until(lambda: len(ann.shown) == 2)
    assert "/help" not in ann.shown[1]


async def test_a_kill_in_the_middle_of_an_answer_leaves_one(
    running: Bot, endpoint: EndpointSimulator, ann: Member
):
    begun, gate = asyncio.Event(), asyncio.Event()
    begun.set()
    endpoint.script(say(["The begin, ", "and the rest."], gates=[begun, gate]))
    endpoint.script(say("The whole answer."))
    assert (await ann.says("hello")).acknowledged
    await until(lambda: len(endpoint.requests) == 1)
    await running.kill()
    await running.start()
    await until(lambda: ann.shown == ["The whole answer."])
    gate.set()
    await asyncio.sleep(0)
    assert ann.shown == ["The whole answer."]


async def test_an_answer_whose_delivery_was_never_heard_of_is_shown_once(
    running: Bot, endpoint: EndpointSimulator, wecom: WeComSimulator, ann: Member
):
    endpoint.script(say("The answer."))
    wecom.lose("message/send")
    assert (await ann.says("hello")).acknowledged
    await until(lambda: len(wecom.called("message/send")) == 2)
    await ann.says("/help")
    await until(lambda: len(ann.shown) == 2)
    assert ann.shown[0] == "The answer."
    assert len(endpoint.requests) == 1


async def test_somebody_in_wechat_is_answered_even_where_the_callback_was_lost_while_the_bot_was_away(
    running: Bot, endpoint: EndpointSimulator, wecom: WeComSimulator, wang: Customer
):
    await wang.says("one")
    await until(lambda: len(wang.shown) == 1)
    await running.stop()
    wecom.silent = True
    await wang.says("two")
    wecom.silent = False
    await running.start()
    await until(lambda: len(wang.shown) == 2)
    await wecom.kf.announce("wk1")
    await wang.says("three")
    await until(lambda: len(wang.shown) == 3)
    assert [len(endpoint.requests), len(wang.messages)] == [3, 3]


async def test_the_operator_publishes_the_menu_from_the_command_line(
    running: Bot, endpoint: EndpointSimulator, wecom: WeComSimulator, tmp_path: Path
):
    settings = towards(endpoint) | wecom.environment
    status, printed = await parley(tmp_path, settings, "wecom", "menu")
    assert status == 0, printed
    assert wecom.sending.menu
    status, printed = await parley(tmp_path, settings, "wecom")
    assert (status, "parley wecom menu" in printed) == (0, True)
    status, printed = await parley(tmp_path, settings, "wecom", "nonsense")
    assert status == 2
