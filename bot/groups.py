"""Who runs a group, as its platform says: asked when it matters, and then not again for some minutes."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from bot.api import Gone, Person, Place, Unavailable

RUNS = 300.0
"""Seconds for which it holds that somebody runs a group: who is dismissed has lost the right then."""

RUNS_NOT = 30.0
"""Seconds for which it holds that somebody does not: who was just appointed is not kept waiting."""

PATIENCE = 5.0
"""Seconds for which a platform's answer is waited for: somebody waits for what becomes of their command."""

_LIMIT = 10_000

Ask = Callable[[Place, Person], Awaitable[bool]]
"""`Adapter.administers`."""


class Groups:
    """What a process knows of the groups' admins. `clock` is monotonic; `limit` is how many answers are kept."""

    def __init__(
        self,
        *,
        patience: float = PATIENCE,
        limit: int = _LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience = patience
        self._limit = limit
        self._clock = clock
        self._known: OrderedDict[tuple[str, ...], tuple[float, bool]] = OrderedDict()

    async def runs(self, ask: Ask, place: Place, person: Person) -> bool:
        """Whether this person runs this group; of a private chat nobody is asked. Raises `Unavailable`."""
        if place.kind == "private":
            return False
        key = (place.platform, place.account, place.chat, person.id)
        until, answer = self._known.get(key, (0.0, False))
        if key in self._known and self._clock() < until:
            return answer
        try:
            async with asyncio.timeout(self._patience):
                answer = await ask(place, person)
        except TimeoutError:
            raise Unavailable(f"{place.platform} does not say in time who runs a group") from None
        except Gone:
            answer = False
        self._known[key] = (self._clock() + (RUNS if answer else RUNS_NOT), answer)
        self._known.move_to_end(key)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)
        return answer
