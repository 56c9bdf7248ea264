"""`/parley`: commands that are answered to one person, and questions that a channel may read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.api import Busy, End, MenuEntry, Notice, Option, Person, Place, Unavailable
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.adapters.slack.desks import replica
from tests.adapters.slack.running import Ear, Running, running
from tests.simulators.slack import SlackSimulator, slack_simulator

COMMANDS = (
    MenuEntry("help", {"en": "Help"}, ("帮助",)),
    MenuEntry("new", {"en": "New"}),
    MenuEntry("role", {"en": "Role"}, ("角色",)),
)


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator() as simulator:
        yield simulator


@pytest.fixture
async def bot(slack: SlackSimulator) -> AsyncIterator[Running]:
    async with running(slack) as bot:
        await bot.adapter.menu(COMMANDS)
        yield bot


@pytest.mark.parametrize(
    ("typed", "heard"),
    [
        ("role chef", "/role chef"),
        ("/role chef", "/role chef"),
        ("／role chef", "/role chef"),
        ("ROLE chef", "/ROLE chef"),
        ("角色 厨师", "/角色 厨师"),
        ("", "/help"),
        ("   ", "/help"),
    ],
)
async def test_a_command_is_heard_as_one(slack: SlackSimulator, bot: Running, typed: str, heard: str) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    interaction = await ann.slash(general, typed)
    assert await interaction.answered() is None
    await bot.ear.hears(1)
    [message] = bot.ear.meant
    assert (message.text, message.addressed, message.id) == (
        heard,
        "command",
        f"slash:{interaction.trigger_id}",
    )
    assert message.place == Place("slack", slack.team.id, general.id, "", "group", discussion=True)
    assert message.person.name == "Ann"
    assert general.messages == []


async def test_the_answer_of_a_command_is_seen_by_the_person_alone(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    await (await ann.slash(general, "role")).answered()
    reply = bot.adapter.reply(bot.ear.meant[0], MemoryJournal())
    await reply.send(Notice("role.current", text="You talk to the chef."))
    await reply.send(End(offers=(Option("Teacher", "/role teacher"),)))
    await ann.sees(general, "You talk to the chef.")
    assert general.messages == []


async def test_where_the_bot_is_not_a_command_is_still_answered(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person("Ann")
    elsewhere = slack.channel("elsewhere", [ann], bot=False)
    await (await ann.slash(elsewhere, "help")).answered()
    reply = bot.adapter.reply(bot.ear.meant[0], MemoryJournal())
    await reply.send(Notice("help", text="I can do this."))
    await reply.send(End())
    await ann.sees(elsewhere, "I can do this.")


async def test_a_question_is_shown_in_the_channel_and_its_thread_is_the_conversation(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    assert await (await ann.slash(general, "Why is the sky blue?")).answered() is None
    [shown] = general.messages
    assert shown.shown == "*Ann asks:* Why is the sky blue?"
    [message] = bot.ear.meant
    assert (message.text, message.addressed) == ("Why is the sky blue?", "mention")
    assert message.place == Place("slack", slack.team.id, general.id, shown.ts, "group", discussion=True)
    await ann.says(general, "And at night?", thread=shown)
    await bot.ear.hears(2)
    assert bot.ear.meant[1].addressed == "reply"
    assert bot.ear.meant[1].place == message.place


async def test_a_question_in_the_direct_messages_is_asked_there(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person("Ann", locale="zh-CN")
    dm = slack.dm(ann)
    await (await ann.slash(dm, "天为什么是蓝的？")).answered()
    [shown] = dm.messages
    assert shown.shown == "*Ann 问：*天为什么是蓝的？"
    [message] = bot.ear.meant
    assert (message.place.kind, message.place.thread, message.addressed) == ("private", shown.ts, "private")


async def test_a_question_cannot_ring_a_channel_or_become_markup(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person("<!here>")
    general = slack.channel("general", [ann])
    await (await ann.slash(general, "<!channel> & <@U1> who?")).answered()
    [post] = slack.called("chat.postMessage")
    assert "<!" not in post["text"]
    assert "&lt;!channel&gt; &amp; &lt;@U1&gt; who?" in post["text"]
    assert bot.ear.texts == ["<!channel> & <@U1> who?"]


async def test_a_long_question_is_handed_in_whole_and_shown_cut(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person()
    general = slack.channel("general", [ann])
    await (await ann.slash(general, "q" * 9000)).answered()
    assert len(bot.ear.texts[0]) == 9000
    assert len(general.messages[0].text) < 3000


@pytest.mark.parametrize("kind", ["channel", "other people's direct messages"])
async def test_where_the_bot_may_not_write_the_person_learns_how_to_invite_it(
    slack: SlackSimulator, bot: Running, kind: str
) -> None:
    ann, bob = slack.person("Ann"), slack.person("Bob")
    if kind == "channel":
        place = slack.channel("elsewhere", [ann, bob], bot=False)
    else:
        place = slack.dm(bob)
        place.bot = False
        place.members[ann.id] = ann
    await (await ann.slash(place, "Hello?")).answered()
    seen = await ann.sees(place, "/invite")
    assert "I cannot write here." in seen.shown
    assert bob.id not in {one.user for one in place.ephemerals}
    assert bot.ear.heard == []


async def test_while_slack_asks_to_wait_the_person_is_told_so(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person()
    general = slack.channel("general", [ann])
    slack.limit("chat.postMessage", retry_after=20)
    await (await ann.slash(general, "Hello?")).answered()
    await ann.sees(general, "Please try again in a minute.")
    assert bot.ear.heard == []


async def test_while_the_store_is_away_the_person_is_told_so(slack: SlackSimulator) -> None:
    store = MemoryStore()
    async with running(slack, store=store) as bot:
        ann = slack.person()
        general = slack.channel("general", [ann])
        await store.go()
        await (await ann.slash(general, "Hello?")).answered()
        await ann.sees(general, "I cannot be reached just now.")
        assert bot.ear.heard == []


async def test_while_nothing_is_accepted_the_person_is_told_so(slack: SlackSimulator) -> None:
    async with running(slack, ear=Ear(Unavailable("away"))):
        ann = slack.person(locale="zh-TW")
        general = slack.channel("general", [ann])
        await (await ann.slash(general, "Hello?")).answered()
        await ann.sees(general, "我暫時無法聯繫")


async def test_a_busy_conversation_tells_the_person_alone(slack: SlackSimulator) -> None:
    async with running(slack, ear=Ear(Busy("Too much waits already."))):
        ann = slack.person()
        general = slack.channel("general", [ann])
        await (await ann.slash(general, "Hello?")).answered()
        await ann.sees(general, "Too much waits already.")


async def test_what_the_channel_reads_is_asked_once_although_slack_sends_it_twice(
    slack: SlackSimulator,
) -> None:
    async with running(slack) as bot:
        ann = slack.person()
        general = slack.channel("general", [ann])
        interaction = await ann.slash(general, "Hello?")
        await interaction.answered()
        payload = {
            "command": "/parley",
            "text": "Hello?",
            "trigger_id": interaction.trigger_id,
            "team_id": slack.team.id,
            "channel_id": general.id,
            "user_id": ann.id,
            "response_url": interaction.response_url,
        }
        async with replica(bot) as desk:
            assert await desk.slash(payload) is None
        assert len(general.messages) == 1
        assert [message.key for message in bot.ear.tried] == [bot.ear.heard[0].key] * 2


async def test_a_stranger_is_refused_in_private_and_the_channel_sees_nothing(slack: SlackSimulator) -> None:
    async def nobody(place: Place, person: Person) -> bool:
        return False

    async with running(slack, admits=nobody) as bot:
        ann = slack.person()
        general = slack.channel("general", [ann])
        interaction = await ann.slash(general, "Hello?")
        await interaction.answered()
        assert general.messages == []
        assert bot.ear.heard[0].id == f"slash:{interaction.trigger_id}"


async def test_an_unknown_command_with_a_slash_is_no_question(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person()
    general = slack.channel("general", [ann])
    await (await ann.slash(general, "/rolle chef")).answered()
    await ann.sees(general, "I know no command /rolle.")
    assert bot.ear.heard == []
    assert general.messages == []


async def test_in_private_the_core_itself_says_that_a_command_is_unknown(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person()
    await (await ann.slash(slack.dm(ann), "/allow 1234")).answered()
    assert bot.ear.texts == ["/allow 1234"]


async def test_where_the_app_is_not_installed_nobody_crashes(slack: SlackSimulator, bot: Running) -> None:
    slack.team.revoke()
    ann = slack.person()
    general = slack.channel("general", [ann])
    await (await ann.slash(general, "Hello?")).answered()
    await ann.sees(general, "/invite")
