"""Many workers answer at once, and some of them die, stall or stop in the middle of it."""

import asyncio
import random
from collections import Counter, defaultdict

import pytest
from redis.asyncio import Redis

from bot.api import Incoming, Person, Place
from bot.errors import LeaseLost
from bot.inbox import Depth, Inbox, Lease
from bot.keys import Keys

LANES, EACH = 12, 15
LEASE = 0.2  # seconds


class Crowd:
    """Workers on one inbox. What they have ended is noted only where the inbox agreed."""

    def __init__(self, inbox: Inbox, chance: random.Random) -> None:
        self.inbox = inbox
        self.chance = chance
        self.ended: dict[str, list[str]] = defaultdict(list)
        self.names = iter(f"worker{n}" for n in range(10**6))
        self.fates: Counter[str] = Counter()

    async def worker(self) -> None:
        """Takes, adopts and ends; when it dies, another with a new name comes."""
        name = next(self.names)
        while True:
            leases = await self.inbox.adopt(name, count=3)
            leases += await self.inbox.take(name, count=3, block=0.005)
            for lease in leases:
                if not await self.answer(lease):
                    name = next(self.names)
                    break

    async def answer(self, lease: Lease) -> bool:
        """False where the worker died of it, and of what else it had taken."""
        fate = self.chance.choices(("end", "die", "stall", "stop", "bury"), (80, 8, 4, 6, 2))[0]
        self.fates[fate] += 1
        try:
            await self.inbox.posted(lease, f"{lease.consumer}:{lease.attempt}")
            await self.inbox.finish(lease, "answer")
        except LeaseLost:
            return True
        if fate == "die":
            return False
        if fate == "stop":
            await self.inbox.release(lease, count_attempt=False)
            return True
        if fate == "stall":
            await asyncio.sleep(2 * LEASE)
        if await (self.inbox.bury(lease, "x") if fate == "bury" else self.inbox.done(lease)):
            self.ended[lease.conversation].append(lease.message.id)
        return True


@pytest.mark.parametrize("seed", [1, 2])
async def test_each_message_ends_once_and_in_order(redis: Redis, prefix: str, seed: int, eventually):
    inbox = Inbox(redis, Keys(prefix), lane_limit=5, lease=LEASE)
    await inbox.open()
    crowd = Crowd(inbox, random.Random(seed))  # noqa: S311 - not for secrets

    async def person(lane: str) -> None:
        for n in range(EACH):
            message = Incoming(str(n), Place("test", "bot", lane), Person(lane), "hello")

            async def accepted(message: Incoming = message) -> bool:
                return await inbox.accept(lane, message) == "accepted"

            await eventually(accepted)
            assert await inbox.accept(lane, message) == "duplicate"

    workers = [asyncio.create_task(crowd.worker()) for _ in range(5)]
    async with asyncio.timeout(120):
        await asyncio.gather(*(person(f"lane{n}") for n in range(LANES)))
        while (await inbox.depth()).conversations:
            await asyncio.sleep(0.01)
            assert not any(worker.done() for worker in workers)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert crowd.ended == {f"lane{n}": [str(n) for n in range(EACH)] for n in range(LANES)}
    assert min(crowd.fates[fate] for fate in ("end", "die", "stall", "stop", "bury")) > 0
    dead = len(await inbox.dead(1000))
    assert 0 < dead <= crowd.fates["bury"]
    assert await inbox.depth() == Depth(0, 0, 0, dead)
