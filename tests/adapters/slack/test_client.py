"""Slack's Web API as the adapter calls it: what is refused, what is limited, whose token goes where."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr
from structlog.testing import capture_logs

from adapters._draft import Later
from adapters.slack.client import Client, Clients, Refused
from adapters.slack.installations import Installations, Installed
from adapters.slack.settings import Credentials
from bot.api import Gone, Unavailable
from tests.adapters.memory_store import MemoryStore
from tests.adapters.slack.answering import Office, office


@pytest.fixture
async def acme() -> AsyncIterator[Office]:
    async with office() as made:
        yield made


async def client_of(acme: Office) -> Client:
    return await acme.clients.of(acme.slack.team.id)


async def post(client: Client, channel: str, text: str = "hi") -> dict[str, Any]:
    return await client.call("chat.postMessage", channel=channel, text=text)


# --- calls -------------------------------------------------------------------------------------------------


async def test_a_call_gives_the_answer_and_leaves_out_what_is_none(acme: Office) -> None:
    client = await client_of(acme)
    answer = await client.call("chat.postMessage", channel=acme.dm.id, text="hi", thread_ts=None)
    assert answer["ok"] is True
    assert acme.dm.visible() == ["hi"]
    assert acme.slack.called("chat.postMessage") == [{"channel": acme.dm.id, "text": "hi"}]


async def test_a_method_that_takes_no_json_gets_a_form(acme: Office) -> None:
    client = await client_of(acme)
    found = await client.call("users.info", user=acme.ann.id, include_locale=True)
    assert found["user"]["id"] == acme.ann.id
    assert found["user"]["locale"] == "en-US"


async def test_a_refusal_has_its_code(acme: Office) -> None:
    client = await client_of(acme)
    acme.slack.refuse("chat.postMessage", "duplicate_message_not_found")
    with pytest.raises(Refused) as refused:
        await post(client, acme.general.id)
    assert refused.value.error == "duplicate_message_not_found"


async def test_a_missing_scope_is_named_and_logged_once(acme: Office) -> None:
    client = await client_of(acme)
    acme.slack.team.scopes.discard("chat:write")
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                await post(client, acme.dm.id)
    assert (refused.value.error, refused.value.needed) == ("missing_scope", "chat:write")
    assert [(line["event"], line["scope"]) for line in logs] == [("slack.scope_missing", "chat:write")]


@pytest.mark.parametrize(
    "error", ["is_archived", "not_in_channel", "channel_not_found", "account_inactive", "token_revoked"]
)
async def test_what_cannot_be_written_to_is_gone(acme: Office, error: str) -> None:
    client = await client_of(acme)
    acme.slack.refuse("chat.postMessage", error)
    with pytest.raises(Gone, match=error):
        await post(client, acme.dm.id)


@pytest.mark.parametrize("error", ["internal_error", "fatal_error", "service_unavailable"])
async def test_slacks_own_faults_pass(acme: Office, error: str) -> None:
    client = await client_of(acme)
    acme.slack.refuse("chat.postMessage", error)
    with pytest.raises(Unavailable):
        await post(client, acme.dm.id)


@pytest.mark.parametrize(
    ("status", "body"), [(500, ""), (502, "<html>bad gateway</html>"), (200, "all is well"), (200, "{")]
)
async def test_an_answer_that_is_none_is_unavailable(acme: Office, status: int, body: str) -> None:
    client = await client_of(acme)
    acme.slack.fail(status=status, body=body)
    with pytest.raises(Unavailable):
        await post(client, acme.dm.id)


async def test_a_slack_that_is_not_there_is_unavailable() -> None:
    clients = Clients(Credentials(token="xoxb-1", base_url="http://127.0.0.1:9/api/"), None)
    try:
        with pytest.raises(Unavailable):
            await clients.of("T1")
    finally:
        await clients.close()


async def test_an_answer_that_does_not_come_is_unavailable(acme: Office) -> None:
    client = await client_of(acme)
    acme.slack.hang("chat.postMessage")
    with pytest.raises(Unavailable):
        await client.call("chat.postMessage", channel=acme.dm.id, text="hi", timeout=0.05)
    acme.slack.heal()


async def test_what_may_be_repeated_is_tried_again(acme: Office) -> None:
    client = await client_of(acme)
    acme.slack.fail(times=2, status=503)
    await client.call("chat.postMessage", channel=acme.dm.id, text="hi", tries=3)
    assert acme.dm.visible() == ["hi"]
    assert acme.time.slept == [0.5, 1.0]


# --- rate limits -------------------------------------------------------------------------------------------


async def test_a_rate_limit_keeps_later_calls_from_leaving_until_it_is_over(acme: Office) -> None:
    client = await client_of(acme)
    acme.slack.limit("chat.postMessage", retry_after=20)
    with pytest.raises(Later) as later:
        await post(client, acme.dm.id)
    assert later.value.seconds == 20
    made = len(acme.slack.calls)
    acme.time.now += 5
    with pytest.raises(Later) as later:
        await post(client, acme.dm.id)
    assert later.value.seconds == pytest.approx(15)
    assert len(acme.slack.calls) == made
    acme.time.now += 15
    await post(client, acme.dm.id)
    assert acme.dm.visible() == ["hi"]


async def test_a_rate_limit_holds_for_one_method_and_one_channel(acme: Office) -> None:
    client = await client_of(acme)
    acme.slack.limit("chat.postMessage", retry_after=20)
    with pytest.raises(Later):
        await post(client, acme.dm.id)
    await post(client, acme.general.id)
    await client.call("conversations.info", channel=acme.dm.id)
    assert acme.general.visible() == ["hi"]


async def test_a_rate_limit_without_a_time_is_kept_for_some_seconds(acme: Office) -> None:
    client = await client_of(acme)
    acme.slack.refuse("chat.postMessage", "ratelimited")
    with pytest.raises(Later) as later:
        await post(client, acme.dm.id)
    assert 1 <= later.value.seconds <= 60


async def test_growing_text_has_a_hundred_calls_a_minute(acme: Office) -> None:
    client = await client_of(acme)
    for _ in range(100):
        client.pace()
    with pytest.raises(Later) as later:
        client.pace()
    assert later.value.seconds == pytest.approx(0.6)
    acme.time.now += 30
    for _ in range(50):
        client.pace()
    with pytest.raises(Later):
        client.pace()


async def test_what_a_workspace_refused_is_tried_again_when_its_time_is_over(acme: Office) -> None:
    client = await client_of(acme)
    assert client.allows("streams")
    client.disallow("streams", 3600)
    assert not client.allows("streams")
    acme.time.now += 3600
    assert client.allows("streams")


# --- who asks ----------------------------------------------------------------------------------------------


async def test_a_single_token_is_asked_once_who_it_is(acme: Office) -> None:
    client = await client_of(acme)
    assert await acme.clients.first() is client
    assert await client_of(acme) is client
    team = acme.slack.team
    assert (client.team, client.user, client.bot) == (team.id, team.user, team.bot)
    assert [call.method for call in acme.slack.calls] == ["auth.test"]


async def test_a_client_knows_the_scopes_of_its_token(acme: Office) -> None:
    client = await client_of(acme)
    assert await client.scopes() == frozenset(acme.slack.team.scopes)


async def test_a_token_that_slack_does_not_take_is_unavailable(acme: Office) -> None:
    clients = Clients(Credentials(token="xoxb-wrong", base_url=acme.slack.base_url), None)
    try:
        with pytest.raises(Unavailable):
            await clients.first()
    finally:
        await clients.close()


async def test_each_workspace_has_its_own_token(acme: Office) -> None:
    other = acme.slack.add_team("Umbrella")
    cas = acme.slack.person("Cas", team=other)
    dm = acme.slack.dm(cas)
    store = MemoryStore()
    installations = Installations(store, "client secret")
    clients = Clients(Credentials(token=acme.slack.team.token, base_url=acme.slack.base_url), installations)
    try:
        with pytest.raises(Gone):
            await clients.of(other.id)
        await installations.put(Installed(other.id, "", SecretStr(other.token), other.user, other.bot))
        client = await clients.of(other.id)
        await post(client, dm.id)
        assert dm.visible() == ["hi"]
        assert (client.team, client.user, client.bot) == (other.id, other.user, other.bot)
        assert await clients.of(other.id) is client
        first = await clients.of(acme.slack.team.id)
        assert first is await clients.first()
        await installations.put(Installed(other.id, "", SecretStr("xoxb-new"), other.user, other.bot))
        assert await clients.of(other.id) is not client
    finally:
        await clients.close()


async def test_without_a_token_there_is_no_first_client() -> None:
    clients = Clients(Credentials(), None)
    assert await clients.first() is None
    with pytest.raises(Gone):
        await clients.of("T1")


async def test_nobody_gets_to_read_the_token(acme: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = await client_of(acme)
    acme.slack.refuse("chat.postMessage", "no_text")
    with pytest.raises(Refused) as refused:
        await post(client, acme.dm.id, "a secret")
    told = f"{client!r} {refused.value!r} {caplog.text}"
    assert acme.slack.team.token not in told
    assert "a secret" not in told


# --- downloads ---------------------------------------------------------------------------------------------


class Elsewhere:
    """A server that is not Slack's, and remembers who came with what."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.url = ""
        app = web.Application()
        app.add_routes([web.get("/{path:.*}", self._answer)])
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> Elsewhere:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.headers.get("Authorization", ""))
        if request.path == "/redirected":
            raise web.HTTPFound(request.query["to"])
        if request.path == "/page":
            return web.Response(
                text="<html>", content_type="text/html", headers={"Content-Disposition": "attachment"}
            )
        return web.Response(body=b"bytes")


async def test_a_file_is_asked_for_with_the_token(acme: Office) -> None:
    client = await client_of(acme)
    file_id = await client.upload(acme.dm.id, "", "a.bin", b"0123456789")
    info = await client.call("files.info", file=file_id)
    url = info["file"]["url_private_download"]
    assert await client.download(url, limit=100) == b"0123456789"
    with pytest.raises(Gone, match="more than 5"):
        await client.download(url, limit=5)


async def test_a_login_page_is_no_file(acme: Office) -> None:
    client = await client_of(acme)
    file_id = await client.upload(acme.dm.id, "", "a.bin", b"0123456789")
    url = (await client.call("files.info", file=file_id))["file"]["url_private"]
    acme.slack.team.scopes.discard("files:read")
    with pytest.raises(Gone, match="files:read"):
        await client.download(url, limit=100)


@pytest.mark.parametrize("url", ["http://[", "file:///etc/passwd", "", "https://slack.com.evil.example/x"])
async def test_addresses_that_are_not_slacks_are_not_asked(acme: Office, url: str) -> None:
    client = await client_of(acme)
    with pytest.raises(Gone):
        await client.download(url, limit=100)


async def test_the_token_goes_to_nobody_else(acme: Office) -> None:
    client = await client_of(acme)
    async with Elsewhere() as slack_gateway, Elsewhere() as stranger:
        gateway = Client(client.token, base_url=f"{slack_gateway.url}/api/", session=acme.clients.session)
        with pytest.raises(Gone):
            await gateway.download(f"{stranger.url}/file", limit=100)
        with pytest.raises(Gone):
            await gateway.download(f"{slack_gateway.url}/redirected?to={stranger.url}/file", limit=100)
        with pytest.raises(Gone):
            await gateway.download(
                f"{slack_gateway.url}/redirected?to=/redirected?to=/redirected?to=/x", limit=100
            )
        assert stranger.seen == []
        found = await gateway.download(f"{slack_gateway.url}/redirected?to=/file", limit=100)
        assert found == b"bytes"
        assert await gateway.download(f"{slack_gateway.url}/page", limit=100) == b"<html>"


async def test_after_closing_nothing_is_asked_any_more(acme: Office) -> None:
    client = await client_of(acme)
    await acme.clients.close()
    await acme.clients.close()
    with pytest.raises(Unavailable):
        await post(client, acme.dm.id)
    assert acme.dm.visible() == []
