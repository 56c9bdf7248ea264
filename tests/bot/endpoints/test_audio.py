"""Recordings become text and text becomes speech, at servers that agree on little more than the paths."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.api import Usage
from bot.endpoints.audio import LONGEST, AudioEndpoint, Transcript, sentences, translated
from bot.endpoints.client import Client
from bot.endpoints.failures import EndpointMissing, ParameterRefused
from bot.endpoints.settings import Server
from bot.errors import (
    ContextTooLong,
    EmptyAnswer,
    Filtered,
    Interrupted,
    KeyRejected,
    MessageTooLong,
    NoSubtitles,
    ParleyError,
    ServerFailed,
    WrongAddress,
)
from tests.simulators.endpoint import CUT, EndpointSimulator, fail, make, page, raw
from tests.simulators.endpoint_media import LARGEST_SOUND, wav


@pytest.fixture
def audio(client: Client, server: Server) -> AudioEndpoint:
    return AudioEndpoint(client, server)


async def spoken(pieces: AsyncGenerator[bytes]) -> bytes:
    async with aclosing(pieces):
        return b"".join([piece async for piece in pieces])


# --- hearing


async def test_a_recording_is_heard(audio: AudioEndpoint, endpoint: EndpointSimulator) -> None:
    heard = await audio.transcribe(
        wav(), "audio/wav", "listener", name="voice of Ann.wav", language="en", prompt="Parley"
    )

    assert heard == Transcript("hello there", "en", 0.0, Usage(14, 3))
    [call] = endpoint.requests
    assert call.path == "audio/transcriptions"
    assert call.body == {
        "model": "listener",
        "response_format": "json",
        "language": "en",
        "prompt": "Parley",
    }
    assert call.files["file"][0].data == wav()
    assert call.files["file"][0].name == "recording.wav", "what a person calls a file stays here"


async def test_a_server_that_counts_seconds_tells_the_duration(audio: AudioEndpoint) -> None:
    assert await audio.transcribe(wav(), "audio/wav", "whisperer") == Transcript("hello there", "", 1.5)


@pytest.mark.parametrize(
    ("mime", "name", "ending"),
    [
        ("audio/ogg; codecs=opus", "", "ogg"),
        ("audio/mpeg", "x.bin", "mp3"),
        ("audio/mp4", "", "m4a"),
        ("video/webm", "", "webm"),
        ("application/octet-stream", "A.MP3", "mp3"),
        ("", "voice.oga", "ogg"),
    ],
)
async def test_the_name_has_the_ending_by_which_servers_tell_the_form(
    audio: AudioEndpoint, endpoint: EndpointSimulator, mime: str, name: str, ending: str
) -> None:
    await audio.transcribe(wav(), mime, "whisperer", name=name)
    assert endpoint.requests[0].files["file"][0].name == f"recording.{ending}"


@pytest.mark.parametrize(("form", "begins"), [("srt", "1\n00:00:00,000 -->"), ("vtt", "WEBVTT")])
async def test_subtitles_are_written_where_the_model_can(
    audio: AudioEndpoint, endpoint: EndpointSimulator, form: str, begins: str
) -> None:
    heard = await audio.transcribe(wav(), "audio/wav", "whisperer", form=form)  # type: ignore[arg-type]
    assert heard.text.startswith(begins)


async def test_a_model_without_times_is_asked_for_subtitles_once(
    audio: AudioEndpoint, endpoint: EndpointSimulator
) -> None:
    for _ in range(2):
        with pytest.raises(NoSubtitles):
            await audio.transcribe(wav(), "audio/wav", "listener", form="srt")

    assert len(endpoint.refused) == 1
    assert (await audio.transcribe(wav(), "audio/wav", "listener")).text == "hello there"
    assert endpoint.requests[0].body["response_format"] == "json", "plain text is still asked for as before"


async def test_json_instead_of_subtitles_is_no_subtitles(
    audio: AudioEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(raw(b'{"text": "hello"}', media_type="application/json"))
    with pytest.raises(NoSubtitles):
        await audio.transcribe(wav(), "audio/wav", "whisperer", form="vtt")


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"hello there\n", "text/plain", "hello there"),
        (b'{"text": " hello "}', "text/plain", "hello"),
        (b'"hello"', "application/json", "hello"),
        (b'{"text": ""}', "application/json", ""),
        ("你好".encode(), "text/plain; charset=iso-8859-1", "你好"),
    ],
)
async def test_a_transcript_is_read_however_it_is_wrapped(
    audio: AudioEndpoint, endpoint: EndpointSimulator, body: bytes, kind: str, text: str
) -> None:
    endpoint.script(raw(body, media_type=kind))
    assert (await audio.transcribe(wav(), "audio/wav", "whisperer")).text == text


async def test_a_parameter_that_is_refused_is_left_out_from_then_on(
    audio: AudioEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(fail(400, "Unknown parameter: 'prompt'.", param="prompt", code="unknown_parameter"))
    for _ in range(2):
        await audio.transcribe(wav(), "audio/wav", "listener", prompt="Parley")

    assert ["prompt" in call.body for call in endpoint.requests] == [True, False, False]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (fail(413, f"Maximum content size limit ({LARGEST_SOUND}) exceeded"), ContextTooLong),
        (fail(400, "Audio file might be corrupted or unsupported", param="file"), ParameterRefused),
        (fail(404, "Invalid URL (POST /v1/audio/transcriptions)"), EndpointMissing),
        (fail(405, body=b"Method Not Allowed"), EndpointMissing),
        (fail(501, "Not implemented"), EndpointMissing),
        (fail(400, "Unknown url: /v1/audio/transcriptions", code="unknown_url"), EndpointMissing),
        (fail(403, "You are not allowed to use this endpoint"), EndpointMissing),
        (fail(403, "This API key has no right"), KeyRejected),
        (raw(b'{"error": "out of memory"}', media_type="application/json"), ServerFailed),
        (raw(b'{"words": []}', media_type="application/json"), ServerFailed),
        (page(), WrongAddress),
    ],
)
async def test_each_failure_is_the_error_that_helps(
    audio: AudioEndpoint, endpoint: EndpointSimulator, reply: object, error: type[ParleyError]
) -> None:
    endpoint.script(reply)  # type: ignore[arg-type]
    with pytest.raises(ParleyError) as caught:
        await audio.transcribe(wav(), "audio/wav", "whisperer")
    assert type(caught.value) is error


async def test_a_recording_is_put_into_english(audio: AudioEndpoint, endpoint: EndpointSimulator) -> None:
    heard = await audio.translate(wav(), "audio/wav", "whisperer", form="srt", prompt="names")

    assert "hello there" in heard.text
    assert endpoint.requests[0].path == "audio/translations"


async def test_a_transcript_is_put_into_english_by_chat_where_there_is_no_endpoint_for_it() -> None:
    asked: list[tuple[str, str]] = []

    async def chat(instruction: str, text: str) -> AsyncGenerator[str]:
        asked.append((instruction, text))
        for piece in ("good ", "morning\n"):
            yield piece

    heard = await translated(Transcript("早上好", "zh", 2.0, Usage(1, 2)), chat)

    assert heard == Transcript("good morning", "zh", 2.0, Usage(1, 2))
    assert asked[0][1] == "早上好"
    assert "English" in asked[0][0]
    assert await translated(Transcript(" "), chat) == Transcript(" ")
    assert len(asked) == 1, "silence is not translated"


# --- speaking


async def test_a_text_is_spoken(audio: AudioEndpoint, endpoint: EndpointSimulator) -> None:
    sound = await spoken(
        audio.speak("hello", "speaker", voice="nova", form="mp3", speed=1.25, instructions="whisper")
    )

    assert sound == wav()
    assert endpoint.requests[0].body == {
        "model": "speaker",
        "input": "hello",
        "voice": "nova",
        "response_format": "mp3",
        "speed": 1.25,
        "instructions": "whisper",
    }


async def test_what_is_usual_is_not_sent(audio: AudioEndpoint, endpoint: EndpointSimulator) -> None:
    await spoken(audio.speak("hello", "speaker", voice="alloy"))
    assert sorted(endpoint.requests[0].body) == ["input", "model", "response_format", "voice"]


async def test_an_extravagant_speed_is_bounded(audio: AudioEndpoint, endpoint: EndpointSimulator) -> None:
    for speed in (0.01, 50):
        await spoken(audio.speak("hello", "speaker", voice="alloy", speed=speed))
    assert [call.body["speed"] for call in endpoint.requests] == [0.25, 4.0]


async def test_instructions_that_a_model_refuses_are_left_out(
    audio: AudioEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(
        fail(400, "Unknown parameter: 'instructions'.", param="instructions", code="unknown_parameter")
    )
    for _ in range(2):
        await spoken(audio.speak("hello", "speaker", voice="alloy", instructions="softly"))
    assert ["instructions" in call.body for call in endpoint.requests] == [True, False, False]


async def test_a_voice_that_is_not_there_is_a_refusal(audio: AudioEndpoint) -> None:
    with pytest.raises(ParameterRefused, match="voice"):
        await spoken(audio.speak("hello", "speaker", voice="af_sky"))


async def test_more_than_fits_is_not_sent(audio: AudioEndpoint, endpoint: EndpointSimulator) -> None:
    for pieces in (
        audio.speak("a" * (LONGEST + 1), "speaker", voice="alloy"),
        audio.speak_in_chat("a" * (LONGEST + 1), "crier", voice="alloy"),
    ):
        with pytest.raises(MessageTooLong):
            await spoken(pieces)
    assert endpoint.requests == []
    assert endpoint.refused == []


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (raw(media_type="audio/mpeg"), EmptyAnswer),
        (raw(b"ID3", CUT, media_type="audio/mpeg"), Interrupted),
        (raw(CUT, media_type="audio/mpeg"), ServerFailed),
        (raw(b'{"error": {"message": "busy", "code": 500}}', media_type="application/json"), ServerFailed),
        (raw(b'{"error": {"message": "no", "code": "content_filter"}}', media_type="audio/mpeg"), Filtered),
        (page(), WrongAddress),
        (fail(404, "Invalid URL (POST /v1/audio/speech)"), EndpointMissing),
    ],
)
async def test_what_is_no_speech_is_the_error_that_helps(
    audio: AudioEndpoint, endpoint: EndpointSimulator, reply: object, error: type[ParleyError]
) -> None:
    endpoint.script(reply)  # type: ignore[arg-type]
    with pytest.raises(ParleyError) as caught:
        await spoken(audio.speak("hello", "speaker", voice="alloy"))
    assert type(caught.value) is error


async def test_speech_without_end_is_not_listened_to_for_ever(
    audio: AudioEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(raw(*[bytes(1 << 20)] * 40, media_type="audio/wav"))
    with pytest.raises(Interrupted, match="more than"):
        await spoken(audio.speak("hello", "speaker", voice="alloy"))


async def test_a_listener_who_leaves_ends_the_speech(
    audio: AudioEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(raw(b"RIFF", asyncio.Event(), media_type="audio/wav"))
    pieces = audio.speak("hello", "speaker", voice="alloy")
    assert await anext(pieces) == b"RIFF"
    await pieces.aclose()
    async with asyncio.timeout(30):
        await endpoint.requests[0].closed.wait()
    assert endpoint.requests[0].left


async def test_a_chat_model_reads_aloud(audio: AudioEndpoint, endpoint: EndpointSimulator) -> None:
    assert await spoken(audio.speak_in_chat("hello", "crier", voice="alloy", instructions="softly")) == wav()

    [call] = endpoint.requests
    assert call.body["audio"] == {"voice": "alloy", "format": "mp3"}
    assert call.text == "hello"
    assert call.body["messages"][0]["content"].endswith("softly")
    assert not call.streamed


async def test_a_chat_model_that_only_writes_has_not_spoken(
    audio: AudioEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script("hello in letters")
    with pytest.raises(EmptyAnswer):
        await spoken(audio.speak_in_chat("hello", "crier", voice="alloy"))


async def test_words_come_from_the_script_of_the_simulator(
    audio: AudioEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.made = make("the quick brown fox")
    assert (await audio.transcribe(wav(), "audio/wav", "whisperer")).text == "the quick brown fox"


# --- cutting


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("", 10, []),
        ("  short  ", 10, ["short"]),
        ("One is here. Two is there.", 14, ["One is here.", "Two is there."]),
        ("A paragraph.\n\nAnother one. More.", 28, ["A paragraph.", "Another one. More."]),
        ("一二三四。五六七八。九", 6, ["一二三四。", "五六七八。九"]),
        ("one, two three", 6, ["one,", "two", "three"]),
        ("version 3.5 is out", 12, ["version 3.5", "is out"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
    ],
)
def test_a_long_text_is_cut_where_a_speaker_would_breathe(text: str, limit: int, pieces: list[str]) -> None:
    assert sentences(text, limit) == pieces


@given(st.text("ab。.,! \n中", max_size=200), st.integers(1, 40))
def test_nothing_is_lost_by_cutting(text: str, limit: int) -> None:
    pieces = sentences(text, limit)

    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(0 < len(piece) <= limit for piece in pieces)
