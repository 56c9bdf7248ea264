"""/role and /system: choosing, making, sharing and deleting roles; every mistake answered, nothing changed by it."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.api import Choices, Notice, Person, Place
from bot.commands import Registry
from bot.commands.roles import PAGE, RoleCommands
from bot.delivery import Delivery
from bot.dialogue import Dialogue
from bot.i18n import LANGUAGES, Catalogue
from bot.intake import clean
from bot.keys import Keys
from bot.profile import Profile, Profiles
from bot.roles import Roles
from bot.roles.casting import Casting
from bot.roles.own import NAME_LIMIT, OWN_LIMIT, PROMPT_LIMIT, OwnRoles, group_of, owner_of, role_id
from bot.settings import DialogueSettings
from bot.window import Windows
from tests.bot.doubles import Collected, Held, incoming, tokens
from tests.bot.test_dialogue import Model

HOME, CLUB = Place("test", "bot", "home"), Place("test", "bot", "club", kind="group")
COMMON = Place("test", "bot", "common", kind="group")
THREAD = Place("test", "bot", "thread")
HERS, CLUBS = owner_of(HOME, Person("ann")), group_of(CLUB)


class House:
    """Ann and Bob, at home or in their club, which shares one conversation."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        keys, catalogue = Keys(prefix), Catalogue.load()
        self.catalogue = catalogue
        self.profiles = Profiles(redis, keys)
        self.own = OwnRoles(redis, keys)
        casting = Casting(Roles.load(), self.own, self.profiles, "assistant")
        self.model = Model()
        self.windows = Windows(redis, keys, ttl=600)
        self.dialogue = Dialogue(
            windows=self.windows,
            casting=casting,
            router=self.model,  # type: ignore[arg-type]
            meter=self.model,  # type: ignore[arg-type]
            tokens=tokens(),
            settings=DialogueSettings(),
            clock=float,
        )
        self.registry = Registry(
            RoleCommands(casting, self.profiles, self.dialogue).commands(),
            languages=catalogue.languages,
            say=catalogue.say,
            admin=lambda place, person: person.id == "root",
        )

    async def say(
        self, text: str, who: str = "ann", place: Place = HOME, language: str = "en", home: str = ""
    ) -> Collected:
        message = clean(replace(incoming(text), place=place, person=Person(who, who.title(), language)))
        profile, reply = await self.profiles.load(place.chat, home), Collected()
        made = Delivery(
            message,
            place.chat,
            reply,
            Held(),
            ref="REF12345",
            profile=profile,
            language=language,
            say=self.catalogue.say,
            home=home,
            shared=place == COMMON,
        )
        if not await self.registry.run(made):
            await self.dialogue(made)
        return reply

    async def profile(self, place: Place = HOME) -> Profile:
        return await self.profiles.load(place.chat)

    async def names(self, owner: str = HERS) -> list[str]:
        return [made.name for made in await self.own.listed(owner)]


@pytest.fixture
def house(redis: Redis, prefix: str) -> House:
    return House(redis, prefix)


def said(reply: Collected) -> str:
    """The one part that was said, as text."""
    (part,) = reply.parts
    assert isinstance(part, Notice | Choices)
    return part.text


def pressed(reply: Collected, label: str) -> str:
    """What comes back when the button is pressed."""
    (choices,) = reply.choices
    return next(option.value for option in choices.options if label in option.label)


async def test_the_tools_of_a_role_are_shown(house: House) -> None:
    assert "Besides talking: draw pictures, change pictures." in said(await house.say("/role"))
    await house.say("/role chef")
    assert "Besides talking" not in said(await house.say("/role"))


# --- choosing -----------------------------------------------------------------------------------------------


async def test_taking_a_role_keeps_the_dialogue_and_greets(house: House):
    await house.say("My name is Ann.")
    greeting = said(await house.say("/role translator"))
    assert "🌐 Translator" in greeting
    assert "\n\n" in greeting
    await house.say("Bonjour")
    assert house.model.asked()[0] == ("user", "My name is Ann.")
    assert (await house.profile()).role == "translator"
    assert "🌐 Translator" in said(await house.say("/role"))


@pytest.mark.parametrize(("name", "role"), [("翻译", "translator"), ("Coder", "coder"), ("WRITER", "writer")])
async def test_a_role_is_known_by_its_name_in_any_language(house: House, name: str, role: str):
    await house.say(f"/role {name}")
    assert (await house.profile()).role == role


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_role_can_be_reached_by_buttons_page_by_page(house: House, language: str):
    values, command, pages = set(), "/role", 0
    while command and pages < 10:
        (choices,) = (await house.say(command, language=language)).choices
        assert len(choices.options) <= PAGE + 2
        more = [o.value for o in choices.options if o.value.startswith("/role list")]
        values |= {o.value for o in choices.options}
        pages += 1
        command = f"/role list {pages + 1}" if f"/role list {pages + 1}" in more else ""
    assert values >= {f"/role {role.id}" for role in Roles.load().all()}
    assert pages > 1


async def test_a_list_says_what_each_role_is_by_category(house: House):
    await house.say("/role new Muse: Inspire.")
    text = said(await house.say("/role list"))
    assert text.index("Your own") < text.index("🎭 Muse") < text.index("Everyday")
    assert "💬 Assistant – answers whatever you ask" in text


@pytest.mark.parametrize("number", ["0", "99", "99999999999", "-1", "x", "٣", "²", ""])
async def test_a_page_that_does_not_exist_is_answered_with_one_that_does(house: House, number: str):
    assert "Roles, page " in said(await house.say(f"/role list {number}"))


async def test_a_role_that_does_not_exist_is_said_with_the_nearest(house: House):
    reply = await house.say("/role translater")
    assert "“translater”" in said(reply)
    assert reply.choices[0].options[0].value == "/role translator"
    assert await house.profile() == Profile()


async def test_the_choice_is_taken_back(house: House):
    await house.say("/role chef")
    assert "Assistant" in said(await house.say("/role default"))
    assert await house.profile() == Profile()


async def test_an_admin_chooses_the_role_of_new_conversations_and_nobody_else_does(house: House):
    assert "Only an admin" in said(await house.say("/role default chef"))
    assert "Assistant" in said(await house.say("/role"))
    assert "Chef" in said(await house.say("/role default 厨师", "root"))
    assert "Chef" in said(await house.say("/role"))
    assert "“cheff”" in said(await house.say("/role default cheff", "root"))
    assert "Assistant" in said(await house.say("/role default reset", "root"))
    assert "Assistant" in said(await house.say("/role"))


# --- roles of one's own -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [":", "：", "\n", " : ", ":\n"])
async def test_a_role_is_made_and_used_by_its_button(house: House, sign: str):
    reply = await house.say(f"/role new Sea dog{sign}You are a pirate.\nSay arr to {{user}}.")
    assert "“Sea dog”" in said(reply)
    await house.say(pressed(reply, "Use"))
    await house.say("hello")
    assert house.model.requests[-1].messages[0].content == "You are a pirate.\nSay arr to Ann."


async def test_a_role_of_ones_own_is_used_by_its_name_and_by_nobody_else(house: House):
    await house.say("/role new Sea dog: Arr.")
    assert "Sea dog" in said(await house.say("/role sea DOG"))
    assert (await house.profile()).role == role_id(HERS, "Sea dog")
    assert "no role" in said(await house.say("/role sea dog", "bob", CLUB))
    assert "no role" in said(await house.say(f"/role {role_id(HERS, 'Sea dog')}", "bob", CLUB))


async def test_what_one_person_chooses_in_a_group_is_played_for_all(house: House):
    await house.say("/role new Sea dog: Arr.")
    await house.say("/role sea dog", place=CLUB)
    await house.say("hello", "bob", CLUB)
    assert house.model.requests[-1].messages[0].content == "Arr."


async def test_a_changed_prompt_holds_at_once(house: House):
    await house.say("/role new Sea dog: Arr.")
    await house.say("/role sea dog")
    assert "new prompt" in said(await house.say("/role edit sea dog: Ahoy."))
    await house.say("hello")
    assert house.model.requests[-1].messages[0].content == "Ahoy."
    assert "no role called “Cook”" in said(await house.say("/role edit Cook: Ahoy."))


async def test_a_role_is_deleted_after_a_question_and_the_conversation_is_told_once(house: House):
    await house.say("/role new Sea dog: Arr.")
    await house.say("/role sea dog")
    question = await house.say("/role delete sea dog")
    assert await house.names() == ["Sea dog"]
    assert "is deleted" in said(await house.say(pressed(question, "Delete")))
    assert await house.names() == []
    assert "no role" in said(await house.say(pressed(question, "Delete")))
    assert (await house.say("hello")).notices == ["role.gone"]
    assert (await house.say("hello")).notices == []


async def test_a_shared_role_is_everybodys_and_its_authors_to_change(house: House):
    await house.say("/role new Sea dog: Arr.")
    assert "in the group" in said(await house.say("/role share Sea dog"))
    assert "Everybody" in said(await house.say("/role share sea dog", place=CLUB))
    assert role_id(CLUBS, "Sea dog") in pressed(await house.say("/role", "bob", CLUB), "👥 Sea dog")
    await house.say("/role sea dog", "bob", CLUB)
    assert (await house.profile(CLUB)).role == role_id(CLUBS, "Sea dog")
    await house.say("/role edit sea dog: Ahoy.", place=CLUB)
    await house.say("hello", "bob", CLUB)
    assert house.model.requests[-1].messages[0].content == "Ahoy."
    assert "no role" in said(await house.say("/role edit sea dog: Hacked.", "bob", CLUB))


async def test_a_shared_role_is_deleted_by_its_author_or_an_admin_only(house: House):
    await house.say("/role new Sea dog: Arr.")
    await house.say("/role share sea dog", place=CLUB)
    for text in ("sea dog", role_id(CLUBS, "Sea dog")):
        assert "somebody else" in said(await house.say(f"/role delete {text}", "bob", CLUB))
    assert await house.names(CLUBS) == ["Sea dog"]
    await house.say(pressed(await house.say("/role delete sea dog", "root", CLUB), "group"), "root", CLUB)
    assert (await house.names(CLUBS), await house.names()) == ([], ["Sea dog"])
    await house.say("/role share sea dog", place=CLUB)
    await house.say(pressed(await house.say("/role delete sea dog", place=CLUB), "group"), place=CLUB)
    assert (await house.names(CLUBS), await house.names()) == ([], ["Sea dog"])


async def test_two_people_cannot_share_different_roles_under_one_name(house: House):
    await house.say("/role new Sea dog: Arr.")
    await house.say("/role new Sea dog: Woof.", "bob")
    await house.say("/role share sea dog", place=CLUB)
    assert "another role" in said(await house.say("/role share sea dog", "bob", CLUB))
    assert "no role" in said(await house.say("/role share cook", place=CLUB))


async def test_there_is_room_for_so_many_roles_and_no_more(house: House):
    for number in range(OWN_LIMIT):
        await house.own.add(HERS, f"Role {number}", "x", author=HERS)
    assert f"{OWN_LIMIT} roles" in said(await house.say("/role new One more: x"))
    assert len(await house.names()) == OWN_LIMIT
    for number in range(OWN_LIMIT):
        await house.own.add(CLUBS, f"Club {number}", "x", author=HERS)
    assert f"{OWN_LIMIT} roles" in said(await house.say("/role share Role 1", place=CLUB))


# --- mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["new", "edit"])
@pytest.mark.parametrize(
    ("rest", "answer"),
    [
        ("", "To make a role"),
        ("Pirate", "To make a role"),
        ("Pirate:", "To make a role"),
        (": You are a pirate.", "To make a role"),
        ("<b>Pirate</b>: x", "formatting"),
        ("@everyone: x", "formatting"),
        ("🏴\u200b: x", "letters or digits"),
        (f"{'x' * (NAME_LIMIT + 1)}: x", f"at most {NAME_LIMIT} "),
        (f"Pirate: {'x' * 100_000}", f"at most {PROMPT_LIMIT:,} "),
    ],
)
async def test_a_faulty_definition_is_explained_and_nothing_changes(
    house: House, verb: str, rest: str, answer: str
):
    await house.say("/role new Pirate: Arr.")
    assert answer in said(await house.say(f"/role {verb} {rest}"))
    assert await house.names() == ["Pirate"]
    role = await house.own.get(role_id(HERS, "Pirate"))
    assert role is not None
    assert role.prompt("en") == "Arr."


@pytest.mark.parametrize("name", ["Translator", "翻譯", "ｃｈｅｆ", "list", "New York", "删除"])
async def test_the_names_of_shipped_roles_and_of_our_own_words_stay_theirs(house: House, name: str):
    assert "in use already" in said(await house.say(f"/role new {name}: x"))
    assert await house.names() == []


async def test_a_name_that_is_taken_is_said_and_its_role_stays(house: House):
    await house.say("/role new Pirate: Arr.")
    assert "already" in said(await house.say("/role new pirate: Ahoy."))
    role = await house.own.get(role_id(HERS, "Pirate"))
    assert role is not None
    assert role.prompt("en") == "Arr."


async def test_bidi_and_zero_width_characters_are_taken_out_of_a_name(house: House):
    assert "“evil Pirate”" in said(await house.say("/role new \u202eevil\u200b\u2066 Pirate\ufeff: Arr."))
    assert await house.names() == ["evil Pirate"]


@pytest.mark.parametrize("text", ["", "nobody", "*", "own:*", role_id(owner_of(HOME, Person("bob")), "Muse")])
async def test_nothing_is_deleted_that_is_not_ones_own(house: House, text: str):
    await house.say("/role new Muse: Inspire.", "bob")
    assert "no role" in said(await house.say(f"/role delete {text}"))
    assert await house.names(owner_of(HOME, Person("bob"))) == ["Muse"]


# --- the prompt ---------------------------------------------------------------------------------------------


async def test_system_shows_what_the_model_gets(house: House):
    text = said(await house.say("/system"))
    await house.say("hello")
    prompt = str(house.model.requests[-1].messages[0].content)
    assert "Ann" in prompt
    assert prompt.strip() in text


async def test_a_system_prompt_beats_the_role_until_it_is_taken_back(house: House):
    await house.say("/role chef")
    assert (await house.say("/system Answer {user} in one word.")).notices == ["system.set"]
    await house.say("hello")
    assert house.model.requests[-1].messages[0].content == "Answer Ann in one word."
    assert "Answer Ann in one word." in said(await house.say("/system"))
    assert "in its place" in said(await house.say("/role"))
    assert "Chef" in said(await house.say("/system reset"))
    await house.say("hello")
    assert "chef" in str(house.model.requests[-1].messages[0].content)


async def test_choosing_a_role_takes_a_system_prompt_back(house: House):
    await house.say("/system Be brief.")
    await house.say("/role chef")
    assert await house.profile() == Profile(role="chef")


async def test_in_a_thread_a_choice_stands_before_what_was_chosen_outside(house: House):
    async def framed(text: str) -> str:
        """What the model is told in the thread after a command there."""
        await house.say(text, place=THREAD, home="home")
        await house.say("hello", place=THREAD, home="home")
        return str(house.model.requests[-1].messages[0].content)

    await house.say("/role chef")
    await house.say("/system Be brief.")
    assert await framed("/help") == "Be brief."
    assert "chef" in await framed("/role chef")
    assert await framed("/system Be long.") == "Be long."
    assert "chef" in await framed("/system reset")
    assert "knowledgeable" in await framed("/role default")
    assert await house.profile() == Profile(role="chef", system="Be brief.")


@pytest.mark.parametrize("text", ["/role chef", "/role default", "/system Be rude.", "/system reset"])
async def test_what_a_whole_group_shares_only_an_admin_changes(house: House, text: str):
    await house.say("/role coder", "root", COMMON)
    before = await house.profile(COMMON)
    assert (await house.say(text, "bob", COMMON)).notices == ["command.admins_only"]
    assert await house.profile(COMMON) == before
    assert len((await house.say("/role", "bob", COMMON)).choices) == 1
    await house.say(text, "root", COMMON)
    assert (text == "/system reset") == (await house.profile(COMMON) == before)


async def test_a_system_prompt_that_is_too_long_is_refused(house: House):
    await house.say("/system Be brief.")
    assert (await house.say("/system " + "x" * 100_000)).notices == ["system.long"]
    assert (await house.profile()).system == "Be brief."


# --- anything ------------------------------------------------------------------------------------------------

_WORDS = st.sampled_from(
    [
        "new",
        "edit",
        "delete",
        "share",
        "list",
        "default",
        "删除",
        "新建",
        "chef",
        "Muse",
        "own:",
        ":",
        "：",
        "\n",
        "99",
    ]
)
_TEXT = st.text(
    st.one_of(st.characters(), st.sampled_from(string.punctuation + " \n:：\u202e\u200b")), max_size=80
)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    command=st.sampled_from(["/role ", "/角色 ", "/system ", "/prompt "]),
    words=st.lists(st.one_of(_WORDS, _TEXT), max_size=6),
    place=st.sampled_from([HOME, CLUB]),
    language=st.sampled_from(LANGUAGES),
)
async def test_whatever_is_sent_is_answered_in_one_part(
    house: House, command: str, words: list[str], place: Place, language: str
):
    reply = await house.say(command + " ".join(words), place=place, language=language)
    (part,) = reply.parts
    assert isinstance(part, Notice | Choices)
    assert part.text
    assert all(name == name.strip() and len(name) <= NAME_LIMIT for name in await house.names())
