"""What people do on the simulated Slack besides writing, against slack-bolt."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.bolt import Way, bolt, by_socket, listening, nothing
from tests.simulators.slack import Channel, Person, SlackSimulator
from tests.simulators.slack_views import CONTROLS, HOME, MODAL

# --- acts -----------------------------------------------------------------------------------------------------


async def test_a_slash_command_is_answered_at_once_and_later_by_its_address(
    slack: SlackSimulator, ann: Person, way: Way
) -> None:
    app = bolt(slack)
    outside = slack.channel("outside", [ann], bot=False)

    @app.command("/parley")
    async def parley(ack: Any, respond: Any, command: dict[str, Any]) -> None:
        await ack(f"one moment: {command['text']}")
        await respond(text="later", response_type="ephemeral")

    async with way(slack, app):
        asked = await ann.slash(outside, "help me")
        body = await asked.answered()
        await ann.sees(outside, "later")
    assert (body if isinstance(body, str) else body["text"]) == "one moment: help me"
    assert sorted(ann.whispers(outside)) == ["later", "one moment: help me"]
    assert outside.visible() == []


async def test_a_button_a_select_and_the_feedback_reach_bolt_with_their_values(
    slack: SlackSimulator, ann: Person, dm: Channel, web: AsyncWebClient, way: Way
) -> None:
    app = bolt(slack)
    pressed: list[tuple[str, str]] = []

    @app.action({"type": "block_actions", "action_id": "say:1"})
    @app.action({"type": "block_actions", "action_id": "rate"})
    @app.action({"type": "block_actions", "action_id": "pick:1"})
    async def act(ack: Any, action: dict[str, Any]) -> None:
        await ack()
        chosen = action.get("selected_option", {}).get("value")
        pressed.append((action["type"], action.get("value") or chosen))

    async with way(slack, app):
        posted = await web.chat_postMessage(channel=dm.id, text="Choose", blocks=CONTROLS)
        message = dm.find(posted["ts"])
        assert message is not None
        assert message.buttons == ["Retry", "👍", "👎"]
        await (await ann.presses(message, "Retry")).answered()
        await (await ann.rates(message, good=False)).answered()
        await (await ann.selects(message, "pick:1", "Chef")).answered()
    assert pressed == [
        ("button", "/retry"),
        ("feedback_buttons", "/feedback bad"),
        ("static_select", "/role chef"),
    ]


async def test_a_shortcut_opens_a_modal_whose_errors_are_shown_and_which_then_closes(
    slack: SlackSimulator, ann: Person, dm: Channel, way: Way
) -> None:
    app = bolt(slack)
    names: list[str] = []

    @app.shortcut("ask")
    async def ask(ack: Any, client: AsyncWebClient, shortcut: dict[str, Any]) -> None:
        await ack()
        await client.views_open(trigger_id=shortcut["trigger_id"], view=MODAL)

    @app.view("role")
    async def save(ack: Any, view: dict[str, Any]) -> None:
        name = view["state"]["values"]["name"]["value"]["value"]
        names.append(name)
        await ack(response_action="errors", errors={"name": "taken"}) if name == "chef" else await ack()

    async with way(slack, app):
        await (await ann.shortcut(await ann.says(dm, "about this"), "ask")).answered()
        view = await ann.sees_view("A role")
        for wrong in ({}, {"name": ""}, {"name": "x" * 11}):
            with pytest.raises(ValueError, match="Name"):
                await ann.submits(wrong)
        await (await ann.submits({"Name": "chef"})).answered()
        assert (view.errors, ann.modal) == ({"name": "taken"}, view)
        await (await ann.submits({"name": "cook"})).answered()
    assert ann.modal is None
    assert names == ["chef", "cook"]


async def test_the_home_tab_and_the_messages_tab_are_told_apart_and_filled(
    slack: SlackSimulator, ann: Person, dm: Channel, way: Way
) -> None:
    app = bolt(slack)

    @app.event("app_home_opened")
    async def opened(client: AsyncWebClient, event: dict[str, Any]) -> None:
        if event["tab"] == "home":
            await client.views_publish(user_id=event["user"], view=HOME)
        else:
            prompts = [{"title": "Hi", "message": "Say hi"}]
            await client.assistant_threads_setSuggestedPrompts(channel_id=event["channel"], prompts=prompts)

    async with way(slack, app):
        await ann.opens_home()
        assert (await ann.sees_view("Hi")).shown == "*Hi*"
        await ann.opens_messages()
        await dm.until(lambda: dm.prompts)
    assert dm.prompts[-1]["prompts"][0]["message"] == "Say hi"


async def test_the_native_stop_button_ends_the_streams_and_tells_the_app(
    slack: SlackSimulator, ann: Person, dm: Channel, web: AsyncWebClient
) -> None:
    app, heard = listening(slack)
    async with by_socket(slack, app):
        question = await ann.says(dm, "tell me all")
        with pytest.raises(LookupError, match="no stop button"):
            await ann.stops(question.thread)
        await web.agents_sessions_setStatus(channel_id=dm.id, thread_ts=question.ts, status="processing")
        stream = await web.chat_startStream(channel=dm.id, thread_ts=question.ts, markdown_text="Once")
        await ann.stops(question.thread)
        await slack.settled()
    assert heard.events[-1]["streaming_message_ts"] == [stream["ts"]]
    assert question.thread.status == "processing"  # the app has to move it
    assert question.thread.visible() == ["Once"]


async def test_a_response_replaces_deletes_or_is_for_everybody(
    slack: SlackSimulator, ann: Person, dm: Channel, web: AsyncWebClient, way: Way
) -> None:
    app = bolt(slack)
    answers = [
        {
            "text": "chosen",
            "blocks": [{"type": "markdown", "text": "chosen"}, CONTROLS[1]],
            "replace_original": True,
        },
        {"text": "look", "response_type": "in_channel"},
        {"delete_original": True},
    ]

    @app.action("say:1")
    async def act(ack: Any, respond: Any) -> None:
        await ack()
        await respond(**answers.pop(0))

    async with way(slack, app):
        await web.chat_postEphemeral(channel=dm.id, user=ann.id, text="Choose", blocks=CONTROLS[:2])
        whisper = await ann.sees(dm, "Choose")
        await ann.presses(whisper, "Retry")
        await ann.sees(dm, "chosen")
        await ann.presses(whisper, "Retry")
        await dm.shows("look")
        await ann.presses(whisper, "Retry")
        await slack.until(lambda: not ann.whispers(dm))
    assert dm.visible() == ["look"]


async def test_a_view_that_wants_to_know_is_told_that_it_was_closed(
    slack: SlackSimulator, ann: Person, way: Way
) -> None:
    app = bolt(slack)
    closed: list[str] = []

    @app.shortcut("new")
    async def new(ack: Any, client: AsyncWebClient, shortcut: dict[str, Any]) -> None:
        await ack()
        await client.views_open(trigger_id=shortcut["trigger_id"], view=MODAL | {"notify_on_close": True})

    @app.view_closed("role")
    async def gone(ack: Any, view: dict[str, Any]) -> None:
        await ack()
        closed.append(view["id"])

    async with way(slack, app):
        await ann.global_shortcut("new")
        view = await ann.sees_view("A role")
        told = await ann.closes()
        assert told is not None
        await told.answered()
    assert (closed, ann.modal) == ([view.id], None)


async def test_an_act_without_an_app_fails_as_slack_shows_it(
    slack: SlackSimulator, ann: Person, dm: Channel
) -> None:
    with pytest.raises(AssertionError, match="connection_failed"):
        await (await ann.slash(dm, "help")).answered()
    app = bolt(slack)
    app.command("/parley")(nothing)  # it acknowledges nothing
    slack.ack_seconds = 0.05
    async with by_socket(slack, app):
        with pytest.raises(AssertionError):
            await (await ann.slash(dm, "help")).answered(within=2)
    assert [one.outcome for one in slack.deliveries.all[-1].tries] == ["timeout"]


async def test_joining_a_channel_other_bots_and_reactions_arrive_too(
    slack: SlackSimulator, ann: Person
) -> None:
    app, heard = listening(slack)
    app.event("reaction_added")(nothing)
    robot = slack.robot()
    general = slack.channel("general", [ann, robot], bot=False)
    async with by_socket(slack, app):
        await ann.invites(general)
        await slack.settled()
        said = await robot.says(general, "deployed", subtype="bot_message")
        await slack.settled()
        await ann.reacts(said)
        await slack.settled()
        await ann.removes(general)
        await ann.says(general, "alone again")
        await slack.settled()
    joined, deployed, reaction = heard.events
    assert (joined["type"], joined["user"]) == ("member_joined_channel", slack.team.user)
    assert (deployed["bot_id"], deployed["subtype"]) == (robot.bot_id, "bot_message")
    assert (reaction["item"]["ts"], reaction["reaction"]) == (said.ts, "thumbsup")
