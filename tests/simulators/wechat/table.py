"""How answers of every length reach the person: with and without rights, in one and two replicas, with a restart.

`python -m tests.simulators.wechat.table` prints the table; the tests assert each of its lines.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.api import Store
from tests.adapters.memory_store import MemoryStore
from tests.simulators.wechat.account import Account
from tests.simulators.wechat.clock import Clock
from tests.simulators.wechat.people import Person, Shown
from tests.simulators.wechat.replica import Hall, Replica
from tests.simulators.wechat.simulator import wechat_simulator

SECONDS = (1, 4, 6, 9, 14, 30, 120)
RESTARTING = 1.5
"""Seconds that a replica is away when it is started again."""

_CALLS = 60  # times that a person asks for what is kept, before they give up


@dataclass(frozen=True, slots=True)
class Case:
    """One run. `restart`: the process that answers is killed half-way, and starts again."""

    seconds: int
    rights: bool
    replicas: int
    restart: bool

    def __str__(self) -> str:
        rights = "rights" if self.rights else "none"
        return f"{self.seconds}s-{rights}-{self.replicas}{'-restart' if self.restart else ''}"


CASES = [Case(*values) for values in itertools.product(SECONDS, (True, False), (1, 2), (False, True))]


@dataclass(frozen=True, slots=True)
class Run:
    """What a person saw. `heard`: what the core was asked; `began`: when the person had written."""

    case: Case
    shown: Sequence[Shown]
    heard: Sequence[str]
    began: float

    @property
    def times(self) -> int:
        """How often the answer was seen."""
        return sum(one.value.count("All about tea.") for one in self.shown)

    @property
    def way(self) -> str:
        """How it came."""
        return next((one.way for one in self.shown if "All about tea." in one.value), "never")

    @property
    def at(self) -> float:
        """After how many seconds."""
        return next((one.at - self.began for one in self.shown if "All about tea." in one.value), 0.0)

    @property
    def before(self) -> list[str]:
        """What else was seen."""
        return [one.value for one in self.shown if "All about tea." not in one.value]


async def run(case: Case, clock: Clock, store: Store | None = None) -> Run:
    """Ask once, and do what the bubbles say until the answer is there. `store`: the drawer, if not in memory."""
    async with wechat_simulator(Account(rights=case.rights), clock=clock) as simulator:
        hall = Hall(store=store or MemoryStore())
        replicas = [
            Replica(simulator, hall, works=number == case.replicas - 1) for number in range(case.replicas)
        ]
        for replica in replicas:
            await replica.start()
        ann = simulator.person("oAnn")
        began = clock.time()
        restarting = asyncio.create_task(_restart(case, replicas[-1], clock))
        try:
            await ann.says(f"{case.seconds} tea")
            await _fetch(ann, clock)
            await restarting
            await clock.sleep(5)  # whatever else were to come
        finally:
            restarting.cancel()
            await asyncio.gather(restarting, return_exceptions=True)
            for replica in replicas:
                await replica.stop()
        return Run(case, tuple(ann.shown), tuple(message.text for message in hall.heard), began)


async def _restart(case: Case, replica: Replica, clock: Clock) -> None:
    if case.restart:
        await clock.sleep(case.seconds / 2)
        await replica.kill()
        await clock.sleep(RESTARTING)
        await replica.start()


async def _fetch(person: Person, clock: Clock) -> None:
    """Ask for the answer while WeChat has said that it is kept, or nothing at all."""
    for _ in range(_CALLS):
        if any("All about tea." in text for text in person.texts):
            return
        told = (person.shown and "1" in person.shown[-1].value) or (
            person.shown and person.shown[-1].kind == "error"
        )
        if told:
            await person.says("1")
        await clock.sleep(5)


async def runs(cases: Iterable[Case], scale: float) -> list[Run]:
    """All at once, on one clock."""
    clock = Clock(scale)
    return list(await asyncio.gather(*(run(case, clock) for case in cases)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="tests.simulators.wechat.table", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.05, help="real seconds for one of WeChat's")
    given = parser.parse_args(arguments)
    lines = ["| answer takes | customer service | replicas | restart | seen | how | after | before it |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for one in asyncio.run(runs(CASES, given.scale)):
        case = one.case
        cells = (
            f"{case.seconds} s",
            "yes" if case.rights else "no",
            case.replicas,
            "yes" if case.restart else "no",
            f"{one.times}×",
            one.way,
            f"{one.at:.0f} s",
            "; ".join(f"{count}× {text}" for text, count in Counter(one.before).items()),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
