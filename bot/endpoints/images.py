"""POST /images/generations and /images/edits: pictures from words, and pictures changed by words."""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog

from bot.api import Usage
from bot.endpoints.client import Client, Form, Upload
from bot.endpoints.failures import EndpointMissing, ParameterRefused
from bot.endpoints.learned import Learned
from bot.endpoints.replies import documents
from bot.endpoints.report import redaction
from bot.endpoints.settings import Server
from bot.errors import EmptyAnswer, Filtered, Interrupted, ParleyError, ServerFailed

MOST = 10
"""Pictures that may be asked for at once."""

SOURCES = 16
"""Pictures that may be changed together."""

VARIATION = (
    "Make a variation of this picture: the same subject and the same style, "
    "with another composition and other details."
)
"""What is asked in the place of /images/variations, which servers have no more."""

_SECONDS = 300.0  # to the first byte: a large picture of high quality takes minutes
_FETCH_SECONDS = 60.0
_LARGEST = 30 * 1024 * 1024  # bytes of one picture
_DROPPABLE = ("size", "quality", "background", "n", "response_format")
_PLAIN_LIFE = 3600.0  # seconds for which a model without unfinished pictures is not asked for them again
_REMEMBERED = 256  # models of one server
_SHOWN = 3  # unfinished pictures at most (platform.openai.com/docs/api-reference/images/create)
_OPENAI = re.compile(r"(?:^|\.)(?:api\.openai\.com|openai\.azure\.com)$")
_KNOWN = re.compile(r"gpt-image|^parley-demo-image$")
_REFUSED = re.compile(r"content_?filter|safety|blocked|moderat|prohibited", re.IGNORECASE)

_log = structlog.get_logger(__name__)


class Fetch(Protocol):
    """Downloads what a server names, and nothing from private networks."""

    async def __call__(
        self, url: str, *, limit: int, seconds: float, base: str = "", own: Collection[str] = ()
    ) -> bytes:
        """At most `limit` bytes behind `url`, which may be relative to `base`, within `seconds`.

        `own` are the operator's own servers, as base URLs: these may be private. Raises a `ParleyError`.
        """


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: its bytes, its type as the bytes tell, and the prompt as the model put it, where it says so."""

    data: bytes = field(repr=False)
    mime: str
    revised_prompt: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A picture that is to be changed; or a mask: a PNG of the first one's size, transparent where it may change."""

    data: bytes = field(repr=False)
    mime: str = "image/png"


@dataclass(frozen=True, slots=True)
class Partial:
    """A picture that is not finished; `index` counts them from 0."""

    image: Image
    index: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The finished pictures. `usage` is the server's own count in tokens; `model` is the one that was asked."""

    images: tuple[Image, ...]
    usage: Usage | None
    model: str


Drawn = Partial | Finished


def unfinished(model: str, wanted: int | None) -> int:
    """How many unfinished pictures to ask a model for: what the operator wants, else two of those known to do it.

    They are not free: each costs 100 tokens of output (platform.openai.com/docs/guides/image-generation, Streaming).
    """
    return wanted if wanted is not None else 2 if _KNOWN.search(model) else 0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be drawn, or how the sources are to be changed. What is empty or `auto` is left to the server.

    `size` in pixels, such as 1024x1536; `background` is transparent or opaque; `partials` is how many unfinished
    pictures to show on the way, which some servers charge for.
    """

    prompt: str
    size: str = ""
    quality: str = ""
    n: int = 1
    background: str = ""
    partials: int = 0


class ImageEndpoint:
    """Pictures at one server. `fetch` gets those that it answers with by address; `clock` counts seconds."""

    def __init__(
        self,
        client: Client,
        server: Server,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._server = server
        self._fetch = fetch
        self._third_party = not _OPENAI.search(server.host)
        self._hide = redaction(server.key.get_secret_value() if server.key else "")
        self._learned = Learned()
        self._clock = clock
        self._plain: OrderedDict[str, float] = OrderedDict()

    async def generate(self, wish: Wish, model: str) -> AsyncGenerator[Drawn]:
        """Draw: unfinished pictures as they come, `Finished` last; closing the generator closes the connection.

        What the model refuses is left out. Raises the errors of `Client.request`, `Filtered`, `EmptyAnswer`, and
        after the first unfinished picture only `Interrupted`.
        """
        async with aclosing(self._persist("images/generations", wish, model, ())) as drawn:
            async for part in drawn:
                yield part

    async def edit(
        self, sources: Sequence[Source], wish: Wish, model: str, mask: Source | None = None
    ) -> AsyncGenerator[Drawn]:
        """Change one to sixteen pictures, as `generate` draws."""
        files = [
            _upload("image[]" if len(sources) > 1 else "image", number, source)
            for number, source in enumerate(sources[:SOURCES])
        ]
        if mask is not None:
            files.append(_upload("mask", 0, mask))
        async with aclosing(self._persist("images/edits", wish, model, tuple(files))) as drawn:
            async for part in drawn:
                yield part

    async def _persist(
        self, path: str, wish: Wish, model: str, files: tuple[Upload, ...]
    ) -> AsyncGenerator[Drawn]:
        refused: ParleyError | None = None
        while True:
            fields = self._fields(wish if refused is None else replace(wish, partials=0), model)
            try:
                async with aclosing(self._drawn(path, fields, model, files)) as drawn:
                    async for part in drawn:
                        if refused is not None:
                            self._note_plain(model)
                        yield part
                return
            except (ParameterRefused, EndpointMissing) as error:
                if dropped := self._dropped(error, fields, model):
                    _log.warning("request adapted", host=self._server.host, model=model, without=dropped)
                elif "stream" in fields:
                    refused = error
                else:
                    raise

    def _dropped(self, error: ParleyError, fields: Mapping[str, Any], model: str) -> str:
        if not isinstance(error, ParameterRefused):
            return ""
        return self._learned.learn(model, error.report, fields, _DROPPABLE)

    def _note_plain(self, model: str) -> None:
        _log.info("no unfinished pictures", host=self._server.host, model=model)
        self._plain[model] = self._clock() + _PLAIN_LIFE
        self._plain.move_to_end(model)
        if len(self._plain) > _REMEMBERED:
            self._plain.popitem(last=False)

    def _fields(self, wish: Wish, model: str) -> dict[str, Any]:
        """What is sent: as little as possible, because unknown servers refuse what they do not know."""
        shows = wish.n == 1 and self._clock() >= self._plain.get(model, float("-inf"))
        partials = min(wish.partials, _SHOWN) if shows else 0
        fields = {
            "model": model,
            "prompt": wish.prompt,
            "n": min(wish.n, MOST) if wish.n > 1 else None,
            "size": _chosen(wish.size),
            "quality": _chosen(wish.quality),
            "background": _chosen(wish.background),
            "response_format": "b64_json" if self._third_party else None,
            "stream": True if partials else None,
            "partial_images": partials or None,
        }
        return self._learned.kept(model, fields)

    async def _drawn(
        self, path: str, fields: dict[str, Any], model: str, files: tuple[Upload, ...]
    ) -> AsyncGenerator[Drawn]:
        body = Form(tuple((name, _written(value)) for name, value in fields.items()), files)
        shown, images, usage = 0, list[Image](), None
        limit = max(_SECONDS, self._client.timeouts.first_byte)
        try:
            request = self._client.request("POST", self._server, path, body if files else fields, limit=limit)
            async with request as reply, aclosing(documents(reply, model, self._hide)) as found:
                async for document in found:
                    usage = _usage(document) or usage
                    if "partial" in str(document.get("type", "")):
                        if shown < _SHOWN:
                            yield Partial(await self._image(document), shown)
                            shown += 1
                        continue
                    if "stream" in fields and not document.get("type"):
                        self._note_plain(model)  # it paid no heed
                    images += [await self._image(entry) for entry in _entries(document)[:MOST]]
                    if len(images) >= fields.get("n", 1):
                        break
        except ParleyError as error:
            if shown and not images:
                raise Interrupted(str(error)) from error
            if not images:
                raise
            _log.info("no proper end of a stream", host=self._server.host, reason=str(error))
        if not images:
            empty = EmptyAnswer(f"{self._server.host}: an answer without a picture", final=1)
            raise Interrupted(str(empty)) if shown else empty
        yield Finished(tuple(images), usage, model)

    async def _image(self, entry: Mapping[str, Any]) -> Image:
        inline, url = entry.get("b64_json"), entry.get("url")
        where = self._server.host
        if isinstance(given := inline or url, bytes):
            data = given  # it was large, see `bulk`
        elif isinstance(inline, str) and inline:
            data = decoded(inline, where)
        elif isinstance(url, str) and url.startswith("data:"):
            data = decoded(url, where)
        elif isinstance(url, str) and url and self._fetch is not None:
            here = self._server.base_url
            data = await self._fetch(url, limit=_LARGEST, seconds=_FETCH_SECONDS, base=here, own=[here])
        elif _REFUSED.search(str(entry.get("finish_reason") or entry.get("content_filter_results") or "")):
            raise Filtered(f"{where}: the picture was filtered")
        else:
            raise ServerFailed(f"{where}: an entry without a picture")
        mime = picture_type(data)
        if not mime:
            raise ServerFailed(f"{where}: what it sent is no picture")
        return Image(data, mime, str(entry.get("revised_prompt") or ""))


def picture_type(data: bytes) -> str:
    """The type of a picture by its first bytes; empty where it is none that is known."""
    for mime, pattern in _MAGIC:
        if re.match(pattern, data[:16], re.DOTALL):
            return mime
    return ""


_MAGIC = (
    ("image/png", rb"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", rb"\xff\xd8\xff"),
    ("image/webp", rb"RIFF....WEBP"),
    ("image/gif", rb"GIF8[79]a"),
)


def decoded(text: str, where: str) -> bytes:
    """The bytes of base64, with or without a `data:` in front. Raises `ServerFailed`."""
    text = text[text.index(",") + 1 :] if text.startswith("data:") and "," in text[:200] else text
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        raise ServerFailed(f"{where}: what should be base64 is none") from None


def _chosen(value: str) -> str | None:
    return value if value and value != "auto" else None


def _written(value: object) -> str:
    return "true" if value is True else str(value)


def _upload(name: str, number: int, source: Source) -> Upload:
    mime = picture_type(source.data) or source.mime
    return Upload(name, f"{name.rstrip('[]')}{number}.{mime.partition('/')[2]}", mime, source.data)


def _entries(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = document.get("data", document.get("images"))
    if isinstance(listed, list):
        return [entry for entry in listed if isinstance(entry, dict)]
    return [document] if document.get("b64_json") or document.get("url") else []


def _usage(document: Mapping[str, Any]) -> Usage | None:
    given = document.get("usage")
    if not isinstance(given, dict):
        return None
    counts = [given.get("input_tokens", 0), given.get("output_tokens", 0)]
    tokens = [n if isinstance(n, int) and n >= 0 else 0 for n in counts]
    return Usage(tokens[0], tokens[1]) if any(tokens) else None
