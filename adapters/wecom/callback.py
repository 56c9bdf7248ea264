"""`/wecom`, where WeCom posts what the app and customer service hear: genuine requests only, 200 for what is safe."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from adapters._body import body_of
from adapters._envelope import BODY_LIMIT, Forged, read_xml
from adapters.wecom.settings import Callback
from bot.api import Submit, Unavailable

PATH = "/wecom"
SKEW = 300.0
"""Seconds by which a request's time may differ from ours: an older one is somebody's recording."""

_KF_EVENT = "kf_msg_or_event"
_log = structlog.get_logger(__name__)


class Heard(Protocol):
    """A line that takes what the callback has opened."""

    async def take(self, message: Mapping[str, object], submit: Submit) -> None:
        """Returns when the message is safe. Raises `Unavailable`."""


class Door:
    """The route. Source: developer.work.weixin.qq.com/document/path/90930 (verification within a second, up to three
    deliveries, five seconds each) and 94670 (customer service)."""

    def __init__(
        self,
        callback: Callback,
        submit: Submit,
        *,
        app: Heard | None,
        kf: Heard | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._envelope = callback.envelope()
        self._submit = submit
        self._app, self._kf = app, kf
        self._clock = clock
        self._told: set[str] = set()

    def route(self) -> Route:
        """What the HTTP server serves."""
        return Route(PATH, self._receive, methods=["GET", "POST"])

    async def _receive(self, request: Request) -> Response:
        query = {name: request.query_params.get(name, "") for name in ("msg_signature", "timestamp", "nonce")}
        if not self._fresh(query["timestamp"]):
            return self._refused("the time of the request is not now")
        if request.method in ("GET", "HEAD"):
            return self._echo(request.query_params.get("echostr", ""), query)
        try:
            body = await body_of(request, BODY_LIMIT)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response(status_code=413)
        try:
            sealed = read_xml(body).get("Encrypt")
            message = read_xml(self._open(str(sealed or ""), query))
        except Forged as forged:
            return self._refused(str(forged))
        return await self._take(message)

    async def _take(self, message: Mapping[str, object]) -> Response:
        kf = message.get("Event") == _KF_EVENT
        line = self._kf if kf else self._app
        if line is None:
            _log.info("wecom.callback_unexpected", kind=str(message.get("Event", ""))[:40])
            return Response(status_code=200)
        try:
            await line.take(message, self._submit)
        except Unavailable as error:
            _log.warning("wecom.callback_postponed", reason=str(error))
            return Response(status_code=503, headers={"Retry-After": "1"})
        return Response(status_code=200)

    def _echo(self, echo: str, query: Mapping[str, str]) -> Response:
        try:
            return Response(self._open(echo, query), media_type="text/plain")
        except Forged as forged:
            return self._refused(str(forged))

    def _open(self, sealed: str, query: Mapping[str, str]) -> bytes:
        return self._envelope.open(sealed, query["msg_signature"], query["timestamp"], query["nonce"])

    def _fresh(self, timestamp: str) -> bool:
        return timestamp.isdecimal() and len(timestamp) < 12 and abs(self._clock() - int(timestamp)) <= SKEW

    def _refused(self, reason: str) -> Response:
        if reason not in self._told:  # anybody may post here, as often as they like
            self._told.add(reason)
            remedy = (
                "are WECOM_TOKEN and WECOM_ENCODING_AES_KEY those of the callback, and is the clock right?"
            )
            _log.warning("wecom.callback_refused", reason=reason, remedy=remedy)
        return Response(status_code=403)
