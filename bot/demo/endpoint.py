"""The demo over HTTP, as OpenAI's API reference has it: its models, chat, and what `media` has."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.demo.answers import Talk, answer, pieces
from bot.demo.calls import call
from bot.demo.media import MODELS, Media
from bot.demo.pictures import look
from bot.demo.wire import ApiError, Strict, event, parse, read

MODEL = "parley-demo"
CONTEXT = 16384
_BORN = 1735689600  # 1 January 2025; the model's `created`
_PER_MESSAGE = 4  # tokens that a message costs besides its words
_MOST_SEEN = 10  # pictures of a message that are looked at
_PER_PART = 85  # tokens of an image or a recording
_SPEAKER = re.compile(r"\[[^\]\n]{1,60} #[0-9a-f]{4}\] ")


class _ImageURL(Strict):
    url: str
    detail: str = "auto"


class _Part(Strict):
    type: str
    text: str = ""
    image_url: _ImageURL | None = None


class _Message(Strict):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""

    @property
    def said(self) -> str:
        """The text without the name that stands before it where several people talk."""
        match = _SPEAKER.match(self.text)
        return self.text[match.end() :] if match else self.text

    @property
    def others(self) -> int:
        return sum(part.type != "text" for part in self.content) if isinstance(self.content, list) else 0

    @property
    def pictures(self) -> list[str]:
        """The addresses of the pictures."""
        parts = self.content if isinstance(self.content, list) else []
        return [part.image_url.url for part in parts if part.image_url is not None]

    @property
    def tokens(self) -> int:
        return len(pieces(self.text)) + self.others * _PER_PART + _PER_MESSAGE


class _Function(Strict):
    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None


class _Tool(Strict):
    type: Literal["function"]
    function: _Function


class _StreamOptions(Strict):
    include_usage: bool = False


_Count = Annotated[int, Field(ge=1)]


class _Body(Strict):
    model: str
    messages: Annotated[list[_Message], Field(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    n: Literal[1] | None = None
    tools: list[_Tool] | None = None

    @property
    def wanted(self) -> tuple[str, str] | None:
        """The function to call, with its prompt, where the last message asks for one."""
        last = self.messages[-1]
        if not self.tools or last.role != "user":
            return None
        answers = [message.text for message in self.messages if message.role == "assistant"]
        return call(last.said, answers, {t.function.name for t in self.tools}, shown=bool(last.pictures))


def app(
    *,
    pace: float = 32.0,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    synthesiser: str | None = None,
    recogniser: bool | None = None,
) -> Starlette:
    """The demo's ASGI application. `pace`: words a second when streaming; 0 does not wait.

    `synthesiser` is the path of espeak-ng, which speaks, empty to do without; `recogniser` whether words are heard in
    recordings. None: as it is installed.
    """
    endpoint = _Endpoint(pace, clock, sleep)
    media = Media(_check_model, clock, sleep, pace=pace, synthesiser=synthesiser, recogniser=recogniser)
    return Starlette(
        routes=[
            Route("/v1/models", endpoint.models),
            Route("/v1/models/{model:path}", endpoint.model),
            Route("/v1/chat/completions", endpoint.chat, methods=["POST"]),
            *media.routes(),
        ],
        exception_handlers={ApiError: _refused, HTTPException: _no_such_path},
    )


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):  # only for the type
        raise error
    return JSONResponse({"error": error.body}, error.status)


async def _no_such_path(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"Invalid URL ({request.method} {request.url.path})"
    fault = ApiError(status, message, code="unknown_url" if status == 404 else None)
    return JSONResponse({"error": fault.body}, status)


class _Endpoint:
    def __init__(
        self, pace: float, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self._pause = 1 / pace if pace > 0 else 0.0
        self._clock = clock
        self._sleep = sleep

    async def models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_card(model) for model in (MODEL, *MODELS)]})

    async def model(self, request: Request) -> Response:
        _check_model(request.path_params["model"])
        return JSONResponse(_card(request.path_params["model"]))

    async def chat(self, request: Request) -> Response:
        raw = await read(request)
        body = _parse(raw)
        _check_model(body.model)
        prompt = sum(message.tokens for message in body.messages)
        if prompt > CONTEXT:
            raise ApiError(
                400,
                f"This model's maximum context length is {CONTEXT} tokens. However, your messages resulted in "
                f"{prompt} tokens. Please reduce the length of the messages.",
                param="messages",
                code="context_length_exceeded",
            )
        if body.wanted is not None:
            return self._called(body, *body.wanted, head=self._head(raw), prompt=prompt)
        talk = await _talk(body.messages)
        words = pieces(talk.say("shown") if body.messages[-1].role == "tool" else answer(talk))
        limit = body.max_completion_tokens or body.max_tokens or CONTEXT
        reason = "stop" if len(words) <= limit else "length"
        words = words[:limit]
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": len(words),
            "total_tokens": prompt + len(words),
        }
        head = self._head(raw)
        if body.stream:
            told = usage if body.stream_options and body.stream_options.include_usage else None
            events = self._events(head, words, reason, told)
            return StreamingResponse(events, media_type="text/event-stream")
        message = {"role": "assistant", "content": "".join(words), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    def _head(self, raw: bytes) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{hashlib.sha256(raw).hexdigest()[:24]}",
            "created": int(self._clock()),
            "model": MODEL,
        }

    def _called(self, body: _Body, name: str, wish: str, *, head: dict[str, Any], prompt: int) -> Response:
        """An answer that is a call of a function."""
        arguments = json.dumps({"prompt": wish}, ensure_ascii=False)
        called: dict[str, Any] = {"id": f"call_{head['id'][-24:]}", "type": "function"}
        called["function"] = {"name": name, "arguments": arguments}
        tokens = len(pieces(arguments))
        usage = {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}
        message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [called]}
        choice = {"index": 0, "logprobs": None, "finish_reason": "tool_calls"}
        if not body.stream:
            whole = {**head, "object": "chat.completion", "usage": usage}
            return JSONResponse({**whole, "choices": [{**choice, "message": message}]})
        delta = {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **called}]}
        chunks: list[dict[str, Any]] = [
            {"choices": [{**choice, "delta": delta, "finish_reason": None}]},
            {"choices": [{**choice, "delta": {}}]},
        ]
        if body.stream_options and body.stream_options.include_usage:
            chunks.append({"choices": [], "usage": usage})
        events = [event({**head, "object": "chat.completion.chunk", **chunk}) for chunk in chunks]
        return Response("".join((*events, "data: [DONE]\n\n")), media_type="text/event-stream")

    async def _events(
        self, head: dict[str, Any], words: Sequence[str], reason: str, usage: dict[str, int] | None
    ) -> AsyncIterator[str]:
        more = {} if usage is None else {"usage": None}

        def chunk(delta: dict[str, str], finish: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return event({**head, "object": "chat.completion.chunk", "choices": [choice], **more})

        yield chunk({"role": "assistant", "content": ""})
        for word in words:
            yield chunk({"content": word})
            if self._pause:
                await self._sleep(self._pause)
        yield chunk({}, reason)
        if usage is not None:
            yield event({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        yield "data: [DONE]\n\n"


def _card(model: str) -> dict[str, Any]:
    return {
        "id": model,
        "object": "model",
        "created": _BORN,
        "owned_by": "parley",
        "context_length": CONTEXT,
    }


def _check_model(model: str) -> None:
    if model not in (MODEL, *MODELS):
        message = f"The model `{model[:100]}` does not exist: the demo has only `{MODEL}`."
        raise ApiError(404, message, param="model", code="model_not_found")


def _parse(raw: bytes) -> _Body:
    body = parse(_Body, raw)
    if body.stream_options is not None and not body.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise ApiError(400, message, param="stream_options")
    return body


async def _talk(messages: Sequence[_Message]) -> Talk:
    spoken = [message for message in messages if message.role == "user"]
    last = spoken[-1] if spoken else None
    shown = [await asyncio.to_thread(look, url) for url in (last.pictures[:_MOST_SEEN] if last else ())]
    return Talk(
        role="\n".join(m.text for m in messages if m.role in ("system", "developer")),
        earlier=[message.said for message in spoken[:-1]],
        said=last.said if last else "",
        first=all(message.role != "assistant" for message in messages),
        more=last is not None and last.others > 0,
        seen=[sight for sight in shown if sight is not None],
    )
