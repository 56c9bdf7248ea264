"""POST /chat/completions: one streamed answer from one server, whatever dialect of the API it speaks."""

from __future__ import annotations

import json
import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import structlog

from bot.endpoints.answer import AnswerReader, AsideDelta, Delta, Finish, ReasoningDelta, TextDelta
from bot.endpoints.calls import ToolCall
from bot.endpoints.client import Client, Response
from bot.endpoints.failures import ParameterRefused
from bot.endpoints.models import Catalogue
from bot.endpoints.report import redaction
from bot.endpoints.request import ChatRequest, Function, ImagePart, Message, Quirks, TextPart, adapt, compose
from bot.endpoints.settings import Server
from bot.endpoints.sse import Decoder, Event, EventTooLong
from bot.errors import Interrupted, NoVision, ParleyError, ServerFailed, TimedOut, WrongAddress

__all__ = [
    "AsideDelta",
    "ChatEndpoint",
    "ChatRequest",
    "Delta",
    "Finish",
    "Function",
    "ImagePart",
    "Message",
    "ReasoningDelta",
    "TextDelta",
    "TextPart",
    "ToolCall",
]

_REMEMBERED = 256  # models of one server
_BLIND_LIFE = 3600.0  # seconds for which a model is not shown pictures again
_BULK = 16 * 1024  # bytes of a piece behind which the next one need not be waited for

_log = structlog.get_logger(__name__)


class ChatEndpoint:
    """Chat at one server. It remembers what each model refused, so that this is asked for only once.

    That a model takes no pictures it remembers for an hour; `clock` counts seconds from anywhere.
    """

    def __init__(
        self,
        client: Client,
        server: Server,
        catalogue: Catalogue,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._blind: dict[str, float] = {}  # among the models in `_quirks`
        self._client = client
        self._server = server
        self._limit_field = catalogue.limit_field(server.host)
        self._hide = redaction(server.key.get_secret_value() if server.key else "")
        self._quirks: OrderedDict[str, Quirks] = OrderedDict()

    async def ask(self, request: ChatRequest, model: str) -> AsyncGenerator[Delta]:
        """The answer of `model`, piece by piece, `Finish` last; closing the generator closes the connection.

        Nothing is retried, except that what the model refuses is left out. Raises, before the first
        `TextDelta`, the errors of `Client.request`, `EmptyAnswer`, `Filtered`, and `NoVision` where the question
        has a picture that the model cannot see; after it, only `Interrupted`. Older pictures are left out.
        A model may give fewer answers than are wanted; one that gives a single one is `single` from then on.
        """
        while True:
            quirks = self._known(model)
            if quirks.no_images and request.asks_to_look:
                raise NoVision(f"{self._server.host}: {model} takes no pictures")
            body = compose(request, model, quirks)
            alone = "n" in body
            try:
                async with aclosing(self._stream(body, model)) as deltas:
                    async for delta in deltas:
                        if alone and isinstance(delta, AsideDelta):
                            alone = False
                        yield delta
                if alone:
                    _log.info("one answer only", host=self._server.host, model=model)
                    self._remember(model, replace(quirks, dropped=quirks.dropped | {"n"}))
                return
            except ParameterRefused as refused:
                adapted = adapt(quirks, refused.report, body)
                if adapted is None:
                    raise
                _log.warning("request adapted", host=self._server.host, model=model, reason=str(refused))
                self._remember(model, adapted)

    def single(self, model: str) -> bool:
        """Whether the model gives one answer, however many are wanted."""
        return "n" in self._known(model).dropped

    def blind(self, model: str) -> bool:
        """Whether the model refused a picture within the last hour."""
        return self._known(model).no_images

    def _known(self, model: str) -> Quirks:
        quirks = self._quirks.get(model) or Quirks(limit_field=self._limit_field)
        blind = self._clock() < self._blind.get(model, float("-inf"))
        return replace(quirks, no_images=blind) if quirks.no_images != blind else quirks

    def _remember(self, model: str, quirks: Quirks) -> None:
        if quirks.no_images and not self._known(model).no_images:
            self._blind[model] = self._clock() + _BLIND_LIFE
        self._quirks[model] = quirks
        self._quirks.move_to_end(model)
        if len(self._quirks) > _REMEMBERED:
            forgotten, _ = self._quirks.popitem(last=False)
            self._blind.pop(forgotten, None)

    async def _stream(self, body: dict[str, Any], model: str) -> AsyncGenerator[Delta]:
        reader = AnswerReader(self._server.host, model, self._hide, body.get("n", 1), tools="tools" in body)
        complete = False
        try:
            async with (
                self._client.request("POST", self._server, "chat/completions", body) as reply,
                aclosing(self._documents(reply, reader)) as batches,
            ):
                async for documents in batches:
                    if documents is None:
                        complete = True
                        break
                    for delta in _joined(_read(documents, reader)):
                        yield delta
                    if reader.full:
                        break
            for delta in reader.close(complete=complete):
                yield delta
        except ParleyError as error:
            if not reader.spoke:
                raise
            if "n" not in body or not reader.complete:
                raise Interrupted(str(error)) from error
            _log.info("other answers broke off", host=self._server.host, reason=str(error))
            for delta in reader.close(complete=False):
                yield delta

    async def _documents(self, reply: Response, reader: AnswerReader) -> AsyncGenerator[Iterable[Any] | None]:
        """The JSON objects of a reply, those together that came together; then None where it was complete."""
        head = await self._head(reply)
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if start.startswith(b"<") or reply.html:
            raise WrongAddress(f"{self._server.host}: answers with a web page; is the base URL right?")
        if start.startswith((b"{", b"[")):
            yield [self._parsed((await reply.rest(head)).decode("utf-8-sig", "replace"))]
            yield None
            return
        decoder = Decoder()
        chunk, until = head, math.inf
        while chunk:
            events = self._fed(decoder, chunk)
            end = next((n for n, event in enumerate(events) if event.data.startswith("[DONE]")), None)
            yield map(self._document, events[:end])
            if end is not None:
                await self._last(reply, self._client.timeouts.drain)
                yield None
                return
            if reader.done:
                until = min(until, self._clock() + self._client.timeouts.linger)
            chunk = await self._next(reply, reader, len(chunk), until)
        for event in decoder.close():
            yield None if event.data.startswith("[DONE]") else [self._document(event, last=True)]

    async def _head(self, reply: Response) -> bytes:
        head = b""
        while not head.lstrip(b"\xef\xbb\xbf \t\r\n"):
            piece = await reply.piece()
            head = head[-4096:] + piece  # blanks may come for as long as a server is thinking
            if not piece:
                break
        return head

    async def _next(self, reply: Response, reader: AnswerReader, size: int, until: float) -> bytes:
        """The next bytes, behind a piece of `size`; of a finished answer those that come `until` then.

        The first words never wait, nor does the end.
        """
        if reader.done:
            left = until - self._clock()
            return await self._last(reply, left) if left > 0 else b""
        if reader.spoke and size < _BULK:
            await reply.gather(self._client.timeouts.sip)
        return await reply.piece()

    async def _last(self, reply: Response, limit: float) -> bytes:
        """The next bytes of a finished answer: what breaks or stays away is its end."""
        try:
            return await reply.piece(limit)
        except (TimedOut, ServerFailed) as error:
            _log.debug("no proper end of a stream", host=self._server.host, reason=str(error))
            return b""

    def _fed(self, decoder: Decoder, chunk: bytes) -> list[Event]:
        try:
            return decoder.feed(chunk)
        except EventTooLong as error:
            raise ServerFailed(f"{self._server.host}: {error}") from None

    def _document(self, event: Event, *, last: bool = False) -> Any:
        try:
            document = json.loads(event.data)
        except (ValueError, RecursionError):
            if event.name == "error":
                return {"error": {"message": event.data}}
            if last:  # cut in the middle: as if it had not come
                return {}
            raise ServerFailed(f"{self._server.host}: an event that is no JSON") from None
        if event.name == "error" and not (isinstance(document, dict) and document.get("error")):
            return {"error": document}
        return document

    def _parsed(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ServerFailed(f"{self._server.host}: an answer that is no JSON") from None


def _read(documents: Iterable[Any], reader: AnswerReader) -> Iterator[Delta]:
    for document in documents:
        yield from reader.read(document)
        if reader.full:
            return


def _joined(deltas: Iterator[Delta]) -> Iterator[Delta]:
    """The same with words that follow one another in one piece; those before a fault come before it."""
    words: list[str] = []
    try:
        for delta in deltas:
            if isinstance(delta, TextDelta):
                words.append(delta.text)
                continue
            if words:
                yield TextDelta("".join(words))
                words.clear()
            yield delta
    except ParleyError:
        if words:
            yield TextDelta("".join(words))
        raise
    if words:
        yield TextDelta("".join(words))
