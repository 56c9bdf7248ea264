"""A document while it is being read: its pieces come one after the other, until there is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Draft:
    """`pieces` are read only as far as they are wanted, and joined by `gap`.

    `cut`: the reader itself has left something out.
    """

    pieces: Iterable[str]
    title: str = ""
    pages: int = 1
    cut: bool = False
    gap: str = "\n\n"

    def filled(self, characters: int, late: Callable[[], bool]) -> tuple[str, bool]:
        """The text, of at most `characters`, and whether there is more of it. Stops when it is `late`."""
        kept: list[str] = []
        room = characters
        for piece in self.pieces:
            if late():
                return "".join(kept).strip(), True
            tidy = piece.replace("\r\n", "\n").replace("\0", "")
            if not tidy.strip():
                continue
            kept.append((self.gap if kept else "") + tidy)
            room -= len(kept[-1])
            if room < 0:
                return "".join(kept)[:characters].strip(), True
        return "".join(kept).strip(), False


def row(cells: Iterable[object]) -> str:
    """One row of a Markdown table."""
    words = (" ".join(str("" if cell is None else cell).replace("|", "\\|").split()) for cell in cells)
    return "| " + " | ".join(words) + " |"


def table(rows: Iterable[list[str]]) -> str:
    """A Markdown table; the first row is its head."""
    lines = [row(cells) for cells in rows]
    if lines:
        lines.insert(1, "|" + " --- |" * max(1, lines[0].count(" | ") + 1))
    return "\n".join(lines)
