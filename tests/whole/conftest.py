"""A bot in a process of its own, before a simulated endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.process import Bot, bot
from tests.simulators.endpoint import EndpointSimulator, endpoint_simulator


@pytest.fixture
async def endpoint() -> AsyncIterator[EndpointSimulator]:
    async with endpoint_simulator() as simulator:
        yield simulator


def towards(endpoint: EndpointSimulator) -> dict[str, str]:
    """The settings of a bot that uses the simulated endpoint."""
    return {"OPENAI_BASE_URL": endpoint.base_url, "OPENAI_API_KEY": endpoint.key, "CHAT_MODEL": "small"}


@pytest.fixture
async def running(tmp_path: Path, endpoint: EndpointSimulator) -> AsyncIterator[Bot]:
    async with bot(tmp_path, **towards(endpoint)) as made:
        yield made
