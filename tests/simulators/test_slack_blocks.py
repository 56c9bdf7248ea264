"""The simulated Slack refuses texts, blocks, views, uploads and responses as the real one does."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.bolt import code
from tests.simulators.slack import Channel, Clock, Person, SlackSimulator
from tests.simulators.slack_views import HOME, actions, button, markdown, options, plain, section, select

# --- texts and blocks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({}, "no_text"),
        ({"text": "  "}, "no_text"),
        ({"text": "a", "markdown_text": "b"}, "markdown_text_conflict"),
        ({"markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"text": "a", "attachments": [{}] * 101}, "too_many_attachments"),
        ({"text": "a", "thread_ts": "yesterday"}, "invalid_thread_ts"),
        ({"text": "a", "metadata": {"event_type": "x"}}, "invalid_metadata_format"),
        ({"text": "a", "username": "Boss"}, "missing_scope"),
        ({"text": "a", "blocks": "[oops"}, "invalid_blocks_format"),
        ({"text": "a", "blocks": [markdown("x" * 6_700)] * 2}, "msg_blocks_too_long"),
    ],
)
async def test_a_text_can_be_refused(
    dm: Channel, web: AsyncWebClient, content: dict[str, Any], error: str
) -> None:
    assert await code(web.api_call("chat.postMessage", json={"channel": dm.id, **content})) == error


@pytest.mark.parametrize(
    "blocks",
    [
        [{"type": "divider"}] * 51,
        [{"type": "surprise"}],
        [section(plain("x" * 3_001))],
        [section("a bare string")],
        [section(plain(""))],
        [{"type": "section"}],
        [section(plain("a")) | {"colour": "red"}],
        [section({"type": "mrkdwn", "text": "a", "emoji": True})],
        [{"type": "header", "text": plain("x" * 151)}],
        [{"type": "header", "text": {"type": "mrkdwn", "text": "a"}}],
        [markdown("x" * 12_001)],
        [markdown("")],
        [{"type": "context", "elements": [plain("a")] * 11}],
        [actions()],
        [actions(*(button(action_id=f"{n}") for n in range(26)))],
        [actions(button(), button())],
        [actions(button(text=plain("x" * 76)))],
        [actions(button(text={"type": "mrkdwn", "text": "a"}))],
        [actions(button(value="x" * 2_001))],
        [actions(button(action_id="x" * 256))],
        [actions(button(style="loud"))],
        [actions(button(colour="red"))],
        [actions({"type": "lever", "action_id": "a"})],
        [actions(button(), block_id="x" * 256)],
        [actions(button(), block_id="1"), actions(button(), block_id="1")],
        [actions(select(options=options(101)))],
        [actions(select(options=[]))],
        [actions(select(options=[{"text": plain("x" * 76), "value": "1"}]))],
        [actions(select(options=[{"text": plain("x"), "value": "x" * 151}]))],
        [actions(select(options=[{"text": plain("x")}]))],
        [actions(select(options=options(1) * 2))],
        [actions(select(initial_option={"text": plain("No"), "value": "no"}))],
        [{"type": "context_actions", "elements": [button()]}],
        [{"type": "image", "image_url": "https://example.com/a.png"}],
        [{"type": "input", "element": {"type": "plain_text_input"}}],
    ],
    ids=lambda blocks: f"{len(blocks)} {str(blocks[0])[:60]}",
)
async def test_blocks_are_refused_as_slack_refuses_them(
    dm: Channel, web: AsyncWebClient, blocks: list[dict[str, Any]]
) -> None:
    assert await code(web.chat_postMessage(channel=dm.id, text="fallback", blocks=blocks)) == "invalid_blocks"
    assert dm.visible() == []


async def test_blocks_at_their_limits_are_taken_and_a_long_text_is_cut(
    dm: Channel, web: AsyncWebClient
) -> None:
    blocks = [
        markdown("x" * 11_000),
        {"type": "header", "text": plain("x" * 150)},
        actions(*(button(action_id=f"{n}", text=plain("x" * 20), value="x" * 2_000) for n in range(25))),
        actions(select(options=options(100))),
        {"type": "divider"},
    ]
    await web.chat_postMessage(channel=dm.id, text="fallback", blocks=blocks)
    await web.chat_postMessage(channel=dm.id, text="x" * 40_010)
    assert [len(text) for text in dm.visible()] == [11_152, 40_000]


# --- views, files, responses ----------------------------------------------------------------------------------


def modal(**fields: Any) -> dict[str, Any]:
    return {"type": "modal", "title": plain("Title"), "blocks": [section(plain("hi"))], **fields}


INPUT = {
    "type": "input",
    "label": {"type": "plain_text", "text": "Name"},
    "element": {"type": "plain_text_input", "action_id": "a"},
}


@pytest.mark.parametrize(
    "view",
    [
        modal(title=plain("x" * 25)),
        {"type": "modal", "blocks": []},
        modal(blocks=[{"type": "divider"}] * 101),
        modal(blocks=[INPUT]),
        modal(blocks=[markdown("not here")]),
        modal(private_metadata="x" * 3_001),
        modal(callback_id="x" * 256),
        modal(colour="red"),
        {"type": "home", "blocks": [{"type": "divider"}]},
        "{oops",
    ],
    ids=lambda view: str(view)[:60],
)
async def test_views_are_refused_as_slack_refuses_them(
    slack: SlackSimulator, ann: Person, web: AsyncWebClient, view: Any
) -> None:
    trigger = slack.triggers.trigger(ann)
    assert await code(web.views_open(trigger_id=trigger, view=view)) == "invalid_arguments"
    await web.views_open(trigger_id=trigger, view=modal())


async def test_a_trigger_is_good_once_for_three_seconds_and_three_modals_stand_on_each_other(
    slack: SlackSimulator, clock: Clock, ann: Person, web: AsyncWebClient
) -> None:
    trigger = slack.triggers.trigger(ann)
    first = await web.views_open(trigger_id=trigger, view=modal())
    assert await code(web.views_open(trigger_id=trigger, view=modal())) == "exchanged_trigger_id"
    old = slack.triggers.trigger(ann)
    clock.turn(4)
    assert await code(web.views_open(trigger_id=old, view=modal())) == "expired_trigger_id"
    assert await code(web.views_open(trigger_id="1.2.3", view=modal())) == "invalid_arguments"
    for _ in range(2):
        await web.views_push(trigger_id=slack.triggers.trigger(ann), view=modal())
    fourth = web.views_push(trigger_id=slack.triggers.trigger(ann), view=modal())
    assert await code(fourth) == "push_limit_reached"
    id = first["view"]["id"]
    assert await code(web.views_update(view_id=id, hash="old", view=modal())) == "hash_conflict"
    await web.views_update(view_id=id, hash=first["view"]["hash"], view=modal(title=plain("New")))
    assert await code(web.views_update(view_id="V404", view=modal())) == "not_found"
    home = {"type": "home", "blocks": [{"type": "divider"}] * 101}
    assert await code(web.views_publish(user_id=ann.id, view=home)) == "invalid_arguments"
    slack.home_tab = False
    assert await code(web.views_publish(user_id=ann.id, view=home | {"blocks": []})) == "invalid_arguments"
    assert await code(web.views_publish(user_id=ann.id, view=HOME)) == "not_enabled"


async def test_an_upload_is_held_to_what_was_announced(
    slack: SlackSimulator, dm: Channel, web: AsyncWebClient
) -> None:
    assert await code(web.files_getUploadURLExternal(filename="a", length=0)) == "invalid_arguments"
    given = await web.files_getUploadURLExternal(filename="a.png", length=3)
    file = [{"id": given["file_id"], "title": "a"}]
    assert await code(web.files_completeUploadExternal(files=file, channel_id=dm.id)) == "file_not_found"
    async with aiohttp.ClientSession() as session:
        async with session.post(given["upload_url"], data=b"four") as answer:
            assert answer.status == 400
        async with session.post(given["upload_url"], data=b"one") as answer:
            assert answer.status == 200
    assert await code(web.files_completeUploadExternal(files=file, channel_id="C404")) == "channel_not_found"
    await web.files_completeUploadExternal(files=file, channel_id=dm.id)
    assert await code(web.files_completeUploadExternal(files=file, channel_id=dm.id)) == "file_not_found"
    assert dm.files == [b"one"]
    slack.team.scopes.discard("files:read")
    assert await code(web.files_info(file=given["file_id"])) == "missing_scope"


async def test_a_response_address_is_good_five_times_and_for_half_an_hour(
    slack: SlackSimulator, clock: Clock, ann: Person, dm: Channel
) -> None:
    url, late = slack.triggers.response_url(ann, dm), slack.triggers.response_url(ann, dm)
    async with aiohttp.ClientSession() as session:

        async def respond(address: str, **body: Any) -> Any:
            async with session.post(address, json=body) as answer:
                return await answer.text() if answer.status == 200 else (await answer.json())["error"]

        assert await respond(url, text="hi", colour="red") == "invalid_arguments"
        assert await respond(url) == "no_text"
        assert [await respond(url, text=f"{number}") for number in range(6)] == ["ok"] * 5 + ["used_url"]
        clock.turn(1_801)
        assert await respond(late, text="late") == "expired_url"
    assert ann.whispers(dm) == ["0", "1", "2", "3", "4"]
