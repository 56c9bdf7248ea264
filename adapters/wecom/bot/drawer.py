"""An answer on its way to WeCom, as all replicas see it: where it goes, how far it is, what is still to be sent.

A message's answer begins as one stream message, whose text is replaced by a longer one until it is finished. It is
written by whoever answers and carried by whoever WeCom talks to: a callback that asks for it, or the one connection.

| key | what it holds | written |
|---|---|---|
| `open:<stream>` | how the chat can be reached (`Way`) | when the message comes, before it is accepted |
| `grow:<stream>` | the text so far | again and again |
| `cut:<stream>` | what the stream was closed with before the answer's end (`Cut`) | once |
| `final:<stream>` | the end of the answer (`Final`) | once |
| `claim:<stream>` | who shows the end: the stream, or the address for one more answer | once |
| `tried:<stream>`, `told:<stream>` | that the end was tried, that it was said by that address | once |
| `sent:<stream>` | how many steps of the end are acknowledged | by the holder of the connection |
| log `asked:<asker>` | the streams of one person in one chat | when the message comes |
| `file:<stream>:<n>` | a file's bytes, in base64 | before `final` |
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from adapters._sealed import Seal
from bot.api import Entry, Incoming, Store

LIFE = 24 * 3600.0
"""Seconds for which an answer may still be sent (developer.work.weixin.qq.com/document/path/101463)."""

_NEWS_LIMIT = 10_000
_ASKED_LIMIT = 500  # answers of one person in one chat that can be forgotten


@dataclass(frozen=True, slots=True)
class Way:
    """How the place of a message is reached. `at` is when the message came, in seconds since the epoch.

    `request` is the `req_id` that came with it, `url` the address for one more answer; empty where there is none.
    """

    at: float
    chat: str
    group: bool
    language: str = ""
    request: str = ""
    url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Cut:
    """What a stream was closed with, and how much of the answer's Markdown that was."""

    shown: str
    raw: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that belongs to an answer; its bytes are kept beside it."""

    kind: Literal["image", "voice", "video", "file"]
    name: str


@dataclass(frozen=True, slots=True)
class Final:
    """The end: what the stream shows, which texts follow it as messages, and which files."""

    text: str
    after: tuple[str, ...] = ()
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What the stream shows now. Nothing changes any more where it is `finished`; `final` is there at the end."""

    text: str
    finished: bool
    final: Final | None = None
    cut: Cut | None = None


def stream_of(message: Incoming) -> str:
    """The id of the stream that answers a message: the same on redelivery, and for every attempt."""
    return hashlib.sha256(message.key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def way_to(message: Incoming) -> Way:
    """What is known of the way where nothing was kept of it: the chat, and that it is too late for a stream."""
    place = message.place
    return Way(0.0, place.chat, place.kind == "group", message.person.language)


class Drawer:
    """The keys of one bot; `bot` is its name. All calls raise `Unavailable`."""

    def __init__(self, store: Store, seal: Seal, bot: str) -> None:
        self._store = store
        self._seal = seal
        self.news = f"news:{bot}"
        """The log of the streams that have changed, for the holder of the connection."""

    # --- how it is reached -----------------------------------------------------------------------------------

    async def opened(self, stream: str, way: Way) -> None:
        """Keep the way. On redelivery only what it may be answered by is new."""
        kept = self._seal.seal(json.dumps(asdict(way)))
        if not await self._store.put(f"open:{stream}", kept, ttl=LIFE, absent=True):
            earlier = await self.way(stream)
            if earlier is not None and earlier.request != way.request:
                again = replace(earlier, request=way.request)
                await self._store.put(f"open:{stream}", self._seal.seal(json.dumps(asdict(again))), ttl=LIFE)

    async def way(self, stream: str) -> Way | None:
        """The way, or None."""
        kept = self._seal.open(await self._store.get(f"open:{stream}"))
        return None if kept is None else Way(**json.loads(kept))

    async def asked(self, asker: str, stream: str) -> None:
        """The stream answers somebody."""
        await self._store.append(f"asked:{asker}", stream, limit=_ASKED_LIMIT, ttl=LIFE)

    async def forgotten(self, asker: str, instead: str) -> None:
        """Keep nothing of what they were answered; whatever was not sent yet says `instead`.

        Of an answer under way, what it has come to yet is forgotten.
        """
        entries = await self._store.read(f"asked:{asker}")
        for stream in dict.fromkeys(entry.value for entry in entries):
            final = _final(await self._store.get(f"final:{stream}"))
            for number, _ in enumerate(final.files if final else ()):
                await self.forget(stream, number)
            if final is not None:  # it is over, for whoever asks for it or has to send it
                await self._store.put(f"final:{stream}", json.dumps(asdict(Final(instead))), ttl=LIFE)
            for name in ("grow", "cut"):
                await self._store.drop(f"{name}:{stream}")
        await self._store.remove(f"asked:{asker}", [entry.id for entry in entries])

    # --- how far it is ---------------------------------------------------------------------------------------

    async def grow(self, stream: str, text: str) -> None:
        """The text so far."""
        await self._store.put(f"grow:{stream}", text, ttl=LIFE)

    async def wait(self, stream: str, text: str) -> None:
        """What the stream shows while nothing of its answer is there."""
        await self._store.put(f"grow:{stream}", text, ttl=LIFE, absent=True)

    async def cut(self, stream: str, cut: Cut) -> None:
        """Close the stream, if it is open."""
        await self._store.put(f"cut:{stream}", json.dumps(asdict(cut)), ttl=LIFE, absent=True)

    async def finish(self, stream: str, final: Final) -> None:
        """The end, if there is none yet."""
        await self._store.put(f"final:{stream}", json.dumps(asdict(final)), ttl=LIFE, absent=True)

    async def page(self, stream: str) -> Page:
        """What the stream shows now."""
        final = _final(await self._store.get(f"final:{stream}"))
        kept = await self._store.get(f"cut:{stream}")
        if kept is not None:
            cut = Cut(**json.loads(kept))
            return Page(cut.shown, True, final, cut)
        if final is not None:
            return Page(final.text, True, final)
        return Page(await self._store.get(f"grow:{stream}") or "", False)

    # --- what is still to be sent ----------------------------------------------------------------------------

    async def changed(self, stream: str) -> None:
        """Tell the holder of the connection to look."""
        await self._store.append(self.news, stream, limit=_NEWS_LIMIT, ttl=LIFE)

    async def looked(self, entries: list[Entry]) -> None:
        """These news need no more attention."""
        await self._store.remove(self.news, [entry.id for entry in entries])

    async def sent(self, stream: str) -> int:
        """How many steps of the end are acknowledged."""
        return int(await self._store.get(f"sent:{stream}") or 0)

    async def note_sent(self, stream: str, steps: int) -> None:
        """So many are."""
        await self._store.put(f"sent:{stream}", str(steps), ttl=LIFE)

    async def first_try(self, stream: str) -> bool:
        """Whether nobody has tried to send the end of the stream before."""
        return await self._store.put(f"tried:{stream}", "1", ttl=LIFE, absent=True)

    async def claim(self, stream: str, who: Literal["stream", "url"]) -> bool:
        """Be the one who shows the end; what was claimed once may be claimed again by the same."""
        if await self._store.put(f"claim:{stream}", who, ttl=LIFE, absent=True):
            await self._store.append(f"claimed:{stream}", who, limit=2, ttl=LIFE)
            return True
        return await self._store.get(f"claim:{stream}") == who

    async def claimed(self, stream: str) -> None:
        """Wait until somebody shows the end."""
        async for _ in self._store.follow(f"claimed:{stream}"):
            return

    async def told(self, stream: str) -> bool:
        """Whether the address for one more answer was used."""
        return await self._store.get(f"told:{stream}") is not None

    async def note_told(self, stream: str) -> None:
        """It was."""
        await self._store.put(f"told:{stream}", "1", ttl=LIFE)

    # --- files -----------------------------------------------------------------------------------------------

    async def keep(self, stream: str, number: int, data: bytes, seconds: float) -> None:
        """Keep a file's bytes for so long."""
        encoded = await asyncio.to_thread(lambda: base64.b64encode(data).decode())
        await self._store.put(f"file:{stream}:{number}", encoded, ttl=seconds)

    async def kept(self, stream: str, number: int) -> bytes | None:
        """A file's bytes, or None."""
        found = await self._store.get(f"file:{stream}:{number}")
        return None if found is None else await asyncio.to_thread(base64.b64decode, found)

    async def forget(self, stream: str, number: int) -> None:
        """The file was sent."""
        await self._store.drop(f"file:{stream}:{number}")


def _final(kept: str | None) -> Final | None:
    if kept is None:
        return None
    read: dict[str, Any] = json.loads(kept)
    return Final(read["text"], tuple(read["after"]), tuple(File(**file) for file in read["files"]))
