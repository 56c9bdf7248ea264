"""What people send besides text, the whole way: a platform's wire, the bot in a process of its own, the endpoints."""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.bot.media.papers import pdf
from tests.bot.media.recordings import recorded, silence, tone, wave
from tests.bot.media.test_films import film
from tests.bot.media.test_pictures import header_only, saved
from tests.process import Bot, bot
from tests.simulators.endpoint import Call, EndpointSimulator, echo, hang, make
from tests.simulators.slack import SlackSimulator, slack_simulator
from tests.simulators.slack.files import File
from tests.simulators.telegram import TelegramSimulator, telegram_simulator
from tests.simulators.telegram.world import Chat
from tests.whole import test_slack, test_telegram


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator() as simulator:
        simulator.ack_seconds = 10  # the machine may be busy
        yield simulator


def settings(endpoint: EndpointSimulator, telegram: TelegramSimulator, **more: str) -> dict[str, str]:
    ears = {"TRANSCRIPTION_MODEL": "listener", "BURST": "0s", "VOICE": "text"}
    return test_telegram.settings(endpoint, telegram, **{**ears, **more})


@pytest.fixture
async def running(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
) -> AsyncIterator[Bot]:
    endpoint.made = make("what time is it")
    async with bot(tmp_path, **settings(endpoint, telegram)) as made:
        yield made


def photo(colour: str = "red", size: tuple[int, int] = (2400, 1800)) -> bytes:
    """A photograph that says where it was taken."""
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG", exif=exif)
    return out.getvalue()


def chats(endpoint: EndpointSimulator) -> list[Call]:
    return [call for call in endpoint.requests if call.path == "chat/completions"]


def listened(endpoint: EndpointSimulator) -> list[Call]:
    return [call for call in endpoint.requests if call.path == "audio/transcriptions"]


def asked(call: Call) -> str:
    """The words of the last question."""
    return call.text


def seen(call: Call) -> list[Image.Image]:
    """Every picture in a request, which must be there in full."""
    found = []
    for message in call.body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url":
                head, _, data = part["image_url"]["url"].partition(",")
                assert head.startswith("data:image/")
                assert b"SecretCamera" not in b64decode(data)
                found.append(Image.open(BytesIO(b64decode(data))))
    return found


async def answered(chat: Chat, words: str) -> None:
    """Until an answer stands complete, with its buttons."""
    await chat.shows(lambda message: words in message.text and message.buttons, 40)


# --- Telegram ------------------------------------------------------------------------------------------------


async def test_a_photo_with_a_caption_is_looked_at_and_a_follow_up_sees_it_still(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    await person.sends_photo(chat, photo("red"), "Which colour?", width=2400, height=1800)
    await answered(chat, "Which colour?")
    (shown,) = seen(chats(endpoint)[-1])
    assert shown.width < 2400
    assert shown.getpixel((9, 9))[0] > 200  # type: ignore[index]
    await person.says(chat, "Are you sure?")
    await answered(chat, "Are you sure?")
    assert len(seen(chats(endpoint)[-1])) == 1
    await person.says(chat, "/new")
    await chat.shows("fresh start")
    await person.says(chat, "And now?")
    await answered(chat, "And now?")
    assert seen(chats(endpoint)[-1]) == []


async def test_a_voice_message_is_only_written_down_where_the_operator_says_so(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    endpoint.made = make("what time is it")
    async with bot(tmp_path, **settings(endpoint, telegram, VOICE="transcript")):
        ann = telegram.person(1, "Ann")
        chat = telegram.private(ann)
        await ann.sends_voice(chat, recorded(tone(2), "opus"))
        await chat.shows(lambda message: message.text == "what time is it", 20)
        assert chats(endpoint) == []
        await ann.says(chat, "Hello?")
        await answered(chat, "Hello?")
        assert not any("what time is it" in str(call.body["messages"]) for call in chats(endpoint))


async def test_an_album_is_one_question(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    await person.sends_album(chat, [photo("red"), photo("green"), photo("blue")], "Compare them")
    await answered(chat, "Compare them")
    assert len(seen(chats(endpoint)[-1])) == 3
    assert len(chats(endpoint)) == 1


async def test_a_photo_without_words_and_one_that_is_replied_to_are_asked_about(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    person = telegram.person(1, "Ann", language_code="zh-hans")
    chat = telegram.private(person)
    sent = await person.sends_photo(chat, photo())
    await answered(chat, "这张图片里有什么？")
    await person.says(chat, "/new")
    await chat.shows("不会再发给模型")
    await person.says(chat, "再看一次", reply_to=sent)
    await answered(chat, "再看一次")
    assert len(seen(chats(endpoint)[-1])) == 1


async def test_a_voice_message_is_shown_as_heard_and_answered(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    await person.sends_voice(chat, recorded(tone(2), "opus"), duration=2)
    await answered(chat, "what time is it")
    (call,) = listened(endpoint)
    (sent,) = call.files["file"]
    assert (sent.data[:4], call.body["model"]) == (b"OggS", "listener")
    assert asked(chats(endpoint)[-1]) == "what time is it"
    assert chat.said == ["🎙 I heard: “what time is it”", "what time is it"]


async def test_a_video_note_is_listened_to_and_looked_at(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    await person.sends_video_note(chat, recorded(tone(1), "mp4"))
    await answered(chat, "what time is it")
    assert listened(endpoint)[0].files["file"][0].data[:4] == b"OggS"
    assert asked(chats(endpoint)[-1]).startswith("what time is it\n\n[Picture 1 is a frame of the film")
    assert len(seen(chats(endpoint)[-1])) == 1


async def test_a_photograph_of_an_iphone_and_a_film_without_sound_are_looked_at(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    await person.sends_document(
        chat, saved(Image.new("RGB", (1200, 900), "red"), "HEIF"), "IMG_1.HEIC", "image/heic"
    )
    await answered(chat, "What is in this picture?")
    (shown,) = seen(chats(endpoint)[-1])
    assert (shown.format, shown.size) == ("JPEG", (1200, 900))
    await person.says(chat, "/new")
    await chat.shows("fresh start")
    await person.sends_video(chat, film())
    await answered(chat, "What happens in this film?")
    assert len(seen(chats(endpoint)[-1])) == 4
    assert listened(endpoint) == []


async def test_a_document_is_read(running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator):
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    await person.sends_document(
        chat, pdf("The leek is green."), "leeks.pdf", "application/pdf", caption="Which colour?"
    )
    await answered(chat, "Which colour?")
    assert "The leek is green." in asked(chats(endpoint)[-1])
    assert "[A file: leeks.pdf #" in asked(chats(endpoint)[-1])


async def test_what_cannot_be_used_is_answered_in_plain_words_and_the_model_is_not_asked(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    await person.sends_voice(chat, b"", size=31_000_000)
    await chat.shows("at most 20 MB")
    await person.sends_document(chat, header_only(100_000, 100_000), "bomb.png", "image/png")
    await chat.shows("million pixels")
    await person.sends_document(chat, pdf("x", password="secret"), "a.pdf", "application/pdf")
    await chat.shows("password protects")
    await person.sends_voice(chat, wave(silence(1)))
    await chat.shows("I hear nothing")
    await person.sends_document(chat, b"\x00\x01\x02" * 99, "game.exe", "application/octet-stream")
    await chat.shows("files of this kind (EXE)")
    await person.sends_audio(chat, recorded(tone(1), "mp3")[:100], "cut.mp3")
    await chat.until(lambda: len(chat.said) == 6, 40)
    assert endpoint.requests == []
    await person.says(chat, "Still there?")
    await answered(chat, "Still there?")


async def test_a_worker_that_dies_after_the_transcript_does_not_listen_or_show_it_again(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    endpoint.made = make("what time is it")
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    endpoint.script(endpoint.made, hang(asyncio.Event(), echo))
    async with bot(tmp_path, **settings(endpoint, telegram)) as running:
        await person.sends_voice(chat, recorded(tone(1), "opus"))
        await chat.shows("🎙")
        await endpoint.arrived(2)
        await running.kill()
        await running.start()
        await chat.shows(lambda message: message.text == "what time is it" and message.buttons, 40)
    assert len(listened(endpoint)) == 1
    assert chat.said == ["🎙 I heard: “what time is it”", "what time is it"]


async def test_without_ears_and_eyes_it_says_so(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    endpoint.lacks = {"audio/transcriptions"}
    async with bot(tmp_path, **settings(endpoint, telegram)):
        await person.sends_voice(chat, recorded(tone(1), "opus"))
        await chat.shows("no model that listens")
    assert chats(endpoint) == []


async def test_pictures_go_to_the_model_that_sees(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    person = telegram.person(1, "Ann")
    chat = telegram.private(person)
    async with bot(tmp_path, **settings(endpoint, telegram, VISION_MODEL="large")):
        await person.says(chat, "Hello")
        await answered(chat, "Hello")
        await person.sends_photo(chat, photo(), "Look")
        await answered(chat, "Look")
    assert [call.body["model"] for call in chats(endpoint)] == ["small", "large"]


async def test_eight_large_photographs_and_bombs_at_once_take_little_memory_and_hold_nobody_up(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann, bob = telegram.person(1, "Ann"), telegram.person(2, "Bob")
    chat, other = telegram.private(ann), telegram.private(bob)
    await bob.says(other, "warm up")
    await answered(other, "warm up")
    before, peak = memory(running.pid), 0
    noise = Image.effect_noise((4000, 3000), 60).convert("RGB")
    out = BytesIO()
    noise.save(out, "JPEG", quality=90)
    await ann.sends_album(chat, [out.getvalue() + bytes([n]) for n in range(8)], "Compare them")
    bomb = header_only(100_000, 100_000)
    await bob.sends_document(other, bomb, "bomb.png", "image/png")
    async with asyncio.timeout(60):
        while not any("Compare them" in text for text in chat.said):
            peak = max(peak, memory(running.pid))
            await asyncio.sleep(0.02)
    await other.shows("million pixels")
    assert len(seen(chats(endpoint)[-1])) == 8
    assert peak - before < 300 * 1024 * 1024


def memory(pid: int) -> int:
    """Bytes that the bot and its helpers hold, what they share counted once; its own Valkey is left out."""
    found = 0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            found += process.memory_full_info().pss if "valkey" not in process.name() else 0
    return found


# --- Slack ---------------------------------------------------------------------------------------------------


async def test_on_slack_an_image_a_clip_and_a_file_are_taken_in(
    tmp_path: Path, endpoint: EndpointSimulator, slack: SlackSimulator
):
    endpoint.made = make("what time is it")
    person = slack.person("Ann")
    dm = slack.dm(person)
    more = {"TRANSCRIPTION_MODEL": "listener", "VOICE": "text"}
    async with bot(tmp_path, **test_slack.by_socket(endpoint, slack, **more)):
        await slack.connected()
        image = await person.uploads(dm, File(photo(), "red.jpg"), text="Which colour?")
        await test_slack.answered(image.thread, "Which colour?", 40)
        assert len(seen(chats(endpoint)[-1])) == 1
        clip = await person.speaks(dm, recorded(tone(1), "webm"))
        await test_slack.answered(clip.thread, "what time is it", 40)
        assert len(listened(endpoint)) == 1
        await clip.thread.shows("🎙 I heard: “what time is it”")
        table = await person.uploads(dm, File(b"leeks,7\nonions,9\n", "stock.csv"), text="How many leeks?")
        await test_slack.answered(table.thread, "How many leeks?", 40)
        assert "leeks,7" in asked(chats(endpoint)[-1]) or "| leeks | 7 |" in asked(chats(endpoint)[-1])
