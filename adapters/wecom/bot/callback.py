"""`/wecom/bot`, where WeCom posts what the smart bot hears, and asks again and again for what its answer has become.

Sources: developer.work.weixin.qq.com/document/path/101039 (verification), 100719 (messages and refreshes), 101031
(streams), 101033 (encryption; the receiver is empty), 101138 (one more answer).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from adapters._body import body_of
from adapters._envelope import BODY_LIMIT, Envelope, Forged
from adapters.wecom.bot.drawer import Drawer, Page, Way
from adapters.wecom.bot.inlet import Inlet, read_json
from adapters.wecom.bot.media import Web
from adapters.wecom.bot.parse import event_of, stream_asked
from adapters.wecom.bot.script import THINKING, Script, fits
from adapters.wecom.bot.words import LANGUAGE, say
from bot.api import Accepted, Busy, Duplicate, Gone, Submit, Unavailable

PATH = "/wecom/bot"
SKEW = 300.0
"""Seconds by which a request's time may differ from ours: an older one is somebody's recording."""

ASKED = 10.0
"""Seconds within which WeCom, which asks about once a second, will have asked for the end of a stream."""

OVER = 360.0
"""Seconds after a message for which WeCom asks."""

_STREAM = re.compile(r"[0-9a-f]{32}")
_log = structlog.get_logger(__name__)


class Door:
    """The route. What was heard is safe before it is answered; a refresh is answered at once from the drawer."""

    def __init__(
        self, envelope: Envelope, inlet: Inlet, drawer: Drawer, submit: Submit, clock: Callable[[], float]
    ) -> None:
        self._envelope = envelope
        self._inlet = inlet
        self._drawer = drawer
        self._submit = submit
        self._clock = clock
        self._told: set[str] = set()

    def route(self) -> Route:
        """What the HTTP server serves."""
        return Route(PATH, self._receive, methods=["GET", "POST"])

    async def _receive(self, request: Request) -> Response:
        try:
            heard = await self._heard(request)
            if isinstance(heard, bytes):
                return Response(heard, media_type="text/plain")
            answer = await self._answer(heard)
        except Forged as forged:
            self._refused(str(forged))
            return Response(status_code=403)
        except HTTPException as fault:
            return Response(status_code=fault.status_code)
        except ClientDisconnect:
            return Response(status_code=400)
        except Unavailable as error:
            _log.warning("wecom.bot_callback_postponed", reason=str(error))
            return Response(status_code=503, headers={"Retry-After": "1"})
        return Response(status_code=200) if answer is None else await asyncio.to_thread(self._sealed, answer)

    def _refused(self, reason: str) -> None:
        if reason not in self._told:  # anybody may post here, as often as they like
            self._told.add(reason)
            remedy = "are WECOM_BOT_TOKEN and WECOM_BOT_ENCODING_AES_KEY the bot's, and is the clock right?"
            _log.warning("wecom.bot_callback_refused", reason=reason, remedy=remedy)

    async def _heard(self, request: Request) -> bytes | Mapping[str, Any]:
        """What was posted, or the echo that WeCom verifies the address by. Raises `Forged`, `HTTPException`."""
        query = {name: request.query_params.get(name, "") for name in ("msg_signature", "timestamp", "nonce")}
        if not self._fresh(query["timestamp"]):
            raise Forged("the time of the request is not now")
        if request.method in ("GET", "HEAD"):
            return self._open(request.query_params.get("echostr", ""), query)
        posted = await body_of(request, BODY_LIMIT)
        if posted is None:
            raise HTTPException(413)
        sealed = read_json(posted)
        body = None if sealed is None else read_json(self._open(str(sealed.get("encrypt") or ""), query))
        if body is None:
            raise HTTPException(400)
        return body

    async def _answer(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if event := event_of(body):
            greeting = await self._inlet.greeting(body) if event == "enter_chat" else ""
            return {"msgtype": "text", "text": {"content": greeting}} if greeting else None
        if stream := stream_asked(body):
            return await self._asked_again(stream) if _STREAM.fullmatch(stream) else None
        taken = await self._inlet.take(body, self._submit)
        if taken is None:
            _log.info("wecom.bot_unreadable", kind=str(body.get("msgtype"))[:40])
            return None
        match taken.outcome:
            case Accepted() | Duplicate():
                return await self._refreshed(taken.stream)
            case Busy(text):
                return _stream(taken.stream, text, finished=True)
            case _:
                return None

    async def _asked_again(self, stream: str) -> Mapping[str, Any]:
        if await self._drawer.way(stream) is None:
            return _stream(stream, say(LANGUAGE, "unknown"), finished=True)
        return await self._refreshed(stream)

    async def _refreshed(self, stream: str) -> Mapping[str, Any]:
        page = await self._drawer.page(stream)
        if not page.finished:
            return _stream(stream, page.text or THINKING, finished=False)
        if not await self._drawer.claim(stream, "stream"):
            way = await self._drawer.way(stream)
            return _stream(stream, say(way.language if way else LANGUAGE, "below"), finished=True)
        return _stream(stream, page.text, finished=True, items=await self._items(stream, page))

    async def _items(self, stream: str, page: Page) -> list[Mapping[str, Any]]:
        """The pictures that the end of a stream brings along."""
        files = page.final.files if page.final is not None and page.cut is None else ()
        found = [await self._drawer.kept(stream, number) for number in range(len(files))]
        return [await asyncio.to_thread(_picture, data) for data in found if data is not None]

    def _open(self, sealed: str, query: Mapping[str, str]) -> bytes:
        return self._envelope.open(sealed, query["msg_signature"], query["timestamp"], query["nonce"])

    def _sealed(self, answer: Mapping[str, Any]) -> Response:
        message = json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")
        timestamp = str(int(self._clock()))
        nonce = hashlib.sha256(message + timestamp.encode()).hexdigest()[:16]
        sealed, signature = self._envelope.seal(message, timestamp, nonce)
        outer = {"encrypt": sealed, "msgsignature": signature, "timestamp": int(timestamp), "nonce": nonce}
        return Response(json.dumps(outer), media_type="application/json")

    def _fresh(self, timestamp: str) -> bool:
        return timestamp.isdecimal() and len(timestamp) < 12 and abs(self._clock() - int(timestamp)) <= SKEW


class ByCallback:
    """A `reply.Carrier`: WeCom asks for the stream; what comes too late or is too long goes to the one address.

    That address takes one answer within an hour. A second one is refused, so a later attempt may try again.
    """

    many = False
    pace = 0.3
    keeps = 2 * OVER

    def __init__(
        self,
        drawer: Drawer,
        web: Web,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._drawer = drawer
        self._web = web
        self._clock = clock
        self._sleep = sleep

    async def grown(self, stream: str) -> None:
        """WeCom will ask."""

    async def ended(self, stream: str, way: Way) -> None:
        """Wait until WeCom has asked for the end; send what it will not ask for. Raises `Gone`, `Unavailable`."""
        page = await self._drawer.page(stream)
        if page.final is None or await self._drawer.told(stream):
            return
        await self._asked(stream, way)
        missed = bool(way.url) and await self._drawer.claim(stream, "url")
        raw = page.cut.raw if page.cut is not None else page.text
        texts = ([page.text] if missed and raw else []) + list(page.final.after)
        if missed and page.cut is None:
            texts += [say(way.language, "media.image")] * bool(page.final.files)
        if texts:
            await self._tell(stream, way, texts)
        await self._drawer.note_told(stream)

    async def _asked(self, stream: str, way: Way) -> None:
        left = min(ASKED, way.at + OVER - self._clock())
        if left <= 0:
            return
        claimed = asyncio.create_task(self._drawer.claimed(stream))
        timer = asyncio.ensure_future(self._sleep(left))
        try:
            await asyncio.wait({claimed, timer}, return_when=asyncio.FIRST_COMPLETED)
            if claimed.done():
                claimed.result()
        finally:
            claimed.cancel()
            timer.cancel()
            await asyncio.gather(claimed, timer, return_exceptions=True)

    async def _tell(self, stream: str, way: Way, texts: list[str]) -> None:
        if not way.url:
            raise Gone("there is no address for one more answer")
        answer = {"msgtype": "markdown", "markdown": {"content": _one(texts, way.language)}}
        status, data = await self._web.post(way.url, answer)
        if status >= 500 or status == 429:
            raise Unavailable(f"the address for one more answer answers {status}")
        read = read_json(data) or {}
        if status != 200 or read.get("errcode"):
            _log.warning("wecom.bot_answer_refused", status=status, errcode=read.get("errcode"))


def _one(texts: list[str], language: str) -> str:
    """One message of what was to be several; what it cannot hold is said to be missing."""
    pointer = f"\n\n{say(language, 'goes_on')}"
    script = Script(language)
    script.text("\n\n".join([*(text.removesuffix(pointer) for text in texts[:-1]), texts[-1]]))
    parts = script.parts()
    whole = parts[0].removesuffix(pointer)
    return whole if len(parts) == 1 and fits(whole) else f"{whole}\n\n{say(language, 'too_long')}"


def _stream(
    stream: str, text: str, *, finished: bool, items: list[Mapping[str, Any]] | None = None
) -> Mapping[str, Any]:
    found = {"id": stream, "finish": finished, "content": text}
    return {"msgtype": "stream", "stream": {**found, "msg_item": items} if items else found}


def _picture(data: bytes) -> Mapping[str, Any]:
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return {"msgtype": "image", "image": {"base64": base64.b64encode(data).decode(), "md5": digest}}
