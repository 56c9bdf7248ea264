"""What the workshop hands out: pictures, sound and documents, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Form = Literal["ogg-opus", "amr", "mp3", "wav"]
"""The forms in which sound is made."""

ENDINGS = {
    "audio/amr": "amr",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/webm": "webm",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that an endpoint takes; width and height in pixels."""

    mime: str
    data: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture out of a film, `at` so many seconds."""

    mime: str
    data: bytes = field(repr=False)
    width: int
    height: int
    at: float


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording; its duration in seconds. `silent`: nothing can be heard in it."""

    mime: str
    data: bytes = field(repr=False)
    duration: float
    silent: bool = False

    @property
    def name(self) -> str:
        """A file name whose ending tells the format: endpoints go by it."""
        return f"sound.{ENDINGS[self.mime]}"


@dataclass(frozen=True, slots=True)
class Document:
    """What a document says, as Markdown or plain text.

    `pages` counts its pages, sheets or slides (1 where it has none); `cut`: there is more than `text` holds.
    """

    text: str = field(repr=False)
    title: str
    pages: int = 1
    cut: bool = False
