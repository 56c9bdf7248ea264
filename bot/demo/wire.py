"""What the demo's endpoints share: bounded bodies, strict fields, and refusals as OpenAI writes them."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

LARGEST_BODY = 32 << 20
"""Bytes of a request."""


class Strict(BaseModel):
    """A body whose values have the types that they should have."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)


class ApiError(Exception):
    """Becomes OpenAI's error object."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "type": "invalid_request_error", "param": param, "code": code}


Body = TypeVar("Body", bound=BaseModel)


async def read(request: Request) -> bytes:
    """The body of a request. Raises `ApiError` where it is too large."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_BODY:
            raise ApiError(413, "The request is too large.")
    return bytes(raw)


def parse(kind: type[Body], raw: bytes | dict[str, Any]) -> Body:
    """A body from its JSON, or from the fields of a form. Raises `ApiError` that names what is wrong."""
    try:
        if isinstance(raw, bytes):
            return kind.model_validate_json(raw)
        return kind.model_validate(raw, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise ApiError(400, "The body of the request is not valid JSON.") from None
        param = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(
            "."
        )
        code = "missing_required_parameter" if first["type"] == "missing" else "invalid_value"
        message = f"Invalid '{param}': {first['msg']}." if param else f"{first['msg']}."
        raise ApiError(400, message, param=param or None, code=code) from None


def event(content: dict[str, Any], name: str = "") -> str:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(content, ensure_ascii=False)}\n\n"
