"""What `parley check` and the log say of Slack's credentials and of missing rights."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from adapters.slack.check import checked, report
from adapters.slack.client import Clients
from adapters.slack.installations import Installations, Installed
from adapters.slack.scopes import NEEDED, WITHOUT
from adapters.slack.settings import Credentials
from bot.api import Finding
from tests.adapters.memory_store import MemoryStore
from tests.adapters.slack.running import made, running
from tests.simulators.slack import SlackSimulator, slack_simulator


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator(scopes=NEEDED) as simulator:
        yield simulator


async def found(
    slack: SlackSimulator, *, http: bool = False, public_url: str = "", **environment: str
) -> list[Finding]:
    bot = made(slack, http=http, public_url=public_url, **environment)
    try:
        return list(await bot.adapter.check())
    finally:
        await bot.adapter.close()


async def of_workspaces(
    slack: SlackSimulator, kept: MemoryStore, public_url: str = "https://bot.example"
) -> list[Finding]:
    credentials = Credentials(
        client_id=slack.client_id,
        client_secret=slack.client_secret,
        signing_secret=slack.signing_secret,
        base_url=slack.base_url,
        public_url=public_url,
    )
    installations = Installations(kept, slack.client_secret)
    clients = Clients(credentials, installations)
    try:
        return list(await checked(clients, credentials, installations))
    finally:
        await clients.close()


async def test_where_all_is_well_every_line_is(slack: SlackSimulator) -> None:
    lines = await found(slack)
    assert [(line.name, line.ok) for line in lines] == [("SLACK_BOT_TOKEN", True), ("SLACK_APP_TOKEN", True)]
    assert "of Acme answers to it" in lines[0].detail
    assert slack.sockets.live == []


async def test_a_refused_token_is_named_with_its_remedy(slack: SlackSimulator) -> None:
    [token, app] = await found(slack, SLACK_BOT_TOKEN="xoxb-wrong", SLACK_APP_TOKEN="xapp-wrong")
    assert (token.name, token.ok, "invalid_auth" in token.detail) == ("SLACK_BOT_TOKEN", False, True)
    assert "OAuth & Permissions" in token.remedy
    assert (app.name, app.ok, "Socket Mode" in app.remedy) == ("SLACK_APP_TOKEN", False, True)
    assert not any("wrong" in line.detail + line.remedy for line in (token, app))


async def test_an_app_token_without_its_right_is_told_which(slack: SlackSimulator) -> None:
    slack.app_scopes.clear()
    app = (await found(slack))[-1]
    assert (app.ok, "connections:write" in app.detail) == (False, True)


async def test_each_missing_scope_is_named_with_what_does_not_work(slack: SlackSimulator) -> None:
    slack.team.scopes -= {"files:read", "commands"}
    lines = [line for line in await found(slack) if not line.ok]
    assert [line.name for line in lines] == ["Slack scope commands", "Slack scope files:read"]
    assert [WITHOUT["commands"] in lines[0].detail, WITHOUT["files:read"] in lines[1].detail] == [True, True]
    assert all("install the app anew" in line.remedy for line in lines)


async def test_a_slack_that_is_away_is_no_refusal(slack: SlackSimulator) -> None:
    lines = await found(slack, SLACK_API_BASE_URL="http://127.0.0.1:9/api/")
    assert {line.name for line in lines} == {"SLACK_API_BASE_URL"}
    assert not any(line.ok for line in lines)


@pytest.mark.parametrize("body", ["", "<html>no</html>", '"text"', "[]"])
async def test_an_answer_that_is_none_is_said_in_a_line(slack: SlackSimulator, body: str) -> None:
    slack.fail(times=2, status=200, body=body)
    assert not any(line.ok for line in await found(slack))


async def test_by_http_the_address_is_named_or_said_to_be_unknown(slack: SlackSimulator) -> None:
    assert (await found(slack, http=True))[-1] == Finding(
        "Slack events",
        True,
        "are taken at /slack/events; PUBLIC_URL is not set, so the full address is not known here",
    )
    known = (await found(slack, http=True, public_url="https://bot.example"))[-1]
    assert known.detail == "are taken at https://bot.example/slack/events"


async def test_with_oauth_the_install_address_is_named(slack: SlackSimulator) -> None:
    lines = {line.name: line for line in await of_workspaces(slack, MemoryStore())}
    assert lines["Slack installation"].detail.endswith("https://bot.example/slack/install")
    assert lines["Slack workspaces"].detail == "0 installed"


async def test_with_oauth_the_address_has_to_be_known(slack: SlackSimulator) -> None:
    lines = {line.name: line for line in await of_workspaces(slack, MemoryStore(), public_url="")}
    assert not lines["Slack installation"].ok
    assert "PUBLIC_URL" in lines["Slack installation"].remedy


async def test_workspaces_whose_token_is_bad_or_lacks_rights_are_named(slack: SlackSimulator) -> None:
    store, lesser = MemoryStore(), slack.add_team("Lesser")
    lesser.scopes.discard("files:write")
    kept = Installations(store, slack.client_secret)
    for team, token in (
        ("T0GONE", "xoxb-gone"),
        (lesser.id, lesser.token),
        (slack.team.id, slack.team.token),
    ):
        await kept.put(Installed(team, "", SecretStr(token), "U1", "B1"))
    lines = [line for line in await of_workspaces(slack, store) if not line.ok]
    assert [line.name for line in lines] == ["Slack workspace T0GONE", "Slack scope files:write"]
    assert f"in {lesser.id}" in lines[1].detail
    assert "xoxb" not in repr(lines)


async def test_without_the_store_the_check_still_answers(slack: SlackSimulator) -> None:
    store = MemoryStore()
    await store.go()
    [line] = [line for line in await of_workspaces(slack, store) if line.name == "Slack workspaces"]
    assert (line.ok, line.detail) == (True, "are not known here while Redis does not answer")


async def test_the_log_names_missing_scopes_when_the_bot_starts(slack: SlackSimulator) -> None:
    slack.team.scopes -= {"files:read"}
    with capture_logs() as logs:
        async with running(slack):
            await slack.until(lambda: len(slack.called("auth.test")) >= 2)
    [line] = [line for line in logs if line["event"] == "slack.scopes_missing"]
    assert line["scopes"] == {"files:read": WITHOUT["files:read"]}


async def reported(slack: SlackSimulator, **environment: str) -> list[tuple[str, str]]:
    """The log's events of a start, with their levels."""
    bot = made(slack, **environment)
    clients = Clients(bot.adapter.credentials, None)
    try:
        with capture_logs() as logs:
            await report(clients)
    finally:
        await clients.close()
        await bot.adapter.close()
    assert "xoxb" not in str(logs).replace("(xoxb-…)", "")
    return [(line["event"], line["log_level"]) for line in logs]


async def test_the_log_says_whether_slack_takes_the_token(slack: SlackSimulator) -> None:
    assert await reported(slack) == [("slack.signed_in", "info")]
    refused = [("slack.token_refused", "error")]
    assert await reported(slack, SLACK_BOT_TOKEN="xoxb-wrong") == refused
    slack.fail(status=503)
    assert await reported(slack) == [("slack.scopes_unknown", "info")]
    slack.team.revoke()
    assert await reported(slack) == refused
