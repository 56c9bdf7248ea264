"""Files that an answer shares: their names, their order among the words, and how they are taken away."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.slack import files
from bot.api import End, Media, Notice, Text
from tests.adapters.memory_store import MemoryJournal
from tests.adapters.slack.answering import Office, office, say

PNG = b"\x89PNG a picture"


@pytest.fixture
async def acme() -> AsyncIterator[Office]:
    async with office() as made:
        yield made


@pytest.mark.parametrize(
    ("kind", "mime", "name"),
    [
        ("image", "image/png", "image.png"),
        ("image", "image/jpeg; q=1", "image.jpg"),
        ("audio", "audio/mpeg", "audio.mp3"),
        ("audio", "audio/ogg", "audio.ogg"),
        ("video", "video/mp4", "video.mp4"),
        ("file", "application/pdf", "file.pdf"),
        ("file", "application/x-nobody-knows", "file.bin"),
        ("file", "", "file.bin"),
        ("file", "a/../../etc", "file.bin"),
    ],
)
def test_a_file_is_named_for_what_it_is(kind: str, mime: str, name: str) -> None:
    assert files.name_of(Media(kind, mime, b"")) == name  # type: ignore[arg-type]


def test_a_file_has_the_name_that_it_was_given() -> None:
    assert files.name_of(Media("file", "text/csv", b"", "", "usage-2026-11.csv")) == "usage-2026-11.csv"


async def test_words_behind_a_file_wait_until_it_stands_there(acme: Office) -> None:
    asked, incoming = await acme.asks()
    acme.slack.refuse("files.info", "file_not_found", times=1)
    acme.slack.limit("files.info", retry_after=2)
    await say(acme.reply(incoming), Media("audio", "audio/mpeg", b"ID3", "Listen."), Text("Said."), End())
    assert asked.thread.visible() == ["Listen.", "Said."]


async def test_a_file_whose_message_is_not_found_does_not_hold_the_answer_for_long(acme: Office) -> None:
    client = await acme.clients.of(acme.slack.team.id)
    file = await client.put("a.png", PNG)
    before = acme.time.now
    await files.until_shown(client, acme.dm.id, [file])
    assert 1 < acme.time.now - before < 10


async def test_more_than_ten_pictures_stand_in_several_messages(acme: Office) -> None:
    asked, incoming = await acme.asks()
    pictures = [Media("image", "image/png", PNG + bytes([n])) for n in range(12)]
    await say(acme.reply(incoming), *pictures, End())
    assert [len(message.files) for message in asked.thread.from_app] == [10, 2]


async def test_a_text_before_a_picture_is_whole_before_it(acme: Office) -> None:
    asked, incoming = await acme.asks()
    reply = acme.reply(incoming)
    await say(reply, Text("Here "), Text("it is:"), Media("image", "image/png", PNG, "A cat"))
    assert asked.thread.visible() == ["Here it is:"]
    assert not acme.slack.streams.running(asked.thread.last)
    await say(reply, Notice("x", text="Do you like it?"), End())
    assert asked.thread.visible() == ["Here it is:", "A cat", "Do you like it?"]


async def test_a_shared_picture_of_a_dead_attempt_is_taken_away(acme: Office) -> None:
    asked, incoming = await acme.asks()
    journal = MemoryJournal()
    await say(
        acme.reply(incoming, journal), Media("image", "image/png", PNG, "A cat"), Notice("x", text="Look.")
    )
    assert asked.thread.visible() == ["A cat", "Look."]
    await say(
        acme.reply(incoming, MemoryJournal(2, journal.posts)),
        Media("image", "image/png", PNG, "A dog"),
        End(),
    )
    assert asked.thread.visible() == ["A dog"]
    assert len(asked.thread.from_app) == 1


async def test_a_picture_that_cannot_be_uploaded_now_is_tried_again(acme: Office) -> None:
    asked, incoming = await acme.asks()
    acme.slack.fail(times=2, status=503, method="files.getUploadURLExternal")
    acme.slack.limit("files.completeUploadExternal", retry_after=3)
    await say(acme.reply(incoming), Media("image", "image/png", PNG, "A cat"), End())
    assert asked.thread.files == [PNG]
