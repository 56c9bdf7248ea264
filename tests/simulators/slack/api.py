"""The Web API: one call from its HTTP request to its answer, with everything that is checked on the way."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.slack.refusal import Refused
from tests.simulators.slack.world import Channel, Team

if TYPE_CHECKING:
    from tests.simulators.slack.simulator import SlackSimulator

JSON_VALUES = frozenset({"attachments", "blocks", "chunks", "files", "metadata", "prompts", "view"})
_EVERYWHERE = frozenset({"team_id"})  # Bolt's client names the workspace in every call
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(slots=True)
class Call:
    """A request to a method. `error` is the refusal's code, `fault` what befell it by the test's wish."""

    method: str
    params: dict[str, Any]
    time: float
    team: str = ""
    error: str | None = None
    status: int = 200
    result: dict[str, Any] | None = None
    fault: str | None = None

    @property
    def done(self) -> bool:
        """Whether it was carried out."""
        return self.result is not None


@dataclass(slots=True)
class Asked:
    """What a method's handler gets. `team` is the workspace of the token."""

    sim: SlackSimulator
    method: str
    params: dict[str, Any]
    team: Team
    basic: tuple[str, str] | None = None

    def __getitem__(self, name: str) -> Any:
        return self.params.get(name)

    def needs(self, *scopes: str) -> None:
        """Refuse unless the installation has one of these scopes."""
        if not self.team.scopes.intersection(scopes):
            provided = ",".join(sorted(self.team.scopes))
            raise Refused("missing_scope", needed=",".join(scopes), provided=provided)

    def channel(self, name: str = "channel", *, member: str | None = "not_in_channel") -> Channel:
        """The channel that an argument names; refused where the app is not in it, unless `member` is None."""
        channel = self.sim.channels.get(str(self[name]))
        if channel is None or channel.team is not self.team:
            raise Refused("channel_not_found")
        if not channel.bot and (channel.kind != "channel" or member is not None):
            raise Refused(member or "" if channel.kind == "channel" else "channel_not_found")
        return channel


Handler = Callable[[Asked], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Method:
    """A method: its handler, the scopes of which one is needed, its rate tier, whether JSON is understood."""

    handler: Handler
    scopes: tuple[str, ...] = ()
    tier: int = 3
    json: bool = True
    token: str = "bot"
    more: frozenset[str] = field(default_factory=frozenset)


@cache
def _arguments(method: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The known, the required and the boolean arguments of a method, as slack_sdk's client has them."""
    signature = inspect.signature(getattr(AsyncWebClient, method.replace(".", "_")))
    given = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY and p.name != "app_token"]
    booleans = {p.name for p in given if "bool" in str(p.annotation)}
    required = {p.name for p in given if p.default is p.empty}
    return frozenset(p.name for p in given), frozenset(required), frozenset(booleans)


class Api:
    """The address /api/{method}."""

    def __init__(self, sim: SlackSimulator, methods: Mapping[str, Method]) -> None:
        self._sim = sim
        self._methods = methods

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer an HTTP request."""
        name = request.match_info["method"]
        token, params = await _read(request)
        call = Call(name, params, self._sim.clock())
        self._sim.record(call)
        headers = {"x-slack-req-id": uuid4().hex}
        try:
            team = self._team(token)
            call.team = team.id if team is not None else ""
            if (fault := await self._sim.faults.befall(call)) is not None:
                return fault
            result = await self._carry_out(call, token, team, request)
            if team is not None:
                headers["x-oauth-scopes"] = ",".join(sorted(team.scopes))
            call.result = {"ok": True, **result}
            response = self._sim.faults.lost(call) or web.json_response(call.result, headers=headers)
        except Refused as refused:
            call.error, call.status = refused.error, refused.status
            headers |= refused.headers
            response = web.json_response(refused.body(), status=refused.status, headers=headers)
        finally:
            self._sim.changed()
        if (delay := self._sim.latency) > 0:
            await asyncio.sleep(delay)
        return response

    async def _carry_out(
        self, call: Call, token: str, team: Team | None, request: web.Request
    ) -> Mapping[str, Any]:
        method = self._methods.get(call.method)
        if method is None:
            raise Refused("unknown_method", req_method=call.method)
        if method.token == "app":
            self._app_token(token)
        elif method.token == "bot":
            self._bot_token(token, team)
        if request.content_type == "application/json" and not method.json:
            call.params.clear()  # a method that knows forms alone sees nothing of a JSON body
        self._check(call, method)
        asked = Asked(self._sim, call.method, call.params, team or self._sim.team, _basic(request))
        if method.scopes and method.token == "bot":
            asked.needs(*method.scopes)
        self._sim.faults.pace(call, method.tier)
        return await method.handler(asked)

    def _check(self, call: Call, method: Method) -> None:
        known, required, booleans = _arguments(call.method)
        for name in list(call.params):
            if name not in known | method.more | _EVERYWHERE:
                raise Refused("invalid_arguments", f"unknown argument: {name}")
            if name in booleans and isinstance(call.params[name], str):
                call.params[name] = _BOOLEANS.get(call.params[name].lower(), call.params[name])
        for name in sorted(required - method.more):
            if call.params.get(name) in (None, ""):
                raise Refused("invalid_arguments", f"missing required field: {name}")

    def _team(self, token: str) -> Team | None:
        return next((team for team in self._sim.teams.values() if token and team.token == token), None)

    def _bot_token(self, token: str, team: Team | None) -> None:
        if not token:
            raise Refused("not_authed")
        if token == self._sim.app_token:
            raise Refused("not_allowed_token_type")
        if team is None:
            raise Refused(self._sim.old_tokens.get(token, "invalid_auth"))
        if team.standing:
            raise Refused(team.standing)

    def _app_token(self, token: str) -> None:
        if not token:
            raise Refused("not_authed")
        if token.startswith("xoxb-"):
            raise Refused("not_allowed_token_type")
        if token != self._sim.app_token:
            raise Refused("invalid_auth")
        if "connections:write" not in self._sim.app_scopes:
            provided = ",".join(sorted(self._sim.app_scopes))
            raise Refused("missing_scope", needed="connections:write", provided=provided)


async def _read(request: web.Request) -> tuple[str, dict[str, Any]]:
    """The token and the arguments; values that are JSON in a form are parsed."""
    params: dict[str, Any] = dict(request.query)
    header = request.headers.get("Authorization", "")
    token = header.removeprefix("Bearer ").strip() if header.startswith("Bearer ") else ""
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except json.JSONDecodeError:
            raise web.HTTPOk(text=json.dumps(Refused("invalid_json").body())) from None
        return token, {name: value for name, value in body.items() if value is not None}
    form = await request.post()
    params |= {name: value for name, value in form.items() if isinstance(value, str)}
    token = token or params.pop("token", "")
    params.pop("token", None)
    for name in JSON_VALUES & set(params):
        try:
            params[name] = json.loads(params[name])
        except json.JSONDecodeError:
            continue  # the handler says what is wrong with it
    return token, params


def _basic(request: web.Request) -> tuple[str, str] | None:
    header = request.headers.get("Authorization", "")
    if not header.startswith("Basic "):
        return None
    login, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    return login, password
