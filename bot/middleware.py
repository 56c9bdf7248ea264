"""What wraps the dialogue: faults said in plain words, strangers and floods kept out, commands run."""

from __future__ import annotations

import structlog

from bot.access import Access
from bot.api import Gone, Option, Person, Place, Unavailable
from bot.commands import Registry
from bot.delivery import Delivery, Handler
from bot.errors import LeaseLost, MessageTooLong, NothingToAnswer, ParleyError, Refused, StoreAway
from bot.limits import BudgetSpent, Limited, Limits, span
from bot.traces import Traces

_EXPECTED = (MessageTooLong, NothingToAnswer, Limited)
_log = structlog.get_logger(__name__)


class Report:
    """Says a failure in the person's language, with the reference id that finds the log lines.

    What concerns the message's way rather than its answer (`LeaseLost`, `Gone`, `Unavailable`) is the worker's.
    """

    def __init__(self, following: Handler) -> None:
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Answer by the rest of the stack; the reply ends whatever happens."""
        try:
            await self._following(delivery)
            await delivery.end()
        except (LeaseLost, Gone, Unavailable):
            raise
        except ParleyError as error:
            log = _log.info if isinstance(error, _EXPECTED) else _log.warning
            log("answer.failed", kind=type(error).__name__, detail=str(error))
            await self._say(delivery, error)
        except Exception:  # noqa: BLE001 - the border that answers for every handler: a fault of ours is said, not swallowed
            _log.exception("answer.crashed")
            await self._say(delivery, ParleyError())

    async def _say(self, delivery: Delivery, error: ParleyError) -> None:
        if delivery.ended:
            return
        await delivery.fault(error)
        final = isinstance(error, Refused | BudgetSpent)
        offers = () if final else (Option(delivery.say("offer.retry"), "/retry"),)
        await delivery.end(None, *offers)


class Tracing:
    """Notes for a day what becomes of each message, for who is given its reference id."""

    def __init__(self, traces: Traces, following: Handler) -> None:
        self._traces = traces
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Pass the message on; its answer is not worth less where nothing can be noted."""
        message, place = delivery.message, delivery.message.place
        await self._traces.begin(
            delivery.ref,
            person=f"{place.platform}:{message.person.id}",
            place=f"{place.platform}:{place.chat}",
            attempt=delivery.hold.attempt,
            sent_at=message.sent_at,
        )
        try:
            await self._following(delivery)
        except LeaseLost:
            raise  # whoever has the message now tells what becomes of it
        except Gone:
            await self._end(delivery.ref, "gone", "")
            raise
        except Unavailable as error:
            await self._end(delivery.ref, "postponed", type(error).__name__)
            raise
        except ParleyError as error:
            await self._end(delivery.ref, "failed", type(error).__name__)
            raise
        except Exception:
            await self._end(delivery.ref, "failed", "unexpected")
            raise
        await self._end(delivery.ref, "answered", "")

    async def _end(self, ref: str, state: str, fault: str) -> None:
        try:
            await self._traces.end(ref, state, fault)
        except StoreAway as error:
            _log.info("trace.unnoted", detail=str(error))


class Admission:
    """Lets through whom the operator or an admin admits; a stranger is told politely, and not at every message.

    In a group a stranger's message has not come this far, but a person's rights may have ended while it waited.
    """

    def __init__(self, access: Access, following: Handler) -> None:
        self._access = access
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Pass the message on, or say that the bot is not for this person, and how they can be let in."""
        place, person = delivery.message.place, delivery.message.person
        if await self._admits(place, person):
            await self._following(delivery)
            return
        id = f"{place.platform}:{person.id}"
        _log.info("person.denied", person=id)
        if place.kind != "private":
            return
        # The first attempt may have ended between the note that they were told and the telling.
        if await self._access.deny(place, person) or delivery.hold.attempt > 1:
            code = await self._access.pair(place, person)
            if not code:
                await delivery.notice("denied", id=id)
            else:
                await delivery.notice(
                    "pairing.chat" if self._access.has_admins else "pairing.console", id=id, code=code
                )

    async def _admits(self, place: Place, person: Person) -> bool:
        if self._access.admits(place, person):
            return True
        await self._access.refresh()  # this process may not know yet whom an admin has let in
        return self._access.admits(place, person)


class Flood:
    """Stops who sends far more than a person can mean; they are told so once."""

    def __init__(self, limits: Limits, following: Handler) -> None:
        self._limits = limits
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Pass the message on, unless its sender floods the bot."""
        message = delivery.message
        wait, tell = await self._limits.flooding(message.place, message.person)
        if not wait:
            await self._following(delivery)
            return
        _log.info("person.floods", person=f"{message.place.platform}:{message.person.id}", wait=round(wait))
        if tell:
            await delivery.notice("limit.flood", wait=span(delivery.say, wait))


class Commands:
    """Runs a message that is a command; everything else goes on."""

    def __init__(self, registry: Registry, following: Handler) -> None:
        self._registry = registry
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Run the command, or pass the message on."""
        if not await self._registry.run(delivery):
            await self._following(delivery)
