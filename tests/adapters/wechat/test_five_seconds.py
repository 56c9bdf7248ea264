"""WeChat's five seconds: however long an answer takes, it reaches the person exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter

from redis.asyncio import Redis

from bot.keys import Keys
from bot.store import Feeds, RedisStore
from tests.simulators.wechat.clock import Clock
from tests.simulators.wechat.storm import Storm, storms
from tests.simulators.wechat.table import CASES, Run, run, runs


def wrong(found: Run) -> list[str]:
    """What a person would complain about."""
    faults = []
    if found.times != 1:
        faults.append(f"{found.case}: the answer was seen {found.times} times")
    if len(found.heard) != 1:
        faults.append(f"{found.case}: the core was asked {found.heard}")
    return faults if found.case.restart else faults + _uncomfortable(found)


def _uncomfortable(found: Run) -> list[str]:
    """What they need not bear where no process dies."""
    faults = []
    if any(one.kind == "error" for one in found.shown):
        faults.append(f"{found.case}: WeChat showed an error")
    if found.case.rights and any("回复 1" in text for text in found.before):
        faults.append(f"{found.case}: the person had to ask for it")
    if found.case.seconds <= 9 and found.way != "passive":
        faults.append(f"{found.case}: it cost a message of customer service")
    return faults


async def test_an_answer_of_any_length_reaches_the_person_once_with_any_rights_replicas_and_restarts() -> (
    None
):
    assert [fault for found in await runs(CASES, 0.03) for fault in wrong(found)] == []


async def test_the_same_holds_where_the_outbox_is_in_redis(redis: Redis, prefix: str) -> None:
    feeds, clock = Feeds(redis), Clock(0.08)
    cases = [case for case in CASES if case.replicas == 2 and case.seconds in (4, 9, 30)]
    drawers = [RedisStore(redis, Keys(f"{prefix}{case}:"), "wechat", feeds) for case in cases]
    try:
        found = await asyncio.gather(
            *(run(case, clock, drawer) for case, drawer in zip(cases, drawers, strict=True))
        )
    finally:
        await feeds.close()
    # Redis may be slower than a clock like this allows for: only what must hold at any speed is asked here.
    assert [(one.case, one.times, len(one.heard)) for one in found] == [(case, 1, 1) for case in cases]


def amiss(found: Storm) -> list[str]:
    seen = Counter(found.seen)
    faults = [f"{found.seed}: {mark} seen {seen[mark]} times" for mark in found.expected if seen[mark] != 1]
    return faults + [f"{found.seed}: {text!r} was not heard" for text in set(found.asked) - set(found.heard)]


async def test_many_questions_and_calls_for_more_amid_dying_processes_are_each_answered_once() -> None:
    assert [fault for found in await storms(range(12), Clock(0.03)) for fault in amiss(found)] == []
