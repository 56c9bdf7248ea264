"""What people send and get that is not text: bytes under an id in the store, a bounded number for each chat.

A feed names such a thing by its id. The bytes are kept as base64 under a key of their own, and what they are is
told by one log a chat, so that to look something up does not load it.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from bot.api import Attachment, Entry, Gone, Store

Kind = Literal["image", "audio", "video", "file"]

LIMIT = 20 * 1024 * 1024
"""Bytes of one thing."""

ATTACHMENTS = 8
"""Things of one message: more are not looked at."""

TOGETHER = 2 * LIMIT
"""Bytes of the things of one message; half of a chat's, so that they do not drive out each other."""

NUMBER = 100
"""Things of one chat; the oldest make room."""

ROOM = 4 * LIMIT
"""Bytes of all things of one chat; the oldest make room."""

TTL = 30 * 86400.0
"""Seconds for which a thing is kept."""

_ID = re.compile(r"[0-9a-f]{32}")
_MIME = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,100}")
_NAME_LIMIT = 200
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a thing without its bytes."""

    id: str
    kind: Kind
    mime: str
    name: str
    size: int


class Shelf:
    """The things of all chats of one adapter. Its calls raise `Unavailable`; `ids` gives 32 hexadecimal digits."""

    def __init__(self, store: Store, *, ids: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._store = store
        self._ids = ids

    async def keep(
        self, chat: str, data: bytes, *, mime: str, name: str = "", kind: Kind | None = None
    ) -> Kept:
        """Keep `data`; what becomes too old or too much for the chat goes. Raises `ValueError` above `LIMIT`."""
        if len(data) > LIMIT:
            raise ValueError(f"{len(data)} bytes are more than {LIMIT}")
        mime = plain_mime(mime)
        kept = Kept(self._ids(), kind or kind_of(mime), mime, plain_name(name), len(data))
        encoded = await asyncio.to_thread(lambda: b64encode(data).decode("ascii"))
        # First the log: what is in no log would not be dropped to make room.
        await self._store.append(_log(chat), json.dumps(asdict(kept)), limit=2 * NUMBER, ttl=TTL)
        await self._make_room(chat)
        await self._store.put(_key(chat, kept.id), encoded, ttl=TTL)
        return kept

    async def known(self, chat: str) -> dict[str, Kept]:
        """What the chat has, by id, oldest first."""
        return {kept.id: kept for kept in map(_read, await self._entries(chat)) if kept is not None}

    async def data(self, chat: str, id: str) -> bytes | None:
        """The bytes, or None where they are not kept any more."""
        encoded = await self._store.get(_key(chat, id)) if _ID.fullmatch(id) else None
        return None if encoded is None else await asyncio.to_thread(b64decode, encoded)

    async def fetch(self, attachment: Attachment) -> bytes:
        """The bytes of an attachment that `attachment` made. Raises `Gone`."""
        chat, _, id = attachment.ref.rpartition("/")
        data = await self.data(chat, id)
        if data is None:
            raise Gone(f"{attachment.kind} {id} is not kept any more")
        return data

    async def clear(self, chat: str, *, but: Collection[str] = ()) -> None:
        """Keep nothing of the chat but the things with these ids."""
        found = [(entry, _read(entry)) for entry in await self._entries(chat)]
        await self._drop(chat, [entry for entry, kept in found if kept is None or kept.id not in but])

    async def _make_room(self, chat: str) -> None:
        entries = await self._entries(chat)
        room, staying = ROOM, 0
        for entry in reversed(entries[-NUMBER:]):
            kept = _read(entry)
            room -= kept.size if kept else 0
            if room < 0:
                break
            staying += 1
        await self._drop(chat, entries[: len(entries) - staying])

    async def _drop(self, chat: str, entries: list[Entry]) -> None:
        for entry in entries:
            kept = _read(entry)
            if kept is not None:
                await self._store.drop(_key(chat, kept.id))
        if entries:
            await self._store.remove(_log(chat), [entry.id for entry in entries])

    async def _entries(self, chat: str) -> list[Entry]:
        return await self._store.read(_log(chat), count=4 * NUMBER)


def attachment(chat: str, kept: Kept) -> Attachment:
    """A kept thing as what came with a message."""
    return Attachment(kept.kind, reference(chat, kept.id), kept.mime, kept.size, kept.name)


def reference(chat: str, id: str) -> str:
    """The `Attachment.ref` of a thing."""
    return f"{chat}/{id}"


def id_of(attachment: Attachment) -> str:
    """The id of the thing that an attachment is."""
    return attachment.ref.rpartition("/")[2]


def plain_mime(mime: str) -> str:
    """The type without parameters; `application/octet-stream` where it is none (RFC 2045, 5.2)."""
    found = mime.partition(";")[0].strip().lower()
    return found if _MIME.fullmatch(found) else "application/octet-stream"


def plain_name(name: str) -> str:
    """The name of a file without folders, control characters and half surrogate pairs; its ending stays."""
    last = (
        _UNSEEN.sub("", name.encode("utf-8", "replace").decode("utf-8")).replace("\\", "/").rpartition("/")[2]
    )
    return last if len(last) <= _NAME_LIMIT else last[: _NAME_LIMIT - 20] + last[-20:]


def kind_of(mime: str) -> Kind:
    """What a type is to people. A drawing in SVG is a file: it may hold a script."""
    family = mime.partition("/")[0]
    if family in ("audio", "video"):
        return "audio" if family == "audio" else "video"
    return "image" if family == "image" and mime != "image/svg+xml" else "file"


def _read(entry: Entry) -> Kept | None:
    """None where a newer version has written something else."""
    try:
        value = json.loads(entry.value)
        kept = Kept(
            str(value["id"]), value["kind"], str(value["mime"]), str(value["name"]), int(value["size"])
        )
    except (ValueError, KeyError, TypeError):
        return None
    return kept if kept.kind in get_args(Kind) else None


def _key(chat: str, id: str) -> str:
    return f"media:{chat}:{id}"


def _log(chat: str) -> str:
    return f"media:{chat}"
