"""Albums: Telegram delivers each picture by itself, and here they become one message.

Each part is in the store before it is acknowledged. A short while after the last one they are handed in together.
What a crash leaves behind is listed in the store and picked up by whoever comes next; since the album's id is
always the same, two who hand it in say the same thing twice, which the inbox hears once.

| key | holds |
|---|---|
| log `album:<chat>:<group>` | the parts, and their later versions |
| log `albums` | the albums that have not been handed in, as `<chat>:<group>` |
| `album-sealed:<chat>:<group>` | the ids that are the album; a later part is a message of its own |
| `album-done:<chat>:<group>` | the ids that have been handed in |
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter, ValidationError

from adapters.telegram import ids
from adapters.telegram.parse import merged
from bot.api import Entry, Incoming, Store, Unavailable

HandIn = Callable[[Incoming], Awaitable[None]]

_TTL = 86400.0  # Telegram keeps a message for its bot as long
_PARTS = 50  # ten parts at most, and their edits
_ALBUMS = 2000
_PATIENCE = 5.0
_INDEX = "albums"
_PART = TypeAdapter(Incoming)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pending:
    """An album that this process waits for."""

    sender: tuple[str, str]
    finishing: bool = False
    task: asyncio.Task[None] = field(init=False)


class Albums:
    """Waits `wait` seconds after an album's last part, then hands it in."""

    def __init__(
        self, store: Store, *, wait: float = 1.2, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._store = store
        self._wait = wait
        self._sleep = sleep
        self._pending: dict[str, _Pending] = {}

    async def add(self, part: Incoming, group: str, hand_in: HandIn) -> None:
        """Keep a part; returns when it is safe. Raises `Unavailable`."""
        album = f"{part.place.chat}:{group}"
        if album not in self._pending:
            await self._store.append(_INDEX, album, limit=_ALBUMS, ttl=_TTL)
        value = _PART.dump_json(part).decode()
        await self._store.append(_log_of(album), value, limit=_PARTS, ttl=_TTL)
        self._begin(album, _sender(part), hand_in)

    async def flush(self, message: Incoming, hand_in: HandIn) -> None:
        """Hand in what `message` comes behind: its sender's albums are complete now. Raises `Unavailable`."""
        for album, pending in list(self._pending.items()):
            if pending.sender == _sender(message):
                await self._halt(pending)
                try:
                    await self._finish(album, hand_in)
                except Unavailable:
                    self._begin(album, pending.sender, hand_in)
                    raise

    async def pick_up(self, hand_in: HandIn) -> None:
        """Take on what others have left behind. Raises `Unavailable`."""
        for entry in await self._store.read(_INDEX, count=_ALBUMS):
            if entry.value not in self._pending:
                self._begin(entry.value, ("", ""), hand_in)

    async def close(self) -> None:
        """Stop waiting; what is left over waits in the store."""
        tasks = [pending.task for pending in self._pending.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- waiting -------------------------------------------------------------------------------------------

    def _begin(self, album: str, sender: tuple[str, str], hand_in: HandIn) -> None:
        """Wait from now on."""
        before = self._pending.get(album)
        pending = _Pending(sender)
        pending.task = asyncio.create_task(self._run(album, pending, before, hand_in))
        self._pending[album] = pending
        pending.task.add_done_callback(lambda _: self._ended(album, pending))

    def _ended(self, album: str, pending: _Pending) -> None:
        if self._pending.get(album) is pending:
            del self._pending[album]
        if not pending.task.cancelled() and (error := pending.task.exception()) is not None:
            _log.error("telegram: an album stays behind: %s", type(error).__name__, exc_info=error)

    async def _run(self, album: str, pending: _Pending, before: _Pending | None, hand_in: HandIn) -> None:
        if before is not None:
            await self._halt(before)
        pause = self._wait
        while True:
            try:
                await self._complete(album)
                pending.finishing = True
                await self._finish(album, hand_in)
                return
            except Unavailable as error:
                pending.finishing = False
                _log.info("telegram: an album waits: %s", error)
                await self._sleep(pause)
                pause = min(2 * pause, 30)

    @staticmethod
    async def _halt(pending: _Pending) -> None:
        """Have no other wait for this album; what is being handed in already is let through."""
        if pending.finishing:
            await asyncio.wait([pending.task], timeout=_PATIENCE)
        pending.task.cancel()
        await asyncio.wait([pending.task])

    async def _complete(self, album: str) -> None:
        """Wait until no part has come for a while, here or to another replica."""
        count = -1
        while count != (count := len(await self._store.read(_log_of(album), count=_PARTS))):
            await self._sleep(self._wait)

    # --- handing in ----------------------------------------------------------------------------------------

    async def _finish(self, album: str, hand_in: HandIn) -> None:
        parts = _parts(await self._store.read(_log_of(album), count=_PARTS))
        sealed = await self._seal(album, [part.id for part in parts if not part.edits])
        done = set(json.loads(await self._store.get(f"album-done:{album}") or "[]"))
        for message in _messages(album.rpartition(":")[2], parts, sealed, done):
            await hand_in(message)
        known = json.dumps(sorted({part.id for part in parts}))
        await self._store.put(f"album-done:{album}", known, ttl=_TTL)
        listed = await self._store.read(_INDEX, count=_ALBUMS)
        await self._store.remove(_INDEX, [entry.id for entry in listed if entry.value == album])

    async def _seal(self, album: str, ids: list[str]) -> set[str]:
        """Decide once and for all replicas which parts are the album: what an id stands for must not change."""
        if ids:
            await self._store.put(f"album-sealed:{album}", json.dumps(ids), ttl=_TTL, absent=True)
        return set(json.loads(await self._store.get(f"album-sealed:{album}") or "[]"))


def _messages(group: str, parts: list[Incoming], sealed: set[str], done: set[str]) -> list[Incoming]:
    """What is to be handed in of an album: itself, what came too late to be a part of it, and what was edited."""
    fresh = [part for part in parts if part.id not in done]
    latest = {part.edits or part.id: part for part in parts}
    members = [part for id, part in latest.items() if id in sealed]
    apart = [part for part in fresh if (part.edits or part.id) not in sealed]
    edits = [part for part in fresh if part.edits in sealed]
    if not members or not (edits or sealed - done):
        return apart
    first = min(sealed, key=lambda id: ids.message_number(id) or 0)
    whole = replace(merged(members), id=ids.album(group, first), edits="")
    if sealed - done:
        return [whole, *apart]
    edited = ids.album(group, f"{first}:{edits[-1].id}")
    return [replace(whole, id=edited, edits=whole.id, sent_at=edits[-1].sent_at), *apart]


def _parts(entries: list[Entry]) -> list[Incoming]:
    """The parts in a log, each version once. What cannot be read was written by another version of ours."""
    found: dict[str, Incoming] = {}
    for entry in entries:
        try:
            part = _PART.validate_json(entry.value)
        except ValidationError:
            _log.warning("telegram: a part of an album cannot be read")
            continue
        found[part.id] = part
    return list(found.values())


def _log_of(album: str) -> str:
    return f"album:{album}"


def _sender(message: Incoming) -> tuple[str, str]:
    return message.place.chat, message.person.id
