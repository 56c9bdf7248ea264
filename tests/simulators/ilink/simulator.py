"""The server: sign-in, long polling, messages with their limits, typing, files; every request is checked."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.simulators.ilink.cdn import Announced, Cdn
from tests.simulators.ilink.checks import Checks, Refusal
from tests.simulators.ilink.codes import Code
from tests.simulators.ilink.world import DAY, QUOTA, Bot, Clock, News, Person, Shown

_HEX = re.compile(r"[0-9a-f]{32}")
_KINDS = {1: "image", 2: "video", 3: "file"}
_ITEMS = {2: ("image_item", 1), 5: ("video_item", 2), 4: ("file_item", 3)}
Json = dict[str, Any]


class ILinkSimulator:
    """`hold` is for how long a question waits; `crowded` how many of the next messages are too fast.

    `answers` are given to the next calls of a method in place of its own: a JSON answer, a status, a body as it is,
    or "lost", where the work is done and the answer never arrives.
    """

    def __init__(self) -> None:
        self.url = self.other_url = ""
        self.clock = Clock()
        self.news = News()
        self.hold = 30.0
        self.crowded = 0
        self.checks = Checks()
        self.violations = self.checks.violations
        self.calls: deque[tuple[str, Json]] = deque(maxlen=10_000)
        self.answers: dict[str, list[Json | int | str | bytes]] = {}
        self.bots: dict[str, Bot] = {}
        self.codes: list[Code] = []
        self.cdn = Cdn(self.violations)
        self._people: dict[str, Person] = {}
        self._sent: dict[str, tuple[str, int]] = {}
        self._tickets: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self.app = web.Application(client_max_size=64 << 20)
        self.app.add_routes(
            [
                web.get("/ilink/bot/get_qrcode_status", self._code_status),
                web.post("/ilink/bot/{name:.+}", self._post),
                web.get("/c2c/download", self.cdn.download),
                web.post("/c2c/upload", self.cdn.upload),
            ]
        )

    # --- who is there ---------------------------------------------------------------------------------------

    def person(self, name: str) -> Person:
        """Somebody with WeChat."""
        made = Person(name, self.news, self.cdn, self.clock, self._numbers)
        self._people[made.id] = made
        return made

    def sign_in(self, person: Person) -> Bot:
        """A bot of theirs, signed in; a new token where there is one."""
        token = f"token-{secrets.token_hex(8)}"
        earlier = person.bot
        bot = Bot(earlier.id if earlier else f"{person.id.split('@')[0]}-bot@im.bot", token, person)
        if earlier:
            bot.inbox = earlier.inbox
            earlier.ended = True
        person.bot = self.bots[token] = bot
        return bot

    async def end(self, bot: Bot) -> None:
        """WeChat ends the session."""
        bot.ended = True
        await self.news.tell()

    async def confirm(self, code: Code, person: Person) -> Bot:
        """The person has confirmed a code on the phone."""
        bot = self.sign_in(person)
        await code.confirm(bot, self.other_url)
        return bot

    def called(self, name: str) -> list[Json]:
        """The bodies of all calls of a method."""
        return [body for method, body in self.calls if method == name]

    # --- requests -------------------------------------------------------------------------------------------

    async def _code_status(self, request: web.Request) -> web.Response:
        try:
            self.checks.app(request)
            code = next((code for code in self.codes if code.name == request.query.get("qrcode")), None)
            self.checks.that(code is not None, "a code that was never given out")
            assert code is not None
            moved = bool(code.host) and code.told == "scaned_but_redirect"
            self.checks.that(
                not moved or request.host == code.host, "asked at the host that it was sent away from"
            )
        except Refusal:
            await self.news.tell()
            return web.Response(status=400)
        code.asked += 1
        if "verify_code" in request.query:
            code.typed(request.query["verify_code"])
        if moved:
            code.state = code.told = "scaned"
        await self.news.tell()
        try:
            await self.news.until(lambda: code.state != code.told, self.hold)
        except TimeoutError:
            return web.json_response({"ret": 0, "status": "wait"})
        answer = code.answer()
        await self.news.tell()
        return web.json_response(answer)

    async def _post(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            body = await self.checks.body(request)
        except Refusal:
            return web.Response(status=400)
        self.calls.append((name, body))
        planned = self.answers.get(name) or [{}]
        plan = planned.pop(0) if self.answers.get(name) else None
        if isinstance(plan, int):
            return web.Response(status=plan)
        if isinstance(plan, bytes):
            return web.Response(body=plan)
        try:
            answer = plan if isinstance(plan, dict) else await self._answer(name, request, body)
        except Refusal:
            return web.Response(status=400)
        await self.news.tell()
        if plan == "lost" and request.transport is not None:
            request.transport.close()
        return web.json_response(answer)

    async def _answer(self, name: str, request: web.Request, body: Json) -> Json:
        if name == "get_bot_qrcode":
            return self._new_code(request, body)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        self.checks.that(scheme == "Bearer" and token, "Authorization")
        bot = self.bots.get(token)
        if bot is None or bot.ended:
            return {"ret": -14, "errcode": -14, "errmsg": "session timeout"}
        methods: dict[str, Callable[[Bot, Json], Awaitable[Json]]] = {
            "getupdates": self._updates,
            "sendmessage": self._send,
            "getconfig": self._config,
            "sendtyping": self._typing,
            "getuploadurl": self._upload,
            "msg/notifystart": self._started,
            "msg/notifystop": self._stopped,
        }
        self.checks.that(name in methods, f"the method {name}")
        return await methods[name](bot, body)

    # --- methods --------------------------------------------------------------------------------------------

    def _new_code(self, request: web.Request, body: Json) -> Json:
        self.checks.that(request.query.get("bot_type") == "3", "bot_type")
        self.checks.that("Authorization" not in request.headers, "no token for a code")
        tokens = body.get("local_token_list")
        self.checks.that(isinstance(tokens, list) and len(tokens) <= 10, "local_token_list")
        code = Code(self.news, list(tokens or ()))
        self.codes.append(code)
        return {"ret": 0, "qrcode": code.name, "qrcode_img_content": code.content}

    async def _updates(self, bot: Bot, body: Json) -> Json:
        cursor = body.get("get_updates_buf")
        self.checks.that(isinstance(cursor, str), "get_updates_buf")
        behind = bot.behind(str(cursor))
        self.checks.that(behind is not None, "a cursor of this bot's")
        bot.asking += 1
        bot.most_at_once = max(bot.most_at_once, bot.asking)
        try:
            await self.news.until(lambda: bot.ended or len(bot.inbox) > (behind or 0), self.hold)
        except TimeoutError:
            return {"ret": 0, "msgs": [], "get_updates_buf": cursor, "longpolling_timeout_ms": 35000}
        finally:
            bot.asking -= 1
        if bot.ended:
            return {"ret": -14, "errcode": -14, "errmsg": "session timeout"}
        return {"msgs": bot.inbox[behind:], "get_updates_buf": bot.cursor(), "longpolling_timeout_ms": 35000}

    async def _send(self, bot: Bot, body: Json) -> Json:
        message = body.get("msg") or {}
        person = self._person(bot, message.get("to_user_id"))
        states = (message.get("from_user_id"), message.get("message_type"), message.get("message_state"))
        self.checks.that(states == ("", 2, 2), "a finished message of a bot's")
        name, items = message.get("client_id"), message.get("item_list")
        self.checks.that(isinstance(name, str) and 0 < len(name) <= 64, "client_id")
        self.checks.that(isinstance(items, list) and len(items) == 1, "exactly one item")
        self.checks.that(message.get("context_token"), "a context_token, without which nothing is delivered")
        whole = json.dumps(items, sort_keys=True)
        if name in self._sent:
            earlier, number = self._sent[name]
            self.checks.that(earlier == whole, "another message under the same client_id")
            return {"ret": 0, "message_id": number}
        if self.crowded:
            self.crowded -= 1
            return {"ret": -2, "errmsg": "rate limited"}
        said_at = person.contexts.get(message["context_token"])
        if said_at is None or said_at + DAY <= self.clock():
            return {"ret": -2, "errmsg": "prepare failed"}
        if person.since >= QUOTA:
            return {"ret": -2}
        shown = self._shown(items[0], str(name))
        person.since += 1
        person.shown.append(shown)
        self._sent[str(name)] = (whole, shown.message_id)
        return {"message_id": shown.message_id}

    def _shown(self, item: Json, name: str) -> Shown:
        number = next(self._numbers)
        if item.get("type") == 1:
            text = (item.get("text_item") or {}).get("text")
            self.checks.that(
                isinstance(text, str) and 0 < len(text) <= 4000, "a text of at most 4,000 characters"
            )
            return Shown("text", str(text), client_id=name, message_id=number)
        self.checks.that(item.get("type") in _ITEMS, "a kind of item that a bot may send")
        field, kind = _ITEMS[item["type"]]
        part = item.get(field) or {}
        data = self.cdn.shown(kind, part.get("media") or {})
        self.checks.that(data is not None, "a file that can be shown")
        assert data is not None
        sealed = (len(data) // 16 + 1) * 16
        sized = {1: part.get("mid_size") == sealed, 2: part.get("video_size") == sealed}
        good = sized.get(kind, part.get("len") == str(len(data)) and part.get("file_name"))
        self.checks.that(good, f"the fields of {field}")
        kinds = {1: "image", 2: "video", 3: "file"}
        return Shown(kinds[kind], str(part.get("file_name") or ""), data, name, number)  # type: ignore[arg-type]

    async def _config(self, bot: Bot, body: Json) -> Json:
        person = self._person(bot, body.get("ilink_user_id"))
        context = body.get("context_token")
        self.checks.that(context is None or context in person.contexts, "a context_token of the person's")
        ticket = base64.b64encode(secrets.token_bytes(9)).decode()
        self._tickets[ticket] = person.id
        return {"ret": 0, "typing_ticket": ticket}

    async def _typing(self, bot: Bot, body: Json) -> Json:
        person = self._person(bot, body.get("ilink_user_id"))
        self.checks.that(self._tickets.get(str(body.get("typing_ticket"))) == person.id, "typing_ticket")
        self.checks.that(body.get("status") in (1, 2), "status")
        person.typing.append(body["status"])
        return {"ret": 0}

    async def _upload(self, bot: Bot, body: Json) -> Json:
        person = self._person(bot, body.get("to_user_id"))
        size, sealed = body.get("rawsize"), body.get("filesize")
        self.checks.that(isinstance(size, int) and sealed == (size // 16 + 1) * 16, "filesize")
        for name in ("filekey", "aeskey", "rawfilemd5"):
            self.checks.that(_HEX.fullmatch(str(body.get(name))), name)
        self.checks.that(body.get("media_type") in _KINDS, "media_type")
        self.checks.that(body.get("no_need_thumb") is True, "no_need_thumb")
        key = bytes.fromhex(body["aeskey"])
        return self.cdn.announce(
            Announced(
                body["media_type"],
                person.id,
                int(size or 0),
                body["rawfilemd5"],
                int(sealed or 0),
                key,
                body["filekey"],
            )
        )

    async def _started(self, bot: Bot, body: Json) -> Json:
        bot.notified.append("start")
        return {"ret": 0}

    async def _stopped(self, bot: Bot, body: Json) -> Json:
        bot.notified.append("stop")
        return {"ret": 0}

    def _person(self, bot: Bot, id: object) -> Person:
        self.checks.that(id == bot.person.id, "a person who is not this bot's")
        return bot.person


@asynccontextmanager
async def ilink_simulator() -> AsyncIterator[ILinkSimulator]:
    """A running server, at two addresses; at the end it fails where anybody was against the protocol."""
    ilink = ILinkSimulator()
    # A question whose asker has gone away is over.
    runner = web.AppRunner(ilink.app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    urls = []
    for _ in range(2):
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server = site._server
        assert isinstance(server, asyncio.Server)
        urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    ilink.url, ilink.other_url = urls
    ilink.cdn.url = f"{ilink.url}/c2c"
    try:
        yield ilink
    finally:
        await runner.cleanup()
    assert ilink.violations == []
