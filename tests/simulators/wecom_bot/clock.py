"""Time that goes faster than ours, and that a test can turn forward."""

from __future__ import annotations

import asyncio
import time

SCALE = 20.0
"""Seconds that pass in one of ours."""


class Clock:
    """Seconds since 1970, and `sleep` in the same time: both are given to whatever is tested."""

    def __init__(self, scale: float = SCALE) -> None:
        self.scale = scale
        self._began = time.time()
        self._base = time.monotonic()
        self._ahead = 0.0
        self._turned = asyncio.Event()

    def __call__(self) -> float:
        return self._began + (time.monotonic() - self._base) * self.scale + self._ahead

    def turn(self, seconds: float) -> None:
        """Let so many seconds have passed: who sleeps till then wakes."""
        self._ahead += seconds
        self._turned.set()
        self._turned = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`."""
        until = self() + seconds
        while (left := until - self()) > 0:
            turned = self._turned
            try:
                async with asyncio.timeout(left / self.scale):
                    await turned.wait()
            except TimeoutError:
                break
        await asyncio.sleep(0)
