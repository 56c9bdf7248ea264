"""Who runs a channel, by what Slack tells of its people and of who made it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.api import Person as Someone
from bot.api import Place, Unavailable
from tests.adapters.slack.running import Running, made
from tests.simulators.slack import SlackSimulator, slack_simulator


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator() as simulator:
        yield simulator


@pytest.fixture
async def bot(slack: SlackSimulator) -> AsyncIterator[Running]:
    running = made(slack)
    yield running
    await running.adapter.close()


async def run_by(bot: Running, slack: SlackSimulator, channel: Any, *people: Any) -> list[bool]:
    place = Place("slack", slack.team.id, channel.id, kind="group")
    return [await bot.adapter.administers(place, Someone(person.id)) for person in people]


@pytest.mark.parametrize("private", [False, True])
async def test_the_workspaces_admins_run_a_channel_and_who_made_it(
    slack: SlackSimulator, bot: Running, private: bool
) -> None:
    ann, bob, boss = slack.person("Ann"), slack.person("Bob"), slack.person("Boss", admin=True)
    channel = slack.channel("cooks", [ann, bob, boss], private=private)
    assert await run_by(bot, slack, channel, ann, bob, boss) == [True, False, True]


async def test_who_is_an_admin_elsewhere_is_none_in_a_shared_channel(
    slack: SlackSimulator, bot: Running
) -> None:
    ann, guest = slack.person("Ann"), slack.person("Guest", admin=True, team=slack.add_team("Else"))
    assert await run_by(bot, slack, slack.channel("shared", [ann, guest]), guest) == [False]


async def test_who_begins_a_direct_message_of_several_does_not_run_it_without_the_right_to_ask(
    slack: SlackSimulator, bot: Running
) -> None:
    slack.team.scopes.discard("mpim:read")
    ann, boss = slack.person("Ann"), slack.person("Boss", admin=True)
    assert await run_by(bot, slack, slack.group_dm([ann, boss]), ann, boss) == [False, True]


@pytest.mark.parametrize(
    ("scope", "known"), [("users:read", [True, False]), ("channels:read", [False, True])]
)
async def test_without_a_scope_the_rest_is_known(
    slack: SlackSimulator, bot: Running, scope: str, known: list[bool]
) -> None:
    slack.team.scopes.discard(scope)
    ann, boss = slack.person("Ann"), slack.person("Boss", admin=True)
    assert await run_by(bot, slack, slack.channel("cooks", [ann, boss]), ann, boss) == known


@pytest.mark.parametrize("method", ["users.info", "conversations.info"])
@pytest.mark.parametrize("fault", ["fail", "limit"])
async def test_a_passing_fault_is_no_answer(
    slack: SlackSimulator, bot: Running, method: str, fault: str
) -> None:
    ann = slack.person("Ann")
    channel = slack.channel("cooks", [ann])
    if fault == "fail":
        slack.fail(1, 503, method=method)
    else:
        slack.limit(method, retry_after=0)
    with pytest.raises(Unavailable):
        await run_by(bot, slack, channel, ann)
    assert await run_by(bot, slack, channel, ann) == [True]


async def test_of_a_workspace_that_threw_the_app_out_nobody_is_known(
    slack: SlackSimulator, bot: Running
) -> None:
    boss = slack.person("Boss", admin=True)
    channel = slack.channel("cooks", [boss])
    assert await run_by(bot, slack, channel, boss) == [True]
    slack.team.revoke()
    assert await run_by(bot, slack, channel, boss) == [False]
