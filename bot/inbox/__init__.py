"""What has been accepted and not yet answered: ordered in each conversation, leased to workers, on disk."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any, Literal, cast
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot.api import Incoming
from bot.errors import LeaseLost, StoreAway
from bot.inbox import entry
from bot.inbox.entry import Claim, Dead, Depth, Interrupt, Lease, Taken, Verdict
from bot.keys import BLOCK, Keys, Subscription, reaching

__all__ = ["Dead", "Depth", "Inbox", "Interrupt", "Lease", "Verdict"]

_GROUP = "workers"
_JOURNAL_TTL = (
    7 * 86400
)  # seconds; a journal ends with its message, this is for one that nobody comes back to
_DEAD_LIMIT = 1000
_DEAD_LIFE = 7 * 86400  # seconds: what people wrote is not kept for ever because it could not be answered


class Inbox:
    """The queue. Every call raises `StoreAway` where Redis does not answer.

    A conversation with messages has exactly one token, in the stream `ready`; whoever leases the token works
    on the conversation's oldest message. `lease`, `seen_ttl`, `gone` (the silence after which a consumer without
    tokens is forgotten) and `burst` (within which a person's waiting messages are one question) are in seconds,
    `clock` is the time of day, `fences` makes names that never come twice.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        lane_limit: int = 20,
        lease: float = 30.0,
        seen_ttl: float = 86400,
        gone: float = 3600,
        burst: float = 1.2,
        clock: Callable[[], float] = time.time,
        fences: Callable[[], str] = lambda: uuid4().hex,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.lane_limit = lane_limit
        self._redis = redis
        self._keys = keys
        self._lease = lease
        self._seen_ttl = seen_ttl
        self._gone = gone
        self._burst = burst
        self._clock = clock
        self._fences = fences
        self._sleep = sleep
        owner = _lua("_owner")
        self._accept = redis.register_script(_lua("accept"))
        self._withdraw = redis.register_script(_lua("withdraw"))
        self._take = redis.register_script(_lua("take"))
        self._adopt = redis.register_script(_lua("adopt"))
        self._renew = redis.register_script(owner + _lua("renew"))
        self._note = redis.register_script(owner + _lua("note"))
        self._join = redis.register_script(owner + _lua("join"))
        self._settle = redis.register_script(owner + _lua("settle"))
        self._sweep = redis.register_script(_lua("sweep"))
        self._mend = redis.register_script(_lua("mend"))

    async def open(self) -> None:
        """Make what is missing, the consumer group and lost tokens, and remove the consumers that died.

        Call it when a process begins; it may be called at any time.
        """
        async with reaching():
            await self._mend(keys=[self._keys.active, self._keys.ready])
            try:
                await self._redis.xgroup_create(self._keys.ready, _GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
            await self._sweep(keys=[self._keys.ready], args=[_GROUP, "", _milliseconds(self._gone)])

    # --- coming in ------------------------------------------------------------------------------------------

    async def accept(
        self, conversation: str, message: Incoming, *, urgent: bool = False
    ) -> Literal["accepted", "duplicate", "busy", "interrupted"]:
        """As `queue`, where the message's place in the lane does not matter."""
        return (await self.queue(conversation, message, urgent=urgent)).what

    async def queue(self, conversation: str, message: Incoming, *, urgent: bool = False) -> Verdict:
        """Keep a message at the end of its conversation's lane; it is in Redis when this returns.

        `busy`: the lane is full, nothing was kept. `interrupted`: an `urgent` message found others; the
        oldest is marked as stopped, its worker is told, the urgent one is not kept. Lone surrogates become
        question marks.
        """
        keys = self._keys
        lane, journal = keys.lane(conversation), keys.journal(conversation)
        lives = _milliseconds(self._seen_ttl), _milliseconds(_JOURNAL_TTL)
        written = entry.write(message)
        async with reaching():
            found = await self._accept(
                keys=[keys.seen(message.key), lane, journal, keys.active, keys.ready],
                args=[written, conversation, self.lane_limit, *lives, int(urgent), keys.interrupts],
            )
        what, behind = found
        return Verdict(what, int(behind))

    async def withdraw(self, conversation: str, key: str) -> Literal["withdrawn", "interrupted", "unknown"]:
        """Take back the message `key`: it is not answered where it waits, and stopped where it is under way."""
        keys = self._keys
        async with reaching():
            found = await self._withdraw(
                keys=[keys.lane(conversation), keys.journal(conversation)],
                args=[
                    conversation,
                    key.encode("utf-8", "replace"),
                    keys.interrupts,
                    _milliseconds(_JOURNAL_TTL),
                ],
            )
        return cast(Literal["withdrawn", "interrupted", "unknown"], found)

    # --- leases ---------------------------------------------------------------------------------------------

    async def take(self, consumer: str, *, count: int, block: float) -> list[Lease]:
        """Up to `count` leases of conversations that nobody works on; waits `block` seconds for the first.

        It waits for two seconds at the most, so that a broken connection is found out. `consumer` is the
        process's own name.
        """
        wait = max(1, _milliseconds(min(block, BLOCK))) if block > 0 else None
        streams: Any
        try:
            async with reaching():
                streams = await self._redis.xreadgroup(
                    _GROUP, consumer, {self._keys.ready: ">"}, count=count, block=wait
                )
        except (ResponseError, StoreAway) as error:
            await self._reopen(error)
            return []
        return await self._leases(
            consumer,
            [(token, values["conversation"]) for _, found in streams or () for token, values in found],
        )

    async def adopt(self, consumer: str, *, count: int, idle: float | None = None) -> list[Lease]:
        """Up to `count` leases of tokens that were not renewed for `idle` seconds (None: a lease's time).

        A shorter `idle` is for other consumers' tokens only. Fewer than `count` means that there are no more.
        """
        idles = _milliseconds(self._lease if idle is None else idle), _milliseconds(self._lease)
        try:
            async with reaching():
                found = await self._adopt(keys=[self._keys.ready], args=[_GROUP, consumer, *idles, count])
        except (ResponseError, StoreAway) as error:
            await self._reopen(error)
            return []
        return await self._leases(consumer, list(zip(found[::2], found[1::2], strict=True)))

    async def _reopen(self, error: Exception) -> None:
        """Begin anew where the stream or its group is gone: a flushed Redis, maybe while a command waited."""
        if "NOGROUP" not in str(error) and "UNBLOCKED" not in str(error):
            raise error
        await self.open()

    async def _leases(self, consumer: str, tokens: Sequence[tuple[str, str]]) -> list[Lease]:
        if not tokens:
            return []
        fence, keys = self._fences(), self._keys
        lanes = [key for _, lane in tokens for key in (keys.lane(lane), keys.journal(lane))]
        asked: list[str | int] = [
            _GROUP,
            consumer,
            fence,
            _milliseconds(_JOURNAL_TTL),
            *(x for pair in tokens for x in pair),
        ]
        async with reaching():
            found = await self._take(keys=[keys.ready, keys.active, *lanes], args=asked)
        leases = []
        for number, written, length, journal in found:
            token, conversation = tokens[number - 1]
            taken = Taken(conversation, token, consumer, fence)
            message = entry.read(written)
            if isinstance(message, str):
                await self._end(taken, "bury", message)  # else it would block its conversation for ever
            else:
                noted = dict(zip(journal[::2], journal[1::2], strict=True))
                leases.append(entry.lease(taken, message, length, noted))
        return leases

    async def renew(self, leases: Iterable[Lease]) -> set[str]:
        """Put off the end of each lease; the tokens of those that are still ours. A lost one stays lost.

        A stopped message's `Interrupt` is sent again, in case its first news went astray.
        """
        leases = list(leases)
        if not leases:
            return set()
        journals = [self._keys.journal(lease.conversation) for lease in leases]
        claims = [x for each in leases for x in (each.consumer, each.token, each.fence, each.conversation)]
        async with reaching():
            ours = await self._renew(
                keys=[self._keys.ready, *journals], args=[_GROUP, self._keys.interrupts, *claims]
            )
        return set(ours)

    async def join(self, lease: Lease) -> Lease:
        """The lease, and with it the messages behind its own that are part of one question.

        Which ones these are is decided by the first attempt, and for good: an answer that was begun stays the answer
        to the same messages, whatever comes meanwhile.
        """
        keys, most = self._keys, lease.joined or self.lane_limit
        begun = lease.attempt > 1 or lease.posts or lease.answer is not None
        if lease.joined == 1 or (begun and not lease.joined):
            return lease
        written: Any
        async with reaching():
            written = await self._redis.lrange(keys.lane(lease.conversation), 0, most - 1)
        found = [entry.read(text) for text in written]
        messages = [m for m in found if isinstance(m, Incoming)]
        count = entry.together(messages, self._burst) if len(messages) == len(found) and messages else 1
        if lease.joined:
            return replace(lease, burst=tuple(messages[1:]))
        if count == 1 or messages[0].key != lease.message.key:
            return lease
        async with reaching():
            noted = await self._join(
                keys=[keys.ready, keys.journal(lease.conversation), keys.lane(lease.conversation)],
                args=[
                    _GROUP,
                    lease.consumer,
                    lease.token,
                    lease.fence,
                    *(text.partition("\n")[2] for text in written[:count]),
                ],
            )
        return replace(lease, joined=count, burst=tuple(messages[1:count])) if noted else lease

    async def done(self, lease: Lease) -> bool:
        """The message is answered: its lane moves on, behind the other conversations'. False: not ours."""
        return await self._end(lease, "done")

    async def release(self, lease: Lease, *, count_attempt: bool = True) -> bool:
        """Give the message back, behind the other conversations'; the journal stays. False: not ours.

        Without `count_attempt` this attempt is as if it had not been (a process that stops in good order).
        """
        return await self._end(lease, "retry" if count_attempt else "undo")

    async def postpone(self, lease: Lease) -> bool:
        """As `release`, where the message is not at fault: it is told apart in `Lease.away`. False: not ours."""
        return await self._end(lease, "away")

    async def bury(self, lease: Lease, reason: str) -> bool:
        """Give the message up: it goes to the dead letters, and its lane moves on. False: not ours."""
        return await self._end(lease, "bury", reason)

    async def posted(self, lease: Lease, post: str) -> None:
        """Note a post in the journal, once. Raises `LeaseLost`."""
        await self._journal(lease, f"post:{post}")

    async def finish(self, lease: Lease, answer: str) -> None:
        """Keep the finished answer in the journal. Raises `LeaseLost`."""
        await self._journal(lease, "answer", answer)

    async def _end(self, claim: Claim, what: str, reason: str = "") -> bool:
        keys, conversation = self._keys, claim.conversation
        lane = [keys.lane(conversation), keys.journal(conversation)]
        proof = [claim.consumer, claim.token, claim.fence, conversation]
        async with reaching():
            ended = await self._settle(
                keys=[keys.ready, keys.active, *lane, keys.dead],
                args=[_GROUP, *proof, what, _DEAD_LIMIT, reason, self._clock(), _DEAD_LIFE],
            )
        return bool(ended)

    async def _journal(self, lease: Lease, *note: str) -> None:
        async with reaching():
            noted = await self._note(
                keys=[self._keys.ready, self._keys.journal(lease.conversation)],
                args=[_GROUP, lease.consumer, lease.token, lease.fence, *note],
            )
        if not noted:
            raise LeaseLost(lease.message.key)

    async def leave(self, consumer: str) -> None:
        """Give back whatever a consumer that stops still has, remove it, and those that died.

        One that died with leases stays until they are adopted.
        """
        async with reaching():
            await self._sweep(keys=[self._keys.ready], args=[_GROUP, consumer, _milliseconds(self._gone)])

    # --- beside ---------------------------------------------------------------------------------------------

    async def interrupts(self) -> AsyncIterator[Interrupt]:
        """Every interrupt, for all processes, without end; while Redis is away there are none.

        One that is sent while this does not listen is missed; `renew` sends it again.
        """
        pause = 0.0
        while True:
            try:
                async with Subscription.open(self._redis) as subscription:
                    await subscription.add(self._keys.interrupts)
                    while True:
                        news = await subscription.hear()
                        pause = 0.0
                        if news.text is not None:
                            yield Interrupt(*json.loads(news.text)[:3])  # a newer version may say more
            except StoreAway:
                await self._sleep(pause)
                pause = min(2 * pause + 0.05, 2)

    async def depth(self) -> Depth:
        """How much there is now."""
        async with reaching(), self._redis.pipeline(transaction=True) as pipe:
            pipe.xlen(self._keys.ready)
            pipe.scard(self._keys.active)
            pipe.xlen(self._keys.dead)
            pipe.xinfo_groups(self._keys.ready)
            tokens, conversations, dead, groups = await pipe.execute(raise_on_error=False)
        leased = sum(group["pending"] for group in groups) if isinstance(groups, list) else 0
        return Depth(tokens - leased, leased, conversations, dead)

    async def forget(self, conversations: Collection[str]) -> None:
        """Keep none of the dead letters of these conversations."""
        letters: Any
        async with reaching():
            letters = await self._redis.xrange(self._keys.dead)
            theirs = [id for id, values in letters if values["conversation"] in conversations]
            if theirs:
                await self._redis.xdel(self._keys.dead, *theirs)

    async def dead(self, count: int = 50) -> list[Dead]:
        """The newest dead letters, newest first."""
        letters: Any
        async with reaching():
            letters = await self._redis.xrevrange(self._keys.dead, count=count)
        return [_dead(values) for _, values in letters]

    async def given_up(self) -> tuple[int, Dead | None]:
        """How many messages of the last seven days were given up, and the newest. Older letters are removed."""
        old = max(0, _milliseconds(self._clock() - _DEAD_LIFE))
        letters: Any
        async with reaching():
            while letters := await self._redis.xrange(self._keys.dead, max=old, count=100):
                await self._redis.xdel(self._keys.dead, *(str(id) for id, _ in letters))
        return (await self.depth()).dead, next(iter(await self.dead(1)), None)


def _lua(name: str) -> str:
    return files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8")


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)


def _dead(values: dict[str, str]) -> Dead:
    message = entry.read(values["message"])
    return Dead(
        values["conversation"],
        None if isinstance(message, str) else message,
        values["reason"],
        float(values["at"]),
    )
