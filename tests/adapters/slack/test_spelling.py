"""Commands with an exclamation mark, because Slack's apps send no message that begins with a slash."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.slack.spelling import Spelling
from bot.api import Choices, End, MenuEntry, Notice, Option
from tests.adapters.memory_store import MemoryJournal
from tests.adapters.slack.running import Running, running
from tests.simulators.slack import SlackSimulator, slack_simulator

MENU = (MenuEntry("help", {}, ("帮助",)), MenuEntry("undo", {}), MenuEntry("role", {}))


@pytest.fixture
def spelling() -> Spelling:
    made = Spelling()
    made.know(MENU)
    return made


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator() as simulator:
        yield simulator


@pytest.fixture
async def bot(slack: SlackSimulator) -> AsyncIterator[Running]:
    async with running(slack) as bot:
        await bot.adapter.menu(MENU)
        yield bot


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("!undo", "/undo"),
        ("！Role new Pirate: old\nand grim", "/Role new Pirate: old\nand grim"),
        ("!帮助", "/帮助"),
        ("!important: read this", "!important: read this"),
        ("undo!", "undo!"),
        ("!", "!"),
        ("/undo", "/undo"),
    ],
)
def test_a_command_that_is_known_is_read_as_one(spelling: Spelling, written: str, read: str) -> None:
    assert spelling.heard(written) == read


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Send /role followed by its name; /undo.", "Send !role followed by its name; !undo."),
        ("发送/role加名称", "发送!role加名称"),
        ("Other names: /undo, /帮助", "Other names: !undo, !帮助"),
        ("也可以写作：/undo、/帮助。/忘记", "也可以写作：!undo、!帮助。/忘记"),
        ("1/role, https://a.example/role and /role/x are none", None),
        ("/etc is not known", None),
    ],
)
def test_what_the_bot_says_names_commands_as_they_are_written(
    spelling: Spelling, said: str, shown: str | None
) -> None:
    assert spelling.shown(said, "!") == (shown or said)


async def test_a_message_with_an_exclamation_mark_is_a_command(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    first = await ann.says(slack.dm(ann), "hello")
    await ann.says(slack.dm(ann), "!undo", thread=first)
    await ann.says(general, f"{slack.mention} !role chef")
    await slack.settled()
    _, undo, role = sorted(bot.ear.meant, key=lambda message: message.sent_at)
    assert (undo.text, undo.addressed, undo.place.thread) == ("/undo", "command", first.ts)
    assert (role.text, role.addressed) == ("/role chef", "mention")


async def test_answers_name_commands_as_they_can_be_written_where_they_are_read(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    dm = slack.dm(ann)
    first = await ann.says(dm, "hello")
    await (await ann.slash(dm, "help")).answered()
    await slack.settled()
    asked, whispered = sorted(bot.ear.meant, key=lambda message: message.id.startswith("slash:"))
    for message in (asked, whispered):
        reply = bot.adapter.reply(message, MemoryJournal())
        await reply.send(Notice("command.help", text="/undo – take back"))
        await reply.send(Choices("Or send /role.", (Option("Chef", "/role chef"),)))
        await reply.send(End())
    assert first.thread.visible() == ["!undo – take back", "Or send !role."]
    [seen] = ann.whispers(dm)
    assert seen.startswith("/parley undo – take back\n\nIn a thread, where Slack knows no /parley,")
    assert seen.endswith("Or send /parley role.")
