"""A time that runs faster than ours, and slower where the machine cannot keep up; the same for WeChat and the bot."""

from __future__ import annotations

import asyncio
import time

_TICK = 0.001  # real seconds


class Clock:
    """One of its seconds takes at least `scale` real ones.

    It goes on by a tick whenever the event loop comes round, so a process that gets no processor for a while
    misses nothing. While nobody sleeps, it stands still. `outside`: the bot is another process with a clock of its
    own, so this one runs evenly, whatever this process does.
    """

    def __init__(self, scale: float = 0.02, *, outside: bool = False) -> None:
        self.scale = scale
        self._outside = outside
        self._day, self._began = time.time(), time.monotonic()
        self._now = self._day
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []
        self._ticking = False

    def time(self) -> float:
        """The time of day by it, in seconds."""
        return self._even() if self._outside else self._now

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`."""
        over = asyncio.get_running_loop().create_future()
        self._waiting.append((self.time() + max(0.0, seconds), over))
        self._go_on()
        await over

    def _even(self) -> float:
        return self._day + (time.monotonic() - self._began) / self.scale

    def _go_on(self) -> None:
        if self._waiting and not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(_TICK, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        self._now = self._even() if self._outside else self._now + _TICK / self.scale
        for until, over in self._waiting:
            if until <= self._now and not over.done():
                over.set_result(None)
        self._waiting = [(until, over) for until, over in self._waiting if not over.done()]
        self._go_on()
