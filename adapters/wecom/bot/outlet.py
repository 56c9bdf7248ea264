"""Sends what the drawer holds through the one connection: streams as they grow, their end, and what follows it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from adapters.wecom.bot.drawer import LIFE, Drawer, File, Page, Way
from adapters.wecom.bot.link import RESPOND, SEND, Declined, Link, Lost
from adapters.wecom.bot.pace import Pace
from adapters.wecom.bot.script import THINKING
from adapters.wecom.bot.words import say
from bot.api import Entry, Unavailable

OVER = 360.0
"""Seconds after a message for which WeCom takes changes of its stream (errcode 846608 afterwards)."""

CHUNK = 512 * 1024
"""Bytes of one piece of an upload; there may be a hundred (developer.work.weixin.qq.com/document/path/101463)."""

_EXPIRED = frozenset({846605, 846608})  # no such req_id (any more); the stream is closed
_NO_CHAT = 846607
BUSY = frozenset({-1, 6000, 45009, 45011, 45033})
_TRIES = 6
_IDLE = 900.0  # seconds without news after which a stream is not waited for
_AGAIN = 1.0

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Pump:
    """What sends one stream. `shown` is what WeCom has of it; `deaf` says that WeCom takes no more changes."""

    entries: list[Entry] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    shown: str | None = None
    deaf: bool = False
    task: asyncio.Task[None] | None = None

    def tell(self, *entries: Entry) -> None:
        """There is something new."""
        self.entries.extend(entries)
        self.news.set()

    async def told(self) -> list[Entry]:
        """Wait for news, for some time; none where there was none."""
        try:
            async with asyncio.timeout(_IDLE):
                await self.news.wait()
        except TimeoutError:
            return []
        self.news.clear()
        entries, self.entries = self.entries, []
        return entries

    async def told_within(self, seconds: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Wait for news, for so long at most; they stay to be attended to."""
        self.news.clear()
        waiting, timer = asyncio.create_task(self.news.wait()), asyncio.ensure_future(sleep(seconds))
        try:
            await asyncio.wait({waiting, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            timer.cancel()
            await asyncio.gather(waiting, timer, return_exceptions=True)
            if self.entries:
                self.news.set()


class Outlet:
    """One connection's way out. News stay in the drawer until they were attended to, so the next one goes on."""

    def __init__(
        self,
        link: Link,
        drawer: Drawer,
        pace: Pace,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._link = link
        self._drawer = drawer
        self._pace = pace
        self._clock = clock
        self._sleep = sleep
        self._pumps: dict[str, _Pump] = {}
        self._over = False

    async def run(self, follow: Callable[[str], Any]) -> None:
        """Send until cancelled. `follow` follows a log of the drawer from its beginning."""
        try:
            while True:
                try:
                    async for entry in follow(self._drawer.news):
                        self._pump(entry.value).tell(entry)
                except Unavailable as error:
                    _log.warning("wecom.bot_drawer_away", reason=str(error))
                await self._sleep(_AGAIN)
        finally:
            self._over = True
            tasks = [pump.task for pump in self._pumps.values() if pump.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _pump(self, stream: str) -> _Pump:
        pump = self._pumps.get(stream)
        if pump is None or pump.task is None or pump.task.done():
            pump = self._pumps[stream] = _Pump()
            pump.task = asyncio.create_task(self._run(stream, pump))
            pump.task.add_done_callback(lambda _: self._drop(stream, pump))
        return pump

    def _drop(self, stream: str, pump: _Pump) -> None:
        if self._pumps.get(stream) is pump:
            del self._pumps[stream]
            if pump.entries and not self._over:
                self._pump(stream).tell(*pump.entries)

    # --- one stream ------------------------------------------------------------------------------------------

    async def _run(self, stream: str, pump: _Pump) -> None:
        while entries := await pump.told():
            try:
                ended = await self._attend(stream, pump)
                await self._drawer.looked(entries)
                if ended:
                    return
            except Unavailable as error:
                _log.warning("wecom.bot_drawer_away", reason=str(error))
                await self._sleep(_AGAIN)
                pump.tell(*entries)
            except Lost:
                self._over = True
                await self._link.close()
                return

    async def _attend(self, stream: str, pump: _Pump) -> bool:
        """Send what there is. Whether nothing will follow."""
        way = await self._drawer.way(stream)
        if way is None:
            return True
        page = await self._drawer.page(stream)
        if not page.finished:
            if pump.deaf or (page.text or THINKING) == pump.shown:
                return False
            while not page.finished and (wait := self._pace.wait(way.chat, growing=True)) > 0:
                await pump.told_within(wait, self._sleep)
                page = await self._drawer.page(stream)
            if not page.finished:
                self._pace.count(way.chat)
                await self._grow(stream, way, page.text or THINKING, pump)
                return False
        await self._end(stream, way, page)
        return page.final is not None

    async def _grow(self, stream: str, way: Way, text: str, pump: _Pump) -> None:
        try:
            await self._link.call(RESPOND, _stream(stream, text, finished=False), request=way.request)
            pump.shown = text
        except Declined as declined:
            pump.deaf = declined.code in _EXPIRED
            _log.info("wecom.bot_not_grown", reason=str(declined))

    async def _end(self, stream: str, way: Way, page: Page) -> None:
        """The steps of the end, each noted when it is acknowledged."""
        done = await self._drawer.sent(stream)
        if not done:
            await self._close(stream, way, page)
            done = 1
            await self._drawer.note_sent(stream, done)
        if page.final is None:
            return
        after, files = page.final.after, page.final.files
        for number in range(done, len(after) + len(files) + 1):
            if number <= len(after):
                await self._say(way, after[number - 1])
            else:
                await self._hand_over(stream, way, number - len(after) - 1, files[number - len(after) - 1])
            await self._drawer.note_sent(stream, number + 1)

    async def _close(self, stream: str, way: Way, page: Page) -> None:
        """Close the stream; where WeCom takes no more changes, its text becomes a message."""
        if way.request and self._clock() < way.at + OVER:
            first = await self._drawer.first_try(stream)
            try:
                await self._patiently(way, RESPOND, _stream(stream, page.text, finished=True), way.request)
                return
            except Declined as declined:
                if declined.code == 846608 and not first:
                    return  # in time, and yet closed: the earlier try arrived, its acknowledgement did not
                _log.info("wecom.bot_not_closed", reason=str(declined))
        if page.cut is None or page.cut.raw:
            await self._say(way, page.text)

    async def _hand_over(self, stream: str, way: Way, number: int, file: File) -> None:
        data = await self._drawer.kept(stream, number)
        if data is None:
            return
        kind = "audio" if file.kind == "voice" else file.kind
        try:
            media = await self._upload(file, data)
            await self._patiently(
                way, SEND, _to(way) | {"msgtype": file.kind, file.kind: {"media_id": media}}
            )
        except Declined as declined:
            _log.warning("wecom.bot_file_not_taken", kind=file.kind, reason=str(declined))
            await self._say(way, say(way.language, f"media.{kind}"))
        await self._drawer.forget(stream, number)

    async def _upload(self, file: File, data: bytes) -> str:
        """The file's id at WeCom. Raises `Declined`, `Lost`."""
        chunks = range(0, len(data), CHUNK)
        digest = await asyncio.to_thread(lambda: hashlib.md5(data, usedforsecurity=False).hexdigest())
        begun = await self._link.call(
            "aibot_upload_media_init",
            {
                "type": file.kind,
                "filename": file.name,
                "total_size": len(data),
                "total_chunks": len(chunks),
                "md5": digest,
            },
        )
        upload = str(begun.get("upload_id") or "")
        for number, start in enumerate(chunks):
            piece = base64.b64encode(data[start : start + CHUNK]).decode()
            body = {"upload_id": upload, "chunk_index": number, "base64_data": piece}
            await self._link.call("aibot_upload_media_chunk", body)
        finished = await self._link.call("aibot_upload_media_finish", {"upload_id": upload})
        media = str(finished.get("media_id") or "")
        if not media:
            raise Declined(0, "the upload came to nothing")
        return media

    async def _say(self, way: Way, text: str) -> None:
        """A message of its own. One that WeCom does not take is given up, with a line in the log."""
        body = _to(way) | {"msgtype": "markdown", "markdown": {"content": text}}
        try:
            await self._patiently(way, SEND, body)
        except Declined as declined:
            lost = "the chat takes no messages" if declined.code == _NO_CHAT else str(declined)
            _log.error("wecom.bot_message_lost", reason=lost)

    async def _patiently(self, way: Way, command: str, body: Mapping[str, Any], request: str = "") -> None:
        """Send when it may be sent, again where WeCom is busy. Raises `Declined`, `Lost`."""
        for again in range(_TRIES):
            await self._pace.turn(way.chat)
            try:
                await self._link.call(command, body, request=request)
                return
            except Declined as declined:
                if declined.code not in BUSY or again == _TRIES - 1:
                    raise
                await self._sleep(5.0 * 2**again)


class BySocket:
    """A `reply.Carrier`: the holder of the connection, in whatever process, is told to look."""

    many = True
    pace = 0.8
    keeps = LIFE

    def __init__(self, drawer: Drawer) -> None:
        self._drawer = drawer

    async def grown(self, stream: str) -> None:
        """Raises `Unavailable`."""
        await self._drawer.changed(stream)

    async def ended(self, stream: str, way: Way) -> None:
        """It is in the drawer, and will be sent without our help. Raises `Unavailable`."""
        await self._drawer.changed(stream)


def _to(way: Way) -> dict[str, Any]:
    return {"chatid": way.chat, "chat_type": 2 if way.group else 1}


def _stream(stream: str, text: str, *, finished: bool) -> Mapping[str, Any]:
    return {"msgtype": "stream", "stream": {"id": stream, "finish": finished, "content": text}}
