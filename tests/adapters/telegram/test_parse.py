"""Every kind of update that Telegram sends, as JSON, and what it means to us."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiogram.types import ChatMemberRestricted, Update
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.telegram import ids
from adapters.telegram.content import Span, file_id, without
from adapters.telegram.parse import (
    UNREADABLE,
    Asked,
    Heard,
    Identity,
    Meaning,
    Moved,
    Pressed,
    Standing,
    lane,
    merged,
    parse,
)
from bot.api import Attachment, Incoming, Person, Place, Quoted

ME = Identity("77", "parley_bot")
BOT = {"id": 77, "is_bot": True, "first_name": "Parley", "username": "Parley_Bot"}
ANN = {
    "id": 5,
    "is_bot": False,
    "first_name": "Ann",
    "last_name": "Lee",
    "username": "ann",
    "language_code": "zh-hans",
}
BOB = {"id": 6, "is_bot": False, "first_name": "Bob"}
PRIVATE = {"id": 5, "first_name": "Ann", "last_name": "Lee", "username": "ann", "type": "private"}
GROUP = {"id": -1001, "title": "Cooks", "type": "supergroup"}
FORUM = {"id": -1002, "title": "Topics", "type": "supergroup", "is_forum": True}
FILE = {"file_id": "AgAC", "file_unique_id": "AQAD"}


def update(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    """An update as it comes over the wire, checked against aiogram's types."""
    whole = {"update_id": 900, kind: document}
    Update.model_validate(whole)
    return json.loads(json.dumps(whole))


def message(**fields: Any) -> dict[str, Any]:
    return {"message_id": 17, "from": ANN, "chat": PRIVATE, "date": 1_700_000_000, **fields}


def in_group(**fields: Any) -> dict[str, Any]:
    return message(chat=GROUP, **fields)


def meaning(document: dict[str, Any], kind: str = "message") -> Meaning | None:
    return parse(update(kind, document), ME)


def heard(document: dict[str, Any], kind: str = "message") -> Incoming:
    found = meaning(document, kind)
    assert isinstance(found, Heard)
    return found.incoming


def entity(kind: str, offset: int, length: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **more}


def command(length: int) -> list[dict[str, Any]]:
    return [entity("bot_command", 0, length)]


def attachment(document: dict[str, Any]) -> Attachment:
    (found,) = heard(document).attachments
    return found


# --- who, where, when --------------------------------------------------------------------------------------


def test_a_private_message_is_heard_with_its_place_person_and_time() -> None:
    assert heard(message(text="hello")) == Incoming(
        id="17",
        place=Place("telegram", "77", "5"),
        person=Person("5", "Ann Lee", "zh-hans"),
        text="hello",
        addressed="private",
        sent_at=1_700_000_000.0,
    )


def test_a_topic_is_a_thread_and_so_is_one_in_a_private_chat() -> None:
    topic = {"message_thread_id": 4, "is_topic_message": True}
    assert heard(message(chat=FORUM, text="x", **topic)).place == Place(
        "telegram", "77", "-1002", "4", "group"
    )
    assert heard(message(text="x", **topic)).place == Place("telegram", "77", "5", "4", "private")


def test_an_answer_outside_of_topics_is_no_thread() -> None:
    assert heard(in_group(text="x", message_thread_id=4)).place.thread == ""


def test_an_anonymous_administrator_speaks_as_the_group() -> None:
    anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
    found = heard(in_group(**{"from": anonymous}, sender_chat=GROUP, text="hi"))
    assert found.person == Person("-1001", "Cooks")


def test_somebody_who_speaks_as_a_channel_is_that_channel() -> None:
    shared = {"id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot"}
    channel = {"id": -1009, "title": "News", "type": "channel"}
    assert heard(in_group(**{"from": shared}, sender_chat=channel, text="hi")).person.id == "-1009"


# --- what is not for us ------------------------------------------------------------------------------------

CHANNEL = {"id": -1009, "title": "News", "type": "channel"}
TELEGRAM = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
NOT_FOR_US = {
    "a channel post": ("channel_post", {"message_id": 1, "chat": CHANNEL, "date": 1, "text": "news"}),
    "a post in the linked group": (
        "message",
        in_group(**{"from": TELEGRAM}, sender_chat=CHANNEL, is_automatic_forward=True, text="news"),
    ),
    "another bot": ("message", in_group(**{"from": {**BOT, "id": 78}}, text="beep")),
    "our own message": ("message", in_group(**{"from": BOT}, text="beep")),
    "our own inline card": ("message", in_group(via_bot=BOT, text="❓ why")),
    "somebody came": ("message", in_group(new_chat_members=[BOB])),
    "somebody left": ("message", in_group(left_chat_member=BOB)),
    "a message was pinned": ("message", in_group(pinned_message={"message_id": 3, "chat": GROUP, "date": 0})),
    "a topic was opened": (
        "message",
        message(
            chat=FORUM,
            message_thread_id=17,
            is_topic_message=True,
            forum_topic_created={"name": "Soup", "icon_color": 1},
        ),
    ),
    "a group began": ("message", in_group(group_chat_created=True)),
    "another bot's command": (
        "message",
        in_group(text="/help@other_bot now", entities=[entity("bot_command", 0, 15)]),
    ),
    "a live location moved": (
        "edited_message",
        message(edit_date=2, location={"latitude": 1.5, "longitude": 2.5, "live_period": 60}),
    ),
    "an edit without a date": ("edited_message", message(text="hi")),
    "an edited channel post": (
        "edited_channel_post",
        {"message_id": 1, "chat": CHANNEL, "date": 1, "edit_date": 2, "text": "news"},
    ),
    "a channel took us in": (
        "my_chat_member",
        {
            "chat": CHANNEL,
            "from": ANN,
            "date": 1,
            "old_chat_member": {"status": "left", "user": BOT},
            "new_chat_member": {"status": "member", "user": BOT},
        },
    ),
    "a result was chosen": ("chosen_inline_result", {"result_id": "1", "from": ANN, "query": "why"}),
    "a game's button": (
        "callback_query",
        {"id": "4", "from": ANN, "chat_instance": "1", "game_short_name": "x", "inline_message_id": "a"},
    ),
}


@pytest.mark.parametrize("name", NOT_FOR_US)
def test_what_is_not_for_us_means_nothing(name: str) -> None:
    kind, document = NOT_FOR_US[name]
    assert meaning(document, kind) is None


MEMBER: dict[str, Any] = {"status": "member"}
GONE: dict[str, Any] = {"status": "left"}
KICKED: dict[str, Any] = {"status": "kicked", "until_date": 0}
RIGHTS = [name for name in ChatMemberRestricted.model_fields if name.startswith("can_")]


def restricted(*rights: str, is_member: bool = True) -> dict[str, Any]:
    given = {right: right in rights for right in RIGHTS}
    return {"status": "restricted", "is_member": is_member, "until_date": 0, **given}


@pytest.mark.parametrize(
    ("chat", "old", "new", "change"),
    [
        (PRIVATE, MEMBER, KICKED, "blocked"),
        (PRIVATE, KICKED, MEMBER, "unblocked"),
        (GROUP, GONE, MEMBER, "added"),
        (GROUP, KICKED, restricted("can_send_messages"), "added"),
        (GROUP, MEMBER, GONE, "removed"),
        (GROUP, restricted(), restricted(is_member=False), "removed"),
        (GROUP, MEMBER, restricted(), "muted"),
        (GROUP, restricted(), MEMBER, "unmuted"),
        (GROUP, MEMBER, restricted("can_send_messages"), None),
        (GROUP, MEMBER, MEMBER, None),
        (PRIVATE, MEMBER, MEMBER, None),
    ],
)
def test_a_change_of_our_own_place_is_told_apart(
    chat: dict[str, Any], old: dict[str, Any], new: dict[str, Any], change: Any
) -> None:
    document = {
        "chat": chat,
        "from": ANN,
        "date": 1,
        "old_chat_member": {**old, "user": BOT},
        "new_chat_member": {**new, "user": BOT},
    }
    kind = "private" if chat is PRIVATE else "group"
    place = Place("telegram", "77", str(chat["id"]), kind=kind)  # type: ignore[arg-type]
    expected = change and Standing(change, place, Person("5", "Ann Lee", "zh-hans"))
    assert meaning(document, "my_chat_member") == expected


def test_a_kind_of_update_from_the_future_means_nothing() -> None:
    assert parse({"update_id": 1, "telepathy": {"from": ANN}}, ME) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"update_id": 1, "message": {"text": "no chat"}},
        {"update_id": 1, "message": None},
        {"update_id": 1, "message": {**message(), "photo": [{"width": 1}]}},
        {"update_id": 1, "callback_query": {"data": "x"}},
        {"update_id": 1, "edited_message": {**message(), "edit_date": "soon", "text": "x"}},
    ],
)
def test_an_update_that_is_not_as_documented_is_unreadable(broken: dict[str, Any]) -> None:
    with pytest.raises(UNREADABLE):
        parse(broken, ME)


# --- how it was meant --------------------------------------------------------------------------------------


def test_a_command_in_private_and_in_a_group_is_a_command() -> None:
    assert heard(message(text="/new", entities=command(4))).addressed == "command"
    found = heard(in_group(text="/role poet", entities=command(5)))
    assert (found.addressed, found.text) == ("command", "/role poet")


def test_a_command_named_with_the_bot_loses_the_name() -> None:
    found = heard(in_group(text="/role@Parley_bot poet", entities=command(16)))
    assert (found.addressed, found.text) == ("command", "/role poet")


def test_a_chinese_command_is_one_in_private_only() -> None:
    assert heard(message(text="/新对话")).addressed == "command"
    assert heard(in_group(text="/新对话")).addressed == "ambient"


def test_a_command_in_a_caption_counts() -> None:
    found = heard(in_group(photo=[size(1)], caption="/draw it", caption_entities=command(5)))
    assert (found.addressed, found.text, len(found.attachments)) == ("command", "/draw it", 1)


def test_a_command_further_on_is_none() -> None:
    found = heard(message(text="what is /new", entities=[entity("bot_command", 8, 4)]))
    assert found.addressed == "private"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("@parley_bot why?", "why?"),
        ("@Parley_Bot, why?", "why?"),
        ("@parley_bot：为什么？", "为什么？"),
        ("why, @parley_bot?", "why,?"),
        ("tell me @parley_bot why", "tell me why"),
        ("tell me why @parley_bot", "tell me why"),
        ("@parley_bot", ""),
        ("👩‍👩‍👧 𝒉𝒊 @parley_bot 你好", "👩‍👩‍👧 𝒉𝒊 你好"),
    ],
)
def test_a_mention_calls_us_and_is_not_part_of_the_question(text: str, left: str) -> None:
    start = text.lower().index("@parley_bot")
    offset = len(text[:start].encode("utf-16-le")) // 2
    found = heard(in_group(text=text, entities=[entity("mention", offset, 11)]))
    assert (found.addressed, found.text) == ("mention", left)


def test_a_mention_by_name_calls_us() -> None:
    entities = [entity("text_mention", 3, 6, user=BOT)]
    found = heard(in_group(text="hi Parley there", entities=entities))
    assert (found.addressed, found.text) == ("mention", "hi there")


def test_a_mention_in_a_caption_calls_us() -> None:
    found = heard(
        in_group(
            photo=[size(1)], caption="@parley_bot what is it", caption_entities=[entity("mention", 0, 11)]
        )
    )
    assert (found.addressed, found.text) == ("mention", "what is it")


def test_a_mention_of_somebody_else_stays_and_calls_nobody() -> None:
    entities = [entity("mention", 0, 15), entity("text_mention", 16, 3, user=BOB)]
    found = heard(in_group(text="@parley_bot_old Bob hi", entities=entities))
    assert (found.addressed, found.text) == ("ambient", "@parley_bot_old Bob hi")


def test_a_reply_to_us_calls_us_and_a_reply_to_another_does_not() -> None:
    ours = {"message_id": 9, "from": BOT, "chat": GROUP, "date": 1, "text": "42"}
    assert heard(in_group(text="why?", reply_to_message=ours)).addressed == "reply"
    theirs = {**ours, "from": BOB}
    assert heard(in_group(text="why?", reply_to_message=theirs)).addressed == "ambient"


def test_being_in_a_topic_that_we_opened_is_no_reply_to_us() -> None:
    root = {
        "message_id": 4,
        "from": BOT,
        "chat": FORUM,
        "date": 1,
        "forum_topic_created": {"name": "Soup", "icon_color": 1},
    }
    topic = {"message_thread_id": 4, "is_topic_message": True, "reply_to_message": root}
    found = heard(message(chat=FORUM, text="anyone?", **topic))
    assert (found.addressed, found.quoted) == ("ambient", None)


# --- what is quoted and forwarded --------------------------------------------------------------------------


def test_a_reply_quotes_text_author_and_media() -> None:
    quoted = {
        "message_id": 9,
        "from": BOB,
        "chat": GROUP,
        "date": 1,
        "caption": "my cat",
        "photo": [{**FILE, "width": 1, "height": 1}],
    }
    assert heard(in_group(text="why?", reply_to_message=quoted)).quoted == Quoted(
        "my cat", "Bob", (Attachment("image", '["AgAC","AQAD"]', "image/jpeg"),)
    )


def test_the_marked_part_of_a_quoted_message_is_what_is_quoted() -> None:
    quoted = {"message_id": 9, "from": BOT, "chat": PRIVATE, "date": 1, "text": "One. Two. Three."}
    found = heard(message(text="why?", reply_to_message=quoted, quote={"text": "Two.", "position": 5}))
    assert found.quoted == Quoted("Two.", "Parley", ours=True)


def test_a_reply_to_another_chat_quotes_what_came_along() -> None:
    external = {"origin": {"type": "channel", "date": 1, "chat": CHANNEL, "message_id": 3}, "chat": CHANNEL}
    external |= {"document": {**FILE, "mime_type": "application/pdf", "file_name": "a.pdf"}}
    found = heard(message(text="true?", external_reply=external, quote={"text": "It rains.", "position": 0}))
    assert found.quoted is not None
    assert (found.quoted.text, found.quoted.author) == ("It rains.", "News")
    assert [a.name for a in found.quoted.attachments] == ["a.pdf"]


ORIGINS = {
    "Bob": {"type": "user", "date": 1, "sender_user": BOB},
    "Hidden One": {"type": "hidden_user", "date": 1, "sender_user_name": "Hidden One"},
    "Cooks": {"type": "chat", "date": 1, "sender_chat": GROUP},
    "News": {"type": "channel", "date": 1, "chat": CHANNEL, "message_id": 3},
}


@pytest.mark.parametrize("name", ORIGINS)
def test_what_was_forwarded_names_its_origin_and_is_no_command(name: str) -> None:
    found = heard(message(text="/stop it", entities=command(5), forward_origin=ORIGINS[name]))
    assert (found.addressed, found.text) == ("private", f"Forwarded from {name}:\n\n/stop it")


def test_a_forwarded_picture_keeps_its_picture() -> None:
    found = heard(message(photo=[size(1)], forward_origin=ORIGINS["News"]))
    assert (found.text, len(found.attachments)) == ("Forwarded from News:", 1)


def test_a_mention_in_what_was_forwarded_calls_nobody() -> None:
    found = heard(
        in_group(text="@parley_bot hi", entities=[entity("mention", 0, 11)], forward_origin=ORIGINS["Bob"])
    )
    assert found.addressed == "ambient"


# --- edited ------------------------------------------------------------------------------------------------


def test_an_edited_message_has_an_id_of_its_own_and_names_the_old_one() -> None:
    found = heard(message(text="hello?", edit_date=1_700_000_009), "edited_message")
    assert (found.id, found.edits, found.text) == ("17:1700000009", "17", "hello?")
    assert found.sent_at == 1_700_000_009.0


# --- what comes along --------------------------------------------------------------------------------------


def size(number: int, side: int = 90) -> dict[str, Any]:
    return {"file_id": f"F{number}", "file_unique_id": f"U{number}", "width": side, "height": side}


def test_of_a_photo_the_largest_size_is_taken_wherever_it_stands() -> None:
    found = attachment(message(photo=[size(1), {**size(2, 1280), "file_size": 99}, size(3, 320)]))
    assert found == Attachment("image", '["F2","U2"]', "image/jpeg", 99)
    assert file_id(found.ref) == "F2"


def test_a_picture_sent_as_a_file_is_a_picture_and_a_drawing_in_text_is_a_file() -> None:
    png = {**FILE, "mime_type": "image/png", "file_name": "a.png", "file_size": 3}
    assert attachment(message(document=png)) == Attachment(
        "image", '["AgAC","AQAD"]', "image/png", 3, "a.png"
    )
    assert attachment(message(document={**FILE, "mime_type": "image/svg+xml"})).kind == "file"
    assert attachment(message(document={**FILE, "mime_type": "application/pdf"})).kind == "file"
    assert attachment(message(document={**FILE, "mime_type": "audio/flac"})).kind == "audio"
    assert attachment(message(document=FILE)).kind == "file"


def test_voice_audio_and_videos_are_told_apart() -> None:
    voice = {**FILE, "duration": 7, "mime_type": "audio/ogg", "file_size": 12}
    assert attachment(message(voice=voice)) == Attachment(
        "audio", '["AgAC","AQAD"]', "audio/ogg", 12, duration=7
    )
    audio = {**FILE, "duration": 7, "file_name": "song.mp3", "title": "Song"}
    assert attachment(message(audio=audio)).mime == "audio/mpeg"
    video = {**FILE, "duration": 7, "width": 1, "height": 1, "mime_type": "video/mp4"}
    assert attachment(message(video=video)).kind == "video"
    assert attachment(message(video_note={**FILE, "duration": 7, "length": 240})).mime == "video/mp4"


def test_an_animation_comes_once_although_it_is_sent_twice() -> None:
    moving = {**FILE, "duration": 1, "width": 1, "height": 1, "mime_type": "video/mp4"}
    found = heard(message(animation=moving, document={**FILE, "mime_type": "video/mp4"}))
    assert [a.kind for a in found.attachments] == ["video"]


def test_a_sticker_is_its_emoji_and_a_picture_where_it_stands_still() -> None:
    sticker = {**FILE, "type": "regular", "width": 512, "height": 512, "emoji": "🐱"}
    still = heard(message(sticker={**sticker, "is_animated": False, "is_video": False}))
    assert (still.text, [a.mime for a in still.attachments]) == ("🐱", ["image/webp"])
    moving = heard(message(sticker={**sticker, "is_animated": True, "is_video": False}))
    assert (moving.text, moving.attachments) == ("🐱", ())


SPOKEN = {
    "📍 1.5, 2.5": {"location": {"latitude": 1.5, "longitude": 2.5}},
    "Bar\nStreet 1\n📍 1.5, 2.5": {
        "venue": {"location": {"latitude": 1.5, "longitude": 2.5}, "title": "Bar", "address": "Street 1"},
        "location": {"latitude": 1.5, "longitude": 2.5},
    },
    "👤 Bob Low\n+49 1": {"contact": {"phone_number": "+49 1", "first_name": "Bob", "last_name": "Low"}},
    "🎲 4": {"dice": {"emoji": "🎲", "value": 4}},
    "Tea?\n- yes\n- no": {
        "poll": {
            "id": "1",
            "question": "Tea?",
            "options": [{"text": t, "voter_count": 0, "persistent_id": t} for t in ("yes", "no")],
            "total_voter_count": 0,
            "is_closed": False,
            "is_anonymous": True,
            "type": "regular",
            "allows_multiple_answers": False,
            "allows_revoting": False,
            "members_only": False,
        }
    },
    "To do\n- [x] tea\n- [ ] milk": {
        "checklist": {
            "title": "To do",
            "tasks": [{"id": 1, "text": "tea", "completion_date": 5}, {"id": 2, "text": "milk"}],
        }
    },
    "": {"game": {"title": "x", "description": "y", "photo": [size(1)]}},
    "Head\nOne two": {
        "rich_message": {
            "blocks": [
                {"type": "heading", "text": "Head", "size": 1},
                {"type": "paragraph", "text": ["One ", {"type": "bold", "text": "two"}]},
            ]
        }
    },
}


@pytest.mark.parametrize("text", SPOKEN)
def test_what_has_no_words_is_put_into_words(text: str) -> None:
    assert heard(message(**SPOKEN[text])).text == text


def test_paid_and_live_pictures_are_attachments() -> None:
    paid = {"star_count": 3, "paid_media": [{"type": "photo", "photo": [size(1)]}]}
    assert attachment(message(paid_media=paid)).ref == '["F1","U1"]'
    live = {**FILE, "width": 1, "height": 1, "duration": 1, "photo": [size(2)]}
    assert attachment(message(live_photo=live)).ref == '["F2","U2"]'


# --- albums, groups that move ------------------------------------------------------------------------------


def test_a_part_of_an_album_names_it_and_the_parts_become_one() -> None:
    parts = []
    for number in (19, 17, 18):
        caption = {"caption": "which?"} if number == 18 else {}
        found = meaning(message(message_id=number, photo=[size(number)], media_group_id="135", **caption))
        assert isinstance(found, Heard)
        assert found.album == "135"
        parts.append(found.incoming)
    whole = merged(parts)
    assert whole.text == "which?"
    assert [file_id(a.ref) for a in whole.attachments] == ["F17", "F18", "F19"]


def test_an_album_is_meant_as_its_part_with_the_caption_is() -> None:
    first = heard(in_group(photo=[size(1)], media_group_id="1"))
    second = heard(
        in_group(
            message_id=18,
            photo=[size(2)],
            media_group_id="1",
            caption="@parley_bot which?",
            caption_entities=[entity("mention", 0, 11)],
        )
    )
    assert (merged([first, second]).addressed, merged([first, second]).text) == ("mention", "which?")


def test_both_service_messages_tell_that_a_group_moved() -> None:
    old = {"id": -5, "title": "Cooks", "type": "group"}
    assert meaning(message(chat=old, migrate_to_chat_id=-1005)) == Moved("-5", "-1005")
    new = {"id": -1005, "title": "Cooks", "type": "supergroup"}
    assert meaning(message(chat=new, migrate_from_chat_id=-5)) == Moved("-5", "-1005")


# --- buttons, inline mode, stop ----------------------------------------------------------------------------


def test_a_pressed_button_knows_place_and_person() -> None:
    shown = {"message_id": 8, "from": BOT, "chat": FORUM, "date": 1, "text": "Which?"}
    shown |= {"message_thread_id": 4, "is_topic_message": True}
    query = {"id": "4382", "from": ANN, "chat_instance": "1", "data": "/role poet", "message": shown}
    assert meaning(query, "callback_query") == Pressed(
        "4382",
        "/role poet",
        Place("telegram", "77", "-1002", "4", "group"),
        Person("5", "Ann Lee", "zh-hans"),
    )


def test_a_button_under_a_message_that_is_too_old_still_counts() -> None:
    shown = {"message_id": 8, "chat": PRIVATE, "date": 0}
    query = {"id": "4", "from": ANN, "chat_instance": "1", "data": "x", "message": shown}
    found = meaning(query, "callback_query")
    assert isinstance(found, Pressed)
    assert found.place == Place("telegram", "77", "5")


def test_a_button_in_a_message_sent_inline_is_in_a_chat_of_its_own() -> None:
    query = {"id": "4", "from": ANN, "chat_instance": "1", "data": "x", "inline_message_id": "AAQ"}
    found = meaning(query, "callback_query")
    assert isinstance(found, Pressed)
    assert found.place == Place("telegram", "77", "inline:AAQ", kind="group")


def test_an_inline_query_is_a_question() -> None:
    query = {"id": "7", "from": ANN, "query": " why is the sky blue ", "offset": "", "chat_type": "group"}
    assert meaning(query, "inline_query") == Asked(
        "7", "why is the sky blue", Person("5", "Ann Lee", "zh-hans")
    )


def test_a_stopped_draft_is_the_command_stop() -> None:
    stopped = {"chat": PRIVATE, "draft_id": 3, "message_thread_id": 4}
    assert heard(stopped, "stopped_message_generation") == Incoming(
        "stop:900", Place("telegram", "77", "5", "4"), Person("5", "Ann Lee"), "/stop", addressed="command"
    )


# --- lanes and ids -----------------------------------------------------------------------------------------


def test_updates_of_one_chat_share_a_lane_whatever_they_are() -> None:
    shown = {"message_id": 8, "from": BOT, "chat": PRIVATE, "date": 1, "text": "Which?"}
    pressed = {"id": "4", "from": ANN, "chat_instance": "1", "data": "x", "message": shown}
    assert lane(update("message", message(text="hi"))) == lane(update("callback_query", pressed)) == "5"
    assert lane(update("inline_query", {"id": "7", "from": BOB, "query": "x", "offset": ""})) == "6"
    assert lane(update("message", in_group(text="hi"))) == "-1001"


@pytest.mark.parametrize(
    ("id", "number"),
    [
        ("17", 17),
        (ids.edited("17", 1700), 17),
        (ids.elsewhere("17", "-1005"), 17),
        (ids.elsewhere(ids.edited("17", 1700), "-1005"), 17),
        (ids.album("135", "17"), 17),
        (ids.album("135", ids.elsewhere("17", "-1005")), 17),
        ("cb:4382", None),
        ("ask:5", None),
        ("stop:900", None),
        ("", None),
    ],
)
def test_an_id_tells_the_number_of_its_message(id: str, number: int | None) -> None:
    assert ids.message_number(id) == number


# --- in general --------------------------------------------------------------------------------------------

words = st.text(alphabet="ab 你👩‍👧𝒉.,", max_size=12)


@given(before=words, after=words)
@settings(max_examples=200, deadline=None)
def test_a_mention_is_found_behind_any_characters_and_nothing_else_is_lost(before: str, after: str) -> None:
    text = f"{before} @parley_bot {after}"
    offset = len(f"{before} ".encode("utf-16-le")) // 2
    found = heard(in_group(text=text, entities=[entity("mention", offset, 11)]))
    assert found.addressed == "mention"
    kept = [c for c in before + after if c not in " ,"]
    assert [c for c in found.text if c not in " ,"] == kept


def test_several_spans_are_taken_out() -> None:
    text = "@a hi @a you"
    assert without(text, [Span("mention", 0, 2), Span("mention", 6, 8)]) == "hi you"


names = st.sampled_from(
    ["chat", "from", "text", "entities", "photo", "reply_to_message", "caption", "quote", "date"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(fields=st.dictionaries(names, values, max_size=4))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_is_understood_or_called_unreadable(fields: dict[str, Any]) -> None:
    try:
        found = parse({"update_id": 1, "message": {**message(text="x"), **fields}}, ME)
    except UNREADABLE:
        return
    assert found is None or isinstance(found, Heard)
