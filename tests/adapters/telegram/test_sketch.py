"""A picture while it is drawn: one message from the first look at it to the finished picture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from bot.api import Media, Notice, Option, Preview, ReplyPart, Status, Text, Unavailable
from tests.adapters.memory_store import MemoryJournal
from tests.adapters.telegram.test_reply import PNG, Stage, Time
from tests.adapters.telegram.test_reply import shown as on_screen
from tests.simulators.telegram import Chat, telegram_simulator

pytestmark = pytest.mark.filterwarnings("ignore:.*retry_after")

STOP, AGAIN = Option("Stop", "/stop"), Option("Another like it", "/variation")
ROUGH, FINER, DONE = (PNG[:9] + word for word in (b"rough", b"finer", b"done"))
FINISHED = Media("image", "image/png", DONE, "a fox\n0.04 USD")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    time = Time()
    async with telegram_simulator(clock=time) as telegram:
        made = Stage(telegram, time)
        yield made
        await made.bot.close_connections()


def rough(data: bytes = ROUGH) -> Preview:
    return Preview("image/png", data)


async def draw(
    stage: Stage, chat: Chat, journal: MemoryJournal, parts: Sequence[ReplyPart], *, every: float = 5
) -> None:
    """Answer with `parts`, each so many seconds after the one before it."""
    reply = stage.reply(chat, journal)
    for part in (Status("drawing", (STOP,)), *parts):
        await stage.time.through(reply.send(part))
        await stage.wire.rest()
        stage.time.pass_to(stage.time.now + every)
    await stage.end(reply, AGAIN)


@pytest.mark.parametrize("kind", ["private", "group"])
async def test_an_unfinished_picture_becomes_the_finished_one_in_its_message(stage: Stage, kind: str) -> None:
    chat = stage.private() if kind == "private" else stage.group()
    await draw(stage, chat, journal := MemoryJournal(), [rough(), rough(FINER), FINISHED])
    [message] = chat.from_bot
    assert [edit.media.content for edit in message.edits if edit.media][:2] == [ROUGH, FINER]
    assert message.edits[0].reply_markup is not None, "it could be stopped"
    assert (message.media and message.media.content, message.text) == (DONE, FINISHED.caption)
    assert message.buttons == ["Another like it"]
    assert journal.posts == [f"sketch:{message.id}"]


async def test_pictures_that_come_too_soon_are_passed_over(stage: Stage) -> None:
    chat = stage.private()
    await draw(stage, chat, MemoryJournal(), [rough(), rough(FINER), rough(FINER), FINISHED], every=0.5)
    assert stage.telegram.counts["editMessageMedia"] == 1, "the finished one"
    assert [message.media and message.media.content for message in chat.from_bot] == [DONE]


async def test_telegram_is_not_waited_for_with_what_is_not_finished(stage: Stage) -> None:
    chat = stage.private()
    stage.telegram.fail("sendPhoto", 1, 429, "Too Many Requests", {"retry_after": 7})
    stage.telegram.fail("editMessageMedia", 1, 429, "Too Many Requests", {"retry_after": 9})
    await draw(stage, chat, MemoryJournal(), [rough(), rough(), rough(), rough(FINER), FINISHED])
    [message] = chat.from_bot
    assert message.media is not None
    assert message.media.content == DONE


@pytest.mark.parametrize("reason", ["message to edit not found", "IMAGE_PROCESS_FAILED"])
async def test_where_the_edit_is_refused_the_picture_is_posted(stage: Stage, reason: str) -> None:
    chat = stage.group()
    stage.telegram.fail("editMessageMedia", 9, 400, f"Bad Request: {reason}")
    await draw(stage, chat, MemoryJournal(), [rough(), rough(FINER), FINISHED])
    assert [(message.media and message.media.content, message.text) for message in chat.from_bot] == [
        (DONE, FINISHED.caption)
    ]


@pytest.mark.parametrize("part", [Notice("stopped", text="Stopped."), Text("Stopped.")])
async def test_what_is_never_finished_goes(stage: Stage, part: ReplyPart) -> None:
    chat = stage.private()
    await draw(stage, chat, MemoryJournal(), [rough(), part])
    assert chat.said == ["Stopped."]


async def test_an_album_is_an_album_all_the_same(stage: Stage) -> None:
    chat = stage.private()
    await draw(stage, chat, MemoryJournal(), [rough(), FINISHED, FINISHED])
    assert on_screen(chat) == ["[photo photo]"]


@pytest.mark.parametrize("mime", ["image/gif", "image/svg+xml"])
async def test_what_is_no_photo_to_telegram_is_not_shown_before_it_is_finished(
    stage: Stage, mime: str
) -> None:
    chat = stage.private()
    await draw(stage, chat, MemoryJournal(), [Preview(mime, ROUGH), FINISHED])
    assert stage.telegram.counts["editMessageMedia"] == 0
    assert len(chat.from_bot) == 1


@pytest.mark.parametrize("glimpses", [0, 1, 2], ids=["without a glimpse", "with one", "with two"])
@pytest.mark.parametrize("dies_at", range(5))
async def test_after_a_cut_the_second_attempt_leaves_one_picture(
    stage: Stage, dies_at: int, glimpses: int
) -> None:
    chat, journal = stage.private(), MemoryJournal()
    parts = [rough(), rough(FINER), FINISHED]
    stage.wire.dies_at = dies_at
    try:
        await draw(stage, chat, journal, parts)
    except Unavailable:
        stage.wire.dies_at = -1
        await draw(stage, chat, MemoryJournal(2, journal.posts), parts[2 - glimpses :])
    [message] = chat.from_bot
    assert (message.media and message.media.content, message.text) == (DONE, FINISHED.caption)
    assert message.buttons == ["Another like it"]


async def test_an_attempt_that_is_given_up_leaves_its_picture_to_the_next(stage: Stage) -> None:
    chat, journal = stage.private(), MemoryJournal()
    first = stage.reply(chat, journal)
    await first.send(rough())
    await first.abandon()
    assert len(journal.posts) == 1, "what was under way was noted"
    await draw(stage, chat, MemoryJournal(2, journal.posts), [FINISHED])
    [message] = chat.from_bot
    assert journal.posts == [f"sketch:{message.id}"]


async def test_whoever_is_stopped_while_it_waits_for_a_picture_leaves_none_that_nobody_knows_of(
    stage: Stage,
) -> None:
    chat, journal = stage.private(), MemoryJournal()
    stage.wire.gate.clear()
    reply = stage.reply(chat, journal)
    await reply.send(rough())
    await asyncio.wait_for(stage.wire.reached.wait(), 30)
    telling = asyncio.create_task(reply.send(Notice("stopped", text="Stopped.")))
    await asyncio.sleep(0)
    telling.cancel()
    await asyncio.wait({telling})
    giving_up = asyncio.create_task(reply.abandon())
    await asyncio.sleep(0)
    assert not giving_up.done()
    stage.wire.gate.set()
    await giving_up
    assert len(journal.posts) == 1
