"""How fast the app may write to one member: WeCom throws away in silence what is too much."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from bot.api import Store

MINUTE_LIMIT = 28
HOUR_LIMIT = 980
"""Of 30 a minute and 1,000 an hour (developer.work.weixin.qq.com/document/path/90236): two may count at once."""

_MINUTE, _HOUR = 60.0, 3600.0


class Pace:
    """Counts in the drawer what was sent to each member; `clock` is the time of day in seconds."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def ready(self, member: str) -> float:
        """Seconds until one more may be sent; at 0 it counts as sent. Raises `Unavailable`."""
        key, now = f"app:pace:{member}", self._clock()
        kept = await self._store.get(key)
        recent: list[float]
        minutes: dict[str, int]
        recent, minutes = json.loads(kept) if kept else ([], {})
        recent = [at for at in recent if 0 <= now - at < _MINUTE]
        minutes = {
            name: count for name, count in minutes.items() if now - int(name) * _MINUTE < _HOUR + _MINUTE
        }
        if len(recent) >= MINUTE_LIMIT:
            return recent[-MINUTE_LIMIT] + _MINUTE - now
        if sum(minutes.values()) >= HOUR_LIMIT:
            return int(min(minutes, key=int)) * _MINUTE + _HOUR + _MINUTE - now
        name = str(int(now // _MINUTE))
        minutes[name] = minutes.get(name, 0) + 1
        await self._store.put(key, json.dumps([[*recent, now], minutes]), ttl=_HOUR + 2 * _MINUTE)
        return 0.0
