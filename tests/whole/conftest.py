"""A bot in a process of its own, before a simulated endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.process import PARLEY, Bot, bot, surroundings
from tests.simulators.endpoint import EndpointSimulator, endpoint_simulator


@pytest.fixture
async def endpoint() -> AsyncIterator[EndpointSimulator]:
    async with endpoint_simulator() as simulator:
        yield simulator


def towards(endpoint: EndpointSimulator) -> dict[str, str]:
    """The settings of a bot that uses the simulated endpoint."""
    return {"OPENAI_BASE_URL": endpoint.base_url, "OPENAI_API_KEY": endpoint.key, "CHAT_MODEL": "small"}


async def parley(folder: Path, settings: Mapping[str, str], *command: str) -> tuple[int, str]:
    """The exit status of another `parley` on the same machine, and what it prints."""
    process = await asyncio.create_subprocess_exec(
        *PARLEY,
        *command,
        cwd=folder,
        env=surroundings(folder) | dict(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


@pytest.fixture
async def running(tmp_path: Path, endpoint: EndpointSimulator) -> AsyncIterator[Bot]:
    async with bot(tmp_path, **towards(endpoint)) as made:
        yield made
