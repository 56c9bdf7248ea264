"""Models that really see, hear, draw, change and speak, for a simulated endpoint: what is wrong on the way shows.

Speech is espeak-ng's, ears are pocketsphinx's with a closed grammar, and pictures are drawn and changed by Pillow.
"""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageStat
from pocketsphinx import Decoder

from tests.bot.media.recordings import GRAMMAR, recorded, samples, spoken
from tests.simulators.endpoint import Answer, Call, event, make, say
from tests.simulators.endpoint_media import Sent, painting

CORNERS = {"red": (220, 40, 40), "green": (40, 160, 60), "blue": (50, 70, 210), "yellow": (235, 210, 40)}
"""What stands in the corners of the photograph, from the top left to the bottom right."""

SHOT = (1200, 1600)
"""Pixels of the photograph, upright."""

DRAWN = (1536, 1024)
"""Pixels of what is drawn: more than two megabytes as a PNG, as a good picture has."""

_SEEN = "In the corners, from the top left: {corners}. {width} × {height} pixels, {form}, {notes}."


def photograph(size: tuple[int, int] = SHOT, form: str = "JPEG") -> bytes:
    """A grainy picture of a camera held sideways, which says so in its EXIF, beside who took it and where."""
    notes = Image.Exif()
    notes[0x0112] = 6  # to be turned by a quarter to the right
    notes[0x010F] = "SecretCamera"
    notes.get_ifd(0x8825)[1] = "N"
    file = io.BytesIO()
    held = scene(size).transpose(Image.Transpose.ROTATE_90)
    held.save(file, form, quality=90, exif=notes.tobytes(), enc_params={"preset": "ultrafast"})
    return file.getvalue()


def scene(size: tuple[int, int] = SHOT, grain: float = 0.15) -> Image.Image:
    """A house under a moon between four coloured corners, as grainy as a camera's picture, or as one wishes."""
    width, height = size
    image = Image.linear_gradient("L").resize(size)
    image = Image.merge(
        "RGB", (image.point(lambda v: 40 + v // 4), image.point(lambda v: 60 + v // 3), image)
    )
    pen, unit = ImageDraw.Draw(image), min(size) // 8
    for number, colour in enumerate(CORNERS.values()):
        left, top = (width - unit) * (number % 2), (height - unit) * (number // 2)
        pen.rectangle((left, top, left + unit, top + unit), fill=colour)
    middle, floor = width // 2, height * 3 // 4
    pen.ellipse((middle + unit, unit, middle + 2 * unit, 2 * unit), fill="white")
    pen.polygon(
        [(middle - 2 * unit, floor - unit), (middle, floor - 3 * unit), (middle + 2 * unit, floor - unit)],
        fill="brown",
    )
    pen.rectangle((middle - unit, floor - unit, middle + unit, floor), fill="beige")
    return Image.blend(image, Image.effect_noise(size, 24).convert("RGB"), grain)


def corners(image: Image.Image) -> list[str]:
    """The names of the colours in the corners, from the top left to the bottom right."""
    small = image.convert("RGB")
    width, height = small.size
    step = min(small.size) // 16
    places = [(x, y) for y in (step, height - step) for x in (step, width - step)]
    return [_named(small.getpixel(place)) for place in places]


def _named(colour: Any) -> str:
    return min(CORNERS, key=lambda name: sum(abs(a - b) for a, b in zip(colour, CORNERS[name], strict=True)))


def brightness(data: bytes) -> float:
    """The mean of a picture's light, of 255."""
    with Image.open(io.BytesIO(data)) as image:
        return float(ImageStat.Stat(image.convert("L")).mean[0])


def unlike(one: bytes, other: bytes) -> float:
    """How far two pictures are from each other: the mean difference of 255 at a small size."""
    few = (64, 64)
    with Image.open(io.BytesIO(one)) as first, Image.open(io.BytesIO(other)) as second:
        pairs = zip(
            first.convert("L").resize(few).tobytes(), second.convert("L").resize(few).tobytes(), strict=True
        )
        return sum(abs(a - b) for a, b in pairs) / (few[0] * few[1])


class Ear:
    """Hears the words of the grammar, and no others."""

    def __init__(self) -> None:
        self._decoder = Decoder(loglevel="FATAL")
        self._decoder.add_jsgf_string("words", GRAMMAR)
        self._decoder.activate_search("words")

    def hears(self, data: bytes) -> str:
        """The words in a recording of any format."""
        self._decoder.start_utt()
        self._decoder.process_raw(samples(data), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return found.hypstr if found else ""


@dataclass(frozen=True)
class Took:
    """What an endpoint was given to see or hear, and when, by `time.perf_counter`."""

    data: bytes = field(repr=False)
    at: float
    words: str = ""


class Studio:
    """All the models. `answers` are the model's words for a question that holds others."""

    def __init__(self, answers: dict[str, str], *, clock: Callable[[], float] = time.perf_counter) -> None:
        self.ear = Ear()
        self.heard: list[Took] = []
        self.seen: list[Took] = []
        self.asked: list[Took] = []
        self.drawn: list[bytes] = []
        """What was drawn or changed, as it was sent."""
        self._answers = answers
        self._clock = clock
        self._voiced: dict[tuple[str, str], bytes] = {}
        self._usual = make()

    def talk(self, call: Call) -> Answer:
        """Answer a chat: tell what is in its newest picture, or what there is to be said to its words."""
        text = call.text
        self.asked.append(Took(b"", self._clock(), text))
        for question, answer in self._answers.items():
            if question in text:
                return say(answer)(call)
        shown = [url for message in call.body["messages"] for url in _pictures(message["content"])]
        if not shown:
            return say(f"I read {len(text)} characters.")(call)
        head, _, packed = shown[-1].partition(",")
        data = base64.b64decode(packed)
        self.seen.append(Took(data, self._clock()))
        return say(_described(data, head))(call)

    def make(self, call: Call) -> Answer:
        """Draw, change, hear and speak."""
        match call.path:
            case "images/generations":
                return self._painted(call, scene(DRAWN))
            case "images/edits":
                with Image.open(io.BytesIO(call.files["image"][0].data)) as before:
                    light = 0.5 if "darker" in call.body["prompt"] else 1.6
                    changed = ImageEnhance.Brightness(before.convert("RGB")).enhance(light)
                return self._painted(call, changed)
            case "audio/transcriptions":
                return self._transcribed(call, call.files["file"][0])
            case "audio/speech":
                return self._spoken(call)
        return self._usual(call)

    def _painted(self, call: Call, image: Image.Image) -> Answer:
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=1)
        self.drawn.append(file.getvalue())
        packed = base64.b64encode(file.getvalue()).decode()
        if call.streamed:
            blurred = {"b64_json": base64.b64encode(_unfinished(image)).decode()}
            *begun, done = painting(call.path, call.body)
            events = [*(each | blurred for each in begun), done | {"b64_json": packed}]
            return Answer([f"event: {each['type']}\n".encode() + event(each) for each in events])
        answer = self._usual(call)
        document = json.loads(b"".join(step for step in answer.steps if isinstance(step, bytes)))
        document["data"] = [entry | {"b64_json": packed} for entry in document["data"]]
        return Answer([json.dumps(document).encode()], media_type="application/json")

    def _transcribed(self, call: Call, sent: Sent) -> Answer:
        words = self.ear.hears(sent.data)
        self.heard.append(Took(sent.data, self._clock(), words))
        return make(words)(call)

    def _spoken(self, call: Call) -> Answer:
        words, form = call.body["input"], call.body.get("response_format", "mp3")
        data = self._voiced.get((words, form)) or recorded(spoken(words), form)
        self._voiced[words, form] = data
        half = len(data) // 2
        return Answer([data[:half], data[half:]], media_type={"opus": "audio/ogg"}.get(form, "audio/mpeg"))


def _unfinished(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.convert("L").resize((192, 128)).save(file, "PNG")
    return file.getvalue()


def _pictures(content: Any) -> list[str]:
    parts = content if isinstance(content, list) else []
    return [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]


def _described(data: bytes, head: str) -> str:
    with Image.open(io.BytesIO(data)) as image:
        told = (
            bool(image.getexif()) or b"Secret" in data or f"image/{(image.format or '').lower()}" not in head
        )
        return _SEEN.format(
            corners=", ".join(corners(image)),
            width=image.width,
            height=image.height,
            form=image.format,
            notes="with notes on where it was taken" if told else "without notes on where it was taken",
        )


def envelope(pcm: bytes, *, step: int = 1600) -> list[int]:
    """How loud samples of 16 kHz are, a tenth of a second at a time."""
    values = memoryview(pcm).cast("h")
    return [max(abs(v) for v in values[at : at + step : 7]) for at in range(0, len(values) - step, step)]
