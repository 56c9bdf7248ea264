"""Films: a few of their frames, evenly spread, for a model that looks at pictures.

Runs in a process of the workshop, never in the bot's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import islice

import av
from av.error import FFmpegError
from av.stream import Disposition
from PIL import Image

from bot.errors import TooManyPixels, Unreadable, Unsupported
from bot.media.kinds import sniff
from bot.media.made import Frame
from bot.media.pictures import PIXELS, fitting, jpeg, shrunk
from bot.media.sounds import CONFINED

_CONFINED = {**CONFINED, "format_whitelist": f"{CONFINED['format_whitelist']},gif"}
_MOST_PACKETS = 200_000  # an hour of sixty frames a second
_MOST_FAULTS = 200  # broken packets, before the rest is given up
_QUALITY = 75
_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    -180: Image.Transpose.ROTATE_180,
    -90: Image.Transpose.ROTATE_270,
}
"""By the degrees, against the clock, that a container says of how the camera was held."""

Clock = Callable[[], float]


def frames(
    data: bytes, *, count: int, patches: int, seconds: float, clock: Clock = time.monotonic
) -> list[Frame]:
    """Up to `count` frames of a film or an animated GIF, one for each second of a short one; none where it has none.

    Each is the one that is there in the middle of its part of the film, or what comes before it where that is not
    reached in time: the work takes some `seconds`. Raises `TooManyPixels`, `Unreadable`, `Unsupported`.
    """
    kind = sniff(data)
    if kind.family != "video" and kind.form != "gif":
        raise Unsupported(kind=kind.label)
    try:
        with av.open(BytesIO(data), "r", metadata_errors="ignore", options=_CONFINED) as container:
            stream = _moving(container)
            return [] if stream is None else list(_Reel(container, stream, patches).at(count, seconds, clock))
    except MemoryError:  # FFmpeg's is an error of both kinds
        raise
    except FFmpegError as error:
        raise Unreadable(f"{type(error).__name__}: {error}", kind=kind.label) from error


def _moving(container: av.container.InputContainer) -> av.VideoStream | None:
    """What is shown: not the cover of a song."""
    return next((s for s in container.streams.video if not s.disposition & Disposition.attached_pic), None)


class _Reel:
    """One film."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream, patches: int) -> None:
        if stream.width * stream.height > PIXELS:
            raise TooManyPixels(f"{stream.width} × {stream.height}", limit=PIXELS // 1_000_000)
        self._container = container
        self._stream = stream
        self._patches = patches
        stream.codec_context.thread_count = 1
        stream.codec_context.skip_frame = "NONREF"  # others are next to them

    def at(self, count: int, seconds: float, clock: Clock) -> Iterator[Frame]:
        """The frames, oldest first."""
        # Many containers do not say how long they are, and some lie.
        packets = islice(self._container.demux(self._stream), _MOST_PACKETS)
        stamps = [packet.pts for packet in packets if packet.pts is not None]
        begin, end = min(stamps, default=0), max(stamps, default=0)
        unit = float(self._stream.time_base or 0)
        parts = min(count, 1 + int((end - begin) * unit))
        began, last = clock(), -1
        for part in range(parts):
            wanted = begin + (end - begin) * (2 * part + 1) // (2 * parts)
            deadline = began + seconds * (part + 1) / parts
            frame = self._near(wanted, deadline, clock)
            if frame is None:
                continue
            stamp = wanted if frame.pts is None else frame.pts
            if stamp > last:
                last = stamp
                yield self._shown(frame, (stamp - begin) * unit)
        if last < 0:
            raise Unreadable("not one frame", kind=self._container.format.name)

    def _near(self, wanted: int, deadline: float, clock: Clock) -> av.VideoFrame | None:
        """The first frame from `wanted` on, or the last one before that is found in time."""
        self._container.seek(wanted, stream=self._stream)
        found = None
        for frame in self._decoded():
            found = frame
            if frame.pts is None or frame.pts >= wanted or clock() > deadline:
                break
        return found

    def _decoded(self) -> Iterator[av.VideoFrame]:
        packets, faults = self._container.demux(self._stream), 0
        while faults <= _MOST_FAULTS:
            try:
                packet = next(packets, None)
                decoded = packet.decode() if packet is not None else ()
            except MemoryError:
                raise
            except FFmpegError:
                faults += 1
                continue
            if packet is None:
                return
            yield from decoded

    def _shown(self, frame: av.VideoFrame, at: float) -> Frame:
        image = shrunk(frame, fitting(frame.width, frame.height, self._patches))
        if (turn := _TURNS.get(frame.rotation)) is not None:
            image = image.transpose(turn)
        made = jpeg(image, _QUALITY)
        return Frame(made.mime, made.data, made.width, made.height, at)
