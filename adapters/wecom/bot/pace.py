"""How much the bot may say in one chat: thirty messages a minute, a thousand an hour."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

MINUTE, HOUR = 30, 1_000
"""Messages in one chat (developer.work.weixin.qq.com/document/path/101463). Whether each change of a stream counts is
not said there, so each is counted; room is left for what must be said."""

_GROWING_MINUTE, _GROWING_HOUR = 24, 800
_BRISK = 8  # changes that follow one another quickly
_QUICK, _SLOW = 1.0, 3.0  # seconds between two changes
_CHATS = 10_000


class Pace:
    """The chats of one bot. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._chats: OrderedDict[str, deque[float]] = OrderedDict()

    async def turn(self, chat: str) -> None:
        """Wait until something may be said there; then it counts as said."""
        while (wait := self.wait(chat)) > 0:
            await self._sleep(wait)
        self.count(chat)

    def count(self, chat: str) -> None:
        """Something is said there now."""
        self._of(chat).append(self._clock())

    def wait(self, chat: str, *, growing: bool = False) -> float:
        """Seconds until something may be said there. `growing` text waits for all else."""
        return self._wait(self._of(chat), growing=growing)

    def _of(self, chat: str) -> deque[float]:
        said = self._chats.setdefault(chat, deque(maxlen=HOUR))
        self._chats.move_to_end(chat)
        while len(self._chats) > _CHATS:
            self._chats.popitem(last=False)
        return said

    def _wait(self, said: deque[float], *, growing: bool) -> float:
        now = self._clock()
        minute, hour = (_GROWING_MINUTE, _GROWING_HOUR) if growing else (MINUTE, HOUR)
        ends = [said[-minute] + 60 if len(said) >= minute else now]
        ends.append(said[-hour] + 3600 if len(said) >= hour else now)
        if growing and said:
            brisk = len(said) < _BRISK or now - said[-_BRISK] >= 60
            ends.append(said[-1] + (_QUICK if brisk else _SLOW))
        return max(ends) - now
