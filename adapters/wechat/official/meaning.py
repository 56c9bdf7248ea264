"""What a message is meant as: a question, a command without a slash, a number from a list, or a call for the rest."""

from __future__ import annotations

from dataclasses import replace

from adapters._numbered import Numbered
from adapters._spoken import Spoken
from adapters.wechat.official.outbox import Outbox, person_of
from bot.api import Incoming, Store

FETCH = "1"
"""What a person writes to get what is kept."""

_REMEMBERED = 120.0  # seconds; WeChat delivers a message again for fifteen


class Meanings:
    """All calls raise `Unavailable`."""

    def __init__(self, store: Store, outbox: Outbox, numbered: Numbered) -> None:
        self._store = store
        self._outbox = outbox
        self._numbered = numbered
        self._spoken = Spoken(())

    def know(self, spoken: Spoken) -> None:
        """These are the commands that people may write."""
        self._spoken = spoken

    async def of(self, message: Incoming) -> Incoming | None:
        """The message as the core is to read it; None where it only asks for what is kept."""
        if message.text.strip() == FETCH and await self._fetches(message):
            return None
        value = await self._numbered.taken(person_of(message), message.text)
        command = value or self._spoken.command(message.text)
        return message if command is None else replace(message, text=command, addressed="command")

    async def _fetches(self, message: Incoming) -> bool:
        """Decided once: when the message is delivered again, what it was to fetch may have been carried."""
        key = f"fetch:{message.key}"
        decided = await self._store.get(key)
        if decided is None:
            person = person_of(message)
            kept = await self._outbox.kept(person, message.key)
            awaited = await self._outbox.under_way(person)
            newest = max((at for at in (kept, awaited) if at is not None), default=None)
            fetches = newest is not None and await self._numbered.since(person) <= newest
            decided = "yes" if fetches else "no"
            await self._store.put(key, decided, ttl=_REMEMBERED)
        return decided == "yes"
