"""Installation by OAuth: the page where a person allows the app, and the exchange of its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import aiohttp
from aiohttp import web

from tests.simulators.slack.api import Asked
from tests.simulators.slack.refusal import Refused

if TYPE_CHECKING:
    from tests.simulators.slack.person import Person
    from tests.simulators.slack.simulator import SlackSimulator

_CODE_LIFE = 600.0


@dataclass(slots=True)
class _Code:
    person: Person
    scopes: set[str]
    redirect_uri: str
    time: float
    used: bool = False


class OAuth:
    """The codes that were given."""

    def __init__(self, sim: SlackSimulator) -> None:
        self._sim = sim
        self.codes: dict[str, _Code] = {}

    def allow(self, person: Person, address: str, *, denies: bool = False) -> str:
        """What happens on the page at `address`: where the person's browser is sent; ValueError for a bad one."""
        given = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        if given.get("client_id") != self._sim.client_id:
            raise ValueError("invalid_client_id")
        redirect = given.get("redirect_uri") or self._sim.redirect_uri
        if not redirect:
            raise ValueError("bad_redirect_uri")
        state = {"state": given["state"]} if "state" in given else {}
        if denies:
            return f"{redirect}?{urlencode({'error': 'access_denied', **state})}"
        scopes = {scope for scope in given.get("scope", "").split(",") if scope}
        if not scopes:
            raise ValueError("invalid_scope_requested")
        code = f"{self._sim.number()}.{uuid4().hex}"
        self.codes[code] = _Code(person, scopes, given.get("redirect_uri", ""), self._sim.clock())
        return f"{redirect}?{urlencode({'code': code, **state})}"

    async def page(self, request: web.Request) -> web.StreamResponse:
        """GET /oauth/v2/authorize: the first person, or the one that `person` names, allows at once."""
        wanted = request.query.get("person")
        person = self._sim.people.get(wanted or "") or next(iter(self._sim.people.values()), None)
        if person is None:
            return web.Response(status=404, text="there is nobody")
        try:
            raise web.HTTPFound(self.allow(person, str(request.url)))
        except ValueError as error:
            return web.Response(status=400, text=str(error))

    async def install(self, person: Person, url: str, *, denies: bool) -> tuple[int, str]:
        """A person's way from the app's install address to the end; the last page's status and text."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser:
            async with browser.get(url, allow_redirects=False) as first:
                # Browsers send Secure cookies to loopback without TLS too, which aiohttp's jar does not.
                cookies = {name: morsel.value for name, morsel in first.cookies.items()}
                address = first.headers.get("Location", "")
                if not address:
                    address = _link(await first.text(), self._sim.authorize_url)
            assert address.startswith(self._sim.authorize_url), f"not to Slack's page but to {address!r}"
            async with browser.get(self.allow(person, address, denies=denies), cookies=cookies) as last:
                return last.status, await last.text()


def _link(page: str, wanted: str) -> str:
    start = page.find(wanted)
    if start < 0:
        return ""
    end = min((found for mark in "\"'<>" if (found := page.find(mark, start)) > 0), default=len(page))
    return page[start:end].replace("&amp;", "&")


async def access(asked: Asked) -> Mapping[str, Any]:
    """oauth.v2.access."""
    sim = asked.sim
    client = asked.basic or (asked["client_id"], asked["client_secret"])
    if client[0] != sim.client_id:
        raise Refused("invalid_client_id")
    if client[1] != sim.client_secret:
        raise Refused("bad_client_secret")
    code = sim.oauth.codes.get(asked["code"] or "")
    if code is None or sim.clock() - code.time > _CODE_LIFE:
        raise Refused("invalid_code")
    if code.used:
        raise Refused("code_already_used")
    if (asked["redirect_uri"] or "") != code.redirect_uri:
        raise Refused("bad_redirect_uri")
    code.used = True
    team = code.person.team
    sim.install(team, code.scopes)
    return {
        "app_id": sim.app_id,
        "authed_user": {"id": code.person.id},
        "scope": ",".join(sorted(team.scopes)),
        "token_type": "bot",
        "access_token": team.token,
        "bot_user_id": team.user,
        "team": {"id": team.id, "name": team.name},
        "enterprise": None,
        "is_enterprise_install": False,
    }
