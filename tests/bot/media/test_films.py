"""Of a film come a few small frames, upright and evenly spread, whatever its container; what is broken is refused."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import cast

import av
import pytest
from PIL import Image

from bot.errors import TooManyPixels, Unreadable, Unsupported
from bot.media.films import frames
from bot.media.workshop import Workshop
from tests.bot.media.recordings import recorded, tone
from tests.bot.media.test_pictures import near, opened, saved

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
FILMS = {  # container, codec
    "mp4": ("mp4", "libx264"),
    "mov": ("mov", "mpeg4"),
    "webm": ("webm", "libvpx-vp9"),
    "avi": ("avi", "mpeg4"),
    "gif": ("gif", "gif"),
}


def film(
    form: str = "mp4",
    seconds: int = 8,
    *,
    size: tuple[int, int] = (192, 96),
    turned: int = 0,
    live: bool = False,
) -> bytes:
    """A film without sound, five frames a second and one whole one: a quarter of it in each of `COLOURS`."""
    container, codec = FILMS[form]
    file = BytesIO()
    with av.open(file, "w", format=container, options={"live": "1"} if live else {}) as output:
        stream = cast(av.VideoStream, output.add_stream(codec, rate=5))
        stream.width, stream.height = size
        stream.pix_fmt = "rgb8" if form == "gif" else "yuv420p"
        stream.codec_context.gop_size = 1000
        if turned:
            stream.set_display_rotation(turned)
        for number in range(5 * seconds):
            image = Image.new("RGB", size, COLOURS[number * 4 // (5 * seconds)])
            image.paste((0, 0, 0), (0, 0, size[0] // 4, size[1] // 4))
            frame = av.VideoFrame.from_image(image)
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("form", FILMS)
async def test_four_small_frames_are_evenly_spread(workshop: Workshop, form: str) -> None:
    made = await workshop.frames(film(form), count=4)
    assert [frame.at for frame in made] == pytest.approx([1, 3, 5, 7], abs=0.5)
    for frame, colour in zip(made, COLOURS, strict=True):
        shown = opened(frame.data)
        assert (frame.mime, shown.format, shown.size) == ("image/jpeg", "JPEG", (frame.width, frame.height))
        assert near(shown, (150, 70), colour)
        assert near(shown, (10, 10), (0, 0, 0))


async def test_a_film_that_does_not_say_how_long_it_is_is_looked_at_all_the_same(workshop: Workshop) -> None:
    made = await workshop.frames(film("webm", live=True), count=4)
    assert [frame.at for frame in made] == pytest.approx([1, 3, 5, 7], abs=0.5)


async def test_a_frame_is_no_larger_than_it_may_be(workshop: Workshop) -> None:
    (frame,) = await workshop.frames(film(size=(1920, 1080)), count=1)
    assert (frame.width // 32) * (frame.height // 32) <= 256
    assert frame.width / frame.height == pytest.approx(16 / 9, abs=0.01)


async def test_a_short_film_gives_no_more_frames_than_it_has_seconds(workshop: Workshop) -> None:
    assert len(await workshop.frames(film(seconds=1), count=4)) == 1
    assert len(await workshop.frames(film(seconds=3), count=4)) == 3


@pytest.mark.parametrize(
    ("turned", "corner"), [(90, "bottom left"), (-90, "top right"), (180, "bottom right")]
)
async def test_a_film_by_a_camera_that_was_held_otherwise_is_upright(
    workshop: Workshop, turned: int, corner: str
) -> None:
    (frame,) = await workshop.frames(film(seconds=1, turned=turned), count=1)
    shown = opened(frame.data)
    assert shown.size == ((192, 96) if turned == 180 else (96, 192))
    y, x = (shown.height - 8 if "bottom" in corner else 8), (shown.width - 8 if "right" in corner else 8)
    assert near(shown, (x, y), (0, 0, 0))


async def test_the_cover_of_a_song_is_no_film(workshop: Workshop) -> None:
    file = BytesIO()
    with av.open(file, "w", format="mp4") as output:
        sound = cast(av.AudioStream, output.add_stream("aac", rate=44_100))
        cover = cast(av.VideoStream, output.add_stream("mjpeg", rate=1))
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        packet = av.Packet(saved(Image.new("RGB", (64, 64), "red"), "JPEG"))
        packet.stream, packet.pts, packet.dts = cover, 0, 0
        output.mux(packet)
        with av.open(BytesIO(recorded(tone(1), "wav"))) as source:
            for heard in source.decode(audio=0):
                output.mux(sound.encode(heard))
        output.mux(sound.encode(None))
    with av.open(BytesIO(file.getvalue())) as song:
        assert len(song.streams.video) == 1
    assert await workshop.frames(file.getvalue(), count=4) == []
    assert await workshop.frames(recorded(tone(1), "m4a").replace(b"ftypM4A ", b"ftypmp42"), count=4) == []


async def test_what_can_be_seen_of_half_a_film_is_shown(workshop: Workshop) -> None:
    made = await workshop.frames(film("webm")[:1500], count=4)
    assert made
    assert near(opened(made[0].data), (150, 70), COLOURS[0])


async def test_what_is_no_film_is_refused(workshop: Workshop) -> None:
    with pytest.raises(Unsupported):
        await workshop.frames(saved(Image.new("RGB", (9, 9))), count=4)
    with pytest.raises(Unreadable):
        await workshop.frames(b"\0\0\0\x18ftypmp42" + bytes(100), count=4)
    gif = bytearray(film("gif", 1))
    gif[6:10] = struct.pack("<HH", 60_000, 60_000)
    with pytest.raises((TooManyPixels, Unreadable)):
        await workshop.frames(bytes(gif), count=4)


def test_where_time_is_up_the_frames_are_those_at_hand() -> None:
    made = frames(film("webm"), count=4, patches=256, seconds=0, clock=iter(range(10_000)).__next__)
    assert [frame.at for frame in made] == [0]
