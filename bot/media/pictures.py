"""Pictures: turned the right way, freed of their metadata, and no larger than what a model looks at.

Runs in a process of the workshop, never in the bot's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from io import BytesIO
from typing import cast

import av
from av.error import FFmpegError
from PIL import Image, ImageOps, UnidentifiedImageError

from bot.errors import TooManyPixels, Unreadable, Unsupported
from bot.media.kinds import sniff
from bot.media.made import Picture

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_PATCH = 32  # pixels of an edge of what a model counts as one piece
_PIXELS = 32_000_000  # decoded at once
_JPEG_PIXELS = 4 * _PIXELS  # a JPEG can be decoded at a half to an eighth of its size
_EASY = 4_000_000  # pixels for which memory is no question
_CLEAR = ("argb", "rgba", "yuva420p")  # FFmpeg's names of formats with transparency
_CONFINED = {
    "format_whitelist": "webp_pipe,mov",
    "protocol_whitelist": "none",
}  # no other files, no addresses
_MEGA = 1_000_000
_BAND = 128  # rows of a reduced picture that are made at a time
_ORIENTATION = 0x0112  # Exif 2.32, 4.6.4
_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What the library raises for files that break its expectations."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def picture(data: bytes, *, patches: int, quality: int) -> Picture:
    """`data` for a vision model: at most `patches` squares of 32 pixels; JPEG, or PNG where parts are transparent.

    An animation gives its first frame. Raises `TooManyPixels`, `Unreadable`, `Unsupported`.
    """
    image = _decoded(data, patches)
    size = fitting(image.width, image.height, patches)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _png(image) if image.mode == "RGBA" else _jpeg(image, quality)


def png(data: bytes, *, edge: int, size: tuple[int, int] | None, square: bool, mask: bool) -> Picture:
    """`data` as PNG for the edits of pictures, no edge longer than `edge` pixels, or stretched to `size`.

    `square` fills it up with transparent margins. A `mask` without transparent parts means its white: that becomes
    transparent, which is how the endpoint is told where to draw (POST /images/edits: alpha = edit area).
    """
    image = _decoded(data, math.ceil(edge / _PATCH) ** 2)
    if mask and image.mode != "RGBA":
        grey = image.convert("L")
        image = image.convert("RGBA")
        image.putalpha(ImageOps.invert(grey))
    if size is not None:
        image = image.resize(size, Image.Resampling.NEAREST if mask else Image.Resampling.LANCZOS)
    image.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    if square and image.width != image.height:
        longest = max(image.size)
        field = Image.new("RGBA", (longest, longest))
        field.paste(image, ((longest - image.width) // 2, (longest - image.height) // 2))
        image = field
    return _png(image)


def fitting(width: int, height: int, patches: int) -> tuple[int, int]:
    """The largest size of the same shape that covers at most `patches` squares of 32 × 32 pixels, never enlarged.

    Models with patches make larger pictures smaller themselves, so that more would buy nothing (OpenAI's guide
    "Images and vision", calculating costs).
    """
    if _covered(width, height) <= patches:
        return width, height
    scale = min(1.0, math.sqrt(patches * _PATCH * _PATCH / (width * height)))
    while True:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if _covered(*size) <= patches or size == (1, 1):
            return size
        scale *= 0.995


def _covered(width: int, height: int) -> int:
    return math.ceil(width / _PATCH) * math.ceil(height / _PATCH)


def _decoded(data: bytes, patches: int) -> Image.Image:
    """The first frame, upright, in RGB or (where something shows through) RGBA; not much larger than `patches`."""
    kind = sniff(data)
    try:
        if kind.form in ("webp", "avif") and (small := _scaled(data, patches)) is not None:
            return _opaque(small)
        with Image.open(BytesIO(data), formats=_FORMATS) as opened:
            _bounded(opened, patches)
            opened.load()
            turn = _TURNS.get(opened.getexif().get(_ORIENTATION, 1))
            small = _opaque(_reduced(opened, patches))
            return small if turn is None else small.transpose(turn)
    except MemoryError:  # FFmpeg's is an error of both kinds
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixels(str(error), limit=_PIXELS // _MEGA) from None
    except UnidentifiedImageError as error:
        known = kind.family != "image" or kind.form.upper() in _FORMATS
        raise (Unreadable if known else Unsupported)(str(error), kind=kind.label) from None
    except (*_FAULTS, FFmpegError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}", kind=kind.label) from error


def _scaled(data: bytes, patches: int) -> Image.Image | None:
    """A WebP or AVIF by way of FFmpeg, because Pillow needs five times the memory for it; None for a small one.

    FFmpeg knows nothing of their orientation, nor of transparency in AVIF, and may know no animations.
    """
    with av.open(BytesIO(data), "r", metadata_errors="ignore", options=_CONFINED) as container:
        stream = container.streams.video[0]
        width, height = stream.width, stream.height
        if width * height <= _EASY:
            return None
        if width * height > _PIXELS:
            raise TooManyPixels(f"{width} × {height}", limit=_PIXELS // _MEGA)
        stream.codec_context.thread_count = 1
        frame = next(container.decode(stream))
        form, mode = ("rgba", "RGBA") if frame.format.name in _CLEAR else ("rgb24", "RGB")
        target = fitting(width, height, patches)
        small = frame.reformat(*target, format=form, threads=1).planes[0]
        return Image.frombytes(mode, target, bytes(small), "raw", mode, small.line_size)


def _bounded(opened: Image.Image, patches: int) -> None:
    """Refuse a bomb by its header, and let a JPEG decode itself smaller."""
    jpeg = opened.format in ("JPEG", "MPO")  # MPO: a JPEG with others behind it
    pixels = opened.width * opened.height
    if not jpeg or pixels > _JPEG_PIXELS:
        _count(opened, _JPEG_PIXELS if jpeg else _PIXELS)
    opened.draft(None, fitting(opened.width, opened.height, patches))
    _count(opened, _PIXELS)  # a long, narrow one hardly shrinks


def _count(opened: Image.Image, most: int) -> None:
    if opened.width * opened.height > most:
        raise TooManyPixels(f"{opened.width} × {opened.height}", limit=most // _MEGA)


def _reduced(image: Image.Image, patches: int) -> Image.Image:
    """The picture in plain colours, and at a whole fraction of its size that is still above the one wanted.

    It is made band by band, because a second copy of a large picture is more memory than there is.
    """
    plain = _colours(image)
    factor = max(1, image.width // fitting(image.width, image.height, patches)[0])
    if factor == 1:
        return plain(image)
    whole: Image.Image | None = None
    for top in range(0, image.height, _BAND * factor):
        bottom = min(top + _BAND * factor, image.height)
        band = plain(image.crop((0, top, image.width, bottom))).reduce(factor)
        if whole is None:
            whole = Image.new(band.mode, (band.width, math.ceil(image.height / factor)))
        whole.paste(band, (0, top // factor))
    return cast(Image.Image, whole)


def _colours(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What turns `image`, or a part of it, into RGB or RGBA."""
    if image.has_transparency_data:
        return lambda part: part if part.mode == "RGBA" else part.convert("RGBA")
    if not image.mode.startswith("I") and image.mode != "F":
        return lambda part: part if part.mode == "RGB" else part.convert("RGB")
    # More than eight bits of grey are spread over what eight can show.
    low, high = cast(tuple[float, float], image.getextrema())
    scale = 255 / ((high - low) or 1)

    def levelled(part: Image.Image) -> Image.Image:
        wide = part if part.mode == "F" else part.convert("I").convert("F")
        return wide.point(lambda value: value * scale - low * scale).convert("L").convert("RGB")

    return levelled


def _opaque(image: Image.Image) -> Image.Image:
    """Without the alpha channel, where nothing shows through after all."""
    if image.mode == "RGBA" and cast(tuple[int, int], image.getchannel("A").getextrema())[0] == 255:
        return image.convert("RGB")
    return image


def _jpeg(image: Image.Image, quality: int) -> Picture:
    written = BytesIO()
    image.info.clear()  # comments, XMP and colour profiles would be written again
    image.save(written, "JPEG", quality=quality)
    return Picture("image/jpeg", written.getvalue(), *image.size)


def _png(image: Image.Image) -> Picture:
    written = BytesIO()
    image.info.clear()
    image.save(written, "PNG")
    return Picture("image/png", written.getvalue(), *image.size)
