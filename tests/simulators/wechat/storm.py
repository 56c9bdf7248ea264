"""A person who asks many things while processes die: what they asked, and what they saw."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.api import Incoming, ReplyPart, Text
from tests.simulators.wechat.account import Account
from tests.simulators.wechat.clock import Clock
from tests.simulators.wechat.delivering import DELIVERIES
from tests.simulators.wechat.people import Person, Shown, Told
from tests.simulators.wechat.replica import Hall, Replica
from tests.simulators.wechat.simulator import wechat_simulator

_MARK = re.compile(r"<[a-e]\.\d+>")


@dataclass(frozen=True, slots=True)
class Storm:
    """What came of it. `asked`: what came through to a process that lived; `heard`: what the core was asked."""

    seed: int
    asked: Sequence[str]
    shown: Sequence[Shown]
    heard: Sequence[str]

    @property
    def expected(self) -> list[str]:
        """Every mark of every answer."""
        parts = (question.split() for question in self.asked)
        return [f"<{name}.{n}>" for name, _, size in parts for n in range(int(size))]

    @property
    def seen(self) -> list[str]:
        """The marks that the person saw."""
        return [mark for one in self.shown for mark in _MARK.findall(one.value)]


def answer(message: Incoming) -> tuple[float, Sequence[ReplyPart]]:
    """`c 7 40`: an answer in seven seconds, whose forty paragraphs are marked `<c.0>` and so on."""
    if message.text == "1":  # there was nothing to fetch
        return 0.0, (Text("One."),)
    name, seconds, size = message.text.split()
    return float(seconds), (Text("\n\n".join(f"<{name}.{n}> {'words ' * 12}" for n in range(int(size)))),)


async def storm(seed: int, clock: Clock) -> Storm:
    """Whatever happens follows from `seed`, but for the order of what happens at the same time."""
    dice = random.Random(seed)  # noqa: S311 - for a test
    await clock.sleep(dice.uniform(0, 20))
    account = Account(rights=dice.random() < 0.5, mode=dice.choice(("plain", "secure")))
    async with wechat_simulator(account, clock=clock) as simulator:
        hall, count = Hall(answer), dice.choice((1, 2))
        replicas = [Replica(simulator, hall, works=number == count - 1) for number in range(count)]
        for replica in replicas:
            await replica.start()
        trouble = asyncio.create_task(_trouble(replicas, dice, clock))
        asked = [
            f"{name} {dice.choice((0, 1, 3, 4, 5, 8, 14, 25))} {dice.choice((1, 1, 20, 90, 300))}"
            for name in "abcde"
        ]
        ann = simulator.person("oAnn")
        talking: list[tuple[str, asyncio.Task[Told]]] = []
        fetching: list[tuple[str, asyncio.Task[Told]]] = []
        for question in asked:
            talking.append((question, asyncio.create_task(ann.says(question))))
            await clock.sleep(dice.choice((0.1, 2, 6, 20)))
            if dice.random() < 0.3:
                fetching.append(("1", asyncio.create_task(ann.says("1"))))
        await asyncio.gather(*(task for _, task in [*talking, *fetching]))
        await trouble
        await _rest(hall, ann, clock)
        for replica in replicas:
            await replica.stop()
        heard = tuple(message.text for message in hall.heard)
        reached = [text for text, task in talking if text in heard or not _unreached(task.result())]
        return Storm(seed, tuple(reached), tuple(ann.shown), heard)


async def storms(seeds: Iterable[int], clock: Clock) -> list[Storm]:
    """All at once, on one clock."""
    return list(await asyncio.gather(*(storm(seed, clock) for seed in seeds)))


def _unreached(told: Told) -> bool:
    """Whether nobody was there at any of the deliveries."""
    return len(told.faults) == DELIVERIES and all("Error" in fault for fault in told.faults)


async def _trouble(replicas: Sequence[Replica], dice: random.Random, clock: Clock) -> None:
    for _ in range(dice.choice((0, 1, 2, 3))):
        await clock.sleep(dice.uniform(0.5, 15))
        replica = dice.choice(replicas)
        await replica.kill()
        await clock.sleep(dice.uniform(0.2, 6))
        await replica.start()


async def _rest(hall: Hall, ann: Person, clock: Clock) -> None:
    """Fetch until nothing comes any more."""
    while any(hall.lanes.values()):
        await clock.sleep(1)
    await clock.sleep(75)  # whatever a dead process has begun is given up by now
    for _ in range(80):
        before = len(ann.shown)
        await ann.says("1")
        if "回复 1" not in "".join(one.value for one in ann.shown[before:]):
            return
