"""The adapters' own drawers in Redis: values, logs that can be followed, and who leads."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.api import Entry
from bot.errors import StoreAway
from bot.keys import Keys, Subscription, reaching

_BATCH = 200  # entries that a follower reads at once
_EXACT = 1000  # a log that is kept shorter is cut exactly: Redis's cheap cut leaves up to a hundred more

# The entry is there already where its answer was lost and the command sent again.
_APPEND = """
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 10)) do
  if entry[2][4] == ARGV[2] then return entry[1] end
end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[3], ARGV[4], '*', 'value', ARGV[1], 'once', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PUBLISH', KEYS[1], '')
return id
"""
_CLAIM = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_EXTEND = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RESIGN = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class News:
    """Whether a channel may have something new. However often that is said, a slow reader hears it once."""

    def __init__(self) -> None:
        self._said = asyncio.Event()
        self._lost: StoreAway | None = None

    async def wait(self) -> None:
        """Until there may be something new. Raises `StoreAway` where that can no longer be known."""
        await self._said.wait()
        self._said.clear()
        if self._lost is not None:
            raise StoreAway(str(self._lost)) from self._lost

    def say(self) -> None:
        """There may be something new."""
        self._said.set()

    def lose(self, error: StoreAway) -> None:
        """Nothing can be known any more."""
        self._lost = error
        self._said.set()


class Feeds:
    """The one connection of a process on which Redis says that a log has grown, for all who follow one.

    A connection that breaks is made anew at once; everybody who listens then looks again. Where that fails,
    they all get `StoreAway`, and the next who listens tries again.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listeners: dict[str, set[News]] = {}
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def news(self, channel: str) -> AsyncIterator[News]:
        """News of `channel`: of what is said from now on, and once more when the subscription stands."""
        news = News()
        self._listeners.setdefault(channel, set()).add(news)
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run())
            elif len(self._listeners[channel]) == 1:
                await self._tell("add", channel)
            yield news
        finally:
            self._listeners[channel].discard(news)
            if not self._listeners[channel]:
                del self._listeners[channel]
                await self._tell("drop", channel)

    async def close(self) -> None:
        """End the connection; who still listens gets `StoreAway`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._lose(StoreAway("closed"))

    async def _tell(self, what: str, channel: str) -> None:
        """Change the subscription. Where it is broken, the next one begins with the right channels."""
        if self._subscription is None:
            return
        try:
            await (self._subscription.add if what == "add" else self._subscription.drop)(channel)
        except StoreAway:
            self._subscription = None

    async def _run(self) -> None:
        try:
            while True:
                await self._listen()
        except StoreAway as error:
            self._lose(error)
        except RedisError as error:  # no right to subscribe: nobody must wait for ever
            self._lose(StoreAway(str(error)))

    async def _listen(self) -> None:
        """Hear until the connection breaks. Raises `StoreAway` where it cannot even begin."""
        async with Subscription.open(self._redis) as subscription:
            self._subscription = subscription
            heard = False
            try:
                if self._listeners:
                    await subscription.add(*self._listeners)
                while True:
                    said = await subscription.hear()
                    heard = True
                    for news in self._listeners.get(said.channel, ()):
                        news.say()
            except StoreAway:
                if not heard:
                    raise
            finally:
                self._subscription = None

    def _lose(self, error: StoreAway) -> None:
        for listeners in self._listeners.values():
            for news in listeners:
                news.lose(error)


class RedisStore:
    """`bot.api.Store` for one adapter. Every call raises `StoreAway`.

    `lease` is how many seconds a leader leads without a sign of life; `alone` says that no other process can be
    alive, so that a leader from before a crash is not waited for. `clock` is monotonic, `ids` makes names that
    never come twice.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        adapter: str,
        feeds: Feeds,
        *,
        lease: float = 15.0,
        alone: bool = False,
        clock: Callable[[], float] = time.monotonic,
        ids: Callable[[], str] = lambda: uuid4().hex,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._adapter = adapter
        self._feeds = feeds
        self._lease = lease
        self._alone = alone
        self._clock = clock
        self._ids = ids
        self._sleep = sleep
        self._append = redis.register_script(_APPEND)
        self._claim = redis.register_script(_CLAIM)
        self._extend = redis.register_script(_EXTEND)
        self._resign = redis.register_script(_RESIGN)

    # --- values ---------------------------------------------------------------------------------------------

    async def get(self, key: str) -> str | None:
        """The value, or None."""
        found: Any
        async with reaching():
            found = await self._redis.get(self._keys.value(self._adapter, key))
        return None if found is None else str(found)

    async def put(self, key: str, value: str, *, ttl: float | None = None, absent: bool = False) -> bool:
        """Keep `value` for `ttl` seconds (None: for ever); with `absent`, only where there is none. Kept?"""
        life = None if ttl is None else _milliseconds(ttl)
        async with reaching():
            kept = await self._redis.set(self._keys.value(self._adapter, key), value, px=life, nx=absent)
        return bool(kept)

    async def drop(self, key: str) -> None:
        """Forget the value."""
        async with reaching():
            await self._redis.delete(self._keys.value(self._adapter, key))

    # --- logs -----------------------------------------------------------------------------------------------

    async def append(self, log: str, value: str, *, limit: int, ttl: float) -> str:
        """Add to the end of a log that keeps about `limit` entries, and ends `ttl` seconds after the last."""
        cut = "~" if limit >= _EXACT else "="
        async with reaching():
            added = await self._append(
                keys=[self._keys.log(self._adapter, log)],
                args=[value, self._ids(), cut, limit, _milliseconds(ttl)],
            )
        return str(added)

    async def read(self, log: str, *, after: str = "0", count: int = 1000) -> list[Entry]:
        """Up to `count` entries behind the entry `after`, oldest first."""
        found: Any
        async with reaching():
            found = await self._redis.xrange(self._keys.log(self._adapter, log), f"({after}", "+", count)
        return [Entry(id, values["value"]) for id, values in found]

    async def remove(self, log: str, ids: Sequence[str]) -> None:
        """Take entries out of a log."""
        if ids:
            async with reaching():
                await self._redis.xdel(self._keys.log(self._adapter, log), *ids)

    async def follow(self, log: str, *, after: str = "0") -> AsyncIterator[Entry]:
        """The entries behind `after`, then each new one as it comes, without end.

        Each comes once and in order, whatever happens to the connection. A follower that does not read for a
        while finds all that the log has kept.
        """
        async with self._feeds.news(self._keys.log(self._adapter, log)) as news:
            while True:
                found = await self.read(log, after=after, count=_BATCH)
                for entry in found:
                    after = entry.id
                    yield entry
                if len(found) < _BATCH:  # what comes after this page was read is told
                    await news.wait()

    # --- leading --------------------------------------------------------------------------------------------

    async def lead(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` while this process is the one leader for `name`; wait, and begin again, while it is not.

        Returns when `work` returns, raises what it raises. When the lease is lost, `work` is cancelled while
        it has a third of the lease left to end in.
        """
        key, owner = self._keys.leader(self._adapter, name), self._ids()
        if self._alone:
            async with reaching():
                await self._redis.delete(key)
        while True:
            asked = self._clock()
            async with reaching():
                leading = await self._claim(keys=[key], args=[owner, _milliseconds(self._lease)])
            if leading and await self._reign(key, owner, asked, work):
                return
            await self._sleep(self._lease / 3)

    async def _reign(self, key: str, owner: str, since: float, work: Callable[[], Awaitable[None]]) -> bool:
        """Work under the lease that was asked for at `since`. False where it was lost before the end."""
        working = asyncio.ensure_future(work())
        holding = asyncio.create_task(self._hold(key, owner, since))
        try:
            await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return False
            working.result()
            return True
        finally:
            holding.cancel()
            working.cancel()
            await asyncio.gather(working, holding, return_exceptions=True)
            await self._give_up(key, owner)

    async def _hold(self, key: str, owner: str, since: float) -> None:
        """Renew the lease; returns two thirds after the last renewal, or when somebody else has it."""
        while True:
            await self._sleep(self._lease / 3)
            while True:
                asked = self._clock()
                left = since + self._lease * 2 / 3 - asked
                try:
                    async with asyncio.timeout(left), reaching():
                        if not await self._extend(keys=[key], args=[owner, _milliseconds(self._lease)]):
                            return
                except TimeoutError:
                    return
                except StoreAway:
                    await self._sleep(self._lease / 30)
                else:
                    since = asked
                    break

    async def _give_up(self, key: str, owner: str) -> None:
        try:
            async with asyncio.timeout(self._lease / 3), reaching():
                await self._resign(keys=[key], args=[owner])
        except (TimeoutError, StoreAway):
            return  # it runs out by itself


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))
