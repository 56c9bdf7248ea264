"""The rules of the inbox, one by one, on every server that we promise to run on."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from bot.api import Attachment, Incoming, Person, Place, Quoted
from bot.errors import LeaseLost
from bot.inbox import Dead, Depth, Inbox, Interrupt, Lease
from bot.keys import Keys, connect

Eventually = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]
BOUND = 30  # seconds; nothing here takes so long


def message(id: str, text: str = "hello", chat: str = "1") -> Incoming:
    return Incoming(id, Place("telegram", "bot", chat), Person("7", "Ann"), text)


@pytest.fixture
async def server(flavour: str) -> AsyncIterator[Redis]:
    connection = connect(flavour)
    yield connection
    await connection.aclose()


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix)


@pytest.fixture
async def inbox(server: Redis, keys: Keys) -> Inbox:
    made = Inbox(server, keys, lane_limit=3, lease=30, clock=lambda: 1000.5)
    await made.open()
    return made


async def take(inbox: Inbox, consumer: str = "a", count: int = 100) -> list[Lease]:
    return await inbox.take(consumer, count=count, block=0)


async def one(inbox: Inbox, consumer: str = "a") -> Lease:
    (lease,) = await take(inbox, consumer)
    return lease


# --- coming in ----------------------------------------------------------------------------------------------


async def test_a_message_comes_out_as_it_went_in(inbox: Inbox):
    rich = Incoming(
        "42",
        Place("slack", "T1", "C1", "17.5", "group"),
        Person("U1", "小明", "zh-CN"),
        "line one\nline two \U0001f600",
        (Attachment("image", "file-1", "image/png", 17, "a.png", 1.5),),
        Quoted("what", "Bob", (Attachment("audio", "file-2"),)),
        "mention",
        "0",
        1234.5,
    )
    assert await inbox.accept("c", rich) == "accepted"
    lease = await one(inbox)
    assert lease.message == rich
    assert (lease.conversation, lease.attempt, lease.posts, lease.answer, lease.stopped) == (
        "c",
        1,
        (),
        None,
        False,
    )


async def test_a_redelivered_message_is_a_duplicate_even_after_it_was_answered(inbox: Inbox):
    await inbox.accept("c", message("1"))
    assert await inbox.accept("c", message("1")) == "duplicate"
    assert await inbox.done(await one(inbox))
    assert await inbox.accept("c", message("1")) == "duplicate"
    assert await inbox.depth() == Depth(0, 0, 0, 0)


async def test_a_full_lane_refuses_and_accepts_the_redelivery_later(inbox: Inbox):
    for n in range(3):
        assert await inbox.accept("c", message(str(n))) == "accepted"
    assert await inbox.accept("c", message("late")) == "busy"
    assert await inbox.accept("other", message("else")) == "accepted"
    first, _ = await take(inbox)
    await inbox.done(first)
    assert await inbox.accept("c", message("late")) == "accepted"


async def test_text_that_is_not_unicode_is_kept_with_replacements(inbox: Inbox, server: Redis):
    await inbox.accept("c\udc00", message("1\ud800", "so \ud83d broken", chat="x\udfff"))
    lease = await one(inbox)
    assert (lease.message.text, lease.message.id) == ("so ? broken", "1?")
    await inbox.posted(lease, "post \ud800")
    assert await inbox.done(lease)
    assert await inbox.depth() == Depth(0, 0, 0, 0)


async def test_seen_and_journal_do_not_stay_for_ever(inbox: Inbox, server: Redis, keys: Keys):
    await inbox.accept("c", message("1"))
    await one(inbox)
    assert 86_000 < await server.ttl(keys.seen(message("1").key)) <= 86_400
    assert 6 * 86_400 < await server.ttl(keys.journal("c")) <= 7 * 86_400
    assert await server.ttl(keys.lane("c")) == -1


async def test_every_key_of_the_queue_is_on_one_slot(inbox: Inbox, server: Redis, keys: Keys):
    await inbox.accept("c", message("1"))
    await inbox.accept("c", message("2"))
    await inbox.bury(await one(inbox), "gone")
    await one(inbox)
    names = [name async for name in server.scan_iter(keys.prefix + "*")]
    assert len(names) == 7
    assert all(name.startswith(keys.prefix + "{inbox}:") for name in names)


# --- order and leases ---------------------------------------------------------------------------------------


async def test_a_conversation_is_answered_in_order_one_message_at_a_time(inbox: Inbox):
    for n in range(3):
        await inbox.accept("c", message(str(n)))
    for n in range(3):
        lease = await one(inbox)
        assert lease.message.id == str(n)
        assert await take(inbox, "b") == []
        assert await inbox.done(lease)
    assert await take(inbox) == []


async def test_a_chatty_conversation_goes_behind_the_others(inbox: Inbox):
    for n in range(3):
        await inbox.accept("chatty", message(f"chatty{n}"))
    for name in ("x", "y"):
        await inbox.accept(name, message(name))
    order = []
    while leases := await take(inbox, count=1):
        order.append(leases[0].conversation)
        await inbox.done(leases[0])
    assert order == ["chatty", "x", "y", "chatty", "chatty"]


async def test_take_returns_as_soon_as_something_comes(inbox: Inbox):
    waiting = asyncio.create_task(inbox.take("a", count=10, block=60))
    await asyncio.sleep(0)
    await inbox.accept("c", message("1"))
    (lease,) = await asyncio.wait_for(waiting, BOUND)
    assert lease.message.id == "1"


async def test_a_live_lease_is_not_taken_over(inbox: Inbox):
    await inbox.accept("c", message("1"))
    await one(inbox)
    assert await inbox.adopt("b", count=10) == []


async def test_a_dead_workers_message_is_taken_over_with_its_journal(inbox: Inbox):
    await inbox.accept("c", message("1"))
    dead = await one(inbox)
    for post in ("900", "100", "900", "500"):
        await inbox.posted(dead, post)
    await inbox.finish(dead, '{"text": "the answer"}')
    (lease,) = await inbox.adopt("b", count=10, idle=0)
    assert (lease.consumer, lease.attempt, lease.message) == ("b", 2, message("1"))
    assert lease.posts == ("900", "100", "500")
    assert lease.answer == '{"text": "the answer"}'
    await inbox.posted(lease, "50")
    (third,) = await inbox.adopt("c", count=10, idle=0)
    assert third.posts == ("900", "100", "500", "50")


async def test_a_lease_that_is_not_renewed_runs_out(server: Redis, keys: Keys, eventually: Eventually):
    inbox = Inbox(server, keys, lease=0.03)
    await inbox.open()
    await inbox.accept("c", message("1"))
    await one(inbox)
    found: list[Lease] = []

    async def adopted() -> bool:
        found.extend(await inbox.adopt("b", count=1))
        return bool(found)

    await eventually(adopted)
    assert found[0].attempt == 2


async def test_a_renewed_lease_begins_anew(server: Redis, keys: Keys, eventually: Eventually):
    inbox = Inbox(server, keys)
    await inbox.open()
    await inbox.accept("c", message("1"))
    await inbox.accept("d", message("2"))
    kept, lost = await take(inbox)

    async def idle(lease: Lease) -> int:
        (pending,) = await server.xpending_range(keys.ready, "workers", lease.token, lease.token, 1)
        return int(pending["time_since_delivered"])

    async def long_ago() -> bool:
        return min(await idle(kept), await idle(lost)) >= 50

    await eventually(long_ago)
    assert await inbox.renew([kept]) == {kept.token}
    assert await idle(kept) < 50 <= await idle(lost)


async def test_only_the_present_owner_can_do_anything(inbox: Inbox):
    await inbox.accept("c", message("1"))
    stale = await one(inbox)
    (lease,) = await inbox.adopt("b", count=10, idle=0)
    assert await inbox.renew([stale, lease]) == {lease.token}
    assert await inbox.done(stale) is False
    assert await inbox.release(stale) is False
    assert await inbox.bury(stale, "x") is False
    with pytest.raises(LeaseLost):
        await inbox.posted(stale, "1")
    with pytest.raises(LeaseLost):
        await inbox.finish(stale, "x")
    assert await inbox.depth() == Depth(0, 1, 1, 0)
    assert await inbox.done(lease) is True
    assert await inbox.done(lease) is False


async def test_an_older_lease_of_the_same_process_is_stale_too(server: Redis, keys: Keys):
    inbox = Inbox(server, keys, lease=0)
    await inbox.open()
    await inbox.accept("c", message("1"))
    stale = await one(inbox)
    (lease,) = await inbox.adopt("a", count=10)
    assert (lease.token, lease.consumer) == (stale.token, stale.consumer)
    assert await inbox.done(stale) is False
    assert await inbox.renew([lease]) == {lease.token}
    assert await inbox.done(lease) is True


async def test_a_token_that_another_has_claimed_is_lost_at_once(inbox: Inbox, server: Redis, keys: Keys):
    await inbox.accept("c", message("1"))
    stale = await one(inbox)
    await server.xclaim(keys.ready, "workers", "b", 0, [stale.token])  # and has not yet read its message
    assert await inbox.renew([stale]) == set()
    assert await inbox.done(stale) is False


async def test_a_token_that_was_lost_before_its_message_was_read_is_no_lease(
    server: Redis, keys: Keys, flavour: str
):
    thief = SyncRedis.from_url(flavour)

    def steal() -> str:
        (token,) = thief.xpending_range(keys.ready, "workers", "-", "+", 1)
        thief.xclaim(keys.ready, "workers", "b", 0, [token["message_id"]])
        return "fence"

    robbed = Inbox(server, keys, fences=steal)
    await robbed.open()
    await robbed.accept("c", message("1"))
    assert await take(robbed) == []
    thief.close()


async def test_a_take_whose_answer_got_lost_and_that_was_sent_again_is_one_attempt(server: Redis, keys: Keys):
    inbox = Inbox(server, keys, lease=0, fences=lambda: "the same")
    await inbox.open()
    await inbox.accept("c", message("1"))
    assert (await one(inbox)).attempt == 1
    (again,) = await inbox.adopt("a", count=1)
    assert again.attempt == 1


async def test_adopting_early_leaves_what_is_our_own(inbox: Inbox):
    await inbox.accept("c", message("1"))
    await inbox.accept("d", message("2"))
    (mine,) = await take(inbox, "a", 1)
    (theirs,) = await take(inbox, "b", 1)
    assert [lease.token for lease in await inbox.adopt("a", count=10, idle=0)] == [theirs.token]
    assert await inbox.adopt("a", count=10, idle=0) == []
    assert await inbox.renew([mine]) == {mine.token}


async def test_adopting_goes_on_behind_many_that_are_alive(server: Redis, keys: Keys):
    inbox = Inbox(server, keys)
    await inbox.open()
    for n in range(250):
        await inbox.accept(f"c{n}", message(str(n)))
    await take(inbox, "a", 230)
    await take(inbox, "b", 20)
    assert len(await inbox.adopt("a", count=15, idle=0)) == 15
    assert len(await inbox.adopt("a", count=15, idle=0)) == 5


async def test_a_message_given_back_is_tried_again_behind_the_others(inbox: Inbox):
    await inbox.accept("c", message("1"))
    await inbox.accept("d", message("2"))
    (lease,) = await take(inbox, count=1)
    await inbox.posted(lease, "p")
    assert await inbox.release(lease)
    other, again = await take(inbox, "b")
    assert other.conversation == "d"
    assert (again.message.id, again.attempt, again.posts) == ("1", 2, ("p",))


async def test_an_orderly_stop_costs_no_attempt(inbox: Inbox):
    await inbox.accept("c", message("1"))
    for _ in range(5):
        lease = await one(inbox)
        assert lease.attempt == 1
        await inbox.release(lease, count_attempt=False)


async def test_the_next_message_begins_with_a_journal_of_its_own(inbox: Inbox):
    await inbox.accept("c", message("1"))
    await inbox.accept("c", message("2"))
    first = await one(inbox)
    await inbox.posted(first, "p")
    await inbox.finish(first, "x")
    await inbox.done(first)
    second = await one(inbox)
    assert (second.attempt, second.posts, second.answer) == (1, (), None)


async def test_of_an_answered_message_nothing_stays_but_that_it_was_seen(
    inbox: Inbox, server: Redis, keys: Keys
):
    await inbox.accept("c", message("1"))
    lease = await one(inbox)
    await inbox.posted(lease, "p")
    await inbox.done(lease)
    names = {name async for name in server.scan_iter(keys.prefix + "*")}
    assert names == {keys.ready, keys.seen(message("1").key)}
    assert await server.xlen(keys.ready) == 0


async def test_attempts_are_counted_without_an_end(inbox: Inbox):
    await inbox.accept("c", message("1"))
    for attempt in range(1, 6):
        lease = await one(inbox)
        assert lease.attempt == attempt
        await inbox.release(lease)


# --- dead letters -------------------------------------------------------------------------------------------


async def test_a_buried_message_lies_with_the_dead_and_its_lane_moves_on(inbox: Inbox):
    await inbox.accept("c", message("1"))
    await inbox.accept("c", message("2"))
    assert await inbox.bury(await one(inbox), "attempts")
    assert await inbox.dead() == [Dead("c", message("1"), "attempts", 1000.5)]
    assert (await one(inbox)).message.id == "2"
    assert await inbox.depth() == Depth(0, 1, 1, 1)


async def test_the_dead_are_bounded(inbox: Inbox):
    for n in range(1150):
        await inbox.accept("c", message(str(n)))
        await inbox.bury(await one(inbox), "x")
    assert 1000 <= (await inbox.depth()).dead < 1150
    assert (await inbox.dead(1))[0].message == message("1149")


async def test_what_the_dead_wrote_is_not_kept_for_ever(server: Redis, keys: Keys):
    inbox = Inbox(server, keys, clock=time.time)
    await inbox.open()
    month_ago = round((time.time() - 30 * 86400) * 1000)
    old = {"conversation": "c", "message": "{}\nkey", "reason": "attempts", "at": "1"}
    await server.xadd(keys.dead, old, id=f"{month_ago}-1")  # type: ignore[arg-type]
    await inbox.accept("c", message("1"))
    await inbox.bury(await one(inbox), "attempts")
    assert [letter.message for letter in await inbox.dead()] == [message("1")]
    assert 0 < await server.ttl(keys.dead) <= 7 * 86400


async def test_it_is_known_how_many_messages_were_given_up_within_a_week(server: Redis, keys: Keys):
    inbox = Inbox(server, keys, clock=time.time)
    await inbox.open()
    assert await inbox.given_up() == (0, None)
    for days in range(250, 5, -1):  # two are younger than a week
        old = {"conversation": "c", "message": "{}\nkey", "reason": "gone", "at": "1"}
        await server.xadd(keys.dead, old, id=f"{round((time.time() - days * 86400) * 1000)}-1")  # type: ignore[arg-type]
    await inbox.accept("c", message("1"))
    await inbox.bury(await one(inbox), "attempts")
    count, newest = await inbox.given_up()
    assert count == 2
    assert newest is not None
    assert (newest.reason, newest.message) == ("attempts", message("1"))


async def test_a_message_that_cannot_be_read_does_not_block_its_lane(inbox: Inbox, server: Redis, keys: Keys):
    await inbox.accept("c", message("1"))
    await inbox.accept("c", message("2"))
    await server.lset(keys.lane("c"), 0, '{"id": "secret"}\nsome key')
    assert await take(inbox) == []
    assert (await one(inbox)).message.id == "2"
    (letter,) = await inbox.dead()
    assert letter.message is None
    assert letter.reason.startswith("unreadable: ")
    assert "secret" not in letter.reason


# --- interrupts ---------------------------------------------------------------------------------------------


@pytest.fixture
def subscribed(server: Redis, keys: Keys, eventually: Eventually) -> Callable[[], Awaitable[None]]:
    """Waits until the server knows that somebody listens."""

    async def listeners() -> bool:
        return (await server.pubsub_numsub(keys.interrupts))[0][1] == 1

    return lambda: eventually(listeners)


@pytest.fixture
async def heard(
    inbox: Inbox, subscribed: Callable[[], Awaitable[None]]
) -> AsyncIterator[asyncio.Queue[Interrupt]]:
    """Interrupts as they come."""
    found: asyncio.Queue[Interrupt] = asyncio.Queue()

    async def hear() -> None:
        async for interrupt in inbox.interrupts():
            found.put_nowait(interrupt)

    task = asyncio.create_task(hear())
    await subscribed()
    yield found
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_urgent_message_interrupts_the_answer_under_way(
    inbox: Inbox, heard: asyncio.Queue[Interrupt]
):
    await inbox.accept("c/é", message("1"))
    lease = await one(inbox)
    assert await inbox.accept("c/é", message("2", "/stop"), urgent=True) == "interrupted"
    assert await asyncio.wait_for(heard.get(), BOUND) == Interrupt("c/é", message("1").key)
    (again,) = await inbox.adopt("b", count=1, idle=0)
    assert again.stopped
    await inbox.done(again)
    assert await inbox.done(lease) is False
    assert await inbox.depth() == Depth(0, 0, 0, 0)


async def test_a_message_that_waits_can_be_stopped_before_it_is_taken(inbox: Inbox):
    await inbox.accept("c", message("1"))
    await inbox.accept("c", message("2"))
    await inbox.accept("c", message("3", "/stop"), urgent=True)
    lease = await one(inbox)
    assert (lease.message.id, lease.stopped, lease.attempt) == ("1", True, 1)
    await inbox.done(lease)
    assert (await one(inbox)).stopped is False


async def test_an_urgent_message_interrupts_once(inbox: Inbox, heard: asyncio.Queue[Interrupt]):
    await inbox.accept("c", message("1"))
    urgent = message("2", "/stop")
    assert await inbox.accept("c", urgent, urgent=True) == "interrupted"
    assert await inbox.accept("c", urgent, urgent=True) == "duplicate"
    await inbox.accept("c", message("3", "/stop"), urgent=True)
    await asyncio.wait_for(heard.get(), BOUND)
    await asyncio.wait_for(
        heard.get(), BOUND
    )  # the third message's: had the second published, it were heard first
    assert heard.empty()


async def test_an_urgent_message_to_an_idle_conversation_waits_like_any_other(inbox: Inbox):
    assert await inbox.accept("c", message("1", "/stop"), urgent=True) == "accepted"
    assert (await one(inbox)).message.text == "/stop"


async def test_a_message_that_is_taken_back_is_stopped_under_way_and_never_begun_where_it_waits(
    inbox: Inbox, heard: asyncio.Queue[Interrupt]
):
    for number in "123":
        await inbox.accept("c", message(number))
    lease = await one(inbox)
    assert await inbox.withdraw("c", message("2").key) == "withdrawn"
    assert await inbox.withdraw("c", message("2").key) == "unknown"
    assert heard.empty()
    assert await inbox.withdraw("c", message("1").key) == "interrupted"
    assert await asyncio.wait_for(heard.get(), BOUND) == Interrupt("c", message("1").key, withdrawn=True)
    assert await inbox.renew([lease]) == {lease.token}
    assert await asyncio.wait_for(heard.get(), BOUND) == Interrupt("c", message("1").key, withdrawn=True)
    (again,) = await inbox.adopt("b", count=1, idle=0)
    assert (again.stopped, again.withdrawn) == (True, True)
    await inbox.done(again)
    following = await one(inbox)
    assert (following.message.id, following.stopped) == ("3", False)


async def test_interrupts_are_heard_again_after_the_connection_broke(
    inbox: Inbox, server: Redis, heard: asyncio.Queue[Interrupt], subscribed: Callable[[], Awaitable[None]]
):
    await inbox.accept("c", message("1"))
    lease = await one(inbox)
    await server.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await inbox.accept("c", message("2"), urgent=True)  # perhaps nobody hears this
    await subscribed()
    assert await inbox.renew([lease]) == {lease.token}
    assert await asyncio.wait_for(heard.get(), BOUND) == Interrupt("c", message("1").key)


# --- coming and going ---------------------------------------------------------------------------------------


async def test_a_worker_that_leaves_gives_back_what_it_still_has(inbox: Inbox, server: Redis, keys: Keys):
    await inbox.accept("c", message("1"))
    stale = await one(inbox)
    await inbox.leave("a")
    assert await server.xinfo_consumers(keys.ready, "workers") == []
    assert await inbox.done(stale) is False
    assert (await one(inbox, "b")).attempt == 2
    await inbox.leave("somebody else")
    assert [each["name"] for each in await server.xinfo_consumers(keys.ready, "workers")] == ["b"]


async def test_consumers_that_died_are_forgotten_once_nothing_of_theirs_is_left(
    server: Redis, keys: Keys, eventually: Eventually
):
    patient, hasty = Inbox(server, keys), Inbox(server, keys, gone=0.01)
    await patient.open()
    for name in "ab":
        await patient.accept(name, message(name))
        await take(patient, name)
    (adopted,) = [lease for lease in await patient.adopt("c", count=1, idle=0) if lease.consumer == "c"]

    async def names() -> list[str]:
        return sorted(each["name"] for each in await server.xinfo_consumers(keys.ready, "workers"))

    await patient.leave("nobody")
    assert await names() == ["a", "b", "c"]

    async def swept() -> bool:
        await hasty.open()
        return await names() == ["b", "c"]

    await eventually(swept)
    assert await patient.done(adopted)
    assert (await patient.depth()).leased == 1


async def test_opening_twice_changes_nothing(inbox: Inbox):
    await inbox.accept("c", message("1"))
    lease = await one(inbox)
    await inbox.open()
    assert await inbox.renew([lease]) == {lease.token}


async def test_nothing_is_asked_where_nothing_is_leased(inbox: Inbox):
    assert await inbox.renew([]) == set()


async def test_an_inbox_that_nobody_opened_accepts_and_opens_itself(server: Redis, keys: Keys):
    inbox = Inbox(server, keys)
    assert await inbox.depth() == Depth(0, 0, 0, 0)
    await inbox.leave("a")
    await inbox.accept("c", message("1"))
    assert await inbox.depth() == Depth(1, 0, 1, 0)
    assert await inbox.adopt("a", count=1) == []
    assert (await one(inbox)).message.id == "1"


async def test_a_lost_group_is_made_anew_and_its_leases_are_void(inbox: Inbox, server: Redis, keys: Keys):
    await inbox.accept("c", message("1"))
    stale = await one(inbox)
    await server.xgroup_destroy(keys.ready, "workers")
    assert await inbox.renew([stale]) == set()
    assert await inbox.done(stale) is False
    assert await take(inbox) == []
    lease = await one(inbox)
    assert lease.message.id == "1"
    assert await inbox.done(stale) is False
    assert await inbox.done(lease) is True


async def test_lost_tokens_are_made_anew(inbox: Inbox, server: Redis, keys: Keys):
    await inbox.accept("c", message("1"))
    await server.delete(keys.ready)
    await inbox.open()
    assert (await one(inbox)).message.id == "1"


# --- in one breath ------------------------------------------------------------------------------------------


def breath(id: str, text: str, at: float = 100.0, **more: object) -> Incoming:
    return replace(message(id, text), sent_at=at, **more)  # type: ignore[arg-type]


async def test_messages_of_one_breath_are_one_question_and_are_done_together(inbox: Inbox):
    for n, text in enumerate(("a long", "pasted text")):
        await inbox.accept("c", breath(str(n), text, 100 + n))
    lease = await inbox.join(await one(inbox))
    assert [part.text for part in lease.burst] == ["pasted text"]
    await inbox.accept("c", breath("late", "and more", 101.5))
    assert await inbox.done(lease)
    assert (await one(inbox)).message.text == "and more"


async def test_an_answer_that_was_begun_stays_the_answer_to_the_same_messages(inbox: Inbox):
    await inbox.accept("c", breath("1", "first"))
    await inbox.accept("c", breath("2", "second", 100.5))
    assert len((await inbox.join(await one(inbox))).burst) == 1
    await inbox.accept("c", breath("3", "third", 101))
    again = await inbox.join((await inbox.adopt("b", count=1, idle=0))[0])
    assert [part.text for part in again.burst] == ["second"]
    assert await inbox.bury(again, "attempts")
    assert [letter.message.id for letter in await inbox.dead() if letter.message] == ["2", "1"]
    assert (await one(inbox)).message.text == "third"


async def test_what_came_after_an_attempt_that_saw_one_message_is_not_joined_to_it(inbox: Inbox):
    await inbox.accept("c", breath("1", "first"))
    assert (await inbox.join(await one(inbox))).burst == ()
    await inbox.accept("c", breath("2", "second", 100.5))
    again = await inbox.join((await inbox.adopt("b", count=1, idle=0))[0])
    assert again.burst == ()


@pytest.mark.parametrize(
    "second",
    [
        breath("2", "much later", 101.3),
        breath("2", "/new"),
        breath("2", "／新对话"),
        breath("2", "pressed", addressed="command"),
        breath("2", "another's", person=Person("8")),
        breath("2", "elsewhere", place=Place("telegram", "bot", "1", "7")),
        breath("2", "edited", edits="1"),
        breath("2", "about that", quoted=Quoted("what")),
        breath("2", "unknown when", 0.0),
        breath("2", "  "),
        breath("2", "x" * 32_000),
    ],
    ids=lambda m: m.text[:12],
)
async def test_what_is_not_one_question_is_not_joined(inbox: Inbox, second: Incoming):
    await inbox.accept("c", breath("1", "first"))
    await inbox.accept("c", second)
    assert (await inbox.join(await one(inbox))).burst == ()


async def test_where_the_operator_wants_it_each_message_is_a_question_of_its_own(server: Redis, keys: Keys):
    inbox = Inbox(server, keys, burst=0)
    await inbox.open()
    for n in range(2):
        await inbox.accept("c", breath(str(n), "word"))
    assert (await inbox.join(await one(inbox))).burst == ()


async def test_a_part_of_a_burst_that_is_taken_back_stops_the_answer_to_all_of_it(inbox: Inbox):
    for n in range(3):
        await inbox.accept("c", breath(str(n), "word", 100 + 5 * (n // 2)))
    lease = await inbox.join(await one(inbox))
    assert await inbox.withdraw("c", message("1").key) == "interrupted"
    assert await inbox.withdraw("c", message("2").key) == "withdrawn"
    assert (await inbox.adopt("b", count=1, idle=0))[0].stopped
    assert not await inbox.done(lease)


async def test_a_part_that_is_taken_back_before_it_is_joined_is_not_answered(
    inbox: Inbox, server: Redis, keys: Keys
):
    for n in range(3):
        await inbox.accept("c", breath(str(n), f"word {n}", 100 + n / 10))
    lease = await one(inbox)
    await inbox.withdraw("c", message("1").key)
    assert [part.text for part in (await inbox.join(lease)).burst] == ["word 2"]


async def test_it_is_known_how_many_messages_come_first(inbox: Inbox):
    verdicts = [await inbox.queue("c", message(str(n))) for n in range(4)]
    assert [(v.what, v.behind) for v in verdicts] == [
        ("accepted", 0),
        ("accepted", 1),
        ("accepted", 2),
        ("busy", 3),
    ]


async def test_the_dead_letters_of_a_conversation_can_be_forgotten(inbox: Inbox):
    for conversation in ("c", "d"):
        await inbox.accept(conversation, message(conversation))
        await inbox.bury(await one(inbox), "attempts")
    await inbox.forget(["c", "unknown"])
    assert [letter.conversation for letter in await inbox.dead()] == ["d"]
    await inbox.forget([])
