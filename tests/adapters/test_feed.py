"""A reply kept as a log: what a front end in another process sees of it, whatever happens to the worker."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._feed import LIMIT, PREVIEW_LIMIT, FeedReply, Fold, asked, entries, fold, log_of, parse
from adapters._shelf import LIMIT as LARGEST
from adapters._shelf import Shelf
from bot.api import (
    Attachment,
    Choices,
    End,
    Entry,
    Incoming,
    Media,
    Notice,
    Option,
    Person,
    Place,
    Preview,
    Reply,
    Status,
    Text,
    Unavailable,
    Usage,
)
from tests.adapters.memory_store import MemoryJournal, MemoryStore

LOG = log_of("c1")


def message(text: str = "Hello?", name: str = "m1") -> Incoming:
    return Incoming(name, Place("web", "web", "c1"), Person("c1"), text, sent_at=5.0)


class Timer:
    """A `sleep` that lasts until it is told to end."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.sleeping = asyncio.Event()
        self._end = asyncio.Event()

    async def __call__(self, pause: float) -> None:
        self.pauses.append(pause)
        self.sleeping.set()
        await self._end.wait()
        self._end.clear()

    async def ring(self) -> None:
        """End the present pause, and wait until what follows from that is done."""
        await asyncio.wait_for(self.sleeping.wait(), 30)
        self.sleeping.clear()
        self._end.set()
        for _ in range(20):
            await asyncio.sleep(0)


def kinds(store: MemoryStore) -> list[str]:
    return [json.loads(entry.value)["kind"] for entry in store.shown(LOG)]


def deltas(store: MemoryStore) -> list[str]:
    values = [json.loads(entry.value) for entry in store.shown(LOG)]
    return [value["delta"] for value in values if value["kind"] == "text"]


async def test_the_first_words_are_appended_at_once_and_the_next_together():
    store, timer = MemoryStore(), Timer()
    reply: Reply = FeedReply(store, LOG, message(), MemoryJournal(), sleep=timer)
    for word in ("One", " two", " three"):
        await reply.send(Text(word))
    assert deltas(store) == ["One"]
    await timer.ring()
    assert deltas(store) == ["One", " two three"]
    await reply.send(Text(" four"))
    assert deltas(store) == ["One", " two three"]
    await timer.ring()
    await timer.ring()
    assert deltas(store) == ["One", " two three", " four"]
    await reply.send(Text(" five"))
    assert deltas(store) == ["One", " two three", " four", " five"], "after a quiet pause nothing waits"
    await reply.send(End())


async def test_the_end_holds_the_whole_answer_and_is_all_that_stays():
    store, journal = MemoryStore(), MemoryJournal()
    await asked(store, LOG, message())
    reply = FeedReply(store, LOG, message(), journal, sleep=Timer())
    await reply.send(Status("thinking"))
    await reply.send(Text("See "))
    await reply.send(Text("this:"))
    await reply.send(Media("image", "image/png", b"\x89PNG", "A cat"))
    await reply.send(Text("Done."))
    await reply.send(Notice("limit.near", {"left": 3}, "Three left."))
    await reply.send(Choices("More?", (Option("Yes", "/more"),)))
    await reply.send(End(Usage(7, 9, True), (Option("Retry", "/retry"),)))
    assert kinds(store) == ["asked", "end"]
    (id,) = await Shelf(store).known("c1")
    assert await Shelf(store).data("c1", id) == b"\x89PNG"
    assert json.loads(store.shown(LOG)[1].value) == {
        "kind": "end",
        "message": "m1",
        "question": "Hello?",
        "at": 5.0,
        "command": False,
        "attempt": 1,
        "parts": [
            {"type": "text", "text": "See this:"},
            {
                "type": "media",
                "media": "image",
                "mime": "image/png",
                "size": 4,
                "id": id,
                "caption": "A cat",
                "name": "",
            },
            {"type": "text", "text": "Done."},
            {"type": "notice", "key": "limit.near", "text": "Three left."},
            {"type": "choices", "text": "More?", "options": [{"label": "Yes", "value": "/more"}]},
        ],
        "offers": [{"label": "Retry", "value": "/retry"}],
        "usage": {"prompt": 7, "completion": 9, "estimated": True},
    }


async def test_waiting_text_is_appended_before_any_other_part():
    store = MemoryStore()
    reply = FeedReply(store, LOG, message(), MemoryJournal(), sleep=Timer())
    for part in (Text("a"), Text("b"), Notice("n", text="n"), Text("c"), Status("drawing")):
        await reply.send(part)
    assert kinds(store) == ["begin", "text", "text", "notice", "text", "status"]
    await reply.send(End())


async def test_a_status_that_is_shown_already_is_not_said_again():
    store = MemoryStore()
    reply = FeedReply(store, LOG, message(), MemoryJournal(), sleep=Timer())
    for part in (Status("thinking"), Status("thinking"), Status("typing"), Text("a"), Status("typing")):
        await reply.send(part)
    assert kinds(store) == ["begin", "status", "status", "text", "status"]
    await reply.send(End())


async def test_what_was_answered_with_the_message_before_it_is_known_for_that():
    store, parts = MemoryStore(), [message("one", "m1"), message("two", "m2"), message("three", "m3")]
    for part in parts:
        await asked(store, LOG, part)
    await FeedReply(store, LOG, parts[1], MemoryJournal()).send(
        End()
    )  # as the worker does, before it answers
    assert [item.joined for item in fold(store.shown(LOG))] == [False, True, False]
    answer = FeedReply(store, LOG, parts[0], MemoryJournal())
    await answer.send(Text("Both."))
    await answer.send(End())
    await FeedReply(store, LOG, parts[2], MemoryJournal()).send(End())
    assert [item.joined for item in fold(store.shown(LOG))] == [False, True, False]


async def test_what_a_person_has_forgotten_is_in_the_log_no_more():
    store = MemoryStore()
    said = [message("My word is violet", "m1"), message("/forget yes", "m2"), message("and now?", "m3")]
    for part in said:
        await asked(store, LOG, part)
    first = FeedReply(store, LOG, said[0], MemoryJournal())
    await first.send(Text("I hear: violet"))
    await first.send(End())
    second = FeedReply(store, LOG, said[1], MemoryJournal())
    await second.send(Notice("forget.done", text="Done."))
    await second.send(End())
    assert "violet" not in str(store.shown(LOG))
    assert [item.question for item in fold(store.shown(LOG))] == ["/forget yes", "and now?"]


async def test_no_task_outlives_the_end():
    before = asyncio.all_tasks()
    reply = FeedReply(MemoryStore(), LOG, message(), MemoryJournal())
    await reply.send(Text("a"))
    await reply.send(Text("b"))
    await reply.send(End())
    assert asyncio.all_tasks() == before


async def test_a_failure_in_the_background_is_raised_by_the_next_part():
    store, timer = MemoryStore(), Timer()
    reply = FeedReply(store, LOG, message(), MemoryJournal(), sleep=timer)
    await reply.send(Text("a"))
    await reply.send(Text("b"))
    await store.go()
    await timer.ring()
    await store.come()
    with pytest.raises(Unavailable):
        await reply.send(Text("c"))


async def test_a_failure_at_the_end_is_raised_and_leaves_no_task():
    before = asyncio.all_tasks()
    store = MemoryStore()
    reply = FeedReply(store, LOG, message(), MemoryJournal())
    await reply.send(Text("a"))
    await store.go()
    with pytest.raises(Unavailable):
        await reply.send(End())
    assert asyncio.all_tasks() == before


class Unremovable(MemoryStore):
    """A store that goes away just before anything is removed."""

    async def remove(self, log: str, ids: object) -> None:
        raise Unavailable("away")


async def test_an_answer_counts_as_delivered_even_where_its_pieces_cannot_be_removed():
    store = Unremovable()
    reply = FeedReply(store, LOG, message(), MemoryJournal())
    await reply.send(Text("answer"))
    await reply.send(End())
    (item,) = fold(store.shown(LOG))
    assert item.ended
    assert item.parts == ({"type": "text", "text": "answer"},)


async def test_one_unfinished_picture_stands_in_the_log_until_something_takes_its_place():
    store, journal = MemoryStore(), MemoryJournal()
    reply = FeedReply(store, LOG, message(), journal, previews=True)
    await reply.send(Status("drawing"))
    for data in (b"rough", b"finer", bytes(PREVIEW_LIMIT + 1)):
        await reply.send(Preview("image/png", data))
    (item,) = fold(store.shown(LOG))
    assert item.preview == {"mime": "image/png", "data": "ZmluZXI="}
    assert item.status == "drawing"
    assert kinds(store) == ["begin", "status", "preview"]
    await reply.send(Media("image", "image/png", b"done"))
    assert fold(store.shown(LOG))[0].preview is None
    await reply.send(End())
    assert kinds(store) == ["end"]


async def test_an_unfinished_picture_goes_with_the_attempt_that_drew_it():
    store, journal = MemoryStore(), MemoryJournal()
    await FeedReply(store, LOG, message(), journal, previews=True).send(Preview("image/png", b"rough"))
    heir = FeedReply(store, LOG, message(), MemoryJournal(2, journal.posts), previews=True)
    await heir.send(Status("drawing"))
    assert fold(store.shown(LOG))[0].preview is None
    await heir.send(End())
    assert kinds(store) == ["end"]


async def test_a_front_end_that_shows_none_is_given_no_unfinished_picture():
    store = MemoryStore()
    await FeedReply(store, LOG, message(), MemoryJournal()).send(Preview("image/png", b"rough"))
    assert kinds(store) == ["begin"]


async def test_a_second_attempt_leaves_exactly_one_answer_and_nothing_of_the_first():
    store = MemoryStore()
    await asked(store, LOG, message())
    first = MemoryJournal()
    dead = FeedReply(store, LOG, message(), first, sleep=Timer())
    await dead.send(Text("A half ans"))
    await dead.send(Notice("n", text="n"))
    heir = FeedReply(store, LOG, message(), MemoryJournal(2, first.posts), sleep=Timer())
    await heir.send(Text("The answer"))
    (item,) = fold(store.shown(LOG))
    assert item.parts == ({"type": "text", "text": "The answer"},)
    await dead.send(Text(" from beyond"))
    (item,) = fold(store.shown(LOG))
    assert item.parts == ({"type": "text", "text": "The answer"},)
    await heir.send(End())
    (item,) = fold(store.shown(LOG))
    assert item.parts == ({"type": "text", "text": "The answer"},)
    assert kinds(store)[:1] == ["asked"]
    assert kinds(store).count("end") == 1
    await dead.send(End())


async def test_an_answer_that_had_ended_before_the_crash_is_shown_once_when_it_is_said_again():
    store, journal = MemoryStore(), MemoryJournal()
    reply = FeedReply(store, LOG, message(), journal)
    await reply.send(Text("answer"))
    await reply.send(End())
    again = FeedReply(store, LOG, message(), MemoryJournal(2, journal.posts))
    await again.send(Text("answer"))
    await again.send(End())
    (item,) = fold(store.shown(LOG))
    assert item.parts == ({"type": "text", "text": "answer"},)
    assert kinds(store) == ["end"]


async def test_the_beginning_is_journalled_before_anything_is_shown():
    class Full(MemoryJournal):
        async def posted(self, post: str) -> None:
            raise Unavailable("away")

    store = MemoryStore()
    with pytest.raises(Unavailable):
        await FeedReply(store, LOG, message(), Full()).send(Text("a"))
    assert kinds(store) == ["begin"]


async def test_a_reply_of_nothing_but_its_end_still_ends():
    store = MemoryStore()
    await FeedReply(store, LOG, message(), MemoryJournal()).send(End())
    (item,) = fold(store.shown(LOG))
    assert (item.ended, item.parts) == (True, ())


async def test_the_pieces_of_a_very_long_answer_get_longer_so_that_they_do_not_push_out_the_history():
    store, timer = MemoryStore(), Timer()
    reply = FeedReply(store, LOG, message(), MemoryJournal(), pause=1.0, sleep=timer)
    await reply.send(Text("x"))
    for _ in range(900):
        await reply.send(Text("x"))
        await timer.ring()
    assert timer.pauses[0] == 1.0
    assert timer.pauses[-1] == 3.0
    await reply.send(End())


async def test_a_log_keeps_no_more_than_its_limit():
    store = MemoryStore()
    for n in range(LIMIT + 5):
        await asked(store, LOG, message(name=f"m{n}"))
    found = await entries(store, LOG)
    assert len(found) == LIMIT
    assert fold(found)[-1].message == f"m{LIMIT + 4}"


async def test_half_a_surrogate_pair_does_not_break_the_log():
    store = MemoryStore()
    reply = FeedReply(store, LOG, message("\ud83d"), MemoryJournal())
    await reply.send(Text("\ud83d"))
    await reply.send(End())
    (item,) = fold(store.shown(LOG))
    assert item.question == "?"
    store.shown(LOG)[0].value.encode("utf-8")


# --- reading ----------------------------------------------------------------------------------------------


def log(*values: dict[str, object]) -> list[Entry]:
    return [Entry(str(n + 1), json.dumps(value)) for n, value in enumerate(values)]


def head(kind: str, name: str, **more: object) -> dict[str, object]:
    return {"kind": kind, "message": name, "question": f"q {name}", "at": 1.0, "command": False, **more}


def test_questions_stand_in_the_order_in_which_they_were_asked():
    items = fold(
        log(
            head("asked", "a"),
            head("asked", "b"),
            head("begin", "a", attempt=1),
            {"kind": "status", "message": "a", "doing": "thinking", "attempt": 1},
        )
    )
    assert [(i.message, i.status, i.ended, i.attempt) for i in items] == [
        ("a", "thinking", False, 1),
        ("b", None, False, 0),
    ]


def test_an_unfinished_answer_shows_what_there_is():
    (item,) = fold(
        log(
            head("begin", "a", attempt=1),
            {"kind": "status", "message": "a", "doing": "thinking", "attempt": 1},
            {"kind": "text", "message": "a", "delta": "So ", "attempt": 1},
            {"kind": "text", "message": "a", "delta": "far", "attempt": 1},
        )
    )
    assert (item.question, item.status, item.ended) == ("q a", None, False)
    assert item.parts == ({"type": "text", "text": "So far"},)


def test_the_question_may_be_told_after_the_answer_has_begun():
    (item,) = fold(
        log(
            head("begin", "a", attempt=1),
            {"kind": "text", "message": "a", "delta": "x", "attempt": 1},
            head("asked", "a"),
        )
    )
    assert item.parts == ({"type": "text", "text": "x"},)


def test_what_belongs_to_a_question_out_of_sight_is_passed_over():
    assert fold(log({"kind": "text", "message": "gone", "delta": "x", "attempt": 1})) == []


@pytest.mark.parametrize(
    "value", ["", "no json", "[]", "7", '{"kind":"text"}', '{"message":"a"}', '{"kind":1}']
)
def test_what_is_not_ours_is_passed_over(value: str):
    assert parse(Entry("1", value)) is None
    assert fold([Entry("1", value)]) == []


def test_a_kind_from_a_newer_version_changes_nothing():
    items = fold(log(head("asked", "a"), {"kind": "sparkle", "message": "a"}))
    assert [item.parts for item in items] == [()]


@given(st.data())
async def test_any_way_to_interrupt_and_repeat_an_answer_shows_the_last_one_whole(data: st.DataObject):
    store, posts = MemoryStore(), list[str]()
    attempts = data.draw(st.lists(st.lists(st.sampled_from("abn"), max_size=5), min_size=1, max_size=3))
    for number, steps in enumerate(attempts, start=1):
        journal = MemoryJournal(number, posts)
        reply = FeedReply(store, LOG, message(), journal, sleep=Timer())
        for step in steps:
            await reply.send(Notice("n", text="n") if step == "n" else Text(step))
        posts = journal.posts
        if number == len(attempts):
            await reply.send(End())
    (item,) = fold(store.shown(LOG))
    shown = "".join(part["text"] for part in item.parts)
    assert (shown, item.ended) == ("".join(attempts[-1]), True)
    assert kinds(store) == ["end"]


def test_a_fold_can_be_continued():
    view = Fold()
    view.take(head("begin", "a", attempt=1))
    assert [item.parts for item in view.items()] == [()]
    view.take({"kind": "text", "message": "a", "delta": "x", "attempt": 1})
    assert [item.parts for item in view.items()] == [({"type": "text", "text": "x"},)]


async def test_what_came_with_a_question_is_told_with_it_until_the_end():
    store = MemoryStore()
    cat = Attachment("image", "c1/0f", "image/png", 4, "cat.png")
    question = replace(message(), attachments=(cat,))
    told = {"id": "0f", "media": "image", "mime": "image/png", "name": "cat.png", "size": 4}
    await asked(store, LOG, question)
    assert fold(store.shown(LOG))[0].attached == (told,)
    reply = FeedReply(store, LOG, question, MemoryJournal(), sleep=Timer())
    await reply.send(Text("A cat."))
    await reply.send(End())
    assert fold(store.shown(LOG))[0].attached == (told,)


async def test_media_that_are_too_large_are_named_and_not_kept():
    store = MemoryStore()
    reply = FeedReply(store, LOG, message(), MemoryJournal(), sleep=Timer())
    await reply.send(Media("video", "video/mp4", bytes(LARGEST + 1), "A film"))
    await reply.send(End())
    (part,) = fold(store.shown(LOG))[0].parts
    assert (part["id"], part["caption"]) == ("", "A film")
    assert store.values == {}


async def test_to_forget_takes_the_media_along_but_for_those_of_an_open_question():
    store = MemoryStore()
    shelf = Shelf(store)
    reply = FeedReply(store, LOG, message(), MemoryJournal(), sleep=Timer())
    await reply.send(Media("image", "image/png", b"old"))
    await reply.send(End())
    waiting = await shelf.keep("c1", b"new", mime="image/png")
    ref = Attachment("image", f"c1/{waiting.id}")
    await asked(store, LOG, replace(message("What is it?", "m3"), attachments=(ref,)))
    reply = FeedReply(store, LOG, message("/forget", "m2"), MemoryJournal(), sleep=Timer())
    await reply.send(Notice("forget.done", text="Forgotten."))
    await reply.send(End())
    assert list(await shelf.known("c1")) == [waiting.id]
    assert list(store.values) == [f"media:c1:{waiting.id}"]
