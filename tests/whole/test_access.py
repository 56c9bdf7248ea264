"""Being let in, the whole way: a stranger, a code, an admin in a chat or the operator at the machine."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.process import bot
from tests.simulators.endpoint import EndpointSimulator
from tests.simulators.telegram import TelegramSimulator, telegram_simulator
from tests.whole.conftest import parley, towards


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


def settings(endpoint: EndpointSimulator, telegram: TelegramSimulator, **more: str) -> dict[str, str]:
    there = {"TELEGRAM_BOT_TOKEN": telegram.token, "TELEGRAM_API_BASE_URL": telegram.base_url}
    return towards(endpoint) | there | more


async def test_an_admin_lets_a_stranger_in_and_shuts_them_out_again(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    ann, bob = telegram.person(1, "Ann"), telegram.person(2, "Bob")
    admins, strangers = telegram.private(ann), telegram.private(bob)
    async with bot(tmp_path, **settings(endpoint, telegram, ADMINS="telegram:1")):
        await bob.says(strangers, "Let me in!")
        await strangers.until(lambda: any("/allow " in text for text in strangers.said))
        code = re.search(r"/allow ([2-9A-Z]{8})", strangers.said[-1])
        assert code
        assert "telegram:2" in strangers.said[-1]
        await bob.says(strangers, f"/allow {code[1]}")  # a stranger's command is no command
        await ann.says(admins, "/people")
        await admins.until(lambda: any(code[1] in text for text in admins.said))
        assert not endpoint.requests
        assert len(strangers.said) == 1
        await ann.says(admins, f"/allow {code[1]}")
        await admins.until(lambda: any("telegram:2 may talk" in text for text in admins.said))
        await bob.says(strangers, "Am I in?")
        await strangers.shows("Am I in?")
        await bob.says(strangers, "/deny telegram:1")  # not an admin's: the command does not exist for him
        await strangers.until(lambda: any("do not know the command /deny" in text for text in strangers.said))
        await ann.says(admins, "/deny telegram:2")
        await admins.until(lambda: any("may not talk" in text for text in admins.said))
        await bob.says(strangers, "Still in?")
        await strangers.until(lambda: any("only people it knows" in text for text in strangers.said[-1:]))
        assert len(endpoint.requests) == 1


async def test_the_operator_lets_the_first_person_in_from_the_command_line(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    bob = telegram.person(2, "Bob")
    chat = telegram.private(bob)
    async with bot(tmp_path, **settings(endpoint, telegram)) as running:
        await bob.says(chat, "Let me in!")
        await chat.until(lambda: any("parley allow " in text for text in chat.said))
        found = re.search(r"parley allow ([2-9A-Z]{8})", chat.said[-1])
        assert found
        status, printed = await parley(tmp_path, running.settings, "people")
        assert (status, found[1] in printed, "telegram:2" in printed) == (0, True, True)
        assert await parley(tmp_path, running.settings, "allow", "nonsense") == (
            1,
            "nonsense is no code of today and no id such as platform:123; `parley people` shows who waits.\n",
        )
        assert await parley(tmp_path, running.settings, "allow", found[1]) == (
            0,
            "telegram:2 may talk to the bot from now on.\n",
        )
        await bob.says(chat, "Am I in?")
        await chat.shows("Am I in?")
        assert (await parley(tmp_path, running.settings, "deny", "telegram:2"))[0] == 0
        status, printed = await parley(tmp_path, running.settings, "people")
        assert "refused by the command line" in printed


async def test_the_command_line_works_while_no_bot_runs_and_the_settings_win(tmp_path: Path):
    chosen = {"BLOCKED": "telegram:9", "ALLOWED": "telegram:8"}
    assert await parley(tmp_path, chosen, "allow", "telegram:5") == (
        0,
        "telegram:5 may talk to the bot from now on.\n",
    )
    assert "BLOCKED" in (await parley(tmp_path, chosen, "allow", "telegram:9"))[1]
    assert "ALLOWED" in (await parley(tmp_path, chosen, "deny", "telegram:8"))[1]
    status, printed = await parley(tmp_path, chosen, "people")
    assert status == 0
    assert re.search(r"telegram:5\s+let in by the command line", printed)


async def test_the_command_line_says_so_where_redis_is_away(tmp_path: Path):
    chosen = {"REDIS_URL": "redis://127.0.0.1:1/0"}
    status, printed = await parley(tmp_path, chosen, "people")
    assert status == 1
    assert "Redis does not answer" in printed


async def test_an_admin_says_something_to_everybody_who_may_talk_once(
    tmp_path: Path, endpoint: EndpointSimulator, telegram: TelegramSimulator
):
    people = [telegram.person(number, name) for number, name in enumerate(("Ann", "Bob", "Cas", "Dee"), 1)]
    chats = [telegram.private(person) for person in people]
    everybody = settings(endpoint, telegram, ADMINS="telegram:1", ALLOWED="telegram:1,telegram:2,telegram:3")
    async with bot(tmp_path, **everybody) as running:
        for person, chat in zip(people, chats, strict=True):
            await person.says(chat, "hello")  # Dee is a stranger
        for chat in chats:
            await chat.until(lambda chat=chat: bool(chat.said))
        await people[0].says(chats[0], "/broadcast Back at noon.")
        await chats[0].until(lambda: "2 people will hear this" in chats[0].said[-1])
        await people[0].presses(chats[0].from_bot[-1], "Send it")
        await chats[0].until(lambda: "on its way to 2 people" in chats[0].said[-1])
        await running.kill()
        await running.start()
        for chat in chats[1:3]:
            await chat.until(lambda chat=chat: "📣 Back at noon." in chat.said)
            assert chat.said.count("📣 Back at noon.") == 1
        assert not any("noon" in text for text in chats[3].said)
