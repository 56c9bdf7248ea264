"""Sounds that the demo makes and hears: speech where a synthesiser is installed, else a melody; words if it can."""

from __future__ import annotations

import array
import asyncio
import importlib.util
import io
import math
import re
import shutil
import sys
import wave
import zlib
from typing import Literal

Form = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]

_RATE = 24_000  # samples a second of what is made
_HEARD_RATE = 16_000  # of what the recogniser takes
_SYLLABLES = 60
_SYLLABLE = 0.16  # seconds
_LONGEST = 60  # seconds of a recording that are listened to
_PATIENCE = 60.0  # seconds
_SCALE = (220.0, 247.5, 277.2, 330.0, 371.3, 440.0, 495.0, 554.4)  # pentatonic, so that it sounds kind
_SYLLABIC = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]*?[aeiouyäöüàéèáíóú]+|\d|[.,;:!?。，！？；]", re.IGNORECASE
)
_CODECS = {
    "mp3": ("mp3", "libmp3lame"),
    "opus": ("ogg", "libopus"),
    "aac": ("adts", "aac"),
    "flac": ("flac", "flac"),
}
MIMES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
"""The type of each form."""


class NoSound(ValueError):
    """What was sent is no recording that can be read."""


async def speak(text: str, form: Form, speed: float, *, synthesiser: str | None = None) -> bytes:
    """A text as sound. `synthesiser` is the path of espeak-ng, which says first that it is a demo; empty for none."""
    program = shutil.which("espeak-ng") if synthesiser is None else synthesiser
    spoken = await _synthesised(program, text, speed) if program else None
    if spoken is None:
        spoken = await asyncio.to_thread(melody, text, speed), _RATE
    return await asyncio.to_thread(_written, *spoken, form)


def melody(text: str, speed: float = 1.0) -> bytes:
    """A tone for each syllable, and a rest for each stop: 16-bit samples, 24,000 a second, for sixty at most."""
    samples = array.array("h")
    length = int(_RATE * _SYLLABLE / min(4.0, max(0.25, speed)))
    for syllable in _SYLLABIC.findall(text)[:_SYLLABLES] or ["?"]:
        if not syllable[0].isalnum():
            samples.extend([0] * length)
            continue
        step = 2 * math.pi * _SCALE[zlib.crc32(syllable.lower().encode()) % len(_SCALE)] / _RATE
        swell = math.pi / length  # so that no tone begins or ends with a click
        samples.extend(int(9000 * math.sin(swell * n) * math.sin(step * n)) for n in range(length))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


async def hear(data: bytes, *, recogniser: bool | None = None) -> tuple[str | None, float]:
    """(what is said in a recording, its seconds): English words as a small recogniser guesses them; None without one.

    `recogniser` None looks whether one is installed. Only the first minute is listened to. Raises `NoSound`.
    """
    samples = await asyncio.to_thread(_heard, data)
    seconds = len(samples) / 2 / _HEARD_RATE
    if recogniser is None:
        recogniser = importlib.util.find_spec("pocketsphinx") is not None
    if not recogniser:
        return None, seconds
    said = await _run([sys.executable, "-m", "bot.demo.recogniser"], samples)
    return (None if said is None else said.decode("utf-8", "replace").strip()), seconds


async def _synthesised(program: str, text: str, speed: float) -> tuple[bytes, int] | None:
    """(samples, samples a second) by espeak-ng; None where it does not work."""
    chinese = bool(re.search(r"[\u3400-\u9fff]", text))
    said = f"{'演示。' if chinese else 'Demo. '}{text}"
    words = f"{int(min(450, max(80, 165 * speed)))}"
    command = [program, "--stdin", "--stdout", "-v", "cmn" if chinese else "en", "-s", words]
    made = await _run(command, said.encode("utf-8", "replace"))
    if not made or not made.startswith(b"RIFF"):
        return None
    with wave.open(io.BytesIO(made)) as file:
        return file.readframes(len(made)), file.getframerate()  # its head names no length


async def _run(command: list[str], given: bytes) -> bytes | None:
    """What a program writes when it is given something; None where it fails or takes too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(_PATIENCE):
            written, _ = await process.communicate(given)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return written if process.returncode == 0 else None


def _written(samples: bytes, rate: int, form: Form) -> bytes:
    if form == "pcm":
        return samples
    out = io.BytesIO()
    if form == "wav":
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples)
        return out.getvalue()
    import av  # noqa: PLC0415 - 20 MB and a tenth of a second, and most who run the demo make no sound
    from av.audio.resampler import AudioResampler  # noqa: PLC0415

    container, codec = _CODECS[form]
    with av.open(out, "w", format=container) as target:
        stream = target.add_stream(codec, rate=48_000 if form == "opus" else _RATE)
        assert isinstance(stream, av.AudioStream)  # noqa: S101 - only for the type
        stream.layout = "mono"
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
        frame.sample_rate = rate
        frame.planes[0].update(samples)
        resampler = AudioResampler(stream.format, "mono", stream.rate, stream.frame_size or None)
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            target.mux(stream.encode(piece))
    return out.getvalue()


def _heard(data: bytes) -> bytes:
    """A recording of any form as the recogniser takes it: 16-bit samples, one channel."""
    import av  # noqa: PLC0415 - as above
    from av.audio.resampler import AudioResampler  # noqa: PLC0415

    samples = bytearray()
    try:
        with av.open(io.BytesIO(data), "r") as source:
            resampler = AudioResampler("s16", "mono", _HEARD_RATE)
            for frame in source.decode(audio=0):
                for piece in resampler.resample(frame):
                    samples += bytes(piece.planes[0])[: piece.samples * 2]
                if len(samples) > _LONGEST * _HEARD_RATE * 2:
                    break
    except (av.FFmpegError, IndexError, ValueError) as error:
        if not samples:
            raise NoSound(type(error).__name__) from None
    return bytes(samples)
