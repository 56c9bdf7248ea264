"""Who people are: asked for once, known again by every process, and no message waits long for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.slack.client import Client, Clients
from adapters.slack.people import People
from adapters.slack.settings import Credentials
from bot.api import Person, Unavailable
from tests.adapters.memory_store import MemoryStore
from tests.simulators.slack import SlackSimulator, slack_simulator


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator() as simulator:
        yield simulator


@pytest.fixture
async def client(slack: SlackSimulator) -> AsyncIterator[Client]:
    clients = Clients(Credentials(token=slack.team.token, base_url=slack.base_url), None)
    yield await clients.of(slack.team.id)
    await clients.close()


class Clock:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def asked(slack: SlackSimulator) -> int:
    return sum(call.method == "users.info" for call in slack.calls)


async def test_somebody_has_a_name_and_a_language(slack: SlackSimulator, client: Client) -> None:
    ann = slack.person("Ann", locale="zh-TW")
    assert await People(MemoryStore()).of(client, ann.id) == Person(ann.id, "Ann", "zh-TW")


async def test_they_are_asked_for_once_by_all_processes(slack: SlackSimulator, client: Client) -> None:
    ann, store = slack.person("Ann"), MemoryStore()
    people = People(store)
    first = await people.of(client, ann.id)
    assert await people.of(client, ann.id) == first
    assert await People(store).of(client, ann.id) == first
    assert asked(slack) == 1


async def test_what_is_at_hand_is_looked_up_again_after_a_while(
    slack: SlackSimulator, client: Client
) -> None:
    ann, store, clock = slack.person("Ann"), MemoryStore(), Clock()
    people = People(store, clock=clock)
    await people.of(client, ann.id)
    store.values.clear()
    ann.name = "Anna"
    clock.now += 599
    assert (await people.of(client, ann.id)).name == "Ann"
    clock.now += 2
    assert (await people.of(client, ann.id)).name == "Anna"


async def test_the_same_person_in_two_workspaces_is_two(slack: SlackSimulator, client: Client) -> None:
    ann, store = slack.person("Ann"), MemoryStore()
    await People(store).of(client, ann.id)
    assert list(store.values) == [f"person:{slack.team.id}:{ann.id}"]


async def test_where_slack_does_not_tell_the_bare_id_does(slack: SlackSimulator, client: Client) -> None:
    people = People(MemoryStore())
    assert await people.of(client, "U0NOBODY") == Person("U0NOBODY")
    assert await people.of(client, "U0NOBODY") == Person("U0NOBODY")
    assert asked(slack) == 1


async def test_a_bot_without_a_user_is_not_asked_for(slack: SlackSimulator, client: Client) -> None:
    assert await People(MemoryStore()).of(client, "B0CI") == Person("B0CI")
    assert asked(slack) == 0


async def test_without_the_right_to_ask_slack_is_left_alone(slack: SlackSimulator, client: Client) -> None:
    slack.team.scopes.discard("users:read")
    people = People(MemoryStore())
    for user in ("U0ONE", "U0TWO", "U0ONE"):
        assert (await people.of(client, user)).name == ""
    assert asked(slack) == 1


@pytest.mark.parametrize("fault", ["limit", "fail"])
async def test_a_passing_fault_is_forgotten(slack: SlackSimulator, client: Client, fault: str) -> None:
    ann, people = slack.person("Ann"), People(MemoryStore())
    if fault == "limit":
        slack.limit("users.info", retry_after=0)
    else:
        slack.fail(1, 503, method="users.info")
    assert await people.of(client, ann.id) == Person(ann.id)
    assert (await people.of(client, ann.id)).name == "Ann"


async def test_somebodys_own_workspace_is_known(slack: SlackSimulator, client: Client) -> None:
    ann, cleo = slack.person("Ann"), slack.person("Cleo", team=slack.add_team("Globex", installed=False))
    slack.channel("shared", [ann, cleo])
    people = People(MemoryStore())
    assert await people.team(client, ann.id) == slack.team.id
    assert await people.team(client, cleo.id) == cleo.team.id
    assert await people.team(client, "U0NOBODY") == slack.team.id


async def test_while_the_store_is_away_nothing_is_known(slack: SlackSimulator, client: Client) -> None:
    store = MemoryStore()
    await store.go()
    with pytest.raises(Unavailable):
        await People(store).of(client, slack.person("Ann").id)


async def test_what_another_version_has_kept_is_asked_for_anew(slack: SlackSimulator, client: Client) -> None:
    ann, store = slack.person("Ann"), MemoryStore()
    store.values[f"person:{slack.team.id}:{ann.id}"] = '["Ann"]'
    assert (await People(store).of(client, ann.id)).name == "Ann"
