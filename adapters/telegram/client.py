"""The Bot API's client: python-telegram-bot's `Bot` over aiohttp, with a token that nobody gets to read."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import aiohttp
from telegram import Bot
from telegram.error import BadRequest, InvalidToken, NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.request import BaseRequest

from adapters._body import gathered
from adapters.telegram.settings import CLOUD
from bot.api import Gone, Unavailable

Json = dict[str, Any]

DOWNLOAD_LIMIT = 20 * 2**20
"""Bytes of a file that `getFile` offers (https://core.telegram.org/bots/api#getfile: "up to 20MB")."""

_CHUNK = 64 * 1024
_CONNECTIONS = 256
_JSON = {"Content-Type": "application/json"}


class Flooded(RetryAfter):
    """Telegram asks to wait. The library's own error warns of its own future whenever it is made."""

    def __init__(self, seconds: float) -> None:
        TelegramError.__init__(self, f"Telegram asks to wait for {seconds:g} seconds")
        self._seconds = seconds

    @property
    def retry_after(self) -> float:  # type: ignore[override]
        """In seconds."""
        return self._seconds

    def __reduce__(self) -> Any:
        return type(self), (self._seconds,)


@dataclass(frozen=True, slots=True)
class Document:
    """The parameters of a request as JSON."""

    body: bytes


class AiohttpRequest(BaseRequest):
    """One connection pool for everything that the bot asks. All times in seconds.

    What goes wrong is told without the URL, because the token stands in it.
    """

    def __init__(self, *, connect: float = 10, read: float = 30, upload: float = 120) -> None:
        self._connect = connect
        self._read = read
        self._upload = upload
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float:
        """How long an answer may take where a call does not say."""
        return self._read

    async def initialize(self) -> None:
        """Nothing to do: the pool begins with the first request."""

    async def shutdown(self) -> None:
        """Close every connection; the next request begins anew."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def do_request(  # noqa: PLR0917 - the order is the library's
        self,
        url: str,
        method: str,
        request_data: Any = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """`BaseRequest.do_request`: status and body. Raises `TimedOut`, `NetworkError`.

        `request_data` is a `Document`, or the library's `RequestData` where it uploads.
        """
        uploads = not isinstance(request_data, Document)
        usual = self._upload if uploads else self._read
        read = usual if read_timeout is BaseRequest.DEFAULT_NONE else read_timeout
        body, headers = _form(request_data) if uploads else (request_data.body, _JSON)
        try:
            async with self.session().request(
                method,
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(sock_connect=self._connect, sock_read=read),
            ) as response:
                status, payload = response.status, await response.read()
        except TimeoutError:
            raise TimedOut from None
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkError(f"no connection to the Bot API: {type(error).__name__}") from None
        if status == 429 and (seconds := _retry_after(payload)):
            raise Flooded(seconds)
        return status, payload

    async def download(self, url: str, limit: int) -> bytes:
        """A file of at most `limit` bytes. Raises `Gone`, `Unavailable`."""
        try:
            async with self.session().get(
                url,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(sock_connect=self._connect, sock_read=self._read),
            ) as response:
                if response.status in (400, 403, 404, 410):
                    raise Gone(f"Telegram has no such file any more ({response.status})")
                if response.status != 200:
                    raise Unavailable(f"Telegram's file server answers {response.status}")
                return await _capped(response.content, limit)
        except (aiohttp.ClientError, OSError) as error:  # a time-out is an OSError
            raise Unavailable(f"the download broke off: {type(error).__name__}") from None

    def session(self) -> aiohttp.ClientSession:
        """The pool. A proxy in the environment is used, as everywhere in the bot."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self.USER_AGENT},
                trust_env=bool(getproxies()),
            )
        return self._session


def _discreet() -> logging.Logger:
    logger = logging.getLogger(f"{__name__}.calls")
    logger.setLevel(logging.WARNING)
    return logger


class Client(Bot):
    """The bot as Telegram knows it. `account` is its id, known before anything is asked."""

    # While debugging, the library logs its addresses, in which the token stands, and all that people say.
    _LOGGER = _discreet()

    def __init__(self, token: str, base_url: str = CLOUD, *, request: AiohttpRequest | None = None) -> None:
        self._wire = request or AiohttpRequest()
        super().__init__(
            token,
            base_url=f"{base_url}/bot",
            base_file_url=f"{base_url}/file/bot",
            request=self._wire,
            get_updates_request=self._wire,
        )
        self._account = token.partition(":")[0]
        self._cloud = base_url == CLOUD

    def __repr__(self) -> str:
        return f"Client({self._account})"

    @property
    def account(self) -> str:
        """The bot's id."""
        return self._account

    async def call(self, method: str, params: Mapping[str, Any] | None = None, *, wait: float = 0) -> Any:
        """The raw result of a method, without the library's types: making them costs more than the call.

        What is None is left out. `wait` is how many seconds longer than usual the answer may take. Raises
        `TelegramError`.
        """
        given = {name: value for name, value in (params or {}).items() if value is not None}
        # Half of a surrogate pair has no UTF-8.
        document: Any = Document(json.dumps(given, ensure_ascii=False).encode("utf-8", "replace"))
        read = self._wire.read_timeout + wait
        return await self._wire.post(f"{self._base_url}/{method}", document, read_timeout=read)

    async def file(self, file_id: str, *, limit: int = DOWNLOAD_LIMIT) -> bytes:
        """Download a file. Raises `Gone` where it cannot be had, `Unavailable` for a passing fault."""
        try:
            found = await self.call("getFile", {"file_id": file_id})
        except BadRequest as error:  # "file is too big", "wrong file_id"
            raise Gone(f"Telegram does not give the file out: {error.message}") from None
        except TelegramError as error:
            raise passing(error) from None
        path, size = str(found.get("file_path") or ""), int(found.get("file_size") or 0)
        if size > limit:
            raise Gone(f"a file of {size} bytes; at most {limit} are downloaded")
        if not path:
            raise Gone("Telegram gives no path for the file")
        if path.startswith("/"):
            return await self._local(path, limit)
        return await self._wire.download(f"{self._base_file_url}/{path}", limit)

    async def close_connections(self) -> None:
        """End every connection. Raises nothing."""
        await self._wire.shutdown()

    async def _local(self, path: str, limit: int) -> bytes:
        """What a Bot API server of our own, run with `--local`, has put on a disk that we can read.

        Telegram's own server never names such a path; that it does would mean that somebody wants our files.
        """
        if self._cloud:
            raise Gone("the file server names a path on this machine")
        try:
            data = await asyncio.to_thread(_read, Path(path), limit)
        except OSError as error:
            raise Gone(f"the Bot API server's file cannot be read here: {error.strerror}") from None
        if len(data) > limit:
            raise Gone(f"a file of more than {limit} bytes")
        return data


def passing(error: TelegramError) -> Unavailable:
    """A fault that may be over soon, in words without the token."""
    if isinstance(error, InvalidToken):
        return Unavailable("Telegram does not accept the bot's token")
    if isinstance(error, RetryAfter):
        return Unavailable("Telegram asks to wait")
    return Unavailable(f"{type(error).__name__}: {error.message}")


def _retry_after(payload: bytes) -> float:
    """The seconds in an answer with status 429; 0 where it does not say."""
    try:
        return float(json.loads(payload)["parameters"]["retry_after"])
    except (ValueError, LookupError, TypeError):
        return 0.0


def _form(data: Any) -> tuple[aiohttp.FormData, dict[str, str]]:
    form = aiohttp.FormData(list(data.json_parameters.items()), quote_fields=False)
    for name, (filename, content, mime) in data.multipart_data.items():
        form.add_field(name, content, filename=filename, content_type=mime)
    return form, {}


async def _capped(stream: aiohttp.StreamReader, limit: int) -> bytes:
    data = await gathered(stream.iter_chunked(_CHUNK), limit)
    if data is None:
        raise Gone(f"a file of more than {limit} bytes")
    return data


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)
