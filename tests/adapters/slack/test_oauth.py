"""Installing the app in workspaces by a browser, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.applications import Starlette

from adapters.slack.client import Clients
from adapters.slack.installations import Installations
from adapters.slack.oauth import REDIRECT_PATH, States, routes
from adapters.slack.scopes import NEEDED
from adapters.slack.settings import Credentials
from tests.adapters.memory_store import MemoryStore
from tests.simulators.slack import Person, SlackSimulator, Team, slack_simulator
from tests.simulators.slack.faults import Fault


@dataclass
class Site:
    """The bot's pages, a browser before them, and what it keeps."""

    slack: SlackSimulator
    store: MemoryStore
    installations: Installations
    browser: httpx.AsyncClient

    async def begin(self) -> str:
        """Open the install address; where Slack's page is."""
        response = await self.browser.get("/slack/install")
        assert response.status_code == 302
        return str(response.headers["location"])

    async def come_back(self, address: str) -> httpx.Response:
        """Follow Slack's redirect."""
        parts = urlsplit(address)
        assert parts.path == REDIRECT_PATH
        return await self.browser.get(f"{parts.path}?{parts.query}")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with slack_simulator() as slack:
        credentials = Credentials(
            client_id=slack.client_id,
            client_secret=slack.client_secret,
            signing_secret=slack.signing_secret,
            base_url=slack.base_url,
            public_url="https://bot.example",
        )
        store = MemoryStore()
        installations = Installations(store, slack.client_secret)
        clients = Clients(credentials, installations)
        app = Starlette(routes=list(routes(credentials, installations, store, clients.session)))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://bot.example") as browser:
            yield Site(slack, store, installations, browser)
        await clients.close()


@pytest.fixture
def team(site: Site) -> Team:
    return site.slack.add_team("Newcomers", installed=False)


@pytest.fixture
def ann(site: Site, team: Team) -> Person:
    return site.slack.person("Ann", team=team)


async def test_a_workspace_installs_the_app_with_exactly_the_scopes_needed(
    site: Site, team: Team, ann: Person
) -> None:
    page = await site.begin()
    asked = parse_qs(urlsplit(page).query)
    assert page.startswith(site.slack.authorize_url)
    assert set(asked["scope"][0].split(",")) == NEEDED
    assert asked["redirect_uri"] == ["https://bot.example/slack/oauth_redirect"]
    response = await site.come_back(site.slack.oauth.allow(ann, page))
    assert (response.status_code, "Thank you" in response.text) == (200, True)
    kept = await site.installations.get(team.id)
    assert kept is not None
    assert (kept.token.get_secret_value(), kept.user, kept.bot) == (team.token, team.user, team.bot)


async def test_the_bot_speaks_there_at_once(site: Site, team: Team, ann: Person) -> None:
    await site.come_back(site.slack.oauth.allow(ann, await site.begin()))
    credentials = Credentials(client_id="x", client_secret="y", base_url=site.slack.base_url)
    clients = Clients(credentials, site.installations)
    client = await clients.of(team.id)
    await client.call("chat.postMessage", channel=site.slack.dm(ann).id, text="Hello")
    await clients.close()
    assert [message.shown for message in site.slack.dm(ann).messages] == ["Hello"]


async def test_who_declines_is_told_so_and_nothing_is_kept(site: Site, ann: Person) -> None:
    response = await site.come_back(site.slack.oauth.allow(ann, await site.begin(), denies=True))
    assert "access_denied" in response.text
    assert await site.installations.all() == []


async def test_a_way_back_is_good_for_one_use(site: Site, ann: Person) -> None:
    back = site.slack.oauth.allow(ann, await site.begin())
    cookies = dict(site.browser.cookies)
    assert (await site.come_back(back)).status_code == 200
    site.browser.cookies.update(cookies)
    assert (await site.come_back(back)).status_code == 401
    assert len(await site.installations.all()) == 1


async def test_another_browser_cannot_finish_what_this_one_began(site: Site, ann: Person) -> None:
    back = site.slack.oauth.allow(ann, await site.begin())
    site.browser.cookies.clear()
    assert (await site.come_back(back)).status_code == 400
    assert await site.installations.all() == []


@pytest.mark.parametrize("state", ["", "x", "1.2.3", "9999999999.aa.bb", "1.é.2", "..", "x" * 5000])
async def test_a_state_that_is_not_ours_is_refused(site: Site, state: str) -> None:
    site.browser.headers["cookie"] = f"slack-app-oauth-state={state}".encode("utf-8", "replace").decode(
        "latin-1"
    )
    response = await site.browser.get(REDIRECT_PATH, params={"code": "c", "state": state})
    assert response.status_code in (400, 401)
    assert site.slack.called("oauth.v2.access") == []


@pytest.mark.parametrize("code", ["", "wrong"])
async def test_a_code_that_slack_does_not_take_is_said_in_a_page(site: Site, code: str) -> None:
    state = parse_qs(urlsplit(await site.begin()).query)["state"][0]
    response = await site.browser.get(REDIRECT_PATH, params={"code": code, "state": state})
    assert (response.status_code, "Something Went Wrong" in response.text) == (401, True)
    assert await site.installations.all() == []


@pytest.mark.parametrize("away", ["store", "slack"])
async def test_what_is_away_for_a_moment_is_said_so(site: Site, ann: Person, away: str) -> None:
    back = site.slack.oauth.allow(ann, await site.begin())
    if away == "store":
        await site.store.go()
    else:
        site.slack.fail(times=3, status=200, body="<html>", method="oauth.v2.access")
    response = await site.come_back(back)
    assert response.status_code == 503
    assert "begin it again" in response.text


async def test_token_rotation_is_not_taken_up(site: Site, ann: Person) -> None:
    body = '{"ok": true, "access_token": "xoxe.xoxb-1", "expires_in": 43200, "team": {"id": "T9"}}'
    for method in ("oauth.v2.access", "auth.test"):
        headers = {"Content-Type": "application/json"}
        site.slack.faults.add(Fault("fail", 1, method, status=200, body=body, headers=headers))
    response = await site.come_back(site.slack.oauth.allow(ann, await site.begin()))
    assert response.status_code == 401
    assert await site.installations.all() == []


async def test_a_state_is_ten_minutes_good_and_known_to_every_replica() -> None:
    now = [1_700_000_000.0]
    store = MemoryStore()
    one, other = (States(store, "secret", clock=lambda: now[0]) for _ in range(2))
    stranger = States(store, "another secret", clock=lambda: now[0])
    early, late = await one.async_issue(), await one.async_issue()
    now[0] += 599
    assert not await stranger.async_consume(early)
    assert await other.async_consume(early)
    assert not await one.async_consume(early)
    now[0] += 2
    assert not await other.async_consume(late)


def test_without_oauth_there_are_no_pages() -> None:
    store = MemoryStore()
    credentials = Credentials(token="xoxb-1", app_token="xapp-1")
    assert (
        list(routes(credentials, Installations(store, ""), store, Clients(credentials, None).session)) == []
    )
