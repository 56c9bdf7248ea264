"""What every measurement needs: figures, a light client of the web interface, processes of their own."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

import aiohttp
import psutil

from tests.process import surroundings

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    `floor` is what the least program needs for the same; `promise` is the most that `value` may be.
    """

    name: str
    value: float
    unit: str = ""
    floor: float | None = None
    promise: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the floor the value is."""
        return self.value / self.floor if self.floor else None

    @property
    def broken(self) -> bool:
        """Whether a promise is not kept."""
        return self.promise is not None and not self.value <= self.promise


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all values do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Page:
    """A person's page: one conversation, its messages, its live events. Much cheaper than a real one."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._headers: dict[str, str] = {}
        self._stream: aiohttp.ClientResponse | None = None

    async def __aenter__(self) -> Page:
        async with self._http.post(f"{self._url}/api/session", json={}) as response:
            self._headers = {"Authorization": f"Bearer {(await response.json())['token']}"}
        self._stream = await self._http.get(f"{self._url}/api/events", headers=self._headers)
        self._stream.raise_for_status()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    async def ask(self, text: str) -> None:
        """Send a message; it must be accepted."""
        body = {"id": uuid4().hex, "text": text}
        async with self._http.post(f"{self._url}/api/messages", json=body, headers=self._headers) as response:
            if response.status != 202:
                raise RuntimeError(f"a message was refused: {response.status} {await response.text()}")

    async def heard(self, kind: str) -> float:
        """When the next event of this kind arrived, by `perf_counter`; a notice is a failure.

        Everything before that event is passed over.
        """
        assert self._stream is not None
        async with asyncio.timeout(60):
            while line := await self._stream.content.readline():
                if line.startswith(b"event: "):
                    found = line[7:].strip().decode()
                    if found == kind:
                        return perf_counter()
                    if found == "notice":
                        raise RuntimeError((await self._stream.content.readline()).decode())
        raise RuntimeError("the stream of events ended")


@asynccontextmanager
async def pages(url: str, count: int) -> AsyncIterator[list[Page]]:
    """So many people at their pages."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        opened = [await Page(http, url).__aenter__() for _ in range(count)]
        try:
            yield opened
        finally:
            for page in opened:
                await page.__aexit__()


@asynccontextmanager
async def program(folder: Path, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python program with the bot's surroundings; it is ended on leaving."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=folder,
        env=surroundings(folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(folder: Path, *command: str) -> dict[str, Any]:
    """The JSON object that a program writes before it ends."""
    async with program(folder, *command) as process:
        output, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{command} ended with {process.returncode}")
        found: dict[str, Any] = json.loads(output)
        return found


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used, without its children."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def resident(pid: int) -> float:
    """Bytes of a process that are resident now."""
    return float(psutil.Process(pid).memory_info().rss)


async def memory(pid: int) -> float:
    """Bytes of a process that are resident, once their number has stood still for half a second."""
    samples = [0.0]
    for _ in range(100):
        samples = [*samples[-9:], resident(pid)]
        if len(samples) == 10 and max(samples) - min(samples) < MB / 4:
            break
        await asyncio.sleep(0.05)
    return samples[-1]
