"""The way in for everything that is not text: pictures, sound and documents, made into what is needed.

The work is done by processes that hostile input can neither grow, hang nor crash the bot with: see `pool`.
"""

from __future__ import annotations

import math
from typing import Any

from bot.errors import TooLarge
from bot.media.kinds import sniff
from bot.media.made import Document, Form, Frame, Picture, Sound
from bot.media.pool import Bounds, Made, Pool
from bot.media.process import Task

PATCHES = 1536
"""What the current models look at of a picture, in squares of 32 × 32 pixels (OpenAI's guide "Images and vision")."""

_MEGABYTE = 1024 * 1024
_HOUR = 3600.0
_HEARING, _SPEAKING = 16_000, 24_000  # samples a second: what recognisers work with, and what sounds well


class Workshop:
    """Processes are started by the first work, and end when there is none for a while.

    `limit` is the most that one input may weigh, in bytes (transcription endpoints take 25 MiB). Every method raises
    `TooLarge`, and `TooMuch` for what needs more time or memory than `bounds` allow.
    """

    def __init__(self, bounds: Bounds | None = None, *, limit: int = 25 * _MEGABYTE) -> None:
        self._bounds = bounds or Bounds()
        self._pool = Pool(self._bounds)
        self._limit = limit

    async def picture(self, data: bytes, *, patches: int = PATCHES, quality: int = 85) -> Picture:
        """A picture for a vision model: upright, without metadata, of at most `patches` squares of 32 × 32 pixels.

        JPEG of `quality` (1 to 95), or PNG where parts are transparent; an animation gives its first frame.
        Raises `TooManyPixels`, `Unreadable`, `Unsupported`.
        """
        made = await self._do("picture", [data], {"patches": patches, "quality": quality})
        return _picture(made)

    async def png(
        self,
        data: bytes,
        *,
        edge: int = 2048,
        size: tuple[int, int] | None = None,
        square: bool = False,
        mask: bool = False,
    ) -> Picture:
        """A picture as PNG, to be edited: no edge longer than `edge` pixels, or stretched to `size` (a mask's).

        `square` adds transparent margins. A `mask` that has no transparent part is read by its brightness: what is
        white becomes transparent, which is where the endpoint draws.
        Raises `TooManyPixels`, `Unreadable`, `Unsupported`.
        """
        options = {"edge": edge, "size": size, "square": square, "mask": mask}
        return _picture(await self._do("png", [data], options))

    async def frames(self, data: bytes, *, count: int, patches: int = PATCHES // 6) -> list[Frame]:
        """Up to `count` frames of a film or an animated GIF, evenly spread, as JPEG of at most `patches` squares.

        Upright, without metadata; none where nothing is shown. Raises `TooManyPixels`, `Unreadable`, `Unsupported`.
        """
        options = {"count": count, "patches": patches, "seconds": self._bounds.seconds / 3}
        return [Frame(data=data, **fields) for fields, data in await self._do("frames", [data], options)]

    async def sound(
        self, data: bytes, *, name: str = "", mime: str = "", limit_seconds: float = 20 * 60
    ) -> Sound:
        """A recording for a transcription endpoint: untouched where endpoints take it, else OGG/Opus (16 kHz, mono).

        A film gives its sound, a damaged recording what can be heard of it. `name` and `mime` are looked at only
        where the bytes have no signature (bare Speex). A recording in which nothing is heard comes back `silent`.
        Raises `TooLong`, `Silent` (a film without a sound track), `Unreadable`, `Unsupported`.
        """
        options = {"name": name, "mime": mime, "limit_seconds": limit_seconds}
        return _sound(await self._do("sound", [data], options, name=name, mime=mime))

    async def pieces(self, sound: Sound, seconds: float) -> list[Sound]:
        """A recording as OGG/Opus (16 kHz, mono) in parts of at most `seconds`, cut where it is quietest.

        One that is short enough comes back untouched. Raises `Unreadable`.
        """
        if sound.duration <= seconds:
            return [sound]
        return await self._voice([sound.data], "ogg-opus", seconds, _HEARING)

    async def voice(self, data: bytes, form: Form) -> Sound:
        """Speech in the form that a platform plays as a voice message. Raises `TooLong` (an hour), `Unreadable`."""
        return await self.join([data], form)

    async def split(self, data: bytes, form: Form, *, seconds: float = 59) -> list[Sound]:
        """Speech in parts of at most `seconds`, cut between words; the codec may add a fiftieth of a second.

        Raises `TooLong` (an hour), `Unreadable`.
        """
        return await self._voice([data], form, seconds, _SPEAKING)

    async def join(self, pieces: list[bytes], form: Form) -> Sound:
        """Pieces of speech, in any formats, as one recording. Raises `TooLong` (an hour), `Unreadable`."""
        return (await self._voice(pieces, form, _HOUR, _SPEAKING))[0]

    async def document(
        self, data: bytes, *, name: str = "", mime: str = "", characters: int = 60_000
    ) -> Document:
        """What a document says: text, Markdown, code, CSV, PDF, DOCX, XLSX, PPTX or HTML; `cut` where there is more.

        Raises `Encrypted`, `Unreadable`, `Unsupported`, `Wordless`.
        """
        seconds = self._bounds.seconds / 2  # what was read by then is handed out, and marked as cut
        options = {"name": name, "mime": mime, "characters": characters, "seconds": seconds}
        (fields, _), *_ = await self._do("document", [data], options, name=name, mime=mime)
        return Document(**fields)

    async def close(self) -> None:
        """End all processes; work that is under way is not waited for by this call, but by its caller."""
        await self._pool.close()

    async def _voice(self, pieces: list[bytes], form: Form, seconds: float, rate: int) -> list[Sound]:
        options = {"form": form, "seconds": seconds, "rate": rate, "limit_seconds": _HOUR}
        return [Sound(data=data, **fields) for fields, data in await self._do("voice", pieces, options)]

    async def _do(
        self, task: str, blobs: list[bytes], options: dict[str, Any], *, name: str = "", mime: str = ""
    ) -> Made:
        weight = sum(map(len, blobs))
        if weight > self._limit:
            raise TooLarge(f"{weight} bytes", limit=math.floor(self._limit / _MEGABYTE))
        label = sniff(blobs[0], name=name, mime=mime).label if blobs else ""
        return await self._pool.do(Task(task, blobs, options, label))


def _picture(made: Made) -> Picture:
    (fields, data), *_ = made
    return Picture(data=data, **fields)


def _sound(made: Made) -> Sound:
    (fields, data), *_ = made
    return Sound(data=data, **fields)
