"""Takes messages from the inbox and runs the stack over each: lease, stop, retry, dead letters, drain."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Protocol

import structlog

from bot.api import Adapter, Bounded, End, Gone, Incoming, Retentive, Unavailable
from bot.delivery import Delivery, Handler, Say
from bot.errors import LeaseLost, StoreAway
from bot.groups import Groups
from bot.inbox import Inbox, Interrupt, Lease, entry
from bot.profile import Profile
from bot.scope import home, shared
from bot.settings import Settings
from bot.telemetry import about, reference
from bot.traces import Traces

LONG_PASTE = 3900
"""Characters of a message that may be the first part of a longer text: apps split at some 4,000."""

PASTE_WAIT = 1.0
"""Seconds for which the rest of such a text is waited for."""

AWAY = 10
"""Attempts that may end because the platform is away, over some eight minutes; they count towards no `ATTEMPTS`."""

_log = structlog.get_logger(__name__)


class Profiles(Protocol):
    """`profile.Profiles.load`."""

    async def load(self, conversation: str, home: str = "") -> Profile:
        """A conversation's choices, and those of its home where it made none."""


class _Hold:
    """A lease as `delivery.Hold` and, for the adapter, as `api.Journal`."""

    def __init__(self, inbox: Inbox, lease: Lease, until: float, clock: Callable[[], float]) -> None:
        self.lease = lease
        self.until = until
        self.attempt = lease.attempt
        self.kept = lease.answer
        self.posts: list[str] = list(lease.posts)
        self._inbox = inbox
        self._clock = clock

    def held(self) -> bool:
        return self._clock() < self.until

    async def keep(self, answer: str) -> None:
        await self._inbox.finish(self.lease, answer)

    async def posted(self, post: str) -> None:
        await self._inbox.posted(self.lease, post)
        self.posts.append(post)


class _Blank:
    """The `api.Journal` of a message that is answered with another: nothing is posted for it."""

    posts: Sequence[str] = ()

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt

    async def posted(self, post: str) -> None:
        _log.warning("post.unexpected", post=post)


class Worker:
    """One process's share of the answering.

    `policy` says who shares a conversation in a group.
    `consumer` names this process in the inbox's consumer group; `alone` says that no other worker can be alive, so
    that what a crash left behind is taken over at once. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        inbox: Inbox,
        handler: Handler,
        adapters: Mapping[str, Adapter],
        profiles: Profiles,
        *,
        settings: Settings,
        language: Callable[[Profile, str], str],
        say: Say,
        consumer: str,
        alone: bool,
        policy: Literal["user", "thread", "chat"] = "user",
        traces: Traces | None = None,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._inbox = inbox
        self._handler = handler
        self._adapters = adapters
        self._profiles = profiles
        self._settings = settings
        self._language = language
        self._say = say
        self._consumer = consumer
        self._alone = alone
        self._policy = policy
        self._traces = traces
        self._clock = clock or asyncio.get_running_loop().time
        self._sleep = sleep
        self._groups = Groups(clock=self._clock)
        self._holds: dict[str, _Hold] = {}  # by token
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by token
        self._waiting: set[asyncio.Task[Any]] = set()  # those that wait for a platform to come back
        self._deliveries: dict[str, Delivery] = {}  # by message key
        self._stopped_early: deque[Interrupt] = deque(maxlen=1000)  # those that overtook their message
        self._slot = asyncio.Event()

    async def run(self) -> None:
        """Answer until cancelled, then let running answers finish for `DRAIN` and give back the rest.

        Raises what Redis says of a mistake of ours or of its user's missing rights: nothing can go on so.
        """
        taking = asyncio.create_task(self._taking())
        beside = [asyncio.create_task(self._renewing()), asyncio.create_task(self._listening())]
        try:
            # None of them ends by itself: one that does has failed, and without it the others would do harm.
            done, _ = await asyncio.wait({taking, *beside}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            await self._drain()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self._leave()

    # --- taking ----------------------------------------------------------------------------------------------

    async def _taking(self) -> None:
        idle: float | None = 0 if self._alone else None
        opened, swept, pause = False, -self._settings.lease, 0.1
        while True:
            try:
                if not opened:
                    await self._inbox.open()
                    opened = True
                free = await self._free()
                asked = self._clock()  # Redis counts a lease from its giving, not from our hearing of it
                if idle == 0 or self._clock() - swept > self._settings.lease / 2:
                    leases: Sequence[Lease] = await self._inbox.adopt(self._consumer, count=free, idle=idle)
                    # A full page may hide more: look again at once.
                    if len(leases) < free:
                        idle, swept = None, self._clock()
                else:
                    leases = await self._inbox.take(
                        self._consumer, count=free, block=min(1, self._settings.lease / 4)
                    )
                for lease in leases:
                    self._begin(lease, asked + self._settings.lease)
                pause = 0.1
            except StoreAway as error:
                _log.warning("inbox.away", detail=str(error), again_in=pause)
                await self._sleep(pause)
                pause = min(2 * pause, 5)

    async def _free(self) -> int:
        while (free := self._settings.concurrency - self._busy()) <= 0:
            self._slot.clear()
            await self._slot.wait()
        return min(free, 100)

    def _busy(self) -> int:
        """Who waits for one platform takes no other's place, unless they are as many as may be answered at once."""
        return len(self._tasks) - min(len(self._waiting), self._settings.concurrency)

    def _begin(self, lease: Lease, until: float) -> None:
        if lease.token in self._tasks:
            # We were thought dead and took our own message back: the older task must not go on.
            self._tasks[lease.token].cancel()
        hold = _Hold(self._inbox, lease, until, self._clock)
        self._holds[lease.token] = hold
        task = asyncio.create_task(self._work(hold))
        self._tasks[lease.token] = task
        task.add_done_callback(lambda done: self._ended(lease.token, done))

    def _ended(self, token: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(token) is task:
            del self._tasks[token], self._holds[token]
        self._slot.set()

    # --- answering -------------------------------------------------------------------------------------------

    async def _work(self, hold: _Hold) -> None:
        lease = hold.lease
        with about(reference(lease.message), attempt=lease.attempt):
            try:
                await self._answer(hold)
            except LeaseLost:
                _log.warning("lease.lost")
            except Gone as error:
                _log.info("place.gone", detail=str(error))
                await self._settle(self._inbox.bury(lease, "gone"))
            except Unavailable as error:
                _log.warning("answer.postponed", kind=type(error).__name__, detail=str(error))
                await self._wait_for_platform(lease)
            except asyncio.CancelledError:
                await self._settle(self._inbox.release(lease, count_attempt=False))
                raise
            except Exception:  # noqa: BLE001 - the worker's border: one message's fault must not end the others
                _log.exception("answer.crashed")
                await self._postpone(lease)

    async def _answer(self, hold: _Hold) -> None:
        lease = await self._joined(hold.lease)
        message = entry.one((lease.message, *lease.burst))
        adapter = self._adapters.get(message.place.platform)
        if adapter is None:
            raise Gone(f"no adapter for {message.place.platform} is configured here")
        for part in lease.burst:
            await self._close(hold, adapter, part)
        outside = home(message, self._policy)
        profile = await self._profiles.load(lease.conversation, outside)
        delivery = Delivery(
            message,
            lease.conversation,
            adapter.reply(message, hold),
            hold,
            ref=reference(message),
            profile=profile,
            language=self._language(profile, message.person.language),
            say=self._say,
            home=outside,
            shared=shared(message, self._policy),
            earlier=partial(adapter.earlier, message),
            fetch=adapter.fetch,
            administers=partial(self._groups.runs, adapter.administers, message.place, message.person),
            forget=partial(_forget, adapter, message),
            voice_form=adapter.voice_form,
            picture_limit=adapter.picture_limit if isinstance(adapter, Bounded) else 0,
        )
        try:
            await (self._give_up if self._hopeless(lease) else self._run)(delivery, lease)
        finally:
            await delivery.abandon()  # before anybody else may have the message

    async def _joined(self, lease: Lease) -> Lease:
        """The lease with all that belongs to its question; the rest of a text that an app split may be under way."""
        if lease.attempt == 1 and len(lease.message.text) >= LONG_PASTE:
            await self._sleep(PASTE_WAIT)
        elif lease.length == 1 and not lease.joined:
            return lease
        lease = await self._inbox.join(lease)
        if lease.burst:
            _log.info("messages.joined", refs=[reference(part) for part in lease.burst])
        return lease

    async def _close(self, hold: _Hold, adapter: Adapter, part: Incoming) -> None:
        """End the reply to a message that is answered with another: nobody need wait for one of its own."""
        if not hold.held():
            raise LeaseLost(part.key)
        reply = adapter.reply(part, _Blank(hold.attempt))
        try:
            await reply.send(End())
        except BaseException:
            await reply.abandon()
            raise

    async def _run(self, delivery: Delivery, lease: Lease) -> None:
        key = lease.message.key
        self._deliveries[key] = delivery
        early = [interrupt for interrupt in self._stopped_early if interrupt.message == key]
        if lease.stopped or early:
            delivery.stop(withdrawn=lease.withdrawn or any(interrupt.withdrawn for interrupt in early))
        started = self._clock()
        try:
            await self._handler(delivery)
        finally:
            if self._deliveries.get(key) is delivery:  # and not that of a later attempt of ours
                del self._deliveries[key]
        if not await self._inbox.done(lease):
            raise LeaseLost(key)
        _log.info("message.answered", seconds=round(self._clock() - started, 3))

    def _hopeless(self, lease: Lease) -> bool:
        return lease.attempt - lease.away > self._settings.attempts or lease.away >= AWAY

    async def _give_up(self, delivery: Delivery, lease: Lease) -> None:
        _log.error("message.gave_up")
        try:
            await delivery.notice("gave_up", attempts=lease.attempt - 1)
            await delivery.end()
        except Unavailable as error:
            _log.warning("gave_up.unsaid", detail=str(error))
        await self._inbox.bury(lease, "attempts")
        if self._traces is not None:
            await self._settle(self._traces.end(delivery.ref, "given_up"))

    async def _wait_for_platform(self, lease: Lease) -> None:
        """Keep the lease, longer each time, then let the message be taken again: it is not at fault."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - each message has one
        self._waiting.add(task)
        self._slot.set()
        try:
            await self._sleep(2.0**lease.away / 2)
        finally:
            self._waiting.discard(task)
            await self._settle(self._inbox.postpone(lease))

    async def _postpone(self, lease: Lease) -> None:
        """Keep the lease for a while, so that the lane keeps its order, then let the message be taken again."""
        await self._sleep(min(2.0**lease.attempt, 30) / 4)
        await self._settle(self._inbox.release(lease))

    async def _settle(self, change: Awaitable[object]) -> None:
        """Tell Redis, if it can be told; if the inbox cannot, the lease runs out and the message is taken over."""
        try:
            await change
        except StoreAway as error:
            _log.warning("inbox.away", detail=str(error))

    # --- beside ----------------------------------------------------------------------------------------------

    async def _renewing(self) -> None:
        while True:
            await self._sleep(self._settings.lease / 3)
            holds = list(self._holds.values())
            asked = self._clock()
            try:
                ours = await self._inbox.renew([hold.lease for hold in holds]) if holds else set()
            except StoreAway as error:
                _log.warning("lease.unrenewed", detail=str(error))
                continue
            for hold in holds:
                if hold.lease.token in ours:
                    hold.until = asked + self._settings.lease
                elif self._holds.get(hold.lease.token) is hold:
                    hold.until = asked  # from now on every `send` raises LeaseLost

    async def _listening(self) -> None:
        async for interrupt in self._inbox.interrupts():
            delivery = self._deliveries.get(interrupt.message)
            if delivery is None:
                self._stopped_early.append(interrupt)
            else:
                delivery.stop(withdrawn=interrupt.withdrawn)

    async def _drain(self) -> None:
        tasks = set(self._tasks.values())
        if tasks:
            _log.info("worker.draining", answers=len(tasks), seconds=self._settings.drain)
            for task in self._waiting & tasks:
                task.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=self._settings.drain)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _leave(self) -> None:
        try:
            await self._inbox.leave(self._consumer)
        except StoreAway as error:
            _log.warning("inbox.away", detail=str(error))


async def _forget(adapter: Adapter, message: Incoming) -> None:
    if isinstance(adapter, Retentive):
        await adapter.forget(message.place, message.person)
