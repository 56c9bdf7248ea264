"""Hostile input through the whole bot: a clear answer to each, in little memory, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pillow_heif
import psutil
import pytest
from PIL import Image

from tests.bot.media.papers import pdf
from tests.bot.media.recordings import recorded, silence, tone, wave
from tests.bot.media.test_films import film
from tests.bot.media.test_pictures import header_only
from tests.process import Bot
from tests.simulators.endpoint import Answer, EndpointSimulator, Reply, make
from tests.simulators.telegram import TelegramSimulator, telegram_simulator
from tests.simulators.telegram.world import Chat
from tests.whole.pulsed import gaps
from tests.whole.test_telegram import settings

MEGABYTE = 1024 * 1024
MEMORY = 300 * MEGABYTE  # above idle
BLOCKED = 0.05  # seconds of the processor


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
async def pulse(tmp_path: Path) -> Path:
    return tmp_path / "pulse"


@pytest.fixture
async def running(
    tmp_path: Path, pulse: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
) -> AsyncIterator[Bot]:
    endpoint.made = make("what time is it")
    chosen = settings(
        endpoint,
        telegram,
        TRANSCRIPTION_MODEL="listener",
        IMAGE_MODEL="easel",
        BURST="0s",
        VOICE="text",
        RATE_LIMIT="off",
    )
    made = Bot(tmp_path, chosen, str(pulse), (sys.executable, "-m", "tests.whole.pulsed"))
    try:
        await made.start()
        yield made
    finally:
        await made.remove()


class Watch:
    """The peak of what the bot and its processes hold above idle, while it is entered."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.peak = 0

    async def __aenter__(self) -> Watch:
        self._idle = memory(self._pid)
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, memory(self._pid) - self._idle)
            await asyncio.sleep(0.05)


def memory(pid: int) -> int:
    """Bytes that the bot and its helpers hold, what they share counted once; its own Valkey is left out."""
    found = 0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            found += process.memory_full_info().pss if "valkey" not in process.name() else 0
    return found


async def warm(chat: Chat, telegram: TelegramSimulator) -> None:
    """What is loaded once is loaded."""
    person = telegram.person(1, "Ann")
    await person.sends_photo(chat, photograph(0), "warm up")
    await chat.shows(lambda message: "warm up" in message.text and message.buttons, 60)
    await person.sends_voice(chat, recorded(tone(1), "opus"))
    await chat.shows(lambda message: "what time is it" in message.text and message.buttons, 60)


def photograph(number: int) -> bytes:
    """Twelve million pixels that do not pack well."""
    out = BytesIO()
    coarse = Image.effect_noise((400, 300), 60).convert("RGB")
    coarse.resize((4000, 3000), Image.Resampling.BILINEAR).save(out, "JPEG", quality=90)
    return out.getvalue() + bytes([number])


def heic_bomb() -> bytes:
    out = BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64))).save(out)
    data = out.getvalue()
    at = data.index(b"ispe") + 8
    return data[:at] + (50_000).to_bytes(4, "big") * 2 + data[at + 8 :]


async def test_each_bad_input_gets_a_clear_answer_and_holds_up_nothing(
    running: Bot, pulse: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
) -> None:
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    await warm(chat, telegram)
    noise = random.Random(1).randbytes(19 * MEGABYTE)  # noqa: S311
    bad: list[tuple[bytes, str, str, str]] = [
        (header_only(100_000, 100_000), "bomb.png", "image/png", "million pixels"),
        (heic_bomb(), "bomb.heic", "image/heic", "million pixels"),
        (b"<!doctype html><html><body></body></html>", "cat.png", "image/png", "no text in this file"),
        (pdf("x", password="secret"), "a.pdf", "application/pdf", "password protects"),
        (recorded(tone(30), "mp3")[:100], "cut.mp3", "audio/mpeg", "cannot read this file (MP3)"),
        (wave(silence(60)), "silence.wav", "audio/wav", "I hear nothing"),
        (noise, "noise.mp3", "audio/mpeg", "files of this kind (MP3)"),
        (b"ID3\x04" + noise, "song.mp3", "audio/mpeg", "cannot read this file (MP3)"),
        (b"PK\x03\x04" + noise, "book.docx", "application/zip", "files of this kind (DOCX)"),
        (film()[:200], "clip.mp4", "video/mp4", "cannot read this file (MP4)"),
    ]
    unclear: dict[str, str] = {}
    before, since = len(endpoint.requests), time.monotonic()
    async with Watch(running.pid) as watch:
        await person.sends_voice(chat, b"", size=31_000_000)
        await chat.shows("at most 20 MB", 60)
        for content, name, mime, answer in bad:
            said = len(chat.said)
            await person.sends_document(chat, content, name, mime)
            await chat.until(lambda said=said: len(chat.said) > said, 60)
            unclear |= {} if answer in chat.said[-1] else {name: chat.said[-1]}
    assert unclear == {}
    assert len(endpoint.requests) == before
    assert watch.peak < MEMORY
    assert max(gaps(pulse, since), default=0) < BLOCKED
    await person.says(chat, "Still there?")
    await chat.shows(lambda message: "Still there?" in message.text and message.buttons, 60)


async def test_fifty_large_pictures_at_once_take_little_memory_and_hold_up_nothing(
    running: Bot, pulse: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
) -> None:
    people = [telegram.person(number, f"P{number}") for number in range(1, 6)]
    chats = [telegram.private(person) for person in people]
    await warm(chats[0], telegram)
    picture = photograph(0)
    since = time.monotonic()
    async with Watch(running.pid) as watch:
        for number, (person, chat) in enumerate(zip(people, chats, strict=True)):
            album = [picture + bytes([number, n]) for n in range(10)]
            await person.sends_album(chat, album, "Compare them")
        for chat in chats:
            await chat.shows("I took the first 8", 100)
            await chat.shows(lambda message: "Compare them" in message.text and message.buttons, 100)
    assert watch.peak < MEMORY
    assert max(gaps(pulse, since), default=0) < BLOCKED


async def test_a_picture_whose_address_leads_into_the_private_network_is_not_fetched(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
) -> None:
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    for number, url in enumerate(("http://169.254.169.254/latest/meta-data", "http://localhost:1/"), 1):
        endpoint.made = addressed(url)
        await person.says(chat, "/image a fox")
        await chat.until(
            lambda number=number: (
                sum("I fetch nothing from this address" in told for told in chat.said) == number
            ),
            60,
        )


def addressed(url: str) -> Reply:
    """An answer with a picture by its address."""
    body = json.dumps({"created": 1, "data": [{"url": url}]}).encode()
    return lambda call: Answer((body,), media_type="application/json")
