"""Answers as people see them in Slack: in their thread, in order, exact, and once, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.api import Choices, End, Gone, Media, Notice, Option, Status, Text, Unavailable
from tests.adapters.memory_store import MemoryJournal
from tests.adapters.slack.answering import Office, joined, office, say, whole

STOP, RETRY = Option("Stop", "/stop"), Option("Retry", "/retry")
RATINGS = (Option("Good", "/rate good"), Option("Bad", "/rate bad"))
PNG = b"\x89PNG a picture"
STORY = "\n\n".join(
    f"Paragraph {n} of a long story. " + f"It goes on and on, word {n}. " * 9 for n in range(60)
)


@pytest.fixture
async def acme() -> AsyncIterator[Office]:
    async with office() as made:
        yield made


@pytest.fixture
async def streamless() -> AsyncIterator[Office]:
    async with office() as made:
        made.slack.streaming = False
        yield made


# --- what an answer looks like -----------------------------------------------------------------------------


async def test_an_answer_stands_in_the_thread_of_its_question(acme: Office) -> None:
    asked, incoming = await acme.asks()
    await say(acme.reply(incoming), Text("Hello "), Text("to you."), End())
    assert asked.thread.visible() == ["Hello to you."]
    assert whole(asked.thread)
    assert acme.methods()[-2:] == ["chat.startStream", "chat.stopStream"]


async def test_in_a_channel_the_one_who_asked_sees_the_words_come(acme: Office) -> None:
    asked, incoming = await acme.asks(acme.general)
    await say(acme.reply(incoming), Text("Hello."), End())
    (begun,) = acme.slack.called("chat.startStream")
    assert (begun["recipient_team_id"], begun["recipient_user_id"]) == (acme.slack.team.id, acme.ann.id)
    assert asked.thread.visible() == ["Hello."]


async def test_an_answer_ends_with_its_offers_and_ratings(acme: Office) -> None:
    asked, incoming = await acme.asks()
    await say(acme.reply(incoming), Text("Hello."), End(offers=(RETRY,), ratings=RATINGS))
    assert asked.thread.visible() == ["Hello."]
    assert asked.thread.buttons == ["Retry", "Good", "Bad"]
    assert acme.slack.refused() == []


async def test_the_first_words_are_shown_before_more_are_taken(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("Hello"))
    assert asked.thread.visible() == ["Hell"]
    await say(reply, Text(" you."), End())
    assert asked.thread.visible() == ["Hello you."]


async def test_a_notice_is_plain_text(acme: Office) -> None:
    asked, incoming = await acme.asks()
    await say(acme.reply(incoming), Notice("x", text="*Done* <!channel> & `more`"), End())
    assert asked.thread.visible() == ["*Done* <!channel> & `more`"]


async def test_a_long_notice_arrives_whole(acme: Office) -> None:
    asked, incoming = await acme.asks()
    await say(acme.reply(incoming), Notice("help", text=STORY), End())
    assert joined(asked.thread.visible()) == joined([STORY])


async def test_a_question_has_its_answers_as_buttons(acme: Office) -> None:
    asked, incoming = await acme.asks()
    options = (Option("Poet", "/role poet"), Option("Cook", "/role cook"))
    await say(acme.reply(incoming), Choices("Who shall I be?", options), End(offers=(RETRY,)))
    assert asked.thread.visible() == ["Who shall I be?"]
    assert asked.thread.buttons == ["Poet", "Cook", "Retry"]


async def test_a_question_with_many_answers_has_a_menu(acme: Office) -> None:
    asked, incoming = await acme.asks()
    options = tuple(Option(f"Role {n}", f"/role {n}") for n in range(80))
    await say(acme.reply(incoming), Choices("Who?", options), End())
    (block,) = [block for block in asked.thread.last.blocks if block["type"] == "actions"]
    assert len(block["elements"][0]["options"]) == 80


async def test_parts_stand_in_the_order_in_which_they_came(acme: Office) -> None:
    asked, incoming = await acme.asks()
    await say(
        acme.reply(incoming),
        Notice("a", text="First."),
        Text("Second."),
        Media("audio", "audio/mpeg", b"ID3", "Third."),
        Notice("b", text="Fourth."),
        Text("Fifth."),
        End(offers=(RETRY,)),
    )
    assert asked.thread.visible() == ["First.", "Second.", "Third.", "Fourth.", "Fifth."]
    assert asked.thread.last.buttons == ["Retry"]
    assert asked.thread.buttons == ["Retry"]
    assert whole(asked.thread)


# --- pictures and recordings -------------------------------------------------------------------------------


async def test_a_picture_stands_in_the_thread_with_its_words(acme: Office) -> None:
    asked, incoming = await acme.asks()
    await say(acme.reply(incoming), Media("image", "image/png", PNG, "A cat & <b>"), End())
    (message,) = asked.thread.from_app
    assert message.shown == "A cat & <b>"
    assert [(file.content, file.name, file.alt) for file in message.files] == [
        (PNG, "image.png", "A cat & <b>")
    ]


async def test_several_pictures_stand_in_one_message(acme: Office) -> None:
    asked, incoming = await acme.asks()
    pictures = [Media("image", "image/png", PNG + bytes([n]), "A cat") for n in range(3)]
    await say(acme.reply(incoming), *pictures, Notice("x", text="Done."), End())
    assert asked.thread.visible() == ["A cat", "Done."]
    assert len(asked.thread.from_app[0].files) == 3
    assert len(acme.slack.called("files.completeUploadExternal")) == 1


async def test_a_picture_is_shown_before_the_bot_does_something_else(acme: Office) -> None:
    asked, incoming = await acme.asks()
    picture = Media("image", "image/png", PNG, "A cat")
    reply = acme.reply(incoming)
    await reply.send(picture)
    assert asked.thread.visible() == []
    await reply.send(Status("thinking"))
    assert asked.thread.visible() == ["A cat"]
    await say(reply, picture, End())
    assert asked.thread.visible() == ["A cat", "A cat"]


async def test_what_may_be_done_next_stands_below_a_picture(acme: Office) -> None:
    asked, incoming = await acme.asks()
    await say(acme.reply(incoming), Media("image", "image/png", PNG), End(offers=(RETRY,)))
    assert asked.thread.files == [PNG]
    assert asked.thread.last.buttons == ["Retry"]


async def test_words_too_long_for_a_picture_stand_below_it(acme: Office) -> None:
    asked, incoming = await acme.asks()
    await say(acme.reply(incoming), Media("image", "image/png", PNG, "word " * 700), End())
    assert asked.thread.files == [PNG]
    assert joined(asked.thread.visible()) == joined(["word " * 700])


# --- what is shown meanwhile -------------------------------------------------------------------------------


async def test_the_session_is_at_work_until_the_answer_has_ended(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Status("thinking", (STOP,)))
    await asked.thread.until(lambda: asked.thread.status == "processing")
    await say(reply, Text("Done."), End())
    assert asked.thread.status == "active"


async def test_an_answer_without_a_stream_ends_the_session_too(acme: Office) -> None:
    asked, incoming = await acme.asks()
    await say(acme.reply(incoming), Status("drawing"), Notice("x", text="No."), End())
    assert asked.thread.statuses == ["processing", "active"]


async def test_an_app_without_sessions_says_what_it_does_and_asks_once(acme: Office) -> None:
    acme.slack.agent = False
    for _ in range(3):
        asked, incoming = await acme.asks()
        await say(acme.reply(incoming), Status("thinking"), Text("Hi."), End())
        assert "is thinking…" in asked.thread.statuses
    tried = [call.method for call in acme.slack.calls if call.method.startswith("agents.")]
    assert tried == ["agents.sessions.setStatus"]


async def test_while_an_answer_is_spoken_its_text_stands_and_that_is_said(acme: Office) -> None:
    acme.slack.agent = False
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await say(reply, Status("thinking"), Text("It is noon."), Status("speaking"))
    await asked.thread.until(lambda: asked.thread.status == "is speaking…")
    assert asked.thread.visible() == ["It is noon."]
    await say(reply, End())


async def test_an_app_without_any_right_to_a_status_asks_once_and_answers(acme: Office) -> None:
    acme.slack.refuse("agents.sessions.setStatus", "missing_scope", times=99)
    acme.slack.refuse("assistant.threads.setStatus", "missing_scope", times=99)
    for _ in range(3):
        asked, incoming = await acme.asks()
        await say(acme.reply(incoming), Status("thinking"), Text("Hi."), End())
        assert asked.thread.visible() == ["Hi."]
    assert len([call for call in acme.slack.calls if "setStatus" in call.method]) == 2


async def test_who_cannot_see_words_come_can_stop_them_by_a_button(streamless: Office) -> None:
    asked, incoming = await streamless.asks()
    reply = streamless.reply(incoming)
    await say(reply, Status("thinking", (STOP,)), Text("Once upon a time "))
    assert asked.thread.buttons == ["Stop"]
    await say(reply, Text("there was."), End(offers=(RETRY,)))
    assert asked.thread.visible() == ["Once upon a time there was."]
    assert asked.thread.buttons == ["Retry"]


# --- long answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [True, False])
async def test_fifteen_thousand_characters_arrive_whole_and_in_order(acme: Office, streaming: bool) -> None:
    acme.slack.streaming = streaming
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    text = STORY[:15_000]
    for start in range(0, len(text), 500):
        await reply.send(Text(text[start : start + 500]))
        await asyncio.sleep(0)
    await reply.send(End(offers=(RETRY,)))
    assert joined(asked.thread.visible()) == joined([text])
    assert len(asked.thread.visible()) == 2
    assert asked.thread.buttons == ["Retry"]
    assert whole(asked.thread)
    assert acme.slack.refused() == ([] if streaming else ["channel_type_not_supported"])


async def test_an_answer_that_comes_at_once_is_cut_at_its_paragraphs(acme: Office) -> None:
    asked, incoming = await acme.asks()
    await say(acme.reply(incoming), Text(STORY), End())
    parts = asked.thread.visible()
    assert joined(parts) == joined([STORY])
    assert all(len(part) <= 9_000 for part in parts)
    assert all(part.startswith("Paragraph") for part in parts)


async def test_code_that_is_cut_is_closed_and_opened_again(acme: Office) -> None:
    asked, incoming = await acme.asks()
    lines = [f"print({n})  # a line of a long program" for n in range(500)]
    text = "Look:\n```python\n" + "\n".join(lines) + "\n```\nThat is all."
    reply = acme.reply(incoming)
    for start in range(0, len(text), 700):
        await reply.send(Text(text[start : start + 700]))
        await asyncio.sleep(0)
    await reply.send(End())
    parts = asked.thread.visible()
    assert len(parts) > 1
    assert all(part.count("```") % 2 == 0 for part in parts)
    shown = [line for part in parts for line in part.splitlines() if line.startswith("print")]
    assert shown == lines


# --- where it cannot be streamed ---------------------------------------------------------------------------


async def test_without_streams_an_answer_is_posted_and_updated(streamless: Office) -> None:
    asked, incoming = await streamless.asks()
    reply = streamless.reply(incoming)
    for word in ("one", "two", "three", "four", "five"):
        await reply.send(Text(f"{word} "))
        await asyncio.sleep(0)
    await reply.send(End())
    assert asked.thread.visible() == ["one two three four five"]
    assert "chat.update" in streamless.methods()


async def test_what_a_workspace_does_not_allow_is_asked_again_after_an_hour(streamless: Office) -> None:
    for _ in range(3):
        _, incoming = await streamless.asks()
        await say(streamless.reply(incoming), Text("Hi."), End())
    assert streamless.methods().count("chat.startStream") == 1
    _, incoming = await streamless.asks(streamless.general)
    await say(streamless.reply(incoming), Text("Hi."), End())
    assert streamless.methods().count("chat.startStream") == 2
    streamless.time.now += 3601
    streamless.slack.streaming = True
    asked, incoming = await streamless.asks()
    await say(streamless.reply(incoming), Text("Hi."), End())
    assert streamless.methods().count("chat.startStream") == 3
    assert asked.thread.visible() == ["Hi."]


async def test_where_messages_may_not_be_edited_the_answer_still_comes_once(streamless: Office) -> None:
    streamless.slack.refuse("chat.update", "edit_window_closed", times=99)
    for _ in range(2):
        asked, incoming = await streamless.asks()
        reply = streamless.reply(incoming)
        for word in ("one ", "two ", "three"):
            await reply.send(Text(word))
            await asyncio.sleep(0)
        await reply.send(End())
        assert asked.thread.visible() == ["one two three"]


async def test_where_messages_may_not_be_edited_a_button_may_stay_but_no_word_is_missing(
    streamless: Office,
) -> None:
    streamless.slack.refuse("chat.update", "edit_window_closed", times=99)
    asked, incoming = await streamless.asks()
    await say(
        streamless.reply(incoming),
        Status("thinking", (STOP,)),
        Text("One."),
        Notice("x", text="Two."),
        Text("Three."),
        End(offers=(RETRY,)),
    )
    assert asked.thread.visible() == ["One.", "Two.", "Three."]


async def test_a_dropped_stream_where_messages_may_not_be_edited_is_said_anew(acme: Office) -> None:
    acme.slack.refuse("chat.update", "edit_window_closed", times=99)
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    reply = acme.reply(incoming, journal)
    await reply.send(Text("```\ncode\n```"))
    acme.slack.streams.drop(asked.thread.last)
    await reply.send(Notice("x", text="And more."))
    assert asked.thread.visible() == ["```\ncode\n```", "And more."]
    assert asked.thread.from_app[0].ts in journal.posts
    await reply.send(Text("Well "))
    acme.slack.streams.drop(asked.thread.last)
    await say(reply, Text("done."), End())
    assert asked.thread.visible() == ["```\ncode\n```", "And more.", "Well done."]
    assert whole(asked.thread)


@pytest.mark.parametrize("error", ["msg_blocks_too_long", "invalid_blocks", "msg_too_long"])
async def test_an_answer_whose_form_slack_refuses_is_shown_in_plain(acme: Office, error: str) -> None:
    asked, incoming = await acme.asks()
    acme.slack.streaming = False
    acme.slack.refuse("chat.postMessage", error)
    await say(acme.reply(incoming), Text("**Hello**"), End())
    assert asked.thread.visible()[-1].strip("*") == "Hello"
    assert len(asked.thread.from_app) == 1


# --- rate limits -------------------------------------------------------------------------------------------


async def test_too_many_streams_are_answered_by_a_message_at_once(acme: Office) -> None:
    asked, incoming = await acme.asks()
    acme.slack.limit("chat.startStream", retry_after=30)
    reply = acme.reply(incoming)
    await reply.send(Text("Hello "))
    assert asked.thread.visible() == ["Hello"]
    await say(reply, Text("there."), End())
    assert asked.thread.visible() == ["Hello there."]
    assert acme.time.slept == [] or max(acme.time.slept) < 30


async def test_growing_words_skip_a_rate_limit_and_the_last_ones_wait(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("one "))
    acme.slack.limit("chat.appendStream", retry_after=20)
    acme.slack.limit("chat.stopStream", retry_after=7)
    for word in ("two ", "three ", "four"):
        await reply.send(Text(word))
        await asyncio.sleep(0)
    await reply.send(End())
    assert asked.thread.visible() == ["one two three four"]
    assert any(6 <= pause <= 7 for pause in acme.time.slept)


async def test_a_limit_in_one_channel_leaves_the_others_alone(acme: Office) -> None:
    acme.slack.limit("chat.postMessage", retry_after=60, channel=acme.general.id, times=1)
    slow, first = await acme.asks(acme.general)
    quick, second = await acme.asks()
    waiting = acme.reply(first)
    before = acme.time.now
    await say(acme.reply(second), Notice("x", text="At once."), End())
    assert quick.thread.visible() == ["At once."]
    assert acme.time.now == before
    await say(waiting, Notice("x", text="Later."), End())
    assert slow.thread.visible() == ["Later."]
    assert acme.time.now >= before + 60


async def test_a_pause_that_is_too_long_is_left_to_a_later_attempt(acme: Office) -> None:
    _, incoming = await acme.asks()
    acme.slack.limit("chat.postMessage", retry_after=3600)
    with pytest.raises(Unavailable):
        await say(acme.reply(incoming), Notice("x", text="Hi."), End())


# --- what goes wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_channel_that_is_archived_is_gone(acme: Office, streaming: bool) -> None:
    acme.slack.streaming = streaming
    _, incoming = await acme.asks(acme.general)
    acme.general.archived = True
    with pytest.raises(Gone):
        await say(acme.reply(incoming), Text("Hi."), End())
    assert len(acme.methods()) <= 4


async def test_a_channel_that_the_bot_has_left_is_gone(acme: Office) -> None:
    _, incoming = await acme.asks(acme.general)
    acme.general.bot = False
    with pytest.raises(Gone):
        await say(acme.reply(incoming), Notice("x", text="Hi."), End())


async def test_a_workspace_that_took_the_app_away_is_gone(acme: Office) -> None:
    _, incoming = await acme.asks()
    await acme.slack.uninstall(acme.slack.team)
    with pytest.raises(Gone):
        await say(acme.reply(incoming), Text("Hi."), End())


async def test_a_slack_that_cannot_be_reached_is_told(acme: Office) -> None:
    _, incoming = await acme.asks()
    acme.slack.fail(times=1_000, status=502, body="<html>")
    with pytest.raises(Unavailable):
        await say(acme.reply(incoming), Status("thinking"), Text("Hi."), End())


async def test_a_call_that_failed_in_passing_is_made_again(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("Hello "))
    acme.slack.fail(times=2, status=503, method="chat.stopStream")
    await say(reply, Text("you."), End())
    assert asked.thread.visible() == ["Hello you."]
    assert whole(asked.thread)


# --- a second attempt --------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [True, False])
async def test_after_a_kill_in_the_middle_the_same_message_is_written_on(
    acme: Office, streaming: bool
) -> None:
    acme.slack.streaming = streaming
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    killed = acme.reply(incoming, journal)
    await say(killed, Text("Once upon a time "))
    await killed.abandon()
    again = acme.reply(incoming, MemoryJournal(2, journal.posts))
    await say(again, Text("There was "), Text("a king."), End(offers=(RETRY,)))
    assert asked.thread.visible() == ["There was a king."]
    assert asked.thread.buttons == ["Retry"]
    assert whole(asked.thread)
    assert [message.ts for message in asked.thread.from_app] == journal.posts


async def test_a_shorter_second_answer_leaves_nothing_of_the_first(acme: Office) -> None:
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    killed = acme.reply(incoming, journal)
    await say(
        killed,
        Text(STORY),
        Media("image", "image/png", PNG, "A cat"),
        Notice("x", text="And more."),
        Text("And"),
    )
    await killed.abandon()
    await say(acme.reply(incoming, MemoryJournal(2, journal.posts)), Text("Short."), End())
    assert asked.thread.visible() == ["Short."]
    assert asked.thread.files == []
    assert whole(asked.thread)


async def test_what_may_not_be_deleted_is_emptied(acme: Office) -> None:
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    killed = acme.reply(incoming, journal)
    await say(killed, Notice("x", text="Wrong."), Notice("x", text="Wronger."))
    acme.slack.refuse("chat.delete", "compliance_exports_prevent_deletion", times=9)
    await say(acme.reply(incoming, MemoryJournal(2, journal.posts)), Notice("x", text="Right."), End())
    assert asked.thread.visible() == ["Right.", "…"]


async def test_what_can_neither_be_deleted_nor_emptied_does_not_keep_the_answer_back(acme: Office) -> None:
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    killed = acme.reply(incoming, journal)
    await say(killed, Media("image", "image/png", PNG, "A cat"), Text("Wrong."), Notice("x", text="Wronger."))
    for method in ("chat.delete", "chat.update", "files.delete", "files.info"):
        acme.slack.refuse(method, "restricted", times=99)
    with pytest.raises(Gone):
        await say(acme.reply(incoming, MemoryJournal(2, journal.posts)), Text("Right."), End())
    acme.slack.heal()
    for method in ("chat.delete", "files.delete", "files.info"):
        acme.slack.refuse(method, "restricted", times=99)
    await say(acme.reply(incoming, MemoryJournal(3, journal.posts)), Text("Right."), End())
    assert "Right." in asked.thread.visible()


async def test_a_notice_whose_message_was_deleted_is_said_anew(acme: Office) -> None:
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    await acme.reply(incoming, journal).send(Notice("x", text="One."))
    acme.dm.everybody.remove(asked.thread.last)
    await say(acme.reply(incoming, MemoryJournal(2, journal.posts)), Notice("x", text="Two."), End())
    assert asked.thread.visible() == ["Two."]


async def test_a_picture_that_was_kept_and_not_shown_is_thrown_away(acme: Office) -> None:
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    await acme.reply(incoming, journal).send(Media("image", "image/png", PNG, "A cat"))
    assert asked.thread.from_app == []
    await say(acme.reply(incoming, MemoryJournal(2, journal.posts)), Text("No."), End())
    assert asked.thread.visible() == ["No."]
    assert acme.slack.called("files.delete") == [{"file": journal.posts[0].removeprefix("file:")}]


async def test_a_message_that_somebody_deleted_is_made_anew(acme: Office) -> None:
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    killed = acme.reply(incoming, journal)
    await say(killed, Text("Once "))
    await killed.abandon()
    acme.dm.everybody.remove(asked.thread.last)
    await say(acme.reply(incoming, MemoryJournal(2, journal.posts)), Text("Again."), End())
    assert asked.thread.visible() == ["Again."]


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_message_that_somebody_deletes_while_it_grows_is_made_anew(
    acme: Office, streaming: bool
) -> None:
    acme.slack.streaming = streaming
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await say(reply, Status("thinking", (STOP,)), Text("Once "))
    acme.dm.everybody.remove(asked.thread.last)
    await say(reply, Text("upon a time."), End())
    assert asked.thread.visible() == ["Once upon a time."]
    assert whole(asked.thread)


async def test_a_whole_message_that_somebody_deletes_stays_deleted(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Notice("x", text="Once."))
    acme.dm.everybody.remove(asked.thread.last)
    await reply.send(End(offers=(RETRY,)))
    assert asked.thread.visible() == []


def at_work() -> set[str]:
    """The tasks of this process, without those of the simulator's server."""
    tasks = {str(task.get_coro()) for task in asyncio.all_tasks()}
    return {task for task in tasks if "RequestHandler" not in task}


async def test_an_abandoned_answer_shows_nothing_more(acme: Office) -> None:
    asked, incoming = await acme.asks()
    before = at_work()
    reply = acme.reply(incoming)
    await say(reply, Status("thinking"), Text("One "), Text("two "), Text("three"))
    await reply.abandon()
    assert at_work() <= before
    await asked.thread.says_nothing()


async def test_after_the_end_nothing_is_left_to_be_done(acme: Office) -> None:
    asked, incoming = await acme.asks()
    before = at_work()
    reply = acme.reply(incoming)
    await say(reply, Status("thinking"), Text("One "), Text("two "), Text("three"), End())
    assert at_work() <= before
    assert asked.thread.visible() == ["One two three"]
