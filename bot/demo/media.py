"""The demo's endpoints for pictures and sound, as OpenAI's API reference has them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.demo import pictures, sounds
from bot.demo.forms import File, form
from bot.demo.wire import ApiError, Strict, event, parse, read

PAINTER, EARS, VOICE = "parley-demo-image", "parley-demo-transcribe", "parley-demo-tts"
"""What the models for pictures, for hearing and for speaking are called."""

MODELS = (PAINTER, EARS, VOICE)

_USUAL = (1024, 1024)
_EDGES = (64, 2048)
_GLIMPSE = 0.4  # seconds between two unfinished pictures

Size = Annotated[str, StringConstraints(pattern=r"^(auto|\d{2,4}x\d{2,4})$")]


class _Wish(Strict):
    model: str
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=32_000)]
    n: Annotated[int, Field(ge=1, le=10)] = 1
    size: Size = "auto"
    quality: str = "auto"
    background: Literal["auto", "opaque", "transparent"] = "auto"
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png"] = "png"
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] = 0


class _Hearing(Strict):
    model: str
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    language: str = ""
    prompt: str = ""
    temperature: float = 0


class _Words(Strict):
    model: str
    input: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    voice: str
    response_format: sounds.Form = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    instructions: str = ""


class Media:
    """Draws, hears and speaks. `check` raises where a model is not there; `pace` 0 waits for nothing.

    `synthesiser` is the path of espeak-ng, empty to do without; `recogniser` whether to look for words. None: as it
    is installed.
    """

    def __init__(
        self,
        check: Callable[[str], None],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        *,
        pace: float,
        synthesiser: str | None = None,
        recogniser: bool | None = None,
    ) -> None:
        self._check, self._clock, self._sleep = check, clock, sleep
        self._pause = _GLIMPSE if pace else 0.0
        self._synthesiser, self._recogniser = synthesiser, recogniser

    def routes(self) -> list[Route]:
        """Where they are."""
        paths = {
            "images/generations": self.generate,
            "images/edits": self.edit,
            "audio/transcriptions": self.transcribe,
            "audio/speech": self.speak,
        }
        return [Route(f"/v1/{path}", handler, methods=["POST"]) for path, handler in paths.items()]

    async def generate(self, request: Request) -> Response:
        """Draw what the prompt says, in letters."""
        wish = parse(_Wish, await read(request))
        self._check(wish.model)
        width, height = _size(wish.size) or _USUAL
        made = [
            await asyncio.to_thread(pictures.draw, wish.prompt, width, height, version=n)
            for n in range(wish.n)
        ]
        return self._drawn("image_generation", wish, made)

    async def edit(self, request: Request) -> Response:
        """Change a picture as a few words can say."""
        texts, files = form(request.headers.get("content-type", ""), await read(request))
        wish = parse(_Wish, dict(texts))
        self._check(wish.model)
        source, mask = _one(files, "image"), files.get("mask", [None])[0]
        try:
            one = await asyncio.to_thread(
                pictures.change, source.data, wish.prompt, mask.data if mask else None
            )
        except pictures.NoPicture:
            raise ApiError(400, "Invalid image file.", param="image", code="invalid_image_file") from None
        return self._drawn("image_edit", wish, [one] * wish.n)

    def _drawn(self, verb: str, wish: _Wish, made: list[bytes]) -> Response:
        if wish.stream:
            return StreamingResponse(self._glimpses(verb, wish, made[0]), media_type="text/event-stream")
        data = [{"b64_json": _text(one), "revised_prompt": wish.prompt} for one in made]
        return JSONResponse({"created": int(self._clock()), "data": data, "usage": _usage(wish, len(made))})

    async def _glimpses(self, verb: str, wish: _Wish, made: bytes) -> AsyncIterator[str]:
        common: dict[str, Any] = {
            "created_at": int(self._clock()),
            "size": "auto",
            "quality": "auto",
            "background": "opaque",
            "output_format": "png",
        }
        for step in range(wish.partial_images):
            shown = await asyncio.to_thread(pictures.blurred, made, step)
            kind = f"{verb}.partial_image"
            yield event({"type": kind, "partial_image_index": step, "b64_json": _text(shown), **common}, kind)
            if self._pause:
                await self._sleep(self._pause)
        kind = f"{verb}.completed"
        yield event({"type": kind, "b64_json": _text(made), "usage": _usage(wish, 1), **common}, kind)

    async def transcribe(self, request: Request) -> Response:
        """What is said in a recording, in English words where a recogniser is installed."""
        texts, files = form(request.headers.get("content-type", ""), await read(request))
        wanted = parse(_Hearing, dict(texts))
        self._check(wanted.model)
        file = _one(files, "file")
        try:
            said, seconds = await sounds.hear(file.data, recogniser=self._recogniser)
        except sounds.NoSound:
            message = "Audio file might be corrupted or unsupported"
            raise ApiError(400, message, param="file", code="invalid_value") from None
        if said is None:
            said = f"(Parley's demo hears no words here. The recording lasts {seconds:.1f} seconds.)"
        return _transcript(wanted.response_format, said, seconds)

    async def speak(self, request: Request) -> Response:
        """Say a text, or play a tone for each of its syllables."""
        wanted = parse(_Words, await read(request))
        self._check(wanted.model)
        made = await sounds.speak(
            wanted.input, wanted.response_format, wanted.speed, synthesiser=self._synthesiser
        )
        return Response(made, media_type=sounds.MIMES[wanted.response_format])


def _size(text: str) -> tuple[int, int] | None:
    if text == "auto":
        return None
    width, height = (int(edge) for edge in text.split("x"))
    if not all(_EDGES[0] <= edge <= _EDGES[1] for edge in (width, height)):
        message = f"Invalid size '{text}': the demo draws {_EDGES[0]} to {_EDGES[1]} pixels."
        raise ApiError(400, message, param="size", code="invalid_value")
    return width, height


def _one(files: dict[str, list[File]], name: str) -> File:
    if name not in files:
        message = f"Missing required parameter: '{name}'."
        raise ApiError(400, message, param=name, code="missing_required_parameter")
    return files[name][0]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _usage(wish: _Wish, count: int) -> dict[str, Any]:
    prompt = len(wish.prompt.split())
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"text_tokens": prompt, "image_tokens": 0},
        "output_tokens": count,
        "total_tokens": prompt + count,
    }


def _transcript(kind: str, said: str, seconds: float) -> Response:
    match kind:
        case "text":
            return PlainTextResponse(f"{said}\n")
        case "srt":
            return PlainTextResponse(f"1\n00:00:00,000 --> {_stamp(seconds, ',')}\n{said}\n")
        case "vtt":
            return PlainTextResponse(f"WEBVTT\n\n00:00:00.000 --> {_stamp(seconds, '.')}\n{said}\n")
        case "verbose_json":
            return JSONResponse(
                {"task": "transcribe", "language": "english", "duration": seconds, "text": said}
            )
    usage = {"type": "duration", "seconds": round(seconds, 2)}
    return JSONResponse({"text": said, "usage": usage})


def _stamp(seconds: float, point: str) -> str:
    thousandths = int(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"00:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"
