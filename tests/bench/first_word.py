"""From the endpoint's first word to the page: what the bot adds to the wait."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import overload

import httpx
from httpx_aiohttp import AiohttpTransport

from tests.bench.rig import Figure, pages, quantile
from tests.simulators.endpoint import Answer, Call, EndpointSimulator, Step, say

PROMISE = 0.050
"""Seconds that the first word may take on its way, in 95 of 100 answers."""

_WORDS = "Precisely so, and here is the rest of what there is to say."


class Stamped(Sequence[Step]):
    """The steps of an answer; `sent` is when the first word went out, by `perf_counter`.

    The second word waits for `seen`, so that the first is an event of its own however slow the machine is.
    """

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.sent = 0.0
        self.seen = asyncio.Event()
        role_and_word, rest = steps[:2], steps[2:]
        self._steps = (*role_and_word, self.seen, *rest)

    def __iter__(self) -> Iterator[Step]:
        for number, step in enumerate(self._steps):
            if number == 1:
                self.sent = perf_counter()
            yield step

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Step]: ...
    def __getitem__(self, index: int | slice) -> Step | Sequence[Step]:
        return self._steps[index]


class Clocked:
    """An endpoint's answers, each with the time of its first word; `last` is the newest of them."""

    def __init__(self) -> None:
        self.last = Stamped()
        self._speak = say(_WORDS)

    def __call__(self, call: Call) -> Answer:
        self.last = Stamped(self._speak(call).steps)
        return Answer(self.last)

    def heard(self, at: float) -> float:
        """Seconds that the newest answer's first word took until `at`; the answer goes on."""
        self.last.seen.set()
        return at - self.last.sent


async def waits(url: str, endpoint: EndpointSimulator, messages: int, people: int = 6) -> list[float]:
    """Seconds from the first word's leaving the endpoint to its event at the page, for so many messages."""
    endpoint.reply = clocked = Clocked()
    found = []
    async with pages(url, people) as opened:
        for page in opened:  # whatever is made once for a conversation
            await page.ask("Are you there?")
            clocked.heard(await page.heard("text"))
            await page.heard("end")
        gc.collect()
        for number in range(messages):
            page = opened[number % people]
            await page.ask("Is it so?")
            found.append(clocked.heard(await page.heard("text")))
            await page.heard("end")
    return found


async def floor(endpoint: EndpointSimulator, messages: int) -> list[float]:
    """The same for a client that does nothing but read the endpoint's stream."""
    endpoint.reply = clocked = Clocked()
    body = {"model": "small", "messages": [{"role": "user", "content": "Is it so?"}], "stream": True}
    found = []
    async with httpx.AsyncClient(
        transport=AiohttpTransport(), headers={"Authorization": f"Bearer {endpoint.key}"}
    ) as http:
        for _ in range(messages):
            async with http.stream("POST", f"{endpoint.base_url}/chat/completions", json=body) as response:
                read = b""
                async for piece in response.aiter_raw():
                    if b"Precisely" not in read and b"Precisely" in (read := read + piece):
                        found.append(clocked.heard(perf_counter()))
    return found


async def measure(url: str, endpoint: EndpointSimulator, messages: int = 120) -> list[Figure]:
    """The median and the 95th percentile of the first word's way."""
    least = await floor(endpoint, messages)
    ours = await waits(url, endpoint, messages)
    return [
        Figure("first word, median", quantile(ours, 0.5) * 1000, "ms", quantile(least, 0.5) * 1000),
        Figure(
            "first word, 95 %",
            quantile(ours, 0.95) * 1000,
            "ms",
            quantile(least, 0.95) * 1000,
            PROMISE * 1000,
        ),
    ]
