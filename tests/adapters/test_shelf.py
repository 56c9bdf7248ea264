"""Bytes in the store: found by their id, named plainly, bounded in size and number, and gone with the chat."""

from __future__ import annotations

import pytest

from adapters import _shelf
from adapters._shelf import LIMIT, NUMBER, Shelf, attachment, kind_of, plain_mime, plain_name
from bot.api import Attachment, Gone
from tests.adapters.memory_store import MemoryStore


async def test_what_is_kept_is_found_again_by_its_id_and_by_its_chat_alone():
    shelf = Shelf(MemoryStore())
    kept = await shelf.keep("c1", b"\x89PNG", mime="image/PNG; x=1", name="C:\\cats\\cat.png")
    assert (kept.kind, kept.mime, kept.name, kept.size) == ("image", "image/png", "cat.png", 4)
    assert await shelf.known("c1") == {kept.id: kept}
    assert await shelf.data("c1", kept.id) == b"\x89PNG"
    assert await shelf.data("c2", kept.id) is None
    assert await shelf.data("c1", "../session-key") is None


async def test_an_attachment_is_fetched_and_one_that_is_not_there_any_more_is_gone():
    shelf = Shelf(MemoryStore())
    sound = attachment("c1", await shelf.keep("c1", b"OggS", mime="audio/ogg"))
    assert (sound.kind, sound.size) == ("audio", 4)
    assert await shelf.fetch(sound) == b"OggS"
    await shelf.clear("c1")
    with pytest.raises(Gone):
        await shelf.fetch(sound)
    with pytest.raises(Gone):
        await shelf.fetch(Attachment("file", "nonsense"))


async def test_only_the_newest_are_kept():
    store = MemoryStore()
    shelf = Shelf(store)
    kept = [await shelf.keep("c1", bytes([n]), mime="image/png") for n in range(NUMBER + 3)]
    assert list(await shelf.known("c1")) == [each.id for each in kept[3:]]
    assert len(store.values) == NUMBER


async def test_large_things_leave_no_more_than_there_is_room_for():
    store = MemoryStore()
    shelf = Shelf(store)
    small = await shelf.keep("c2", b"x", mime="text/plain")
    kept = [await shelf.keep("c1", bytes(LIMIT), mime="video/mp4") for _ in range(5)]
    assert list(await shelf.known("c1")) == [each.id for each in kept[1:]]
    assert len(store.values) == 5
    assert await shelf.data("c2", small.id) == b"x", "another chat has room of its own"


async def test_too_large_a_thing_is_not_kept():
    store = MemoryStore()
    with pytest.raises(ValueError, match="more than"):
        await Shelf(store).keep("c1", bytes(LIMIT + 1), mime="video/mp4")
    assert store.values == {}
    assert store.logs == {}


async def test_an_entry_of_a_newer_version_is_passed_over():
    store = MemoryStore()
    for value in ("[]", "nonsense", '{"id":"a"}', '{"id":"a","kind":"x","mime":"","name":"","size":1}'):
        await store.append("media:c1", value, limit=9, ttl=1)
    assert await Shelf(store).known("c1") == {}


@pytest.mark.parametrize(
    ("mime", "kind"),
    [
        ("image/webp", "image"),
        ("image/svg+xml", "file"),
        ("audio/webm", "audio"),
        ("video/mp4", "video"),
        ("text/html", "file"),
    ],
)
def test_a_type_is_of_a_kind(mime: str, kind: str):
    assert kind_of(mime) == kind


@pytest.mark.parametrize("mime", ["", "png", "image/", "text/html\r\nSet-Cookie: a=b", "IMAGE", "a/b/c"])
def test_what_is_no_type_is_mere_bytes(mime: str):
    assert plain_mime(mime) == "application/octet-stream"


def test_a_name_has_no_folders_and_no_control_characters_and_keeps_its_ending():
    assert plain_name("../../etc/pass\r\nwd") == "passwd"
    assert plain_name("x" * 500 + ".tar.gz").endswith(".tar.gz")
    assert len(plain_name("x" * 500 + ".tar.gz")) == _shelf._NAME_LIMIT
    assert plain_name("\ud83d.png") == "?.png"
