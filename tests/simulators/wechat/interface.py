"""WeChat's HTTP interface: tokens, customer service, typing, media, the menu, each with the errors it has."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.simulators import amr
from tests.simulators.wechat.account import OK, Account, Refusal
from tests.simulators.wechat.clock import Clock
from tests.simulators.wechat.passive import TEXT_LIMIT
from tests.simulators.wechat.people import Person

LIFE = 7200
"""Seconds that a token is good for."""

_HOURS_48 = 48 * 3600
_TYPING = 15.0  # seconds that it is shown
_IMAGES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}
_VOICES = {"audio/amr": "amr", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
_MEDIA_LIMIT = 2 * 1024 * 1024
_VOICE_SECONDS = 60

Json = dict[str, Any]


@dataclass
class Interface:
    """`calls` are the paths that were called, with what was in their bodies. `faults` are answered first."""

    account: Account
    people: dict[str, Person]
    clock: Clock
    calls: list[tuple[str, Json]] = field(default_factory=list)
    faults: list[tuple[int, Json | bytes]] = field(default_factory=list)
    token: str = ""
    until: float = 0.0
    granted: int = 0

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/cgi-bin/stable_token", self._entry(self._grant, open=True))
        app.router.add_post("/cgi-bin/message/custom/send", self._entry(self._send))
        app.router.add_post("/cgi-bin/message/custom/typing", self._entry(self._type))
        app.router.add_post("/cgi-bin/media/upload", self._entry(self._upload))
        app.router.add_get("/cgi-bin/media/get", self._entry(self._download))
        app.router.add_post("/cgi-bin/menu/create", self._entry(self._menu))
        app.router.add_get("/cgi-bin/get_current_selfmenu_info", self._entry(self._menu_shown))
        app.router.add_get("/cgi-bin/get_api_domain_ip", self._entry(self._addresses))
        return app

    def called(self, path: str) -> list[Json]:
        """The bodies of the calls of a path."""
        return [body for name, body in self.calls if name.endswith(path)]

    def expire(self, *, replaced: bool = False) -> None:
        """The token is good no more: its time is over, or another program has asked for a new one."""
        self.until = self.clock.time() - 1
        if replaced:
            self.token, self.until = "replaced", self.clock.time() + LIFE

    def _entry(
        self, call: Callable[[web.Request, Json], Awaitable[Json | web.Response]], *, open: bool = False
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def entry(request: web.Request) -> web.Response:
            try:
                body = await self._body(request)
                self.calls.append((request.path, body))
                if self.faults:
                    status, answer = self.faults.pop(0)
                    if isinstance(answer, bytes):
                        return web.Response(status=status, body=answer)
                    return web.json_response(answer, status=status)
                if not self.account.listed:
                    raise Refusal(40164, "invalid ip 198.51.100.7 ipv6 ::ffff:198.51.100.7, not in whitelist")
                if not open:
                    self._authorise(request.query.get("access_token", ""))
                found = await call(request, body)
            except Refusal as refusal:
                return web.json_response(refusal.answer)
            return found if isinstance(found, web.Response) else web.json_response(found)

        return entry

    async def _body(self, request: web.Request) -> Json:
        if request.method != "POST" or request.content_type.startswith("multipart/"):
            return {}
        raw = await request.read()
        if b"\\u" in raw:
            raise Refusal(40033)
        try:
            found = json.loads(raw)
        except ValueError:
            raise Refusal(47001) from None
        if not isinstance(found, dict):
            raise Refusal(47001)
        return found

    # --- tokens ---------------------------------------------------------------------------------------------

    async def _grant(self, request: web.Request, body: Json) -> Json:
        if body.get("grant_type") != "client_credential" or body.get("appid") != self.account.app_id:
            raise Refusal(40013)
        if body.get("secret") != self.account.secret:
            raise Refusal(40125)
        if body.get("force_refresh") or self.until <= self.clock.time() or self.token == "replaced":
            self.granted += 1
            self.token, self.until = f"token-{self.granted}", self.clock.time() + LIFE
        return {"access_token": self.token, "expires_in": int(self.until - self.clock.time())}

    def _authorise(self, token: str) -> None:
        if token != self.token:
            raise Refusal(40001)
        if self.until <= self.clock.time():
            raise Refusal(42001)

    # --- customer service -----------------------------------------------------------------------------------

    async def _send(self, request: web.Request, body: Json) -> Json:
        kind = body.get("msgtype", "")
        person = self._addressed(body)
        if kind == "text":
            content = body.get("text", {}).get("content", "")
            if not content.strip():
                raise Refusal(44004)
            if len(content.encode()) > TEXT_LIMIT:
                raise Refusal(45002)
            shown = content
        elif kind in ("image", "voice"):
            shown = body.get(kind, {}).get("media_id", "")
            if shown not in self.account.media:
                raise Refusal(40007)
        else:
            raise Refusal(40004)
        if person.quota <= 0:
            raise Refusal(45047)
        person.quota -= 1
        person.typed.clear()
        await person.sees(kind, shown, "service")
        return OK

    async def _type(self, request: web.Request, body: Json) -> Json:
        if body.get("command") not in ("Typing", "CancelTyping"):
            raise Refusal(45072)
        if not self.account.rights:
            raise Refusal(48001)
        person = self.people.get(body.get("touser", ""))
        if person is None or not person.following or self.clock.time() - person.spoke > _HOURS_48:
            raise Refusal(45080)
        if person.typed and self.clock.time() - person.typed[-1] < _TYPING:
            raise Refusal(45081)
        person.typed.append(self.clock.time())
        return OK

    def _addressed(self, body: Json) -> Person:
        if not self.account.rights:
            raise Refusal(48001)
        person = self.people.get(body.get("touser", ""))
        if person is None:
            raise Refusal(40003)
        if not person.following or self.clock.time() - person.spoke > _HOURS_48:
            raise Refusal(45015)
        return person

    # --- media ----------------------------------------------------------------------------------------------

    async def _upload(self, request: web.Request, body: Json) -> Json:
        if not self.account.media_right:
            raise Refusal(48001)
        kind = request.query.get("type", "")
        kinds = {"image": _IMAGES, "voice": _VOICES}.get(kind)
        part = await (await request.multipart()).next()
        if kinds is None or part is None or part.name != "media":
            raise Refusal(41005 if kinds else 40004)
        mime, name = part.headers.get("Content-Type", ""), part.filename or ""
        data = bytes(await part.read())
        if kinds.get(mime) != name.rpartition(".")[2]:
            raise Refusal(40004)
        if not 0 < len(data) <= _MEDIA_LIMIT:
            raise Refusal(40009)
        if mime == "audio/amr" and _played(data) > _VOICE_SECONDS:
            raise Refusal(45007)
        media_id = f"media-{len(self.account.media) + 1}"
        self.account.media[media_id] = (mime, data)
        return {"type": kind, "media_id": media_id, "created_at": int(self.clock.time())}

    async def _download(self, request: web.Request, body: Json) -> web.Response:
        found = self.account.media.get(request.query.get("media_id", ""))
        if found is None:
            raise Refusal(40007)
        return web.Response(body=found[1], content_type=found[0])

    # --- the menu -------------------------------------------------------------------------------------------

    async def _menu(self, request: web.Request, body: Json) -> Json:
        if not self.account.menu_right:
            raise Refusal(48001)
        buttons = body.get("button", [])
        if not 1 <= len(buttons) <= 3:
            raise Refusal(40016)
        for button in buttons:
            below = button.get("sub_button", [])
            if len(below) > 5:
                raise Refusal(40023)
            if len(button["name"].encode()) > 16:
                raise Refusal(40018)
            if any(len(one["name"].encode()) > 60 for one in below):
                raise Refusal(40025)
            if any(one["type"] != "click" or not 0 < len(one["key"].encode()) <= 128 for one in below):
                raise Refusal(40019)
        self.account.menu = body
        return OK

    async def _menu_shown(self, request: web.Request, body: Json) -> Json:
        if not self.account.menu_right:
            raise Refusal(48001)
        return {"is_menu_open": int(self.account.menu is not None), "selfmenu_info": {}}

    async def _addresses(self, request: web.Request, body: Json) -> Json:
        return {"ip_list": ["203.0.113.5"]}


def _played(recording: bytes) -> float:
    """Seconds that it plays. Raises `Refusal` for what is no AMR."""
    try:
        return amr.seconds(recording)
    except ValueError as error:
        raise Refusal(40004, str(error)) from None
