"""The benchmark still measures what it says it measures."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.bench import first_word, telegram
from tests.bench.__main__ import line, status, towards
from tests.bench.load import speaker
from tests.bench.rig import Figure, quantile
from tests.process import bot
from tests.simulators.endpoint import endpoint_simulator


async def test_every_first_word_is_timed_from_the_endpoint_to_the_page(tmp_path: Path) -> None:
    async with endpoint_simulator() as endpoint, bot(tmp_path, **towards(endpoint.base_url)) as running:
        waits = await first_word.waits(running.url, endpoint, 4, people=2)
        least = await first_word.floor(endpoint, 4)
        assert len(waits) == len(least) == 4
        assert min(waits + least) > 0
        middle, late = await first_word.measure(running.url, endpoint, 3)
        assert (middle.name, late.name) == ("first word, median", "first word, 95 %")
        assert late.promise == 50
        assert middle.ratio is not None


async def test_telegram_sees_of_the_floor_what_it_sees_of_the_bot(tmp_path: Path) -> None:
    async with (
        speaker(tmp_path) as endpoint,
        telegram.sides(tmp_path, endpoint) as (ours, floor),
    ):
        for talks, showing in (
            (telegram.Side.privately, {"sendMessageDraft", "sendMessage"}),
            (telegram.Side.in_groups, {"sendMessage", "editMessageText"}),
        ):
            for side in (ours, floor):
                side.telegram.calls.clear()
            spent = await asyncio.gather(*(telegram.load(s, talks(s, 1), 1) for s in (ours, floor)))
            for side, cost in zip((ours, floor), spent, strict=True):
                assert {call.method for call in side.telegram.calls} >= showing | {"sendChatAction"}
                assert cost.cpu > 0
                assert cost.calls >= 3
                assert cost.peak > 10_000_000
                assert side.telegram.refused() == []


def test_a_promise_is_broken_by_more_than_was_promised_and_by_nothing_at_all() -> None:
    assert not Figure("wait", 50, "ms", promise=50).broken
    assert Figure("wait", 50.1, "ms", promise=50).broken
    assert Figure("wait", float("nan"), "ms", promise=50).broken
    assert not Figure("wait", 1e9, "ms").broken
    assert status([Figure("memory", 80, "MB", promise=90), Figure("wait", 50.1, "ms", promise=50)]) == 1
    assert status([Figure("memory", 80, "MB", promise=90), Figure("wait", 1e9, "ms")]) == 0
    assert "BROKEN" in line(Figure("wait", 51, "ms", 3, promise=50))


def test_a_percentile_is_one_of_the_values() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(list(range(1, 101)), 0.95) == 95
    assert quantile([7], 0.99) == 7
