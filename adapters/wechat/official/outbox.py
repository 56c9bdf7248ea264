"""What was answered and has not reached the person: kept for a day, and carried by whoever can, once.

In the drawer, for a person `p` (account and openid) and a message `m` (`Incoming.key`):

| name | what |
|---|---|
| log `out:p` | the messages whose answers are finished, oldest first |
| log `way:p` | those that are being answered |
| log `talk:m` | the deliveries of `m` as they open, and that no further one will carry anything |
| `end:m` | the finished answer: its items |
| `serve:m` | customer service is to carry what the deliveries of `m` itself do not: no other delivery may, for now |
| `claim:m:n` | who carries its item `n`, since when, and whether that is done |

A finished answer is put down in one piece under a name of its own, so a second attempt finds it; each item is
carried by whoever made its claim. A delivery of a message may carry again what an earlier one of the same message has
claimed: WeChat delivers again only what it has no response to. A claim that is not done after a while was its
owner's last deed, and anybody may take it over.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from uuid import uuid4

from adapters.wechat.official.load import Item, Load, Packing
from bot.api import Entry, Incoming, Place, Store

TTL = 86400.0
"""Seconds for which an answer is kept."""

LIMIT = 50
"""Answers that are kept for a person; of more, the oldest are forgotten."""

SERVICE = "service "
"""What a claimant's name begins with that sends customer-service messages."""

_SOON = 600.0  # seconds that the log of a message's deliveries is kept
_WAY = 3600.0  # seconds after which nobody believes any more that an answer is being written
_STALE = 20.0  # seconds after which a response that was not written will not be
_STALE_SERVICE = 60.0  # the same of a worker, whose successor has to find the message first
_SETTLED = 60.0  # seconds after which WeChat will surely not deliver a message again
_TAKING = 5.0  # seconds that taking over a claim lasts at the most


def person_of(message: Incoming) -> str:
    """The name under which a person's outbox is kept."""
    return named(message.place)


def named(place: Place) -> str:
    """The same, by their place."""
    return f"{place.account}:{place.chat}"


class Outbox:
    """All calls raise `Unavailable`.

    `clock` is the time of day in seconds, the same for all replicas; `ids` makes names that never come twice.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        ids: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    # --- deliveries -----------------------------------------------------------------------------------------

    async def opened(self, message: str) -> int:
        """A delivery of the message has come. Which one it is, from 1."""
        mine = await self._store.append(f"talk:{message}", f"open {self._clock()}", limit=20, ttl=_SOON)
        entries = await self._store.read(f"talk:{message}")
        opens = [entry.id for entry in entries if entry.value.startswith("open")]
        return opens.index(mine) + 1 if mine in opens else len(opens)

    async def closed(self, message: str) -> None:
        """No later delivery of the message will carry what this one has not."""
        await self._store.append(f"talk:{message}", "closed", limit=20, ttl=_SOON)

    async def first_opened(self, message: str) -> float | None:
        """When the first delivery of the message came; None where none did, or no other will carry anything."""
        entries = await self._store.read(f"talk:{message}")
        opens = [float(entry.value.split()[1]) for entry in entries if entry.value.startswith("open")]
        return None if not opens or any(entry.value == "closed" for entry in entries) else min(opens)

    async def until_closed(self, message: str) -> None:
        """Wait until no later delivery of the message will carry anything."""
        await _first(self._store.follow(f"talk:{message}"), lambda entry: entry.value == "closed")

    # --- answers --------------------------------------------------------------------------------------------

    async def begin(self, person: str, message: str) -> None:
        """The message is being answered."""
        waiting = await self._store.read(f"way:{person}")
        if any(_message(entry.value) == message for entry in waiting) or await self.finished(message):
            return
        await self._store.append(f"way:{person}", _noted(message, self._clock()), limit=LIMIT, ttl=_WAY)
        if await self.finished(message):  # meanwhile
            await self._arrived(person, message)

    async def finish(self, person: str, message: str, items: Sequence[Item], *, serving: bool) -> None:
        """Put down a finished answer. It takes the place of an earlier attempt's, of which nothing was carried.

        `serving`: until `release` (or a minute has gone by), only its own deliveries and customer service carry it.
        """
        if serving:
            await self._store.put(f"serve:{message}", str(self._clock()), ttl=_STALE_SERVICE)
        answer = json.dumps([[item.kind, item.value] for item in items], ensure_ascii=False)
        key = f"end:{message}"
        if not await self._store.put(key, answer, ttl=TTL, absent=True):
            await self._replace(message, answer)
        listed = await self._store.read(f"out:{person}")
        if not any(_message(entry.value) == message for entry in listed):
            await self._store.append(f"out:{person}", _noted(message, self._clock()), limit=LIMIT, ttl=TTL)
        await self._arrived(person, message)

    async def release(self, message: str) -> None:
        """Customer service has done what it could; what is left, anybody may carry."""
        await self._store.drop(f"serve:{message}")

    async def finished(self, message: str) -> bool:
        """Whether the message has its answer."""
        return await self._store.get(f"end:{message}") is not None

    async def items(self, message: str) -> Sequence[Item] | None:
        """The finished answer, or None where there is none."""
        kept = await self._store.get(f"end:{message}")
        return None if kept is None else [Item(kind, value) for kind, value in json.loads(kept)]

    async def until_finished(self, person: str, message: str) -> None:
        """Wait for the message's answer."""
        await _first(self._store.follow(f"out:{person}"), lambda entry: _message(entry.value) == message)

    async def until_more(self, person: str, after: str) -> None:
        """Wait for any answer behind the entry `after` of the person's outbox."""
        await _first(self._store.follow(f"out:{person}", after=after), lambda _: True)

    async def newest(self, person: str) -> str:
        """The last entry of the person's outbox, for `until_more`."""
        entries = await self._store.read(f"out:{person}")
        return entries[-1].id if entries else "0"

    async def under_way(self, person: str) -> float | None:
        """When the newest message came that is being answered, in seconds since the epoch; None where none is."""
        entries = await self._store.read(f"way:{person}")
        times = [_time(entry.value) for entry in entries]
        return max((at for at in times if at + _WAY > self._clock()), default=None)

    async def ahead(self, person: str, message: str) -> int:
        """How many messages of the person's are being answered that came before this one."""
        entries = await self._store.read(f"way:{person}")
        waiting = [_message(entry.value) for entry in entries if _time(entry.value) + _WAY > self._clock()]
        return waiting.index(message) if message in waiting else 0

    async def kept(self, person: str, claimant: str) -> float | None:
        """When the newest answer was finished of which something is left; None where nothing is."""
        found: float | None = None
        for entry in await self._store.read(f"out:{person}"):
            message = _message(entry.value)
            for number, _ in enumerate(await self.items(message) or ()):
                if await self._free(f"claim:{message}:{number}", claimant):
                    found = _time(entry.value)
                    break
        return found

    # --- carrying -------------------------------------------------------------------------------------------

    async def load(self, person: str, claimant: str) -> Load:
        """Claim what fits into one response, oldest first."""
        packing = Packing()
        for entry in await self._store.read(f"out:{person}"):
            message = _message(entry.value)
            if message != claimant and await self._served(message):
                continue
            items = await self.items(message) or ()
            for number, item in enumerate(items):
                claim = f"claim:{message}:{number}"
                if not packing.fits(item):
                    if await self._free(claim, claimant):
                        return Load(tuple(packing.items), tuple(packing.claims), more=True)
                elif owned := await self._claim(claim, claimant):
                    packing.add(item, claim, owned)
            if self._clock() - _time(entry.value) > _SETTLED and await self._settled(message, len(items)):
                await self._clear(person, entry.id, message)
        return Load(tuple(packing.items), tuple(packing.claims))

    async def claim(self, message: str, number: int, claimant: str) -> Load | None:
        """Claim one item, or None where somebody else has it."""
        items = await self.items(message) or ()
        claim = f"claim:{message}:{number}"
        owned = await self._claim(claim, claimant) if number < len(items) else None
        return Load((items[number],), ((claim, owned),)) if owned else None

    async def left(self, message: str, claimant: str) -> list[int]:
        """Which items of the answer nobody has carried."""
        items = await self.items(message) or ()
        return [n for n in range(len(items)) if await self._free(f"claim:{message}:{n}", claimant)]

    async def carried(self, load: Load, claimant: str) -> None:
        """The response was written."""
        for claim, _ in load.claims:
            await self._store.put(claim, self._owned(claimant, done=True), ttl=TTL)

    async def give_back(self, load: Load) -> None:
        """The response cannot be written: others may carry it."""
        for claim, owned in reversed(load.claims):
            if await self._store.get(claim) == owned:  # and no later delivery has it
                await self._store.drop(claim)

    async def _claim(self, claim: str, claimant: str) -> str | None:
        """Claim it; what the claim says, or None where another's stands."""
        owned = self._owned(claimant)
        if await self._store.put(claim, owned, ttl=TTL, absent=True):
            return owned
        if not await self._free(claim, claimant):
            return None
        # Of several who find a claim that nobody stands behind any more, one has it.
        if not await self._store.put(f"{claim}:over", claimant, ttl=_TAKING, absent=True):
            return None
        taken = await self._free(claim, claimant)
        if taken:
            await self._store.put(claim, owned, ttl=TTL)
        await self._store.drop(f"{claim}:over")
        return owned if taken else None

    async def _free(self, claim: str, claimant: str) -> bool:
        """Whether the claimant may carry this: nobody else does, or did."""
        kept = await self._store.get(claim)
        if kept is None:
            return True
        owner, since, done, _ = json.loads(kept)
        serving = owner.startswith(SERVICE)
        if owner == claimant and not (serving and done):
            return True
        return bool(not done and self._clock() - since > (_STALE_SERVICE if serving else _STALE))

    async def _served(self, message: str) -> bool:
        since = await self._store.get(f"serve:{message}")
        return since is not None and self._clock() - float(since) <= _STALE_SERVICE

    async def _settled(self, message: str, count: int) -> bool:
        """Whether every item was carried so long ago that WeChat will not ask for it again."""
        for number in range(count):
            kept = await self._store.get(f"claim:{message}:{number}")
            _, since, done, _ = json.loads(kept) if kept else ("", 0.0, False, "")
            if not done or self._clock() - since <= _SETTLED:
                return False
        return True

    def _owned(self, claimant: str, *, done: bool = False) -> str:
        return json.dumps([claimant, self._clock(), done, self._ids()])

    async def _replace(self, message: str, answer: str) -> None:
        first = f"claim:{message}:0"
        if await self._store.get(f"end:{message}") == answer:
            return
        if not await self._store.put(first, self._owned("replaced"), ttl=5.0, absent=True):
            return  # the person has the beginning of the earlier one, and is to have the rest of it
        await self._store.put(f"end:{message}", answer, ttl=TTL)
        await self._store.drop(first)

    async def _arrived(self, person: str, message: str) -> None:
        entries = await self._store.read(f"way:{person}")
        await self._store.remove(
            f"way:{person}", [entry.id for entry in entries if _message(entry.value) == message]
        )

    async def forget(self, person: str) -> None:
        """Carry nothing any more of what was answered until now."""
        for entry in await self._store.read(f"out:{person}"):
            await self._clear(person, entry.id, _message(entry.value))

    async def _clear(self, person: str, entry: str, message: str) -> None:
        """That it was answered stays known, its words need not."""
        await self._store.remove(f"out:{person}", [entry])
        await self._store.put(f"end:{message}", "[]", ttl=TTL)


async def _first(entries: AsyncIterator[Entry], wanted: Callable[[Entry], bool]) -> None:
    try:
        async for entry in entries:
            if wanted(entry):
                return
    finally:
        if isinstance(entries, AsyncGenerator):
            await entries.aclose()


def _noted(message: str, at: float) -> str:
    return f"{at} {message}"


def _message(noted: str) -> str:
    return noted.partition(" ")[2]


def _time(noted: str) -> float:
    return float(noted.partition(" ")[0])
