"""Limits: no budget is ever overrun, whoever asks at the same time, and what a crash left is free again."""

import asyncio
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from bot.api import Incoming, Person, Place, Usage
from bot.errors import SettingsError
from bot.i18n import LANGUAGES, Catalogue
from bot.keys import Keys, connect
from bot.limits import CALM, FLOOD, HOLD, BudgetSpent, Limited, Limits, LimitSettings, Rate, amount, span
from bot.usage import KEPT, MODELS, Usages

CENT = 10_000


class House:
    """Limits on a real Redis, and a clock that the test turns."""

    def __init__(self, redis: Redis, prefix: str, **settings: str) -> None:
        self.now = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
        self.redis, self.keys = redis, Keys(prefix)
        given = {"RATE_LIMIT": "off", "PERSON_CONCURRENCY": "0", **settings}
        self.limits = Limits(LimitSettings.load(given), redis, self.keys, clock=lambda: self.now)
        self.usages = Usages(redis, self.keys, clock=lambda: self.now)

    async def spend(self, message: Incoming, cost: int, *, attempt: int = 1, model: str = "m"):
        hold = await self.limits.reserve(message, want=cost, least=cost, attempt=attempt)
        return await self.limits.settle(hold, cost, Usage(10, 5), model)

    async def spent(self, scope: str = "total", period: str = "day") -> int:
        return (await self.usages.tally(scope, period)).cost  # type: ignore[arg-type]


@pytest.fixture
def house(redis: Redis, prefix: str):
    return lambda **settings: House(redis, prefix, **settings)


def said(id: str, person: str = "1", group: str = "") -> Incoming:
    place = Place("chat", "bot", group or person, kind="group" if group else "private")
    return Incoming(id, place, Person(person), "hello")


# --- money --------------------------------------------------------------------------------------------------


async def test_fifty_at_once_cannot_overrun_one_cent(house):
    home = house(BUDGET_PERSON_DAY="0.01")

    refused = []

    async def ask(number: int) -> bool:
        try:
            hold = await home.limits.reserve(said(str(number)), want=900, least=300)
        except Limited as limited:
            refused.append(limited.key)
            return False
        assert 300 <= hold.granted <= 900
        await asyncio.sleep(0)
        await home.limits.settle(hold, hold.granted, Usage(1, 1), "m")
        return True

    answered = sum(await asyncio.gather(*(ask(number) for number in range(50))))
    assert 11 <= answered < 50
    assert set(refused) <= {"budget.person_day", "budget.held"}
    assert CENT - 300 < await home.spent() <= CENT


@pytest.mark.parametrize(
    ("setting", "key", "opens"),
    [
        ("BUDGET_PERSON_DAY", "budget.person_day", 12 * 3600),
        ("BUDGET_PERSON_MONTH", "budget.person_month", 9.5 * 86400),
        ("BUDGET_GROUP_DAY", "budget.group_day", 12 * 3600),
        ("BUDGET_TOTAL_DAY", "budget.total_day", 12 * 3600),
        ("BUDGET_TOTAL_MONTH", "budget.total_month", 9.5 * 86400),
    ],
)
async def test_each_budget_stops_and_says_when_it_opens_and_opens_then(house, setting, key, opens):
    home = house(**{setting: "0.01"})
    await home.spend(said("1", group="-9"), CENT)
    with pytest.raises(BudgetSpent) as stopped:
        await home.spend(said("2", group="-9"), 1)
    assert (stopped.value.key, stopped.value.wait) == (key, opens)
    home.now += opens
    await home.spend(said("3", group="-9"), 1)


async def test_a_budget_is_its_owners_alone(house):
    home = house(BUDGET_PERSON_DAY="0.01", BUDGET_GROUP_DAY="0.01")
    await home.spend(said("1", "ann", group="-9"), CENT)
    for message in (said("2", "ann"), said("3", "bob", group="-9")):
        with pytest.raises(BudgetSpent):
            await home.spend(message, 1)
    await home.spend(said("4", "bob"), CENT)
    await home.spend(said("5", "cleo", group="-8"), CENT)


async def test_what_costs_nothing_is_answered_though_the_budget_is_used_up(house):
    home = house(BUDGET_PERSON_DAY="0.01")
    await home.spend(said("1"), CENT)
    await home.spend(said("2"), 0)
    assert (await home.usages.tally("person:chat:1", "day")).requests == 2


async def test_a_request_gets_what_is_left_if_that_is_enough_to_begin(house):
    home = house(BUDGET_PERSON_DAY="0.01")
    await home.spend(said("1"), 9_500)
    hold = await home.limits.reserve(said("2"), want=2_000, least=400)
    assert (hold.granted, hold.limited) == (500, True)
    with pytest.raises(Limited, match="held"):
        await home.limits.reserve(said("3"), want=2_000, least=400)
    await home.limits.settle(hold, 0, Usage(0, 0), "m")
    with pytest.raises(BudgetSpent):
        await home.limits.reserve(said("4"), want=2_000, least=501)


async def test_without_a_budget_nothing_bounds_a_request(house):
    hold = await house().limits.reserve(said("1"), want=10**12, least=10**12)
    assert (hold.granted, hold.limited) == (10**12, False)


async def test_what_a_crash_left_is_free_again_after_a_while(house):
    home = house(BUDGET_PERSON_DAY="0.01", PERSON_CONCURRENCY="1")
    await home.limits.reserve(said("1"), want=CENT, least=CENT)
    home.now += HOLD - 1
    with pytest.raises(Limited):
        await home.spend(said("2"), CENT)
    home.now += 2
    await home.spend(said("2"), CENT)


async def test_a_second_attempt_takes_the_place_of_the_first(house):
    home = house(BUDGET_PERSON_DAY="0.01", PERSON_CONCURRENCY="1")
    first = await home.limits.reserve(said("1"), want=CENT, least=CENT)
    second = await home.limits.reserve(said("1"), want=CENT, least=CENT, attempt=2)
    await home.limits.settle(
        first, 0, Usage(0, 0), "m"
    )  # the first was not dead: what the second holds stays
    with pytest.raises(Limited):
        await home.spend(said("2"), 1)
    await home.limits.settle(second, CENT, Usage(1, 1), "m")
    assert await home.spent() == CENT
    assert await home.redis.exists(home.keys.hold, home.keys.holds, home.keys.held) == 0


async def test_what_the_bot_asks_of_itself_is_paid_and_is_no_answer(house):
    home = house(BUDGET_PERSON_DAY="0.01")
    hold = await home.limits.reserve(said("1"), want=CENT, least=CENT, purpose="summary")
    await home.limits.settle(hold, CENT, Usage(10, 5), "m")
    tally = await home.usages.tally("person:chat:1", "day")
    assert (tally.requests, tally.cost) == (0, CENT)
    with pytest.raises(BudgetSpent):
        await home.limits.reserve(said("2"), want=1, least=1, purpose="summary")


async def test_settling_twice_counts_once(house):
    home = house()
    hold = await home.limits.reserve(said("1"), want=7, least=7)
    for _ in range(2):
        await home.limits.settle(hold, 7, Usage(10, 5), "m")
    tally = await home.usages.tally("total", "month")
    assert (tally.requests, tally.prompt, tally.completion, tally.cost) == (1, 10, 5, 7)


async def test_an_answer_that_a_crash_lost_is_paid_once_by_the_person_and_counted_for_the_operator(house):
    home = house()
    await home.spend(said("1"), 70, attempt=1)
    await home.spend(said("1"), 50, attempt=2)
    await home.spend(said("1"), 90, attempt=3)
    person, total = await home.usages.tally("person:chat:1", "day"), await home.usages.tally("total", "day")
    assert (person.cost, total.cost) == (90, 210)
    assert (person.requests, total.requests) == (1, 1)


async def test_two_requests_of_one_attempt_are_both_paid(house):
    home = house()
    await home.spend(said("1"), 70)
    await home.spend(said("1"), 50)
    assert await home.spent("person:chat:1") == 120


async def test_a_request_that_came_to_nothing_leaves_no_trace_in_the_tallies(house):
    home = house()
    hold = await home.limits.reserve(said("1"), want=70, least=70)
    await home.limits.settle(hold, 0, Usage(0, 0), "m")
    assert await home.usages.people("day") == []
    assert (await home.usages.tally("total", "day")).requests == 0


async def test_what_is_held_over_midnight_counts_on_the_new_day(house):
    home = house(BUDGET_PERSON_DAY="0.01")
    home.now += 12 * 3600 - 1
    hold = await home.limits.reserve(said("1"), want=8_000, least=8_000)
    home.now += 2
    with pytest.raises(Limited):
        await home.limits.reserve(said("2"), want=8_000, least=8_000)
    await home.limits.settle(hold, 8_000, Usage(1, 1), "m")
    assert await home.spent() == 8_000


async def test_a_warning_comes_once_when_the_last_fifth_is_reached(house):
    home = house(BUDGET_PERSON_DAY="0.01", BUDGET_TOTAL_MONTH="0.10")
    assert await home.spend(said("1"), 7_999) == []
    (near,) = await home.spend(said("2"), 1)
    assert (near.bound, near.spent, near.limit) == ("person_day", 8_000, CENT)
    assert await home.spend(said("3"), 1) == []
    home.now += 86400
    assert [n.bound for n in await home.spend(said("4"), 8_000)] == ["person_day"]


async def test_a_budget_of_ones_own_beats_the_settings(house):
    home = house(BUDGET_PERSON_DAY="0.01", BUDGET_PERSON_MONTH="0.02")
    await home.limits.set_budget("chat:1", "day", 3 * CENT)
    await home.limits.set_budget("chat:1", "month", -1)
    await home.spend(said("1"), 3 * CENT)
    with pytest.raises(BudgetSpent):
        await home.spend(said("2"), 1)
    assert [s.limit for s in await home.limits.standings(said("x").place, Person("1"))] == [3 * CENT]
    await home.limits.set_budget("chat:1", "day", None)
    assert await home.limits.budgets() == {"chat:1:month": -1}
    assert [s.limit for s in await home.limits.standings(said("x").place, Person("1"))] == [CENT]
    with pytest.raises(BudgetSpent):
        await home.spend(said("3", "2"), CENT + 1)


async def test_a_persons_name_cannot_reach_into_anothers_account(house):
    home = house(BUDGET_PERSON_DAY="0.01")
    await home.limits.set_budget('x"}:day', "day", 0)
    for number, name in enumerate(('x"}', "x:day", "ü\n", "1:2026-11-21")):
        await home.spend(said(str(number), name), CENT)
        with pytest.raises(BudgetSpent):
            await home.spend(said(f"{number}b", name), 1)


async def test_tallies_are_by_model_and_bounded_and_end(house):
    home = house()
    for number in range(MODELS + 5):
        await home.spend(said(str(number)), 2, model=f"maker/model:{number}")
    await home.spend(said("again"), 2, model="maker/model:0")
    models = (await home.usages.tally("total", "day")).models
    assert (models["maker/model:0"].requests, models["*"].requests) == (2, 5)
    assert len(models) == MODELS + 1
    async for key in home.redis.scan_iter(f"{home.keys.prefix}*"):
        assert 0 < await home.redis.ttl(key) <= max(KEPT.values()), key


async def test_people_are_listed_dearest_first_and_may_be_taken_out(house):
    home = house()
    await home.spend(said("1", "ann"), 5)
    await home.spend(said("2", "bob"), 50)
    assert [name for name, _ in await home.usages.people("month")] == ["chat:bob", "chat:ann"]
    await home.usages.forget(said("3", "bob").place, Person("bob"))
    assert [name for name, _ in await home.usages.people("month")] == ["chat:ann"]
    assert await home.spent("person:chat:bob") == 50


async def test_it_holds_on_every_server_that_we_promise(flavour: str, prefix: str):
    redis = connect(flavour)
    try:
        home = House(redis, prefix, BUDGET_PERSON_DAY="0.01", RATE_LIMIT="3/min", PERSON_CONCURRENCY="2")
        await home.spend(said("1", group="-9"), 4_000)
        assert [near.bound for near in await home.spend(said("2"), 5_000)] == ["person_day"]
        with pytest.raises(BudgetSpent):
            await home.spend(said("3"), 2_000)
        await home.limits.set_budget("chat:1", "day", -1)
        await home.spend(said("4"), 2_000)
        with pytest.raises(Limited, match=r"limit\.rate"):
            await home.spend(said("5"), 0)
        assert await home.limits.flooding(said("6").place, Person("1")) == (0, False)
        assert await home.spent("group:chat:-9") == 4_000
        assert await home.usages.count("day") == 1
    finally:
        await redis.aclose()


# --- haste --------------------------------------------------------------------------------------------------


async def test_a_person_asks_so_often_and_then_waits(house):
    home = house(RATE_LIMIT="3/min")
    for number in range(3):
        await home.spend(said(str(number)), 0)
    with pytest.raises(Limited) as stopped:
        await home.spend(said("3"), 0)
    assert (stopped.value.key, stopped.value.wait) == ("limit.rate", 20)
    assert not isinstance(stopped.value, BudgetSpent)
    await home.spend(said("4", "somebody else"), 0)
    home.now += 20
    await home.spend(said("5"), 0)
    with pytest.raises(Limited):
        await home.spend(said("6"), 0)


async def test_a_second_attempt_and_what_the_bot_does_of_itself_are_not_the_persons_haste(house):
    home = house(RATE_LIMIT="1/min", PERSON_CONCURRENCY="1")
    await home.limits.reserve(said("1"), want=0, least=0)
    await home.limits.reserve(said("1"), want=0, least=0, purpose="summary")
    await home.limits.reserve(said("1"), want=0, least=0, attempt=2)
    with pytest.raises(Limited):
        await home.limits.reserve(said("2"), want=0, least=0)


async def test_so_many_questions_are_answered_at_the_same_time(house):
    home = house(PERSON_CONCURRENCY="2")
    holds = [await home.limits.reserve(said(str(n), group=f"-{n}"), want=0, least=0) for n in range(2)]
    with pytest.raises(Limited) as stopped:
        await home.limits.reserve(said("2"), want=0, least=0)
    assert (stopped.value.key, stopped.value.values) == ("limit.running", {"count": 2})
    await home.limits.settle(holds[0], 0, Usage(0, 0), "m")
    await home.limits.reserve(said("2"), want=0, least=0)


async def test_who_floods_is_told_once_and_heard_again_later(house):
    home = house(RATE_LIMIT="10/min")
    place, person = said("1").place, Person("1")
    assert [await home.limits.flooding(place, person) for _ in range(10 * FLOOD)] == [(0, False)] * 10 * FLOOD
    assert await home.limits.flooding(place, person) == (1.2, True)
    assert await home.limits.flooding(place, person) == (1.2, False)
    home.now += 1.2
    assert await home.limits.flooding(place, person) == (0, False)


async def test_where_few_questions_are_allowed_commands_are_still_heard(house):
    home = house(RATE_LIMIT="2/day")
    place, person = said("1").place, Person("1")
    assert [await home.limits.flooding(place, person) for _ in range(CALM)] == [(0, False)] * CALM
    assert await home.limits.flooding(place, person) == (2, True)
    home.now += 2
    assert await home.limits.flooding(place, person) == (0, False)


async def test_without_a_rate_nobody_floods(house):
    home = house()
    assert await home.limits.flooding(said("1").place, Person("1")) == (0, False)
    assert await home.redis.exists(home.keys.flood("chat:1")) == 0


# --- settings and words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20/min", (20, 60)),
        ("5/10s", (5, 10)),
        ("100 / h", (100, 3600)),
        ("7/day", (7, 86400)),
        ("off", (0, 1)),
    ],
)
def test_a_rate_is_written_plainly(text: str, rate: tuple[int, float]):
    assert (Rate.read(text).count, Rate.read(text).seconds) == rate


@pytest.mark.parametrize(
    "text", ["", "20", "min", "0/min", "20/0s", "20/fortnight", "-1/min", "20/min/s", "٣/min"]
)
def test_a_rate_that_is_none_is_refused(text: str):
    with pytest.raises(ValueError, match="20/min"):
        Rate.read(text)


@pytest.mark.parametrize(("text", "micro"), [("0.50", 500_000), ("2", 2_000_000), ("0,01", CENT), ("0", 0)])
def test_money_is_written_plainly(text: str, micro: int):
    assert amount(text) == micro


@pytest.mark.parametrize("text", ["", "-1", "1e3", "$5", "0.1234567", "1.", "nan", "９"])
def test_money_that_is_none_is_refused(text: str):
    with pytest.raises(ValueError, match=r"0\.50"):
        amount(text)


@pytest.mark.parametrize("setting", [{"RATE_LIMIT": "often"}, {"BUDGET_TOTAL_DAY": "lots"}])
def test_a_faulty_setting_is_named(setting: dict[str, str]):
    with pytest.raises(SettingsError, match=next(iter(setting))):
        LimitSettings.load(setting)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_time_is_said_in_words_and_never_too_short(language: str):
    catalogue = Catalogue.load()

    def say(key: str, **values: str | int) -> str:
        return catalogue.say(language, key, **values)

    spoken = [span(say, seconds) for seconds in (0, 1, 59.2, 91, 3 * 3600, 10 * 86400)]
    assert [any(number in text for text in spoken) for number in ("60", "2", "3", "10")] == [True] * 4
    assert len({text.replace(" ", "") for text in spoken}) == 5
    if language == "en":
        assert spoken == ["one second", "one second", "60 seconds", "2 minutes", "3 hours", "10 days"]
