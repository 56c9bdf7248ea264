"""Which conversation a message belongs to."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.api import Incoming, Person, Place
from bot.scope import home, scope, shared

Policy = Literal["user", "thread", "chat"]
POLICIES: tuple[Policy, ...] = ("user", "thread", "chat")


def said(
    chat: str = "-100", thread: str = "", person: str = "42", *, kind: Literal["private", "group"] = "group"
) -> Incoming:
    return Incoming("1", Place("telegram", "bot", chat, thread, kind), Person(person))


def test_by_default_each_person_in_a_group_has_a_window_of_their_own() -> None:
    assert scope(said(person="1"), "user") != scope(said(person="2"), "user")
    assert scope(said(thread="7"), "user") != scope(said(thread="8"), "user")


def test_a_thread_can_be_shared() -> None:
    assert scope(said(thread="7", person="1"), "thread") == scope(said(thread="7", person="2"), "thread")
    assert scope(said(thread="7"), "thread") != scope(said(thread="8"), "thread")


def test_a_chat_can_be_shared() -> None:
    assert scope(said(thread="7", person="1"), "chat") == scope(said(thread="8", person="2"), "chat")
    assert scope(said("-100"), "chat") != scope(said("-200"), "chat")


@pytest.mark.parametrize("policy", POLICIES)
def test_in_private_the_policy_does_not_matter(policy: Policy) -> None:
    assert scope(said("42", kind="private"), policy) == "telegram:bot:private:42:"
    assert scope(said("42", "7", kind="private"), policy) == "telegram:bot:private:42:7"


@pytest.mark.parametrize("policy", POLICIES)
def test_a_private_chat_is_never_a_group_with_the_same_ids(policy: Policy) -> None:
    assert scope(said("42", "7", "42", kind="private"), policy) != scope(said("42", "7", "42"), policy)


def test_the_message_itself_does_not_matter() -> None:
    place, person = Place("web", "", "1"), Person("p")
    other = Incoming("2", place, Person("p", "Ann", "zh"), "text", addressed="command", edits="1", sent_at=5)
    assert scope(Incoming("1", place, person), "user") == scope(other, "user")


# Few characters, among them the separators, so that parts run together where they can.
awkward = st.text(st.sampled_from(":=%/{}~ a\u4f60\ud800"), max_size=4) | st.sampled_from("ab").map(
    lambda c: c * 80
)
places = st.builds(Place, awkward, awkward, awkward, awkward, st.sampled_from(["private", "group"]))
messages = st.builds(Incoming, st.just("1"), places, st.builds(Person, awkward))


def meant(message: Incoming, policy: Policy) -> tuple[str, ...]:
    """What the rule says, without any writing down."""
    place = message.place
    if place.kind == "private":
        return ("private", place.platform, place.account, place.chat, place.thread)
    shared = {"user": (place.thread, message.person.id), "thread": (place.thread,), "chat": ()}[policy]
    return (policy, place.platform, place.account, place.chat, *shared)


@settings(deadline=None)
@given(st.lists(st.tuples(messages, st.sampled_from(POLICIES)), min_size=2, max_size=30))
def test_ids_are_equal_exactly_where_the_conversation_is_the_same(
    cases: list[tuple[Incoming, Policy]],
) -> None:
    for message, policy in cases:
        for other, other_policy in cases:
            same = meant(message, policy) == meant(other, other_policy)
            assert (scope(message, policy) == scope(other, other_policy)) == same


@settings(deadline=None)
@given(
    st.builds(
        Incoming, st.just("1"), st.builds(Place, *[st.text(max_size=300)] * 4), st.builds(Person, st.text())
    )
)
def test_an_id_is_short_printable_ascii_without_braces_or_spaces(message: Incoming) -> None:
    for policy in POLICIES:
        name = scope(message, policy)
        assert name.isascii()
        assert name.isprintable()
        assert not set(name) & set("{} ")
        assert len(name) <= 400


def test_a_hash_cannot_be_written_by_hand() -> None:
    long = scope(said("x" * 100), "chat").rsplit(":", 1)[1]
    assert scope(said(long), "chat") != scope(said("x" * 100), "chat")


def discussed(person: str = "42", thread: str = "7") -> Incoming:
    return Incoming("1", Place("slack", "T1", "C1", thread, "group", discussion=True), Person(person))


def test_a_discussion_is_shared_by_those_who_take_part_in_it() -> None:
    assert scope(discussed("1"), "user") == scope(discussed("2"), "user") == scope(discussed("1"), "thread")
    assert scope(discussed("1"), "user") != scope(discussed("1", thread="8"), "user")
    assert scope(discussed(thread="7"), "chat") == scope(discussed(thread="8"), "chat")


def test_it_is_known_where_several_people_talk() -> None:
    assert shared(discussed(), "user")
    assert shared(said(), "chat")
    assert shared(said(), "thread")
    assert not shared(said(), "user")
    assert not any(shared(said(kind="private"), policy) for policy in POLICIES)


def test_choices_made_outside_of_threads_hold_in_them() -> None:
    private = said(thread="7", kind="private")
    assert home(private, "user") == scope(said(kind="private"), "user")
    assert home(said(thread="7", person="1"), "user") == scope(said(person="1"), "user")
    assert home(discussed("1"), "user") == home(discussed("2", "8"), "user") == scope(discussed(), "chat")
