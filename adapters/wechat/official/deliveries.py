"""One delivery of a message: held open until there is something to carry, and answered before WeChat gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

from adapters.wechat.official.load import Load
from adapters.wechat.official.meaning import Meanings
from adapters.wechat.official.outbox import Outbox, person_of
from adapters.wechat.official.pace import Pace
from adapters.wechat.official.parse import Heard
from adapters.wechat.official.service import Service
from adapters.wechat.words import LANGUAGE, both, say
from bot.api import Busy, Ignored, Incoming, Submit, Unavailable

Outcome = Literal["news", "gone", "late"]
"""What a delivery has waited for; WeChat has ended it; it must be answered now or never."""


_ROUNDS = 5  # of the event loop, until it has heard of a connection that was closed
_REST = f"…（{both('rest')}）"


class Left(Exception):
    """WeChat has ended the delivery, or is to: what is said to it does not matter."""


@dataclass(frozen=True, slots=True)
class Said:
    """What goes back: a load from the outbox, and a `hint` behind it. Both empty: nothing is said."""

    load: Load = field(default_factory=Load)
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """`since`: when it came, by our clock; `last`: no other of its message will come; `gone`: WeChat has ended it."""

    message: Incoming
    since: float
    last: bool
    gone: asyncio.Future[None]

    @property
    def person(self) -> str:
        """Whose outbox it may carry."""
        return person_of(self.message)

    @property
    def name(self) -> str:
        """By which it claims what it carries: the same for all deliveries of its message."""
        return self.message.key


class Deliveries:
    """`clock` is the time of day in seconds; it and `sleep` are what every wait is made of."""

    def __init__(
        self,
        outbox: Outbox,
        service: Service,
        meanings: Meanings,
        *,
        pace: Pace,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._outbox = outbox
        self._service = service
        self._meanings = meanings
        self._pace = pace
        self._clock = clock
        self._sleep = sleep

    async def take(self, heard: Heard, told: float, gone: asyncio.Future[None], submit: Submit) -> Said:
        """What to say to a delivery, which WeChat made at `told` by its own clock.

        Raises `Unavailable` where nothing was accepted, and `Left`.
        """
        since, message = self._clock(), heard.incoming
        count = await self._outbox.opened(message.key)
        # Where we were away during the earlier deliveries, the time tells that this is the last one.
        late = 0 < message.sent_at <= told - self._pace.last
        delivery = Delivery(message, since, late or count >= self._pace.deliveries, gone)
        if heard.greeting:
            return await self._say(delivery, await self._load(delivery), say(LANGUAGE, "greeting"))
        meant = await self._meanings.of(message)
        if meant is None:
            return await self._fetch(delivery)
        outcome = await submit(meant)
        if isinstance(outcome, Busy | Ignored):
            return await self._say(delivery, Load(), outcome.text if isinstance(outcome, Busy) else "")
        await self._outbox.begin(delivery.person, message.key)
        return await self._answer(delivery)

    # --- a question -----------------------------------------------------------------------------------------

    async def _answer(self, delivery: Delivery) -> Said:
        """Carry its answer if it is ready in time, and before it what is kept from earlier."""
        waited = await self._wait(
            delivery, self._outbox.until_finished(delivery.person, delivery.name), self._pace.hold
        )
        if waited == "gone":
            return await self._leave(delivery)
        load, may = await self._load(delivery), await self._service.may()
        if waited == "news":
            if load.more and may is None:
                may = await self._learned(delivery)
            if load.more and may:  # all of it by customer service, so that it comes in order
                await self._outbox.give_back(load)
                return await self._say(delivery, Load())
            return await self._say(delivery, load, _REST if load.more else "")
        if load.items:
            awaited = "" if may or await self._outbox.finished(delivery.name) else f"…（{both('thinking')}）"
            return await self._say(delivery, load, _REST if load.more else awaited)
        if delivery.last:
            return await self._say(delivery, load, await self._told(delivery, may=bool(may)))
        if may is None:  # the last delivery has to know what to say
            await self._learned(delivery)
        return await self._leave(delivery)

    async def _told(self, delivery: Delivery, *, may: bool) -> str:
        """What a person is told whose answer will take longer; a response costs none of the five messages.

        Where customer service brings it unasked, only who waits behind one message of theirs is told anything: who
        goes on writing has been told.
        """
        ahead = await self._outbox.ahead(delivery.person, delivery.name)
        waits = both("waits") if ahead == 1 or (ahead and not may) else ""
        return "\n".join(filter(None, [waits, "" if may else both("thinking")]))

    async def _learned(self, delivery: Delivery) -> bool:
        """Whether customer service may carry what one response cannot hold."""
        try:
            return await self._service.learned(delivery.message.place.chat)
        except Unavailable:
            return False

    # --- a call for what is kept ----------------------------------------------------------------------------

    async def _fetch(self, delivery: Delivery) -> Said:
        """Carry what is kept, or the next thing that will be."""
        while True:
            after = await self._outbox.newest(delivery.person)
            load = await self._load(delivery)
            if load.items or await self._outbox.under_way(delivery.person) is None:
                return await self._say(delivery, load, _REST if load.more else "")
            waited = await self._wait(
                delivery, self._outbox.until_more(delivery.person, after), self._pace.hold
            )
            if waited == "late" and delivery.last:
                return await self._say(delivery, load, "" if await self._service.may() else both("thinking"))
            if waited != "news":
                return await self._leave(delivery)

    # --- the end of a delivery ------------------------------------------------------------------------------

    async def _load(self, delivery: Delivery) -> Load:
        return await self._outbox.load(delivery.person, delivery.name)

    async def _say(self, delivery: Delivery, load: Load, hint: str = "") -> Said:
        """Answer it; there will be no other of its message. What cannot reach anybody is given back."""
        await self._outbox.closed(delivery.name)
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)  # that WeChat has gone may be known to the system, and not to us yet
        if delivery.gone.done() or self._clock() - delivery.since > self._pace.write:
            await self._outbox.give_back(load)
            raise Left
        return Said(load, hint)

    async def _leave(self, delivery: Delivery) -> Said:
        """Let WeChat end it without an answer, so that it delivers again."""
        if delivery.last:
            await self._outbox.closed(delivery.name)
        await self._wait(delivery, _nothing(), self._pace.leave)
        raise Left

    async def _wait(self, delivery: Delivery, news: Coroutine[Any, Any, None], until: float) -> Outcome:
        """Wait for `news`, for at most `until` seconds since the delivery came."""
        waiting = asyncio.ensure_future(news)
        timer = asyncio.ensure_future(self._sleep(max(0.0, delivery.since + until - self._clock())))
        try:
            await asyncio.wait({waiting, timer, delivery.gone}, return_when=asyncio.FIRST_COMPLETED)
            if delivery.gone.done():
                return "gone"
            if waiting.done():
                waiting.result()
                return "news"
            return "late"
        finally:
            waiting.cancel()
            timer.cancel()
            await asyncio.gather(waiting, timer, return_exceptions=True)


async def _nothing() -> None:
    """News that never comes."""
    await asyncio.get_running_loop().create_future()
