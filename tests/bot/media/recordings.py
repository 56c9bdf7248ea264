"""Speech in every format that people send, and an ear that knows few words and hears whether they are still said."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
from array import array
from io import BytesIO
from pathlib import Path
from typing import cast

import av
import pysilk  # type: ignore[import-untyped]
import pytest
from pocketsphinx import Decoder

RATE = 16_000
WORDS = ("blue dog three south", "green horse nine east", "white bird two west")
GRAMMAR = """#JSGF V1.0; grammar words; public <words> =
    (red|blue|green|white) (cat|dog|horse|bird) (one|two|three|seven|nine) (north|south|east|west);"""

SPEEX = Path(__file__).with_name("blue_dog.spx")
"""The first of `WORDS`, wide-band, as `speexenc` writes it: no library here can."""

FORMATS = {  # container, codec, rate
    "opus": ("ogg", "libopus", 48_000),
    "vorbis": ("ogg", "vorbis", 48_000),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "m4a": ("ipod", "aac", 44_100),
    "aac": ("adts", "aac", 44_100),
    "wav": ("wav", "pcm_s16le", 22_050),
    "flac": ("flac", "flac", 44_100),
    "webm": ("webm", "libopus", 48_000),
    "amr": ("amr", "libopencore_amrnb", 8_000),
    "aiff": ("aiff", "pcm_s16be", 44_100),
    "wma": ("asf", "wmav2", 44_100),
    "mp4": ("mp4", "aac", 48_000),
    "mov": ("mov", "aac", 48_000),
    "mkv": ("matroska", "mp3", 44_100),
}
FILMS = ("mp4", "mov", "mkv")
_LAYOUTS = {"vorbis": "stereo"}  # its encoder knows no other


def spoken(words: str) -> bytes:
    """Samples (16 kHz, mono, 16 bits) of `words`. Skips the test where there is no espeak-ng."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    command = ["espeak-ng", "-v", "en-us", "-s", "130", "--stdout", words]
    return samples(subprocess.run(command, capture_output=True, check=True).stdout)


def tone(seconds: float, *, hertz: float = 300, loudness: float = 0.5) -> bytes:
    """Samples of a tone."""
    wave = (math.sin(2 * math.pi * hertz * at / RATE) for at in range(RATE))
    second = array("h", (int(32_767 * loudness * value) for value in wave)).tobytes()
    return (second * math.ceil(seconds))[: 2 * int(seconds * RATE)]


def silence(seconds: float) -> bytes:
    """Samples of nothing."""
    return bytes(2 * int(seconds * RATE))


def wave(pcm: bytes, rate: int = RATE) -> bytes:
    """A WAV file, written by hand."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(pcm)) + pcm
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def recorded(pcm: bytes, form: str) -> bytes:
    """The samples in one of `FORMATS`, or `silk` or `tencent` (SILK with the byte before its signature)."""
    if form in ("silk", "tencent"):
        packed = BytesIO()
        pysilk.encode(BytesIO(pcm), packed, RATE, 24_000, tencent=form == "tencent")
        return packed.getvalue()
    container, codec, rate = FORMATS[form]
    file = BytesIO()
    with av.open(file, "w", format=container) as output, av.open(BytesIO(wave(pcm))) as source:
        stream = cast(av.AudioStream, output.add_stream(codec, rate=rate, layout=_LAYOUTS.get(form, "mono")))
        if form not in ("wav", "aiff", "flac"):
            stream.bit_rate = 12_200 if form == "amr" else 64_000
        stream.codec_context.options = {"strict": "experimental"} if form == "vorbis" else {}
        if form in FILMS:
            _shown(output)
        for frame in source.decode(audio=0):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def mute_film() -> bytes:
    """A film that never had a sound track."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as output:
        _shown(output)
    return file.getvalue()


def _shown(output: av.container.OutputContainer) -> None:
    """A second of pictures."""
    stream = cast(av.VideoStream, output.add_stream("mpeg4", rate=5))
    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
    for _ in range(5):
        picture = av.VideoFrame(64, 64, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))  # or it shows whatever was in memory
        output.mux(stream.encode(picture))
    output.mux(stream.encode(None))


def bare_speex() -> bytes:
    """The frames of `SPEEX` without their container, each behind a byte with its length."""
    with av.open(str(SPEEX)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    return b"".join(bytes([len(packet)]) + packet for packet in packets)


def samples(data: bytes) -> bytes:
    """A recording as samples (16 kHz, mono, 16 bits), decoded apart from what is tested."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    pcm = bytearray()
    with av.open(BytesIO(data)) as container:
        for frame in container.decode(audio=0):
            frame.pts = None
            for part in resampler.resample(frame):
                pcm += bytes(part.planes[0])[: part.samples * 2]
    return bytes(pcm)


def heard(data: bytes) -> str:
    """The words that are heard in a recording."""
    ear = Decoder(loglevel="FATAL")
    ear.add_jsgf_string("words", GRAMMAR)
    ear.activate_search("words")
    ear.start_utt()
    ear.process_raw(samples(data), full_utt=True)
    ear.end_utt()
    hypothesis = ear.hyp()
    return hypothesis.hypstr if hypothesis else ""
