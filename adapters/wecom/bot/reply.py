"""One answer of the smart bot's: a stream that grows, is closed at its end or in time, and what follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from adapters._numbered import Numbered
from adapters._plain import legible
from adapters.wecom.bot.drawer import Cut, Drawer, File, Final, Way, stream_of, way_to
from adapters.wecom.bot.inlet import place_of
from adapters.wecom.bot.media import STREAM_IMAGES, as_file, in_a_stream
from adapters.wecom.bot.script import Script, offered
from adapters.wecom.bot.words import say
from bot.api import Choices, End, Incoming, Media, Notice, Preview, ReplyPart, Status, Text, Unavailable

OPEN = 330.0
"""Seconds after the message for which its stream is left open; WeCom ends it after 360 (path/100719)."""

LEGIBLE = 12_000
"""Bytes of a file of text that is said where no file can be sent: a stream holds it, and some words besides."""

_log = structlog.get_logger(__name__)


class Carrier(Protocol):
    """How what is written in the drawer reaches WeCom."""

    many: bool
    """Whether any number of messages, files among them, may follow a stream."""

    pace: float
    """The least number of seconds between two texts of a growing stream."""

    keeps: float
    """Seconds for which a file may still be asked for."""

    async def grown(self, stream: str) -> None:
        """There is something new to show. Raises `Unavailable`."""

    async def ended(self, stream: str, way: Way) -> None:
        """The end is written: returns when it is shown, or will be without our help. Raises `Gone`, `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Means:
    """What every reply of a bot needs. `clock` is the time of day in seconds."""

    drawer: Drawer
    carrier: Carrier
    numbered: Numbered
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


class BotReply:
    """`bot.api.Reply`. Everything is in the drawer, so a later attempt goes on where this one ends."""

    def __init__(self, means: Means, incoming: Incoming) -> None:
        self._means = means
        self._incoming = incoming
        self._language = incoming.person.language
        self._stream = stream_of(incoming)
        self._script = Script(self._language)
        self._media: list[Media] = []
        self._way: Way | None = None
        self._settled = False  # an earlier attempt came to the end
        self._news = asyncio.Event()
        self._showing: asyncio.Task[None] | None = None

    async def send(self, part: ReplyPart) -> None:
        """Take `part`; text is shown in the background, the rest with the `End`. Raises `Gone`, `Unavailable`."""
        way = await self._opened()
        match part:
            case Text(delta):
                self._script.text(delta)
            case Notice(text=text):
                self._script.words(text)
            case Choices():
                hint = say(self._language, "number")
                self._script.words(await self._means.numbered.show(place_of(self._incoming), part, hint))
            case Media(caption=caption):
                self._media.append(part)
                self._script.words(caption)
            case Status() | Preview():
                return
            case End(offers=offers):
                self._script.words(offered(offers, self._language))
                await self.abandon()
                await self._end(way)
                return
        self._news.set()

    async def abandon(self) -> None:
        """Write nothing more."""
        if self._showing is not None:
            self._showing.cancel()
            await asyncio.gather(self._showing, return_exceptions=True)

    # --- while it grows --------------------------------------------------------------------------------------

    async def _opened(self) -> Way:
        if self._way is None:
            drawer = self._means.drawer
            way = await drawer.way(self._stream)
            if way is None:
                way = way_to(self._incoming)
                await drawer.opened(self._stream, way)
            self._way = way
            page = await drawer.page(self._stream)
            self._settled = page.final is not None
            if not page.finished:
                self._showing = asyncio.create_task(self._show(way.at + OPEN))
        return self._way

    async def _show(self, until: float) -> None:
        """Write what is new, at a pace; close the stream when its time is over."""
        while True:
            await self._news_or(until)
            try:
                if self._means.clock() >= until:
                    shown, raw = self._script.cut()
                    await self._means.drawer.cut(self._stream, Cut(shown, raw))
                    await self._means.carrier.grown(self._stream)
                    return
                self._news.clear()
                await self._means.drawer.grow(self._stream, self._script.growing())
                await self._means.carrier.grown(self._stream)
            except Unavailable as error:
                _log.info("wecom.bot_unwritten", fault=str(error))
                self._news.set()
            await self._means.sleep(self._means.carrier.pace)

    async def _news_or(self, until: float) -> None:
        waiting = asyncio.create_task(self._news.wait())
        timer = asyncio.ensure_future(self._means.sleep(max(0.0, until - self._means.clock())))
        try:
            await asyncio.wait({waiting, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            timer.cancel()
            await asyncio.gather(waiting, timer, return_exceptions=True)

    # --- the end ---------------------------------------------------------------------------------------------

    async def _end(self, way: Way) -> None:
        if not self._settled:
            page = await self._means.drawer.page(self._stream)
            if page.cut is None and self._means.clock() >= way.at + OPEN:
                await self._means.drawer.cut(self._stream, Cut(say(self._language, "below"), ""))
                page = await self._means.drawer.page(self._stream)
            await self._means.drawer.finish(self._stream, await self._final(page.cut))
        await self._means.carrier.ended(self._stream, way)

    async def _final(self, cut: Cut | None) -> Final:
        files: list[File] = []
        for media in self._media:
            file = self._file(media, len(files), cut)
            if file is None:
                self._script.words(legible(media, LEGIBLE) or say(self._language, f"media.{media.kind}"))
            else:
                number, seconds = len(files), self._means.carrier.keeps
                await self._means.drawer.keep(self._stream, number, media.data, seconds)
                files.append(file)
        if not self._script.raw.strip():
            self._script.words(say(self._language, "attached" if files else "together"))
        if cut is not None:
            self._script.continued(cut.raw)
            return Final("", tuple(self._script.parts()), tuple(files))
        first, *after = self._script.parts() or (say(self._language, "together"),)
        return Final(first, tuple(after), tuple(files))

    def _file(self, media: Media, number: int, cut: Cut | None) -> File | None:
        if self._means.carrier.many:
            return as_file(media)
        if cut is None and number < STREAM_IMAGES and in_a_stream(media):
            return replace(as_file(media) or File("image", "image"), kind="image")
        return None
