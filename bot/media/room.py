"""How many bytes of what people sent one process has in hand at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Room:
    """So many bytes at once; whoever finds no room waits. One that is larger than all of it comes alone."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[Callable[[int], None]]:
        """Around what takes so many bytes at the most; what it gives is told how many they are in truth."""
        taken = min(size, self._size)
        while self._used + taken > self._size:
            self._freed.clear()
            await self._freed.wait()
        self._used += taken

        def become(size: int) -> None:
            nonlocal taken
            taken, self._used = size, self._used - taken + size
            self._freed.set()

        try:
            yield become
        finally:
            become(0)
