"""What OpenAI's chat endpoint accepts: the `openai` SDK's parameter types, and further rules."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from openai.types import chat
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter, ValidationError

_STREAMING = TypeAdapter(CompletionCreateParamsStreaming)
_WHOLE = TypeAdapter(CompletionCreateParamsNonStreaming)
_FIELDS = set(get_type_hints(CompletionCreateParamsStreaming))
_MESSAGE_FIELDS = {
    role: set(get_type_hints(kind))
    for role, kind in {
        "system": chat.ChatCompletionSystemMessageParam,
        "developer": chat.ChatCompletionDeveloperMessageParam,
        "user": chat.ChatCompletionUserMessageParam,
        "assistant": chat.ChatCompletionAssistantMessageParam,
        "tool": chat.ChatCompletionToolMessageParam,
    }.items()
}
_PART_FIELDS = {
    name: set(get_type_hints(kind))
    for kind in get_args(chat.ChatCompletionContentPartParam)
    for name in get_args(get_type_hints(kind)["type"])
}


@dataclass(frozen=True)
class Refusal:
    """An error as OpenAI sends it."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    type: str = "invalid_request_error"

    def body(self) -> dict[str, Any]:
        """Its JSON."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def check(body: Any, models: Collection[str], reasoning: Collection[str]) -> Refusal | None:
    """Why a chat request is refused, or None."""
    if not isinstance(body, dict):
        return Refusal(400, "The body is not an object.")
    return (
        _unknown(body) or _typed(body) or _model(body, models) or _ranges(body) or _reasoning(body, reasoning)
    )


def _unknown(body: Mapping[str, Any]) -> Refusal | None:
    strangers = sorted(set(body) - _FIELDS)
    for number, message in enumerate(body.get("messages") or ()):
        if not isinstance(message, dict):
            continue
        known = _MESSAGE_FIELDS.get(str(message.get("role")), set(message))
        strangers += [f"messages[{number}].{name}" for name in sorted(set(message) - known)]
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            known = _PART_FIELDS.get(str(part.get("type")), set()) if isinstance(part, dict) else set()
            strangers += [f"messages[{number}].content.{name}" for name in sorted(set(part) - known)]
    if strangers:
        return Refusal(400, f"Unrecognized request argument supplied: {strangers[0]}")
    return None


def _typed(body: Mapping[str, Any]) -> Refusal | None:
    adapter: TypeAdapter[Any] = _STREAMING if body.get("stream") else _WHOLE
    try:
        _exhaust(adapter.validate_python(body, strict=True))
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(str(place) for place in first["loc"])
        return Refusal(400, f"Invalid type for '{param}': {first['msg']}", param, "invalid_type")
    return None


def _exhaust(value: Any) -> None:
    """Visit everything: pydantic checks what the SDK calls `Iterable` only as it is visited."""
    if isinstance(value, Mapping):
        for inner in value.values():
            _exhaust(inner)
    elif hasattr(value, "__iter__") and not isinstance(value, str | bytes):
        for inner in value:
            _exhaust(inner)


def _model(body: Mapping[str, Any], models: Collection[str]) -> Refusal | None:
    model = body["model"]
    if model in models:
        return None
    message = f"The model `{model}` does not exist or you do not have access to it."
    return Refusal(404, message, None, "model_not_found")


def _ranges(body: Mapping[str, Any]) -> Refusal | None:
    bounds = {
        "temperature": (0, 2),
        "top_p": (0, 1),
        "presence_penalty": (-2, 2),
        "frequency_penalty": (-2, 2),
    }
    for name, (low, high) in bounds.items():
        value = body.get(name)
        if value is not None and not low <= value <= high:
            message = f"Invalid '{name}': {value} is not between {low} and {high}."
            return Refusal(400, message, name, "decimal_out_of_range")
    faults = {
        "messages": (not body["messages"], "[] is too short"),
        "stop": (isinstance(body.get("stop"), list) and not 1 <= len(body["stop"]) <= 4, "1 to 4 sequences"),
        "max_tokens": ((body.get("max_tokens") or 1) < 1, "at least 1"),
        "n": (not 1 <= (body.get("n") or 1) <= 128, "1 to 128"),
        "max_completion_tokens": (
            "max_tokens" in body and "max_completion_tokens" in body,
            "not together with 'max_tokens'",
        ),
        "stream_options": ("stream_options" in body and not body.get("stream"), "only with stream"),
    }
    for name, (faulty, why) in faults.items():
        if faulty:
            return Refusal(400, f"Invalid '{name}': {why}.", name, "invalid_value")
    faulty = next(filter(None, (_message(n, m) for n, m in enumerate(body["messages"]))), None)
    return faulty or _calls_answered(body["messages"])


def _calls_answered(messages: Sequence[Mapping[str, Any]]) -> Refusal | None:
    """Each call has its answer right behind it, and each answer its call."""
    waiting: set[str] = set()
    for number, message in enumerate([*messages, {"role": "end"}]):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                text = (
                    "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                )
                return Refusal(400, f"Invalid parameter: {text}", f"messages.[{number}].role")
            waiting.remove(message["tool_call_id"])
        elif waiting:
            text = "An assistant message with 'tool_calls' must be followed by tool messages responding to each one."
            return Refusal(400, text, f"messages.[{number}].role")
        waiting |= {call["id"] for call in message.get("tool_calls") or ()}
    return None


def _message(number: int, message: Mapping[str, Any]) -> Refusal | None:
    where = f"messages[{number}]"
    name = message.get("name")
    if name is not None and not re.fullmatch(r"[^\s<|\\/>]{1,64}", name):
        return Refusal(
            400, f"Invalid '{where}.name': string does not match pattern.", f"{where}.name", "invalid_value"
        )
    content = message.get("content")
    if content is None and message["role"] != "assistant":
        return Refusal(400, f"Invalid value for '{where}.content': expected a string, got null.", where)
    for part in content if isinstance(content, list) else ():
        url = part.get("image_url", {}).get("url", "https://")
        if not re.match(r"https?://|data:image/[\w.+-]+;base64,", url):
            return Refusal(400, f"Invalid '{where}.content': not an image URL.", where, "invalid_image_url")
    return None


def _reasoning(body: Mapping[str, Any], reasoning: Collection[str]) -> Refusal | None:
    if body["model"] not in reasoning or body.get("reasoning_effort") == "none":
        return None
    if body.get("max_tokens") is not None:
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead."
        )
        return Refusal(400, message, "max_tokens", "unsupported_parameter")
    if body.get("temperature", 1) != 1:
        message = (
            f"Unsupported value: 'temperature' does not support {body['temperature']} with this model. "
            "Only the default (1) value is supported."
        )
        return Refusal(400, message, "temperature", "unsupported_value")
    for name in ("top_p", "presence_penalty", "frequency_penalty", "logprobs", "stop"):
        if name in body:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            return Refusal(400, message, name, "unsupported_parameter")
    return None
