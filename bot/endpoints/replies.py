"""Reads replies that are not chat: a JSON document, server-sent events or plain text, and errors in any of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

from bot.endpoints.bulk import Sieve
from bot.endpoints.client import Response
from bot.endpoints.failures import failure
from bot.endpoints.report import in_stream
from bot.endpoints.sse import Decoder, Event, EventTooLong
from bot.errors import ServerFailed, WrongAddress

LIMIT = 40 * 1024 * 1024
"""Bytes of one document or event: ten pictures in base64 have room in it."""

_BLANK = b"\xef\xbb\xbf \t\r\n"


async def documents(
    reply: Response, model: str, hide: Callable[[str], str]
) -> AsyncGenerator[dict[str, Any]]:
    """The JSON objects of a reply, one or a stream of them; an event's name is in `type` where it says none itself.

    Long base64 in them is bytes already. `hide` is applied to error texts. Raises the error that an object stands
    for, and `ServerFailed`, `WrongAddress`.
    """
    host = reply.server.host
    head = await _head(reply)
    start = head.lstrip(_BLANK)
    if reply.html or start.startswith(b"<"):
        raise WrongAddress(f"{host}: answers with a web page; is the base URL right?")
    sieve = Sieve(LIMIT)
    if start.startswith((b"{", b"[")):
        body = bytearray()
        async for left in _left(reply, head, sieve):
            body += left
        yield _checked(_parsed(bytes(body), host, sieve), host, model, hide)
        return
    decoder = Decoder(LIMIT)
    async for left in _left(reply, head, sieve):
        for event in _fed(decoder, left, host):
            if event.data.startswith("[DONE]"):
                return
            yield _checked(_named(event, host, sieve), host, model, hide)
            await asyncio.sleep(0)  # an event may be megabytes
    for event in decoder.close():
        if not event.data.startswith("[DONE]"):
            yield _checked(_named(event, host, sieve), host, model, hide)


async def _left(reply: Response, piece: bytes, sieve: Sieve) -> AsyncGenerator[bytes]:
    """What the sieve leaves of a body that begins with `piece`."""
    host, size = reply.server.host, 0
    while piece:
        try:
            left = sieve.feed(piece)
        except ValueError as error:
            raise ServerFailed(f"{host}: {error}") from None
        size += len(left)
        if size > LIMIT:
            raise ServerFailed(f"{host}: a reply of more than {LIMIT} bytes")
        yield left
        piece = await reply.piece()
    yield sieve.close()


async def text(reply: Response, model: str, hide: Callable[[str], str]) -> str | dict[str, Any]:
    """A reply that may be a JSON object or plain text. Raises as `documents` does."""
    host = reply.server.host
    body = (await reply.rest(limit=LIMIT)).decode("utf-8-sig", "replace")
    start = body.lstrip()
    if reply.html or start.lower().startswith(("<!doctype", "<html")):
        raise WrongAddress(f"{host}: answers with a web page; is the base URL right?")
    if start.startswith("{") and (reply.kind == "application/json" or '"' in start[:40]):
        return _checked(_parsed(body, host), host, model, hide)
    if reply.kind == "application/json" and start.startswith('"'):
        said = _parsed(body, host)
        return said if isinstance(said, str) else body
    return body


async def _head(reply: Response) -> bytes:
    head = b""
    while not head.lstrip(_BLANK):
        piece = await reply.piece()
        head = head[-4096:] + piece  # blanks may come for as long as a server is busy
        if not piece:
            break
    return head


def _fed(decoder: Decoder, chunk: bytes, host: str) -> list[Event]:
    try:
        return decoder.feed(chunk)
    except EventTooLong as error:
        raise ServerFailed(f"{host}: {error}") from None


def _named(event: Event, host: str, sieve: Sieve) -> Any:
    if event.name == "error" and not event.data.lstrip().startswith("{"):
        return {"error": {"message": event.data}}
    document = _parsed(event.data, host, sieve)
    if not isinstance(document, dict):
        return document
    if event.name == "error" and not document.get("error"):
        return {"error": document}
    return {"type": event.name, **document} if event.name else document


def _parsed(given: str | bytes, host: str, sieve: Sieve | None = None) -> Any:
    text = given.decode("utf-8-sig", "replace") if isinstance(given, bytes) else given
    try:
        return json.loads(text) if sieve is None else sieve.loads(text)
    except (ValueError, RecursionError):
        raise ServerFailed(f"{host}: an answer that is no JSON") from None


def _checked(document: Any, host: str, model: str, hide: Callable[[str], str]) -> dict[str, Any]:
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        raise ServerFailed(f"{host}: an answer of {type(document).__name__} instead of an object")
    wrong = in_stream(document, hide) if not {"data", "text", "b64_json"} & document.keys() else None
    if wrong is None and document.get("error"):
        wrong = in_stream(document, hide)
    if wrong is not None:
        raise failure(wrong, host, model=model)
    return document
