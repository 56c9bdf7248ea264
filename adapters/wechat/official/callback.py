"""The address that WeChat delivers to: signatures, encryption, limits, and the form of a passive reply.

Sources: "接入概述", "消息加解密说明" and "被动回复用户消息", developers.weixin.qq.com.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from adapters._body import body_of
from adapters._envelope import BODY_LIMIT, Envelope, Forged, read_xml, verify, write_xml
from adapters.wechat.official.deliveries import Deliveries, Left, Said
from adapters.wechat.official.load import Load
from adapters.wechat.official.outbox import Outbox
from adapters.wechat.official.parse import Heard, parse
from adapters.wechat.settings import Credentials
from bot.api import Store, Submit, Unavailable

PATH = "/wechat"
SKEW = 300.0
"""Seconds that a signature's time may be off."""

MOST = 3
"""Deliveries with one signature: so often WeChat makes one."""

_NOTHING = "success"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Letter:
    """A delivery whose signature was right. `sealed`: it came encrypted and is answered so."""

    values: Mapping[str, object]
    timestamp: str
    nonce: str
    sealed: bool


class Callback:
    """GET proves that the address is ours, POST delivers. `clock` is the time of day in seconds."""

    def __init__(
        self,
        credentials: Credentials,
        store: Store,
        outbox: Outbox,
        deliveries: Deliveries,
        submit: Submit,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._credentials = credentials
        key, token = credentials.aes_key, credentials.token
        self._envelope = Envelope(token, key, credentials.app_id) if key else None
        self._store = store
        self._outbox = outbox
        self._deliveries = deliveries
        self._submit = submit
        self._clock = clock
        self._told = False

    def route(self) -> Route:
        """Where it is served."""
        return Route(PATH, self._serve, methods=["GET", "POST"])

    async def _serve(self, request: Request) -> Response:
        try:
            self._verify(request)
            if request.method != "POST":
                return PlainTextResponse(request.query_params.get("echostr", "")[:200])
            body = await body_of(request, BODY_LIMIT)
            if body is None:
                return Response(status_code=413)
            letter = self._open(request, body)
            heard = parse(letter.values, self._credentials.app_id)
            if not await self._counted(request.query_params["signature"]):
                raise Forged("it was delivered too often")
            return await self._answer(request, letter, heard)
        except ClientDisconnect:
            return Response(status_code=400)
        except Forged as error:
            return self._refused(error)
        except Unavailable as error:
            _log.warning("wechat.not_accepted", fault=str(error))
            return Response(status_code=503)

    # --- is it WeChat's -------------------------------------------------------------------------------------

    def _verify(self, request: Request) -> None:
        given, timestamp, nonce = (
            request.query_params.get(n, "") for n in ("signature", "timestamp", "nonce")
        )
        verify(given, self._credentials.token, timestamp, nonce)
        if not timestamp.isdecimal() or len(timestamp) > 12 or abs(int(timestamp) - self._clock()) > SKEW:
            raise Forged("its time is not ours")

    def _open(self, request: Request, body: bytes) -> _Letter:
        """The message. Where a key is set nothing is taken in the clear: anybody could write what is not signed."""
        query = request.query_params
        timestamp, nonce, values = query["timestamp"], query["nonce"], read_xml(body)
        encrypted = values.get("Encrypt")
        if self._envelope is None:
            if "msg_signature" in query and isinstance(encrypted, str):
                verify(query["msg_signature"], self._credentials.token, timestamp, nonce, encrypted)
                if "MsgType" not in values:
                    raise Forged("it is encrypted, and WECHAT_ENCODING_AES_KEY is not set")
            return _Letter(values, timestamp, nonce, sealed=False)
        if not isinstance(encrypted, str):
            raise Forged("it is not encrypted, and WECHAT_ENCODING_AES_KEY is set")
        opened = self._envelope.open(encrypted, query.get("msg_signature", ""), timestamp, nonce)
        return _Letter(read_xml(opened), timestamp, nonce, sealed=True)

    async def _counted(self, signature: str) -> bool:
        for count in range(MOST):
            if await self._store.put(f"signed:{signature}:{count}", "", ttl=2 * SKEW, absent=True):
                return True
        return False

    def _refused(self, error: Forged) -> Response:
        if not self._told:
            self._told = True
            remedy = (
                "are WECHAT_TOKEN and WECHAT_ENCODING_AES_KEY those of the account, and is the clock right?"
            )
            _log.warning("wechat.delivery_refused", fault=str(error), remedy=remedy)
        return Response(status_code=403)

    # --- answering ------------------------------------------------------------------------------------------

    async def _answer(self, request: Request, letter: _Letter, heard: Heard | None) -> Response:
        if heard is None:
            return PlainTextResponse(_NOTHING)
        timestamp = float(letter.timestamp)
        watching = asyncio.ensure_future(_gone(request))
        try:
            said = await self._deliveries.take(heard, timestamp, watching, self._submit)
        except Left:
            return Response(status_code=503, headers={"Connection": "close"})
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        if not (said.load.items or said.hint):
            return PlainTextResponse(_NOTHING)
        carried = partial(self._carried, said.load, heard.incoming.key)
        xml = self._sealed(letter, write_xml(reply(heard, said, int(self._clock()))))
        return Response(xml, media_type="application/xml", background=BackgroundTask(carried))

    async def _carried(self, load: Load, claimant: str) -> None:
        try:
            await self._outbox.carried(load, claimant)
        except Unavailable as error:  # it may be said once more, which is better than never
            _log.warning("wechat.carried_unnoted", fault=str(error))

    def _sealed(self, letter: _Letter, xml: str) -> str:
        if self._envelope is None or not letter.sealed:
            return xml
        encrypted, signature = self._envelope.seal(xml.encode(), letter.timestamp, letter.nonce)
        values = {"Encrypt": encrypted, "MsgSignature": signature, "TimeStamp": int(letter.timestamp)}
        return write_xml({**values, "Nonce": letter.nonce})


def reply(heard: Heard, said: Said, at: int) -> dict[str, object]:
    """The elements of a passive reply: all its texts as one, or one image or recording."""
    head = {"ToUserName": heard.incoming.place.chat, "FromUserName": heard.us, "CreateTime": at}
    for item in said.load.items:
        if item.kind != "text":
            return {**head, "MsgType": item.kind, item.kind.capitalize(): {"MediaId": item.value}}
    text = "\n\n".join(filter(None, (said.load.text, said.hint)))
    return {**head, "MsgType": "text", "Content": text}


async def _gone(request: Request) -> None:
    """Wait until the client has ended the request."""
    while (await request.receive())["type"] != "http.disconnect":
        continue


__all__ = ["PATH", "Callback"]
