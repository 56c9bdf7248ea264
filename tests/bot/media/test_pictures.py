"""Pictures come upright, without their metadata, and no larger than a model looks at; bombs do not go off."""

from __future__ import annotations

import io
import math
import struct
import zlib

import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from bot.errors import TooManyPixels, Unreadable
from bot.media.pictures import fitting
from bot.media.workshop import PATCHES, Workshop

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
QUICK: dict[str, dict[str, object]] = {"WEBP": {"method": 0}, "AVIF": {"speed": 10}}


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    if form == "HEIF":
        pillow_heif.from_pillow(image).save(file, enc_params={"preset": "ultrafast"}, **options)
    else:
        image.save(file, form, **QUICK.get(form, {}), **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    seen = image.convert("RGB").getpixel(at)
    assert isinstance(seen, tuple)
    return all(abs(a - b) < 40 for a, b in zip(seen, colour, strict=True))


def header_only(width: int, height: int) -> bytes:
    """A PNG that claims a size and has next to nothing behind it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", FORMATS)
async def test_every_format_becomes_a_small_jpeg(workshop: Workshop, form: str) -> None:
    image = Image.new("RGB", (2600, 2000), "navy")
    ImageDraw.Draw(image).rectangle((0, 0, 1300, 1000), fill="orange")
    picture = await workshop.picture(saved(image, form))
    shown = opened(picture.data)
    assert (picture.mime, shown.format, shown.size) == ("image/jpeg", "JPEG", (picture.width, picture.height))
    assert math.ceil(picture.width / 32) * math.ceil(picture.height / 32) <= PATCHES
    assert picture.width / picture.height == pytest.approx(1.3, abs=0.01)
    assert near(shown, (50, 50), (255, 165, 0))
    assert near(shown, (picture.width - 50, 50), (0, 0, 128))


async def test_a_photograph_is_turned_and_tells_nothing_of_where_it_was_taken(workshop: Workshop) -> None:
    image = Image.new("RGB", (400, 200), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 99, 199), fill="red")
    notes = Image.Exif()
    notes[0x0112] = 6  # to be turned by a quarter to the right
    notes[0x010F] = "SecretCamera"
    notes.get_ifd(0x8825)[1] = "N"
    data = saved(image, "JPEG", exif=notes, comment=b"SecretPlace", quality=95)
    assert b"Secret" in data
    picture = await workshop.picture(data)
    assert (picture.width, picture.height) == (200, 400)
    assert near(opened(picture.data), (100, 20), (255, 0, 0))
    assert not opened(picture.data).getexif()
    assert b"Secret" not in picture.data


async def test_what_shines_through_stays_png_and_what_does_not_becomes_jpeg(workshop: Workshop) -> None:
    clear = await workshop.picture(saved(Image.new("RGBA", (64, 64), (255, 0, 0, 100)), pnginfo=None))
    assert clear.mime == "image/png"
    assert opened(clear.data).getpixel((9, 9)) == (255, 0, 0, 100)
    assert (await workshop.picture(saved(Image.new("RGBA", (64, 64), "red")))).mime == "image/jpeg"


async def test_an_animation_gives_its_first_frame(workshop: Workshop) -> None:
    frames = [Image.new("RGB", (50, 50), colour) for colour in ("lime", "blue", "black")]
    for form in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], form, save_all=True, append_images=frames[1:], duration=100)
        assert near(opened((await workshop.picture(data)).data), (25, 25), (0, 255, 0))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16", "I", "F"])
async def test_every_kind_of_colour_is_read(workshop: Workshop, mode: str) -> None:
    image = Image.new("L", (64, 64), 255)
    ImageDraw.Draw(image).rectangle((0, 0, 31, 63), fill=0)
    wide = (
        image.convert(mode) if mode != "I;16" else image.convert("I").point(lambda v: v * 256).convert("I;16")
    )
    picture = await workshop.picture(saved(wide, "TIFF" if mode in ("CMYK", "F", "I") else "PNG"))
    assert near(opened(picture.data), (5, 30), (0, 0, 0))
    assert near(opened(picture.data), (60, 30), (255, 255, 255))


async def test_a_small_picture_is_not_enlarged(workshop: Workshop) -> None:
    picture = await workshop.picture(saved(Image.new("RGB", (20, 10))))
    assert (picture.width, picture.height) == (20, 10)


async def test_a_large_photograph_is_taken(workshop: Workshop) -> None:
    picture = await workshop.picture(saved(Image.new("RGB", (12_000, 9_000), "teal"), "JPEG"))
    assert near(opened(picture.data), (600, 500), (0, 128, 128))


async def test_a_screenshot_of_great_length_is_taken(workshop: Workshop) -> None:
    picture = await workshop.picture(saved(Image.new("RGBA", (1440, 20_000), (0, 128, 128, 200))))
    assert picture.height > 10 * picture.width


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (65_535, 65_535), (8_000, 6_000)])
async def test_a_bomb_is_refused_by_its_header(workshop: Workshop, width: int, height: int) -> None:
    with pytest.raises(TooManyPixels) as refused:
        await workshop.picture(header_only(width, height))
    assert refused.value.values == {"limit": 32}


@pytest.mark.parametrize("form", ["JPEG", "TIFF", "WEBP", "PNG", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_every_way_of_holding_a_camera_comes_out_upright(
    workshop: Workshop, form: str, orientation: int
) -> None:
    data = held((96, 64), form, orientation)
    assert form == "HEIF" or b"SecretCamera" in data
    await assert_upright(workshop, data, (96, 64))


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", [5, 8])
async def test_a_large_picture_comes_out_upright_too(workshop: Workshop, form: str, orientation: int) -> None:
    await assert_upright(workshop, held((2880, 1920), form, orientation), (1440, 960))


def held(size: tuple[int, int], form: str, orientation: int) -> bytes:
    """A picture by a camera that was held so: red at the top left, blue at the top right, white between."""
    width, height = size
    upright = Image.new("RGB", size, "white")
    ImageDraw.Draw(upright).rectangle((0, 0, width // 3 - 1, height // 2 - 1), fill="red")
    ImageDraw.Draw(upright).rectangle((width - width // 3, 0, width, height // 2 - 1), fill="blue")
    notes = Image.Exif()
    notes[0x0112] = orientation
    notes[0x010F] = "SecretCamera"
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)  # what undoes the turn
    method = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(back)
    turned = upright if method is None else upright.transpose(Image.Transpose(method))
    return saved(turned, form, exif=notes.tobytes())


async def assert_upright(workshop: Workshop, data: bytes, size: tuple[int, int]) -> None:
    """It comes as `held` was, and with no metadata."""
    picture = await workshop.picture(data)
    shown = opened(picture.data)
    assert picture.width / picture.height == pytest.approx(size[0] / size[1], rel=0.01)
    assert near(shown, (shown.width // 6, shown.height // 4), (255, 0, 0))
    assert near(shown, (shown.width * 5 // 6, shown.height // 4), (0, 0, 255))
    assert near(shown, (shown.width // 2, shown.height * 3 // 4), (255, 255, 255))
    assert not shown.getexif()
    assert not {"exif", "xmp", "icc_profile", "comment"} & shown.info.keys()
    assert b"SecretCamera" not in picture.data


# --- HEIC -----------------------------------------------------------------------------------------------------


def claiming(data: bytes, width: int, height: int) -> bytes:
    """A HEIC picture that claims another size in its header (`ispe`)."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


async def test_a_heic_that_claims_an_absurd_size_is_refused_by_its_header(workshop: Workshop) -> None:
    small = saved(Image.new("RGB", (64, 64), "teal"), "HEIF")
    with pytest.raises((TooManyPixels, Unreadable)):
        await workshop.picture(claiming(small, 100_000, 100_000))
    with pytest.raises(TooManyPixels):
        await workshop.picture(claiming(small, 8_000, 6_000))


async def test_a_heic_that_is_larger_than_it_claims_is_refused(workshop: Workshop) -> None:
    large = saved(Image.new("RGB", (6400, 4800), "teal"), "HEIF")
    with pytest.raises(Unreadable):
        await workshop.picture(claiming(large, 64, 64))


async def test_half_a_heic_is_refused_by_its_name(workshop: Workshop) -> None:
    whole = saved(Image.effect_noise((300, 300), 90).convert("RGB"), "HEIF")
    for length in (20, 200, len(whole) // 2):
        with pytest.raises(Unreadable) as refused:
            await workshop.picture(whole[:length])
        assert refused.value.values == {"kind": "HEIC"}


async def test_a_photograph_of_a_telephone_of_twelve_million_pixels_is_taken(workshop: Workshop) -> None:
    picture = await workshop.picture(saved(Image.new("RGB", (4032, 3024), "teal"), "HEIF"))
    assert near(opened(picture.data), (600, 500), (0, 128, 128))
    assert picture.mime == "image/jpeg"


async def test_what_shines_through_in_a_heic_still_does(workshop: Workshop) -> None:
    clear = await workshop.picture(saved(Image.new("RGBA", (64, 64), (255, 0, 0, 100)), "HEIF"))
    assert clear.mime == "image/png"
    pixel = opened(clear.data).getpixel((9, 9))
    assert isinstance(pixel, tuple)
    assert pixel[3] == pytest.approx(100, abs=20)


async def test_what_is_no_picture_is_refused_by_its_true_name(workshop: Workshop) -> None:
    for data, kind in (
        (b"<!doctype html><html><body>Not found</body></html>", "HTML"),
        (saved(Image.effect_noise((300, 300), 90))[:2000], "PNG"),
        (saved(Image.effect_noise((300, 300), 90), "JPEG")[:2000], "JPEG"),
        (b"GIF89a" + bytes(40), "GIF"),
        (b"", "?"),
    ):
        with pytest.raises(Unreadable) as refused:
            await workshop.picture(data)
        assert refused.value.values == {"kind": kind}


# --- to be edited ---------------------------------------------------------------------------------------------


async def test_a_picture_to_be_edited_is_png_and_may_be_square(workshop: Workshop) -> None:
    data = saved(Image.new("RGB", (3000, 1500), "red"), "JPEG")
    plain = await workshop.png(data, edge=1024)
    assert (plain.mime, plain.width, plain.height) == ("image/png", 1024, 512)
    square = opened((await workshop.png(data, edge=1024, square=True)).data)
    assert square.size == (1024, 1024)
    corner, middle = square.getpixel((5, 5)), square.getpixel((512, 512))
    assert isinstance(corner, tuple)
    assert isinstance(middle, tuple)
    assert (corner[3], middle[3]) == (0, 255)


async def test_a_mask_has_the_size_of_its_picture_and_is_open_where_it_was_white(workshop: Workshop) -> None:
    painted = Image.new("RGB", (100, 100), "black")
    ImageDraw.Draw(painted).rectangle((0, 0, 49, 99), fill="white")
    mask = opened((await workshop.png(saved(painted), size=(640, 480), mask=True)).data)
    assert (mask.size, mask.mode) == ((640, 480), "RGBA")
    left, right = mask.getpixel((10, 10)), mask.getpixel((600, 10))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert (left[3], right[3]) == (0, 255)


async def test_a_mask_that_is_transparent_already_is_left_so(workshop: Workshop) -> None:
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 32, 64))
    made = opened((await workshop.png(saved(mask), mask=True)).data)
    assert [made.getpixel((x, 9))[3] for x in (5, 60)] == [0, 255]  # type: ignore[index]


# --- the rule -------------------------------------------------------------------------------------------------


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(1, 4000))
def test_what_fits_is_within_the_bound_and_keeps_its_shape(width: int, height: int, patches: int) -> None:
    w, h = fitting(width, height, patches)
    assert 1 <= w <= width
    assert 1 <= h <= height
    assert math.ceil(w / 32) * math.ceil(h / 32) <= patches
    if min(w, h) > 50:
        assert w / h == pytest.approx(width / height, rel=0.05)


def test_a_square_photograph_comes_to_about_1248_pixels() -> None:
    assert fitting(4000, 4000, PATCHES) == pytest.approx((1248, 1248), abs=10)
