"""What may go wrong between a bot and Telegram, ordered by a test and suffered by the next requests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tests.simulators.telegram.schema import Refused

_ANY = "*"


class _CutOff(Response):
    """An answer that is never complete: uvicorn drops its connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1000"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


@dataclass(slots=True)
class Fault:
    """What befalls the next `times` requests, before or `after` they are carried out."""

    kind: str  # fail | hang | cut
    times: int
    answer: Response | None = None
    gate: asyncio.Event | None = None
    after: bool = False

    async def befall(self) -> Response | None:
        """What is answered instead; None where the request was only held."""
        if self.gate is not None:
            await self.gate.wait()
            return None
        return self.answer or _CutOff()


class Faults:
    """The faults that have not come yet, by method ("*" for all, "download" for files)."""

    def __init__(self) -> None:
        self._faults: dict[str, deque[Fault]] = {}

    def fail(
        self,
        method: str = _ANY,
        times: int = 1,
        error_code: int = 500,
        description: str = "Internal Server Error",
        parameters: Mapping[str, Any] | None = None,
        *,
        body: bytes | None = None,
        after: bool = False,
    ) -> None:
        """Refuse the next calls of a method ("download" for files); `after` they were carried out, if wished.

        `body` is sent in place of the JSON, as a proxy's page.
        """
        answer: Response = JSONResponse(Refused(error_code, description, parameters).body(), error_code)
        if body is not None:
            answer = Response(body, error_code, media_type="text/html")
        self._fault(method, Fault("fail", times, answer, after=after))

    def hang(self, method: str, event: asyncio.Event, times: int = 1, *, after: bool = False) -> None:
        """Hold the next calls of a method until the event, before or `after` they are carried out."""
        self._fault(method, Fault("hang", times, gate=event, after=after))

    def cut(self, method: str, times: int = 1, *, after: bool = True) -> None:
        """Drop the connection of the next calls; they are carried out first unless `after` is false."""
        self._fault(method, Fault("cut", times, after=after))

    def heal(self) -> None:
        """Forget the faults that have not come yet."""
        self._faults.clear()

    def next_fault(self, method: str) -> Fault | None:
        """The fault that a request suffers."""
        for key in (method.lower(), _ANY):
            if queue := self._faults.get(key):
                queue[0].times -= 1
                return queue.popleft() if queue[0].times <= 0 else queue[0]
        return None

    def _fault(self, method: str, fault: Fault) -> None:
        self._faults.setdefault(method.lower(), deque()).append(fault)
