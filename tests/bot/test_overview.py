"""The overview: what a person may choose, what they used, and for an admin the whole, in their language."""

from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from bot.access import Access, AccessSettings
from bot.api import Overview, Person, Place, Usage
from bot.endpoints.models import Model as Listed
from bot.endpoints.settings import Capability
from bot.errors import StoreAway, Unreachable
from bot.i18n import LANGUAGES, Catalogue
from bot.inbox import Inbox
from bot.keys import Keys
from bot.limits import Limits, LimitSettings
from bot.overview import SHOWN, Accounts, Overviews
from bot.prices import Prices
from bot.profile import Profiles
from bot.roles import Roles
from bot.roles.casting import Casting
from bot.roles.own import OwnRoles
from bot.telemetry import reference
from bot.usage import Usages
from bot.voices import Voices
from tests.bot.doubles import incoming

HERE, ANN, EVE = Place("test", "bot", "ann"), Person("ann", "Ann", "en"), Person("eve", "Eve", "zh-TW")


class Server:
    """A `Router` that lists models."""

    def __init__(self) -> None:
        self.listed: Sequence[str] = ("small", "large")
        self.error: Exception | None = None
        self.senses: set[Capability] = set()

    async def models(self) -> list[Listed]:
        if self.error:
            raise self.error
        return [Listed(name) for name in self.listed]

    async def default_model(self) -> str:
        return "small"

    def can(self, capability: Capability) -> bool:
        return capability in self.senses


class House:
    """The overview over a real Redis; Eve runs the bot."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        keys, catalogue = Keys(prefix), Catalogue.load()
        given = AccessSettings.load({"ADMINS": "test:eve", "ALLOWED": "test:ann"})
        access = Access(given, redis, keys, trusted=())
        budgets = LimitSettings.load(
            {"BUDGET_PERSON_DAY": "0.50", "BUDGET_TOTAL_DAY": "2", "RATE_LIMIT": "off"}
        )
        self.access, self.server, self.profiles = access, Server(), Profiles(redis, keys)
        self.limits, self.inbox = Limits(budgets, redis, keys), Inbox(redis, keys)
        casting = Casting(Roles.load(None), OwnRoles(redis, keys), self.profiles, "assistant")
        self.overview = Overviews(
            accounts=Accounts(self.limits, Usages(redis, keys), Prices.load(None), access, self.inbox),
            access=access,
            profiles=self.profiles,
            casting=casting,
            router=self.server,  # type: ignore[arg-type]
            voices=Voices(self.server, names=("alloy", "nova")),
            catalogue=catalogue,
            policy="user",
            language=lambda profile, tag: catalogue.match(profile.language or tag),
        )


@pytest.fixture
def house(redis: Redis, prefix: str) -> House:
    return House(redis, prefix)


def current(overview: Overview) -> dict[str, str]:
    return {setting.name: setting.current for setting in overview.settings}


async def test_each_setting_has_options_that_are_commands_and_the_one_in_force(house: House):
    overview = await house.overview(HERE, ANN)
    assert current(overview) == {"role": "/role assistant", "model": "/model small", "language": "/lang auto"}
    for setting in overview.settings:
        values = [option.value for option in setting.options]
        assert setting.current in values
        assert len(values) == len(set(values))
        assert all(
            value.startswith("/") and option.label
            for value, option in zip(values, setting.options, strict=True)
        )
    assert [option.value for option in overview.settings[1].options] == ["/model small", "/model large"]


async def test_what_was_chosen_is_in_force(house: House):
    await house.profiles.change("test:bot:private:ann:", role="translator", model="large", language="zh-Hans")
    overview = await house.overview(HERE, ANN)
    assert current(overview) == {
        "role": "/role translator",
        "model": "/model large",
        "language": "/lang zh-Hans",
    }
    assert overview.settings[0].label == "角色"


async def test_a_person_sees_their_own_use_and_an_admin_the_whole(house: House):
    hold = await house.limits.reserve(incoming("?"), want=100_000, least=1)
    await house.limits.settle(hold, 100_000, Usage(10, 5), "small")
    overview = await house.overview(HERE, ANN)
    assert overview.usage[0] == "Today: one answer, 15 tokens, 0.10 USD"
    assert "Left for today: 0.40 USD of 0.50 USD" in overview.usage
    assert overview.operation == ()
    admins = await house.overview(Place("test", "bot", "eve"), EVE)
    assert "0.10 USD" in admins.operation[0]
    assert any("1.90 USD" in line for line in admins.operation)
    assert admins.usage[0].startswith("今天：0 ")


async def test_an_admin_is_told_how_many_messages_were_given_up(house: House):
    boss = Place("test", "bot", "eve")
    assert not any("/debug" in line for line in (await house.overview(boss, EVE)).operation)
    await house.inbox.open()
    await house.inbox.accept("c", incoming("?"))
    (lease,) = await house.inbox.take("worker", count=1, block=1)
    await house.inbox.bury(lease, "attempts")
    ref = reference(lease.message)
    english = (await house.overview(boss, Person("eve", "Eve", "en"))).operation
    assert english[-1] == f"One message of the last 7 days was given up. About the newest: /debug {ref}"
    assert f"/debug {ref}" in (await house.overview(boss, EVE)).operation[-1]
    assert (await house.overview(HERE, ANN)).operation == ()


async def test_speech_is_there_to_choose_as_far_as_the_models_can(house: House):
    await house.profiles.change("test:bot:private:ann:", voice="transcript", speaker="siren", speed=0.9)
    assert not {"voice", "speaker", "speed"} & set(current(await house.overview(HERE, ANN)))
    house.server.senses = {"transcribe"}
    settings = {setting.name: setting for setting in (await house.overview(HERE, ANN)).settings}
    assert [option.value for option in settings["voice"].options] == ["/voice text", "/voice transcript"]
    assert "speaker" not in settings
    house.server.senses = {"transcribe", "speak"}
    found = await house.overview(HERE, ANN)
    assert [(s.name, s.current) for s in found.settings[-3:]] == [
        ("voice", "/voice transcript"),
        ("speaker", "/voice siren"),
        ("speed", "/voice 0.9"),
    ]
    for setting in found.settings[-3:]:
        assert setting.current in [option.value for option in setting.options]
    house.server.senses = {"speak"}
    assert current(await house.overview(HERE, ANN))["voice"] == "/voice text"


async def test_who_may_not_talk_to_the_bot_is_told_nothing(house: House):
    assert await house.overview(Place("test", "bot", "bob"), Person("bob")) == Overview()


async def test_where_the_models_server_is_away_there_is_no_model_to_choose(house: House):
    house.server.error = Unreachable()
    assert set(current(await house.overview(HERE, ANN))) == {"role", "language"}
    house.server.error = StoreAway()
    with pytest.raises(StoreAway):
        await house.overview(HERE, ANN)


async def test_a_server_with_very_many_models_does_not_break_a_menu(house: House):
    house.server.listed = [f"model-{number}" for number in range(SHOWN + 50)]
    assert len((await house.overview(HERE, ANN)).settings[1].options) == SHOWN


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_language_calls_itself_by_its_own_name(house: House, language: str):
    overview = await house.overview(HERE, Person("ann", "Ann", language))
    labels = [option.label for option in overview.settings[2].options]
    assert labels[1:] == ["English", "简体中文", "繁體中文"]
