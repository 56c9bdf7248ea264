"""Files of the smart bot's messages: how they are referred to, downloaded and opened, and which may be sent."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from collections.abc import Collection
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from adapters._body import gathered
from adapters._envelope import Forged, media_opened
from adapters._sealed import Seal
from adapters.wecom.bot.drawer import File
from bot.api import Gone, Media, Unavailable

PREFIX = "bot:"
DOWNLOAD_LIMIT = 20 * 1024 * 1024
"""Bytes."""

IMAGE_LIMIT = 10 * 1024 * 1024
VIDEO_LIMIT = 10 * 1024 * 1024
VOICE_LIMIT = 2 * 1024 * 1024
FILE_LIMIT = 20 * 1024 * 1024
"""Bytes of what the bot may send (WecomTeam/wecom-openclaw-plugin, `src/const.ts`)."""

STREAM_IMAGES = 10
"""Pictures that the end of a stream may bring along (developer.work.weixin.qq.com/document/path/101031)."""

LEAST = 5
"""Bytes that an upload has to be longer than (developer.work.weixin.qq.com/document/path/101463)."""

# An IPv4 address is at the end of these, by NAT64 too.
_WRAPS = ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")  # NAT64 of a network's own, wherever it leads (RFC 8215)
_ANSWER_LIMIT = 64 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10)
_ENDINGS = {
    "application/pdf": "pdf",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/flac": "flac",
    "audio/mp3": "mp3",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "text/csv": "csv",
    "text/markdown": "md",
    "text/plain": "txt",
    "video/mp4": "mp4",
    "video/webm": "webm",
}


class References:
    """The `ref` of an attachment: an address that is good for five minutes, and the key of the file, both sealed."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def seal(self, url: str, key: str) -> str:
        """`key` is empty where the file is under the callback's own."""
        return PREFIX + self._seal.seal(json.dumps([url, key]))

    def open(self, ref: str) -> tuple[str, str]:
        """The address and the key. Raises `Gone`."""
        opened = self._seal.open(ref.removeprefix(PREFIX))
        if opened is None:
            raise Gone("this is no reference to a file of the smart bot's")
        url, key = json.loads(opened)
        return str(url), str(key)


class Web:
    """Fetches from and posts to addresses that came with a message: never one of this machine's own network.

    `trusted` are host names that may lead anywhere: those of the operator's own settings.
    """

    def __init__(self, trusted: Collection[str] = ()) -> None:
        self._trusted = frozenset(trusted)
        self._session: aiohttp.ClientSession | None = None

    async def download(self, url: str, limit: int = DOWNLOAD_LIMIT) -> bytes:
        """At most `limit` bytes. Raises `Gone`, `Unavailable`."""
        status, data = await self._ask("GET", url, None, limit)
        if status >= 500 or status == 429:
            raise Unavailable(f"the file's server answers {status}")
        if status != 200:
            raise Gone(f"the file's server answers {status}")
        return data

    async def post(self, url: str, body: object) -> tuple[int, bytes]:
        """POST `body` as JSON; the status and what came back. Raises `Gone`, `Unavailable`."""
        return await self._ask("POST", url, body, _ANSWER_LIMIT)

    async def close(self) -> None:
        """End every connection."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, method: str, url: str, body: object, limit: int) -> tuple[int, bytes]:
        self._allow(url)
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        headers = {} if body is None else {"Content-Type": "application/json; charset=utf-8"}
        try:
            async with self._opened().request(
                method, url, data=data, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as response:
                return response.status, await _capped(response, limit)
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, Private):
                raise Gone("the address leads into a private network") from None
            raise Unavailable(f"the server cannot be reached: {type(error).__name__}") from None
        except aiohttp.InvalidURL:
            raise Gone("this is no address") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # The text of such an error may hold the address, and with it what opens the file.
            raise Unavailable(f"the server cannot be reached: {type(error).__name__}") from None

    def _allow(self, url: str) -> None:
        try:
            parts = urlsplit(url)
        except ValueError:
            raise Gone("this is no address") from None
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host:
            raise Gone("this is no address")
        if host in self._trusted:
            return
        if parts.scheme != "https" or (_is_address(host) and not is_public(host)):
            raise Gone("the address leads into a private network, or is open to eavesdroppers")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(resolver=_Public(self._trusted))
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


class Private(OSError):
    """A name that leads into a private network."""


class _Public(AbstractResolver):
    """Resolves names to public addresses only; the address that was looked at is the one that is connected to."""

    def __init__(self, trusted: Collection[str]) -> None:
        self._trusted = trusted
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = [one for one in found if host in self._trusted or is_public(one["host"])]
        if not allowed:
            raise Private(host)
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


async def opened(sealed: bytes, key: str) -> bytes:
    """A downloaded file, without its encryption. Raises `Gone`."""
    try:
        return await asyncio.to_thread(media_opened, sealed, key)
    except (Forged, ValueError) as error:
        raise Gone(f"the file cannot be opened: {error}") from None


def in_a_stream(media: Media) -> bool:
    """Whether the end of a stream may show it: PNG or JPEG."""
    return _mime(media) in ("image/png", "image/jpeg") and 0 < len(media.data) <= IMAGE_LIMIT


def as_file(media: Media) -> File | None:
    """How it can be sent as a message: as what it is, else as a file; None where it is too large for that."""
    mime, size = _mime(media), len(media.data)
    if not LEAST < size <= FILE_LIMIT:
        return None
    kind: Literal["image", "voice", "video", "file"] = "file"
    if mime in ("image/png", "image/jpeg", "image/gif") and size <= IMAGE_LIMIT:
        kind = "image"
    elif mime == "audio/amr" and size <= VOICE_LIMIT:
        kind = "voice"
    elif mime == "video/mp4" and size <= VIDEO_LIMIT:
        kind = "video"
    return File(kind, media.name or f"{media.kind}.{_ENDINGS.get(mime, 'bin')}")


def _mime(media: Media) -> str:
    return media.mime.partition(";")[0].strip().lower()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether it leads to nobody's private network, by whatever way IPv6 goes to an IPv4 address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner: ipaddress.IPv4Address | None = None
    if isinstance(found, ipaddress.IPv6Address):
        if found in _LOCAL:
            return False
        wrapped = any(found in wrap for wrap in _WRAPS)
        inner = (
            ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
            if wrapped
            else found.ipv4_mapped or found.sixtofour
        )
    return (inner or found).is_global and not found.is_multicast


async def _capped(response: aiohttp.ClientResponse, limit: int) -> bytes:
    data = await gathered(response.content.iter_chunked(65536), limit)
    if data is None:
        raise Gone(f"more than {limit} bytes")
    return data
