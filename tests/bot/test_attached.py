"""What is kept of attachments: within bounds, for its conversation only, and as long as the window."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from bot.attached import PICTURE_BYTES, PICTURES, Attached, Findings, Piece
from bot.keys import Keys
from bot.window import Exchange, Sight, Turn, cost

HERE = "test-ann"


@pytest.fixture
def attached(redis: Redis, prefix: str) -> Attached:
    return Attached(redis, Keys(prefix), ttl=60)


def url(size: int = 10) -> str:
    return "data:image/png;base64," + "A" * size


async def test_the_newest_pictures_are_kept_and_the_oldest_dropped(attached: Attached):
    for n in range(PICTURES + 2):
        await attached.keep(HERE, {f"p{n}": url()})
    found = await attached.pictures(HERE, [f"p{n}" for n in range(PICTURES + 2)])
    assert sorted(found) == sorted(f"p{n}" for n in range(2, PICTURES + 2))
    assert set(found.values()) == {url()}


async def test_pictures_together_are_bounded_in_bytes(attached: Attached):
    third = PICTURE_BYTES // 3
    await attached.keep(HERE, {name: url(third) for name in "abc"})
    assert sorted(await attached.pictures(HERE, "abc")) == ["b", "c"]


async def test_a_picture_that_is_shown_again_is_kept_once_and_longer_than_others(
    attached: Attached, redis: Redis, prefix: str
):
    await attached.keep(HERE, {"first": url(), "second": url()})
    await attached.keep(HERE, {"first": url()})
    assert await redis.llen(Keys(prefix).pictures(HERE)) == 2
    await attached.keep(HERE, {f"p{n}": url() for n in range(PICTURES - 1)})
    assert list(await attached.pictures(HERE, ["first", "second"])) == ["first"]


async def test_everything_ends_with_the_window(attached: Attached, redis: Redis, prefix: str):
    await attached.keep(HERE, {"a": url()})
    await attached.note(HERE, Findings("q", "q", (Piece("image:1", "picture"),)))
    keys = Keys(prefix)
    for key in (keys.pictures(HERE), keys.attached(HERE)):
        assert 50_000 < await redis.pttl(key) <= 60_000


async def test_findings_are_those_of_the_last_question_only(attached: Attached):
    piece = Piece("image:1", "picture", name="a", sight=Sight("id", 4, 3, 2))
    await attached.note(HERE, first := Findings("q1", "m1", (piece,)))
    assert await attached.recall(HERE, "q1") == first
    await attached.note(HERE, Findings("q2", "m2", (Piece("audio:2", "speech", "hello"),)))
    assert await attached.recall(HERE, "q1") is None
    assert await attached.recall("test-bob", "q2") is None


async def test_findings_that_cannot_be_read_are_made_anew(attached: Attached, redis: Redis, prefix: str):
    await redis.set(Keys(prefix).attached(HERE), '{"origin": 1}')
    with capture_logs() as logs:
        assert await attached.recall(HERE, "q1") is None
    assert [entry["event"] for entry in logs] == ["findings.unreadable"]


@pytest.mark.parametrize("pictures", [0, 1, 3])
def test_an_exchange_costs_its_pictures_too(pictures: int):
    shown = tuple(Sight(f"p{n}", 32, 32, 100) for n in range(pictures))
    turn = Turn("user", "look", 1, pictures=shown)
    assert cost(Exchange("q", 0, (turn,))) == 5 + 100 * pictures
