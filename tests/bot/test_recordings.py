"""Each person's last recordings in a conversation: known for a day, bounded, forgotten on demand."""

from __future__ import annotations

from redis.asyncio import Redis

from bot.api import Attachment
from bot.keys import Keys
from bot.recordings import PEOPLE, Recordings

FIRST, SECOND = Attachment("audio", "voice-1", "audio/amr", 300), Attachment("video", "film-1")


async def test_only_a_persons_last_recordings_are_known_and_for_a_day(redis: Redis, prefix: str):
    now = [1000.0]
    recordings = Recordings(redis, Keys(prefix), clock=lambda: now[0])
    await recordings.note("team", "ann", [FIRST])
    await recordings.note("team", "ann", [SECOND, FIRST])
    await recordings.note("team", "bob", [FIRST])
    assert await recordings.last("team", "ann") == (SECOND, FIRST)
    assert await recordings.last("team", "bob") == (FIRST,)
    assert (await recordings.last("team", "eve"), await recordings.last("other", "ann")) == ((), ())
    assert 0 < await redis.pttl(Keys(prefix).recordings("team")) <= 86_400_000
    now[0] += 86_399
    await recordings.note("team", "bob", [SECOND])
    now[0] += 1
    assert (await recordings.last("team", "ann"), await recordings.last("team", "bob")) == ((), (SECOND,))


async def test_a_recording_that_nobody_can_fetch_leaves_none_before_it(redis: Redis, prefix: str):
    recordings = Recordings(redis, Keys(prefix))
    await recordings.note("team", "ann", [FIRST])
    await recordings.note("team", "ann", [])
    assert await recordings.last("team", "ann") == ()


async def test_the_recordings_of_a_conversation_are_cleared_for_all(redis: Redis, prefix: str):
    recordings = Recordings(redis, Keys(prefix))
    for person in ("ann", "bob"):
        await recordings.note("team", person, [FIRST])
    await recordings.note("other", "ann", [SECOND])
    await recordings.clear(["team", "nowhere"])
    assert [await recordings.last("team", person) for person in ("ann", "bob")] == [(), ()]
    assert await recordings.last("other", "ann") == (SECOND,)


async def test_in_a_huge_group_those_who_were_silent_longest_are_left_out(redis: Redis, prefix: str):
    now = iter(range(10_000))
    recordings = Recordings(redis, Keys(prefix), clock=lambda: next(now))
    for number in range(PEOPLE + 2):
        await recordings.note("team", f"p{number}", [FIRST])
    assert await redis.hlen(Keys(prefix).recordings("team")) == PEOPLE
    assert await recordings.last("team", "p1") == ()
    assert await recordings.last("team", "p2") == (FIRST,)


async def test_what_cannot_be_read_is_no_recording(redis: Redis, prefix: str):
    await redis.hset(Keys(prefix).recordings("team"), "ann", '{"at": "never"}')
    assert await Recordings(redis, Keys(prefix)).last("team", "ann") == ()
