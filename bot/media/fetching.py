"""Downloads what a server or a person names, without being led into a private network.

The rules: http and https on their usual ports; every address that a name has must be public; the connection goes to
the addresses that were looked at, so that a name which changes its mind in between gains nothing; and all of it
anew for each redirect.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import unquote_to_bytes

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bot.errors import ForbiddenAddress, NotFetched, TooLarge

Address = IPv4Address | IPv6Address

_REDIRECTS = 3
_MEGABYTE = 1024 * 1024
_CHUNK = 64 * 1024
_PIECE = 4 * 1024 * 1024  # characters of base64 decoded at once: a few milliseconds
_HEAD = 1024  # characters in which a data URL's type must end
_TUNNELS = tuple(
    map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::ffff:0:0/96", "::/96"))
)
"""IPv6 that leads to some IPv4 address or other: NAT64, 6to4, Teredo, and addresses that only wrap one."""


def is_public(address: Address) -> bool:
    """Whether it belongs to nobody's private network: not loopback, link-local, shared, multicast or a tunnel."""
    if isinstance(address, IPv6Address) and any(address in tunnel for tunnel in _TUNNELS):
        return False
    # A multicast address counts as global to the standard library.
    return address.is_global and not address.is_multicast


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host. Raises `OSError`."""
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


@dataclass(frozen=True, slots=True)
class Net:
    """What of the network may be reached, and who knows its names."""

    ports: frozenset[int] = frozenset({80, 443})
    admits: Callable[[Address], bool] = is_public
    look_up: Callable[[str, int], Awaitable[list[str]]] = look_up


PUBLIC = Net()


async def fetch(
    url: str,
    *,
    limit: int,
    seconds: float,
    base: str = "",
    own: Collection[str] = (),
    net: Net = PUBLIC,
) -> bytes:
    """What `url` leads to: at most `limit` bytes, within `seconds`.

    A `data:` URL is decoded; a relative one is seen from `base`. `own` are the operator's own servers, as base URLs:
    what has the same scheme, host and port may be private. Raises `ForbiddenAddress`, `TooLarge`, `NotFetched`.
    """
    if url[:5].lower() == "data:":
        return await _enclosed(url, limit)
    try:
        target = URL(base).join(URL(url)) if base else URL(url)
        origins = frozenset(URL(server).origin() for server in own)
        async with asyncio.timeout(seconds):
            return await _followed(target, limit, origins, net)
    except TimeoutError:
        raise NotFetched(f"not there within {seconds:g} s") from None
    except ValueError as error:  # yarl's word for what is no URL
        raise ForbiddenAddress(f"no web address: {type(error).__name__}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise NotFetched(type(error).__name__) from error


async def _followed(url: URL, limit: int, own: Collection[URL], net: Net) -> bytes:
    for _ in range(_REDIRECTS + 1):
        private = _checked(url, own, net)
        connector = aiohttp.TCPConnector(resolver=_Watched(net, private), use_dns_cache=False)
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status in (301, 302, 303, 307, 308) and "location" in response.headers:
                url = url.join(URL(response.headers["location"]))
                continue
            if response.status != 200:
                raise NotFetched(f"status {response.status}")
            return await _read(response, limit)
    raise NotFetched(f"more than {_REDIRECTS} redirects")


def _checked(url: URL, own: Collection[URL], net: Net) -> bool:
    """Whether the URL is one of our own servers. Raises `ForbiddenAddress`."""
    if url.scheme not in ("http", "https") or not url.host or url.user or url.password:
        raise ForbiddenAddress(f"{url.scheme or 'nothing'} is not fetched")
    if url.origin() in own:
        return True
    if url.port not in net.ports:
        raise ForbiddenAddress(f"port {url.port}")
    # An address in the place of a name is connected to without a look-up, so the resolver would not see it.
    literal = _address(url.host)
    if literal is not None and not net.admits(literal):
        raise ForbiddenAddress("a private address")
    return False


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


class _Watched(AbstractResolver):
    """Looks a name up once, and hands out its addresses where all of them may be connected to."""

    def __init__(self, net: Net, private: bool) -> None:
        self._net = net
        self._private = private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = [ip_address(address) for address in await self._net.look_up(host, port)]
        if not found:
            raise OSError("no address")
        if not self._private and not all(map(self._net.admits, found)):
            raise ForbiddenAddress("a name with a private address")
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body: list[bytes] = []
    size, piece = 0, bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):  # counted as unpacked
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"more than {limit} bytes", limit=max(1, limit // _MEGABYTE))
        piece += chunk
        if len(piece) >= _CHUNK:
            body.append(bytes(piece))
            piece.clear()
    body.append(bytes(piece))
    # Megabytes of memory that is touched for the first time can be slow; a join of so many lets others run meanwhile.
    return b"".join(body) if size < _MEGABYTE else await asyncio.to_thread(b"".join, body)


async def _enclosed(url: str, limit: int) -> bytes:
    """The bytes within a `data:` URL (RFC 2397)."""
    head, comma, _ = url[:_HEAD].partition(",")
    if not comma:
        raise ForbiddenAddress("a data URL without data")
    too_large = TooLarge(f"a data URL of more than {limit} bytes", limit=max(1, limit // _MEGABYTE))
    if len(url) > 3 * limit + _HEAD:  # percent signs triple a byte
        raise too_large
    packed = unquote_to_bytes(url[len(head) + 1 :])
    data = await _unpacked(packed) if head.lower().endswith(";base64") else packed
    if len(data) > limit:
        raise too_large
    return data


async def _unpacked(packed: bytes) -> bytes:
    """Base64 decoded a piece at a time, because Python lets nothing else run meanwhile."""
    packed = packed.translate(None, b" \t\r\n")
    packed += b"=" * (-len(packed) % 4)
    data = bytearray()
    for start in range(0, len(packed), _PIECE):
        try:
            data += base64.b64decode(packed[start : start + _PIECE], validate=True)
        except binascii.Error as error:
            raise NotFetched(f"a broken data URL: {error}") from error
        await asyncio.sleep(0)
    return bytes(data)
