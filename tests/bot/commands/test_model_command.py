"""/model: the server's models with their windows and prices, page by page, and switching between them."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from bot.api import Choices, Notice
from bot.commands import Registry
from bot.commands.choices import PAGE
from bot.commands.choices import Choices as Models
from bot.endpoints.models import Model as Listed
from bot.i18n import Catalogue
from bot.keys import Keys
from bot.profile import Profiles
from tests.bot.doubles import Collected, delivery


class Server:
    """A `Router` that lists models."""

    def __init__(self, *names: str) -> None:
        self.names = names

    async def models(self) -> list[Listed]:
        return [Listed(name) for name in self.names]

    async def default_model(self) -> str:
        return "m0"

    async def context_window(self, model: str) -> int:
        return 128_000


def rates(model: str) -> tuple[str, str] | None:
    return ("0.15 USD", "0.60 USD") if model == "m1" else None


class House:
    """The one command over real profiles."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.profiles = Profiles(redis, Keys(prefix))
        self.server = Server(*(f"m{number}" for number in range(50)))
        catalogue = Catalogue.load()
        family = Models(self.profiles, self.server, rates).commands()  # type: ignore[arg-type]
        self.registry = Registry(family, languages=catalogue.languages, say=catalogue.say)

    async def say(self, text: str) -> Notice | Choices:
        made, reply = delivery(text, profile=await self.profiles.load("test-ann"))
        assert await self.registry.run(made)
        return self.only(reply)

    def only(self, reply: Collected) -> Notice | Choices:
        (part,) = reply.parts
        assert isinstance(part, Notice | Choices)
        return part

    async def chosen(self) -> str:
        return (await self.profiles.load("test-ann")).model


@pytest.fixture
def house(redis: Redis, prefix: str) -> House:
    return House(redis, prefix)


async def test_each_model_is_listed_with_its_window_and_its_price(house: House):
    text = (await house.say("/model")).text
    assert "m0: a window of 128,000 tokens\n" in text
    assert "m1: a window of 128,000 tokens; 0.15 USD in, 0.60 USD out for a million tokens\n" in text


async def test_every_model_can_be_reached_page_by_page(house: House):
    seen: list[str] = []
    for page in (1, 2, 3):
        part = await house.say(f"/model list {page}")
        assert isinstance(part, Choices)
        assert len(part.options) <= PAGE + 2
        seen += [option.value for option in part.options if not option.value.startswith("/model list")]
    assert seen == [f"/model m{number}" for number in range(50)]


@pytest.mark.parametrize("number", ["0", "99", "-1", "x", "9" * 30, "²"])
async def test_a_page_that_does_not_exist_is_answered_with_one_that_does(house: House, number: str):
    assert "Current model: m0" in (await house.say(f"/model list {number}")).text


async def test_a_part_of_a_name_finds_those_that_have_it(house: House):
    house.server.names = ("some/gpt-x", "other/gpt-y", "third")
    part = await house.say("/model GPT")
    assert isinstance(part, Choices)
    assert [option.value for option in part.options][:2] == ["/model some/gpt-x", "/model other/gpt-y"]


@pytest.mark.parametrize("listed", [("m0", "m1"), ()])
async def test_a_name_that_is_too_long_is_refused_and_nothing_changes(house: House, listed: tuple[str, ...]):
    house.server.names = listed
    await house.say("/model m1")
    before = await house.chosen()
    assert isinstance(await house.say("/model " + "x" * 100_000), Choices)
    assert await house.chosen() == before
