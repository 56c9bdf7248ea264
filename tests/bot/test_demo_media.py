"""The demo draws, changes, looks, speaks and hears: offline, with real files, and open about what it is."""

from __future__ import annotations

import base64
import importlib.util
import io
import math
import shutil
import wave
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, get_args

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import APIStatusError, AsyncOpenAI, BadRequestError
from PIL import Image

from bot.demo import MODEL, Demo
from bot.demo.forms import form
from bot.demo.media import EARS, PAINTER, VOICE
from bot.demo.pictures import Sight, draw, look
from bot.demo.sounds import Form, hear, melody, speak
from bot.demo.wire import ApiError
from bot.endpoints import client as endpoints
from bot.endpoints.images import Finished, Partial, Source
from bot.endpoints.settings import EndpointSettings
from bot.routing import Router

NO_SPHINX = importlib.util.find_spec("pocketsphinx") is None


@pytest.fixture
async def base_url() -> AsyncIterator[str]:
    demo = Demo(pace=0, clock=lambda: 1_700_000_000.5, synthesiser="", recogniser=False)
    yield await demo.start()
    await demo.stop()


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
async def router(base_url: str) -> AsyncIterator[Router]:
    made = Router(EndpointSettings.load({"CHAT_BASE_URL": base_url}), {})
    yield made
    await made.close()


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def plain(colour: str, size: tuple[int, int] = (60, 40), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, "PNG")
    return out.getvalue()


def url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


# --- pictures


async def test_an_independent_client_gets_real_pictures(client: AsyncOpenAI) -> None:
    reply = await client.images.generate(model=PAINTER, prompt="a lighthouse", size="512x256", n=2)

    type(reply).model_validate(reply.model_dump(), strict=True)
    pictures = [base64.b64decode(entry.b64_json or "") for entry in reply.data or ()]
    assert [opened(picture).size for picture in pictures] == [(512, 256)] * 2
    assert pictures[0] != pictures[1]
    assert reply.created == 1_700_000_000


async def test_the_prompt_is_written_on_the_picture() -> None:
    assert draw("a lighthouse", 400, 400) == draw("a lighthouse", 400, 400)
    words = opened(draw("a lighthouse at night " * 10, 400, 400)).convert("L")
    box = words.crop((40, 120, 360, 280))
    assert box.getextrema()[1] == 255, "white letters"
    assert box.getextrema()[0] == 0, "with a black edge"


@pytest.mark.parametrize("prompt", ["夜晚的灯塔" * 40, "x" * 400, "🙂", "\ud83d", "a\nb"])
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    assert opened(draw(prompt, 64, 300)).size == (64, 300)


async def test_a_picture_can_be_watched_as_it_comes(client: AsyncOpenAI) -> None:
    stream = await client.images.generate(model=PAINTER, prompt="a cat", stream=True, partial_images=2)
    events = [event async for event in stream]

    assert [event.type.rpartition(".")[2] for event in events] == ["partial_image"] * 2 + ["completed"]
    assert len({event.b64_json for event in events}) == 3


async def test_a_change_is_made_where_the_mask_lets_it(client: AsyncOpenAI) -> None:
    mask = Image.new("RGBA", (300, 300), "black")
    mask.paste((0, 0, 0, 0), (150, 0, 300, 300))
    out = io.BytesIO()
    mask.save(out, "PNG")
    reply = await client.images.edit(
        model=PAINTER,
        prompt="darker",
        image=[("a.png", plain("white", (300, 300)), "image/png")],
        mask=("mask.png", out.getvalue(), "image/png"),
    )

    picture = opened(base64.b64decode((reply.data or [])[0].b64_json or ""))
    assert picture.getpixel((10, 200)) == (255, 255, 255)
    assert picture.getpixel((290, 200)) == (127, 127, 127)


@pytest.mark.parametrize(
    ("prompt", "means"),
    [("make it brighter", 225), ("darker, please", 75), ("变亮", 225), ("something", 128)],
)
async def test_a_few_words_change_a_picture(client: AsyncOpenAI, prompt: str, means: int) -> None:
    source = ("a.png", plain("#969696", (300, 300)), "image/png")
    reply = await client.images.edit(model=PAINTER, prompt=prompt, image=source)
    assert opened(base64.b64decode((reply.data or [])[0].b64_json or "")).getpixel((10, 200)) == (means,) * 3


@pytest.mark.parametrize(
    "fields",
    [
        {"size": "5000x5000"},
        {"size": "huge"},
        {"n": 11},
        {"prompt": ""},
        {"model": "dall-e-3"},
        {"partial_images": 9},
    ],
)
async def test_a_wish_that_cannot_be_met_is_refused(client: AsyncOpenAI, fields: dict[str, Any]) -> None:
    with pytest.raises(APIStatusError) as refused:
        await client.images.generate(**({"model": PAINTER, "prompt": "a cat"} | fields))
    assert refused.value.status_code in (400, 404)


@pytest.mark.parametrize("data", [b"<html>", b"", plain("red")[:60]])
async def test_what_is_no_picture_is_not_changed(client: AsyncOpenAI, data: bytes) -> None:
    with pytest.raises(BadRequestError) as refused:
        await client.images.edit(model=PAINTER, prompt="x", image=("a.png", data, "image/png"))
    assert refused.value.param == "image"


# --- looking


async def test_it_tells_the_size_and_the_colours_of_a_picture_and_no_more(client: AsyncOpenAI) -> None:
    parts: Any = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": url(plain("red", (320, 200))), "detail": "low"}},
    ]
    done = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}])
    said = done.choices[0].message.content or ""

    assert "320 × 200" in said
    assert "red" in said
    assert "only the demo" in said


async def test_it_describes_a_picture_in_chinese_and_only_the_newest(client: AsyncOpenAI) -> None:
    def asked(colour: str) -> Any:
        shown = {"type": "image_url", "image_url": {"url": url(plain(colour))}}
        return {"role": "user", "content": [{"type": "text", "text": "这是什么？"}, shown]}

    messages = [asked("red"), {"role": "assistant", "content": "…"}, asked("blue")]
    done = await client.chat.completions.create(model=MODEL, messages=messages)
    said = done.choices[0].message.content or ""
    assert "蓝色" in said
    assert "红色" not in said


def test_colours_are_named_by_their_share() -> None:
    picture = Image.new("RGB", (100, 100), "white")
    picture.paste((30, 80, 220), (0, 0, 100, 30))
    out = io.BytesIO()
    picture.save(out, "PNG")
    assert look(url(out.getvalue())) == Sight(100, 100, ("white", "blue"))


@pytest.mark.parametrize(
    "address", ["data:image/png;base64,AAAA", "https://example.org/a.png", "", url(b"<svg>")]
)
def test_what_cannot_be_opened_is_not_seen(address: str) -> None:
    assert look(address) is None


# --- speaking


@pytest.mark.parametrize("kind", get_args(Form))
async def test_it_speaks_in_every_form(client: AsyncOpenAI, kind: Form) -> None:
    reply = await client.audio.speech.create(
        model=VOICE, input="hello there", voice="alloy", response_format=kind
    )
    sound = reply.content

    if kind == "pcm":
        assert len(sound) == len(melody("hello there"))
        return
    with av.open(io.BytesIO(sound)) as recording:
        assert recording.streams.audio[0].codec_context.name.startswith(
            {"mp3": "mp3", "wav": "pcm_s16"}.get(kind, kind)
        )
        seconds = sum(frame.samples / frame.sample_rate for frame in recording.decode(audio=0))
    assert seconds == pytest.approx(len(melody("hello there")) / 48_000, abs=0.15)


def test_a_melody_has_a_tone_for_each_syllable_and_is_never_long() -> None:
    one = len(melody("la"))
    assert len(melody("la la la")) == 3 * one
    assert len(melody("你好")) == 2 * one
    assert len(melody("la, la")) == 3 * one, "a stop is a rest"
    assert len(melody("la " * 1000)) == 60 * one
    assert len(melody("la", 2.0)) == pytest.approx(one / 2, abs=4)
    assert melody("") != b""
    assert melody("la") == melody("la") != melody("lo")


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no synthesiser is installed")
async def test_where_a_synthesiser_is_installed_it_speaks_and_says_that_it_is_a_demo() -> None:
    demo = Demo(pace=0)
    base_url = await demo.start()
    try:
        async with AsyncOpenAI(base_url=base_url, api_key="none") as client:
            short, long = [
                (
                    await client.audio.speech.create(
                        model=VOICE, input=text, voice="alloy", response_format="wav"
                    )
                ).content
                for text in ("one", "one two three four five six seven eight nine ten")
            ]
    finally:
        await demo.stop()
    with wave.open(io.BytesIO(short)) as file:
        assert file.getnframes() / file.getframerate() > 0.8, "it begins with what it is"
    assert len(long) > 2 * len(short)


@pytest.mark.parametrize("program", ["/nowhere/espeak-ng", "/bin/false", "/bin/echo"])
async def test_a_synthesiser_that_does_not_work_is_replaced_by_the_melody(program: str) -> None:
    demo = Demo(pace=0, synthesiser=program)
    base_url = await demo.start()
    try:
        async with AsyncOpenAI(base_url=base_url, api_key="none") as client:
            reply = await client.audio.speech.create(
                model=VOICE, input="la", voice="x", response_format="pcm"
            )
    finally:
        await demo.stop()
    assert reply.content == melody("la")


@pytest.mark.parametrize(
    "fields", [{"input": ""}, {"input": "a" * 4097}, {"speed": 9.0}, {"response_format": "midi"}]
)
async def test_what_cannot_be_spoken_is_refused(client: AsyncOpenAI, fields: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"model": VOICE, "input": "hello", "voice": "alloy"}
    with pytest.raises(BadRequestError):
        await client.audio.speech.create(**(usual | fields))


# --- hearing


def tones(seconds: float = 1.0, rate: int = 16_000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(
            b"".join(
                int(8000 * math.sin(n / 9)).to_bytes(2, "little", signed=True)
                for n in range(int(seconds * rate))
            )
        )
    return out.getvalue()


@pytest.mark.parametrize("kind", ["json", "text", "srt", "vtt", "verbose_json"])
async def test_a_transcript_comes_in_every_form(client: AsyncOpenAI, kind: Any) -> None:
    file = ("voice.wav", tones(), "audio/wav")
    reply = await client.audio.transcriptions.create(model=EARS, file=file, response_format=kind)

    text = reply if isinstance(reply, str) else reply.text
    if kind == "srt":
        assert text.startswith("1\n00:00:00,000 --> 00:00:01,000\n")
    if kind == "vtt":
        assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n")
    if kind == "verbose_json":
        assert reply.duration == 1.0


async def test_without_a_recogniser_it_says_that_it_hears_no_words(client: AsyncOpenAI) -> None:
    assert await hear(tones(), recogniser=False) == (None, 1.0)
    reply = await client.audio.transcriptions.create(model=EARS, file=("a.wav", tones(), "audio/wav"))
    assert reply.text == "(Parley's demo hears no words here. The recording lasts 1.0 seconds.)"


@pytest.mark.skipif(NO_SPHINX or not shutil.which("espeak-ng"), reason="neither speaks nor hears")
async def test_it_hears_what_was_said() -> None:
    said, seconds = await hear(await speak("what is the weather today", "wav", 1.0))
    assert seconds > 1
    assert said is not None
    assert len(set(said.split()) & {"what", "is", "the", "weather", "today"}) >= 2, (
        "a guess, but not a random one"
    )


@pytest.mark.parametrize("data", [b"<html>", tones()[:20]])
async def test_what_is_no_recording_is_refused(client: AsyncOpenAI, data: bytes) -> None:
    with pytest.raises(BadRequestError) as refused:
        await client.audio.transcriptions.create(model=EARS, file=("a.wav", data, "audio/wav"))
    assert refused.value.param == "file"


# --- forms


@given(
    st.dictionaries(st.text("abc_", min_size=1), st.text(), max_size=3),
    st.lists(st.binary(max_size=200), max_size=3),
)
def test_a_form_is_read_as_it_was_written(texts: dict[str, str], files: list[bytes]) -> None:
    made = endpoints.Form(
        tuple(texts.items()),
        tuple(endpoints.Upload("image[]", "a.png", "image/png", data) for data in files),
    )
    kind = "multipart/form-data; boundary=parley-0123456789"
    read, found = form(kind, made.encoded("parley-0123456789"))

    assert read == {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}
    assert [file.data for file in found.get("image", [])] == files


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--x--\r\n"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\ndata\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'),
        ("multipart/form-data; boundary=x", b"\r\n--x" * 100 + b"--"),
    ],
)
def test_what_is_no_form_is_refused(kind: str, raw: bytes) -> None:
    with pytest.raises(ApiError):
        form(kind, raw)


# --- with the bot's own client


async def test_the_bot_finds_all_of_it_without_a_setting(router: Router) -> None:
    drawn = [part async for part in router.image("a cat", partials=1)]
    assert [type(part) for part in drawn] == [Partial, Finished]
    assert isinstance(drawn[-1], Finished)
    async with aclosing(router.edit([Source(drawn[-1].images[0].data)], "brighter")) as parts:
        changed = [part async for part in parts]
    assert isinstance(changed[-1], Finished)
    assert opened(changed[-1].images[0].data).size == (1024, 1024)
    sound = b"".join([piece async for piece in router.speak("hello")])
    assert sound.startswith(b"OggS")
    assert (await router.transcribe(sound, "audio/ogg")).duration > 0.2
    assert await router.default_model() == MODEL
    assert [model.id for model in await router.models()] == [MODEL]
    assert all(router.can(what) for what in ("vision", "image", "edit", "transcribe", "translate", "speak"))
