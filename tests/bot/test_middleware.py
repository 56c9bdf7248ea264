"""Middleware: every failure is said once, in plain words, and the reply ends whatever happens."""

import pytest
from redis.asyncio import Redis

from bot import errors
from bot.api import End, Gone, Notice, Text
from bot.delivery import Delivery
from bot.keys import Keys
from bot.limits import BOUNDS, CALM, BudgetSpent, Limited, Limits, LimitSettings
from bot.middleware import Flood, Report
from tests.bot.doubles import Collected, Held, delivery


async def answered(raised: Exception, language: str = "en") -> Collected:
    made, reply = delivery("hello", language=language)

    async def failing(_: Delivery) -> None:
        raise raised

    await Report(failing)(made)
    return reply


def every_error(of: type[errors.ParleyError] = errors.ParleyError) -> list[type[errors.ParleyError]]:
    kinds = [kind for sub in of.__subclasses__() for kind in (sub, *every_error(sub))]
    silent = (errors.SettingsError, errors.StoreAway, errors.LeaseLost, errors.Refused)
    return [k for k in kinds if k.__module__ == errors.__name__ and k not in silent]


VALUES: dict[type[errors.ParleyError], dict[str, str | int]] = {
    errors.ModelUnknown: {"model": "m"},
    errors.Unreadable: {"kind": "PDF"},
    errors.Unsupported: {"kind": "HEIC"},
    errors.MessageTooLong: {"limit": 5},
    errors.TooLarge: {"limit": 5},
    errors.TooManyPixels: {"limit": 5},
    errors.TooLong: {"limit": 5},
}


@pytest.mark.parametrize("kind", every_error())
@pytest.mark.parametrize("language", ["en", "zh-Hans", "zh-Hant"])
async def test_every_error_is_one_notice_in_the_persons_language_and_then_the_end(kind, language):
    reply = await answered(kind("secret detail of a provider", **VALUES.get(kind, {})), language)
    notice, end = reply.parts
    assert isinstance(notice, Notice)
    assert isinstance(end, End)
    assert notice.key == kind.user_key
    assert "secret" not in notice.text
    assert "{" not in notice.text
    assert any("\u4e00" <= c <= "\u9fff" for c in notice.text) == (language != "en")


async def test_a_fault_of_ours_is_said_without_its_traceback_and_with_the_reference():
    reply = await answered(ZeroDivisionError("division by zero"))
    assert reply.notices == ["error.unexpected"]
    notice = reply.parts[0]
    assert isinstance(notice, Notice)
    assert "REF12345" in notice.text
    assert "division" not in notice.text


async def test_retry_is_offered_where_it_can_help_and_only_there():
    passing, refused = await answered(errors.TimedOut()), await answered(errors.KeyRejected())
    assert [
        [o.value for o in end.offers]
        for end in (passing.parts[-1], refused.parts[-1])
        if isinstance(end, End)
    ] == [
        ["/retry"],
        [],
    ]


async def test_a_busy_server_that_says_for_how_long_is_quoted():
    reply = await answered(errors.EndpointBusy(retry_after=42.4))
    notice = reply.parts[0]
    assert isinstance(notice, Notice)
    assert "42" in notice.text


@pytest.mark.parametrize("raised", [errors.LeaseLost(), errors.StoreAway(), Gone()])
async def test_what_concerns_the_messages_way_is_left_to_the_worker(raised):
    made, reply = delivery("hello")

    async def failing(_: Delivery) -> None:
        raise raised

    with pytest.raises(type(raised)):
        await Report(failing)(made)
    assert reply.parts == []


async def test_a_handler_that_forgot_the_end_is_ended_and_one_that_said_it_is_not_ended_twice():
    made, reply = delivery("hello")

    async def saying(d: Delivery) -> None:
        await d.send(Text("hi"))

    await Report(saying)(made)
    assert reply.parts == [Text("hi"), End()]
    made, reply = delivery("hello")
    await Report(lambda d: d.end())(made)
    assert reply.parts == [End()]


async def test_nothing_is_said_after_the_end_or_without_the_lease():
    made, _ = delivery("hello")
    await made.end()
    with pytest.raises(RuntimeError):
        await made.send(Text("late"))
    hold = Held()
    hold.ours = False
    made, reply = delivery("hello", hold=hold)
    with pytest.raises(errors.LeaseLost):
        await made.send(Text("stale"))
    assert reply.parts == []


# --- limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh-Hans", "zh-Hant"])
@pytest.mark.parametrize(
    ("raised", "retry"),
    [
        (Limited("limit.rate", wait=20), True),
        (Limited("limit.running", count=3), True),
        (Limited("budget.held"), True),
        *((BudgetSpent(f"budget.{bound}", wait=3 * 3600), False) for bound in BOUNDS),
    ],
)
async def test_a_limit_is_said_with_the_time_it_opens_and_retry_where_that_helps(raised, retry, language):
    reply = await answered(raised, language)
    notice, end = reply.parts
    assert isinstance(notice, Notice)
    assert isinstance(end, End)
    assert notice.key == raised.key
    assert "{" not in notice.text
    assert bool(end.offers) == retry
    if isinstance(raised, BudgetSpent):
        assert "3 " in notice.text
        assert "00:00" in notice.text


async def test_a_flood_is_stopped_and_told_once(redis: Redis, prefix: str):
    limits = Limits(
        LimitSettings.load({"RATE_LIMIT": "1/min"}), redis, Keys(prefix), clock=lambda: 1_795_000_000
    )
    reached = []

    async def following(made: Delivery) -> None:
        reached.append(made)

    notices = []
    for _ in range(CALM + 3):
        made, reply = delivery("/help")
        await Flood(limits, following)(made)
        notices += reply.notices
    assert len(reached) == CALM
    assert notices == ["limit.flood"]
