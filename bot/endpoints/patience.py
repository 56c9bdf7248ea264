"""How often a server is asked, how long is waited in between, and when it is left alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import structlog

from bot.endpoints.settings import Server
from bot.errors import EmptyAnswer, EndpointBusy, ParleyError, QuotaExhausted, ServerFailed, Unreachable

TRIES = 3
"""How often one candidate is asked."""

PATIENCE = 20.0
"""Seconds after which a candidate is not asked again, waiting and asking taken together."""

PASSING = (EndpointBusy, ServerFailed, Unreachable, EmptyAnswer)
"""What may be over the next time."""

COSTLY = (EndpointBusy, Unreachable)
"""The same for what may have been charged for although it failed: only what was surely not begun is asked again."""

_QUOTA_REST = 300.0  # seconds for which an account without credit is left alone

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class Patience:
    """Asks again where that helps. `clock` counts seconds from anywhere, `random` gives a number from 0 to 1."""

    def __init__(
        self,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        random: Callable[[], float],
    ) -> None:
        self._clock, self._sleep, self._random = clock, sleep, random
        self._resting: dict[Server, float] = {}  # as many as there are configured servers

    async def ask(
        self,
        server: Server,
        start: Callable[[], AsyncGenerator[T]],
        again: tuple[type[ParleyError], ...] = PASSING,
    ) -> AsyncGenerator[T]:
        """What `start` gives, begun anew after the errors in `again`, until patience ends or that cannot help.

        What has been shown is never asked for again: behind its first piece `start` raises only `Interrupted`.
        """
        if self._clock() < self._resting.get(server, float("-inf")):
            raise QuotaExhausted(f"{server.host}: the account was out of credit a moment ago")
        began = self._clock()
        tries = 0
        while True:
            tries += 1
            try:
                async with aclosing(start()) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except QuotaExhausted:
                self._resting[server] = self._clock() + _QUOTA_REST
                raise
            except again as error:
                wait = self._wait(error, tries)
                if wait is None or self._clock() - began + wait > PATIENCE:
                    raise
                _log.info("retry", host=server.host, tries=tries, wait=round(wait, 2), reason=str(error))
            await self._sleep(wait)

    def _wait(self, error: ParleyError, tries: int) -> float | None:
        """Seconds to wait before asking again: as the server says, else full jitter; None for not at all."""
        if tries >= (2 if isinstance(error, EmptyAnswer) else TRIES) or error.values.get("final"):
            return None
        if isinstance(error, EndpointBusy) and error.retry_after > 0:
            return error.retry_after
        return self._random() * min(8.0, 0.5 * 2.0**tries)
