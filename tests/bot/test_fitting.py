"""A picture comes as the platform shows it: as it is where that can be, else as a JPEG that is light enough."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from bot.api import End, Media, Text
from bot.delivery import Delivery
from bot.fitting import Fitting
from bot.media.workshop import Workshop
from tests.bot.doubles import delivery

LIMIT = 600_000


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    made = Workshop()
    yield made
    await made.close()


def drawn(form: str = "PNG", size: tuple[int, int] = (900, 600), mode: str = "RGB") -> bytes:
    """A picture that hardly packs."""
    file = io.BytesIO()
    noise = [Image.effect_noise(size, 70) for _ in mode]
    Image.merge(mode, noise).save(file, form)
    return file.getvalue()


async def shown(workshop: Workshop, mime: str, data: bytes, limit: int) -> Media:
    """What a platform with such a limit gets of a picture that is drawn."""

    async def draw(given: Delivery) -> None:
        await given.send(Text("Here:"))
        await given.send(Media("image", mime, data, "a fox"))
        await given.send(End())

    given, sent = delivery("/image a fox", picture_limit=limit)
    await Fitting(workshop, draw)(given)
    (media,) = [part for part in sent.parts if isinstance(part, Media)]
    assert media.caption == "a fox"
    return media


async def test_what_the_platform_shows_is_left_as_it_is(workshop: Workshop):
    small, heavy = drawn(size=(200, 200)), drawn()
    assert (await shown(workshop, "image/png", small, LIMIT)).data == small
    assert (await shown(workshop, "image/png", heavy, 0)).data == heavy
    webp = drawn("WEBP")
    assert (await shown(workshop, "image/webp", webp, 0)).data == webp


@pytest.mark.parametrize(("form", "limit"), [("PNG", LIMIT), ("WEBP", LIMIT), ("PNG", 400_000)])
async def test_what_is_too_heavy_or_in_another_form_becomes_a_jpeg_of_its_shape(
    workshop: Workshop, form: str, limit: int
):
    media = await shown(workshop, f"image/{form.lower()}", drawn(form), limit)
    assert media.mime == "image/jpeg"
    assert len(media.data) <= limit
    with Image.open(io.BytesIO(media.data)) as image:
        assert image.width / image.height == pytest.approx(1.5, abs=0.02)
        assert (image.width == 900) == (limit == LIMIT)


async def test_what_cannot_be_read_is_left_to_the_platform(workshop: Workshop):
    broken = drawn()[:5000] + bytes(LIMIT)
    assert (await shown(workshop, "image/png", broken, LIMIT)).data == broken
