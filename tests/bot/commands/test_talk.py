"""Commands about the dialogue, its settings and the person: done once, bad input answered clearly, nothing shared."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.api import Choices, Media, Notice
from bot.commands import Command, Registry
from bot.commands.settings import PARAMETERS
from bot.errors import EmptyAnswer
from bot.profile import Profile
from tests.bot.commands.house import ADMIN, GROUP, PRIVATE, House
from tests.bot.doubles import Collected, Held, catalogue, delivery
from tests.bot.test_dialogue import fails, says


@pytest.fixture
def house(redis: Redis, prefix: str) -> House:
    return House(redis, prefix)


@pytest.fixture
def shared(redis: Redis, prefix: str) -> House:
    """Where everybody in a group shares one conversation."""
    return House(redis, prefix, policy="chat")


def words(reply: Collected) -> str:
    """All that the bot said with its own voice."""
    return "\n".join(p.text for p in reply.parts if isinstance(p, Notice | Choices))


# --- who and where ------------------------------------------------------------------------------------------


async def test_admin_and_hidden_commands_exist_for_those_who_may_use_them(house: House):
    ran: list[str] = []

    async def run(call) -> None:
        ran.append(call.delivery.message.person.id)

    family = [
        Command("stop", run, admin=True),
        Command("new", run, hidden=True),
        Command("id", run, where="private"),
        Command("role", run, where="group"),
    ]
    registry = Registry(family, languages=("en",), say=catalogue().say, admin=house.admin)

    async def say(text: str, person: str = "ann", place=PRIVATE) -> Collected:
        made, reply = delivery(house.message(text, person, place))
        assert await registry.run(made)
        return reply

    assert (await say("/stop")).notices == ["command.unknown"]
    assert (await say("/stpo")).notices == ["command.unknown"]
    assert (await say("/stop", place=GROUP)).parts == []
    assert (await say("/stop", ADMIN)).parts == (await say("/new")).parts == []
    assert ran == [ADMIN, "ann"]
    assert (await say("/stpo", ADMIN)).notices == ["command.unknown_near"]
    assert (await say("/nwe")).notices == ["command.unknown"]
    assert (await say("/id", place=GROUP)).notices == ["command.private_only"]
    assert (await say("/role")).notices == ["command.group_only"]
    assert [(entry.name, entry.admin) for entry in registry.menu()] == [
        ("id", False),
        ("role", False),
        ("stop", True),
    ]


def test_a_name_stands_for_one_command_only(house: House):
    async def run(call) -> None:
        raise AssertionError

    twice = [Command("new", run, ("again",)), Command("retry", run, ("again",))]
    with pytest.raises(ValueError, match="/again"):
        Registry(twice, languages=("en",), say=catalogue().say)


async def test_every_command_has_a_chinese_name_in_both_scripts_or_one_that_is_both(house: House):
    for command in house.registry.commands:
        chinese = [name for name in command.aliases if not name.isascii()]
        assert chinese or command.hidden, command.name


# --- the dialogue -------------------------------------------------------------------------------------------


async def test_undo_takes_the_last_exchange_out_and_a_crash_does_not_make_it_two(house: House):
    for text in ("one", "two", "three"):
        await house.say(text)
    hold = Held()
    assert (await house.say("/undo", hold=hold)).notices == ["undo.done"]
    assert (await house.say("/undo", hold=Held(hold.kept, attempt=2))).notices == ["undo.done"]
    await house.say("and now?")
    assert [text for role, text in house.server.asked() if role == "user"] == ["one", "two", "and now?"]


async def test_there_may_be_nothing_to_undo_to_summarise_or_to_export(house: House):
    for command in ("undo", "summary", "export"):
        assert (await house.say(f"/{command}")).notices == [f"{command}.nothing"]
    await house.say("one")
    await house.say("/undo")
    assert (await house.say("/retry")).notices == ["retry.nothing"]


async def test_a_summary_is_an_answer_that_can_be_talked_about(house: House):
    await house.say("My cat is called Miu.")
    house.server.scripts = [says("You have a cat.")]
    assert (await house.say("/summary", language="zh-CN")).text == "You have a cat."
    assert house.server.asked()[0] == ("user", "My cat is called Miu.")
    assert "总结" in house.server.asked()[-1][1]
    await house.say("Shorter.")
    assert ("assistant", "You have a cat.") in house.server.asked()


async def test_the_dialogue_can_be_had_as_a_file(house: House):
    await house.say("What is *this*?")
    (markdown,) = (await house.say("/export")).parts
    (document,) = (await house.say("/export JSON")).parts
    assert isinstance(markdown, Media)
    assert isinstance(document, Media)
    assert (markdown.name, document.name) == ("dialogue-2023-11-14.md", "dialogue-2023-11-14.json")
    assert (markdown.kind, markdown.mime, document.mime) == ("file", "text/markdown", "application/json")
    assert "What is *this*?" in markdown.data.decode()
    assert markdown.caption == "Our dialogue: one question and its answer."
    (exchange,) = json.loads(document.data)["exchanges"]
    assert [m["role"] for m in exchange["messages"]] == ["user", "assistant"]
    assert (await house.say("/export pdf")).notices == ["export.unknown"]


# --- sessions -----------------------------------------------------------------------------------------------


async def test_sessions_are_begun_named_listed_switched_and_deleted(house: House):
    await house.say("I am in the first.")
    assert (await house.say("/sessions new Trip to Rome")).notices == ["sessions.switched"]
    await house.say("I am in Rome.")
    assert house.server.asked() == [("user", "I am in Rome.")]
    (choices,) = (await house.say("/sessions")).choices
    assert [o.label for o in choices.options] == ["Main (1)", "Trip to Rome (1)"]
    assert "Trip to Rome" in choices.text
    await house.say("/sessions MAIN")
    await house.say("And now?")
    assert house.server.asked()[0] == ("user", "I am in the first.")
    assert (await house.say("/sessions name Home")).notices == ["sessions.named"]
    assert (await house.say("/sessions name trip to rome")).notices == ["sessions.taken"]
    assert (await house.say("/sessions delete trip TO rome")).notices == ["sessions.deleted"]
    (choices,) = (await house.say("/sessions")).choices
    assert [o.value for o in choices.options] == ["/sessions Home"]


async def test_new_and_retry_and_undo_concern_the_session_in_use(house: House):
    await house.say("first")
    await house.say("/sessions new other")
    assert (await house.say("/retry")).notices == ["retry.nothing"]
    await house.say("second")
    await house.say("/new")
    await house.say("/sessions Main")
    await house.say("third")
    assert house.server.asked()[0] == ("user", "first")


async def test_deleting_the_session_in_use_goes_back_to_the_first(house: House):
    await house.say("/sessions new other")
    await house.say("/sessions delete other")
    assert (await house.profile()).session == ""
    await house.say("/sessions new other")
    await house.say("hello")
    assert house.server.asked() == [("user", "hello")]


async def test_somebody_elses_session_cannot_be_reached(house: House):
    await house.say("/sessions new Secret", person="bob")
    await house.say("my secret", person="bob")
    ours = (await house.profile("bob")).session
    for name in ("Secret", ours, f"#{ours}", f"bob#{ours}"):
        (choices,) = (await house.say(f"/sessions {name}")).choices
        assert [o.value for o in choices.options] == ["/sessions Main"]
        assert (await house.profile()).session == ""
    await house.say("/sessions new Secret")
    await house.say("hello")
    assert "my secret" not in str(house.server.asked())


@pytest.mark.parametrize("name", ["<b>x</b>", "*", "a" * 61, "\u202e\u200b", "[a](b)", "`rm`"])
async def test_a_name_with_markup_or_nothing_to_see_is_refused_and_nothing_changes(house: House, name: str):
    assert (await house.say(f"/sessions new {name}")).notices == ["sessions.bad_name"]
    assert await house.remembered() == []


async def test_there_is_a_bound_on_sessions(house: House):
    for n in range(19):
        assert (await house.say(f"/sessions new n{n}")).notices == ["sessions.switched"]
    assert (await house.say("/sessions new one more")).notices == ["sessions.full"]
    assert (await house.say("/sessions new n3")).notices == ["sessions.switched"]


# --- settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("temperature 0.7", Profile(temperature=0.7)),
        ("temp=0,7", Profile(temperature=0.7)),
        ("温度：１.５", Profile(temperature=1.5)),
        ("TOP_P .5", Profile(top_p=0.5)),
        ("max_tokens 500", Profile(max_tokens=500)),
        ("max_tokens 1,500", Profile(max_tokens=1500)),
        ("presence -2", Profile(presence_penalty=-2)),
        ("frequency_penalty +1", Profile(frequency_penalty=1)),
        ('stop END "two words" \\n', Profile(stop=("END", "two words", "n"))),
        ('stop "a\\nb"', Profile(stop=("a\nb",))),
    ],
)
async def test_a_parameter_is_set_shown_sent_and_taken_back(house: House, text: str, chosen: Profile):
    assert (await house.say(f"/set {text}")).notices == ["set.done"]
    assert await house.profile() == chosen
    await house.say("hello")
    request = house.server.requests[-1]
    for name in ("top_p", "max_tokens", "presence_penalty", "frequency_penalty", "stop"):
        assert getattr(request, name) == getattr(chosen, name)
    assert "default" in words(await house.say("/set"))
    name = text.split(maxsplit=1)[0].partition("=")[0].partition("：")[0]
    assert (await house.say(f"/set {name} default")).notices == ["set.back"]
    assert await house.profile() == Profile()


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda p: p.name)
@pytest.mark.parametrize("value", ["", "2.5", "-3", "nan", "inf", "1e9", "1_0", "warm", "9" * 400, "0x1"])
async def test_a_value_out_of_range_is_answered_with_the_range_and_changes_nothing(
    house: House, parameter, value: str
):
    reply = await house.say(f"/set {parameter.name} {value}")
    assert reply.notices[0] in ("set.range", "set.whole_range")
    assert f"{parameter.low:g}" in words(reply)
    assert await house.remembered() == []


@pytest.mark.parametrize("text", ["stop", 'stop "', 'stop ""', "stop a b c d e", f"stop {'x' * 101}"])
async def test_stop_words_have_bounds_too(house: House, text: str):
    assert (await house.say(f"/set {text}")).notices == ["set.stop_range"]
    assert await house.remembered() == []


async def test_an_unknown_parameter_names_the_nearest(house: House):
    assert "temperature" in words(await house.say("/set temprature 1"))
    assert (await house.say("/set \u202e<b> 1")).notices == ["set.unknown"]


async def test_all_parameters_are_taken_back_at_once(house: House):
    await house.say("/set temperature 1")
    await house.say("/set stop END")
    assert (await house.say("/set default")).notices == ["set.all_back"]
    assert await house.profile() == Profile()


async def test_settings_show_all_choices_at_a_glance(house: House):
    for text in ("/role chef", "/model big-model", "/set temperature 0.2", "/lang zh-Hant"):
        await house.say(text)
    await house.profiles.change("test:bot:private:ann:", voice="transcript", speaker="nova", speed=1.25)
    (choices,) = (await house.say("/settings")).choices
    for value in ("big-model", "temperature: 0.2", "繁體中文", "僅轉寫", "nova", "1.25 ×"):
        assert value in choices.text
    assert [o.value for o in choices.options] == [
        "/role",
        "/model",
        "/lang",
        "/set",
        "/sessions",
        "/voice",
        "/voice voices",
        "/voice speed",
    ]


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("en", "English"),
        ("zh-TW", "繁體中文"),
        ("简体中文", "简体中文"),
        ("Traditional", "繁體中文"),
        ("ZH_cn", "简体中文"),
    ],
)
async def test_the_language_is_changed_at_once(house: House, name: str, language: str):
    assert language in words(await house.say(f"/lang {name}"))
    (choices,) = (await house.say("/lang")).choices
    assert [o.value for o in choices.options] == ["/lang en", "/lang zh-Hans", "/lang zh-Hant", "/lang auto"]


async def test_the_language_goes_back_to_the_apps_own(house: House):
    await house.say("/lang zh-Hans")
    assert "English" in words(await house.say("/lang auto", language="en-GB"))
    assert (await house.profile()).language == ""


@pytest.mark.parametrize("name", ["klingon", "fr", "zhx", "en" * 50, "\u202e"])
async def test_a_language_that_we_do_not_speak_is_answered_with_those_we_do(house: House, name: str):
    (choices,) = (await house.say(f"/lang {name}")).choices
    assert len(choices.options) == 4
    assert await house.remembered() == []


async def test_a_language_chosen_in_a_thread_holds_in_all_of_them(house: House):
    await house.say("/lang zh-Hans", place=replace(GROUP, thread="7"))
    assert (await house.profile(place=replace(GROUP, thread="8"))).language == "zh-Hans"
    assert (await house.profile(person="bob", place=GROUP)).language == ""


async def test_what_holds_for_a_whole_group_only_an_admin_changes(shared: House):
    for text in ("/set temperature 1", "/lang zh-Hans", "/sessions new other"):
        assert (await shared.say(text, place=GROUP)).notices == ["command.admins_only"]
        assert await shared.profile(place=GROUP) == Profile()
    for text in ("/set", "/lang", "/sessions", "/settings"):
        assert "admin" not in words(await shared.say(text, place=GROUP))
    await shared.say("/set temperature 1", ADMIN, GROUP)
    assert (await shared.profile(place=GROUP)).temperature == 1


# --- the person ---------------------------------------------------------------------------------------------


async def test_id_names_the_person_and_the_place_as_the_operator_needs_them(house: House):
    assert words(await house.say("/id")) == "Your id: test:ann"
    reply = await house.say("/id", place=replace(GROUP, thread="7"))
    assert words(reply).splitlines() == ["Your id: test:ann", "This group: test:team", "This thread: 7"]


async def test_about_tells_the_version_the_model_and_what_is_kept(house: House):
    text = words(await house.say("/about"))
    for value in ("version", "some-model", "7 days", "https://bot.example.org"):
        assert value in text


async def test_about_and_settings_do_not_need_the_models_server(house: House):
    house.server.away = True
    assert "model: ?" in words(await house.say("/about"))
    assert "model: ?" in words(await house.say("/settings"))


async def yes(house: House, person: str = "ann", place=PRIVATE) -> str:
    (choices,) = (await house.say("/forget", person, place)).choices
    assert choices.options[1].value == "/forget no"
    return choices.options[0].value


async def test_forget_asks_and_then_keeps_nothing(house: House):
    for text in ("/role chef", "hello", "/lang zh-Hans"):
        await house.say(text)
    button = await yes(house)
    assert (await house.say("/forget no")).notices == ["forget.kept"]
    assert len(await house.remembered()) == 3
    dropped = list[str]()

    async def forget() -> None:
        dropped.append("what the platform's drawer holds")

    assert (await house.say(button, forget=forget)).notices == ["forget.done"]
    assert await house.remembered() == []
    assert house.forgotten == ["ann"]
    assert len(dropped) == 1


async def test_of_sessions_and_threads_nothing_is_left_but_that_they_were_cleared(house: House):
    thread = replace(PRIVATE, thread="7")
    await house.say("/sessions new other")
    for place in (PRIVATE, thread):
        await house.say("my secret", place=place)
    await house.say("/role chef", place=thread)
    house.server.scripts = [fails(EmptyAnswer())]
    with pytest.raises(EmptyAnswer):
        await house.say("my other secret", place=replace(PRIVATE, thread="8"))
    await house.say(await yes(house, place=thread), place=thread)
    for key in await house.remembered():
        assert await house.redis.hgetall(key) == {"cleared": "1"}
    assert await house.profile(place=thread) == Profile()
    await house.say("hello", place=thread)
    assert house.server.asked() == [("user", "hello")]


async def test_forgetting_leaves_other_people_and_places_alone(house: House):
    await house.say("hello", place=GROUP)
    await house.say("hello", person="bob")
    await house.say("hello", person="bob", place=GROUP)
    before = set(await house.remembered())
    await house.say("hello")
    await house.say(await yes(house))
    assert set(await house.remembered()) == before


@pytest.mark.parametrize(
    "proof", ["", "1", "yes", "ffffffffffff-00000000", "-", "0-0", "x" * 5000, "²-00000000"]
)
async def test_a_made_up_confirmation_forgets_nothing(house: House, proof: str):
    await house.say("hello")
    before = await house.remembered()
    reply = await house.say(f"/forget yes {proof}")
    assert reply.choices or reply.notices == ["forget.expired"]
    assert await house.remembered() == before


async def test_an_old_button_and_somebody_elses_forget_nothing(house: House):
    await house.say("hello", place=GROUP)
    button = await yes(house, place=GROUP)
    assert (await house.say(button, "bob", GROUP)).notices == ["forget.expired"]
    house.now += 601
    assert (await house.say(button, place=GROUP)).notices == ["forget.expired"]
    assert len(await house.remembered()) == 2
    assert house.forgotten == []


async def test_in_a_shared_dialogue_its_words_are_forgotten_and_the_groups_choices_stay(shared: House):
    await shared.say("/set temperature 1", ADMIN, GROUP)
    await shared.say("hello", place=GROUP)
    assert (await shared.say(await yes(shared, place=GROUP), place=GROUP)).notices == ["forget.done_shared"]
    assert (await shared.profile(place=GROUP)).temperature == 1
    await shared.say("what did I say?", place=GROUP)
    assert len(shared.server.asked()) == 1
