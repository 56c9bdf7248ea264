"""Whatever consumers do, and in whatever order they die: the inbox behaves like a simple model of it."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.api import Incoming, Person, Place
from bot.errors import LeaseLost
from bot.inbox import Inbox, Lease
from bot.keys import Keys, connect

LIMIT = 3
LANES = ("x", "y", "z")
CONSUMERS = ("a", "b", "c")
_runs = count()


def message(number: int) -> Incoming:
    """Three in one breath, then a pause."""
    at = 1000.0 + number + 10 * (number // 3)
    return Incoming(str(number), Place("telegram", "bot", "1"), Person("7"), f"text {number}", sent_at=at)


@dataclass
class Head:
    """What the model knows of the oldest message of a lane."""

    attempt: int = 0
    posts: list[str] = field(default_factory=list)
    answer: str | None = None
    stopped: bool = False
    joined: int = 0
    owner: Lease | None = None


class Model:
    """A real inbox beside what it should be. Every step does something to both and compares."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.redis, self.keys = redis, keys
        self.inbox = Inbox(redis, keys, lane_limit=LIMIT, lease=60)
        self.numbers = count()
        self.accepted: list[tuple[str, int]] = []
        self.refused: list[tuple[str, int]] = []
        self.lanes: dict[str, list[int]] = {lane: [] for lane in LANES}
        self.heads: dict[str, Head] = {lane: Head() for lane in LANES}
        self.order: dict[str, list[int]] = defaultdict(list)  # as accepted into the lane
        self.ended: dict[str, list[int]] = defaultdict(list)
        self.held: list[Lease] = []  # every lease that somebody believes to have, also stale ones

    # --- steps

    async def accept(self, lane: str, urgent: bool) -> None:
        await self._accept(lane, next(self.numbers), urgent)

    async def redeliver(self, which: int, urgent: bool) -> None:
        if self.refused and which % 2:
            await self._accept(*self.refused.pop(which % len(self.refused)), urgent)
        elif self.accepted:
            lane, number = self.accepted[which % len(self.accepted)]
            assert await self.inbox.accept(lane, message(number), urgent=urgent) == "duplicate"

    async def _accept(self, lane: str, number: int, urgent: bool) -> None:
        verdict = await self.inbox.accept(lane, message(number), urgent=urgent)
        waiting = self.lanes[lane]
        if urgent and waiting:
            assert verdict == "interrupted"
            self.heads[lane].stopped = True
        elif len(waiting) >= LIMIT:
            assert verdict == "busy"
            self.refused.append((lane, number))
            return
        else:
            assert verdict == "accepted"
            waiting.append(number)
            self.order[lane].append(number)
        self.accepted.append((lane, number))

    async def take(self, consumer: str, most: int) -> None:
        free = {lane for lane in LANES if self.lanes[lane] and self.heads[lane].owner is None}
        leases = await self.inbox.take(consumer, count=most, block=0)
        assert len(leases) == min(most, len(free))
        assert {lease.conversation for lease in leases} <= free
        self._begin(consumer, leases)

    async def adopt(self, consumer: str, most: int) -> None:
        owners = {lane: head.owner for lane, head in self.heads.items() if head.owner is not None}
        theirs = {lane for lane, owner in owners.items() if owner.consumer != consumer}
        leases = await self.inbox.adopt(consumer, count=most, idle=0)
        assert len(leases) == min(most, len(theirs))
        assert {lease.conversation for lease in leases} <= theirs
        self._begin(consumer, leases)

    def _begin(self, consumer: str, leases: list[Lease]) -> None:
        for lease in leases:
            head = self.heads[lease.conversation]
            head.attempt += 1
            head.owner = lease
            assert lease.consumer == consumer
            assert lease.message == message(self.lanes[lease.conversation][0])
            assert (lease.attempt, lease.stopped, lease.joined) == (head.attempt, head.stopped, head.joined)
            assert lease.length == len(self.lanes[lease.conversation])
            assert (list(lease.posts), lease.answer) == (head.posts, head.answer)
            self.held.append(lease)

    async def join(self, which: int) -> None:
        if not self.held:
            return
        place = which % len(self.held)
        lease = self.held[place]
        owned, head, lane = self._owned(lease), self.heads[lease.conversation], self.lanes[lease.conversation]
        found = await self.inbox.join(lease)
        if not owned:
            return  # whatever it found, it cannot end it
        fresh = lease.attempt == 1 and not lease.posts and lease.answer is None
        if fresh and not lease.joined:
            apart = (n for n, (a, b) in enumerate(pairwise(lane), 1) if b - a != 1 or b % 3 == 0)
            count = next(apart, len(lane))
            head.joined = count if count > 1 else 0
        assert found.burst == tuple(message(number) for number in lane[1 : head.joined])
        self.held[place] = found
        head.owner = found

    async def withdraw(self, which: int) -> None:
        if not self.accepted:
            return
        lane, number = self.accepted[which % len(self.accepted)]
        waiting, head = self.lanes[lane], self.heads[lane]
        verdict = await self.inbox.withdraw(lane, message(number).key)
        if number not in waiting:
            assert verdict == "unknown"
        elif waiting.index(number) < max(1, head.joined):
            assert verdict == "interrupted"
            head.stopped = True
        else:
            assert verdict == "withdrawn"
            waiting.remove(number)
            self.order[lane].remove(number)

    async def crash(self, consumer: str) -> None:
        self.held = [lease for lease in self.held if lease.consumer != consumer]

    async def leave(self, consumer: str) -> None:
        await self.inbox.leave(consumer)
        for head in self.heads.values():
            if head.owner is not None and head.owner.consumer == consumer:
                head.owner = None

    async def renew(self) -> None:
        ours = {lease.token for lease in self.held if self._owned(lease)}
        assert await self.inbox.renew(self.held) == ours

    async def end(self, which: int, how: str) -> None:
        if not self.held:
            return
        lease = self.held.pop(which % len(self.held))
        owned = self._owned(lease)
        head, lane = self.heads[lease.conversation], self.lanes[lease.conversation]
        if how in ("done", "bury"):
            ended = await (self.inbox.done(lease) if how == "done" else self.inbox.bury(lease, "x"))
            if owned:
                for _ in range(max(1, head.joined)):
                    self.ended[lease.conversation].append(lane.pop(0))
                self.heads[lease.conversation] = Head()
        else:
            ended = await self.inbox.release(lease, count_attempt=how == "retry")
            if owned:
                head.owner = None
                head.attempt -= how == "undo"
        assert ended is owned

    async def note(self, which: int, what: str) -> None:
        if not self.held:
            return
        lease = self.held[which % len(self.held)]
        head = self.heads[lease.conversation]
        action = self.inbox.posted(lease, what) if len(what) > 1 else self.inbox.finish(lease, what)
        if not self._owned(lease):
            with pytest.raises(LeaseLost):
                await action
            return
        await action
        if len(what) == 1:
            head.answer = what
        elif what not in head.posts:
            head.posts.append(what)

    async def lose_group(self) -> None:
        await self.redis.delete(self.keys.ready)
        await self.inbox.open()
        for head in self.heads.values():
            head.owner = None

    def _owned(self, lease: Lease) -> bool:
        return self.heads[lease.conversation].owner is lease

    # --- what always holds

    async def check(self) -> None:
        """One token for each lane with messages, and none for the others."""
        busy = sorted(lane for lane in LANES if self.lanes[lane])
        tokens = [values["conversation"] for _, values in await self.redis.xrange(self.keys.ready)]
        assert sorted(tokens) == busy
        assert sorted(await self.redis.smembers(self.keys.active)) == busy
        depth = await self.inbox.depth()
        assert depth.leased == sum(head.owner is not None for head in self.heads.values())
        assert depth.ready + depth.leased == depth.conversations == len(busy)

    async def drain(self) -> None:
        """A fresh worker ends everything; then each message has ended once, in its lane's order."""
        while (await self.inbox.depth()).conversations:
            leases = await self.inbox.adopt("last", count=10, idle=0)
            leases += await self.inbox.take("last", count=10, block=0)
            self._begin("last", leases)
            for lease in leases:
                await self.end(self.held.index(lease), "done")
        assert self.ended == self.order


which = st.integers(0, 50)
steps = st.one_of(
    st.tuples(st.just("accept"), st.sampled_from(LANES), st.booleans()),
    st.tuples(st.just("accept"), st.sampled_from(LANES), st.just(False)),
    st.tuples(st.just("redeliver"), which, st.booleans()),
    st.tuples(st.just("take"), st.sampled_from(CONSUMERS), st.integers(1, 3)),
    st.tuples(st.just("adopt"), st.sampled_from(CONSUMERS), st.integers(1, 3)),
    st.tuples(st.just("crash"), st.sampled_from(CONSUMERS)),
    st.tuples(st.just("leave"), st.sampled_from(CONSUMERS)),
    st.tuples(st.just("renew")),
    st.tuples(st.just("end"), which, st.sampled_from(("done", "done", "bury", "retry", "undo"))),
    st.tuples(st.just("join"), which),
    st.tuples(st.just("withdraw"), which),
    st.tuples(st.just("note"), which, st.sampled_from(("p1", "p2", "p3", "A", "B"))),
    st.tuples(st.just("lose_group")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=10, max_size=60))
def test_any_interleaving_keeps_order_loses_nothing_and_does_nothing_twice(redis_url, interleaving):
    async def run() -> None:
        redis = connect(redis_url)
        try:
            model = Model(redis, Keys(f"property{next(_runs)}:"))
            await model.inbox.open()
            for name, *arguments in interleaving:
                await getattr(model, name)(*arguments)
                await model.check()
            await model.drain()
            await model.check()
        finally:
            await redis.aclose()

    asyncio.run(run())
