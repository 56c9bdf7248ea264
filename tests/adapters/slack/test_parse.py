"""What Slack's events and buttons mean: JSON as Slack sends it in, our own types out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack import content, mrkdwn
from adapters.slack.parse import UNREADABLE, Added, Heard, Identity, account, is_answers, parse, pressed
from bot.api import Incoming, Place

ME = Identity("T1", "U0BOT", "B0BOT")
CHANNEL = Place("slack", "T1", "C1", "1700000000.000100", "group", discussion=True)
DIRECT = Place("slack", "T1", "D1", "1700000000.000100", "private")
NAMES = {"U1": "Ann", "U2": "Bob"}


def event(text: str = "hello", channel: str = "C1", **fields: Any) -> dict[str, Any]:
    """A message as the Events API sends it."""
    kind = "im" if channel.startswith("D") else "channel"
    return {
        "client_msg_id": "628b792c-5efb-437a-9ba3-25fb8be3d5c5",
        "type": "message",
        "text": text,
        "user": "U1",
        "ts": "1700000000.000100",
        "blocks": [{"type": "rich_text", "block_id": "Xy", "elements": []}],
        "team": "T1",
        "channel": channel,
        "event_ts": "1700000000.000100",
        "channel_type": kind,
    } | fields


def heard(given: dict[str, Any]) -> Incoming:
    meaning = parse(given, ME, NAMES)
    assert isinstance(meaning, Heard)
    return meaning.incoming


def changed(
    text: str, before: str | None = "helo", *, edited: str = "1700000009.000000", **fields: Any
) -> Any:
    """An edit, or what Slack tells in the same way."""
    ts = "1700000000.000100"
    message = {"type": "message", "user": "U1", "text": text, "ts": ts} | fields
    if edited:
        message["edited"] = {"user": "U1", "ts": edited}
    found = {
        "type": "message",
        "subtype": "message_changed",
        "channel": "C1",
        "hidden": True,
        "message": message,
    }
    if before is not None:
        found["previous_message"] = {"type": "message", "user": "U1", "text": before, "ts": ts}
    return found | {"ts": "1700000009.000200", "event_ts": "1700000009.000200", "channel_type": "channel"}


# --- messages ------------------------------------------------------------------------------------------------


def test_a_direct_message_begins_a_conversation_of_its_own() -> None:
    found = heard(event("hello", "D1"))
    assert found.place == DIRECT
    assert (found.id, found.text, found.addressed) == ("1700000000.000100", "hello", "private")
    assert found.sent_at == 1700000000.0001
    assert found.person.id == "U1"


def test_a_direct_message_in_a_thread_belongs_to_that_thread() -> None:
    found = heard(event("more", "D1", ts="1700000001.000100", thread_ts="1700000000.000100"))
    assert found.place == DIRECT
    assert found.id == "1700000001.000100"


def test_a_command_can_be_written_in_a_direct_message() -> None:
    assert heard(event("/help", "D1")).addressed == "command"


def test_a_mention_is_taken_out_of_the_text() -> None:
    found = heard(event("<@U0BOT> what is a leek?"))
    assert found.place == CHANNEL
    assert (found.text, found.addressed) == ("what is a leek?", "mention")


def test_the_two_events_of_one_mention_are_one_message() -> None:
    twice = [event("hi <@U0BOT>"), event("hi <@U0BOT>", type="app_mention")]
    for double in twice[1:]:
        del double["channel_type"]
    first, second = map(heard, twice)
    assert first == second


def test_an_app_mention_is_a_mention_whatever_its_text_says() -> None:
    assert heard(event("Parley, hello", type="app_mention")).addressed == "mention"


def test_talk_in_a_channel_that_names_nobody_is_ambient() -> None:
    assert heard(event("lunch?")).addressed == "ambient"
    assert heard(event("<@U2> lunch?")).addressed == "ambient"


def test_our_name_in_code_is_no_mention() -> None:
    found = heard(event("write `<@U0BOT>` or\n```\n<@U0BOT> hi\n```"))
    assert found.addressed == "ambient"
    assert found.text == "write `@U0BOT` or\n```\n@U0BOT hi\n```"


def test_a_mention_alone_is_heard() -> None:
    found = heard(event("<@U0BOT>"))
    assert (found.text, found.addressed) == ("", "mention")


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast", "me_message"])
def test_these_subtypes_are_messages(subtype: str) -> None:
    assert heard(event("hello", subtype=subtype)).text == "hello"


@pytest.mark.parametrize(
    "subtype",
    [
        "channel_join",
        "channel_leave",
        "channel_topic",
        "pinned_item",
        "message_replied",
        "reminder_add",
        "bot_add",
    ],
)
def test_what_slack_itself_tells_a_channel_is_not(subtype: str) -> None:
    assert parse(event("<@U0BOT> has joined", subtype=subtype), ME) is None


def test_a_message_to_all_of_a_channel_stays_in_its_thread() -> None:
    thread = {"thread_ts": "1700000000.000100", "root": {"ts": "1700000000.000100"}}
    found = heard(event("all of you", subtype="thread_broadcast", ts="1700000005.000000", **thread))
    assert found.place == CHANNEL


def test_a_group_message_is_a_group_although_nobody_else_sees_it() -> None:
    found = heard(event("hello", "G1", channel_type="mpim"))
    assert (found.place.kind, found.place.discussion, found.addressed) == ("group", True, "ambient")


def test_in_a_shared_channel_the_place_is_ours_and_the_person_theirs() -> None:
    given = event("<@U0BOT> hello", user="U9", team="T9", user_team="T9", source_team="T9")
    found = heard(given)
    assert (found.place.account, found.person.id) == ("T1", "U9")


def test_slackbot_and_an_empty_message_say_nothing() -> None:
    assert parse(event("reminder", user="USLACKBOT"), ME) is None
    assert parse(event(""), ME) is None


# --- bots ----------------------------------------------------------------------------------------------------


def test_we_never_hear_ourselves() -> None:
    ours = {"bot_id": "B0BOT", "app_id": "A0", "bot_profile": {"id": "B0BOT", "name": "parley"}}
    assert parse(event("hello", user="U0BOT", **ours), ME) is None
    assert parse(event("hello", user="U0BOT"), ME) is None
    assert parse(event("*Ann asks:* why?", subtype="bot_message", user="", bot_id="B0BOT"), ME) is None
    assert parse(changed("more", user="U0BOT", **ours), ME) is None


def test_another_bot_is_known_by_all_of_its_ids() -> None:
    meaning = parse(
        event(
            "<@U0BOT> deployed",
            user="U7",
            bot_id="B7",
            app_id="A7",
            bot_profile={"id": "B7", "name": "Deploy"},
        ),
        ME,
    )
    assert isinstance(meaning, Heard)
    assert meaning.bot == {"U7", "B7", "A7"}
    assert (meaning.incoming.person.id, meaning.incoming.person.name) == ("U7", "Deploy")


def test_a_bot_of_the_old_kind_has_no_user() -> None:
    given = event("<@U0BOT> done", subtype="bot_message", bot_id="B8", username="CI")
    del given["user"]
    meaning = parse(given, ME)
    assert isinstance(meaning, Heard)
    assert meaning.bot == {"B8"}
    assert (meaning.incoming.person.id, meaning.incoming.person.name) == ("B8", "CI")


def test_a_person_is_no_bot() -> None:
    meaning = parse(event(), ME)
    assert isinstance(meaning, Heard)
    assert meaning.bot == frozenset()


# --- edits and deletions -------------------------------------------------------------------------------------


def test_an_edit_has_an_id_of_its_own_and_names_what_it_was() -> None:
    found = heard(changed("<@U0BOT> hello"))
    assert (found.id, found.edits) == ("1700000000.000100:1700000009.000000", "1700000000.000100")
    assert (found.text, found.addressed, found.place) == ("hello", "mention", CHANNEL)
    assert found.sent_at == 1700000009.0
    assert found.origin == heard(event("<@U0BOT> helo")).key


def test_the_two_events_of_an_edit_that_names_us_are_one() -> None:
    edited = {"edited": {"user": "U1", "ts": "1700000009.000000"}}
    mention = event("<@U0BOT> hello", type="app_mention", event_ts="1700000009.000200", **edited)
    assert heard(mention) == heard(changed("<@U0BOT> hello"))


def test_an_edit_in_a_thread_stays_there() -> None:
    found = heard(changed("hello", thread_ts="1600000000.000100"))
    assert found.place.thread == "1600000000.000100"


def test_an_unfolded_link_is_no_edit() -> None:
    unfolded = {"attachments": [{"from_url": "https://example.com", "title": "Example"}]}
    assert (
        parse(changed("see https://example.com", "see https://example.com", edited="", **unfolded), ME)
        is None
    )
    assert parse(changed("same", "same"), ME) is None


def test_a_new_reply_to_a_message_is_no_edit() -> None:
    assert (
        parse(changed("hello", "hello", edited="", thread_ts="1700000000.000100", reply_count=1), ME) is None
    )


def test_an_edit_is_understood_without_what_stood_there() -> None:
    assert heard(changed("hello", None)).edits == "1700000000.000100"


def test_a_deletion_is_the_authors_and_of_the_same_place() -> None:
    given = {
        "type": "message",
        "subtype": "message_deleted",
        "channel": "C1",
        "ts": "1700000010.000200",
        "deleted_ts": "1700000005.000100",
        "previous_message": {
            "user": "U1",
            "text": "oops",
            "ts": "1700000005.000100",
            "thread_ts": "1700000000.000100",
        },
        "event_ts": "1700000010.000200",
    }
    found = heard(given)
    assert (found.id, found.edits) == ("1700000005.000100:deleted", "1700000005.000100")
    assert found.withdrawn
    assert (found.text, found.person.id, found.place) == ("", "U1", CHANNEL)


def test_a_message_that_left_a_tombstone_is_deleted() -> None:
    """Slack keeps it where replies stand below it."""
    grave = changed("This message was deleted.", "question", edited="", subtype="tombstone", user="USLACKBOT")
    found = heard(grave)
    assert found.withdrawn
    assert (found.edits, found.person.id, found.place) == ("1700000000.000100", "U1", CHANNEL)


def test_our_own_deletions_and_those_of_nobody_mean_nothing() -> None:
    base = {
        "type": "message",
        "subtype": "message_deleted",
        "channel": "C1",
        "deleted_ts": "1.1",
        "ts": "2.1",
    }
    assert parse(base, ME) is None
    assert parse(base | {"previous_message": {"user": "U0BOT", "bot_id": "B0BOT", "ts": "1.1"}}, ME) is None


# --- other events --------------------------------------------------------------------------------------------


def test_the_native_stop_button_is_the_command() -> None:
    found = heard(
        {
            "type": "agent_session_stopped",
            "channel": "D1",
            "user": "U1",
            "thread_ts": "1700000000.000100",
            "streaming_message_ts": ["1700000003.000100"],
            "event_ts": "1700000004.000100",
        }
    )
    assert (found.text, found.addressed, found.place) == ("/stop", "command", DIRECT)
    assert found.id == "stop:1700000004.000100"


def test_only_our_own_joining_is_a_reason_to_greet() -> None:
    joined = {
        "type": "member_joined_channel",
        "channel": "C1",
        "channel_type": "C",
        "team": "T1",
        "inviter": "U1",
    }
    assert parse(joined | {"user": "U0BOT"}, ME) == Added("C1", "U1")
    assert parse(joined | {"user": "U2"}, ME) is None


@pytest.mark.parametrize(
    "kind", ["reaction_added", "app_home_opened", "assistant_thread_started", "channel_rename"]
)
def test_other_events_mean_nothing_here(kind: str) -> None:
    assert parse({"type": kind, "user": "U1", "channel": "C1", "event_ts": "1.1"}, ME) is None


FIELDS = [
    "subtype",
    "message",
    "user",
    "ts",
    "text",
    "channel",
    "files",
    "attachments",
    "edited",
    "bot_profile",
]
rubbish = st.recursive(
    st.none() | st.text(max_size=8) | st.integers(),
    lambda inner: st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=12,
)


@given(rubbish)
def test_what_is_not_as_documented_is_said_to_be_unreadable(rest: Any) -> None:
    fields = rest if isinstance(rest, dict) else {"text": rest}
    for subtype in (None, "message_changed", "message_deleted"):
        try:
            parse({"type": "message", "subtype": subtype, **fields}, ME)
        except UNREADABLE:
            continue


# --- files and what was shared -------------------------------------------------------------------------------

SHEET = {
    "id": "F1", "name": "plan.pdf", "title": "plan", "mimetype": "application/pdf", "filetype": "pdf", "size": 1234,
    "mode": "hosted", "url_private": "https://files.slack.com/files-pri/T1-F1/plan.pdf", "file_access": "visible",
}  # fmt: skip


def test_files_are_named_by_their_id_and_hold_no_address() -> None:
    (found,) = heard(event("", subtype="file_share", files=[SHEET])).attachments
    assert (found.kind, found.mime, found.size, found.name) == ("file", "application/pdf", 1234, "plan.pdf")
    assert "slack.com" not in found.ref
    assert content.referred(found.ref) == ("T1", "F1")


@pytest.mark.parametrize(
    ("file", "kind", "mime"),
    [
        ({"mimetype": "image/png"}, "image", "image/png"),
        ({"mimetype": "audio/mpeg"}, "audio", "audio/mpeg"),
        ({"mimetype": "video/quicktime"}, "video", "video/quicktime"),
        ({"mimetype": "text/plain", "mode": "snippet"}, "file", "text/plain"),
        ({}, "file", ""),
        ({"mimetype": "audio/webm", "subtype": "slack_audio"}, "audio", "audio/webm"),
        ({"mimetype": "video/mp4", "subtype": "slack_audio"}, "audio", "audio/mp4"),
        ({"mimetype": "video/webm", "media_display_type": "audio"}, "audio", "audio/webm"),
        ({"mimetype": "video/mp4", "name": "audio_message.m4a"}, "audio", "audio/mp4"),
        ({"mimetype": "video/mp4", "subtype": "slack_video", "name": "clip.mp4"}, "video", "video/mp4"),
        ({"subtype": "slack_audio"}, "audio", "audio/mp4"),
    ],
)
def test_a_recorded_clip_is_sound_whatever_it_is_labelled(file: dict[str, Any], kind: str, mime: str) -> None:
    (found,) = content.attachments([{"id": "F1", **file}], "T1")
    assert (found.kind, found.mime) == (kind, mime)


def test_a_recording_tells_how_long_it_is() -> None:
    (found,) = content.attachments([{"id": "F1", "mimetype": "audio/mp4", "duration_ms": 4200}], "T1")
    assert found.duration == 4.2


def test_a_file_of_another_company_is_named_although_nothing_else_is_known() -> None:
    (found,) = content.attachments([{"id": "F1", "file_access": "check_file_info"}], "T1")
    assert (found.kind, found.size) == ("file", 0)


def test_deleted_files_are_left_out_and_there_are_never_too_many() -> None:
    assert (
        content.attachments(
            [{"id": "F1", "mode": "tombstone"}, {"id": "F2", "mode": "hidden_by_limit"}], "T1"
        )
        == ()
    )
    assert len(content.attachments([{"id": f"F{n}"} for n in range(50)], "T1")) == 10


@pytest.mark.parametrize("ref", ["", "F1", "[]", "{}", '{"team":"T1","file":7}', '{"team":"T1","file":""}'])
def test_what_is_no_reference_is_refused(ref: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        content.referred(ref)


SHARE = {
    "is_share": True, "is_msg_unfurl": True, "ts": "1690000000.000100", "author_id": "U2", "author_name": "Bob",
    "channel_id": "C2", "text": "Ask <@U1> &amp; me", "fallback": "[…] bob: Ask", "files": [SHEET],
    "from_url": "https://x.slack.com/archives/C2/p1690000000000100",
}  # fmt: skip


def test_a_forwarded_message_is_quoted_with_its_author_and_files() -> None:
    found = heard(event("what does he mean?", "D1", attachments=[SHARE]))
    assert found.text == "what does he mean?"
    assert found.quoted is not None
    assert (found.quoted.text, found.quoted.author) == ("Ask @Ann & me", "Bob")
    assert [file.name for file in found.quoted.attachments] == ["plan.pdf"]


def test_a_message_forwarded_without_a_word_is_heard() -> None:
    assert heard(event("", "D1", attachments=[SHARE])).quoted is not None


def test_several_forwarded_messages_are_quoted_together() -> None:
    other = {"is_msg_unfurl": True, "author_name": "Cleo", "text": "no"}
    quoted = heard(event("both?", "D1", attachments=[SHARE, other])).quoted
    assert quoted is not None
    assert (quoted.text, quoted.author) == ("Ask @Ann & me\n\nno", "")


def test_an_unfolded_web_page_is_not_quoted() -> None:
    page = {"from_url": "https://example.com", "title": "Example", "text": "A page"}
    assert heard(event("see this", "D1", attachments=[page])).quoted is None


# --- texts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("<@U1> and <@U3|carl> and <@U4>", "@Ann and @carl and @U4"),
        ("in <#C5|general>, <#C6>", "in #general, #C6"),
        ("<https://example.com/a?b=1&amp;c=2>", "https://example.com/a?b=1&c=2"),
        ("<http://example.com|example.com>", "http://example.com"),
        ("<https://example.com|the page>", "the page (https://example.com)"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("<!here> <!channel> <!everyone>", "@here @channel @everyone"),
        ("<!subteam^S1|@cooks> <!subteam^S2>", "@cooks @subteam"),
        ("<!date^1392734382^{date}|Feb 18, 2014>", "Feb 18, 2014"),
        ("1 &lt; 2 and `a &lt; b`", "1 < 2 and `a < b`"),
        ("你好 <@U2>：<https://例子.example|看>", "你好 @Bob：看 (https://例子.example)"),
    ],
)
def test_a_text_is_read_as_people_read_it(said: str, read: str) -> None:
    assert mrkdwn.plain(said, NAMES) == read


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("<@U0BOT> hi", "hi"),
        ("<@U0BOT>: hi", "hi"),
        ("<@U0BOT>，你好", "你好"),
        ("<@U0BOT|parley> <@U0BOT> hi", "hi"),
        ("hey <@U0BOT> what is it", "hey what is it"),
        ("hello <@U0BOT>, what?", "hello, what?"),
        ("one\n<@U0BOT> two", "one\ntwo"),
        ("<@U0BOT> `<@U0BOT>`", "`<@U0BOT>`"),
        ("<@U0BOT>\n```\n  x = 1\n```", "```\n  x = 1\n```"),
        ("<@U1> hi", "<@U1> hi"),
        ("thanks <@U0BOT>", "thanks"),
    ],
)
def test_our_name_is_taken_out_and_nothing_else(said: str, left: str) -> None:
    assert mrkdwn.without(said, "U0BOT") == left


def test_who_is_named_is_known_once_and_in_order() -> None:
    assert mrkdwn.mentioned("<@U2> <@W1|x> <@U2> <#C1> <!here>") == ("U2", "W1")


@given(st.text(max_size=60))
def test_what_we_escape_is_read_again(text: str) -> None:
    assert mrkdwn.plain(mrkdwn.escaped(text), {}) == text
    assert mrkdwn.mentioned(mrkdwn.escaped(text)) == ()


# --- buttons -------------------------------------------------------------------------------------------------


def pressing(action: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "user": {"id": "U1", "username": "ann", "team_id": "T1"},
        "team": {"id": "T1", "domain": "x"},
        "channel": {"id": "C1", "name": "general"},
        "container": {
            "type": "message",
            "message_ts": "1700000003.000100",
            "channel_id": "C1",
            "is_ephemeral": False,
        },
        "message": {"type": "message", "ts": "1700000003.000100", "thread_ts": "1700000000.000100"},
        "trigger_id": "13345.9.abc",
        "response_url": "https://hooks.slack.com/actions/T1/1/x",
        "actions": [{"action_ts": "1700000009.123456", "block_id": "b", "type": "button"} | action],
    } | fields


def test_a_pressed_button_says_its_value_in_the_thread_of_its_message() -> None:
    body = pressing({"action_id": "say:0", "value": "/retry"})
    found = pressed(body, ME)
    assert is_answers(body)
    assert not found.secret
    assert found.incoming.place == CHANNEL
    assert (found.incoming.id, found.incoming.text) == ("press:1700000009.123456", "/retry")
    assert (found.incoming.addressed, found.incoming.person.id) == ("command", "U1")


def test_a_chosen_option_and_a_rating_are_told_in_the_same_way() -> None:
    chosen = {"action_id": "pick:0", "type": "static_select", "selected_option": {"value": "/role chef"}}
    rated = {"action_id": "rate", "type": "feedback_buttons", "value": "/rate good"}
    texts = []
    for action in (chosen, rated):
        texts.append(pressed(pressing(action), ME).incoming.text)
    assert texts == ["/role chef", "/rate good"]


def test_a_button_of_a_message_without_replies_is_answered_below_it() -> None:
    found = pressed(pressing({"action_id": "say:0", "value": "/x"}, message={"ts": "1700000000.000100"}), ME)
    assert found.incoming.place == CHANNEL


def test_what_one_person_sees_is_answered_for_that_person() -> None:
    box = {"type": "message", "message_ts": "1700000003.000100", "channel_id": "C1", "is_ephemeral": True}
    body = pressing({"action_id": "say:0", "value": "/role chef"}, container=box)
    del body["message"]
    found = pressed(body, ME)
    assert found.secret
    assert found.incoming.id == "slash:13345.9.abc"
    assert found.incoming.place.thread == ""


def test_a_button_without_a_value_says_nothing() -> None:
    assert pressed(pressing({"action_id": "say:0"}), ME).incoming.text == ""


def test_other_controls_are_not_an_answers() -> None:
    assert not is_answers(pressing({"action_id": "home:role", "value": "x"}))
    assert not is_answers({"type": "block_actions"})


# --- for which installation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"team_id": "T1"}, "T1"),
        ({"team_id": "T9", "authorizations": [{"team_id": "T1", "is_enterprise_install": False}]}, "T1"),
        ({"team_id": "T1", "authorizations": [{"team_id": "T1", "enterprise_id": "E1",
                                               "is_enterprise_install": True}]}, "E1"),
        ({"team": {"id": "T1", "domain": "x"}, "is_enterprise_install": False}, "T1"),
        ({"team": None, "enterprise": {"id": "E1"}, "is_enterprise_install": True}, "E1"),
        ({"command": "/parley", "team_id": "T1", "is_enterprise_install": "false"}, "T1"),
        ({"command": "/parley", "team_id": "T1", "enterprise_id": "E1", "is_enterprise_install": "true"}, "E1"),
        ({"team": {"id": "T9"}, "view": {"app_installed_team_id": "T1"}}, "T1"),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_payload_belongs_to_the_installation_that_may_see_it(body: dict[str, Any], name: str) -> None:
    assert account(json.loads(json.dumps(body))) == name
