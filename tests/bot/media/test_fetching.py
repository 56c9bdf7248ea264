"""What somebody names is downloaded, but no name, address or redirect leads into a private network."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from bot.endpoints.settings import EndpointSettings
from bot.errors import ForbiddenAddress, NotFetched, TooLarge
from bot.i18n import Catalogue
from bot.media.fetching import Net, fetch, is_public, look_up
from bot.routing import Router
from tests.simulators.endpoint import Answer, endpoint_simulator

PRIVATE = (
    "10.1.2.3",
    "127.0.0.1",
    "127.9.9.9",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fd00::1",
    "fe80::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
)


@dataclass
class Names:
    """Knows names, as a server of names that may change its mind: each look-up takes the next answer."""

    answers: dict[str, list[list[str]]]
    asked: list[str] = field(default_factory=list)

    async def look_up(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host not in self.answers:
            raise OSError("no such name")
        known = self.answers[host]
        return known.pop(0) if len(known) > 1 else known[0]


@dataclass
class Site:
    """A web server on 127.0.0.1, which these tests count as public; every other loopback address is private."""

    port: int
    seen: list[str]

    def url(self, path: str, host: str = "site.example") -> str:
        return f"http://{host}:{self.port}{path}"

    def net(self, names: Names | None = None) -> Net:
        known = names or Names({"site.example": [["127.0.0.1"]]})
        here = ip_address("127.0.0.1")
        return Net(frozenset({self.port, 80}), lambda address: address == here, known.look_up)

    async def fetch(self, path: str, *, names: Names | None = None, limit: int = 10_000) -> bytes:
        return await fetch(self.url(path), limit=limit, seconds=5, net=self.net(names))


async def _answer(request: web.Request) -> web.StreamResponse:
    request.app[SEEN].append(request.path)
    match request.path.strip("/").split("/"):
        case ["hop", count]:
            return web.Response(
                status=302, headers={"location": f"/hop/{int(count) - 1}" if count != "1" else "/ok"}
            )
        case ["to"]:
            return web.Response(status=307, headers={"location": request.query["url"]})
        case ["large"]:
            return web.Response(body=bytes(20_000))
        case ["packed"]:
            return web.Response(body=gzip.compress(bytes(50_000_000)), headers={"content-encoding": "gzip"})
        case ["slow"]:
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.02)
        case ["ok"]:
            return web.Response(body=b"a picture")
    return web.Response(status=404)


SEEN = web.AppKey("seen", list[str])


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    app = web.Application()
    app[SEEN] = []
    app.router.add_get("/{path:.*}", _answer)
    async with TestServer(app, host="127.0.0.1") as server:
        assert server.port
        yield Site(server.port, app[SEEN])


# --- what may be fetched -------------------------------------------------------------------------------------


async def test_a_public_address_is_fetched(site: Site) -> None:
    assert await site.fetch("/ok") == b"a picture"


async def test_three_redirects_are_followed_and_no_more(site: Site) -> None:
    assert await site.fetch("/hop/3") == b"a picture"
    with pytest.raises(NotFetched):
        await site.fetch("/hop/4")


async def test_a_relative_address_is_seen_from_its_base(site: Site) -> None:
    base = site.url("/v1/images")
    assert await fetch("/ok", limit=100, seconds=5, base=base, net=site.net()) == b"a picture"


async def test_the_operators_own_server_may_be_private(site: Site) -> None:
    own = f"http://127.0.0.1:{site.port}/v1"
    url = f"http://127.0.0.1:{site.port}/ok"
    assert await fetch(url, limit=100, seconds=5, own=[own]) == b"a picture"
    with pytest.raises(ForbiddenAddress):
        await fetch(url, limit=100, seconds=5)
    with pytest.raises(ForbiddenAddress):
        await fetch(url, limit=100, seconds=5, own=[f"http://127.0.0.1:{site.port + 1}"])


async def test_data_within_the_address_is_decoded() -> None:
    data = bytes(range(256)) * 40_000
    packed = base64.b64encode(data).decode()
    assert await fetch(f"data:image/png;base64,{packed}", limit=len(data), seconds=1) == data
    assert await fetch("data:,a%20b", limit=10, seconds=1) == b"a b"
    with pytest.raises(TooLarge):
        await fetch(f"data:image/png;base64,{packed}", limit=len(data) - 1, seconds=1)
    with pytest.raises(NotFetched):
        await fetch("data:image/png;base64,***", limit=10, seconds=1)


# --- what may not --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_private_address_is_refused_as_itself_and_behind_a_name(address: str) -> None:
    assert not is_public(ip_address(address))
    literal = f"[{address}]" if ":" in address else address
    names = Names({"innocent.example": [["93.184.215.14", address]]})
    for url in (f"http://{literal}/", "http://innocent.example/"):
        with pytest.raises(ForbiddenAddress):
            await fetch(url, limit=10, seconds=1, net=Net(look_up=names.look_up))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111"])
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "017700000001", "localhost"])
async def test_an_address_in_disguise_is_refused(host: str) -> None:
    with pytest.raises((ForbiddenAddress, NotFetched)) as refused:
        await fetch(f"http://{host}/", limit=10, seconds=5)
    assert isinstance(refused.value, ForbiddenAddress) or not await _resolves(host)


async def _resolves(host: str) -> bool:
    try:
        return bool(await look_up(host, 80))
    except OSError:
        return False


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2/",
        "http://169.254.169.254/latest/meta-data",
        "http://inside.example/",
        "file:///etc/passwd",
        "http://site.example:22/",
    ],
)
async def test_a_redirect_into_the_private_network_is_refused(site: Site, target: str) -> None:
    names = Names({"site.example": [["127.0.0.1"]], "inside.example": [["10.0.0.5"]]})
    with pytest.raises(ForbiddenAddress):
        await site.fetch(f"/to?url={target}", names=names)
    assert site.seen == ["/to"]


async def test_a_name_that_changes_its_mind_after_the_look_up_gains_nothing(site: Site) -> None:
    names = Names({"site.example": [["127.0.0.1"], ["127.0.0.2"]]})
    assert await site.fetch("/ok", names=names) == b"a picture"
    assert names.asked == ["site.example"]
    with pytest.raises(ForbiddenAddress):
        await site.fetch("/ok", names=names)


async def test_a_name_that_changes_between_two_hops_is_looked_at_again(site: Site) -> None:
    names = Names({"site.example": [["127.0.0.1"], ["127.0.0.2"]]})
    with pytest.raises(ForbiddenAddress):
        await site.fetch("/hop/1", names=names)
    assert site.seen == ["/hop/1"]


@pytest.mark.parametrize("path", ["/to?url=http://169.254.169.254/", "/hop/1"])
async def test_a_drawn_picture_is_not_fetched_from_where_its_address_leads_in_the_end(
    site: Site, path: str
) -> None:
    names = Names({"site.example": [["127.0.0.1"], ["127.0.0.2"]]})
    body = json.dumps({"created": 1, "data": [{"url": site.url(path)}]}).encode()
    async with endpoint_simulator() as endpoint:
        endpoint.made = lambda call: Answer((body,), media_type="application/json")
        chosen = {
            "OPENAI_BASE_URL": endpoint.base_url,
            "OPENAI_API_KEY": endpoint.key,
            "IMAGE_MODEL": "easel",
        }
        router = Router(EndpointSettings.load(chosen), chosen, fetch=partial(fetch, net=site.net(names)))
        with pytest.raises(ForbiddenAddress) as refused:
            await anext(router.image("a fox"))
        await router.close()
    assert "I fetch nothing from this address" in Catalogue.load().say("en", refused.value.user_key)
    assert len(site.seen) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "gopher://a/",
        "file:///etc/hosts",
        "/relative",
        "",
        "http://",
        "http://u:p@a.example/",
    ],
)
async def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await fetch(url, limit=10, seconds=1)


# --- bounded -------------------------------------------------------------------------------------------------


async def test_more_than_the_bound_is_not_taken_even_when_it_is_packed(site: Site) -> None:
    for path in ("/large", "/packed"):
        with pytest.raises(TooLarge):
            await site.fetch(path)


async def test_a_server_that_never_ends_is_left_in_time(site: Site) -> None:
    with pytest.raises(NotFetched):
        await fetch(site.url("/slow"), limit=10_000, seconds=0.3, net=site.net())


async def test_an_error_and_a_closed_door_are_told_as_such(site: Site) -> None:
    with pytest.raises(NotFetched):
        await site.fetch("/nothing")
    with pytest.raises(NotFetched):
        await fetch("http://site.example/", limit=10, seconds=5, net=site.net())


async def test_a_name_that_nobody_knows_is_not_fetched(site: Site) -> None:
    with pytest.raises(NotFetched):
        await fetch(site.url("/ok"), limit=10, seconds=5, net=site.net(Names({"site.example": [[]]})))


@given(
    st.text(max_size=80)
    | st.from_regex(r"(https?|ftp|HTTP)://[^/]{0,20}(:[0-9]{1,6})?(/.{0,9})?", fullmatch=True)
)
async def test_whatever_is_called_an_address_is_fetched_or_refused(url: str) -> None:
    with pytest.raises((ForbiddenAddress, NotFetched)):
        await fetch(url, limit=10, seconds=1, net=Net(look_up=Names({}).look_up))
