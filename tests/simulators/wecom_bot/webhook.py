"""WeCom's side of a smart bot's callback: it posts messages, asks for streams, and takes one more answer each.

The envelope is wechatpy's, so that ours is not tested with itself.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from wechatpy.crypto import _get_signature
from wechatpy.enterprise.crypto import PrpCrypto

from tests.simulators.wecom_bot.clock import Clock
from tests.simulators.wecom_bot.files import Files
from tests.simulators.wecom_bot.world import STREAM_LIFE, Broken, Exchange, Json, World

ASK = 1.0  # seconds between two questions for a stream
URL_LIFE = 3600.0
DELIVERIES = 3
AT_ONCE = 3  # unanswered messages of a person
PICTURE_LIMIT = 10 * 1024 * 1024


class WebhookSimulator(World):
    """A bot with a callback. `limit` is how many seconds of ours an answer may take."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.token = "token-simulated"
        self.key = base64.b64encode(bytes(range(7, 39))).decode().rstrip("=")
        self.limit = 5.0
        self.files = Files(self.clock)
        self.url = ""
        self.asking = True
        self.asked = 0
        self.used: list[str] = []
        self._bot = ""
        self._session: aiohttp.ClientSession | None = None
        self._codes: dict[str, tuple[float, str]] = {}
        self._polling: set[asyncio.Task[None]] = set()

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead here."""
        return {
            "WECOM_BOT_TOKEN": self.token,
            "WECOM_BOT_ENCODING_AES_KEY": self.key,
            "WECOM_BOT_WS_URL": self.url.replace("http", "ws", 1) or "ws://127.0.0.1",
        }

    def deliver_to(self, url: str) -> None:
        """Where the bot's callback is."""
        self._bot = url

    # --- what people do --------------------------------------------------------------------------------------

    async def says(self, sender: str, text: str | Mapping[str, Any], *, group: str = "") -> Exchange:
        """A message, delivered until it is taken, three times at most; its stream is asked for from then on."""
        open = [e for e in self.chat(group or sender).exchanges if not e.finished and e.stream]
        if sum(e.body["from"]["userid"] == sender for e in open) >= AT_ONCE:
            raise Broken("WeCom lets nobody ask before one of three answers is there")
        content = {"msgtype": "text", "text": {"content": text}} if isinstance(text, str) else dict(text)
        exchange = self.heard(sender, group, content)
        code = secrets.token_urlsafe(16)
        self._codes[code] = (self.clock(), group or sender)
        exchange.body["response_url"] = f"{self.url}/cgi-bin/aibot/response?response_code={code}"
        await self.deliver(exchange)
        return exchange

    async def deliver(self, exchange: Exchange) -> None:
        """Deliver a message, again where it is not taken."""
        for _ in range(DELIVERIES):
            status, answer = await self.post(exchange.body)
            exchange.statuses.append(status)
            if status == 200:
                if answer is not None:
                    self._answered(exchange, answer)
                    self._ask_on(exchange)
                return

    async def enters(self, sender: str) -> str:
        """A person opens the chat; what they are greeted with."""
        body = {
            "msgid": f"E{next(self.numbers)}",
            "create_time": int(self.clock()),
            "aibotid": "aib-simulated",
            "from": {"userid": sender},
            "msgtype": "event",
            "event": {"eventtype": "enter_chat"},
        }
        status, answer = await self.post(body)
        if status != 200:
            raise Broken(f"an event is answered with {status}")
        return "" if answer is None else str(answer["text"]["content"])

    async def verify(self, *, token: str = "", timestamp: str = "") -> tuple[int, bytes]:
        """WeCom looks whether the address is the bot's."""
        echo = self._crypto().encrypt("4735648", "").decode()
        query = self._signed(echo, token=token, timestamp=timestamp)
        async with self._http().get(self._bot, params={**query, "echostr": echo}) as response:
            return response.status, await response.read()

    # --- the wire --------------------------------------------------------------------------------------------

    async def post(self, body: Json) -> tuple[int, Json | None]:
        """Post an encrypted body; the status, and the answer decrypted."""
        sealed = self._crypto().encrypt(json.dumps(body, ensure_ascii=False), "").decode()
        async with (
            asyncio.timeout(self.limit),
            self._http().post(self._bot, params=self._signed(sealed), json={"encrypt": sealed}) as response,
        ):
            data = await response.read()
            status = response.status
        return status, self._opened(data) if status == 200 and data else None

    async def post_raw(self, data: bytes, **query: str) -> int:
        """Post anything."""
        async with self._http().post(self._bot, params=query, data=data) as response:
            return response.status

    def signed(self, body: Json) -> tuple[bytes, dict[str, str]]:
        """A body as it would be posted, and its query."""
        sealed = self._crypto().encrypt(json.dumps(body), "").decode()
        return json.dumps({"encrypt": sealed}).encode(), self._signed(sealed)

    def _signed(self, sealed: str, *, token: str = "", timestamp: str = "") -> dict[str, str]:
        timestamp, nonce = timestamp or str(int(self.clock())), secrets.token_hex(5)
        signature = _get_signature(token or self.token, timestamp, nonce, sealed)
        return {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}

    def _opened(self, data: bytes) -> Json:
        outer = json.loads(data)
        if set(outer) != {"encrypt", "msgsignature", "timestamp", "nonce"}:
            raise Broken(f"not a sealed answer: {sorted(outer)}")
        signature = _get_signature(self.token, str(outer["timestamp"]), outer["nonce"], outer["encrypt"])
        if signature != outer["msgsignature"] or not isinstance(outer["timestamp"], int):
            raise Broken("the answer is not signed as it should be")
        return json.loads(self._crypto().decrypt(outer["encrypt"], ""))

    def _crypto(self) -> PrpCrypto:
        return PrpCrypto(base64.b64decode(f"{self.key}="))

    # --- streams ---------------------------------------------------------------------------------------------

    def _answered(self, exchange: Exchange, answer: Json) -> None:
        if answer.get("msgtype") != "stream":
            raise Broken(f"a message is answered with a stream, not {answer.get('msgtype')}")
        stream = answer["stream"]
        self.show(exchange, stream)
        items = stream.get("msg_item") or []
        if items and (not stream["finish"] or len(items) > 10):
            raise Broken("up to ten pictures come with the end")
        exchange.pictures = [self._picture(item) for item in items]

    def _picture(self, item: Json) -> bytes:
        data = base64.b64decode(item["image"]["base64"], validate=True)
        if (
            item["msgtype"] != "image"
            or hashlib.md5(data, usedforsecurity=False).hexdigest() != item["image"]["md5"]
        ):
            raise Broken("this is no picture")
        if not data.startswith((b"\x89PNG", b"\xff\xd8")) or len(data) > PICTURE_LIMIT:
            raise Broken("a picture is a PNG or a JPEG of at most 10 MB")
        return data

    def _ask_on(self, exchange: Exchange) -> None:
        task = asyncio.create_task(self._poll(exchange))
        self._polling.add(task)
        task.add_done_callback(self._polling.discard)

    async def _poll(self, exchange: Exchange) -> None:
        body = {key: exchange.body[key] for key in ("aibotid", "chattype", "from")}
        body |= {"msgtype": "stream", "stream": {"id": exchange.stream}}
        while not exchange.finished and self.clock() < exchange.at + STREAM_LIFE:
            await self.clock.sleep(ASK)
            if not self.asking or self.clock() >= exchange.at + STREAM_LIFE:
                continue
            try:
                status, answer = await self.post({**body, "msgid": f"S{next(self.numbers)}"})
                self.asked += 1
                if status == 200 and answer is not None:
                    self._answered(exchange, answer)
            except (aiohttp.ClientError, TimeoutError):
                continue
            except Broken as broken:
                self.broken.append(str(broken))
                return
        self.changed()

    # --- one more answer -------------------------------------------------------------------------------------

    async def take(self, request: web.Request) -> web.Response:
        """POST /cgi-bin/aibot/response."""
        code = request.query.get("response_code", "")
        since, chat = self._codes.get(code, (0.0, ""))
        if not chat or code in self.used or self.clock() - since > URL_LIFE:
            return web.json_response({"errcode": 40058, "errmsg": "invalid response_code"})
        try:
            message = await request.json()
            if message.get("msgtype") not in ("markdown", "template_card"):
                raise Broken("only Markdown and cards")
            self.add(self.chats[chat], message)
        except Broken as broken:
            self.broken.append(str(broken))
            return web.json_response({"errcode": 40008, "errmsg": str(broken)})
        self.used.append(code)
        return web.json_response({"errcode": 0, "errmsg": "ok"})

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    async def close(self) -> None:
        """End everything."""
        for task in list(self._polling):
            task.cancel()
        await asyncio.gather(*self._polling, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


@asynccontextmanager
async def webhook_simulator(clock: Clock | None = None) -> AsyncIterator[WebhookSimulator]:
    """It runs on loopback. What the bot did wrong is raised at the end."""
    sim = WebhookSimulator(clock)
    app = web.Application()
    app.router.add_post("/cgi-bin/aibot/response", sim.take)
    app.router.add_get("/file/{name}", sim.files.get)
    runner = web.AppRunner(app, access_log=None)
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
