"""WeCom's side of a smart bot's long connection: one for a bot, strict about every frame."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import WSMsgType, web

from tests.simulators.wecom_bot.clock import Clock
from tests.simulators.wecom_bot.files import Files
from tests.simulators.wecom_bot.world import STREAM_LIFE, Broken, Chat, Exchange, Json, World

MINUTE, HOUR = 30, 1_000
ANSWER_LIFE = 86_400.0
CHUNK = 512 * 1024
LIMITS = {
    "image": 10 * 1024 * 1024,
    "voice": 2 * 1024 * 1024,
    "video": 10 * 1024 * 1024,
    "file": 20 * 1024 * 1024,
}


class Refusal(Exception):
    """An errcode."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Upload:
    """A file that is being uploaded."""

    head: Json
    pieces: dict[int, bytes] = field(default_factory=dict)


@dataclass(eq=False)
class Connection:
    """A live WebSocket, its bot subscribed or not."""

    ws: web.WebSocketResponse
    transport: asyncio.Transport
    subscribed: bool = False


class SocketSimulator(World):
    """A bot with a long connection.

    `refuse` are errcodes for the next frames of a command; with `deaf` commands nothing is acknowledged, though it is
    carried out; those of `lose` never get here. `frames` is all that came.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.bot_id = "aib-simulated"
        self.secret = "secret-simulated-0123456789"
        self.files = Files(self.clock)
        self.url = ""
        self.connection: Connection | None = None
        self.subscriptions = 0
        self.pings = 0
        self.greetings: dict[str, str] = {}
        self.frames: list[Json] = []
        self.refuse: dict[str, deque[int]] = {}
        self.deaf: set[str] = set()
        self.lose: set[str] = set()
        self.media: dict[str, tuple[str, bytes]] = {}
        self._requests: dict[str, tuple[float, Exchange | None, str]] = {}
        self._uploads: dict[str, Upload] = {}
        self._live: list[Connection] = []

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead here."""
        return {
            "WECOM_BOT_ID": self.bot_id,
            "WECOM_BOT_SECRET": self.secret,
            "WECOM_BOT_WS_URL": f"{self.url.replace('http', 'ws', 1)}/",
        }

    # --- what people do --------------------------------------------------------------------------------------

    async def says(self, sender: str, text: str | Mapping[str, Any], *, group: str = "") -> Exchange:
        """A message, pushed to the bot."""
        content = {"msgtype": "text", "text": {"content": text}} if isinstance(text, str) else dict(text)
        exchange = self.heard(sender, group, content)
        await self.deliver(exchange)
        return exchange

    async def deliver(self, exchange: Exchange) -> None:
        """Push a message, under a new `req_id`."""
        exchange.request = uuid4().hex
        self._requests[exchange.request] = (self.clock(), exchange, "")
        await self._push("aibot_msg_callback", exchange.request, exchange.body)

    async def enters(self, sender: str) -> None:
        """A person opens the chat; `greetings` has what they are told."""
        request = uuid4().hex
        self._requests[request] = (self.clock(), None, sender)
        await self._push("aibot_event_callback", request, self._event("enter_chat", sender))

    async def connected(self, times: int = 1) -> None:
        """Wait until the bot has subscribed so often."""
        await self.until(lambda: self.subscriptions >= times and self.connection is not None)

    async def kick(self) -> None:
        """Another program connects in the bot's name."""
        if self.connection is not None:
            await self._displace(self.connection)

    def forget(self, request: str) -> None:
        """A `req_id` is not good any more."""
        del self._requests[request]

    def cut(self) -> None:
        """The connection dies without a word."""
        if self.connection is not None:
            transport, self.connection = self.connection.transport, None
            transport.abort()

    # --- the wire --------------------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """GET /."""
        ws = web.WebSocketResponse(max_msg_size=2 * 1024 * 1024)
        await ws.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        connection = Connection(ws, request.transport)
        self._live.append(connection)
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    await self._frame(connection, message.data)
        finally:
            self._live.remove(connection)
            if self.connection is connection:
                self.connection = None
            self.changed()
        return ws

    async def _frame(self, connection: Connection, data: str) -> None:
        frame = json.loads(data)
        command = frame.get("cmd")
        request = (frame.get("headers") or {}).get("req_id")
        if not request or not isinstance(request, str):
            self.broken.append(f"{command} without req_id")
            return
        self.frames.append(frame)
        if command in self.lose:
            self.changed()
            return
        answer: Json = {"headers": {"req_id": request}, "errcode": 0, "errmsg": "ok"}
        try:
            body = await self._take(connection, str(command), request, frame.get("body"))
            answer |= {"body": body} if body is not None else {}
        except Refusal as refusal:
            answer |= {"errcode": refusal.code, "errmsg": str(refusal)}
        except Broken as broken:
            self.broken.append(f"{command}: {broken}")
            answer |= {"errcode": 40008, "errmsg": str(broken)}
        if command not in self.deaf and not connection.ws.closed:
            await connection.ws.send_json(answer)
        self.changed()

    async def _take(self, connection: Connection, command: str, request: str, body: Any) -> Json | None:
        faults = self.refuse.get(command)
        if faults:
            raise Refusal(faults.popleft(), "as the test wishes")
        if command == "aibot_subscribe":
            return await self._subscribe(connection, body)
        if not connection.subscribed:
            raise Refusal(846601, "not subscribed")
        if command == "ping":
            self.pings += 1
            return None
        if not isinstance(body, dict):
            raise Broken("no body")
        answering = {"aibot_respond_msg": self._respond, "aibot_respond_welcome_msg": self._welcome}
        if command in answering:
            answering[command](request, body)
            return None
        others = {
            "aibot_send_msg": self._send,
            "aibot_upload_media_init": self._begin,
            "aibot_upload_media_chunk": self._chunk,
            "aibot_upload_media_finish": self._finish,
        }
        if command not in others:
            raise Broken("there is no such command")
        return others[command](body)

    async def _subscribe(self, connection: Connection, body: Any) -> None:
        if (
            not isinstance(body, dict)
            or body.get("bot_id") != self.bot_id
            or body.get("secret") != self.secret
        ):
            raise Refusal(40001, "invalid bot_id or secret")
        if self.connection is not None and self.connection is not connection:
            await self._displace(self.connection)
        connection.subscribed = True
        self.connection = connection
        self.subscriptions += 1

    async def _displace(self, connection: Connection) -> None:
        frame = {
            "cmd": "aibot_event_callback",
            "headers": {"req_id": uuid4().hex},
            "body": self._event("disconnected_event", ""),
        }
        self.connection = None
        await connection.ws.send_json(frame)
        await connection.ws.close()

    def _event(self, kind: str, sender: str) -> Json:
        return {
            "msgid": f"E{next(self.numbers)}",
            "create_time": int(self.clock()),
            "aibotid": self.bot_id,
            **({"from": {"userid": sender}} if sender else {}),
            "msgtype": "event",
            "event": {"eventtype": kind},
        }

    async def _push(self, command: str, request: str, body: Json) -> None:
        if self.connection is not None:
            await self.connection.ws.send_json({"cmd": command, "headers": {"req_id": request}, "body": body})

    # --- answers ---------------------------------------------------------------------------------------------

    def _respond(self, request: str, body: Json) -> None:
        since, exchange, _ = self._requests.get(request, (-math.inf, None, ""))
        if exchange is None or self.clock() - since > ANSWER_LIFE:
            raise Refusal(846605, "invalid req_id")
        if body.get("msgtype") != "stream":
            raise Broken(f"a message is answered with a stream, not {body.get('msgtype')}")
        if exchange.finished or self.clock() > exchange.at + STREAM_LIFE:
            raise Refusal(846608, "stream message update expired")
        self._count(self._chat(exchange))
        self.show(exchange, body["stream"])

    def _welcome(self, request: str, body: Json) -> None:
        since, _, sender = self._requests.get(request, (-math.inf, None, ""))
        if not sender or self.clock() - since > 5 * self.clock.scale:
            raise Refusal(846605, "invalid req_id")
        if body.get("msgtype") != "text":
            raise Broken("a greeting is a text")
        self.greetings[sender] = body["text"]["content"]

    def _send(self, body: Json) -> Json | None:
        chat = self.chats.get(str(body.get("chatid")))
        if body.get("chat_type") not in (1, 2):
            raise Broken("no chat_type")
        if chat is None or chat.group != (body["chat_type"] == 2):
            raise Refusal(846607, "no conversation")
        kind = str(body.get("msgtype"))
        if kind in LIMITS:
            found = self.media.get(body[kind]["media_id"])
            if found is None or found[0] != kind:
                raise Refusal(40007, "invalid media_id")
        elif kind != "markdown":
            raise Broken(f"no message of the kind {kind}")
        self._count(chat)
        self.add(chat, body)
        return None

    def _chat(self, exchange: Exchange) -> Chat:
        return next(chat for chat in self.chats.values() if exchange in chat.exchanges)

    def _count(self, chat: Chat) -> None:
        now = self.clock()
        chat.stamps = [stamp for stamp in chat.stamps if now - stamp < 3600]
        if len(chat.stamps) >= HOUR or sum(now - stamp < 60 for stamp in chat.stamps) >= MINUTE:
            raise Refusal(45009, "reach max api daily quota limit")
        chat.stamps.append(now)

    # --- uploads ---------------------------------------------------------------------------------------------

    def _begin(self, body: Json) -> Json:
        size, limit = body.get("total_size"), LIMITS.get(str(body.get("type")))
        if not isinstance(size, int) or limit is None or not 5 < size <= limit or not body.get("filename"):
            raise Refusal(40009, "invalid media size")
        if body.get("total_chunks") != math.ceil(size / CHUNK) or body["total_chunks"] > 100:
            raise Broken("so many pieces do not make the file")
        self._uploads[id := uuid4().hex] = Upload(body)
        return {"upload_id": id}

    def _chunk(self, body: Json) -> Json | None:
        upload = self._uploads.get(str(body.get("upload_id")))
        if upload is None:
            raise Refusal(40007, "invalid upload_id")
        piece = base64.b64decode(body["base64_data"], validate=True)
        if len(piece) > CHUNK or not 0 <= body["chunk_index"] < upload.head["total_chunks"]:
            raise Broken("not one of the pieces")
        upload.pieces[body["chunk_index"]] = piece
        return None

    def _finish(self, body: Json) -> Json:
        upload = self._uploads.pop(str(body.get("upload_id")), None)
        if upload is None:
            raise Refusal(40007, "invalid upload_id")
        data = b"".join(upload.pieces[number] for number in sorted(upload.pieces))
        if (
            len(data) != upload.head["total_size"]
            or hashlib.md5(data, usedforsecurity=False).hexdigest() != upload.head["md5"]
        ):
            raise Broken("the file is not whole")
        self.media[id := uuid4().hex] = (upload.head["type"], data)
        return {"type": upload.head["type"], "media_id": id, "created_at": str(int(self.clock()))}

    async def close(self) -> None:
        """End every connection."""
        for connection in list(self._live):
            await connection.ws.close()


@asynccontextmanager
async def socket_simulator(clock: Clock | None = None) -> AsyncIterator[SocketSimulator]:
    """It runs on loopback. What the bot did wrong is raised at the end."""
    sim = SocketSimulator(clock)
    app = web.Application()
    app.router.add_get("/", sim.serve)
    app.router.add_get("/file/{name}", sim.files.get)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sim.url = sim.files.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield sim
    finally:
        await sim.close()
        await runner.cleanup()
    assert sim.broken == []
