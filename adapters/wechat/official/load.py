"""What one message to a person can hold, and how much of what is kept one response can carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ROOM = 1920
"""Bytes of text that are carried together: a passive reply has 2,048, and a hint must find room, too."""

_SEPARATOR = "\n\n"


@dataclass(frozen=True, slots=True)
class Item:
    """What one message to the person can hold: a text, or the media id of an image or a recording."""

    kind: Literal["text", "image", "voice"]
    value: str


@dataclass(frozen=True, slots=True)
class Load:
    """What one response carries. `more`: something is left behind it. `claims`: each one's name and what it says."""

    items: tuple[Item, ...] = ()
    claims: tuple[tuple[str, str], ...] = ()
    more: bool = False

    @property
    def text(self) -> str:
        """Its texts as one."""
        return _SEPARATOR.join(item.value for item in self.items)


@dataclass(slots=True)
class Packing:
    """A load that is being packed: as many texts as fit, or one thing that is no text."""

    items: list[Item] = field(default_factory=list)
    claims: list[tuple[str, str]] = field(default_factory=list)
    size: int = 0

    def fits(self, item: Item) -> bool:
        """Whether there is room for it."""
        if not self.items:
            return True
        texts = item.kind == self.items[0].kind == "text"
        return texts and self.size + len(_SEPARATOR) + len(item.value.encode()) <= ROOM

    def add(self, item: Item, claim: str, owned: str) -> None:
        """Put it in, with the claim that was made for it and what the claim says."""
        self.size += len(item.value.encode()) + (len(_SEPARATOR) if self.items else 0)
        self.items.append(item)
        self.claims.append((claim, owned))
