"""A simulated Slack with somebody in it, and the two ways to its app."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.bolt import Way, by_http, by_socket, client
from tests.simulators.slack import Channel, Clock, Message, Person, SlackSimulator, slack_simulator


@pytest.fixture
def clock() -> Clock:
    return Clock(lambda: 1_800_000_000.0)


@pytest.fixture
async def slack(clock: Clock) -> AsyncIterator[SlackSimulator]:
    async with slack_simulator(clock=clock) as simulator:
        yield simulator


@pytest.fixture
def ann(slack: SlackSimulator) -> Person:
    return slack.person("Ann", locale="zh-CN")


@pytest.fixture
def dm(slack: SlackSimulator, ann: Person) -> Channel:
    return slack.dm(ann)


@pytest.fixture
def web(slack: SlackSimulator) -> AsyncWebClient:
    return client(slack)


@pytest.fixture(params=[by_socket, by_http], ids=["socket", "http"])
def way(request: pytest.FixtureRequest) -> Way:
    made: Way = request.param
    return made


@pytest.fixture
async def question(ann: Person, dm: Channel) -> Message:
    return await ann.says(dm, "hello")
