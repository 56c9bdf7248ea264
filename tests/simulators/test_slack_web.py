"""The simulated Slack's Web API, files, OAuth and control, against slack_sdk and slack-bolt."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.oauth.installation_store import FileInstallationStore
from slack_sdk.oauth.state_store import FileOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.routing import Route

from tests.simulators.bolt import client
from tests.simulators.endpoint import serve
from tests.simulators.slack import Channel, File, Person, SlackSimulator, slack_simulator
from tests.simulators.slack.control import add_control
from tests.simulators.slack_views import CONTROLS

# --- the Web API, as slack_sdk uses it ------------------------------------------------------------------------


async def test_slack_sdks_own_stream_streams(slack: SlackSimulator, ann: Person, web: AsyncWebClient) -> None:
    general = slack.channel("general", [ann])
    question = await ann.says(general, "hello")
    stream = await web.chat_stream(
        channel=general.id,
        thread_ts=question.ts,
        recipient_team_id=slack.team.id,
        recipient_user_id=ann.id,
        buffer_size=4,
    )
    await stream.append(markdown_text="**Hello** ")
    (message,) = question.thread.from_app
    assert (slack.streams.running(message), message.shown) == (True, "**Hello** ")
    await stream.stop(markdown_text="world", blocks=CONTROLS[1:])
    assert (slack.streams.running(message), message.shown) == (False, "**Hello** world")
    assert message.buttons == ["Retry", "👍", "👎"]


async def test_files_go_up_into_a_thread_and_come_down_with_the_token_alone(
    slack: SlackSimulator, ann: Person, dm: Channel, web: AsyncWebClient
) -> None:
    question = await ann.uploads(dm, File(b"secret", "a.txt"), File(b"", "big.bin", size=200_000))
    uploads = [{"filename": "1.png", "content": b"one"}, {"filename": "2.png", "content": b"two"}]
    await web.files_upload_v2(
        channel=dm.id, thread_ts=question.ts, file_uploads=uploads, initial_comment="Two"
    )
    assert (question.thread.visible(), question.thread.files) == (["Two"], [b"one", b"two"])
    known = (await web.files_info(file=question.files[0].id))["file"]
    async with aiohttp.ClientSession() as session:
        async with session.get(known["url_private_download"]) as page:
            assert (page.status, page.content_type) == (200, "text/html")
        headers = {"Authorization": f"Bearer {slack.team.token}"}
        async with session.get(known["url_private_download"], headers=headers) as file:
            assert (file.content_type, await file.read()) == ("text/plain", b"secret")
        big = question.files[1].json()["url_private"]
        async with session.get(big, headers=headers) as file:
            assert len(await file.read()) == 200_000


async def test_people_channels_and_threads_can_be_read_page_by_page(
    slack: SlackSimulator, ann: Person, web: AsyncWebClient
) -> None:
    general = slack.channel("general", [ann])
    root = await ann.says(general, "root")
    for number in range(3):
        await ann.says(general, f"reply {number}", thread=root)
    user = (await web.users_info(user=ann.id, include_locale=True))["user"]
    assert (user["profile"]["display_name"], user["locale"]) == ("Ann", "zh-CN")
    assert (await web.conversations_open(users=[ann.id]))["channel"]["id"] == slack.dm(ann).id
    first = await web.conversations_replies(channel=general.id, ts=root.ts, limit=2)
    texts = [message["text"] for message in first["messages"]]
    cursor = first["response_metadata"]["next_cursor"]
    rest = await web.conversations_replies(channel=general.id, ts=root.ts, limit=2, cursor=cursor)
    texts += [message["text"] for message in rest["messages"]]
    assert texts == ["root", "reply 0", "reply 1", "reply 2"]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    history = await web.conversations_history(channel=general.id)
    assert [(message["text"], message["reply_count"]) for message in history["messages"]] == [("root", 3)]


async def test_a_message_is_updated_and_deleted_and_the_app_hears_of_its_own_deeds(
    slack: SlackSimulator, dm: Channel, web: AsyncWebClient
) -> None:
    posted = await web.chat_postMessage(channel=dm.id, text="one", blocks=CONTROLS[:2])
    await web.chat_update(channel=dm.id, ts=posted["ts"], text="two")
    assert dm.buttons == ["Retry"]  # blocks that are not named stay
    await web.chat_update(channel=dm.id, ts=posted["ts"], text="three", blocks=[])
    assert (dm.visible(), dm.buttons) == (["three"], [])
    await web.chat_delete(channel=dm.id, ts=posted["ts"])
    assert dm.visible() == []
    kinds = [delivery.payload["event"].get("subtype") for delivery in slack.deliveries]
    assert kinds == [None, "message_changed", "message_changed", "message_deleted"]


# --- workspaces and installation ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated")  # slack_sdk 3.47 under aiohttp 3.14
async def test_a_person_installs_the_app_by_oauth_and_it_is_taken_out_again(
    slack: SlackSimulator, tmp_path: Any
) -> None:
    beta = slack.add_team("Beta", installed=False)
    boss = slack.person("Boss", team=beta)
    store = FileInstallationStore(base_dir=str(tmp_path / "installations"))
    settings = AsyncOAuthSettings(
        client_id=slack.client_id,
        client_secret=slack.client_secret,
        scopes=["chat:write", "im:history"],
        installation_store=store,
        state_store=FileOAuthStateStore(expiration_seconds=60, base_dir=str(tmp_path / "states")),
        authorization_url=slack.authorize_url,
    )
    app = AsyncApp(
        signing_secret=slack.signing_secret,
        oauth_flow=AsyncOAuthFlow(client=AsyncWebClient(base_url=slack.base_url), settings=settings),
    )
    handler = AsyncSlackRequestHandler(app)
    paths = ["/slack/install", "/slack/oauth_redirect"]
    routes = [Route(path, handler.handle, methods=["GET"]) for path in paths]
    async with serve(Starlette(routes=routes)) as port:
        url = f"http://127.0.0.1:{port}/slack/install"
        slack.redirect_uri = f"http://127.0.0.1:{port}/slack/oauth_redirect"
        status, page = await boss.installs(url, denies=True)
        assert (status, beta.installed) != (200, True)
        status, page = await boss.installs(url)
    assert (status, beta.installed, beta.scopes) == (200, True, {"chat:write", "im:history"}), page
    found = await store.async_find_bot(enterprise_id=None, team_id=beta.id)
    assert found is not None
    assert found.bot_token == beta.token
    assert (await client(slack, beta).auth_test())["team_id"] == beta.id
    await slack.uninstall(beta)
    assert [delivery.name for delivery in slack.deliveries] == ["app_uninstalled", "tokens_revoked"]


async def test_people_act_and_are_watched_from_another_process() -> None:
    async with slack_simulator(prepare=add_control) as slack, aiohttp.ClientSession() as session:

        async def act(**given: Any) -> Any:
            async with session.post(f"{slack.url}/_control", json=given) as response:
                return response.status, await response.json()

        _, said = await act(act="says", person="Ann", text="hello")
        await client(slack).chat_postMessage(channel=said["channel"], text="hi", thread_ts=said["thread"])
        async with session.get(f"{slack.url}/_control/state") as response:
            state = await response.json()
        texts = [(m["from"], m["shown"]) for m in state["channels"][said["channel"]]["messages"]]
        assert texts == [("Ann", "hello"), ("Parley", "hi")]
        assert (await act(act="dances", person="Ann"))[0] == 400


async def test_as_a_process_of_its_own_it_prints_what_an_app_needs() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.simulators.slack", "--no-streaming", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            needed = json.loads(await process.stdout.readline())
        web = AsyncWebClient(token=needed["SLACK_BOT_TOKEN"], base_url=needed["SLACK_API_BASE_URL"])
        assert (await web.auth_test())["ok"]
    finally:
        process.kill()
        await process.wait()


async def test_waiting_for_a_text_that_never_comes_says_what_is_to_be_seen(ann: Person, dm: Channel) -> None:
    await ann.says(dm, "anybody?")
    with pytest.raises(AssertionError, match=r"Ann: anybody\?"):
        await dm.shows("nobody", within=0.01)
