"""Commands about money: what a person used, what everybody used, and budgets of single people."""

import asyncio
import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.access import Access, AccessSettings
from bot.api import Choices, Incoming, Media, Notice, Place, Usage
from bot.commands import Registry
from bot.commands.money import Money, table
from bot.i18n import LANGUAGES, Catalogue
from bot.inbox import Inbox
from bot.keys import Keys, connect
from bot.limits import Limits, LimitSettings
from bot.overview import Accounts
from bot.prices import Prices
from bot.usage import Tally, Usages
from tests.bot.doubles import Collected, delivery, incoming

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


class House:
    """The family over a real Redis; Eve runs the bot."""

    def __init__(self, redis: Redis, prefix: str, **chosen: str) -> None:
        keys, catalogue = Keys(prefix), Catalogue.load()
        self.access = Access(AccessSettings.load({"ADMINS": "test:eve"}), redis, keys, trusted=())
        given = {"RATE_LIMIT": "off", **chosen}
        self.limits = Limits(LimitSettings.load(given), redis, keys, clock=lambda: NOON)
        self.usages = Usages(redis, keys, clock=lambda: NOON)
        accounts = Accounts(self.limits, self.usages, Prices.load(None), self.access, Inbox(redis, keys))
        self.registry = Registry(
            Money(accounts, self.limits, self.usages, clock=lambda: NOON).commands(),
            languages=catalogue.languages,
            say=catalogue.say,
            admin=self.access.admin,
        )

    async def say(self, text: str, who: str = "ann", language: str = "en", group: str = "") -> Collected:
        message = incoming(text, chat=who)
        if group:
            place = Place("test", "bot", group, kind="group")
            message = Incoming(message.id, place, message.person, text)
        made, reply = delivery(message, language=language)
        assert await self.registry.run(made)
        return reply

    async def spend(self, cost: int, who: str = "ann", model: str = "m", group: str = "") -> None:
        message = incoming("?", chat=who)
        if group:
            message = Incoming(message.id, Place("test", "bot", group, kind="group"), message.person, "?")
        hold = await self.limits.reserve(message, want=cost, least=cost)
        await self.limits.settle(hold, cost, Usage(1000, 234), model)


@pytest.fixture
def house(redis: Redis, prefix: str):
    return lambda **chosen: House(redis, prefix, **chosen)


def shown(reply: Collected) -> str:
    return "\n".join(part.text for part in reply.parts if isinstance(part, Notice | Choices))


async def test_a_person_sees_their_own_use_and_what_is_left_of_each_budget(house):
    home = house(BUDGET_PERSON_DAY="0.50", BUDGET_PERSON_MONTH="5", BUDGET_TOTAL_DAY="9")
    await home.spend(120_000)
    await home.spend(400_000, "bob")
    assert shown(await home.say("/usage")).splitlines() == [
        "Today: one answer, 1,234 tokens, 0.12 USD",
        "This month: one answer, 1,234 tokens, 0.12 USD",
        "Left for today: 0.38 USD of 0.50 USD",
        "Left for this month: 4.88 USD of 5.00 USD",
    ]


async def test_in_a_group_its_budget_is_shown_too(house):
    home = house(BUDGET_GROUP_DAY="1")
    await home.spend(250_000, "bob", group="-9")
    assert "Left for this group today: 0.75 USD of 1.00 USD" in shown(await home.say("/usage", group="-9"))
    assert "group" not in shown(await home.say("/usage"))


async def test_who_used_nothing_is_told_so(house):
    assert shown(await house().say("/usage")).startswith("Today: 0 answers, 0 tokens, 0.00 USD")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_admin_sees_the_whole_by_model_and_by_person_and_gets_a_table(house, language: str):
    home = house(BUDGET_TOTAL_MONTH="10")
    await home.spend(100, "ann", "cheap")
    await home.spend(90_000, "bob", "dear")
    await home.say("/feedback good", "bob")
    await home.say("/feedback bad")
    reply = await home.say("/stats", "eve", language)
    text = shown(reply)
    assert text.index("dear") < text.index("cheap")
    assert text.index("test:bob") < text.index("test:ann")
    assert "9.91 USD" in text
    assert "{" not in text
    (media,) = [part for part in reply.parts if isinstance(part, Media)]
    assert (media.kind, media.mime, media.name) == ("file", "text/csv", "usage-2026-11.csv")
    rows = list(csv.DictReader(io.StringIO(media.data.decode("utf-8-sig"))))
    assert [row["person"] for row in rows] == ["test:bob", "test:ann"]
    assert rows[0] == {
        "person": "test:bob",
        "requests": "1",
        "prompt_tokens": "1000",
        "completion_tokens": "234",
        "cost": "0.090000",
        "good": "1",
        "bad": "0",
    }


@pytest.mark.parametrize(
    ("usage", "line", "chinese"),
    [
        (Usage(1000, 234), "painter: 1,234 tokens, 0.04 USD", "painter：1,234 个 token，0.04 USD"),
        (Usage(0, 0), "painter: 0.04 USD", "painter：费用 0.04 USD"),
    ],
)
async def test_a_model_that_only_helped_another_has_no_answers_in_the_stats(house, usage, line, chinese):
    home = house()
    await home.spend(100, "ann", "chatty")
    hold = await home.limits.reserve(incoming("?"), want=40_000, least=0, purpose="tool:1")
    await home.limits.settle(hold, 40_000, usage, "painter")
    for language, expected in (("en", line), ("zh-Hans", chinese)):
        assert expected in shown(await home.say("/stats", "eve", language)).splitlines()


async def test_before_anybody_asked_the_stats_are_short(house):
    reply = await house().say("/stats", "eve")
    assert "0 people were answered" in shown(reply)
    assert not any(isinstance(part, Media) for part in reply.parts)


@pytest.mark.parametrize("command", ["/stats", "/budget", "/budget test:ann 99/day"])
async def test_these_commands_do_not_exist_for_anybody_else(house, command: str):
    home = house()
    assert (await home.say(command)).notices[0].startswith("command.unknown")
    assert await home.limits.budgets() == {}


async def test_the_whole_is_not_shown_to_a_group(house):
    reply = await house().say("/stats", "eve", group="-9")
    assert reply.notices == ["command.private_only"]


async def test_words_about_answers_are_counted_and_nothing_is_said(house):
    home = house()
    for text in ("/feedback good", "/feedback good", "/feedback bad", "/feedback meh", "/feedback"):
        assert (await home.say(text)).parts == []
    tally = await home.usages.tally("total", "day")
    assert (tally.good, tally.bad) == (2, 1)


async def test_an_admin_sets_a_persons_budget_lifts_it_and_goes_back_to_the_settings(house):
    home = house(BUDGET_PERSON_DAY="0.01")
    assert "A person a day: 0.01 USD" in shown(await home.say("/budget", "eve"))
    assert (await home.say("/budget test:ann 2.00/day", "eve")).notices == ["budget.set_day"]
    assert (await home.say("/budget test:ann none/month", "eve")).notices == ["budget.none_month"]
    assert await home.limits.budgets() == {"test:ann:day": 2_000_000, "test:ann:month": -1}
    listed = shown(await home.say("/budget", "eve"))
    assert "test:ann: 2.00 USD a day" in listed
    assert "test:ann: no bound a month" in listed
    await home.spend(1_000_000)
    assert (await home.say("/budget test:ann default/day", "eve")).notices == ["budget.default_day"]
    assert await home.limits.budgets() == {"test:ann:month": -1}


@pytest.mark.parametrize(
    "given",
    [
        "test:ann",
        "test:ann 2",
        "test:ann 2/week",
        "test:ann -2/day",
        "ann 2/day",
        "test:ann x/day",
        "test:ann /day",
        "2/day",
        "test:ann 2/day/day",
    ],
)
async def test_a_budget_that_is_none_changes_nothing_and_shows_how(house, given: str):
    home = house()
    reply = await home.say(f"/budget {given}", "eve")
    assert reply.notices == ["budget.how"]
    assert "2.00/day" in shown(reply)
    assert await home.limits.budgets() == {}


def test_a_table_keeps_odd_names_in_their_column():
    odd = 'chat:"x,\n=1+1'
    rows = list(csv.reader(io.StringIO(table([(odd, Tally(1, 2, 3, 4))]).decode("utf-8-sig"))))
    assert rows[1] == [odd, "1", "2", "3", "0.000004", "0", "0"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_whatever_an_admin_writes_there_is_an_answer_in_words(redis_url, text):
    async def run() -> None:
        redis = connect(redis_url)
        try:
            home = House(redis, "money-fuzz:")
            for command in ("/budget", "/usage", "/stats"):
                reply = await home.say(f"{command} {text}", "eve")
                assert reply.parts
                assert "{" not in "".join(p.text for p in reply.parts if isinstance(p, Notice)).replace(
                    text, ""
                )
        finally:
            await redis.aclose()

    asyncio.run(run())
