"""What is to be drawn, as people write it: words, with options anywhere among them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MOST = 4
"""Pictures in one answer."""

_EDGES = (64, 4096)  # pixels; each server has bounds of its own within these
_SHAPES = {
    "square": "1024x1024", "方": "1024x1024", "landscape": "1536x1024", "wide": "1536x1024", "横": "1536x1024",
    "橫": "1536x1024", "portrait": "1024x1536", "tall": "1024x1536", "竖": "1024x1536", "豎": "1024x1536",
}  # fmt: skip
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        **{name: name for name in ("size", "quality", "n", "background", "model")},
        "尺寸": "size", "大小": "size", "质量": "quality", "品質": "quality", "数量": "n", "數量": "n", "count": "n",
        "number": "n", "背景": "background", "模型": "model",
    }
)  # fmt: skip
POSSIBLE: Mapping[str, str] = MappingProxyType(
    {
        "size": "1024x1024, 1536x1024, 1024x1536, auto",
        "quality": "low, medium, high, standard, hd, auto",
        "n": "1, 2, 3, 4",
        "background": "transparent, opaque, auto",
    }
)
"""What each option may be, as people are told."""

_OPTION = re.compile(
    r"(?:^|(?<=\s))(?:--|—|––)([^\W\d]\w*)(?:[ \t]*[=:：][ \t]*|[ \t]+|(?=\s|$))((?!--|—)\S*)"
)
_SIZE = re.compile(r"([0-9]{2,4})\s*[x×*]\s*([0-9]{2,4})")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be drawn. What is empty is as the operator set it."""

    prompt: str
    size: str = ""
    quality: str = ""
    n: int = 1
    background: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """An option that cannot be: its name, what was written, and what is possible."""

    option: str
    value: str
    possible: str


def read(text: str) -> Wish | Fault:
    """A wish with its options, which may stand anywhere in it."""
    given: dict[str, str] = {}
    for match in _OPTION.finditer(text):
        name = _NAMES.get(match[1].lower())
        if name is None:
            return Fault(match[1], match[2], "")
        given[name] = match[2]
    chosen: dict[str, str] = {}
    for name, value in given.items():
        accepted = _accepted(name, value)
        if accepted is None:
            return Fault(f"--{name}", value, POSSIBLE.get(name, "--model NAME"))
        chosen[name] = accepted
    count = int(chosen.pop("n", "1"))
    prompt = re.sub(r"[ \t]{2,}", " ", _OPTION.sub("", text)).strip()
    return Wish(prompt, n=count, **chosen)


def shape(value: object) -> str:
    """The size of a picture of this shape (`landscape`), as it is sent; empty for what is no shape."""
    return _SHAPES.get(value.lower(), "") if isinstance(value, str) else ""


def _accepted(name: str, value: str) -> str | None:
    """The value as it is sent; None where it cannot be."""
    plain = unicodedata.normalize("NFKC", value).lower()
    match name:
        case "size":
            return _size(plain)
        case "n":
            return plain if plain.isascii() and plain.isdigit() and 1 <= int(plain[:3]) <= MOST else None
        case "model":
            return value if 0 < len(value) <= 200 else None
        case _:
            return plain if plain in POSSIBLE[name].split(", ") else None


def _size(text: str) -> str | None:
    size = _SHAPES.get(text, text)
    if size == "auto":
        return size
    edges = _SIZE.fullmatch(size)
    if edges is None or not all(_EDGES[0] <= int(edge) <= _EDGES[1] for edge in edges.groups()):
        return None
    return f"{edges[1]}x{edges[2]}"
