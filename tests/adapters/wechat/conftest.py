"""The Official Account's line at work on the simulator, on a clock that is faster than ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tests.simulators.wechat import Account, Clock, Person, WeChatSimulator, wechat_simulator
from tests.simulators.wechat.replica import Answer, Hall, Replica, echo


@dataclass
class Scene:
    """An account, its one replica, the core behind it, and somebody who follows the account."""

    wechat: WeChatSimulator
    hall: Hall
    replica: Replica
    ann: Person


Open = Callable[..., Awaitable[Scene]]


@pytest.fixture
async def scene() -> AsyncIterator[Open]:
    """Opens scenes: `scene(account, answer)`."""
    async with AsyncExitStack() as stack:

        async def one(account: Account | None = None, answer: Answer = echo, scale: float = 0.03) -> Scene:
            wechat = await stack.enter_async_context(wechat_simulator(account, clock=Clock(scale)))
            hall = Hall(answer)
            replica = Replica(wechat, hall)
            await replica.start()
            stack.push_async_callback(replica.stop)
            return Scene(wechat, hall, replica, wechat.person("oAnn"))

        yield one
