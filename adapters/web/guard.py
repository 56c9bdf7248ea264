"""Which requests are let in, what a browser may do with our pages, and how a refusal is told."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.requests import Request

from adapters._body import body_of
from bot.api import Host

BODY_LIMIT = 256 * 1024

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; "
        "manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
)


class Refusal(Exception):
    """The request is not served. `key` is a sentence of `words`, or `text` is the sentence itself."""

    def __init__(self, status: int, key: str = "", *, text: str = "", retry_after: int = 0) -> None:
        super().__init__(f"{status} {key or text}")
        self.status = status
        self.key = key
        self.text = text
        self.headers = {"Retry-After": str(retry_after)} if retry_after else {}
        if status == 408:  # the rest of the request is not read (RFC 9110, 15.5.9)
            self.headers["Connection"] = "close"


class Guard:
    """Keeps out pages of other sites that want to talk to this server with the person's browser.

    A name that leads here without our knowledge is DNS rebinding, so only names that the operator gave are
    answered, and addresses: an address cannot be rebound. A write by a cookie must come from our own page
    (https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html).
    """

    def __init__(self, host: Host) -> None:
        self._public = _authority(host.public_url)
        self._names = {"localhost", host.http_host.lower(), _name(self._public)} - {""}

    def admit(self, request: Request) -> None:
        """Raises `Refusal`."""
        authority = request.headers.get("host", "").lower()
        if not self._known(authority):
            raise Refusal(403, "host")
        origin = request.headers.get("origin")
        if request.method != "POST" or origin is None or bearer(request):
            return
        # A form on a page with `no-referrer` has the origin `null` (https://fetch.spec.whatwg.org/#origin-header).
        own = origin == "null" and request.headers.get("sec-fetch-site") == "same-origin"
        if not own and _authority(origin) not in {authority, self._public} - {""}:
            raise Refusal(403, "origin")

    def _known(self, authority: str) -> bool:
        name = _name(authority)
        return name in self._names or _is_address(name)


def bearer(request: Request) -> str:
    """The token of an `Authorization: Bearer` header, or nothing."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def body(request: Request, limit: int = BODY_LIMIT, key: str = "too_large") -> bytes:
    """The body, read no further than `limit` bytes. Raises `Refusal` with the sentence `key`."""
    found = await body_of(request, limit)
    if found is None:
        raise Refusal(413, key)
    return found


def _authority(url: str) -> str:
    """Host and port of a URL; empty where it is none."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _name(authority: str) -> str:
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
