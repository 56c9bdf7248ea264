"""The simulated endpoint draws, hears and speaks as OpenAI's own client expects, and refuses what OpenAI refuses."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from PIL import Image

from tests.simulators.endpoint import KEY, EndpointSimulator, endpoint_simulator
from tests.simulators.endpoint_media import LARGEST_SOUND, png, wav


@pytest.fixture
async def endpoint() -> AsyncIterator[EndpointSimulator]:
    async with endpoint_simulator() as simulator:
        yield simulator


@pytest.fixture
async def sdk(endpoint: EndpointSimulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=endpoint.base_url, max_retries=0) as client:
        yield client


async def test_the_sdk_gets_pictures(sdk: openai.AsyncOpenAI) -> None:
    reply = await sdk.images.generate(model="painter", prompt="a cat", n=2, size="1024x1536", quality="low")

    assert reply.data is not None
    assert len(reply.data) == 2
    with Image.open(io.BytesIO(base64.b64decode(reply.data[0].b64_json or ""))) as picture:
        assert picture.format == "PNG"
    assert reply.usage is not None
    assert reply.usage.total_tokens == 284


async def test_the_sdk_gets_a_picture_as_it_is_drawn(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.images.generate(model="painter", prompt="a cat", stream=True, partial_images=2)
    kinds = [event.type async for event in stream]

    assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


async def test_the_sdk_changes_pictures_with_a_mask(
    sdk: openai.AsyncOpenAI, endpoint: EndpointSimulator
) -> None:
    files = [("one.png", png(), "image/png"), ("two.png", png((8, 8)), "image/png")]
    reply = await sdk.images.edit(
        model="painter", image=files, mask=("m.png", png(), "image/png"), prompt="x"
    )

    assert reply.data
    [call] = endpoint.requests
    assert [file.data for file in call.files["image"]] == [png(), png((8, 8))]
    assert call.files["mask"][0].data == png()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("json", "hello there"),
        ("verbose_json", "hello there"),
        ("text", "hello there"),
        ("srt", "-->"),
        ("vtt", "WEBVTT"),
    ],
)
async def test_the_sdk_is_told_what_was_said(sdk: openai.AsyncOpenAI, form: Any, said: str) -> None:
    file = ("voice.wav", wav(), "audio/wav")
    reply = await sdk.audio.transcriptions.create(model="whisperer", file=file, response_format=form)

    assert said in (reply if isinstance(reply, str) else reply.text)


async def test_the_sdk_gets_a_translation_and_speech(sdk: openai.AsyncOpenAI) -> None:
    with pytest.deprecated_call():  # the endpoint ends in February 2027
        reply = await sdk.audio.translations.create(model="whisperer", file=("a.ogg", wav(), "audio/ogg"))
    speech = await sdk.audio.speech.create(model="speaker", input="hello", voice="alloy", speed=1.5)

    assert reply.text == "hello there"
    assert speech.content == wav()


async def test_the_sdk_hears_a_chat_model_speak(sdk: openai.AsyncOpenAI) -> None:
    reply = await sdk.chat.completions.create(
        model="crier",
        messages=[{"role": "user", "content": "hello"}],
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "mp3"},
    )

    assert reply.choices[0].message.audio is not None
    assert base64.b64decode(reply.choices[0].message.audio.data) == wav()


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "small"}, 404, "model"),
        ({"size": "1000x1000"}, 400, "size"),
        ({"size": "4096x1024"}, 400, "size"),
        ({"quality": "superb"}, 400, "quality"),
        ({"n": 11}, 400, "n"),
        ({"partial_images": 2}, 400, "partial_images"),
        ({"response_format": "b64_json"}, 400, "response_format"),
        ({"extra_body": {"colour": "red"}}, 400, "colour"),
        ({"prompt": ""}, 400, "prompt"),
    ],
)
async def test_a_faulty_wish_is_refused(
    sdk: openai.AsyncOpenAI, endpoint: EndpointSimulator, fields: dict[str, Any], status: int, param: str
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await sdk.images.generate(**({"model": "painter", "prompt": "a cat"} | fields))

    assert (caught.value.status_code, caught.value.param) == (status, param)
    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("image", "more", "param"),
    [
        (("x.png", b"<html>", "image/png"), {}, "image"),
        (("x.png", png(), "image/jpeg"), {}, "image"),
        (("x.png", png(), "image/png"), {"mask": ("m.png", png((9, 9)), "image/png")}, "mask"),
        (("x.png", png(), "image/png"), {"extra_body": {"picture": "y"}}, "picture"),
    ],
)
async def test_a_faulty_form_is_refused(
    sdk: openai.AsyncOpenAI, image: Any, more: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.images.edit(model="painter", prompt="x", image=image, **more)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"file": ("voice.amr", wav(), "audio/amr")}, 400),
        ({"file": ("voice", wav(), "audio/wav")}, 400),
        ({"file": ("voice.wav", bytes(LARGEST_SOUND + 1), "audio/wav")}, 413),
        ({"model": "listener", "response_format": "srt"}, 400),
        ({"language": "English"}, 400),
    ],
)
async def test_a_faulty_recording_is_refused(
    sdk: openai.AsyncOpenAI, fields: dict[str, Any], status: int
) -> None:
    usual = {"model": "whisperer", "file": ("voice.wav", wav(), "audio/wav")}
    with pytest.raises(openai.APIStatusError) as caught:
        await sdk.audio.transcriptions.create(**(usual | fields))
    assert caught.value.status_code == status


@pytest.mark.parametrize(
    "fields", [{"input": "a" * 4097}, {"voice": "af_sky"}, {"speed": 9.0}, {"response_format": "midi"}]
)
async def test_faulty_speech_is_refused(sdk: openai.AsyncOpenAI, fields: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"model": "speaker", "input": "hello", "voice": "alloy"}
    with pytest.raises(openai.BadRequestError):
        await sdk.audio.speech.create(**(usual | fields))


async def test_an_endpoint_that_it_lacks_is_not_found(
    sdk: openai.AsyncOpenAI, endpoint: EndpointSimulator
) -> None:
    endpoint.lacks.add("images/generations")
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        await sdk.images.generate(model="painter", prompt="a cat")
