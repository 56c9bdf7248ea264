"""What people press and where the app is installed, on its way in; by the real library over a socket or HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.slack.installations import Installations, Installed
from bot.api import Busy, Choices, End, Gone, MenuEntry, Notice, Option, Text, Unavailable
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.adapters.slack.running import Ear, Running, reachable, running
from tests.simulators.slack import Message, Person, SlackSimulator, Team, slack_simulator

RATINGS = (Option("👍", "/feedback good"), Option("👎", "/feedback bad"))


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator() as simulator:
        simulator.retry_delays = (0.0, 0.05, 0.05)
        yield simulator


@pytest.fixture
def ann(slack: SlackSimulator) -> Person:
    return slack.person("Ann")


@pytest.fixture(params=["socket", "http"])
def way(request: pytest.FixtureRequest) -> Any:
    """Both ways in which Slack sends."""
    return running if request.param == "socket" else reachable


async def answered(bot: Running, *parts: Any) -> None:
    """The newest message is answered."""
    reply = bot.adapter.reply(bot.ear.heard[-1], MemoryJournal())
    for part in parts:
        await reply.send(part)


async def asked(slack: SlackSimulator, bot: Running, ann: Person) -> Message:
    """Ann's question in a channel, which has been heard."""
    question = await ann.says(slack.channel("general", [ann]), f"{slack.mention} hello")
    await bot.ear.hears(1)
    await slack.settled()
    return question


# --- buttons -------------------------------------------------------------------------------------------------


async def test_a_pressed_choice_is_heard_in_the_thread_of_its_message(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    async with way(slack) as bot:
        question = await asked(slack, bot, ann)
        await answered(
            bot, Choices("Which?", (Option("Chef", "/role chef"), Option("Poet", "/role poet"))), End()
        )
        interaction = await ann.presses(question.thread.last, "Poet")
        assert await interaction.answered() is None
        pressed = bot.ear.heard[-1]
        assert (pressed.text, pressed.addressed) == ("/role poet", "command")
        assert (pressed.place, pressed.person) == (bot.ear.heard[0].place, bot.ear.heard[0].person)


async def test_an_option_of_many_is_heard_in_the_same_way(slack: SlackSimulator, ann: Person) -> None:
    async with running(slack) as bot:
        question = await asked(slack, bot, ann)
        options = tuple(Option(f"Role {number}", f"/role {number}") for number in range(40))
        await answered(bot, Choices("Which?", options), End())
        (menu,) = [
            element["action_id"]
            for block in question.thread.last.blocks
            for element in block.get("elements", ())
            if element["type"] == "static_select"
        ]
        await (await ann.selects(question.thread.last, menu, "Role 33")).answered()
        assert bot.ear.heard[-1].text == "/role 33"


async def test_a_rating_is_heard_and_nothing_is_said_about_it(slack: SlackSimulator, ann: Person) -> None:
    async with running(slack) as bot:
        question = await asked(slack, bot, ann)
        await answered(bot, Text("a leek is a vegetable"), End(ratings=RATINGS))
        await (await ann.rates(question.thread.last, good=False)).answered()
        assert bot.ear.heard[-1].text == "/feedback bad"
        before = question.thread.visible()
        await answered(bot, End())
        assert question.thread.visible() == before


async def test_while_nothing_can_be_accepted_a_press_fails_where_it_is_seen(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    slack.ack_seconds = 1
    async with way(slack) as bot:
        question = await asked(slack, bot, ann)
        await answered(bot, Choices("Which?", (Option("Chef", "/role chef"),)), End())
        bot.ear.outcomes = [Unavailable("away")]
        interaction = await ann.presses(question.thread.last, "Chef")
        with pytest.raises(AssertionError):
            await interaction.answered()


async def test_a_button_that_holds_nothing_any_more_says_so(slack: SlackSimulator, ann: Person) -> None:
    async with running(slack) as bot:
        question = await asked(slack, bot, ann)
        await answered(bot, Choices("Which?", (Option("Chef", "/role chef"),)), End())
        for block in question.thread.last.blocks:
            for element in block.get("elements", ()):
                element["value"] = ""
        await (await ann.presses(question.thread.last, "Chef")).answered()
        await ann.sees(question.channel, "too old")
        assert bot.ear.texts == ["hello"]


async def test_a_control_that_nobody_knows_is_acknowledged(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    async with way(slack) as bot:
        question = await asked(slack, bot, ann)
        await answered(bot, Choices("Which?", (Option("Chef", "/role chef"),)), End())
        for block in question.thread.last.blocks:
            for element in block.get("elements", ()):
                element["action_id"] = "from an older version"
        await (await ann.presses(question.thread.last, "Chef")).answered()
        assert bot.ear.texts == ["hello"]


# --- what one person sees ------------------------------------------------------------------------------------


async def test_what_a_whisper_asks_is_answered_by_a_whisper(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    general = slack.channel("general", [ann])
    async with way(slack) as bot:
        await bot.adapter.menu([MenuEntry("role", {"en": "Choose a role"})])
        await (await ann.slash(general, "role")).answered()
        await bot.ear.hears(1)
        assert bot.ear.texts == ["/role"]
        await answered(bot, Choices("Which?", (Option("Chef", "/role chef"),)), End())
        whisper = await ann.sees(general, "Which?")
        await (await ann.presses(whisper, "Chef")).answered()
        assert bot.ear.texts == ["/role", "/role chef"]
        await answered(bot, Notice("role.set", {}, "You talk to Chef."), End())
        await ann.sees(general, "You talk to Chef.")
        assert general.visible() == []


async def test_a_whisper_reaches_where_the_bot_is_no_member(slack: SlackSimulator, ann: Person) -> None:
    general = slack.channel("general", [ann], bot=False)
    async with running(slack, ear=Ear(Busy("Too much waits."))) as bot:
        await bot.adapter.menu([MenuEntry("role", {"en": "Choose a role"})])
        await (await ann.slash(general, "role")).answered()
        await ann.sees(general, "Too much waits.")
        await (await ann.slash(general, "role")).answered()
        await answered(bot, Choices("Which?", (Option("Chef", "/role chef"),)), End())
        whisper = await ann.sees(general, "Which?")
        await (await ann.presses(whisper, "Chef")).answered()
        await answered(bot, Notice("role.set", {}, "You talk to Chef."), End())
        await ann.sees(general, "You talk to Chef.")


async def test_the_home_tab_is_shown_when_it_is_opened(slack: SlackSimulator, ann: Person, way: Any) -> None:
    async with way(slack):
        await ann.opens_home()
        await slack.settled()
        await slack.until(lambda: ann.home is not None)


async def test_a_slash_command_gets_a_word_while_nothing_can_be_accepted(
    slack: SlackSimulator, ann: Person
) -> None:
    general = slack.channel("general", [ann])
    async with running(slack, ear=Ear(Unavailable("away"))) as bot:
        await bot.adapter.menu([MenuEntry("role", {"en": "Choose a role"})])
        await (await ann.slash(general, "role")).answered()
        await ann.sees(general, "Please try again")


# --- many workspaces -----------------------------------------------------------------------------------------


async def installed(slack: SlackSimulator, store: MemoryStore, *teams: Team) -> Installations:
    """The app is installed in these workspaces."""
    installations = Installations(store, slack.client_secret)
    for team in teams:
        await installations.put(Installed(team.id, "", SecretStr(team.token), team.user, team.bot))
    return installations


def many(slack: SlackSimulator, store: MemoryStore, **how: Any) -> Any:
    """The adapter as an app that workspaces install."""
    return reachable(
        slack,
        store=store,
        SLACK_BOT_TOKEN="",
        SLACK_CLIENT_ID=slack.client_id,
        SLACK_CLIENT_SECRET=slack.client_secret,
        **how,
    )


async def test_each_workspace_is_heard_and_answered_by_its_own_bot(
    slack: SlackSimulator, ann: Person
) -> None:
    globex, store = slack.add_team("Globex"), MemoryStore()
    hank = slack.person("Hank", team=globex)
    await installed(slack, store, slack.team, globex)
    async with many(slack, store) as bot:
        for person, team in ((ann, slack.team), (hank, globex)):
            await person.says(slack.dm(person), "hello")
            await slack.settled()
            assert bot.ear.heard[-1].place.account == team.id
            await answered(bot, Text(f"hello, {person.name}"), End())
        assert slack.dm(ann).visible() == ["hello, Ann"]
        assert slack.dm(hank).visible() == ["hello, Hank"]


async def test_after_it_was_taken_out_of_a_workspace_it_is_forgotten_there(
    slack: SlackSimulator, ann: Person
) -> None:
    store = MemoryStore()
    installations = await installed(slack, store, slack.team)
    async with many(slack, store) as bot:
        await ann.says(slack.dm(ann), "hello")
        await slack.settled()
        await slack.uninstall(slack.team)
        await slack.settled()
        assert await installations.get(slack.team.id) is None
        assert all(delivery.acknowledged for delivery in slack.deliveries)
        with pytest.raises(Gone):
            await answered(bot, Text("too late"), End())
        assert await bot.adapter.earlier(replace(bot.ear.heard[0], id="9.9")) == ()


async def test_what_comes_from_a_workspace_that_we_do_not_know_is_dropped(
    slack: SlackSimulator, ann: Person
) -> None:
    async with many(slack, MemoryStore()) as bot:
        await ann.says(slack.dm(ann), "hello")
        await slack.settled()
        assert slack.deliveries.of("message")[0].acknowledged
        assert bot.ear.tried == []


async def test_workspaces_that_are_kept_nowhere_for_now_are_asked_about_again(
    slack: SlackSimulator, ann: Person, eventually: Any
) -> None:
    """Redis is away: nothing is lost, because nothing is acknowledged."""

    async def refused() -> bool:
        return any(attempt.status == 503 for attempt in slack.deliveries.of("message")[0].tries)

    store = MemoryStore()
    await installed(slack, store, slack.team)
    async with many(slack, store) as bot:
        await store.go()
        await ann.says(slack.dm(ann), "hello")
        await eventually(refused)
        await store.come()
        await bot.ear.hears(1)
