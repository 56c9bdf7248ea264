"""A double of `bot.api.Store` that keeps everything in memory and can be taken away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from bot.api import Entry, Unavailable


class MemoryStore:
    """Ids are numbers of sixteen digits. While `away`, every call fails. `calls` names those made."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.logs: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []
        self._away = False
        self._last = 0
        self._news = asyncio.Condition()

    @property
    def away(self) -> bool:
        """Whether every call fails."""
        return self._away

    async def go(self) -> None:
        """Be away: every call fails, and so does everyone who follows a log."""
        self._away = True
        async with self._news:
            self._news.notify_all()

    async def come(self) -> None:
        """Be back."""
        self._away = False

    def shown(self, log: str) -> list[Entry]:
        """What a log holds, even while the store is away."""
        return [Entry(i, value) for i, value in self.logs.get(log, {}).items()]

    async def get(self, key: str) -> str | None:
        await self._call("get")
        return self.values.get(key)

    async def put(self, key: str, value: str, *, ttl: float | None = None, absent: bool = False) -> bool:
        await self._call("put")
        if absent and key in self.values:
            return False
        self.values[key] = value
        return True

    async def drop(self, key: str) -> None:
        await self._call("drop")
        self.values.pop(key, None)

    async def append(self, log: str, value: str, *, limit: int, ttl: float) -> str:
        await self._call("append")
        self._last += 1
        kept = self.logs.setdefault(log, {})
        kept[entry := f"{self._last:016}"] = value
        for old in list(kept)[:-limit]:
            del kept[old]
        async with self._news:
            self._news.notify_all()
        return entry

    async def read(self, log: str, *, after: str = "0", count: int = 1000) -> list[Entry]:
        await self._call("read")
        return [entry for entry in self.shown(log) if entry.id > after.zfill(16)][:count]

    async def remove(self, log: str, ids: Sequence[str]) -> None:
        await self._call("remove")
        for entry in ids:
            self.logs.get(log, {}).pop(entry, None)

    async def follow(self, log: str, *, after: str = "0") -> AsyncIterator[Entry]:
        await self._call("follow")
        while True:
            for entry in await self.read(log, after=after):
                after = entry.id
                yield entry
            async with self._news:
                await self._news.wait_for(lambda after=after: self._away or bool(self._behind(log, after)))

    async def lead(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        await work()

    def _behind(self, log: str, after: str) -> list[Entry]:
        return [entry for entry in self.shown(log) if entry.id > after.zfill(16)]

    async def _call(self, name: str) -> None:
        self.calls.append(name)
        await asyncio.sleep(0)
        if self._away:
            raise Unavailable("the store is away")


class MemoryJournal:
    """A double of `bot.api.Journal`."""

    def __init__(self, attempt: int = 1, posts: Sequence[str] = ()) -> None:
        self.attempt = attempt
        self.posts = list(posts)

    async def posted(self, post: str) -> None:
        self.posts.append(post)
