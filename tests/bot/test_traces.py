"""Traces: what became of each message is known for a day, and never what it said."""

import pytest
from redis.asyncio import Redis

from bot.api import Gone
from bot.delivery import Delivery
from bot.errors import KeyRejected, LeaseLost, StoreAway
from bot.keys import Keys
from bot.middleware import Report, Tracing
from bot.traces import LIFE, Traces
from tests.bot.doubles import Held, delivery


@pytest.fixture
def traces(redis: Redis, prefix: str) -> Traces:
    return Traces(redis, Keys(prefix), clock=lambda: 1_795_000_000)


async def through(traces: Traces, raised: Exception | None, attempt: int = 1) -> None:
    async def following(made: Delivery) -> None:
        during = await traces.find(made.ref)
        assert during["state"] == "answering"
        if raised:
            raise raised
        await made.end()

    made, _ = delivery("my secret question", hold=Held(attempt=attempt))
    await Report(Tracing(traces, following))(made)


@pytest.mark.parametrize(
    ("raised", "state", "fault"),
    [
        (None, "answered", ""),
        (KeyRejected("sk-secret"), "failed", "KeyRejected"),
        (ZeroDivisionError("secret"), "failed", "unexpected"),
    ],
)
async def test_how_an_attempt_ended_is_noted(traces: Traces, raised, state: str, fault: str):
    await through(traces, raised)
    found = await traces.find("REF12345")
    assert (found["state"], found["fault"], found["person"]) == (state, fault, "test:ann")
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("raised", "state", "fault"),
    [
        (StoreAway(), "postponed", "StoreAway"),
        (Gone("blocked"), "gone", ""),
        (LeaseLost(), "answering", ""),  # by somebody else
    ],
)
async def test_what_becomes_of_a_message_without_an_answer_is_known(
    traces: Traces, raised: Exception, state: str, fault: str
):
    with pytest.raises(type(raised)):
        await through(traces, raised, attempt=2)
    found = await traces.find("REF12345")
    assert (found["state"], found.get("fault", ""), found["attempt"]) == (state, fault, "2")


async def test_an_answer_is_worth_as_much_where_its_end_cannot_be_noted(redis: Redis, prefix: str):
    class Leaving(Traces):
        async def end(self, ref: str, state: str, fault: str = "") -> None:
            raise StoreAway("away")

    await through(Leaving(redis, Keys(prefix)), None)


async def test_a_trace_ends_after_a_day_and_an_unknown_one_is_empty(
    traces: Traces, redis: Redis, prefix: str
):
    await through(traces, None)
    assert 0 < await redis.ttl(Keys(prefix).trace("REF12345")) <= LIFE
    assert await traces.find("NOTHING1") == {}
