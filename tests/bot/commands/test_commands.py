"""Commands: found by every name they have, answered in the person's language, bad input answered clearly."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.api import End, Notice
from bot.commands import Registry
from bot.commands.basics import Basics, help_for
from bot.commands.choices import Choices
from bot.commands.roles import RoleCommands
from bot.dialogue import Dialogue
from bot.easel import Easel
from bot.endpoints.images import Source
from bot.endpoints.models import Model as Listed
from bot.i18n import Catalogue
from bot.keys import Keys
from bot.profile import Profile, Profiles
from bot.roles import Roles
from bot.roles.casting import Casting
from bot.roles.own import OwnRoles
from bot.settings import DialogueSettings
from bot.window import Windows
from tests.bot.doubles import Collected, delivery, incoming, tokens
from tests.bot.test_dialogue import Model, says


class Server(Model):
    """A scripted model that also lists models."""

    def __init__(
        self, *scripts, listed: tuple[str, ...] = ("some-model", "big-model", "small-model")
    ) -> None:
        super().__init__(*scripts)
        self.listed = listed

    async def models(self) -> list[Listed]:
        return [Listed(id=name) for name in self.listed]


class House:
    """The registry over a real window and real profiles."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        catalogue, roles, keys = Catalogue.load(), Roles.load(None), Keys(prefix)
        self.server = Server()
        self.windows, self.profiles = Windows(redis, keys, ttl=600), Profiles(redis, keys)
        self.easel = Easel(redis, keys)
        casting = Casting(roles, OwnRoles(redis, keys), self.profiles, "assistant")
        self.dialogue = Dialogue(
            windows=self.windows,
            casting=casting,
            router=self.server,  # type: ignore[arg-type]
            meter=self.server,  # type: ignore[arg-type]
            tokens=tokens(),
            settings=DialogueSettings(),
        )
        family = [
            *Basics(self.windows, self.dialogue, clears=(self.easel.clear,)).commands(),
            *RoleCommands(casting, self.profiles, self.dialogue).commands(),
            *Choices(self.profiles, self.server).commands(),  # type: ignore[arg-type]
        ]
        self.registry = Registry(
            [help_for(family), *family], languages=catalogue.languages, say=catalogue.say
        )

    async def say(self, text: str, language: str = "en") -> Collected:
        made, reply = delivery(text, language=language, profile=await self.profiles.load("test-ann"))
        if not await self.registry.run(made):
            await self.dialogue(made)
        return reply

    async def profile(self) -> Profile:
        return await self.profiles.load("test-ann")


@pytest.fixture
def house(redis: Redis, prefix: str) -> House:
    return House(redis, prefix)


@pytest.mark.parametrize(
    "text", ["hello", "/etc/passwd is a file", "/", "//", "/ help", "/2", "a /help", "1/2"]
)
async def test_ordinary_text_is_no_command(house: House, text: str):
    assert not await house.registry.run(delivery(text)[0])
    assert not house.registry.urgent(text)


@pytest.mark.parametrize(
    "text", ["/help", "/HELP", " /help ", "/help@parley_bot", "/start", "/帮助", "／帮助"]
)
async def test_help_lists_every_command_by_any_of_its_names(house: House, text: str):
    reply = await house.say(text)
    (notice,) = reply.parts
    assert isinstance(notice, Notice)
    for command in house.registry.commands:
        assert f"/{command.name} – " in notice.text
        assert f"command.help.{command.name}" not in notice.text


@pytest.mark.parametrize("text", ["/help retry", "/help /RETRY", "/帮助 重试", "/start again"])
async def test_help_about_one_command_tells_its_other_names(house: House, text: str):
    (notice,) = (await house.say(text)).parts
    assert isinstance(notice, Notice)
    about, names = notice.text.splitlines()
    assert about.startswith("/retry – ")
    assert names == "Other names: /again, /重试, /重試"


async def test_help_about_a_misspelt_command_names_the_nearest(house: House):
    (notice,) = (await house.say("/help retri")).parts
    assert isinstance(notice, Notice)
    assert notice.key == "command.unknown_near"
    assert notice.text.startswith("I do not know the command retri. Did you mean /retry?")
    (notice,) = (await house.say("/start campaign-7")).parts  # what a link to the bot may carry
    assert isinstance(notice, Notice)
    assert "/retry – " in notice.text


async def test_a_row_of_names_has_the_marks_of_its_language(house: House):
    (notice,) = (await house.say("/help retry", "zh-Hans")).parts
    assert isinstance(notice, Notice)
    assert notice.text.splitlines()[1] == "也可以写作：/again、/重试、/重試"


async def test_help_and_the_menus_speak_every_language(house: House):
    notice = (await house.say("/help", "zh-Hans")).parts[0]
    assert isinstance(notice, Notice)
    assert "重新" in notice.text or "新" in notice.text
    for entry in house.registry.menu():
        assert set(entry.descriptions) == {"en", "zh-Hans", "zh-Hant"}
        assert entry.descriptions["en"] != entry.descriptions["zh-Hans"]


async def test_an_unknown_command_names_the_nearest_and_changes_nothing(house: House):
    near = (await house.say("/retri")).parts[0]
    assert isinstance(near, Notice)
    assert near.key == "command.unknown_near"
    assert "/retry" in near.text
    nearest = (await house.say("/重来")).parts[0]
    assert isinstance(nearest, Notice)
    assert "/重试" in nearest.text
    assert (await house.say("/xyzzy")).notices == ["command.unknown"]
    assert house.server.requests == []


async def test_in_a_group_an_unknown_command_may_be_another_bots_and_is_left_alone(house: House):
    message = incoming("/xyzzy")
    made, reply = delivery(replace(message, place=replace(message.place, kind="group")))
    assert await house.registry.run(made)
    assert reply.parts == []


async def test_new_forgets_the_dialogue(house: House):
    await house.say("My name is Ann.")
    assert (await house.say("/new")).notices == ["new.done"]
    await house.say("What is my name?")
    assert house.server.asked() == [("user", "What is my name?")]


async def test_new_forgets_the_last_picture(house: House):
    await house.easel.put("test-ann", Source(b"\x89PNG", "image/png"))
    await house.say("/new")
    assert await house.easel.picture("test-ann") is None


async def test_retry_answers_the_last_question_again(house: House):
    house.server.scripts = [says("heads"), says("tails")]
    assert (await house.say("/retry")).notices == ["retry.nothing"]
    await house.say("Toss a coin.")
    assert (await house.say("/retry")).text == "tails"
    assert [e.turns[-1].content for e in await house.windows.load("test-ann")] == ["tails"]


async def test_continue_asks_for_the_rest_of_an_answer_that_was_cut(house: House):
    assert (await house.say("/continue")).notices == ["continue.nothing"]
    house.server.scripts = [says("One, two,", reason="length"), says("three.")]
    cut = await house.say("Count.")
    assert isinstance(cut.parts[-1], End)
    assert [o.value for o in cut.parts[-1].offers] == ["/retry", "/continue"]
    rest = await house.say("/continue")
    assert rest.text == "three."
    assert house.server.asked()[:2] == [("user", "Count."), ("assistant", "One, two,")]
    assert "where you stopped" in house.server.asked()[2][1]


async def test_stop_is_urgent_and_says_so_where_nothing_runs(house: House):
    assert house.registry.urgent("/stop")
    assert house.registry.urgent("/停止")
    assert not house.registry.urgent("/new")
    assert (await house.say("/stop")).notices == ["stop.nothing"]


async def test_model_shows_the_servers_models_and_taking_one_is_used(house: House):
    (choices,) = (await house.say("/model")).choices
    assert [o.value for o in choices.options] == [
        "/model some-model",
        "/model big-model",
        "/model small-model",
    ]
    await house.say("/model big-model")
    await house.say("hello")
    assert house.server.requests[-1].model == "big-model"
    await house.say("/model some-model")
    assert await house.profile() == Profile()


async def test_a_model_that_is_not_listed_is_answered_with_near_ones(house: House):
    (choices,) = (await house.say("/model big-modle")).choices
    assert choices.options[0].value == "/model big-model"
    assert (await house.profile()).model == ""


async def test_where_the_server_lists_nothing_any_model_may_be_named(house: House):
    house.server.listed = ()
    assert (await house.say("/model")).notices == ["model.none_listed"]
    assert (await house.say("/model my/own:model")).notices == ["model.set"]
    assert (await house.profile()).model == "my/own:model"
