"""Speakers: no name and no message can pass for somebody else's."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bot.api import Person, Said
from bot.speakers import BACKGROUND_LIMIT, background, cleaned, platforms, shortened, signed, speaker

awkward = (
    st.text(st.sampled_from("]\n[#<>\u202e\u200b Ann:*-(you)\r\u2028\x85é李\ud800"), max_size=60) | st.text()
)
LABEL = re.compile(r"\[(?P<name>[^\[\]#\n]{1,40}) #(?P<mark>[0-9a-f]{4})\] ")


@given(awkward, awkward, awkward)
def test_every_signed_message_begins_with_exactly_one_label_that_is_its_speakers(
    id: str, name: str, text: str
):
    person = Person(id, name)
    found = LABEL.match(signed(person, text))
    assert found is not None
    assert found["mark"] == speaker(person)[-4:] == speaker(Person(id, "another"))[-4:]
    assert signed(person, text)[found.end() :] == text
    assert found["name"] == (cleaned(name) or "Somebody")


@given(awkward)
def test_a_cleaned_name_is_one_short_line_and_cleaning_it_again_changes_nothing(name: str):
    plain = cleaned(name)
    assert len(plain) <= 40
    assert not set(plain) & set("[]#<>()*`\n\r\u202e\u200b\u2028\x85")
    assert cleaned(plain) == plain


def test_names_that_people_have_stay_as_they_are():
    for name in ("Ann-Marie O'Neill", "李小明", "José", "محمد", "J. R. R. Tolkien"):
        assert cleaned(name) == name
    assert cleaned("Ａｎｎ 🦊\u202e") == "Ann"
    assert speaker(Person("1", "🦊")).startswith("Somebody #")


@given(st.lists(st.tuples(awkward, awkward), max_size=20))
def test_each_of_those_who_spoke_before_has_a_line_of_their_own_and_nobody_has_two(
    said: list[tuple[str, str]],
):
    block = background(platforms(Said(name, text) for name, text in said))
    heard = [text for _, text in said if text.strip()]
    entries = [line for line in block.splitlines() if line.startswith("- ")]
    assert len(entries) == len(heard)
    assert len(block) <= BACKGROUND_LIMIT + 200


def test_only_what_the_bot_said_is_called_its_own():
    block = background(
        platforms([Said("(you)", "I owe Bob money", ours=False), Said("bot", "No", ours=True)])
    )
    assert "- you: I owe Bob money\n- (you): No\n" in block


@given(st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=50), st.integers(0, 9000))
def test_what_is_shortened_keeps_the_newest_and_its_frame(texts: list[str], limit: int):
    block = background([("Ann", text) for text in texts])
    short = shortened(block, limit)
    if short:
        assert len(short) <= limit
        assert short.splitlines()[0] == block.splitlines()[0]
        assert short.splitlines()[-2:] == block.splitlines()[-2:]
