"""WeCom's smart bot, the whole way: a person, WeCom's two kinds of interface, the bot as a process, and the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.process import Bot, bot
from tests.simulators.endpoint import EndpointSimulator, say
from tests.simulators.wecom_bot import (
    Clock,
    SocketSimulator,
    WebhookSimulator,
    socket_simulator,
    webhook_simulator,
)
from tests.whole.conftest import towards


@pytest.fixture
async def socket() -> AsyncIterator[SocketSimulator]:
    async with socket_simulator(Clock(1.0)) as simulator:
        yield simulator


@pytest.fixture
async def webhook() -> AsyncIterator[WebhookSimulator]:
    async with webhook_simulator(Clock(1.0)) as simulator:
        yield simulator


def settings(
    endpoint: EndpointSimulator, wecom: SocketSimulator | WebhookSimulator, **more: str
) -> dict[str, str]:
    return towards(endpoint) | wecom.environment | {"ALLOWED": "wecom:*", **more}


def heard(endpoint: EndpointSimulator) -> list[str]:
    """What the person said, as the last request has it."""
    return [m["content"] for m in endpoint.requests[-1].body["messages"] if m["role"] == "user"]


async def test_a_conversation_by_the_long_connection_streams_and_remembers(
    tmp_path: Path, endpoint: EndpointSimulator, socket: SocketSimulator
):
    async with bot(tmp_path, **settings(endpoint, socket)) as running:
        await socket.connected()
        gate, begun = asyncio.Event(), asyncio.Event()
        begun.set()
        endpoint.script(say(["The first words of the answer, ", "and **the rest**."], gates=[begun, gate]))
        first = await socket.says("ann", "My name is Ann.")
        await socket.until(lambda: "first words" in first.shown)
        assert not first.finished
        gate.set()
        await socket.until(lambda: first.finished)
        assert first.shown == "The first words of the answer, and **the rest**."
        second = await socket.says("ann", "What is my name?")
        await socket.until(lambda: second.finished)
        assert heard(endpoint) == ["My name is Ann.", "What is my name?"]
        command = await socket.says("ann", "帮助")
        await socket.until(lambda: command.finished)
        assert "/new" in command.shown
        assert len(endpoint.requests) == 2
        assert socket.secret not in running.log


async def test_a_conversation_by_the_callback_streams_and_remembers(
    tmp_path: Path, endpoint: EndpointSimulator, webhook: WebhookSimulator
):
    async with bot(tmp_path, **settings(endpoint, webhook)) as running:
        webhook.deliver_to(f"{running.url}/wecom/bot")
        assert await webhook.verify() == (200, b"4735648")
        gate, begun = asyncio.Event(), asyncio.Event()
        begun.set()
        endpoint.script(say(["The first words of the answer, ", "and the rest."], gates=[begun, gate]))
        first = await webhook.says("ann", "@助手 My name is Ann.", group="team")
        await webhook.until(lambda: "first words" in first.shown)
        gate.set()
        await webhook.until(lambda: first.finished)
        assert first.shown == "The first words of the answer, and the rest."
        second = await webhook.says("ann", "@助手 What is my name?", group="team")
        await webhook.until(lambda: second.finished)
        assert heard(endpoint) == ["My name is Ann.", "What is my name?"]
        assert webhook.token not in running.log


async def test_messages_that_follow_one_another_quickly_have_one_answer_and_no_open_stream(
    tmp_path: Path, endpoint: EndpointSimulator, socket: SocketSimulator
):
    async with bot(tmp_path, **settings(endpoint, socket, BURST="5s")):
        await socket.connected()
        begun, gate = asyncio.Event(), asyncio.Event()
        begun.set()
        endpoint.script(say(["One", " moment"], gates=[begun, gate]))
        first = await socket.says("ann", "Wait")
        await socket.until(lambda: first.shown == "One")
        second = await socket.says("ann", "I mean")
        third = await socket.says("ann", "this")
        await socket.until(lambda: second.texts and third.texts)  # the bot has them
        gate.set()
        await socket.until(lambda: second.finished and third.finished)
        assert "一并回答" in third.shown
        assert len(endpoint.requests) == 2


async def test_a_kill_between_acceptance_and_answer_leaves_exactly_one_answer(
    tmp_path: Path, endpoint: EndpointSimulator, socket: SocketSimulator
):
    endpoint.reply = lambda call: say(
        [f"Answer to {call.text}: ", *(f"{n} " for n in range(40)), "end"], delay=0.02
    )(call)
    async with bot(tmp_path, **settings(endpoint, socket)) as made:
        for number in range(3):
            await socket.connected(number + 1)
            exchange = await socket.says("ann", f"question {number}")
            await socket.until(lambda exchange=exchange: bool(exchange.shown))
            await made.kill()
            await made.start(ready=False)
            await socket.until(lambda exchange=exchange: exchange.finished, 40)
            full = f"Answer to question {number}: " + "".join(f"{i} " for i in range(40)) + "end"
            assert exchange.shown == full
    assert socket.chat("ann").said == []


async def test_a_kill_is_not_noticed_by_who_waits_for_the_callback(
    tmp_path: Path, endpoint: EndpointSimulator, webhook: WebhookSimulator
):
    endpoint.reply = lambda call: say(
        [f"Answer to {call.text}: ", *(f"{n} " for n in range(40)), "end"], delay=0.05
    )(call)
    async with bot(tmp_path, **settings(endpoint, webhook)) as made:
        webhook.deliver_to(f"{made.url}/wecom/bot")
        exchange = await webhook.says("ann", "question")
        await webhook.until(lambda: bool(exchange.shown))
        await made.kill()
        await made.start(ready=False)
        await webhook.until(lambda: exchange.finished, 40)
        assert exchange.shown == "Answer to question: " + "".join(f"{i} " for i in range(40)) + "end"
    assert webhook.chat("ann").said == []


async def test_two_replicas_share_the_one_connection_and_answer_each_message_once(
    tmp_path: Path, endpoint: EndpointSimulator, socket: SocketSimulator, redis_url: str, prefix: str
):
    shared = settings(endpoint, socket, REDIS_URL=redis_url, REDIS_PREFIX=prefix, BURST="0s", LEASE="10s")
    replicas = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        replicas.append(Bot(tmp_path / name, shared))
    try:
        for replica in replicas:  # the first one to start is connected
            await replica.start()
        await socket.connected()
        for number in range(6):
            if number == 4:
                await replicas[0].kill()
                await socket.until(lambda: socket.connection is None)
                await socket.connected(2)
            exchange = await socket.says("ann", f"question {number}")
            await socket.until(lambda exchange=exchange: exchange.finished, 40)
            assert exchange.shown == f"question {number}"
        assert len(endpoint.requests) == 6
        assert socket.chat("ann").said == []
        assert not any("bot_kicked" in replica.log for replica in replicas)
    finally:
        for replica in replicas:
            await replica.remove()
