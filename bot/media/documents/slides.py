"""PowerPoint files: the words, tables and notes of each slide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pptx
from pptx.presentation import Presentation

from bot.errors import Unreadable
from bot.media.documents.draft import Draft, table
from bot.media.documents.package import FAULTS, checked

_DEPTH = 10  # groups within groups


def read(data: bytes) -> Draft:
    """The slides' words. Raises `TooMuch`, `Encrypted`, `Unreadable`."""
    package = checked(data, "PPTX")
    try:
        show = pptx.Presentation(package)
        return Draft(_slides(show), show.core_properties.title or "", len(show.slides))
    except FAULTS as error:
        raise Unreadable(f"{type(error).__name__}: {error}", kind="PPTX") from error


def _slides(show: Presentation) -> Iterator[str]:
    try:
        for number, slide in enumerate(show.slides, start=1):
            words = list(_words(slide.shapes, _DEPTH))
            if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
                notes = slide.notes_slide.notes_text_frame.text.strip()
                words += [f"Notes: {notes}"] if notes else []
            if words:
                yield "\n\n".join([f"## Slide {number}", *words])
    except FAULTS as error:
        raise Unreadable(f"{type(error).__name__}: {error}", kind="PPTX") from error


def _words(shapes: Any, depth: int) -> Iterator[str]:
    for shape in shapes:
        if getattr(shape, "has_text_frame", False) and shape.text_frame.text.strip():
            yield shape.text_frame.text.strip()
        elif getattr(shape, "has_table", False):
            yield table([[cell.text for cell in row.cells] for row in shape.table.rows])
        elif depth and hasattr(shape, "shapes"):
            yield from _words(shape.shapes, depth - 1)
