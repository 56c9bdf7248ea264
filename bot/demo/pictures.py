"""Pictures that the demo draws, changes and looks at: real ones, by a few rules, and marked as a demo's."""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

_PIXELS = 4096 * 4096  # of a picture that is opened
_LONGEST = 300  # characters that are written on a picture
_LINES = 8
_MARK = "Parley demo, not a model"
_PALETTE = {
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
    "white": (255, 255, 255),
    "red": (220, 20, 40),
    "orange": (255, 140, 0),
    "yellow": (255, 225, 25),
    "green": (40, 160, 60),
    "turquoise": (0, 150, 150),
    "blue": (30, 80, 220),
    "purple": (130, 40, 160),
    "pink": (255, 130, 180),
    "brown": (120, 72, 30),
}
_FONTS = (
    *("NotoSansCJK-Regular.ttc", "NotoSansSC-Regular.otf", "wqy-microhei.ttc", "wqy-zenhei.ttc"),
    *("PingFang.ttc", "msyh.ttc", "DroidSansFallbackFull.ttf"),
)
"""Fonts with Chinese characters, as systems call them; pillow's own has none."""


class NoPicture(ValueError):
    """What was sent is no picture that can be opened."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the demo sees in a picture: its size in pixels, and the names of its main colours, the largest first."""

    width: int
    height: int
    colours: tuple[str, ...]


def draw(prompt: str, width: int, height: int, *, version: int = 0) -> bytes:
    """A PNG with the prompt written on it. The same prompt has the same picture, and another one by `version`."""
    seed = zlib.crc32(f"{prompt}{version}".encode("utf-8", "replace"))
    names = list(_PALETTE)[3:]
    dark, light = _PALETTE[names[seed % len(names)]], _PALETTE[names[seed // 16 % len(names)]]
    ground = Image.linear_gradient("L").rotate(seed // 256 % 4 * 90).resize((width, height))
    picture = ImageOps.colorize(
        ground, tuple(n // 3 for n in dark), tuple(160 + n * 95 // 255 for n in light)
    )
    brush = ImageDraw.Draw(picture, "RGBA")
    for number in range(6):
        place = zlib.crc32(f"{seed}{number}".encode())
        x, y, r = place % width, place // 7 % height, max(8, place // 11 % max(9, min(width, height) // 3))
        brush.ellipse((x - r, y - r, x + r, y + r), fill=(*_PALETTE[names[place % len(names)]], 90))
    _write(picture, prompt)
    return _png(picture)


def blurred(data: bytes, step: int) -> bytes:
    """A picture as if it were not finished; the higher `step`, the clearer."""
    with _opened(data) as picture:
        edge = max(picture.size)
        return _png(picture.convert("RGB").filter(ImageFilter.GaussianBlur(edge / (20 << step))))


def change(data: bytes, prompt: str, mask: bytes | None = None) -> bytes:
    """A picture, changed as a few words in the prompt say, with the prompt on it; only where a mask is transparent.

    Raises `NoPicture`.
    """
    with _opened(data) as source:
        picture = source.convert("RGB")
    changed = _changed(picture, prompt.lower())
    _write(changed, prompt, top=True)
    if mask is not None:
        with _opened(mask) as cover:
            kept = cover.convert("RGBA").getchannel("A").resize(picture.size)
        changed = Image.composite(picture, changed, kept)
    return _png(changed)


def look(url: str) -> Sight | None:
    """What is to be seen in a picture that came as a `data:` URL; None where it cannot be opened."""
    try:
        data = base64.b64decode(url.partition(",")[2], validate=True)
        with _opened(data) as picture:
            size = picture.size
            small = picture.convert("RGB").resize((48, 48))
    except (binascii.Error, NoPicture):
        return None
    counted: Counter[str] = Counter()
    for count, colour in small.getcolors(48 * 48) or ():
        if isinstance(colour, tuple):
            counted[_named(colour[:3])] += count
    colours = [name for name, count in counted.most_common(3) if count > 48 * 48 // 12]
    return Sight(*size, tuple(colours))


def _opened(data: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data))
        if picture.width * picture.height > _PIXELS:
            raise NoPicture("too large")
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise NoPicture(type(error).__name__) from None
    return picture


def _changed(picture: Image.Image, said: str) -> Image.Image:
    if any(word in said for word in ("bright", "light", "亮")):
        return ImageEnhance.Brightness(picture).enhance(1.5)
    if any(word in said for word in ("dark", "night", "暗", "黑夜")):
        return ImageEnhance.Brightness(picture).enhance(0.5)
    if any(word in said for word in ("grey", "gray", "black and white", "黑白", "灰")):
        return picture.convert("L").convert("RGB")
    if any(word in said for word in ("blur", "soft", "模糊", "柔")):
        return picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 60))
    if any(word in said for word in ("mirror", "flip", "翻", "镜")):
        return ImageOps.mirror(picture)
    return ImageOps.posterize(picture, 3)


def _write(picture: Image.Image, text: str, *, top: bool = False) -> None:
    """Write a text on a band in the middle or at the top, and in the corner that this is a demo."""
    size = max(12, min(picture.size) // 18)
    text = " ".join(text.split())
    brush = ImageDraw.Draw(picture, "RGBA")
    font = _font(text, size)
    lines = list(_lines(brush, text[:_LONGEST], font, picture.width * 0.84))[:_LINES]
    y = size * 0.5 if top else (picture.height - len(lines) * size * 1.4) / 2
    band = (0, y - size * 0.3, picture.width, y + len(lines) * size * 1.4)
    brush.rectangle(band, fill=(0, 0, 0, 170 if top else 60))
    for line in lines:
        x = (picture.width - brush.textlength(line, font)) / 2
        brush.text(
            (x, y), line, (255, 255, 255, 255), font, stroke_width=max(1, size // 12), stroke_fill="black"
        )
        y += size * 1.4
    small = ImageFont.load_default(max(10, size // 2))
    brush.text(
        (8, picture.height - size), _MARK, (255, 255, 255, 220), small, stroke_width=1, stroke_fill="black"
    )


def _lines(
    brush: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float
) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if not line or brush.textlength(f"{line} {word}", font) <= width:
            line = f"{line} {word}".strip()
        else:
            yield line
            line = word
        while brush.textlength(line, font) > width and len(line) > 1:
            fits = next(
                n for n in range(len(line) - 1, 0, -1) if n == 1 or brush.textlength(line[:n], font) <= width
            )
            yield line[:fits]
            line = line[fits:]
    yield line


def _font(text: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if any(ord(letter) > 0x2E7F for letter in text):
        for name in _FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.load_default(size)


def _named(colour: tuple[int, ...]) -> str:
    return min(
        _PALETTE, key=lambda name: sum((a - b) ** 2 for a, b in zip(_PALETTE[name], colour, strict=True))
    )


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=4)
    return out.getvalue()
