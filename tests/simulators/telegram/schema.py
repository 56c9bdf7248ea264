"""What the Bot API accepts and sends, after aiogram's types, which are made from Telegram's own page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import aiogram.methods as aiogram_methods
from aiogram.methods import TelegramMethod
from aiogram.types import TelegramObject
from pydantic import BaseModel, ValidationError

METHODS: Mapping[str, type[TelegramMethod[Any]]] = {
    kind.__api_method__.lower(): kind
    for name in aiogram_methods.__all__
    if isinstance(kind := getattr(aiogram_methods, name), type)
    and issubclass(kind, TelegramMethod)
    and kind is not TelegramMethod
}
"""By the name in small letters: the server does not mind their case."""


class Refused(Exception):
    """An error as the Bot API answers it."""

    def __init__(self, code: int, description: str, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        body = {"ok": False, "error_code": self.code, "description": self.description}
        return body | ({"parameters": dict(self.parameters)} if self.parameters else {})


def bad(reason: str, **parameters: Any) -> Refused:
    """The usual refusal of a request."""
    return Refused(400, f"Bad Request: {reason}", parameters or None)


def forbidden(reason: str) -> Refused:
    """The refusal of a chat that will not hear the bot."""
    return Refused(403, f"Forbidden: {reason}")


def parameters(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A method's parameters as JSON values. Raises `Refused` for what the method does not have or cannot read.

    The real server lets unknown names pass and reads a wrong number as 0; here both are mistakes of the bot.
    """
    kind = METHODS[name.lower()]
    values: dict[str, Any] = {}
    for key, value in given.items():
        field = kind.model_fields.get(key)
        if field is None:
            raise bad(f"unknown parameter {key!r} of {kind.__api_method__}")
        if value is not None:
            values[key] = _read(key, value, set(_members(field.annotation)))
    try:
        model = kind.model_validate(values, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise bad(_said(kind.__api_method__, first["type"], where, first["msg"])) from None
    for stranger in strangers(model):
        raise bad(f"unknown field {stranger} in {kind.__api_method__}")
    return values


def checked(kind: type[TelegramObject], document: dict[str, Any]) -> dict[str, Any]:
    """The document, if it is one of `kind` and has no field that `kind` lacks; raises AssertionError else."""
    try:
        model = kind.model_validate(document)
    except ValidationError as error:
        raise AssertionError(f"the simulator made a wrong {kind.__name__}: {error}") from None
    unknown = list(strangers(model))
    assert not unknown, f"the simulator made a {kind.__name__} with {unknown}"
    return document


def strangers(value: Any, path: str = "") -> Iterator[str]:
    """The paths of the fields that no type has."""
    match value:
        case BaseModel():
            for name in value.model_extra or {}:
                yield f"{path}.{name}".lstrip(".")
            for name in value.model_fields_set & set(type(value).model_fields):
                yield from strangers(getattr(value, name), f"{path}.{name}")
        case list():
            for number, item in enumerate(value):
                yield from strangers(item, f"{path}[{number}]")


def _members(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    origin = getattr(annotation, "__origin__", None)
    if inner and origin is not list and not (origin is None and not _is_union(annotation)):
        for member in inner:
            yield from _members(member)
    else:
        yield annotation


def _is_union(annotation: Any) -> bool:
    return type(annotation).__name__ in {"UnionType", "Union", "_UnionGenericAlias"}


def _read(name: str, value: Any, kinds: set[Any]) -> Any:
    if not isinstance(value, str):
        return value
    if bool in kinds:
        return value.lower() in {"true", "yes", "1"}
    if int in kinds and re.fullmatch(r"-?\d{1,19}", value):
        return int(value)
    if str in kinds:
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise bad(f"can't parse {name} JSON object") from None


_MISSING = {
    "chat_id": "chat_id is empty",
    "text": "message text is empty",
    "message_id": "message identifier is not specified",
    "photo": "there is no photo in the request",
    "voice": "there is no voice in the request",
    "audio": "there is no audio in the request",
    "document": "there is no document in the request",
    "video": "there is no video in the request",
    "media": "media not found",
    "action": "wrong parameter action in request",
    "file_id": "file_id not specified",
}


def _said(method: str, kind: str, where: str, message: str) -> str:
    if kind == "missing" and where in _MISSING:
        return _MISSING[where]
    if where.startswith(("entities", "caption_entities")):
        return f"can't parse entities: {where}: {message}"
    return f"can't parse {where or 'parameters'} of {method}: {message}"
