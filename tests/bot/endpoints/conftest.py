"""A strict endpoint, a client with short time-outs, and a chat endpoint between the two."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from bot.endpoints.chat import ChatEndpoint
from bot.endpoints.client import Client, Timeouts
from bot.endpoints.models import Catalogue
from bot.endpoints.settings import Server
from tests.simulators.endpoint import EndpointSimulator, endpoint_simulator


@pytest.fixture
async def endpoint() -> AsyncIterator[EndpointSimulator]:
    async with endpoint_simulator() as simulator:
        yield simulator


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client(
        Timeouts(connect=20, first_byte=20, idle=20, linger=0.05, drain=20),
        new_id=lambda: "id-1",
        now=lambda: 0,
    )
    yield made
    await made.close()


@pytest.fixture
async def hasty() -> AsyncIterator[Client]:
    """A client whose patience ends before a test's does."""
    made = Client(Timeouts(connect=1, first_byte=1, idle=1, linger=0.05))
    yield made
    await made.close()


@pytest.fixture
def server(endpoint: EndpointSimulator) -> Server:
    return Server(endpoint.base_url, SecretStr(endpoint.key))


@pytest.fixture
def chat(client: Client, server: Server) -> ChatEndpoint:
    return ChatEndpoint(client, server, Catalogue())
