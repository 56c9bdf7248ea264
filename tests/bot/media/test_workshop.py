"""The workshop bounds what it does: in bytes, memory, time and processes; and the bot never waits for it."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import random
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache, partial
from pathlib import Path

import psutil
import pytest
from PIL import Image

from bot.errors import Indigestible, TooLarge, TooMuch
from bot.media.pool import Bounds
from bot.media.workshop import Workshop
from tests.bot.media.papers import pdf, sheet, show, word
from tests.bot.media.recordings import recorded, silence, tone, wave
from tests.bot.media.test_films import film
from tests.bot.media.test_pictures import header_only, saved

Eventually = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]

MEGABYTE = 1024 * 1024
MEMORY = 300 * MEGABYTE  # above idle
BLOCKED = 0.05  # seconds
SOON = 40.0  # seconds in which bad input is answered, on however busy a machine


def running() -> list[psutil.Process]:
    """The workshop's processes."""
    found = []
    for child in psutil.Process().children():
        try:
            found += [child] if "bot.media.bench" in child.cmdline() else []
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


@cache
def photograph(size: tuple[int, int] = (3000, 2000), form: str = "JPEG") -> bytes:
    """A picture that does not pack well."""
    file = io.BytesIO()
    coarse = Image.effect_noise((size[0] // 10, size[1] // 10), 60).convert("RGB")
    quick = {"PNG": {"compress_level": 1}, "WEBP": {"method": 0}, "AVIF": {"speed": 10}}.get(form, {})
    coarse.resize(size, Image.Resampling.BILINEAR).save(file, form, **quick)
    return file.getvalue()


@pytest.fixture(scope="module", autouse=True)
def _taken() -> Iterator[None]:
    """Large pictures and films go with the last of these tests."""
    yield
    photograph.cache_clear()
    reel.cache_clear()


@cache
def reel(seconds: float) -> bytes:
    """A film with a tone."""
    return recorded(tone(seconds), "mov")


@asynccontextmanager
async def ticking() -> AsyncIterator[list[float]]:
    """How long the loop was busy between two wakings that are meant to be a thousandth of a second apart.

    In seconds of the processor: the clock on the wall counts the machine's other work too. What the tests before
    have left behind is kept from the garbage collector: going through all of it takes longer than the bound.
    """
    gaps, over = [0.0], asyncio.Event()
    gc.collect()
    gc.freeze()

    async def tick() -> None:
        while not over.is_set():
            before = time.thread_time()
            await asyncio.sleep(0.001)
            gaps.append(time.thread_time() - before)

    ticker = asyncio.create_task(tick())
    try:
        await asyncio.sleep(0)  # it ticks
        yield gaps
        over.set()
        await ticker  # the gap under way counts, too
    finally:
        ticker.cancel()


@contextmanager
def watched() -> Iterator[list[int]]:
    """The memory of this process and its children, above what it was, sampled every hundredth of a second."""
    ended = threading.Event()

    def taken() -> int:
        total = psutil.Process().memory_info().rss
        for child in running():
            try:
                total += child.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total

    idle = taken()
    above = [0]

    def watch() -> None:
        while not ended.wait(0.01):
            above.append(taken() - idle)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield above
    finally:
        ended.set()
        watcher.join()


async def outcome(work: Awaitable[object]) -> object:
    """What came out: what was made, or the refusal."""
    try:
        return await work
    except Indigestible as refused:
        return refused


async def test_what_holds_the_loop_up_to_the_very_end_is_seen() -> None:
    async with ticking() as gaps:
        began = time.thread_time()
        while time.thread_time() - began < 2 * BLOCKED:
            continue
    assert max(gaps) >= 2 * BLOCKED


# --- bad input ------------------------------------------------------------------------------------------------


async def test_thirty_megabytes_are_refused_at_once(workshop: Workshop) -> None:
    with pytest.raises(TooLarge) as refused:
        await workshop.sound(bytes(30 * MEGABYTE))
    assert refused.value.values == {"limit": 25}
    assert running() == []


async def test_bad_input_is_answered_soon_in_little_memory_and_nothing_waits_for_it(
    workshop: Workshop,
) -> None:
    noise = random.Random(1).randbytes(20 * MEGABYTE)  # noqa: S311
    picture, document, sound = workshop.picture, workshop.document, workshop.sound
    bad: dict[str, tuple[Callable[[bytes], Awaitable[object]], bytes]] = {
        "an absurd picture": (picture, header_only(100_000, 100_000)),
        "a picture with little behind it": (picture, header_only(5500, 5500)),
        "a truncated MP3": (sound, recorded(tone(30), "mp3")[:9_000]),
        "a PNG that is HTML": (picture, b"<!doctype html><html></html>"),
        "an encrypted PDF": (document, pdf("x", password="p")),
        "silence": (sound, recorded(silence(120), "mp3")),
        "a large recording": (sound, wave(tone(700))),
        "noise": (sound, noise),
        "a package of noise": (document, b"PK\x03\x04" + noise),
        "a page of noise": (document, b"<html>" + noise),
    }
    with watched() as memory:
        async with ticking() as gaps:
            for name, (work, data) in bad.items():
                began = time.monotonic()
                await outcome(work(data))
                assert time.monotonic() - began < SOON, name
    assert max(memory) < MEMORY
    assert max(gaps) < BLOCKED


async def test_fifty_pictures_at_once_are_made_small_in_little_memory(workshop: Workshop) -> None:
    pictures = [photograph(), photograph((3000, 2000), "PNG"), photograph((5000, 4000), "WEBP")]
    with watched() as memory:
        async with ticking() as gaps:
            made = await asyncio.gather(*(workshop.picture(pictures[n // 24]) for n in range(50)))
    assert {picture.mime for picture in made} == {"image/jpeg"}
    assert max(memory) < MEMORY
    assert max(gaps) < BLOCKED
    assert len(running()) <= 2


async def test_twenty_five_megabytes_of_film_are_heard_without_holding_anything_up(
    workshop: Workshop,
) -> None:
    data = reel(600)
    data += b"\0\0\0\0free" + bytes(25 * MEGABYTE - len(data) - 8)
    with watched() as memory:
        async with ticking() as gaps:
            sound = await workshop.sound(data)
    assert sound.duration == pytest.approx(600, abs=1)
    assert len(sound.data) < 5 * MEGABYTE
    assert max(memory) < MEMORY
    assert max(gaps) < BLOCKED


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_broken_on_the_way_is_made_or_refused(workshop: Workshop, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    whole: list[tuple[bytes, Callable[[bytes], Awaitable[object]]]] = [
        *(
            (photograph((200, 100), form), workshop.picture)
            for form in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF")
        ),
        *(
            (recorded(tone(1), form), workshop.sound)
            for form in ("mp3", "opus", "mp4", "webm", "silk", "amr", "flac")
        ),
        (saved(Image.new("RGB", (200, 100), "teal"), "HEIF"), workshop.picture),
        *((film(form, 2), partial(workshop.frames, count=4)) for form in ("mp4", "webm", "gif")),
        *((paper, workshop.document) for paper in (pdf("a"), word(), sheet(), show())),
    ]
    for data, work in whole * 3:
        broken = bytearray(data)
        for _ in range(chance.choice((1, 10, 100))):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        await outcome(work(bytes(broken)))  # anything else than a refusal fails the test


# --- processes ------------------------------------------------------------------------------------------------


async def test_no_process_runs_before_there_is_work_and_none_after_a_pause(eventually: Eventually) -> None:
    shop = Workshop(Bounds(idle=0.2))
    assert running() == []
    await shop.picture(photograph())
    assert len(running()) == 1

    async def ended() -> bool:
        return running() == []

    await eventually(ended)
    await shop.picture(photograph())
    await shop.close()
    assert running() == []


async def test_a_process_serves_again_and_again(workshop: Workshop) -> None:
    await workshop.picture(photograph())
    first = running()
    await workshop.document(b"words")
    await workshop.sound(wave(tone(1)))
    assert running() == first


async def test_a_process_knows_no_secret(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    await workshop.picture(photograph())
    assert "sk-secret" not in str(running()[0].environ())


async def test_what_takes_too_long_is_given_up_and_the_next_is_served() -> None:
    shop = Workshop(Bounds(seconds=4))
    await shop.document(b"words")
    slow = running()[0]
    slow.suspend()  # slower than any task, on a machine of any speed
    with pytest.raises(TooMuch, match="not done in 4 s"):
        await shop.join([wave(tone(1))], "mp3")
    assert (await shop.document(b"words")).text == "words"
    assert slow not in running()
    await shop.close()


async def test_a_process_that_dies_is_replaced_and_its_work_done_again(
    workshop: Workshop, eventually: Eventually
) -> None:
    work = asyncio.create_task(workshop.voice(reel(300), "mp3"))

    async def begun() -> bool:
        return bool(running()) and running()[0].cpu_times().user > 0.3

    await eventually(begun)
    first = running()[0]
    first.send_signal(signal.SIGKILL)
    assert (await work).duration == pytest.approx(300, abs=1)
    assert first not in running()


async def test_work_that_nobody_waits_for_any_more_is_ended(
    workshop: Workshop, eventually: Eventually
) -> None:
    work = asyncio.create_task(workshop.voice(reel(300), "mp3"))

    async def begun() -> bool:
        return bool(running())

    await eventually(begun)
    (process,) = running()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work

    async def ended() -> bool:
        return process not in running()

    await eventually(ended)
    assert (await workshop.document(b"words")).text == "words"


async def test_what_needs_more_memory_than_its_share_is_done_alone(workshop: Workshop) -> None:
    large = photograph((6000, 5000), "PNG")
    made = await asyncio.gather(workshop.picture(large), workshop.document(b"words"), workshop.picture(large))
    assert [type(one).__name__ for one in made] == ["Picture", "Document", "Picture"]


async def test_what_needs_more_memory_than_there_is_is_refused() -> None:
    shop = Workshop(Bounds(share=48 * MEGABYTE, room=64 * MEGABYTE))
    with pytest.raises(TooMuch):
        await shop.picture(photograph((6000, 5000), "PNG"))
    assert (await shop.picture(photograph((300, 300)))).width == 300
    await shop.close()


async def test_a_process_ends_with_its_bot_even_when_the_bot_is_killed(eventually: Eventually) -> None:
    code = """
import asyncio, os, psutil
from bot.media.workshop import Workshop

async def main():
    shop = Workshop()
    await shop.document(b"words")
    print(psutil.Process().children()[0].pid, flush=True)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""
    root = Path(__file__).parents[3]
    bot = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await bot.communicate()
    pid = int(told)

    async def gone() -> bool:
        return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    await eventually(gone)
