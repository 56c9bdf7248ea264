"""What is kept for a person: claimed once, given back, taken over, replaced by a later attempt, and forgotten."""

from __future__ import annotations

import pytest

from adapters.wechat import words
from adapters.wechat.official.load import ROOM, Item
from adapters.wechat.official.outbox import SERVICE, Outbox
from tests.adapters.memory_store import MemoryStore

ANN = "oa:wx1:oAnn"


class Kept:
    """An outbox at a time that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.store = MemoryStore()
        self.outbox = Outbox(self.store, clock=lambda: self.now)

    async def answer(self, message: str, *texts: str, serving: bool = False) -> None:
        items = [Item("text", text) for text in texts]
        await self.outbox.finish(ANN, message, items, serving=serving)

    async def carried(self, claimant: str) -> str:
        load = await self.outbox.load(ANN, claimant)
        await self.outbox.carried(load, claimant)
        return load.text


@pytest.fixture
def kept() -> Kept:
    return Kept()


async def test_what_one_carries_nobody_else_does(kept: Kept) -> None:
    await kept.answer("m1", "one", "two")
    assert await kept.carried("a") == "one\n\ntwo"
    assert await kept.carried("b") == ""


async def test_what_is_forgotten_is_carried_no_more_and_was_answered_even_so(kept: Kept) -> None:
    await kept.answer("m1", "one")
    await kept.answer("m2", "two")
    await kept.outbox.forget(ANN)
    assert await kept.carried("a") == ""
    assert await kept.outbox.finished("m1")
    assert not {"one", "two"} & set(repr(kept.store.values).split('"'))
    await kept.answer("m3", "three")
    assert await kept.carried("a") == "three"


async def test_a_message_that_is_delivered_again_carries_it_again(kept: Kept) -> None:
    await kept.answer("m1", "one")
    assert [await kept.carried("a"), await kept.carried("a")] == ["one", "one"]


async def test_what_is_given_back_another_carries(kept: Kept) -> None:
    await kept.answer("m1", "one")
    await kept.outbox.give_back(await kept.outbox.load(ANN, "a"))
    assert await kept.carried("b") == "one"


async def test_a_late_give_back_takes_nothing_from_a_later_delivery(kept: Kept) -> None:
    await kept.answer("m1", "one")
    early = await kept.outbox.load(ANN, "a")
    await kept.outbox.give_back(early)
    await kept.carried("a")
    await kept.outbox.give_back(early)
    assert await kept.carried("b") == ""


async def test_the_claim_of_a_dead_process_is_taken_over_and_a_done_one_never(kept: Kept) -> None:
    await kept.answer("m1", "one")
    await kept.answer("m2", "two")
    await kept.carried("a")
    await kept.answer("m3", "three")
    await kept.outbox.load(ANN, "b")
    assert await kept.carried("c") == ""
    kept.now += 21
    assert await kept.carried("c") == "three"


async def test_customer_service_sends_what_is_done_never_again(kept: Kept) -> None:
    await kept.answer("m1", "one")
    name = f"{SERVICE}m1"
    load = await kept.outbox.claim("m1", 0, name)
    assert load is not None
    assert await kept.outbox.left("m1", name) == [0]
    await kept.outbox.carried(load, name)
    assert await kept.outbox.left("m1", name) == []
    assert await kept.outbox.claim("m1", 0, name) is None


async def test_as_much_is_carried_as_fits(kept: Kept) -> None:
    await kept.answer("m1", "x" * (ROOM - 10), "y" * 9)
    load = await kept.outbox.load(ANN, "a")
    assert (len(load.items), load.more) == (1, True)


async def test_media_are_carried_alone(kept: Kept) -> None:
    items = [Item("text", "look"), Item("image", "m"), Item("text", "there")]
    await kept.outbox.finish(ANN, "m1", items, serving=False)
    loads = [await kept.outbox.load(ANN, name) for name in "abc"]
    assert [load.items for load in loads] == [(item,) for item in items]
    assert [load.more for load in loads] == [True, True, False]


async def test_while_customer_service_sends_only_its_own_deliveries_carry_it(kept: Kept) -> None:
    await kept.answer("m1", "one", serving=True)
    assert await kept.carried("m2") == ""
    await kept.outbox.release("m1")
    assert await kept.carried("m2") == "one"


async def test_a_server_that_died_does_not_keep_it_from_others_for_ever(kept: Kept) -> None:
    await kept.answer("m1", "one", serving=True)
    kept.now += 61
    assert await kept.carried("m2") == "one"


async def test_a_later_attempt_takes_the_place_of_what_nobody_has_carried(kept: Kept) -> None:
    await kept.answer("m1", "one")
    await kept.answer("m1", "two")
    assert await kept.carried("a") == "two"
    await kept.answer("m1", "three")
    assert await kept.carried("b") == ""


async def test_what_was_carried_long_ago_is_forgotten(kept: Kept) -> None:
    await kept.answer("m1", "one")
    await kept.carried("a")
    kept.now += 61
    await kept.carried("b")
    assert kept.store.shown(f"out:{ANN}") == []
    assert await kept.outbox.finished("m1")


async def test_what_is_being_answered_is_under_way_until_it_is(kept: Kept) -> None:
    await kept.outbox.begin(ANN, "m1")
    await kept.outbox.begin(ANN, "m1")
    assert await kept.outbox.under_way(ANN) == 1000.0
    await kept.answer("m1", "one")
    assert await kept.outbox.under_way(ANN) is None
    await kept.outbox.begin(ANN, "m1")
    assert await kept.outbox.under_way(ANN) is None


async def test_deliveries_are_counted_until_one_is_the_last_word(kept: Kept) -> None:
    assert [await kept.outbox.opened("m1") for _ in range(3)] == [1, 2, 3]
    assert await kept.outbox.first_opened("m1") == 1000.0
    await kept.outbox.closed("m1")
    assert await kept.outbox.first_opened("m1") is None


def test_every_sentence_stands_in_three_languages() -> None:
    for key in ("thinking", "rest", "number", "greeting", "media.image", "media.audio", "media.video"):
        assert len({words.say(language, key) for language in ("en", "zh-CN", "zh-TW")}) == 3
