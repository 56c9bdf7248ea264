"""Windows in a real Redis, and the pure rules of what fits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.api import Attachment, Incoming, Person, Place, Quoted
from bot.errors import StoreAway
from bot.keys import Keys, connect
from bot.window import Exchange, Turn, Windows, budget, cost, fit


def exchange(name: str, answer: str = "Hi.", tokens: int = 1) -> Exchange:
    return Exchange(
        name, 1700000000.5, (Turn("user", f"What is {name}?", tokens), Turn("assistant", answer, tokens))
    )


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix)


@pytest.fixture
def windows(redis: Redis, keys: Keys) -> Windows:
    return Windows(redis, keys, ttl=60)


@pytest.fixture
def message() -> Incoming:
    return Incoming("1", Place("web", "", "1"), Person("p"))


@pytest.fixture
def bounded(redis: Redis, keys: Keys) -> Callable[..., Windows]:
    return lambda **bounds: Windows(redis, keys, ttl=60, **bounds)


# --- what is kept -------------------------------------------------------------------------------------------


async def test_an_unknown_conversation_is_empty(windows: Windows) -> None:
    assert await windows.load("nobody") == []
    assert await windows.last_asked("nobody") is None


async def test_exchanges_come_back_whole_and_in_order(windows: Windows) -> None:
    first = Exchange(
        "t:1", 1.25, (Turn("user", "你好 “quoted” \\ / \n", 7, "Ann"), Turn("assistant", "👩‍👩‍👧 😀"))
    )
    await windows.append("c", first)
    await windows.append("c", exchange("t:2"))
    assert await windows.load("c") == [first, exchange("t:2")]


async def test_conversations_do_not_mix(windows: Windows) -> None:
    await windows.append("a", exchange("1"))
    await windows.append("b", exchange("2"))
    assert [e.id for e in await windows.load("a")] == ["1"]


@pytest.mark.parametrize("name", ['quote"and\\slash/', "键", "a" * 500, "", "tab\t", "{1}"])
async def test_adding_an_exchange_again_changes_nothing(windows: Windows, name: str) -> None:
    await windows.append("c", exchange(name, "the first answer"))
    await windows.append("c", exchange("other"))
    await windows.append("c", exchange(name, "another answer"))
    assert [(e.id, e.turns[-1].content) for e in await windows.load("c")] == [
        (name, "the first answer"),
        ("other", "Hi."),
    ]


async def test_an_id_that_begins_like_another_is_another(windows: Windows) -> None:
    for name in ("1", "12", "1,", '1"'):
        await windows.append("c", exchange(name))
    assert [e.id for e in await windows.load("c")] == ["1", "12", "1,", '1"']


async def test_workers_that_add_the_same_exchange_at_once_add_it_once(windows: Windows) -> None:
    await asyncio.gather(*(windows.append("c", exchange(str(n % 5))) for n in range(50)))
    assert sorted(e.id for e in await windows.load("c")) == list("01234")


async def test_a_retried_answer_takes_the_place_of_the_last_one(windows: Windows) -> None:
    await windows.append("c", exchange("1"))
    await windows.append("c", exchange("2", "bad"))
    await windows.append("c", exchange("2", "better"), replaces="2")
    await windows.append("c", exchange("2", "better"), replaces="2")  # after a crash
    assert await windows.load("c") == [exchange("1"), exchange("2", "better")]


async def test_a_replacement_may_have_an_id_of_its_own(windows: Windows) -> None:
    await windows.append("c", exchange("1"))
    for _ in range(2):
        await windows.append("c", exchange("2"), replaces="1")
    assert await windows.load("c") == [exchange("2")]


async def test_only_the_last_exchange_can_be_replaced(windows: Windows) -> None:
    for name in ("1", "2"):
        await windows.append("c", exchange(name))
    await windows.append("c", exchange("3"), replaces="1")
    assert [e.id for e in await windows.load("c")] == ["1", "2", "3"]


async def test_a_question_asked_again_after_something_else_moves_to_the_end(windows: Windows) -> None:
    for name in ("1", "2"):
        await windows.append("c", exchange(name))
    for _ in range(2):
        await windows.append("c", exchange("1", "better"), replaces="1")
    assert await windows.load("c") == [exchange("2"), exchange("1", "better")]


async def test_an_unanswered_question_is_added_by_its_retry(windows: Windows) -> None:
    await windows.append("c", exchange("1"))
    await windows.append("c", exchange("2"), replaces="2")
    assert [e.id for e in await windows.load("c")] == ["1", "2"]


async def test_a_window_keeps_the_newest_exchanges(bounded: Callable[..., Windows]) -> None:
    windows = bounded(limit=3)
    for n in range(10):
        await windows.append("c", exchange(str(n)))
    assert [e.id for e in await windows.load("c")] == ["7", "8", "9"]


async def test_a_window_is_bounded_in_bytes_but_keeps_the_newest_exchange(
    bounded: Callable[..., Windows],
) -> None:
    windows = bounded(size=3000)
    for n in range(5):
        await windows.append("c", exchange(str(n), "x" * 1000))
    assert [e.id for e in await windows.load("c")] == ["3", "4"]
    await windows.append("c", exchange("large", "字" * 9000))
    assert [e.id for e in await windows.load("c")] == ["large"]


async def test_every_exchange_renews_the_time_a_window_is_kept(
    redis: Redis, keys: Keys, windows: Windows
) -> None:
    for name in ("1", "2", "1"):  # the last one is there already
        await windows.append("c", exchange(name))
        assert 0 < await redis.pttl(keys.window("c")) <= 60_000
        await redis.persist(keys.window("c"))


async def test_what_cannot_be_read_is_passed_over(redis: Redis, keys: Keys, windows: Windows) -> None:
    await redis.rpush(
        keys.window("c"), "no JSON", '{"id":"1"}', '{"id":"2","at":1,"turns":[{"role":"system"}]}'
    )
    await windows.append("c", exchange("3"))
    assert [e.id for e in await windows.load("c")] == ["3"]


async def test_half_a_surrogate_pair_in_an_answer_is_kept_as_a_replacement(windows: Windows) -> None:
    await windows.append("c", exchange("1", "\ud83d\ude00 and \ud83d"))
    assert (await windows.load("c"))[0].turns[-1].content == "😀 and \ufffd"


async def test_the_last_question_is_kept_whatever_became_of_it(
    redis: Redis, keys: Keys, windows: Windows
) -> None:
    place = Place("telegram", "bot", "-100", "7", "group")
    attachment = Attachment("image", "ref", "image/png", 3, "a.png", 1.5)
    asked = Incoming(
        "1", place, Person("p", "Ann", "zh-CN"), "why?", (attachment,), Quoted("x", "Bob"), "reply", "0", 2.5
    )
    await windows.asked("c", Incoming("0", place, Person("p")))
    await windows.asked("c", asked)
    assert await windows.last_asked("c") == asked
    assert 0 < await redis.pttl(keys.asked("c")) <= 60_000
    await redis.set(keys.asked("c"), "no JSON")
    assert await windows.last_asked("c") is None


async def test_clearing_forgets_the_exchanges_and_the_last_question(windows: Windows) -> None:
    for conversation in ("c", "d"):
        await windows.append(conversation, exchange("1"))
        await windows.asked(conversation, Incoming("1", Place("web", "", "1"), Person("p")))
    await windows.clear("c")
    assert await windows.load("c") == []
    assert await windows.last_asked("c") is None
    assert await windows.load("d") == [exchange("1")]


async def test_windows_work_on_every_server_that_we_promise(flavour: str, keys: Keys) -> None:
    async with connect(flavour) as redis:
        windows = Windows(redis, keys, ttl=60, limit=2)
        for name in ("1", "2", "3", "3"):
            await windows.append("c", exchange(name))
        await windows.append("c", exchange("3", "better"), replaces="3")
        assert await windows.load("c") == [exchange("2"), exchange("3", "better")]


async def test_an_absent_redis_is_said_to_be_away(tmp_path: Path, keys: Keys) -> None:
    async with connect(f"unix://{tmp_path}/none") as redis:
        windows = Windows(redis, keys, ttl=60)
        with pytest.raises(StoreAway):
            await windows.load("c")
        with pytest.raises(StoreAway):
            await windows.append("c", exchange("1"))


# --- what fits ----------------------------------------------------------------------------------------------

turns = st.builds(
    Turn,
    st.sampled_from(["user", "assistant"]),
    st.text(max_size=30),
    st.integers(0, 50),
    st.text(max_size=8),
)
dialogues = st.lists(
    st.builds(Exchange, st.text(), st.just(0.0), st.lists(turns, max_size=3).map(tuple)), max_size=12
)


@settings(deadline=None)
@given(dialogues, st.integers(-10, 600))
def test_what_fits_is_the_longest_end_of_the_dialogue_within_the_budget(
    past: list[Exchange], room: int
) -> None:
    kept = fit(past, room)
    assert kept == past[len(past) - len(kept) :]
    assert not kept or sum(map(cost, kept)) <= room
    if len(kept) < len(past):
        assert sum(map(cost, kept)) + cost(past[-len(kept) - 1]) > room


def test_an_exchange_costs_its_tokens_and_four_a_turn() -> None:
    assert cost(Exchange("1", 0, (Turn("user", "x", 10), Turn("assistant", "y", 20)))) == 38


def test_a_turn_that_was_not_counted_is_estimated() -> None:
    assert cost(Exchange("1", 0, (Turn("user", "你好"),))) == 4 + 2


def test_a_speakers_name_costs_one_more_than_its_tokens() -> None:
    assert cost(Exchange("1", 0, (Turn("user", "x", 10, "Ann"),))) == 4 + 10 + 1 + 1


def test_an_old_exchange_that_would_fit_does_not_jump_over_one_that_does_not() -> None:
    assert fit([exchange("small"), exchange("large", tokens=500), exchange("new")], 50) == [exchange("new")]


def test_the_budget_is_what_the_answer_the_margin_and_the_fixed_messages_leave() -> None:
    assert budget(8000, answer=2000, ceiling=16000, fixed=500) == 6000 - 300 - 50 - 500 - 11


def test_the_ceiling_bounds_the_whole_request() -> None:
    assert budget(1_000_000, answer=4096, ceiling=16000, fixed=500) == 16000 - 500 - 11


@settings(deadline=None)
@given(*[st.integers(0, 2_000_000)] * 4)
def test_the_budget_is_never_negative_and_never_overfills_the_window(
    window: int, answer: int, ceiling: int, fixed: int
) -> None:
    room = budget(window, answer=answer, ceiling=ceiling, fixed=fixed)
    assert room >= 0
    assert room == 0 or (room + answer + fixed <= window and room + fixed <= ceiling)


# --- what becomes of older ones -----------------------------------------------------------------------------


async def test_a_summary_stands_in_the_place_of_the_exchanges_that_it_covers(windows: Windows) -> None:
    for name in ("1", "2", "3"):
        await windows.append("c", exchange(name))
    assert await windows.fold("c", "2", "They said hello.")
    past = await windows.open("c")
    assert (past.summary, [e.id for e in past.exchanges]) == ("They said hello.", ["1", "2", "3"])
    assert [e.id for e in past.after] == ["3"]
    assert [e.id for e in past.without("3").exchanges] == ["1", "2"]


async def test_a_summary_that_comes_after_the_dialogue_was_cleared_is_not_kept(windows: Windows) -> None:
    await windows.append("c", exchange("1"))
    await windows.clear("c")
    assert not await windows.fold("c", "1", "They said hello.")
    await windows.append("c", exchange("2"))
    assert not await windows.fold("c", "1", "They said hello.")
    past = await windows.open("c")
    assert (past.summary, past.cleared, [e.id for e in past.after]) == ("", True, ["2"])


async def test_a_summary_outlives_the_exchanges_that_it_covers(bounded: Callable[..., Windows]) -> None:
    windows = bounded(limit=2)
    await windows.append("c", exchange("1"))
    await windows.fold("c", "1", "They said hello.")
    for name in ("2", "3"):
        await windows.append("c", exchange(name))
    past = await windows.open("c")
    assert (past.summary, [e.id for e in past.after]) == ("They said hello.", ["2", "3"])


async def test_the_person_is_told_of_a_summary_once(windows: Windows) -> None:
    assert not (await windows.open("c")).told
    assert [await windows.told("c"), await windows.told("c")] == [True, False]
    assert (await windows.open("c")).told


async def test_the_last_exchange_can_be_taken_out_and_only_it(windows: Windows, message: Incoming) -> None:
    for name in ("1", "2"):
        await windows.append("c", exchange(name))
    await windows.asked("c", message)
    await windows.undo("c", "1")
    assert len(await windows.load("c")) == 2
    for _ in range(2):
        await windows.undo("c", "2")
    assert [e.id for e in await windows.load("c")] == ["1"]
    assert await windows.last_asked("c") is None


async def test_an_exchange_that_is_taken_out_takes_its_summary_along(windows: Windows) -> None:
    await windows.append("c", exchange("1"))
    await windows.fold("c", "1", "They said hello.")
    await windows.undo("c", "1")
    assert (await windows.open("c")).summary == ""


async def test_all_windows_of_a_home_can_be_found_and_forgotten(
    redis: Redis, keys: Keys, windows: Windows, message: Incoming
) -> None:
    for name in ("home", "home#1", "thread"):
        await windows.append(name, exchange("1"))
        await windows.asked(name, message)
        await windows.fold(name, "1", "hello")
    await windows.enlist("home", "home#1", 1)
    await windows.enlist("home", "thread", 2)
    assert await windows.members("home") == ["home#1", "thread"]
    assert await windows.sizes(["home", "thread", "nowhere"]) == [1, 1, 0]
    await windows.forget("home", await windows.members("home"))
    left = {name async for name in redis.scan_iter(f"{keys.prefix}*")}
    assert left == {keys.folded("home#1"), keys.folded("thread")}
    assert await redis.hgetall(keys.folded("thread")) == {"cleared": "1"}
    assert (await windows.open("thread")).cleared
