"""Many conversations at once: answers a second, CPU and Redis commands an answer, and how long the loop blocks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from redis.asyncio import Redis

from bot.embedded import attach
from tests.bench.rig import Figure, Page, cpu, pages, program, quantile, told
from tests.bench.speaker import SLOWLY
from tests.process import Bot

AT_ONCE = "Tell me something."
PACED = f"Tell me something {SLOWLY}."
MESSAGES = 3  # of each conversation

# A hundred people at a pace take all of one core, and then an answer costs what there is: pieces that wait are
# joined. What an answer costs by itself shows with fewer.
_LOADS = (("100 at once", AT_ONCE, 100, 3), ("100 paced", PACED, 100, 1), ("40 paced", PACED, 40, 1))
_STREAMS = 20  # answers under way while the loop is watched


@dataclass(frozen=True, slots=True)
class Spent:
    """What some answers took; seconds of CPU by process."""

    answers: int
    seconds: float
    program: float
    store: float
    commands: float = 0


@asynccontextmanager
async def speaker(folder: Path) -> AsyncIterator[str]:
    """The base URL of an endpoint in a process of its own."""
    async with program(folder, "-m", "tests.bench.speaker") as process:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()


@asynccontextmanager
async def store(running: Bot) -> AsyncIterator[Redis]:
    """A client of the bot's own Valkey."""
    redis = Redis.from_url(await address(running), decode_responses=True)
    try:
        yield redis
    finally:
        await redis.aclose()


async def address(running: Bot) -> str:
    """The URL of the bot's own Valkey."""
    url = await attach(running.folder / "data")
    assert url is not None
    return url


async def converse(page: Page, messages: int, text: str) -> None:
    """One message after the other, each when the one before is answered."""
    for _ in range(messages):
        await page.ask(text)
        await page.heard("end")


async def load(running: Bot, text: str, conversations: int, messages: int) -> Spent:
    """All conversations at once."""
    assert running.process is not None
    async with store(running) as redis, pages(running.url, conversations) as opened:
        await converse(opened[0], 1, AT_ONCE)
        bot, valkey, commands = cpu(running.process.pid), cpu(running.store_pid()), await calls(redis)
        began = perf_counter()
        async with asyncio.TaskGroup() as group:
            for page in opened:
                group.create_task(converse(page, messages, text))
        return Spent(
            answers=conversations * messages,
            seconds=perf_counter() - began,
            program=cpu(running.process.pid) - bot,
            store=cpu(running.store_pid()) - valkey,
            commands=await calls(redis) - commands,
        )


async def least(running: Bot, speaking: str, text: str, conversations: int, messages: int) -> Spent:
    """The same by the floor program, on the same Valkey."""
    valkey = cpu(running.store_pid())
    arguments = (speaking, await address(running), str(conversations), str(messages), text)
    found = await told(running.folder, "-m", "tests.bench.floor", *arguments)
    used = cpu(running.store_pid()) - valkey
    return Spent(conversations * messages, found["seconds"], found["cpu"], used)


async def calls(redis: Redis) -> float:
    """How many commands Redis has carried out, those inside of scripts included."""
    stats = await redis.info("commandstats")
    return float(sum(one["calls"] for one in stats.values()))


async def throughput(running: Bot, speaking: str) -> list[Figure]:
    """Speed and price of answers, beside the floor program's, which takes turns with the bot."""
    figures = []
    for how, text, people, times in _LOADS:
        ours, floor = [], []
        for _ in range(times):
            ours.append(await load(running, text, people, MESSAGES))
            floor.append(await least(running, speaking, text, people, MESSAGES))
        for name, unit, of in _COMPARED:
            figures.append(Figure(f"{name}, {how}", median(map(of, ours)), unit, median(map(of, floor))))
        commands = median(spent.commands / spent.answers for spent in ours)
        figures.append(Figure(f"Redis in all, {how}", commands, "an answer"))
    return figures


def per(spent: Spent, seconds: float) -> float:
    """Milliseconds an answer."""
    return 1000 * seconds / spent.answers


_COMPARED: tuple[tuple[str, str, Callable[[Spent], float]], ...] = (
    ("answers", "/s", lambda spent: spent.answers / spent.seconds),
    ("CPU an answer", "ms", lambda spent: per(spent, spent.program)),
    ("Valkey's CPU", "ms", lambda spent: per(spent, spent.store)),
)


async def blocks(running: Bot, streams: int = _STREAMS, rounds: int = 2) -> list[Figure]:
    """How long `/healthz` waits at the worst while answers stream, beside an idle bot's."""
    pulse = ("-m", "tests.bench.pulse", running.url.removeprefix("http://"))
    idle = (await told(running.folder, *pulse, "1"))["waits"]
    async with pages(running.url, streams) as opened:
        speaking = asyncio.gather(*(converse(page, rounds, PACED) for page in opened))
        busy = (await told(running.folder, *pulse, str(2 * rounds)))["waits"]
        await speaking
    return [
        Figure("event loop, 99 %", quantile(busy, 0.99) * 1000, "ms", quantile(idle, 0.99) * 1000),
        Figure("event loop, longest", max(busy) * 1000, "ms", max(idle) * 1000),
    ]


# --- what a message asks of Redis ---------------------------------------------------------------------------

PURPOSES = ("queue", "dialogue", "feed", "other")


async def sent(running: Bot, messages: int = 20) -> list[Figure]:
    """What a short exchange sends to Redis, by what it is for; a script is one command, whatever it does."""
    found: Counter[str] = Counter()
    async with store(running) as redis, pages(running.url, 1) as (page,):
        await converse(page, 1, AT_ONCE)
        async with redis.monitor() as monitor:

            async def watch() -> None:
                while True:
                    seen = await monitor.next_command()
                    if seen["client_type"] != "lua":
                        found[purpose(seen["command"])] += 1

            watching = asyncio.create_task(watch())
            await converse(page, messages, AT_ONCE)
            await redis.ping()
            watching.cancel()
            await asyncio.wait({watching})
    return [Figure(f"Redis, {what}", found[what] / messages, "a message") for what in PURPOSES]


def purpose(command: str) -> str:
    """What a command is for, by the keys in it."""
    if "{inbox}" in command:
        return "queue"
    if ":store:" in command:
        return "feed"
    return "dialogue" if any(f"parley:{k}" in command for k in ("window", "asked", "profile")) else "other"
