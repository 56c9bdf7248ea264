"""Access: closed unless the operator opens it, and a stranger is told once."""

import pytest
from redis.asyncio import Redis

from bot.access import Access, AccessSettings
from bot.api import Notice, Person, Place, Text
from bot.delivery import Delivery
from bot.keys import Keys
from bot.middleware import Admission
from tests.bot.doubles import delivery, incoming

ANN, BOB = Person("1"), Person("2")
PRIVATE, GROUP = Place("chat", "bot", "1"), Place("chat", "bot", "-9", kind="group")


@pytest.fixture
def listed(redis: Redis, prefix: str):
    def make(**settings: str) -> Access:
        return Access(AccessSettings.load(settings), redis, Keys(prefix), trusted={"desk"})

    return make


@pytest.mark.parametrize(
    ("settings", "admitted"),
    [
        ({}, [False, False, False, False]),
        ({"ALLOWED": "chat:1"}, [True, False, True, False]),
        ({"ALLOWED": "chat:-9"}, [False, False, True, True]),
        ({"ALLOWED": "chat:*"}, [True, True, True, True]),
        ({"ALLOWED": "*"}, [True, True, True, True]),
        ({"ALLOWED": "other:*,other:1"}, [False, False, False, False]),
        ({"ADMINS": "chat:2"}, [False, True, False, True]),
        ({"ALLOWED": "*", "BLOCKED": "chat:1"}, [False, True, False, True]),
        ({"ALLOWED": "*", "BLOCKED": "chat:-9"}, [True, True, False, False]),
    ],
)
def test_whom_a_list_admits(listed, settings: dict[str, str], admitted: list[bool]):
    access = listed(**settings)
    asked = [(PRIVATE, ANN), (PRIVATE, BOB), (GROUP, ANN), (GROUP, BOB)]
    assert [access.admits(*one) for one in asked] == admitted


def test_who_was_let_in_by_other_means_needs_no_list_but_may_be_blocked(listed):
    desk = Place("desk", "bot", "1")
    assert listed().admits(desk, ANN)
    assert not listed(BLOCKED="desk:1").admits(desk, ANN)


async def test_a_stranger_is_told_the_id_to_give_once_and_never_reaches_the_dialogue(listed):
    reached = []

    async def following(made: Delivery) -> None:
        reached.append(made.message.text)
        await made.send(Text("hi"))

    admission = Admission(listed(ALLOWED="test:bob"), following)
    first, reply = delivery("hello")
    await admission(first)
    (notice,) = reply.parts
    assert isinstance(notice, Notice)
    assert "test:ann" in notice.text
    again, reply = delivery("hello?")
    await admission(again)
    assert reply.parts == []
    other, reply = delivery(incoming("hi", chat="bob"))
    await admission(other)
    assert (reply.text, reached) == ("hi", ["hi"])
