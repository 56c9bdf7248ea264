"""A chat's feed as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from adapters._feed import Json, entries
from adapters.web.shown import Telling
from bot.api import Entry, Store, Unavailable

T = TypeVar("T")

_PING = b": ping\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class Pace:
    """`ping`: seconds of silence before a comment. `retry`: seconds between looks for an absent store."""

    ping: float = 15
    retry: float = 1
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


class Streams:
    """How many streams each session has open."""

    def __init__(self, limit: int = 20) -> None:
        self.limit = limit
        self.open: Counter[str] = Counter()

    def full(self, session: str) -> bool:
        """Whether the session may open no more."""
        return self.open[session] >= self.limit


class EventStream(StreamingResponse):
    """Events until the client goes or the server stops; nothing stays open behind them."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None], streams: Streams, session: str) -> None:
        super().__init__(events, headers=_HEADERS)
        self._events = events
        self._streams = streams
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        opened = self._streams.open
        opened[self._session] += 1
        try:
            async with aclosing(self._events):
                await super().__call__(scope, receive, send)
        finally:
            opened[self._session] -= 1
            if not opened[self._session]:
                del opened[self._session]


async def events(store: Store, log: str, after: str, pace: Pace) -> AsyncGenerator[bytes, None]:
    """The events behind the entry `after`, then each new one, for as long as the store gives any.

    Where the store is away, the event `away` says so, and `back` that the stream goes on where it was.
    """
    yield b"retry: 1000\n\n"
    telling: Telling | None = None
    while True:
        try:
            telling = telling or await _told(store, log, after)
            async with aclosing(_paced(store.follow(log, after=after), pace.ping)) as following:
                async for entry in following:
                    if entry is None:
                        yield _PING
                        continue
                    for frame in await _frames(telling, entry):
                        yield frame
                    after = entry.id
            return
        except Unavailable:
            yield _frame("away", {})
            while not await _answers(store, log):
                await pace.sleep(pace.retry)
                yield _PING
            yield _frame("back", {})


async def _told(store: Store, log: str, after: str) -> Telling:
    """What a front end knows that has everything up to `after`: an answer may go on in its middle."""
    whole = await entries(store, log)
    coming = {entry.id for entry in await entries(store, log, after=after)}
    telling = Telling()
    for entry in whole:
        if entry.id not in coming:
            telling.know(entry)
    return telling


async def _answers(store: Store, log: str) -> bool:
    try:
        await store.read(log, count=1)
    except Unavailable:
        return False
    return True


async def _frames(telling: Telling, entry: Entry) -> list[bytes]:
    """The frames of an entry; the last carries its id, so that a client resumes behind the whole of it."""
    told = await asyncio.to_thread(telling.take, entry) if len(entry.value) > 5000 else telling.take(entry)
    last = len(told) - 1
    return [_frame(kind, data, entry.id if n == last else "") for n, (kind, data) in enumerate(told)]


def _frame(kind: str, data: Json, name: str = "") -> bytes:
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"))  # has no line break of its own
    head = f"id: {name}\n" if name else ""
    return f"{head}event: {kind}\ndata: {body}\n\n".encode("utf-8", "replace")


async def _paced(source: AsyncIterator[T], pause: float) -> AsyncGenerator[T | None, None]:
    """What `source` gives, and None after each `pause` seconds in which it gives nothing."""
    waiting: asyncio.Future[T] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(source))
            done, _ = await asyncio.wait({waiting}, timeout=pause)
            if not done:
                yield None
                continue
            given, waiting = waiting, None
            try:
                yield given.result()
            except StopAsyncIteration:
                return
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait({waiting})
        if isinstance(source, AsyncGenerator):
            await source.aclose()
