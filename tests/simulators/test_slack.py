"""The simulated Slack's events against slack-bolt, by Socket Mode and by signed HTTP."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.simulators.bolt import Heard, Way, bolt, by_http, by_socket, client, listening
from tests.simulators.endpoint import serve
from tests.simulators.slack import Channel, File, Person, SlackSimulator

# --- events ---------------------------------------------------------------------------------------------------


async def test_bolt_hears_a_message_and_answers_in_its_thread(
    slack: SlackSimulator, ann: Person, dm: Channel, way: Way
) -> None:
    app = bolt(slack)
    heard = Heard(app)

    @app.message("hello")
    async def answer(event: dict[str, Any], say: Any) -> None:
        await say(text=f"hello to <@{event['user']}> &amp; all", thread_ts=event["ts"])

    async with way(slack, app):
        question = await ann.says(dm, "hello <b> & you")
        shown = await question.thread.shows("hello to")
        await slack.settled()
    assert shown.shown == "hello to @Ann & all"
    assert question.thread.visible() == ["hello to @Ann & all"]
    assert question.shown == "hello <b> & you"
    event = heard.events[0]
    assert event["text"] == "hello &lt;b&gt; &amp; you"
    assert (event["channel"], event["channel_type"], event["ts"]) == (dm.id, "im", question.ts)


@pytest.mark.parametrize("first", ["message", "app_mention"])
async def test_a_mention_arrives_twice_with_two_event_ids_in_the_order_that_is_asked_for(
    slack: SlackSimulator, ann: Person, first: str
) -> None:
    app, heard = listening(slack)
    general = slack.channel("general", [ann])
    slack.mention_first = first
    async with by_socket(slack, app):
        question = await ann.says(general, f"{slack.mention} hello")
        await slack.settled()
    assert sorted(event["type"] for event in heard.events) == ["app_mention", "message"]
    assert slack.deliveries.all[0].name == first
    assert {event["ts"] for event in heard.events} == {question.ts}
    assert len({body["event_id"] for body in heard.bodies}) == 2


async def test_edits_deletions_previews_files_clips_and_shared_messages_arrive_as_slack_sends_them(
    slack: SlackSimulator, ann: Person, dm: Channel, way: Way
) -> None:
    app, heard = listening(slack)
    async with way(slack, app):
        said = await ann.says(dm, "helo")
        await slack.settled()
        await ann.edits(said, "hello")
        await slack.settled()
        await ann.unfurls(said)
        await slack.settled()
        await ann.says(dm, "more", thread=said)
        await slack.settled()
        await ann.deletes(said)
        await slack.settled()
        alone = await ann.uploads(dm, File(b"abc", "a.txt"), text="look")
        await slack.settled()
        await ann.speaks(dm, b"voice", "video/webm")
        await slack.settled()
        await ann.shares(dm, alone, "see")
        await slack.settled()
        await ann.deletes(alone)
        await slack.settled()
    changed, previewed, reply, gone, file, clip, shared, deleted = heard.events[1:]
    assert changed["message"]["text"] == "hello"
    assert (changed["previous_message"]["text"], changed["message"]["edited"]["user"]) == ("helo", ann.id)
    assert previewed["previous_message"]["text"] == previewed["message"]["text"]
    assert (reply["thread_ts"], reply["parent_user_id"]) == (said.ts, ann.id)
    assert (gone["subtype"], gone["message"]["subtype"]) == ("message_changed", "tombstone")
    assert (file["subtype"], file["files"][0]["mimetype"], file["text"]) == (
        "file_share",
        "text/plain",
        "look",
    )
    assert (clip["files"][0]["mimetype"], clip["files"][0]["subtype"]) == ("video/webm", "slack_audio")
    assert (shared["attachments"][0]["text"], shared["attachments"][0]["is_share"]) == ("look", True)
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", alone.ts)


async def test_the_app_hears_nothing_of_channels_it_is_not_in_nor_without_the_scope(
    slack: SlackSimulator, ann: Person, dm: Channel
) -> None:
    outside = slack.channel("outside", [ann], bot=False)
    hidden = slack.channel("hidden", [ann], private=True, bot=False)
    slack.team.scopes.discard("im:history")
    for channel in (outside, hidden, dm):
        await ann.says(channel, "hello")
    await ann.says(hidden, f"{slack.mention} hello")
    assert len(slack.deliveries) == 0
    await ann.says(outside, f"{slack.mention} hello")  # a mention in a public channel is told all the same
    assert [delivery.name for delivery in slack.deliveries] == ["app_mention"]


async def test_slack_connect_tells_whose_workspace_a_person_is_of_and_hides_the_files(
    slack: SlackSimulator, ann: Person
) -> None:
    app, heard = listening(slack)
    eve = slack.person("Eve", team=slack.add_team("Partner", installed=False))
    shared = slack.channel("shared", [ann, eve])
    async with by_socket(slack, app):
        await eve.uploads(shared, File(b"x", check=True), text="hi")
        await slack.settled()
    body = heard.bodies[0]
    assert (body["team_id"], body["is_ext_shared_channel"]) == (slack.team.id, True)
    assert body["event"]["user_team"] == eve.team.id
    assert body["event"]["files"] == [
        {
            "id": body["event"]["files"][0]["id"],
            "created": int(float(body["event"]["ts"])),
            "file_access": "check_file_info",
        }
    ]


# --- Socket Mode ----------------------------------------------------------------------------------------------


async def test_each_event_goes_to_one_of_several_connections(
    slack: SlackSimulator, ann: Person, dm: Channel
) -> None:
    app, heard = listening(slack)
    other, overheard = listening(slack)
    async with by_socket(slack, app), by_socket(slack, other):
        for number in range(6):
            await ann.says(dm, f"{number}")
        await slack.settled()
    assert sorted(e["text"] for e in heard.events + overheard.events) == list("012345")
    assert (len(heard.events), len(overheard.events)) == (3, 3)


async def test_what_is_not_acknowledged_goes_to_another_connection(
    slack: SlackSimulator, ann: Person, dm: Channel
) -> None:
    app, heard = listening(slack)
    other, overheard = listening(slack)
    heard.fails = 1
    slack.ack_seconds = 0.2
    async with by_socket(slack, app), by_socket(slack, other):
        await ann.says(dm, "hello")
        await slack.settled()
    assert [event["text"] for event in overheard.events] == ["hello"]
    (delivery,) = slack.deliveries
    assert [(one.via, one.outcome) for one in delivery.tries] == [
        ("socket 1", "timeout"),
        ("socket 2", "acknowledged"),
    ]


async def test_an_event_waits_for_a_connection_and_outlives_one_that_dies(
    slack: SlackSimulator, ann: Person, dm: Channel
) -> None:
    app, heard = listening(slack)
    await ann.says(dm, "early")
    async with aiohttp.ClientSession() as session:
        opened = await client(slack).apps_connections_open(app_token=slack.app_token)
        async with session.ws_connect(opened["url"]) as line:
            assert (await line.receive_json())["type"] == "hello"
            assert (await line.receive_json())["payload"]["event"]["text"] == "early"
            slack.cut()
        async with by_socket(slack, app):
            await slack.settled()
    assert [event["text"] for event in heard.events] == ["early"]
    assert [one.outcome for one in slack.deliveries.all[0].tries] == ["closed", "acknowledged"]


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "link_disabled"])
async def test_bolt_comes_back_when_it_is_told_to_go(
    slack: SlackSimulator, ann: Person, dm: Channel, reason: str
) -> None:
    app, heard = listening(slack)
    async with by_socket(slack, app):
        await slack.disconnect(reason)
        await slack.until(lambda: slack.sockets.hellos == 2)
        await ann.says(dm, "still there?")
        await slack.settled()
    assert [event["text"] for event in heard.events] == ["still there?"]


async def test_bolt_comes_back_when_the_line_dies_without_a_word(
    slack: SlackSimulator, ann: Person, dm: Channel
) -> None:
    app, heard = listening(slack)
    async with by_socket(slack, app):
        slack.cut()
        await slack.until(lambda: slack.sockets.hellos == 2)
        await ann.says(dm, "still there?")
        await slack.settled()
    assert [event["text"] for event in heard.events] == ["still there?"]


async def test_a_ticket_is_good_once_and_the_eleventh_connection_is_too_many(slack: SlackSimulator) -> None:
    web = client(slack)
    async with aiohttp.ClientSession() as session:
        url = (await web.apps_connections_open(app_token=slack.app_token))["url"]
        lines = [await session.ws_connect(url)]
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
        for _ in range(10):
            url = (await web.apps_connections_open(app_token=slack.app_token))["url"]
            lines.append(await session.ws_connect(url))
        assert (await lines[-1].receive_json())["reason"] == "too_many_websockets"
        for line in lines:
            await line.close()


# --- signed HTTP ----------------------------------------------------------------------------------------------


async def test_a_wrong_secret_and_an_old_signature_are_refused_by_bolt(slack: SlackSimulator) -> None:
    app, heard = listening(slack)
    async with by_http(slack, app):
        with pytest.raises(AssertionError, match="401"):
            await slack.deliver_to(slack.deliveries.url, "another secret")
        slack.skew = 301
        with pytest.raises(AssertionError, match="401"):
            await slack.deliver_to(slack.deliveries.url)
    assert heard.bodies == []


async def test_an_event_over_http_is_sent_again_with_its_number_and_reason(
    slack: SlackSimulator, ann: Person, dm: Channel
) -> None:
    seen: list[tuple[str | None, str | None]] = []
    statuses = [500, 503, 200]

    async def events(request: Request) -> Response:
        body = await request.json()
        if body["type"] == "url_verification":
            return Response(body["challenge"])
        headers = request.headers
        seen.append((headers.get("X-Slack-Retry-Num"), headers.get("X-Slack-Retry-Reason")))
        return Response(status_code=statuses.pop(0))

    slack.retry_delays = (0.0, 0.0, 0.0)
    async with serve(Starlette(routes=[Route("/e", events, methods=["POST"])])) as port:
        await slack.deliver_to(f"http://127.0.0.1:{port}/e")
        await ann.says(dm, "hello")
        await slack.settled()
    assert seen == [(None, None), ("1", "http_error"), ("2", "http_error")]
    assert not slack.deliveries.all[0].lost


async def test_no_retry_is_obeyed(slack: SlackSimulator, ann: Person, dm: Channel) -> None:
    async def events(request: Request) -> Response:
        body = await request.json()
        if body["type"] == "url_verification":
            return Response(body["challenge"])
        return Response(status_code=500, headers={"X-Slack-No-Retry": "1"})

    async with serve(Starlette(routes=[Route("/e", events, methods=["POST"])])) as port:
        await slack.deliver_to(f"http://127.0.0.1:{port}/e")
        await ann.says(dm, "hello")
        await slack.settled()
    assert [one.outcome for one in slack.deliveries.all[0].tries] == ["http_error"]
    assert slack.deliveries.all[0].lost
