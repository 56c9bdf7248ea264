"""One HTTP client for all servers: keys, time-outs, and every way in which a connection can fail."""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any
from urllib.request import getproxies

import aiohttp
import httpx

from bot.endpoints.failures import failure
from bot.endpoints.report import redaction, report, retry_after
from bot.endpoints.settings import Server
from bot.errors import ParleyError, ServerFailed, TimedOut, Unreachable, WrongAddress

_ERROR_LIMIT = 64 * 1024  # bytes of an error's body
_PIECE = 256 * 1024  # bytes that are sent in one write
DOCUMENT_LIMIT = 16 * 1024 * 1024
"""Bytes of a reply that is one JSON document."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds: to connect; to the first byte of the reply; between two of them; after the answer.

    `linger` is for what may follow a finished answer, such as its usage; `drain` for the end of the body behind
    `[DONE]`, so that the connection can be used again. `sip` is the least time between two looks at an answer that
    has begun: models speak in pieces of a few letters, and what is read together costs once.
    """

    connect: float = 10
    first_byte: float = 120
    idle: float = 90
    linger: float = 3
    drain: float = 0.1
    sip: float = 0.05


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a form: the field that it stands in, its name with the right ending, its type and its bytes."""

    field: str
    name: str
    mime: str
    data: bytes = dataclass_field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """A body of the type multipart/form-data (RFC 7578): `fields` are names and texts, in order."""

    fields: tuple[tuple[str, str], ...]
    files: tuple[Upload, ...] = ()

    @property
    def model(self) -> str:
        """The model that is asked."""
        return dict(self.fields).get("model", "")

    def encoded(self, boundary: str) -> bytes:
        """The bytes of the body; `boundary` must not be found in them."""
        pieces: list[bytes] = []
        for name, text in self.fields:
            pieces += [_disposition(boundary, name), b"\r\n", text.encode("utf-8", "replace"), b"\r\n"]
        for file in self.files:
            kind = f"Content-Type: {file.mime}\r\n\r\n".encode()
            pieces += [_disposition(boundary, file.field, file.name), kind, file.data, b"\r\n"]
        return b"".join([*pieces, f"--{boundary}--\r\n".encode()])


def _disposition(boundary: str, name: str, file: str = "") -> bytes:
    # Names go as they are, with what would end them written as browsers write it (HTML standard, 4.10.21.8).
    escape = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
    named = f'; filename="{file.translate(escape)}"' if file else ""
    line = f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(escape)}"{named}\r\n'
    return line.encode()


class Response:
    """The body of a good reply, in pieces."""

    def __init__(
        self, response: aiohttp.ClientResponse, server: Server, deadline: float, idle: float
    ) -> None:
        self.kind = response.headers.get("content-type", "").lower().partition(";")[0].strip()
        self.html = self.kind == "text/html"
        self.server = server
        self._body = response.content
        self._deadline: float | None = deadline
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._read = 0.0  # when, by the loop's clock
        self._gathering: asyncio.Future[None] | None = None
        self._body.on_eof(self._wake)

    async def piece(self, limit: float | None = None) -> bytes:
        """The next bytes, or none at the end, within `limit` seconds. Raises `TimedOut`, `ServerFailed`."""
        try:
            piece = self._body.read_nowait() or await self._arrival(limit)
        except TimeoutError:
            raise TimedOut(f"{self.server.host}: silent for too long") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _broken(error, self.server) from error
        self._deadline = None
        self._read = self._loop.time()
        return piece

    async def gather(self, seconds: float) -> None:
        """Let bytes come until the last piece is `seconds` old, or the body has ended."""
        wait = self._read + seconds - self._loop.time()
        if wait <= 0 or self._body.is_eof():
            return
        self._gathering = self._loop.create_future()
        timer = self._loop.call_later(wait, self._wake)
        try:
            await self._gathering
        finally:
            timer.cancel()

    async def rest(self, begun: bytes = b"", limit: int = DOCUMENT_LIMIT) -> bytes:
        """All of the body behind `begun`, together with it. Raises `ServerFailed` where it is too long."""
        body = bytearray(begun)
        while piece := await self.piece():
            body += piece
            if len(body) > limit:
                raise ServerFailed(f"{self.server.host}: a reply of more than {limit} bytes")
        return bytes(body)

    async def _arrival(self, limit: float | None) -> bytes:
        deadline = self._deadline
        if deadline is None:
            deadline = self._loop.time() + (self._idle if limit is None else limit)
        async with asyncio.timeout_at(deadline):
            return await self._body.readany()

    def _wake(self) -> None:
        if self._gathering is not None and not self._gathering.done():
            self._gathering.set_result(None)


class Client:
    """Asks servers. No redirect is followed, because it would carry the key away; close it when done.

    `now` is the wall clock, for dates in `Retry-After`; `boundary` makes what parts the fields of a form, and must
    not be found in what people send.
    """

    def __init__(
        self,
        timeouts: Timeouts | None = None,
        *,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        now: Callable[[], float] = time.time,
        boundary: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.timeouts = timeouts or Timeouts()
        self._new_id = new_id
        self._now = now
        self._boundary = boundary
        self._tls = httpx.create_ssl_context()  # at the start: reading the certificates blocks
        self._http: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def request(
        self,
        method: str,
        server: Server,
        path: str,
        body: Mapping[str, Any] | Form | None = None,
        *,
        accept: str = "text/event-stream, application/json",
        limit: float = 0,
    ) -> AsyncIterator[Response]:
        """The reply to a request, if it is a good one; leaving the block closes the connection.

        `body` is sent as JSON, or as a form; `accept` are the types that its reply may have. `limit` is the time to
        the first byte in seconds, 0 for the usual one. Raises what `failures.failure` knows, and `Unreachable`,
        `TimedOut`, `ServerFailed`, `WrongAddress`.
        """
        deadline = asyncio.get_running_loop().time() + (limit or self.timeouts.first_byte)
        async with await self._send(method, server, path, body, accept, deadline) as response:
            reply = Response(response, server, deadline, self.timeouts.idle)
            if response.status >= 300:
                model = body.model if isinstance(body, Form) else str((body or {}).get("model", ""))
                raise await self._failure(response, reply, model)
            yield reply

    async def document(self, server: Server, path: str, *, limit: float = 0) -> Any:
        """A JSON document. Raises as `request` does."""
        async with self.request("GET", server, path, limit=limit) as reply:
            body = await reply.rest()
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise WrongAddress(f"{server.url(path)} does not answer in JSON") from None

    async def close(self) -> None:
        """Close all connections."""
        session, self._http = self._http, None
        if session is not None:
            await session.close()

    async def _body(self, body: Mapping[str, Any] | Form | None) -> tuple[bytes, str]:
        """The bytes of a body, and their type."""
        if body is None:
            return b"", ""
        if isinstance(body, Form):
            boundary = f"parley-{self._boundary()}"
            # Recordings have megabytes, and a join of so many lets others run meanwhile.
            return await asyncio.to_thread(
                body.encoded, boundary
            ), f"multipart/form-data; boundary={boundary}"
        return _encoded(body), "application/json"

    def _headers(self, server: Server, kind: str, accept: str) -> dict[str, str]:
        headers = {"X-Client-Request-Id": self._new_id(), "Accept": accept}
        if kind:
            # A proxy that compresses a stream also holds it back.
            headers |= {"Accept-Encoding": "identity", "Content-Type": kind}
        if server.key is not None:
            headers["Authorization"] = f"Bearer {server.key.get_secret_value()}"
            if server.host.endswith(".azure.com"):
                headers["api-key"] = server.key.get_secret_value()  # older deployments know no Bearer key
        if server.organization:
            headers["OpenAI-Organization"] = server.organization
        if server.project:
            headers["OpenAI-Project"] = server.project
        return headers

    async def _send(  # noqa: PLR0917 - the parts of one request
        self,
        method: str,
        server: Server,
        path: str,
        body: Mapping[str, Any] | Form | None,
        accept: str,
        deadline: float,
    ) -> aiohttp.ClientResponse:
        sent, kind = await self._body(body)
        headers = self._headers(server, kind, accept if kind else "application/json")
        # What is large goes as a file does, piece by piece, because one long write would hold up all others.
        data = io.BytesIO(sent) if len(sent) > _PIECE else sent
        try:
            async with asyncio.timeout_at(deadline):
                return await self._session().request(
                    method, server.url(path), data=data or None, headers=headers, allow_redirects=False
                )
        except (aiohttp.ClientError, ValueError) as error:
            # ValueError: aiohttp found a password for the host in ~/.netrc, and we bring a key
            raise _broken(error, server) from error
        except TimeoutError:
            raise TimedOut(f"{server.host}: no reply in time") from None
        except OSError as error:
            raise _broken(error, server) from error

    def _session(self) -> aiohttp.ClientSession:
        # aiohttp reads proxies and ~/.netrc with each request, so it is asked to only where there is a proxy.
        if self._http is None:
            connect = self.timeouts.connect
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, ttl_dns_cache=60, keepalive_timeout=30, ssl=self._tls
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "parley"},
                timeout=aiohttp.ClientTimeout(connect=connect, sock_connect=connect),
                trust_env=bool(getproxies()),
            )
        return self._http

    async def _failure(self, response: aiohttp.ClientResponse, reply: Response, model: str) -> ParleyError:
        server = reply.server
        hide = redaction(server.key.get_secret_value() if server.key else "")
        if response.status < 400:
            target = re.sub(r"[?#].*", "", response.headers.get("location", ""))[:200]
            return WrongAddress(f"{server.host}: {response.status}, redirects to {hide(target)}")
        body = b""
        try:
            while len(body) < _ERROR_LIMIT and (piece := await reply.piece()):
                body += piece
        except ParleyError as broken:  # the status alone says enough
            body = body or str(broken).encode()
        given = report(response.status, body[:_ERROR_LIMIT], hide)
        wait = retry_after(response.headers, self._now())
        error = failure(given, server.host, model=model, retry_after=wait)
        if response.headers.get("x-should-retry") == "false":
            error.values["final"] = 1
        return error


def _encoded(body: Mapping[str, Any]) -> bytes:
    # Half of a surrogate pair, as JSON from elsewhere may hold, has no UTF-8.
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _broken(error: Exception, server: Server) -> ParleyError:
    """The error that a failed connection stands for."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return Unreachable(f"{server.host}: no secure connection: {type(error).__name__}", final=1)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return Unreachable(f"{server.host}: the proxy does not let us through")
        case aiohttp.ClientConnectorError():
            return Unreachable(f"{server.host}: {error.strerror or type(error).__name__}")
        case aiohttp.ServerTimeoutError():
            return Unreachable(f"{server.host}: no connection in time")
        case aiohttp.InvalidURL() | ValueError():
            return Unreachable(
                f"{server.host}: {type(error).__name__}; is there a password in ~/.netrc?", final=1
            )
        case _:
            return ServerFailed(f"{server.host}: the connection broke: {type(error).__name__}")
