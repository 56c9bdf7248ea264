"""Sound: heard from whatever people record, and written in what endpoints and platforms take.

Runs in a process of the workshop, never in the bot's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import cast

import av
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from bot.errors import Silent, TooLong, Unreadable, Unsupported
from bot.media.kinds import Kind, sniff
from bot.media.levels import Levels
from bot.media.made import Form, Sound
from bot.media.silk import Broken, unsilk

HEARING = 16_000  # samples a second: what recognisers work with
SPEAKING = 24_000
TELEPHONE = 8_000  # AMR knows no other

_TAKEN = frozenset({"opus", "vorbis", "mp3", "m4a", "wav", "webm", "flac", "oggflac"})
"""What transcription endpoints take as it is: their list is flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav, webm."""

_MADE: dict[Form, tuple[str, str, str, int]] = {  # container, codec, type, bits a second (0: not compressed)
    "ogg-opus": ("ogg", "libopus", "audio/ogg", 32_000),
    "mp3": ("mp3", "libmp3lame", "audio/mpeg", 48_000),
    "amr": ("amr", "libopencore_amrnb", "audio/amr", 12_200),
    "wav": ("wav", "pcm_s16le", "audio/wav", 0),
}
_GRACE = 1.0  # seconds: codecs fill up their first and last frame
CONFINED = {
    "format_whitelist": "ogg,mp3,mov,wav,flac,matroska,webm,amr,amrwb,aac,aiff,caf,asf,avi,mpeg,flv",
    "protocol_whitelist": "none",
}
"""Options without which a playlist that calls itself a recording would have FFmpeg open other files and addresses."""

_WIDTH = 2  # bytes of a sample
_MOST_FAULTS = 200  # broken packets, before the rest is given up


def sound(data: bytes, *, name: str, mime: str, limit_seconds: float) -> Sound:
    """`data` for a transcription endpoint: as it is where such endpoints take it, else as OGG/Opus, 16 kHz, mono.

    A film gives its sound; of a broken recording comes what can be heard. Raises `TooLong`, `Silent` (a film
    without a sound track), `Unreadable`, `Unsupported`.
    """
    kind, hearing, levels = sniff(data, name=name, mime=mime), Hearing(limit_seconds), Levels(HEARING)
    if kind.family != "audio" or kind.form not in _TAKEN:
        return _rewritten(data, kind, hearing)
    for pcm in hearing.of(data, HEARING, kind):
        levels.add(pcm)
    if hearing.faults:
        return _rewritten(data, kind, Hearing(limit_seconds))
    return Sound(kind.mime, data, levels.duration, levels.silent)


def _rewritten(data: bytes, kind: Kind, hearing: Hearing) -> Sound:
    pen = Pen("ogg-opus", HEARING)
    for pcm in hearing.of(data, HEARING, kind):
        pen.write(pcm)
    return pen.done()


def voice(pieces: list[bytes], *, form: Form, seconds: float, rate: int, limit_seconds: float) -> list[Sound]:
    """`pieces` one after the other as one recording, cut at its quietest moments where it is longer than `seconds`.

    Raises as `sound` does.
    """
    rate = TELEPHONE if form == "amr" else rate
    hearing = Hearing(limit_seconds)
    heard = (pcm for piece in pieces for pcm in hearing.of(piece, rate, sniff(piece)))
    made = []
    for part in _cut(heard, rate, seconds):
        pen = Pen(form, rate)
        pen.write(part)
        made.append(pen.done())
    return made


def _cut(heard: Iterable[bytes], rate: int, seconds: float) -> Iterator[bytes]:
    """The same sound in parts of at most `seconds`, each cut in its second half where it is quietest."""
    most = int(seconds * rate) * _WIDTH
    waiting = bytearray()
    for pcm in heard:
        waiting += pcm
        while len(waiting) > most:
            levels = Levels(rate)
            levels.add(bytes(waiting[:most]))
            end = min(most, max(_WIDTH, int(levels.quietest() * rate) * _WIDTH))
            yield bytes(waiting[:end])
            del waiting[:end]
    if waiting:
        yield bytes(waiting)


class Hearing:
    """Decodes recordings, together no longer than `limit` seconds; counts the packets that were broken."""

    def __init__(self, limit: float) -> None:
        self.faults = 0
        self._limit = limit
        self._heard = 0.0

    def of(self, data: bytes, rate: int, kind: Kind) -> Iterator[bytes]:
        """Samples of `rate` a second, mono, 16 bits, in small pieces.

        Raises `TooLong`, `Silent`, `Unreadable`, `Unsupported`.
        """
        before = self._heard
        if kind.family not in ("audio", "video"):
            raise Unsupported(kind=kind.label)
        for pcm in self._silk(data, rate) if kind.form == "silk" else self._resampled(data, rate, kind):
            self._heard += len(pcm) / _WIDTH / rate
            if self._heard > self._limit + _GRACE:
                raise TooLong(limit=max(1, int(self._limit // 60)))
            yield pcm
        if self._heard == before:
            raise Unreadable("not one sample", kind=kind.label)

    def _silk(self, data: bytes, rate: int) -> Iterator[bytes]:
        try:
            yield from unsilk(data, rate, self._limit + 2 * _GRACE)
        except Broken as error:
            raise Unreadable(str(error), kind="SILK") from error

    def _resampled(self, data: bytes, rate: int, kind: Kind) -> Iterator[bytes]:
        resampler = AudioResampler(format="s16", layout="mono", rate=rate)
        shape: tuple[str, str, int] | None = None
        for frame in self._frames(data, kind):
            now = frame.format.name, frame.layout.name, frame.sample_rate
            if shape not in (None, now):  # it may change on the way
                yield from map(_samples, resampler.resample(None))
                resampler = AudioResampler(format="s16", layout="mono", rate=rate)
            shape, frame.pts = now, None
            yield from map(_samples, resampler.resample(frame))
        if shape is not None:
            yield from map(_samples, resampler.resample(None))

    def _frames(self, data: bytes, kind: Kind) -> Iterator[av.AudioFrame]:
        if kind.form == "speex" and not data.startswith(b"OggS"):
            yield from self._bare_speex(data)
            return
        try:
            with av.open(BytesIO(data), "r", metadata_errors="ignore", options=CONFINED) as container:
                if not container.streams.audio:
                    raise Silent("no sound track")
                stream = container.streams.audio[0]
                stream.codec_context.thread_count = 1
                yield from self._decoded(container, stream)
        except MemoryError:  # FFmpeg's is an error of both kinds
            raise
        except FFmpegError as error:
            raise Unreadable(f"{type(error).__name__}: {error}", kind=kind.label) from error

    def _bare_speex(self, data: bytes) -> Iterator[av.AudioFrame]:
        """Wide-band frames, each behind a byte with its length (`audio/x-speex-with-header-byte`)."""
        decoder = av.CodecContext.create("speex", "r")
        decoder.sample_rate, decoder.layout = HEARING, "mono"
        at = 0
        while at < len(data) and self.faults <= _MOST_FAULTS:
            end = at + 1 + data[at]
            try:
                yield from decoder.decode(av.Packet(data[at + 1 : end]))
            except FFmpegError:
                self.faults += 1
            at = end

    def _decoded(
        self, container: av.container.InputContainer, stream: av.AudioStream
    ) -> Iterator[av.AudioFrame]:
        packets = container.demux(stream)
        while self.faults <= _MOST_FAULTS:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except MemoryError:
                raise
            except FFmpegError:
                self.faults += 1
                continue
            yield from frames


def _samples(frame: av.AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * _WIDTH]


class Pen:
    """Writes samples of `rate` a second, mono, 16 bits, into one recording."""

    def __init__(self, form: Form, rate: int) -> None:
        container, codec, self._mime, bits = _MADE[form]
        self._file = BytesIO()
        self._container = av.open(self._file, "w", format=container)
        self._stream = cast(av.AudioStream, self._container.add_stream(codec, rate=rate, layout="mono"))
        if bits:
            self._stream.bit_rate = bits
        self._rate = rate
        self._levels = Levels(rate)

    def write(self, pcm: bytes) -> None:
        """Add `pcm`."""
        self._levels.add(pcm)
        step = self._rate * _WIDTH
        for start in range(0, len(pcm), step):
            piece = pcm[start : start + step]
            frame = av.AudioFrame(format="s16", layout="mono", samples=len(piece) // _WIDTH, align=1)
            frame.sample_rate = self._rate
            frame.planes[0].update(piece)
            self._container.mux(self._stream.encode(frame))

    def done(self) -> Sound:
        """The recording."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return Sound(self._mime, self._file.getvalue(), self._levels.duration, self._levels.silent)
