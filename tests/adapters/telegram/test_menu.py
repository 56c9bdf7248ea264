"""The command menu and the description on the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.telegram.client import Client
from adapters.telegram.menu import Menu
from bot.api import MenuEntry
from tests.adapters.memory_store import MemoryStore
from tests.adapters.telegram.running import Time, made, running
from tests.simulators.telegram import TelegramSimulator, telegram_simulator

COMMANDS = [
    MenuEntry("help", {"en": "What I can do", "zh-Hans": "我会做什么", "zh-Hant": "我會做什麼"}),
    MenuEntry("new", {"en": "Begin anew"}),
]
SCOPES = ("all_private_chats", "all_group_chats")


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
async def client(telegram: TelegramSimulator) -> AsyncIterator[Client]:
    client = Client(telegram.token, telegram.base_url)
    yield client
    await client.close_connections()


async def test_commands_are_listed_in_private_and_groups_in_both_languages(
    telegram: TelegramSimulator, client: Client
) -> None:
    await Menu(client, MemoryStore()).publish(COMMANDS)
    for scope in SCOPES:
        assert telegram.commands[scope, ""] == [
            {"command": "help", "description": "What I can do"},
            {"command": "new", "description": "Begin anew"},
        ]
        assert telegram.commands[scope, "zh"] == [
            {"command": "help", "description": "我会做什么"},
            {"command": "new", "description": "Begin anew"},
        ]


async def test_what_has_not_changed_is_not_published_again(
    telegram: TelegramSimulator, client: Client
) -> None:
    store = MemoryStore()
    await Menu(client, store).publish(COMMANDS)
    calls = len(telegram.calls)
    await Menu(client, store).publish(COMMANDS)
    assert len(telegram.calls) == calls
    await Menu(client, store).publish(COMMANDS[:1])
    assert len(telegram.commands[SCOPES[0], "zh"]) == 1


async def test_what_telegram_cannot_list_is_left_out_or_cut(
    telegram: TelegramSimulator, client: Client
) -> None:
    entries = [
        MenuEntry("新对话", {"en": "x"}),
        MenuEntry("Loud", {"en": "x"}),
        MenuEntry("long", {"en": "word " * 100}),
        *(MenuEntry(f"c{number}", {"en": ""}) for number in range(120)),
    ]
    await Menu(client, MemoryStore()).publish(entries)
    listed = telegram.commands[SCOPES[0], ""]
    assert len(listed) == 100
    assert listed[0]["command"] == "long"
    assert len(listed[0]["description"]) == 256


async def test_a_bot_without_a_description_gets_one_in_both_languages(
    telegram: TelegramSimulator, client: Client
) -> None:
    await Menu(client, MemoryStore()).publish(COMMANDS)
    assert "language model" in telegram.descriptions["description", ""]
    assert "语言模型" in telegram.descriptions["description", "zh"]
    assert telegram.descriptions["short_description", ""]


async def test_a_description_that_the_operator_wrote_stays(
    telegram: TelegramSimulator, client: Client
) -> None:
    telegram.descriptions["description", ""] = "Mine."
    await Menu(client, MemoryStore()).publish(COMMANDS)
    assert telegram.descriptions["description", ""] == "Mine."
    assert ("description", "zh") not in telegram.descriptions


async def test_a_passing_fault_is_tried_again(telegram: TelegramSimulator, client: Client) -> None:
    telegram.fail("setMyCommands", 2)
    await Menu(client, MemoryStore(), sleep=Time(auto=20).sleep).publish(COMMANDS)
    assert len(telegram.commands) == 4


@pytest.mark.parametrize(("code", "times"), [(400, 1), (500, 100)])
async def test_a_menu_that_cannot_be_published_is_a_line_in_the_log(
    telegram: TelegramSimulator, client: Client, code: int, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    telegram.fail("setMyCommands", times, code, "no")
    await Menu(client, MemoryStore(), sleep=Time(auto=100).sleep).publish(COMMANDS)
    assert sum("the menu is not published" in r.getMessage() for r in caplog.records) == 1


async def test_a_store_that_is_away_is_no_reason_to_stop(
    telegram: TelegramSimulator, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    await store.go()
    await Menu(client, store, sleep=Time(auto=100).sleep).publish(COMMANDS)
    assert "the menu is not published" in caplog.text


async def test_whoever_receives_publishes(telegram: TelegramSimulator) -> None:
    worker = made(telegram)
    await worker.adapter.menu(COMMANDS)
    await worker.adapter.close()
    assert telegram.commands == {}
    receiver = made(telegram)
    await receiver.adapter.menu(COMMANDS)
    await receiver.adapter.close()
    async with running(telegram) as bot:
        await bot.adapter.menu(COMMANDS)
        await telegram.until(lambda: len(telegram.commands) == 4)
