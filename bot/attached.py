"""What came with a conversation's questions, as it was read or heard: kept for those that follow and for /retry."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import structlog
from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from bot.kept import Kept
from bot.keys import Keys, reaching
from bot.window import Sight

PICTURES = 8
"""Pictures that a conversation keeps."""

PICTURE_BYTES = 3_000_000
"""Bytes that they may have together, as `data:` URLs."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame of a film, `at` so many seconds."""

    at: float
    sight: Sight


@dataclass(frozen=True, slots=True)
class Piece:
    """What one attachment came to. `source` is its name for us; `cut`: there is more than `text` holds.

    A picture has a `sight` and no text; of speech, `text` is the transcript. What is said in a film is speech, too; a
    `film` is one in which nothing is said. The `frames` are a film's.
    """

    source: str
    what: Literal["picture", "speech", "film", "document"]
    text: str = ""
    name: str = ""
    cut: bool = False
    sight: Sight | None = None
    frames: tuple[Moment, ...] = ()

    @property
    def sights(self) -> tuple[Sight, ...]:
        """All that is to be seen of it."""
        return (self.sight,) if self.sight else tuple(frame.sight for frame in self.frames)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the attachments of a question came to. `told` is the key of the message in whose answer this was shown."""

    origin: str
    told: str
    pieces: tuple[Piece, ...] = ()


_FINDINGS = TypeAdapter(Findings)


class Attached:
    """The findings of each conversation's last question, and the pictures it was last about.

    They are forgotten with the window (`Windows.clear`, `forget`, `undo`), or `ttl` seconds after the last use.
    The pictures of all conversations are bounded together by `kept`. All calls raise `StoreAway`.
    """

    def __init__(self, redis: Redis, keys: Keys, *, ttl: float, kept: Kept | None = None) -> None:
        self._redis = redis
        self._kept = kept or Kept(redis, keys)
        self._keys = keys
        self._ttl = round(ttl * 1000)
        script = resources.files("bot").joinpath("pictures.lua").read_text("utf-8")
        self._keep = redis.register_script(script)

    async def note(self, conversation: str, findings: Findings) -> None:
        """Keep what was found, so that it need not be found again."""
        text = _FINDINGS.dump_json(findings)
        async with reaching():
            await self._redis.set(self._keys.attached(conversation), text, px=self._ttl)

    async def recall(self, conversation: str, origin: str) -> Findings | None:
        """What was found in the attachments of the question `origin`, if that was the last one."""
        text: Any
        async with reaching():
            text = await self._redis.get(self._keys.attached(conversation))
        if text is None:
            return None
        try:
            found = _FINDINGS.validate_json(text)
        except ValidationError as error:
            _log.warning("findings.unreadable", faults=error.error_count())
            return None
        return found if found.origin == origin else None

    async def keep(self, conversation: str, pictures: Mapping[str, str]) -> None:
        """Keep pictures, as id → `data:` URL. The oldest are dropped for them."""
        entries = [f"{id}\n{url}" for id, url in pictures.items()]
        if not entries:
            return
        key = self._keys.pictures(conversation)
        size: Any
        async with reaching():
            size = await self._keep(keys=[key], args=[PICTURES, PICTURE_BYTES, self._ttl, *entries])
        await self._kept.note(key, int(size))

    async def latest(self, conversation: str) -> str | None:
        """The newest of the pictures, as a `data:` URL."""
        entry: Any
        async with reaching():
            entry = await self._redis.lindex(self._keys.pictures(conversation), -1)
        return entry.partition("\n")[2] if entry else None

    async def pictures(self, conversation: str, ids: Collection[str]) -> dict[str, str]:
        """Those of the pictures that are still kept, as id → `data:` URL; used again, they are kept longer."""
        if not ids:
            return {}
        key = self._keys.pictures(conversation)
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.lrange(key, 0, -1)
            pipeline.pexpire(key, self._ttl)
            self._kept.touch(pipeline, key)
            kept, *_ = await pipeline.execute()
        found = dict(entry.split("\n", 1) for entry in kept)
        return {id: found[id] for id in ids if id in found}
