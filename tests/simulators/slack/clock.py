"""The simulator's time, which a test can turn forward."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Seconds since 1970. It goes with `base`, and is ahead of it by what a test has turned."""

    def __init__(self, base: Callable[[], float] = time.time) -> None:
        self._base = base
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._base() + self._ahead

    def turn(self, seconds: float) -> None:
        """Let so many seconds have passed."""
        self._ahead += seconds
