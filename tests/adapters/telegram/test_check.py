"""What `parley check` finds out about Telegram, on the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from adapters.telegram.check import checked
from adapters.telegram.client import Client
from bot.api import Finding
from tests.adapters.telegram.running import made
from tests.simulators.endpoint import refused_port
from tests.simulators.telegram import TelegramSimulator, telegram_simulator

WRONG = "7000000001:AAanother-token-that-nobody-has-been-given"


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


async def found(telegram: TelegramSimulator, **environment: str) -> list[Finding]:
    """What the adapter itself says; nothing is changed at Telegram for it."""
    adapter = made(telegram, **environment).adapter
    try:
        return list(await adapter.check())
    finally:
        await adapter.close()
        assert set(telegram.counts) <= {"getMe"}


async def test_all_is_well(telegram: TelegramSimulator) -> None:
    (finding,) = await found(telegram)
    assert (finding.name, finding.ok) == ("TELEGRAM_BOT_TOKEN", True)
    assert "@parley_bot" in finding.detail


async def test_a_token_that_telegram_refuses_is_named_with_its_remedy_and_not_shown(
    telegram: TelegramSimulator,
) -> None:
    (finding,) = await found(telegram, TELEGRAM_BOT_TOKEN=WRONG)
    assert (finding.name, finding.ok) == ("TELEGRAM_BOT_TOKEN", False)
    assert "@BotFather" in finding.remedy
    assert WRONG not in str(finding)


async def test_a_server_that_is_away_is_named_without_the_token(telegram: TelegramSimulator) -> None:
    away = f"http://127.0.0.1:{refused_port()}"
    (finding,) = await found(telegram, TELEGRAM_API_BASE_URL=away)
    assert (finding.name, finding.ok) == ("TELEGRAM_API_BASE_URL", False)
    assert telegram.token not in str(finding)


async def test_a_page_in_the_place_of_the_server_is_no_answer(telegram: TelegramSimulator) -> None:
    telegram.fail("getMe", body=b"<html>Bad Gateway</html>", error_code=502)
    (finding,) = await found(telegram)
    assert (finding.name, finding.ok) == ("TELEGRAM_API_BASE_URL", False)


async def test_a_server_that_never_answers_is_waited_for_in_bounds(telegram: TelegramSimulator) -> None:
    telegram.hang("getMe", asyncio.Event())
    adapter, client = made(telegram).adapter, Client(telegram.token, telegram.base_url)
    began = monotonic()
    (finding,) = await checked(client, adapter.credentials, patience=0.05)
    assert monotonic() - began < 30
    assert (finding.name, finding.ok) == ("TELEGRAM_API_BASE_URL", False)
    assert "0.05 seconds" in finding.detail
    await client.close_connections()
    await adapter.close()


@pytest.mark.parametrize("allowed", [True, False])
async def test_inline_mode_has_to_be_allowed_at_telegram_too(
    telegram: TelegramSimulator, *, allowed: bool
) -> None:
    telegram.inline = allowed
    findings = await found(telegram, TELEGRAM_INLINE="on")
    assert [f.name for f in findings if not f.ok] == ([] if allowed else ["TELEGRAM_INLINE"])
    assert all("/setinline" in f.remedy for f in findings if not f.ok)
    telegram.counts.clear()
    assert all(f.ok for f in await found(telegram))
