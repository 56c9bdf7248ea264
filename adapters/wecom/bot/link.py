"""One connection to WeCom: frames out and their acknowledgements, frames in, signs of life.

Source: developer.work.weixin.qq.com/document/path/101463. A frame is JSON: `cmd`, `headers.req_id`, `body`; what
answers one has its `req_id`, and an `errcode`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

import aiohttp

from adapters.wecom.bot.inlet import read_json
from adapters.wecom.bot.parse import event_of

SUBSCRIBE = "aibot_subscribe"
PING = "ping"
HEARD = "aibot_msg_callback"
HAPPENED = "aibot_event_callback"
RESPOND = "aibot_respond_msg"
WELCOME = "aibot_respond_welcome_msg"
SEND = "aibot_send_msg"

PATIENCE = 10.0
"""Seconds that an acknowledgement may take."""

_MISSED = 2  # signs of life without an answer, after which the connection counts as lost


class Lost(Exception):
    """The connection is gone, or nobody is there any more."""


class Kicked(Lost):
    """Another connection for the same bot has taken the place of this one."""


class Declined(Exception):
    """WeCom said no. `code` is its errcode."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"{code}: {detail[:200]}")
        self.code = code


class Link:
    """`heard` is given every message and event; it must not wait. `ids` makes names that never come twice."""

    def __init__(
        self,
        ws: aiohttp.ClientWebSocketResponse,
        heard: Callable[[Mapping[str, Any]], None],
        *,
        patience: float = PATIENCE,
        ids: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self._ws = ws
        self._heard = heard
        self._patience = patience
        self._ids = ids
        self._waiting: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._over = False

    async def call(
        self, command: str, body: Mapping[str, Any] | None = None, *, request: str = ""
    ) -> Mapping[str, Any]:
        """Send a frame and wait for what acknowledges it: its `body`. Raises `Declined`, `Lost`.

        `request` is the `req_id` of what it answers; two answers to the same must not overlap.
        """
        request = request or f"{command}_{self._ids()}"
        if self._over or request in self._waiting:
            raise Lost("there is no connection")
        frame = {"cmd": command, "headers": {"req_id": request}, **({} if body is None else {"body": body})}
        waiting = self._waiting[request] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._patience):
                await self._ws.send_str(json.dumps(frame, ensure_ascii=False))
                answer = await waiting
        except TimeoutError:
            raise Lost("WeCom does not answer") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Lost(type(error).__name__) from None
        finally:
            del self._waiting[request]
        code = answer.get("errcode") or 0
        if code:
            raise Declined(int(code), str(answer.get("errmsg") or ""))
        found = answer.get("body")
        return found if isinstance(found, dict) else {}

    async def read(self) -> None:
        """Take what comes until the connection ends. Raises `Lost`, `Kicked`."""
        try:
            async for message in self._ws:
                frame = read_json(message.data) if message.type is aiohttp.WSMsgType.TEXT else None
                if frame is not None:
                    self._take(frame)
        finally:
            self._over = True
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(Lost("the connection ended"))
        raise Lost("WeCom ended the connection")

    async def live(self, every: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Show signs of life, until WeCom shows none. Raises `Lost`."""
        missed = 0
        while missed < _MISSED:
            await sleep(every)
            try:
                await self.call(PING)
                missed = 0
            except (Lost, Declined):
                missed += 1
        raise Lost("WeCom shows no sign of life")

    async def close(self) -> None:
        """End it."""
        self._over = True
        await self._ws.close()

    def _take(self, frame: Mapping[str, Any]) -> None:
        headers, command = frame.get("headers"), frame.get("cmd")
        request = str(headers.get("req_id") or "") if isinstance(headers, dict) else ""
        if command in (HEARD, HAPPENED):
            body = frame.get("body")
            if isinstance(body, dict) and event_of(body) == "disconnected_event":
                raise Kicked("another connection for the same bot")
            self._heard(frame)
        elif (waiting := self._waiting.get(request)) is not None and not waiting.done():
            waiting.set_result(frame)
