"""The page with the code that signs an account in, for an operator whose terminal shows none.

It stands behind a link that `parley wechat login` prints: whoever knows it sees the code, nobody else can guess it,
and it ends with the sign-in. The code is drawn by whatever process serves HTTP, from the drawer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable
from html import escape
from typing import Literal

import qrcode
from qrcode.image.svg import SvgPathImage
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from adapters._sealed import Seal
from adapters.wechat.personal.words import say
from bot.api import Store, Unavailable

PATH = "/wechat/login"
TTL = 600.0
"""Seconds for which a link is good after its last change."""

State = Literal["wait", "scanned", "verify", "done", "failed"]
_REFRESH = 3
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">{refresh}
<title>{title}</title><style>
body {{ font: 1.1rem system-ui, sans-serif; text-align: center; margin: 3rem 1rem; color: #111; background: #fff }}
svg {{ width: min(20rem, 80vw); height: auto }}
</style></head><body><h1>{title}</h1>{code}<p role="status">{state}</p></body></html>
"""


class Page:
    """The link's end. `ids` makes names that nobody can guess."""

    def __init__(
        self, store: Store, seal: Seal, *, ids: Callable[[], str] = lambda: secrets.token_urlsafe(24)
    ) -> None:
        self._store = store
        self._seal = seal
        self._ids = ids

    def new(self) -> str:
        """The name of a link."""
        return self._ids()

    async def show(self, name: str, state: State, code: str = "") -> None:
        """What the link shows from now on: the state, and the `code` to be scanned. Raises `Unavailable`."""
        await self._store.put(_key(name), self._seal.seal(json.dumps([state, code])), ttl=TTL)

    def route(self) -> Route:
        """What the HTTP server serves."""
        return Route(f"{PATH}/{{name}}", self._answer, methods=["GET"])

    async def _answer(self, request: Request) -> Response:
        try:
            opened = self._seal.open(await self._store.get(_key(request.path_params["name"])))
        except Unavailable:
            return PlainTextResponse("Please try again in a moment.", 503, {"Retry-After": "2"})
        if opened is None:
            return PlainTextResponse("Not found", 404)
        state, code = json.loads(opened)
        language = _language(request.headers.get("accept-language", ""))
        drawn = await asyncio.to_thread(svg, code) if code and state == "wait" else ""
        over = state in ("done", "failed")
        page = _PAGE.format(
            language=language,
            refresh="" if over else f'<meta http-equiv="refresh" content="{_REFRESH}">',
            title=escape(say(language, "title")),
            code=drawn,
            state=escape(say(language, state)),
        )
        return HTMLResponse(page, headers=_HEADERS)


def svg(content: str) -> str:
    """The code as a drawing for a page."""
    image = qrcode.make(content, image_factory=SvgPathImage, border=4)
    return str(image.to_string(encoding="unicode"))


def _key(name: str) -> str:
    # The name itself opens the page, so who reads Redis must not find it there.
    return f"me:login:{hashlib.sha256(name.encode()).hexdigest()}"


def _language(accepted: str) -> str:
    """The first of the browser's languages that we speak."""
    for part in accepted[:200].split(","):
        tag = part.partition(";")[0].strip()
        if tag.lower().split("-")[0] in ("en", "zh") and tag.replace("-", "").isalnum():
            return tag
    return "en"
