"""The server: tokens, the interface's paths, and what goes wrong by a test's wish."""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.simulators.wecom.callbacks import Callbacks
from tests.simulators.wecom.media import Files
from tests.simulators.wecom.people import Customer, Member
from tests.simulators.wecom.refusal import Refused
from tests.simulators.wecom.sending import Sending
from tests.simulators.wecom.service import Service

Json = dict[str, Any]
LIFE = 7200


class Clock:
    """The time of day, which a test turns."""

    def __init__(self) -> None:
        self._later = 0.0

    def __call__(self) -> float:
        return time.time() + self._later

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self._later += seconds


@dataclass
class Call:
    """One request, and how it was answered."""

    path: str
    body: Json
    code: int = 0


@dataclass
class Fault:
    """`kind` is fail, refuse or lose."""

    kind: str
    times: int
    path: str
    status: int = 502
    code: int = 0
    message: str = ""


class WeComSimulator:
    """One company."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.url = ""
        self.corp, self.agent = "ww0123456789abcdef", 1000002
        self.secret, self.kf_secret = "app-secret-simulated", "kf-secret-simulated"
        self.token, self.key = "QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
        self.rates = self.silent = False
        self.trusted = True
        self.broken: list[str] = []
        self.calls: deque[Call] = deque(maxlen=100_000)
        self.members: dict[str, Member] = {}
        self.customers: dict[str, Customer] = {}
        self._numbers = itertools.count(7_000_000_000_001)
        self._tokens: dict[str, tuple[str, float]] = {}
        self._faults: list[Fault] = []
        self.media, self.sending, self.kf = Files(self), Sending(self), Service(self)
        self.callbacks = Callbacks(self)
        self.app = web.Application(client_max_size=64 << 20)
        self.app.router.add_route("*", "/cgi-bin/{path:.+}", self._answer)

    # --- the company -----------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the app."""
        return {
            "WECOM_CORP_ID": self.corp,
            "WECOM_AGENT_ID": str(self.agent),
            "WECOM_SECRET": self.secret,
            "WECOM_TOKEN": self.token,
            "WECOM_ENCODING_AES_KEY": self.key,
            "WECOM_API_BASE_URL": self.url,
        }

    @property
    def kf_environment(self) -> dict[str, str]:
        """The settings of customer service alone."""
        left = {name: value for name, value in self.environment.items() if name not in _APP}
        return {**left, "WECOM_KF_SECRET": self.kf_secret}

    def number(self) -> str:
        """The next number that nobody has had."""
        return str(next(self._numbers))

    def member(self, name: str) -> Member:
        """A member; made on first use."""
        return self.members.setdefault(name.lower(), Member(self, name))

    def customer(self, name: str, kf: str = "wk1") -> Customer:
        """Somebody in WeChat; made on first use, with the account they write to."""
        self.kf.account(kf)
        return self.customers.setdefault(name, Customer(self, name, kf=kf))

    def deliver_to(self, url: str) -> None:
        """Where callbacks go."""
        self.callbacks.url = url

    # --- faults ----------------------------------------------------------------------------------------------

    def fail(self, times: int = 1, status: int = 502, *, path: str = "") -> None:
        """Answer with a page of a gateway."""
        self._faults.append(Fault("fail", times, path, status=status))

    def lose(self, path: str, times: int = 1) -> None:
        """Carry it out, and break the connection."""
        self._faults.append(Fault("lose", times, path))

    def refuse(self, path: str, code: int, message: str = "refused", *, times: int = 1) -> None:
        """Answer with an errcode."""
        self._faults.append(Fault("refuse", times, path, code=code, message=message))

    def heal(self) -> None:
        """Take all faults away."""
        self._faults.clear()

    def end_tokens(self) -> None:
        """Every token that was granted is not good any more."""
        self._tokens.clear()

    def called(self, path: str) -> list[Call]:
        """The calls of a path."""
        return [call for call in self.calls if call.path == path]

    def wrong(self, what: str) -> Refused:
        """What no client may send."""
        self.broken.append(what)
        return Refused(40058, f"invalid request parameter: {what}")

    # --- the wire --------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        call = Call(path, {})
        self.calls.append(call)
        fault = next((one for one in self._faults if one.times > 0 and one.path in ("", path)), None)
        if fault is not None:
            fault.times -= 1
            if fault.kind == "fail":
                return web.Response(
                    status=fault.status, text="<html>bad gateway</html>", content_type="text/html"
                )
        try:
            if fault is not None and fault.kind == "refuse":
                raise Refused(fault.code, fault.message)
            found = await self._dispatch(path, request, call)
        except Refused as refused:
            call.code = refused.code
            found = {"errcode": refused.code, "errmsg": f"{refused}, hint: [1], from ip: 203.0.113.9"}
        if fault is not None and fault.kind == "lose" and request.transport is not None:
            request.transport.abort()
        if isinstance(found, web.StreamResponse):
            return found
        return web.json_response({"errcode": 0, "errmsg": "ok", **found})

    async def _dispatch(self, path: str, request: web.Request, call: Call) -> Json | web.Response:
        if path == "gettoken":
            return self._grant(request)
        scope = self._scope(request, kf=path.startswith("kf/"))
        if path == "media/upload":
            return await self.media.upload(request)
        if path == "media/get":
            return self.media.download(request)
        agent = request.query.get("agentid", "")
        if path == "agent/get" and request.method == "GET":
            return self.sending.get(agent)
        call.body = await self._json(request)
        if path == "menu/create":
            return self.sending.create_menu(agent, call.body)
        found = (_KF if scope == "kf" else _APP_PATHS).get(path)
        if found is None:
            raise Refused(48002, "api forbidden")
        return found(self)(call.body)

    def _grant(self, request: web.Request) -> Json:
        scopes = {self.secret: "app", self.kf_secret: "kf"}
        if request.query.get("corpid") != self.corp:
            raise Refused(40013, "invalid corpid")
        scope = scopes.get(request.query.get("corpsecret", ""))
        if scope is None:
            raise Refused(40001, "invalid credential")
        granted = next(
            (t for t, (s, until) in self._tokens.items() if s == scope and until > self.clock()), None
        )
        token = granted or f"token-{self.number()}"
        until = self._tokens[token][1] if granted else self.clock() + LIFE
        self._tokens[token] = (scope, until)
        return {"access_token": token, "expires_in": int(until - self.clock())}

    def _scope(self, request: web.Request, *, kf: bool) -> str:
        scope, until = self._tokens.get(request.query.get("access_token", ""), ("", 0.0))
        if not scope:
            raise Refused(40014, "invalid access_token")
        if until < self.clock():
            raise Refused(42001, "access_token expired")
        if not self.trusted:
            raise Refused(60020, "not allow to access from your ip")
        if kf and scope != "kf":
            raise Refused(48002, "api forbidden")
        return scope

    async def _json(self, request: web.Request) -> Json:
        try:
            found = json.loads(await request.read())
        except ValueError:
            found = None
        if request.method != "POST" or not isinstance(found, dict):
            raise self.wrong("no JSON object was posted")
        return found


_APP = ("WECOM_AGENT_ID", "WECOM_SECRET")
Method = Callable[[Json], Json]
_APP_PATHS: dict[str, Callable[[WeComSimulator], Method]] = {
    "message/send": lambda sim: sim.sending.send,
    "message/recall": lambda sim: sim.sending.recall,
}
_KF: dict[str, Callable[[WeComSimulator], Method]] = {
    "kf/account/list": lambda sim: sim.kf.list,
    "kf/sync_msg": lambda sim: sim.kf.sync,
    "kf/send_msg": lambda sim: sim.kf.send,
    "kf/send_msg_on_event": lambda sim: sim.kf.welcome,
    "kf/service_state/get": lambda sim: sim.kf.state,
    "kf/service_state/trans": lambda sim: sim.kf.trans,
}


@asynccontextmanager
async def wecom_simulator() -> AsyncIterator[WeComSimulator]:
    """The simulator on a free port of loopback, in the running loop."""
    simulator = WeComSimulator()
    runner = web.AppRunner(simulator.app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    simulator.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield simulator
    finally:
        await simulator.callbacks.close()
        await runner.cleanup()
