"""What the bot makes besides text, the whole way: pictures drawn and changed, answers spoken, texts read aloud."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest

from tests.bot.media.recordings import heard, recorded, spoken
from tests.process import Bot, bot
from tests.simulators.endpoint import Answer, Call, EndpointSimulator, Reply, event, fail, hang, make, raw
from tests.simulators.endpoint_media import ROUGH, painting, png
from tests.simulators.slack import SlackSimulator, slack_simulator
from tests.simulators.telegram import Shown, TelegramSimulator, telegram_simulator
from tests.whole import test_slack, test_telegram

SAID = "blue dog three south"
ENDPOINTS = {
    "IMAGE_MODEL": "painter",
    "TRANSCRIPTION_MODEL": "listener",
    "SPEECH_MODEL": "speaker",
    "BURST": "0s",
}


def maker() -> Reply:
    """A server that draws, hears and really speaks."""
    speech, usual = recorded(spoken(SAID), "wav"), make("what is the colour of the dog")

    def reply(call: Call) -> Answer:
        return Answer([speech], media_type="audio/wav") if call.path == "audio/speech" else usual(call)

    return reply


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator() as simulator:
        simulator.ack_seconds = 10  # the machine may be busy
        yield simulator


@pytest.fixture
async def running(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
) -> AsyncIterator[Bot]:
    endpoint.made = maker()
    async with bot(tmp_path, **test_telegram.settings(endpoint, telegram, **ENDPOINTS)) as made:
        yield made


def picture(message: Shown) -> bool:
    return message.media is not None and message.media.kind == "photo"


def paths(endpoint: EndpointSimulator) -> list[str]:
    return [call.path for call in endpoint.requests]


def form(data: bytes) -> tuple[str, str]:
    """Container and codec of a recording."""
    with av.open(io.BytesIO(data)) as container:
        return container.format.name, container.streams.audio[0].codec_context.name


async def test_a_picture_is_drawn_then_changed_by_a_reply_and_then_varied(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    await ann.says(chat, "/image a red fox --size 1024x1536")
    drawn = await chat.shows(picture)
    assert drawn.text == "a red fox"
    assert drawn.media is not None
    assert drawn.media.content == png()
    assert any(action.name == "upload_photo" for action in chat.actions)

    await chat.until(lambda: chat.last.buttons == ["Another one like it"])
    await ann.says(chat, "make it brighter", reply_to=drawn)
    changed = await chat.shows(lambda m: picture(m) and m.text == "make it brighter")
    await ann.says(chat, "What is in it?", reply_to=changed)
    await chat.until(lambda: paths(endpoint)[-1] == "chat/completions")

    await chat.until(lambda: "Retry" in chat.last.buttons)
    await ann.says(chat, "/variation")
    await chat.until(lambda: sum(picture(m) for m in chat.from_bot) == 3)
    assert paths(endpoint) == ["images/generations", "images/edits", "chat/completions", "images/edits"]
    assert endpoint.requests[0].body["size"] == "1024x1536"
    assert endpoint.requests[1].body["prompt"] == "make it brighter"
    assert telegram.refused() == []


async def test_a_picture_is_seen_as_it_is_drawn_and_the_finished_one_takes_its_place(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    events = painting("images/generations", {"partial_images": 1})
    finishing = asyncio.Event()
    endpoint.script(raw(event(events[0]), finishing, event(events[1])))
    environment = test_telegram.settings(endpoint, telegram, **ENDPOINTS, IMAGE_PREVIEWS="1")
    async with bot(tmp_path, **environment):
        ann = telegram.person(1, "Ann")
        chat = telegram.private(ann)
        await ann.says(chat, "/image a red fox")
        rough = await chat.shows(picture)
        assert rough.media is not None
        assert rough.media.content == png(colour=ROUGH[0])
        assert rough.buttons == ["Stop"]
        finishing.set()
        await chat.until(lambda: rough.buttons == ["Another one like it"])
    assert chat.from_bot == [rough]
    assert (rough.text, rough.media.content) == ("a red fox", png())
    assert telegram.refused() == []


async def test_four_pictures_come_as_an_album(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    await ann.says(chat, "/image four foxes --n 4")
    await chat.until(lambda: sum(picture(m) for m in chat.from_bot) == 4)
    assert [m.text for m in chat.from_bot if picture(m)] == ["four foxes", "", "", ""]
    assert len({m.album for m in chat.from_bot if picture(m)}) == 1


async def test_a_voice_question_is_answered_in_text_and_by_voice(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    await ann.sends_voice(chat, recorded(spoken("what is the colour of the dog"), "opus"))
    answer = await chat.shows(lambda m: m.media is not None and m.media.kind == "voice", timeout=30)
    assert answer.media is not None
    assert form(answer.media.content) == ("ogg", "opus")
    assert heard(answer.media.content) == SAID
    assert paths(endpoint) == ["audio/transcriptions", "chat/completions", "audio/speech"]
    text = [m.text for m in chat.from_bot if "what is the colour of the dog" in m.text]
    assert text, "the answer stands in writing, too"

    await ann.says(chat, "and in writing?")
    await chat.shows("and in writing?")
    await chat.until(lambda: "Retry" in chat.last.buttons)
    assert paths(endpoint).count("audio/speech") == 1


async def test_a_text_is_read_aloud_and_a_recording_written_down(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann = telegram.person(1, "Ann", language_code="zh-hans")
    chat = telegram.private(ann)
    await ann.says(chat, f"/say {SAID}")
    said = await chat.shows(lambda m: m.media is not None and m.media.kind == "voice")
    assert said.media is not None
    assert heard(said.media.content) == SAID
    await ann.says(chat, "/transcribe", reply_to=said)
    await chat.shows("what is the colour of the dog")
    sent = endpoint.requests[-1].files["file"][0]
    assert heard(sent.data) == SAID
    await ann.says(chat, "/voice")
    await ann.presses(await chat.shows(lambda m: "文字和语音" in m.buttons), "文字和语音")
    await chat.shows("所有问题都用文字和语音回答")


async def test_refusals_are_said_in_plain_words_and_the_answer_is_never_lost_with_its_voice(
    running: Bot, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    endpoint.script(fail(400, code="moderation_blocked", message="Rejected by the safety system."))
    await ann.says(chat, "/image something awful")
    await chat.shows("content rules")
    await ann.says(chat, "/image a fox --size huge")
    await chat.shows("“huge” does not work for --size")
    await ann.says(chat, "/edit brighter")
    await chat.shows("no picture here to change")
    await ann.says(chat, "/voice both")
    await chat.shows("answered with text and voice")
    endpoint.lacks.add("audio/speech")
    await ann.says(chat, "Say this")
    await chat.shows("Its text is complete")
    assert "Say this" in [m.text for m in chat.from_bot]
    await ann.says(chat, "/say that")
    await chat.shows("no model that speaks")


async def test_a_kill_while_a_picture_is_drawn_leaves_exactly_one_picture(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann = telegram.person(1, "Ann")
    chat = telegram.private(ann)
    endpoint.made = maker()
    endpoint.script(hang(asyncio.Event(), endpoint.made))
    made = Bot(tmp_path, test_telegram.settings(endpoint, telegram, **ENDPOINTS))
    try:
        await made.start()
        await ann.says(chat, "/image a red fox")
        await endpoint.arrived()
        await made.kill()
        await made.start(ready=False)
        await chat.shows(picture, timeout=40)
        await chat.until(lambda: chat.last.buttons == ["Another one like it"])
        await ann.says(chat, "still there?")
        await chat.shows("still there?", timeout=40)
        assert sum(picture(m) for m in chat.from_bot) == 1
    finally:
        await made.remove()


async def test_on_slack_a_voice_question_is_answered_in_text_and_by_a_recording(
    tmp_path: Path, endpoint: EndpointSimulator, slack: SlackSimulator
):
    endpoint.made = maker()
    ann = slack.person("Ann")
    async with bot(tmp_path, **test_slack.by_socket(endpoint, slack, **ENDPOINTS)):
        await slack.connected()
        clip = await ann.speaks(slack.dm(ann), recorded(spoken("what is the colour of the dog"), "webm"))
        thread = clip.thread
        await thread.until(lambda: len(thread.files) == 1, 30)
        assert form(thread.files[0])[0] == "mp3"
        assert heard(thread.files[0]) == SAID
        await thread.shows("what is the colour of the dog")
        assert paths(endpoint) == ["audio/transcriptions", "chat/completions", "audio/speech"]


async def test_on_slack_a_picture_is_drawn_and_changed_in_its_thread_and_a_text_read_aloud(
    tmp_path: Path, endpoint: EndpointSimulator, slack: SlackSimulator
):
    endpoint.made = maker()
    ann = slack.person("Ann")
    team = slack.channel("team", [ann])
    settings = test_slack.by_socket(endpoint, slack, **ENDPOINTS)
    async with bot(tmp_path, **settings):
        await slack.connected()
        question = await ann.says(team, f"{slack.mention} /image a red fox")
        thread = question.thread
        await thread.until(lambda: len(thread.files) == 1, 40)
        assert thread.files == [png()]
        await ann.says(team, f"{slack.mention} /edit make it brighter", thread=question)
        await thread.until(lambda: len(thread.files) == 2, 40)
        await ann.says(team, f"{slack.mention} /say {SAID}", thread=question)
        await thread.until(lambda: len(thread.files) == 3, 40)
        assert form(thread.files[2])[0] == "mp3"
        assert heard(thread.files[2]) == SAID
        assert paths(endpoint) == ["images/generations", "images/edits", "audio/speech"]
