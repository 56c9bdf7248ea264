"""The simulated Slack refuses what the real one refuses: tokens, places, streams, agents, rates, OAuth."""

from __future__ import annotations

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.bolt import code, refusal
from tests.simulators.slack import Channel, Clock, Message, Person, SlackSimulator

# --- the token, the scopes, the arguments ---------------------------------------------------------------------


async def test_the_token_is_looked_at(slack: SlackSimulator, web: AsyncWebClient) -> None:
    assert await code(AsyncWebClient(base_url=slack.base_url).auth_test()) == "not_authed"
    assert await code(AsyncWebClient("xoxb-no", base_url=slack.base_url).auth_test()) == "invalid_auth"
    assert await code(web.apps_connections_open(app_token=slack.team.token)) == "not_allowed_token_type"
    assert await code(web.apps_connections_open(app_token="xapp-no")) == "invalid_auth"
    slack.team.revoke()
    assert await code(web.auth_test()) == "token_revoked"
    await slack.uninstall(slack.team)
    assert await code(web.auth_test()) == "account_inactive"


async def test_the_app_token_needs_its_scope(slack: SlackSimulator, web: AsyncWebClient) -> None:
    slack.app_scopes.clear()
    answer = await refusal(web.apps_connections_open(app_token=slack.app_token))
    assert (answer["error"], answer["needed"]) == ("missing_scope", "connections:write")


async def test_a_missing_scope_is_named_beside_those_that_are_there(
    slack: SlackSimulator, dm: Channel, web: AsyncWebClient
) -> None:
    slack.team.scopes = {"im:history"}
    answer = await refusal(web.chat_postMessage(channel=dm.id, text="hi"))
    assert (answer["error"], answer["needed"], answer["provided"]) == (
        "missing_scope",
        "chat:write",
        "im:history",
    )
    assert (await web.auth_test()).headers["x-oauth-scopes"] == "im:history"


@pytest.mark.parametrize(
    ("kind", "scope"),
    [
        ("channel", "channels:history"),
        ("group", "groups:history"),
        ("im", "im:history"),
        ("mpim", "mpim:history"),
    ],
)
async def test_reading_needs_the_scope_of_the_kind_of_channel(
    slack: SlackSimulator, ann: Person, web: AsyncWebClient, kind: str, scope: str
) -> None:
    channels = {
        "channel": slack.channel("open", [ann]),
        "group": slack.channel("closed", [ann], private=True),
        "im": slack.dm(ann),
        "mpim": slack.group_dm([ann, slack.person("Bob")]),
    }
    said = await ann.says(channels[kind], "hi")
    await web.conversations_replies(channel=said.channel.id, ts=said.ts)
    slack.team.scopes.discard(scope)
    assert (await refusal(web.conversations_history(channel=said.channel.id)))["needed"] == scope


async def test_a_misspelt_argument_a_missing_one_and_an_unknown_method_are_refused(
    dm: Channel, web: AsyncWebClient
) -> None:
    answer = await refusal(web.chat_postMessage(channel=dm.id, text="hi", thread="1"))
    assert answer["error"] == "invalid_arguments"
    assert "thread" in answer["response_metadata"]["messages"][0]
    assert await code(web.api_call("chat.postMessage", json={"text": "hi"})) == "invalid_arguments"
    assert await code(web.api_call("chat.shout", json={})) == "unknown_method"
    assert await code(web.api_call("users.info", json={"user": "U1"})) == "invalid_arguments"  # forms alone


# --- places ---------------------------------------------------------------------------------------------------


async def test_nobody_posts_where_he_is_not(slack: SlackSimulator, ann: Person, web: AsyncWebClient) -> None:
    bob = slack.person("Bob")
    outside = slack.channel("outside", [ann], bot=False)
    hidden = slack.channel("hidden", [ann], private=True, bot=False)
    inside = slack.channel("inside", [ann])
    other = slack.dm(slack.person("Eve", team=slack.add_team("Other")))
    assert await code(web.chat_postMessage(channel=outside.id, text="hi")) == "not_in_channel"
    assert await code(web.conversations_history(channel=outside.id)) == "not_in_channel"
    assert await code(web.chat_postMessage(channel=hidden.id, text="hi")) == "channel_not_found"
    assert await code(web.chat_postMessage(channel="C404", text="hi")) == "channel_not_found"
    assert await code(web.chat_postMessage(channel=other.id, text="hi")) == "channel_not_found"
    assert (
        await code(web.chat_postEphemeral(channel=inside.id, user=bob.id, text="hi")) == "user_not_in_channel"
    )
    inside.archived = True
    assert await code(web.chat_postMessage(channel=inside.id, text="hi")) == "is_archived"
    await web.conversations_join(channel=outside.id)
    await web.chat_postMessage(channel=outside.id, text="hi")


async def test_only_ones_own_messages_are_changed(
    slack: SlackSimulator, dm: Channel, question: Message, web: AsyncWebClient
) -> None:
    assert await code(web.chat_update(channel=dm.id, ts=question.ts, text="x")) == "cant_update_message"
    assert await code(web.chat_delete(channel=dm.id, ts=question.ts)) == "cant_delete_message"
    assert await code(web.chat_update(channel=dm.id, ts="1.1", text="x")) == "message_not_found"
    posted = await web.chat_postMessage(channel=dm.id, text="mine")
    assert await code(web.api_call("chat.update", json={"channel": dm.id, "ts": posted["ts"]})) == "no_text"
    assert await code(web.chat_update(channel=dm.id, ts=posted["ts"], text="x" * 4_001)) == "msg_too_long"


# --- streams --------------------------------------------------------------------------------------------------


async def test_a_stream_in_a_channel_needs_a_recipient(
    slack: SlackSimulator, ann: Person, web: AsyncWebClient
) -> None:
    root = await ann.says(slack.channel("general", [ann]), "hi")
    place = {"channel": root.channel.id, "thread_ts": root.ts}
    assert await code(web.chat_startStream(**place)) == "missing_recipient_team_id"
    named = place | {"recipient_team_id": slack.team.id}
    assert await code(web.chat_startStream(**named)) == "missing_recipient_user_id"
    assert await code(web.chat_startStream(**named, recipient_user_id="U404")) == "user_not_found"
    await web.chat_startStream(**named, recipient_user_id=ann.id)
    without = {"channel": root.channel.id}
    assert await code(web.api_call("chat.startStream", json=without)) == "invalid_arguments"


async def test_a_stream_dies_after_five_minutes_and_is_repaired_by_an_update(
    clock: Clock, dm: Channel, question: Message, web: AsyncWebClient
) -> None:
    ts = (await web.chat_startStream(channel=dm.id, thread_ts=question.ts, markdown_text="a"))["ts"]
    clock.turn(299)
    await web.chat_appendStream(channel=dm.id, ts=ts, markdown_text="b")
    assert await code(web.chat_update(channel=dm.id, ts=ts, text="x")) == "streaming_state_conflict"
    clock.turn(1)
    late = "message_not_in_streaming_state"
    assert await code(web.chat_appendStream(channel=dm.id, ts=ts, markdown_text="c")) == late
    assert await code(web.chat_stopStream(channel=dm.id, ts=ts)) == late
    assert question.thread.last.broken
    await web.chat_update(channel=dm.id, ts=ts, markdown_text="abc")
    assert (question.thread.visible(), question.thread.last.broken) == (["abc"], False)


async def test_a_stream_holds_twelve_thousand_characters(
    dm: Channel, question: Message, web: AsyncWebClient
) -> None:
    place = {"channel": dm.id, "thread_ts": question.ts}
    assert await code(web.chat_startStream(**place, markdown_text="x" * 12_001)) == "msg_too_long"
    ts = (await web.chat_startStream(**place, markdown_text="x" * 7_000))["ts"]
    assert (
        await code(web.chat_appendStream(channel=dm.id, ts=ts, markdown_text="x" * 5_001)) == "msg_too_long"
    )
    await web.chat_appendStream(channel=dm.id, ts=ts, markdown_text="x" * 5_000)
    assert await code(web.chat_stopStream(channel=dm.id, ts=ts, markdown_text="x")) == "msg_too_long"
    assert len(question.thread.last.shown) == 12_000


async def test_a_stream_refuses_what_it_does_not_know(
    slack: SlackSimulator, dm: Channel, question: Message, web: AsyncWebClient
) -> None:
    place = {"channel": dm.id, "thread_ts": question.ts}
    ts = (await web.chat_startStream(**place))["ts"]
    here = {"channel": dm.id, "ts": ts}
    assert await code(web.chat_appendStream(**here)) == "no_text"
    assert await code(web.chat_appendStream(**here, chunks=[{"type": "song"}])) == "invalid_arguments"
    task = {"type": "task_update", "id": "1", "title": "Think", "status": "asleep"}
    assert await code(web.chat_appendStream(**here, chunks=[task])) == "invalid_arguments"
    assert await code(web.chat_stopStream(**here, session_status="happy")) == "invalid_status"
    assert await code(web.chat_stopStream(**here, blocks=[{"type": "divider"}] * 51)) == "invalid_blocks"
    assert await code(web.chat_stopStream(**here)) == "no_text"
    await web.chat_appendStream(**here, chunks=[{"type": "markdown_text", "text": "hi"}])
    await web.chat_stopStream(**here)
    assert await code(web.chat_stopStream(**here)) == "message_not_in_streaming_state"
    assert (
        await code(web.chat_appendStream(channel=dm.id, ts="1.1", markdown_text="x")) == "message_not_found"
    )
    slack.streaming = False
    assert await code(web.chat_startStream(**place)) == "channel_type_not_supported"


# --- the agent ------------------------------------------------------------------------------------------------


async def test_sessions_and_prompts_have_their_rules(
    slack: SlackSimulator, ann: Person, dm: Channel, question: Message, web: AsyncWebClient
) -> None:
    place = {"channel_id": dm.id, "thread_ts": question.ts}
    assert await code(web.agents_sessions_rename(**place, title="T")) == "session_not_found"
    assert await code(web.agents_sessions_setStatus(**place, status="busy")) == "invalid_status"
    assert (
        await code(web.agents_sessions_setStatus(channel_id=dm.id, status="active")) == "thread_ts_required"
    )
    slack.subscribed.discard("agent_session_stopped")
    answer = await web.agents_sessions_setStatus(**place, status="processing", title="First")
    assert answer["warning"] == "missing_agent_session_stopped_event_subscription"
    assert await code(web.agents_sessions_rename(**place, title="T" * 201)) == "invalid_arguments"
    await web.agents_sessions_rename(**place, title="Better")
    assert (question.thread.title, question.thread.statuses) == ("Better", ["processing"])
    outside = slack.channel("outside", [ann], bot=False)
    there = {"channel_id": outside.id, "thread_ts": question.ts, "status": "active"}
    assert await code(web.agents_sessions_setStatus(**there)) == "not_authorized"
    prompts = [{"title": "a", "message": "b"}]
    suggest = web.assistant_threads_setSuggestedPrompts
    assert await code(suggest(channel_id=dm.id, prompts=prompts * 5)) == "invalid_arguments"
    assert await code(suggest(channel_id=dm.id, prompts=[{"title": "a"}])) == "invalid_arguments"
    await suggest(channel_id=dm.id, prompts=prompts, thread_ts=question.ts)
    assert not dm.prompts  # for an agent nothing happens, without a word
    slack.agent = False
    assert await code(web.agents_sessions_setStatus(**place, status="active")) == "feature_disabled"


async def test_an_answer_or_two_minutes_take_the_assistants_status_away_but_not_the_sessions(
    clock: Clock, dm: Channel, question: Message, web: AsyncWebClient
) -> None:
    place = {"channel_id": dm.id, "thread_ts": question.ts}
    await web.assistant_threads_setStatus(**place, status="is thinking…")
    assert question.thread.status == "is thinking…"
    await web.chat_postMessage(channel=dm.id, thread_ts=question.ts, text="done")
    assert question.thread.status == ""
    await web.assistant_threads_setStatus(**place, status="is thinking…")
    clock.turn(120)
    assert question.thread.status == ""
    await web.agents_sessions_setStatus(**place, status="processing")
    await web.chat_postMessage(channel=dm.id, thread_ts=question.ts, text="done")
    assert question.thread.status == "processing"


# --- rates and faults -----------------------------------------------------------------------------------------


async def test_a_limit_that_a_test_asks_for_holds_for_its_method_and_channel_alone(
    slack: SlackSimulator, ann: Person, dm: Channel, web: AsyncWebClient
) -> None:
    general = slack.channel("general", [ann])
    slack.limit("chat.postMessage", retry_after=7, channel=general.id)
    await web.chat_postMessage(channel=dm.id, text="hi")
    answer = await refusal(web.chat_postMessage(channel=general.id, text="hi"))
    assert (answer.status_code, answer["error"], answer.headers["Retry-After"]) == (429, "ratelimited", "7")
    await web.chat_postMessage(channel=general.id, text="hi")
    assert slack.refused("chat.postMessage") == ["ratelimited"]


async def test_the_real_rates_hold_where_they_are_asked_for(
    slack: SlackSimulator, clock: Clock, ann: Person, dm: Channel, web: AsyncWebClient
) -> None:
    slack.rates = True
    for _ in range(5):
        await web.chat_postMessage(channel=dm.id, text="hi")
    answer = await refusal(web.chat_postMessage(channel=dm.id, text="hi"))
    await web.chat_postMessage(channel=slack.dm(slack.person("Bob")).id, text="hi")
    clock.turn(int(answer.headers["Retry-After"]))
    await web.chat_postMessage(channel=dm.id, text="hi")
    for _ in range(100):
        await web.users_info(user=ann.id)
    assert await code(web.users_info(user=ann.id)) == "ratelimited"


async def test_faults_befall_calls_until_they_are_healed(
    slack: SlackSimulator, dm: Channel, web: AsyncWebClient
) -> None:
    slack.fail(2, 503, "<html>busy</html>")
    for _ in range(2):
        assert (await refusal(web.chat_postMessage(channel=dm.id, text="no"))).status_code == 503
    slack.refuse("chat.postMessage", "restricted_action")
    assert await code(web.chat_postMessage(channel=dm.id, text="no")) == "restricted_action"
    slack.lose("chat.postMessage")
    assert (await refusal(web.chat_postMessage(channel=dm.id, text="yes"))).status_code == 502
    slack.fail(99)
    slack.heal()
    await web.chat_postMessage(channel=dm.id, text="yes again")
    assert dm.visible() == ["yes", "yes again"]
    assert [params["text"] for params in slack.called("chat.postMessage")] == ["yes", "yes again"]


# --- OAuth ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated")  # slack_sdk 3.47 under aiohttp 3.14
async def test_a_code_is_exchanged_once_by_who_knows_the_secret(
    slack: SlackSimulator, ann: Person, web: AsyncWebClient
) -> None:
    page = f"{slack.authorize_url}?client_id={slack.client_id}&scope=chat:write&redirect_uri=http://x/r"
    code_given = slack.oauth.allow(ann, page).partition("code=")[2]
    known = {"client_id": slack.client_id, "client_secret": slack.client_secret, "code": code_given}
    access = web.oauth_v2_access
    assert await code(access(**known | {"client_id": "1"})) == "invalid_client_id"
    assert await code(access(**known | {"client_secret": "x"})) == "bad_client_secret"
    assert await code(access(**known | {"code": "x"})) == "invalid_code"
    assert await code(access(**known)) == "bad_redirect_uri"
    answer = await access(**known, redirect_uri="http://x/r")
    assert (answer["access_token"], answer["scope"]) == (slack.team.token, "chat:write")
    assert await code(access(**known, redirect_uri="http://x/r")) == "code_already_used"
    assert await code(web.auth_test()) == "token_revoked"  # the token from before the new installation
    with pytest.raises(ValueError, match="invalid_client_id"):
        slack.oauth.allow(ann, f"{slack.authorize_url}?client_id=1&scope=chat:write")
