"""Time that goes faster than ours, slower where the machine cannot keep up, and that a test can turn forward."""

from __future__ import annotations

import asyncio
import time

SCALE = 20.0
"""Seconds that pass in one of ours at the most."""

_TICK = 0.001  # real seconds


class Clock:
    """Seconds since 1970, and `sleep` in the same time: both are given to whatever is tested.

    It goes on by a tick whenever the event loop comes round, so a process that gets no processor for a while misses
    nothing. While nobody sleeps, it stands still. With a `scale` of 1 it is the real time, for a bot that is another
    process.
    """

    def __init__(self, scale: float = SCALE) -> None:
        self.scale = scale
        self._now = time.time()
        self._base = time.monotonic()
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._ticking = False

    def __call__(self) -> float:
        return self._now + (time.monotonic() - self._base if self.scale == 1 else 0)

    def turn(self, seconds: float) -> None:
        """Let so many seconds have passed: who sleeps till then wakes."""
        self._now += seconds
        self._wake()

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`."""
        if seconds <= 0:
            return await asyncio.sleep(0)
        over = asyncio.get_running_loop().create_future()
        self._sleepers.append((self() + seconds, over))
        self._go_on()
        return await over

    def _wake(self) -> None:
        for until, over in self._sleepers:
            if until <= self() and not over.done():
                over.set_result(None)
        self._sleepers = [(until, over) for until, over in self._sleepers if not over.done()]

    def _go_on(self) -> None:
        if self._sleepers and not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(_TICK, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        if self.scale != 1:
            self._now += _TICK * self.scale
        self._wake()
        self._go_on()
