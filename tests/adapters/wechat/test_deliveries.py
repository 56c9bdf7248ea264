"""What a delivery carries: kept answers before the new one, the rest on call, and what was lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters.wechat.words import both
from bot.api import Choices, Incoming, MenuEntry, Option, ReplyPart, Text
from tests.adapters.wechat.conftest import Open
from tests.simulators.wechat import Account
from tests.simulators.wechat.replica import echo

THINKING = "还在思考，回复 1 获取 / still thinking, reply 1 to get it"
REST = "…（回复 1 继续看 / reply 1 for the rest）"
NO_RIGHTS = Account(rights=False)


def long(message: Incoming) -> tuple[float, Sequence[ReplyPart]]:
    """`0 9000`: an answer of some nine thousand bytes; a number of seconds alone is `echo`."""
    seconds, _, size = message.text.partition(" ")
    if not size.isdecimal():
        return echo(message)
    lines = (f"[{n:03}] {'x' * 90}" for n in range(int(size) // 100))
    return float(seconds), (Text("\n\n".join(lines)),)


def marks(texts: Sequence[str]) -> list[str]:
    return [piece[:3] for text in texts for piece in text.split("[")[1:]]


async def test_an_answer_that_is_kept_comes_with_the_next_question_which_is_answered_too(scene: Open) -> None:
    found = await scene(replace(NO_RIGHTS))
    await found.ann.says("17 tea")
    assert found.ann.texts == [THINKING]
    await found.wechat.clock.sleep(6)
    await found.ann.says("0 milk")
    assert found.ann.texts[1:] == ["All about tea.\n\nAll about milk."]


async def test_a_slow_question_gets_what_is_kept_at_once_and_its_own_answer_on_call(scene: Open) -> None:
    found = await scene(replace(NO_RIGHTS))
    await found.ann.says("17 tea")
    await found.wechat.clock.sleep(6)
    told = await found.ann.says("8 milk")
    assert told.deliveries == 1
    assert found.ann.texts[1:] == [f"All about tea.\n\n…（{THINKING}）"]
    await found.ann.says("1")
    assert found.ann.texts[2:] == ["All about milk."]
    assert [message.text for message in found.hall.heard] == ["17 tea", "8 milk"]


async def test_any_message_brings_along_what_is_kept(scene: Open) -> None:
    found = await scene(replace(NO_RIGHTS))
    await found.ann.says("17 tea")
    await found.wechat.clock.sleep(6)
    await found.ann.does("SCAN", "1")
    assert found.ann.texts[1].startswith("All about tea.\n\n您好")


async def test_a_long_answer_is_fetched_part_by_part_without_the_core(scene: Open) -> None:
    found = await scene(replace(NO_RIGHTS), long)
    await found.ann.says("0 7000")
    for _ in range(3):
        await found.ann.says("1")
    assert marks(found.ann.texts) == [f"{n:03}" for n in range(70)]
    assert [text.endswith(REST) for text in found.ann.texts] == [True, True, True, False]
    assert ["(1/4)" in found.ann.texts[0], "(4/4)" in found.ann.texts[3]] == [True, True]
    assert len(found.hall.heard) == 1


async def test_a_one_is_a_message_where_nothing_is_kept(scene: Open) -> None:
    found = await scene()
    await found.ann.says("1")
    assert [message.text for message in found.hall.heard] == ["1"]
    assert found.ann.texts == ["All about 1."]


async def test_where_customer_service_may_a_long_answer_comes_by_it_in_order(scene: Open) -> None:
    found = await scene(None, long)
    await found.ann.says("0 7000")
    await found.ann.until(4)
    assert {shown.way for shown in found.ann.shown} == {"service"}
    assert marks(found.ann.texts) == [f"{n:03}" for n in range(70)]


async def test_what_five_messages_cannot_hold_is_kept(scene: Open) -> None:
    found = await scene(None, long)
    await found.ann.says("0 12000")
    await found.ann.until(5)
    assert found.ann.texts[-1].endswith(REST)
    await found.wechat.clock.sleep(2)
    for _ in range(2):
        await found.ann.says("1")
    assert marks(found.ann.texts) == [f"{n:03}" for n in range(120)]
    assert len(found.hall.heard) == 1


async def test_meanwhile_the_person_sees_that_an_answer_is_being_typed(scene: Open) -> None:
    found = await scene()
    await found.ann.says("20 tea")
    assert found.ann.typed
    await found.ann.until(1)
    assert [(shown.value, shown.way) for shown in found.ann.shown] == [("All about tea.", "service")]


@pytest.mark.parametrize("account", [None, NO_RIGHTS])
async def test_who_waits_behind_their_own_message_is_told_once(scene: Open, account: Account | None) -> None:
    found = await scene(account and replace(account))
    await found.ann.says("60 tea")
    asked = [asyncio.create_task(found.ann.says(text)) for text in ("0 milk", "0 honey")]
    await asyncio.gather(*asked)
    waiting = [text for text in found.ann.texts if both("waits") in text]
    assert len(waiting) == (1 if account is None else 2)
    assert not any(both("waits") in shown.value for shown in found.ann.shown if shown.way == "service")


async def test_that_the_account_has_no_right_is_asked_once(scene: Open) -> None:
    found = await scene(replace(NO_RIGHTS))
    await found.ann.says("6 tea")
    await found.ann.says("20 milk")
    assert len(found.wechat.interface.called("custom/typing")) == 1
    assert found.wechat.interface.called("custom/send") == []


async def test_an_answer_that_wechat_does_not_take_is_kept_for_the_next_message(scene: Open) -> None:
    found = await scene()
    asking = asyncio.create_task(found.ann.says("20 tea"))
    await found.wechat.clock.sleep(16)
    found.ann.quota = 0
    await asking
    await found.wechat.clock.sleep(6)
    assert found.ann.texts == []
    await found.ann.says("0 milk")
    assert found.ann.texts == ["All about tea.\n\nAll about milk."]


async def test_a_response_that_did_not_arrive_is_carried_by_the_next_delivery(scene: Open) -> None:
    found = await scene(replace(NO_RIGHTS))
    lost = asyncio.create_task(found.ann.says("4 tea", id=5))
    await found.wechat.clock.sleep(2)
    lost.cancel()
    await asyncio.wait([lost])
    await found.wechat.clock.sleep(3)
    await found.ann.says("4 tea", id=5)
    assert found.ann.texts == ["All about tea."]
    assert len(found.hall.heard) == 1


def choosing(message: Incoming) -> tuple[float, Sequence[ReplyPart]]:
    if message.text != "0 roles":
        return echo(message)
    return 0.0, (Choices("Which one?", (Option("Poet", "/role poet"), Option("Cook", "/role cook"))),)


async def test_a_number_takes_a_line_of_the_list(scene: Open) -> None:
    found = await scene(None, choosing)
    await found.ann.says("0 roles")
    assert found.ann.texts == ["Which one?\n\n1. Poet\n2. Cook\n\n请回复数字选择。"]
    await found.ann.says("1")
    await found.ann.says("２")
    assert [(m.text, m.addressed) for m in found.hall.heard[1:]] == [
        ("/role poet", "command"),
        ("/role cook", "command"),
    ]


async def test_a_one_fetches_what_is_newer_than_the_list(scene: Open) -> None:
    found = await scene(replace(NO_RIGHTS), choosing)
    await found.ann.says("0 roles")
    await found.ann.says("17 tea")
    await found.ann.says("1")
    assert found.ann.texts[-1] == "All about tea."
    assert [message.text for message in found.hall.heard] == ["0 roles", "17 tea"]


async def test_commands_are_written_without_a_slash(scene: Open) -> None:
    found = await scene()
    found.replica.official.know([MenuEntry("new", {"en": "…"}, ("reset", "新对话"))])
    for text in ("新对话", "＃reset", "/new"):
        await found.ann.says(text)
    assert [(m.text, m.addressed) for m in found.hall.heard] == [("/new", "command")] * 3
