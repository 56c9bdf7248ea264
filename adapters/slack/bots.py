"""How often other bots may talk to ours: two bots must never talk for ever."""

from __future__ import annotations

from collections.abc import Collection

from bot.api import Incoming, Store

PER_THREAD = 10
PER_CHANNEL = 100
"""Messages of all other bots together, within a day of the last."""

_DAY = 86400.0


class Bots:
    """The bots that the operator allows, by any id of theirs: of the bot (B…), its user (U…) or its app (A…)."""

    def __init__(self, store: Store, allowed: Collection[str]) -> None:
        self._store = store
        self._allowed = frozenset(allowed)

    async def may(self, ids: Collection[str], incoming: Incoming) -> bool:
        """Whether what a bot said is to be heard. What is meant for us is counted, once. Raises `Unavailable`."""
        if not self._allowed.intersection(ids):
            return False
        if incoming.addressed == "ambient":
            return True
        place, thread = incoming.place, f"{incoming.place.thread}/"
        log, name = f"bots:{place.account}:{place.chat}", f"{thread}{incoming.id}"
        said = {entry.value for entry in await self._store.read(log, count=PER_CHANNEL + 1)}
        if name in said:
            return True
        if len(said) >= PER_CHANNEL or sum(other.startswith(thread) for other in said) >= PER_THREAD:
            return False
        await self._store.append(log, name, limit=PER_CHANNEL + 1, ttl=_DAY)
        return True
