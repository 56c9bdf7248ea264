"""The demo over HTTP, as OpenAI's API reference has it: `/v1/models` and `/v1/chat/completions`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.demo.answers import Talk, answer, pieces

MODEL = "parley-demo"
CONTEXT = 16384
_BORN = 1735689600  # 1 January 2025; the model's `created`
_LARGEST_BODY = 32 << 20
_PER_MESSAGE = 4  # tokens that a message costs besides its words
_PER_PART = 85  # tokens of an image or a recording


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, hide_input_in_errors=True)


class _Part(_Strict):
    type: str
    text: str = ""


class _Message(_Strict):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""

    @property
    def others(self) -> int:
        return sum(part.type != "text" for part in self.content) if isinstance(self.content, list) else 0

    @property
    def tokens(self) -> int:
        return len(pieces(self.text)) + self.others * _PER_PART + _PER_MESSAGE


class _StreamOptions(_Strict):
    include_usage: bool = False


_Count = Annotated[int, Field(ge=1)]


class _Body(_Strict):
    model: str
    messages: Annotated[list[_Message], Field(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    n: Literal[1] | None = None


class _ApiError(Exception):
    """Becomes OpenAI's error object."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "type": "invalid_request_error", "param": param, "code": code}


def app(
    *,
    pace: float = 32.0,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> Starlette:
    """The demo's ASGI application. `pace`: words a second when streaming; 0 does not wait."""
    endpoint = _Endpoint(pace, clock, sleep)
    return Starlette(
        routes=[
            Route("/v1/models", endpoint.models),
            Route("/v1/models/{model:path}", endpoint.model),
            Route("/v1/chat/completions", endpoint.chat, methods=["POST"]),
        ],
        exception_handlers={_ApiError: _refused, HTTPException: _no_such_path},
    )


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, _ApiError):  # only for the type
        raise error
    return JSONResponse({"error": error.body}, error.status)


async def _no_such_path(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"Invalid URL ({request.method} {request.url.path})"
    fault = _ApiError(status, message, code="unknown_url" if status == 404 else None)
    return JSONResponse({"error": fault.body}, status)


class _Endpoint:
    def __init__(
        self, pace: float, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self._pause = 1 / pace if pace > 0 else 0.0
        self._clock = clock
        self._sleep = sleep

    async def models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_card()]})

    async def model(self, request: Request) -> Response:
        _check_model(request.path_params["model"])
        return JSONResponse(_card())

    async def chat(self, request: Request) -> Response:
        raw = await _read(request)
        body = _parse(raw)
        _check_model(body.model)
        prompt = sum(message.tokens for message in body.messages)
        if prompt > CONTEXT:
            raise _ApiError(
                400,
                f"This model's maximum context length is {CONTEXT} tokens. However, your messages resulted in "
                f"{prompt} tokens. Please reduce the length of the messages.",
                param="messages",
                code="context_length_exceeded",
            )
        words = pieces(answer(_talk(body.messages)))
        limit = body.max_completion_tokens or body.max_tokens or CONTEXT
        reason = "stop" if len(words) <= limit else "length"
        words = words[:limit]
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": len(words),
            "total_tokens": prompt + len(words),
        }
        head = {
            "id": f"chatcmpl-{hashlib.sha256(raw).hexdigest()[:24]}",
            "created": int(self._clock()),
            "model": MODEL,
        }
        if body.stream:
            told = usage if body.stream_options and body.stream_options.include_usage else None
            events = self._events(head, words, reason, told)
            return StreamingResponse(events, media_type="text/event-stream")
        message = {"role": "assistant", "content": "".join(words), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    async def _events(
        self, head: dict[str, Any], words: Sequence[str], reason: str, usage: dict[str, int] | None
    ) -> AsyncIterator[str]:
        more = {} if usage is None else {"usage": None}

        def event(delta: dict[str, str], finish: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return _event({**head, "object": "chat.completion.chunk", "choices": [choice], **more})

        yield event({"role": "assistant", "content": ""})
        for word in words:
            yield event({"content": word})
            if self._pause:
                await self._sleep(self._pause)
        yield event({}, reason)
        if usage is not None:
            yield _event({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        yield "data: [DONE]\n\n"


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"


def _card() -> dict[str, Any]:
    return {
        "id": MODEL,
        "object": "model",
        "created": _BORN,
        "owned_by": "parley",
        "context_length": CONTEXT,
    }


def _check_model(model: str) -> None:
    if model != MODEL:
        message = f"The model `{model[:100]}` does not exist: the demo has only `{MODEL}`."
        raise _ApiError(404, message, param="model", code="model_not_found")


async def _read(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _LARGEST_BODY:
            raise _ApiError(413, "The request is too large.")
    return bytes(raw)


def _parse(raw: bytes) -> _Body:
    try:
        body = _Body.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise _ApiError(400, "The body of the request is not valid JSON.") from None
        param = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(
            "."
        )
        code = "missing_required_parameter" if first["type"] == "missing" else "invalid_value"
        message = f"Invalid '{param}': {first['msg']}." if param else f"{first['msg']}."
        raise _ApiError(400, message, param=param or None, code=code) from None
    if body.stream_options is not None and not body.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise _ApiError(400, message, param="stream_options")
    return body


def _talk(messages: Sequence[_Message]) -> Talk:
    spoken = [message for message in messages if message.role == "user"]
    last = spoken[-1] if spoken else None
    return Talk(
        role="\n".join(m.text for m in messages if m.role in ("system", "developer")),
        earlier=[message.text for message in spoken[:-1]],
        said=last.text if last else "",
        first=all(message.role != "assistant" for message in messages),
        more=last is not None and last.others > 0,
    )
