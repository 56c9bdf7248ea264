"""Streams as Slack lets them live: begun anew in time, repaired when dropped, and never said twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.slack.stream import AGE
from bot.api import End, Gone, Incoming, Notice, Option, Person, Place, Status, Text, Unavailable
from tests.adapters.memory_store import MemoryJournal
from tests.adapters.slack.answering import Office, joined, office, say, whole
from tests.simulators.slack import Thread

RETRY = Option("Retry", "/retry")


@pytest.fixture
async def acme() -> AsyncIterator[Office]:
    async with office() as made:
        yield made


async def shows(thread: Thread, text: str) -> None:
    """Wait until the newest message holds a text. The last letter of a stream waits for the next one."""
    await thread.until(lambda: thread.from_app and text in thread.last.shown)


async def test_an_answer_of_six_minutes_goes_on_in_a_new_stream_before_slack_ends_the_first(
    acme: Office,
) -> None:
    asked, incoming = await acme.asks()
    reply, said = acme.reply(incoming), ""
    for number in range(72):
        sentence = f"Sentence number {number} ends here.\n\n"
        said += sentence
        await reply.send(Text(sentence))
        await shows(asked.thread, f"number {number} ends")
        acme.time.now += 5
    await reply.send(End(offers=(RETRY,)))
    parts = asked.thread.visible()
    assert len(parts) == len(acme.slack.called("chat.startStream")) == 2
    assert joined(parts) == joined([said])
    assert all(part.endswith("ends here.") for part in parts)
    assert acme.slack.refused() == []
    assert whole(asked.thread)
    assert asked.thread.last.buttons == asked.thread.buttons == ["Retry"]


async def test_code_goes_on_as_code_in_the_new_stream(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("Look:\n\n```python\nfirst = 1000\nsecond = 2000\n"))
    await shows(asked.thread, "second = 200")
    acme.time.now += AGE + 1
    await reply.send(Text("third = 3000\n"))
    await asked.thread.until(lambda: len(asked.thread.from_app) == 2)
    await say(reply, Text("fourth = 4000\n```\nDone."), End())
    assert asked.thread.visible() == [
        "Look:\n\n```python\nfirst = 1000\nsecond = 2000\n```",
        "```python\nthird = 3000\nfourth = 4000\n```\nDone.",
    ]
    assert whole(asked.thread)


async def test_an_answer_that_ends_in_an_old_stream_ends_there(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("Once upon a time "))
    acme.time.now += AGE + 1
    await say(reply, Text("there was."), End())
    assert asked.thread.visible() == ["Once upon a time there was."]
    assert whole(asked.thread)


async def test_a_stream_that_slack_drops_is_mended_and_written_on(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("Once upon a time "))
    acme.slack.streams.drop(asked.thread.last)
    await reply.send(Text("there was "))
    await shows(asked.thread, "there was")
    await say(reply, Text("a king."), End(offers=(RETRY,)))
    assert asked.thread.visible() == ["Once upon a time there was a king."]
    assert asked.thread.buttons == ["Retry"]
    assert whole(asked.thread)
    assert len(acme.slack.called("chat.startStream")) == 1


async def test_a_stream_that_is_dropped_behind_its_last_word_is_mended(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("Done."))
    acme.slack.streams.drop(asked.thread.last)
    await reply.send(End(offers=(RETRY,)))
    assert asked.thread.visible() == ["Done."]
    assert asked.thread.buttons == ["Retry"]
    assert whole(asked.thread)


async def test_a_model_that_thinks_longer_than_a_stream_lives_ends_in_one_message(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("Let me see."))
    acme.time.now += 600
    await reply.send(End())
    assert asked.thread.visible() == ["Let me see."]
    assert whole(asked.thread)


@pytest.mark.parametrize("error", ["msg_too_long", "invalid_blocks", "internal_trouble"])
@pytest.mark.parametrize("method", ["chat.appendStream", "chat.stopStream"])
async def test_words_that_a_stream_does_not_take_come_by_an_update(
    acme: Office, method: str, error: str
) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("One "))
    acme.slack.refuse(method, error)
    await reply.send(Text("two "))
    await asyncio.sleep(0)
    await say(reply, Text("three"), End(offers=(RETRY,)))
    assert asked.thread.visible() == ["One two three"]
    assert asked.thread.buttons == ["Retry"]
    assert whole(asked.thread)


async def test_a_reader_who_stops_the_stream_sees_what_was_said(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("One "))
    acme.slack.streams.stop(asked.thread)
    await say(reply, Text("two."), End())
    assert asked.thread.visible() == ["One two."]
    assert whole(asked.thread)


async def test_words_that_may_have_arrived_are_not_said_twice(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("One "))
    acme.slack.fail(times=1, status=504, method="chat.appendStream")
    for word in ("two ", "three ", "four"):
        await reply.send(Text(word))
        await asyncio.sleep(0)
    await reply.send(End())
    assert asked.thread.visible() == ["One two three four"]
    assert whole(asked.thread)


async def test_after_a_doubtful_word_the_text_grows_by_updates(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply, said = acme.reply(incoming), ["One "]
    await reply.send(Text("One "))
    acme.slack.fail(times=1, status=504, method="chat.appendStream")
    async with asyncio.timeout(30):
        while not acme.slack.called("chat.update"):
            said.append("more ")
            await reply.send(Text("more "))
            await asyncio.sleep(0)
    assert not acme.slack.streams.running(asked.thread.last)
    await reply.send(End())
    assert asked.thread.visible() == ["".join(said).strip()]


async def test_a_text_without_a_word_that_stays_waits_for_more(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await reply.send(Text("<"))
    assert asked.thread.visible() == []
    await say(reply, Text("b> is a tag"), End())
    assert asked.thread.visible() == ["<b> is a tag"]


async def test_outside_of_threads_nothing_is_streamed(acme: Office) -> None:
    _, incoming = await acme.asks()
    nowhere = replace(incoming, place=replace(incoming.place, thread=""))
    await say(acme.reply(nowhere, MemoryJournal(2)), Text("Hello."), End())
    assert acme.dm.visible() == ["Hello."]
    assert acme.slack.called("chat.startStream") == []


async def test_marks_that_change_what_was_shown_come_right_in_the_end(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    text = "See <!channel> and\n```js\nlet a = '<@U0123456>'\n```\n~~~\nwaves\n~~~\nend"
    for sign in text:
        await reply.send(Text(sign))
        await asyncio.sleep(0)
    await reply.send(End())
    (shown,) = asked.thread.visible()
    assert shown.replace("\u2060", "") == text
    assert "<!channel>" not in shown
    assert len(acme.slack.called("chat.update")) == 0


async def test_an_open_stream_of_a_dead_attempt_is_closed(acme: Office) -> None:
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    killed = acme.reply(incoming, journal)
    await killed.send(Text("Once upon "))
    await killed.abandon()
    assert acme.slack.streams.running(asked.thread.last)
    again = acme.reply(incoming, MemoryJournal(2, journal.posts))
    await say(again, Text("Once upon a time."), End())
    assert asked.thread.visible() == ["Once upon a time."]
    assert whole(asked.thread)


async def test_an_open_stream_that_is_not_needed_any_more_is_taken_away(acme: Office) -> None:
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    killed = acme.reply(incoming, journal)
    await killed.send(Text("Once upon "))
    await killed.abandon()
    await acme.reply(incoming, MemoryJournal(2, journal.posts)).send(End())
    assert asked.thread.visible() == []


@pytest.mark.parametrize("dropped", [False, True])
async def test_a_stream_that_was_begun_and_never_noted_is_found_and_written_on(
    acme: Office, dropped: bool
) -> None:
    for channel in (acme.dm, acme.general):
        asked, incoming = await acme.asks(channel)
        killed = acme.reply(incoming, MemoryJournal())
        await killed.send(Text("Once upon "))
        await killed.abandon()
        if dropped:
            acme.slack.streams.drop(asked.thread.last)
        journal = MemoryJournal(2)
        await say(acme.reply(incoming, journal), Text("Once upon a time."), End())
        assert asked.thread.visible() == ["Once upon a time."]
        assert whole(asked.thread)
        assert journal.posts == [asked.thread.last.ts]


async def test_a_message_whose_word_was_lost_is_found_and_not_said_twice(acme: Office) -> None:
    for channel in (acme.dm, acme.general):
        asked, incoming = await acme.asks(channel)
        lost = MemoryJournal()
        await acme.reply(incoming, lost).send(Notice("x", text="First."))
        assert lost.posts
        await acme.ann.says(channel, "meanwhile", thread=asked)
        await say(acme.reply(incoming, MemoryJournal(2)), Notice("x", text="Second."), End())
        assert asked.thread.visible() == ["Second."]


async def test_the_answer_to_another_question_in_the_thread_is_left_alone(acme: Office) -> None:
    asked, incoming = await acme.asks(acme.general)
    await say(acme.reply(replace(incoming, id="1.1")), Notice("x", text="To Bob."), End())
    await say(acme.reply(incoming, MemoryJournal(2)), Notice("x", text="To Ann."), End())
    assert asked.thread.visible() == ["To Bob.", "To Ann."]


async def test_who_has_nothing_to_say_takes_no_stream_away(acme: Office) -> None:
    asked, incoming = await acme.asks()
    other = acme.reply(incoming, MemoryJournal())
    await other.send(Text("One answer to two questions"))
    await acme.reply(incoming, MemoryJournal(2)).send(End())
    await other.send(End())
    assert asked.thread.visible() == ["One answer to two questions"]


async def test_who_may_not_look_for_lost_streams_answers_anyhow(acme: Office) -> None:
    asked, incoming = await acme.asks()
    acme.slack.refuse("conversations.replies", "missing_scope")
    await say(acme.reply(incoming, MemoryJournal(2)), Text("Hello."), End())
    assert asked.thread.visible() == ["Hello."]


async def test_an_attempt_that_slack_cuts_off_leaves_a_message_to_the_next(acme: Office) -> None:
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    reply = acme.reply(incoming, journal)
    await reply.send(Text("Once upon "))
    acme.slack.fail(times=1_000, status=502, body="<html>")
    with pytest.raises(Unavailable):
        await say(reply, Text("a time."), End())
    acme.slack.heal()
    await say(acme.reply(incoming, MemoryJournal(2, journal.posts)), Text("Once upon a time."), End())
    assert asked.thread.visible() == ["Once upon a time."]
    assert whole(asked.thread)


async def test_by_slacks_own_rates_a_long_answer_arrives_exactly(acme: Office) -> None:
    acme.slack.rates = True
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    words = [f"word{number} " for number in range(400)]
    for word in words:
        await reply.send(Text(word))
        await asyncio.sleep(0)
    await reply.send(End())
    assert joined(asked.thread.visible()) == joined(words)
    assert whole(asked.thread)


async def test_twenty_five_answers_at_once_do_not_mix(acme: Office) -> None:
    acme.slack.rates = True
    questions = [await acme.asks() for _ in range(25)]

    async def answer(number: int) -> None:
        reply = acme.reply(questions[number][1])
        await say(reply, Text(f"begin{number} "), Text(f"middle{number} "), Text(f"end{number}"), End())

    await asyncio.gather(*(answer(number) for number in range(25)))
    for number, (asked, _) in enumerate(questions):
        assert asked.thread.visible() == [f"begin{number} middle{number} end{number}"]
        assert whole(asked.thread)


async def test_somebody_of_another_company_sees_the_words_come_too() -> None:
    async with office() as here:
        globex = here.slack.add_team("Globex", installed=False)
        cleo = here.slack.person("Cleo", team=globex)
        shared = here.slack.channel("shared", [here.ann, cleo])
        question = await cleo.says(shared, f"{here.slack.mention} hello")
        place = Place("slack", here.slack.team.id, shared.id, question.ts, "group", discussion=True)
        reply = here.reply(Incoming(question.ts, place, Person(cleo.id, "Cleo"), "hello"))
        await say(reply, Text("Good morning."), End())
        (begun,) = here.slack.called("chat.startStream")
        assert begun["recipient_team_id"] == globex.id
        assert shared.thread(question.ts).visible()[-1] == "Good morning."


async def test_a_channel_that_we_are_not_in_is_gone_and_what_works_elsewhere_is_still_tried(
    acme: Office,
) -> None:
    asked, incoming = await acme.asks(acme.general)
    acme.general.bot = False
    with pytest.raises(Gone, match="not_in_channel"):
        await say(acme.reply(incoming), Text("Hello, everybody here."), End())
    other = acme.slack.channel("other", [acme.ann])
    asked, incoming = await acme.asks(other)
    await say(acme.reply(incoming), Status("thinking"), Text("Hello, everybody here."), End())
    assert asked.thread.statuses == ["processing", "active"]
    assert acme.slack.called("chat.startStream")[-1]["channel"] == other.id
