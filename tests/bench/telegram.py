"""Telegram: CPU a message, the wait for the first draft, and memory, beside the least program's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.bench.first_word import Clocked
from tests.bench.load import AT_ONCE, PACED, speaker
from tests.bench.rig import MB, Figure, cpu, memory, program, quantile, resident
from tests.process import bot
from tests.simulators.endpoint import KEY, endpoint_simulator
from tests.simulators.telegram import Chat, Person, TelegramSimulator, telegram_simulator

_CHATS = 40  # at once
_MESSAGES = 3  # in each private chat; two in each group, to save time
PROMISE = 3.0
"""How many times the floor's CPU a message may take."""

_TIMEOUT = 60.0
_NO_ANSWER = ("getUpdates", "getMe", "getWebhookInfo", "setMyCommands", "deleteMyCommands")

Talk = tuple[Person, Chat, str]
"""Who speaks where, and how the bot is called there."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared: a process, and a Telegram of its own, which nobody else polls."""

    pid: int
    telegram: TelegramSimulator

    def privately(self, count: int = _CHATS) -> list[Talk]:
        """So many people, each in the private chat."""
        people = [self.telegram.person(1000 + n, f"P{n}") for n in range(count)]
        return [(person, self.telegram.private(person), "") for person in people]

    def in_groups(self, count: int = _CHATS) -> list[Talk]:
        """So many people, each in a group, calling the bot by its name."""
        people = [self.telegram.person(5000 + n, f"G{n}") for n in range(count)]
        call = f"@{self.telegram.username} "
        return [(person, self.telegram.group(f"Team {person.id}", [person]), call) for person in people]


@dataclass(frozen=True, slots=True)
class Spent:
    """What some messages took: CPU seconds and calls of the Bot API each, and bytes that were resident at most."""

    cpu: float
    calls: float
    peak: float


@asynccontextmanager
async def sides(folder: Path, endpoint: str) -> AsyncIterator[tuple[Side, Side]]:
    """The bot and the floor program, both before the same endpoint."""
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(telegram_simulator())
        theirs = await stack.enter_async_context(telegram_simulator())
        running = await stack.enter_async_context(bot(folder, **settings(endpoint, ours)))
        command = ("-m", "tests.bench.telegram_floor", theirs.base_url, theirs.token, endpoint, KEY)
        least = await stack.enter_async_context(program(folder, *command))
        for telegram in (ours, theirs):
            await telegram.until(partial(telegram.counts.__getitem__, "getUpdates"))
        yield Side(running.pid, ours), Side(least.pid, theirs)


def settings(endpoint: str, telegram: TelegramSimulator) -> dict[str, str]:
    """The settings of a bot that anybody may use in `telegram`."""
    return {
        "OPENAI_BASE_URL": endpoint,
        "OPENAI_API_KEY": KEY,
        "CHAT_MODEL": "small",
        "RATE_LIMIT": "100000/min",  # asked, and never reached
        "LOG_LEVEL": "warning",
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_API_BASE_URL": telegram.base_url,
        "ALLOWED": "telegram:*",
    }


async def answered(chat: Chat, number: int) -> None:
    """Wait until the chat's answer of this number, counted from 1, is complete."""

    def complete() -> bool:
        said = chat.from_bot
        return len(said) == number and "Retry" in said[-1].buttons

    await chat.sim.until(complete, _TIMEOUT, chat=chat)


async def converse(talk: Talk, messages: int, text: str = PACED) -> None:
    """One message after the other, each when the one before is answered."""
    person, chat, call = talk
    for _ in range(messages):
        number = len(chat.from_bot) + 1
        await person.says(chat, f"{call}{text}")
        await answered(chat, number)


async def load(side: Side, talks: list[Talk], messages: int = _MESSAGES) -> Spent:
    """All conversations at once."""
    await converse(talks[0], 1, AT_ONCE)
    calls, used, peak = _calls(side.telegram), cpu(side.pid), 0.0
    async with asyncio.TaskGroup() as group:
        talking = [group.create_task(converse(talk, messages)) for talk in talks]
        while any(not task.done() for task in talking):
            peak = max(peak, resident(side.pid))
            await asyncio.wait(talking, timeout=0.1)
    count = len(talks) * messages
    return Spent((cpu(side.pid) - used) / count, (_calls(side.telegram) - calls) / count, peak)


def _calls(telegram: TelegramSimulator) -> int:
    return sum(count for name, count in telegram.counts.items() if name not in _NO_ANSWER)


async def waits(side: Side, clocked: Clocked, messages: int, people: int = 6) -> list[float]:
    """Seconds from the first word's leaving the endpoint until its draft is in the chat, for so many messages."""
    talks = side.privately(people)
    found = []
    for number in range(-people, messages):  # the first of each person make what is made once
        person, chat, _ = talks[number % people]
        before, drafts = len(chat.from_bot), len(chat.drafts)
        await person.says(chat, "Is it so?")
        await chat.sim.until(partial(_drafted, chat, drafts), chat=chat)
        wait = clocked.heard(perf_counter())
        await answered(chat, before + 1)
        if number >= 0:
            found.append(wait)
    return found


def _drafted(chat: Chat, before: int) -> bool:
    return len(chat.drafts) > before


# --- the table ----------------------------------------------------------------------------------------------


async def alone(folder: Path, messages: int = 60) -> list[Figure]:
    """The memory at rest, and what one person notices."""
    async with endpoint_simulator() as endpoint, sides(folder, endpoint.base_url) as (ours, floor):
        weights = [await memory(side.pid) / MB for side in (ours, floor)]
        endpoint.reply = clocked = Clocked()
        least = await waits(floor, clocked, messages)
        found = await waits(ours, clocked, messages)
    return [
        Figure("Telegram, memory, idle", weights[0], "MB", weights[1]),
        *(
            Figure(f"first draft, {name}", quantile(found, at) * 1000, "ms", quantile(least, at) * 1000)
            for name, at in (("median", 0.5), ("95 %", 0.95))
        ),
    ]


async def crowded(folder: Path, times: int = 3) -> list[Figure]:
    """What forty at once cost, in private chats and in groups; the floor takes turns with the bot.

    Each turn has a ratio of its own, because whatever else the machine does falls on both sides of a turn.
    """
    kinds: tuple[tuple[str, Callable[[Side], list[Talk]], int], ...] = (
        (f"{_CHATS} private", Side.privately, _MESSAGES),
        (f"{_CHATS} groups", Side.in_groups, 2),
    )
    figures, peaks = [], []
    async with speaker(folder) as endpoint, sides(folder, endpoint) as (ours, floor):
        for how, talks, messages in kinds:
            spent = [
                (await load(ours, talks(ours), messages), await load(floor, talks(floor), messages))
                for _ in range(times)
            ]
            peaks += spent
            costs = [median(1000 * turn[side].cpu for turn in spent) for side in (0, 1)]
            calls = [median(turn[side].calls for turn in spent) for side in (0, 1)]
            ratio = median(bot.cpu / least.cpu for bot, least in spent)
            figures.append(Figure(f"CPU a message, {how}", costs[0], "ms", costs[1]))
            figures.append(Figure(f"CPU × floor, {how}", ratio, "", promise=PROMISE))
            figures.append(Figure(f"calls a message, {how}", calls[0], "", calls[1]))
    peak = [max(turn[side].peak for turn in peaks) / MB for side in (0, 1)]
    return [*figures, Figure("Telegram, memory, peak", peak[0], "MB", peak[1])]


async def measure(folder: Path) -> list[Figure]:
    """All of it, in folders of their own."""
    parts: tuple[tuple[str, Callable[[Path], Awaitable[list[Figure]]]], ...] = (
        ("quiet", alone),
        ("crowd", crowded),
    )
    figures = []
    for name, part in parts:
        (folder / name).mkdir(parents=True)
        figures += await part(folder / name)
    return figures
