"""The table of `table`, made with the real bot in real processes on a real Valkey, in real seconds.

`python -m tests.simulators.wechat.processes` prints it within three minutes; the answers' times end with the longest.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import Server, binary
from tests.process import Bot
from tests.simulators.endpoint import Answer, Call, endpoint_simulator, say
from tests.simulators.wechat.account import Account
from tests.simulators.wechat.clock import Clock
from tests.simulators.wechat.simulator import WeChatSimulator, wechat_simulator
from tests.simulators.wechat.table import SECONDS
from tests.whole.conftest import towards

KILLED = 5.5
"""Seconds after which the first process is killed, in the setups with a restart."""

SETUPS = [(True, 1, False), (False, 1, False), (True, 2, False), (False, 2, False), (True, 2, True)]
SETUPS.append((False, 1, True))


def _slow(call: Call) -> Answer:
    seconds = float(call.text.split()[0])
    return say(["All about ", "tea."], delay=seconds / 2)(call)


async def _ask(wechat: WeChatSimulator, seconds: int) -> str:
    """Ask, and call for the answer while WeChat says that it is kept; what came, as cells of the table."""
    person, began = wechat.person(f"o{seconds}"), wechat.clock.time()
    await person.says(f"{seconds} tea")
    while not any("tea." in text for text in person.texts):
        if person.shown and ("1" in person.shown[-1].value or person.shown[-1].kind == "error"):
            await person.says("1")
        await wechat.clock.sleep(1)
    await wechat.clock.sleep(20)  # whatever else were to come
    seen = [one for one in person.shown if "tea." in one.value]
    return f"{seconds} s | {len(seen)}× | {seen[0].way} | {seen[0].at - began:.1f} s"


async def _setup(rights: bool, replicas: int, restart: bool, seconds: Sequence[int]) -> list[str]:
    server, bots = Server(binary("valkey"), durable=True), []
    server.start()
    clock = Clock(1.0, outside=True)
    async with (
        wechat_simulator(Account(rights=rights, mode="secure"), clock=clock) as wechat,
        endpoint_simulator() as endpoint,
    ):
        endpoint.reply = _slow
        shared = {"ALLOWED": "wechat:*", "LEASE": "3s", "REDIS_URL": server.url}
        try:
            for _ in range(replicas):
                bots.append(Bot(Path(tempfile.mkdtemp()), towards(endpoint) | wechat.settings() | shared))
                await bots[-1].start()
                wechat.deliveries.callbacks.append(f"{bots[-1].url}/wechat")
            asking = [asyncio.create_task(_ask(wechat, each)) for each in seconds]
            if restart:
                await clock.sleep(KILLED)
                await bots[0].kill()
                await bots[0].start()
            found = await asyncio.gather(*asking)
        finally:
            for bot in bots:
                await bot.remove()
            server.remove()
    words = ("yes" if rights else "no", str(replicas), "yes" if restart else "no")
    return [f"| {' | '.join(words)} | {cells} |" for cells in found]


async def _table(seconds: Sequence[int]) -> list[str]:
    found = await asyncio.gather(*(_setup(*setup, seconds) for setup in SETUPS))
    return [line for lines in found for line in lines]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="tests.simulators.wechat.processes", description=__doc__)
    parser.add_argument("--seconds", type=int, nargs="*", default=SECONDS, help="what the answers take")
    given = parser.parse_args(arguments)
    head = ["| customer service | replicas | restart | answer takes | seen | how | after |"]
    head.append("|---|---|---|---|---|---|---|")
    sys.stdout.write("\n".join([*head, *asyncio.run(_table(given.seconds))]) + "\n")


if __name__ == "__main__":
    main()
