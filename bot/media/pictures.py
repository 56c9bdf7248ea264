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
PIXELS = 32_000_000
"""Of a picture, decoded at once."""

_JPEG_PIXELS = 4 * PIXELS  # a JPEG can be decoded at a half to an eighth of its size
_EASY = 4_000_000  # pixels for which memory is no question
_CLEAR = ("argb", "rgba", "yuva420p")  # FFmpeg's names of formats with transparency
# No other files, no addresses.
_CONFINED = {"format_whitelist": "webp_pipe,mov", "protocol_whitelist": "none"}
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
    return _png(image) if image.mode == "RGBA" else jpeg(image, quality)


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
        if kind.form == "heic":
            return _opaque(_heic(data, patches))
        if kind.form in ("webp", "avif") and (small := _scaled(data, kind.form, patches)) is not None:
            return _opaque(small)
        with Image.open(BytesIO(data), formats=_FORMATS) as opened:
            _bounded(opened, patches)
            opened.load()
            turn = opened.getexif().get(_ORIENTATION, 1)
            return _turned(_opaque(_reduced(opened, patches)), turn)
    except MemoryError:  # FFmpeg's is an error of both kinds
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixels(str(error), limit=PIXELS // _MEGA) from None
    except UnidentifiedImageError as error:
        known = kind.family != "image" or kind.form.upper() in _FORMATS
        raise (Unreadable if known else Unsupported)(str(error), kind=kind.label) from None
    except (*_FAULTS, FFmpegError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}", kind=kind.label) from error


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _heic(data: bytes, patches: int) -> Image.Image:
    from bot.media.heic import Heic  # noqa: PLC0415 - a library that most pictures have no use for

    heic = Heic(data)
    _count(heic.size, PIXELS)
    heic.decode()
    return _banded(heic.band, heic.size, patches)


def _scaled(data: bytes, form: str, patches: int) -> Image.Image | None:
    """A WebP or AVIF by way of FFmpeg, because Pillow needs five times the memory for it; None for a small one.

    FFmpeg knows nothing of their orientation, nor of transparency in AVIF, may know no animations, and of an AVIF in
    tiles no more than one: that is left to Pillow.
    """
    with av.open(BytesIO(data), "r", metadata_errors="ignore", options=_CONFINED) as container:
        stream = container.streams.video[0]
        found = stream.width, stream.height
        size, turn = (found, _orientation(data)) if form == "webp" else _told(data)
        if size[0] * size[1] <= _EASY or size != found:
            return None
        _count(size, PIXELS)
        stream.codec_context.thread_count = 1
        frame = next(container.decode(stream))
        transparent = frame.format.name in _CLEAR
        return _turned(shrunk(frame, fitting(*size, patches), transparent=transparent), turn)


def shrunk(frame: av.VideoFrame, size: tuple[int, int], *, transparent: bool = False) -> Image.Image:
    """A frame of FFmpeg's, scaled to `size`."""
    form, mode = ("rgba", "RGBA") if transparent else ("rgb24", "RGB")
    small = frame.reformat(*size, format=form, threads=1).planes[0]
    return Image.frombytes(mode, size, bytes(small), "raw", mode, small.line_size)


def _orientation(webp: bytes) -> int:
    """What Exif says in a WebP: a chunk of its own (RFC 9649, 2.7.1.5). Pillow would make room for its pixels."""
    at = 12
    while at + 8 <= len(webp):
        size = int.from_bytes(webp[at + 4 : at + 8], "little")
        if webp[at : at + 4] == b"EXIF":
            notes = Image.Exif()
            notes.load(webp[at + 8 : at + 8 + size])
            return int(notes.get(_ORIENTATION, 1))
        at += 8 + size + size % 2
    return 1


def _told(avif: bytes) -> tuple[tuple[int, int], int]:
    """Size and orientation, from the header."""
    with Image.open(BytesIO(avif), formats=("AVIF",)) as opened:
        return opened.size, int(opened.getexif().get(_ORIENTATION, 1))


def _bounded(opened: Image.Image, patches: int) -> None:
    """Refuse a bomb by its header, and let a JPEG decode itself smaller."""
    jpeg = opened.format in ("JPEG", "MPO")  # MPO: a JPEG with others behind it
    _count(opened.size, _JPEG_PIXELS if jpeg else PIXELS)
    opened.draft(None, fitting(opened.width, opened.height, patches))
    _count(opened.size, PIXELS)  # a long, narrow one hardly shrinks


def _count(size: tuple[int, int], most: int) -> None:
    if size[0] * size[1] > most:
        raise TooManyPixels(f"{size[0]} × {size[1]}", limit=most // _MEGA)


def _reduced(image: Image.Image, patches: int) -> Image.Image:
    """The picture in plain colours, and at a whole fraction of its size that is still above the one wanted."""
    plain = _colours(image)
    return _banded(lambda top, bottom: plain(image.crop((0, top, image.width, bottom))), image.size, patches)


def _banded(band: Callable[[int, int], Image.Image], size: tuple[int, int], patches: int) -> Image.Image:
    """A picture at a whole fraction of its `size`, of its bands (`band` gives the rows from one to before another).

    A second copy of a large picture is more memory than there is.
    """
    width, height = size
    factor = max(1, width // fitting(width, height, patches)[0])
    if factor == 1:
        return band(0, height)
    whole: Image.Image | None = None
    for top in range(0, height, _BAND * factor):
        part = band(top, min(top + _BAND * factor, height)).reduce(factor)
        if whole is None:
            whole = Image.new(part.mode, (part.width, math.ceil(height / factor)))
        whole.paste(part, (0, top // factor))
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


def jpeg(image: Image.Image, quality: int) -> Picture:
    written = BytesIO()
    image.info.clear()  # comments, XMP and colour profiles would be written again
    image.save(written, "JPEG", quality=quality)
    return Picture("image/jpeg", written.getvalue(), *image.size)


def _png(image: Image.Image) -> Picture:
    written = BytesIO()
    image.info.clear()
    image.save(written, "PNG")
    return Picture("image/png", written.getvalue(), *image.size)
