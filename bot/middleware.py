"""What wraps the dialogue: every failure said in plain words, and commands that never reach the model."""

from __future__ import annotations

import structlog

from bot.access import Access
from bot.api import Gone, Option, Unavailable
from bot.commands import Registry
from bot.delivery import Delivery, Handler
from bot.errors import EndpointBusy, LeaseLost, MessageTooLong, NothingToAnswer, ParleyError, Refused

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
            log = _log.info if isinstance(error, MessageTooLong | NothingToAnswer) else _log.warning
            log("answer.failed", kind=type(error).__name__, detail=str(error))
            await self._say(delivery, error)
        except Exception:  # noqa: BLE001 - the border that answers for every handler: a fault of ours is said, not swallowed
            _log.exception("answer.crashed")
            await self._say(delivery, ParleyError())

    async def _say(self, delivery: Delivery, error: ParleyError) -> None:
        if delivery.ended:
            return
        if isinstance(error, EndpointBusy) and error.retry_after >= 1:
            await delivery.notice("error.endpoint_busy_for", seconds=round(error.retry_after))
        else:
            await delivery.notice(error.user_key, **error.values)
        offers = () if isinstance(error, Refused) else (Option(delivery.say("offer.retry"), "/retry"),)
        await delivery.end(None, *offers)


class Admission:
    """Lets through whom the operator admits; a stranger is told politely, and not at every message.

    In a group a stranger's message has not come this far, but a person's rights may have ended while it waited.
    """

    def __init__(self, access: Access, following: Handler) -> None:
        self._access = access
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Pass the message on, or say that the bot is not for this person."""
        place, person = delivery.message.place, delivery.message.person
        if self._access.admits(place, person):
            await self._following(delivery)
            return
        _log.info("person.denied", person=f"{place.platform}:{person.id}")
        if place.kind == "private" and await self._access.deny(place, person):
            await delivery.notice("denied", id=f"{place.platform}:{person.id}")


class Commands:
    """Runs a message that is a command; everything else goes on."""

    def __init__(self, registry: Registry, following: Handler) -> None:
        self._registry = registry
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Run the command, or pass the message on."""
        if not await self._registry.run(delivery):
            await self._following(delivery)
