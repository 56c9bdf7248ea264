"""The forms: what they hold when they come back, and what is told where it cannot be taken."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.slack.modals import Faults, ask_form, question, role_command, role_form, told
from adapters.slack.words import say
from tests.simulators.slack import blocks as kit


def filled(**fields: str) -> dict[str, Any]:
    """A form as Slack sends it."""
    values = {}
    for block, text in fields.items():
        if block == "emoji":
            values[block] = {"value": {"type": "static_select", "selected_option": {"value": text}}}
        else:
            values[block] = {"value": {"type": "plain_text_input", "value": text or None}}
    return {"state": {"values": values}}


@pytest.mark.parametrize("language", ["en-GB", "zh-CN", "zh-TW", ""])
def test_slack_takes_every_form_in_every_language(language: str) -> None:
    for form in (role_form(language, "U1"), ask_form(language, "t"), told(language, "x" * 200)):
        kit.view(form, "modal")


def test_a_role_becomes_a_command() -> None:
    assert (
        role_command(filled(name=" Fox  cub ", prompt="Be sly.\nBe brief."), "en")
        == "/role new Fox cub: Be sly.\nBe brief."
    )


def test_the_emoji_stands_before_the_name() -> None:
    assert role_command(filled(name="Fox", emoji="🦊", prompt="Be sly."), "en") == "/role new 🦊 Fox: Be sly."


def test_an_emoji_that_was_not_offered_is_left_out() -> None:
    assert (
        role_command(filled(name="Fox", emoji=": evil", prompt="Be sly."), "en") == "/role new Fox: Be sly."
    )


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": "", "prompt": "p"}, {"name": "Please give the role a name."}),
        ({"name": "   ", "prompt": "p"}, {"name": "Please give the role a name."}),
        ({"name": "a: b", "prompt": "p"}, {"name": "Please leave colons and line breaks out of the name."}),
        ({"name": "a：b", "prompt": "p"}, {"name": "Please leave colons and line breaks out of the name."}),
        ({"name": "a\nb", "prompt": "p"}, {"name": "Please leave colons and line breaks out of the name."}),
        ({"name": "n" * 61, "prompt": "p"}, {"name": "Please keep this to 60 characters; it has 61."}),
        ({"name": "n", "prompt": ""}, {"prompt": "Please say who I should be in this role."}),
        (
            {"name": "n", "prompt": "p" * 3001},
            {"prompt": "Please keep this to 3000 characters; it has 3001."},
        ),
    ],
)
def test_what_is_wrong_is_said_below_its_field(fields: dict[str, str], wrong: dict[str, str]) -> None:
    found = role_command(filled(**fields), "en")
    assert isinstance(found, Faults)
    assert found.answer() == {"response_action": "errors", "errors": wrong}


def test_the_emoji_counts_for_the_length_of_the_name() -> None:
    assert isinstance(role_command(filled(name="n" * 59, emoji="🦊", prompt="p"), "en"), Faults)


def test_a_form_without_anything_is_told_both_faults() -> None:
    found = role_command({}, "zh-CN")
    assert isinstance(found, Faults)
    assert set(found.errors) == {"name", "prompt"}


def test_a_question_needs_words_and_has_a_limit() -> None:
    assert question(filled(question=" Why? "), "en") == "Why?"
    assert isinstance(question(filled(question=" "), "en"), Faults)
    assert isinstance(question(filled(question="q" * 3001), "en"), Faults)


@pytest.mark.parametrize("language", ["en", "zh-CN", "zh-TW"])
def test_no_title_of_a_form_has_to_be_cut(language: str) -> None:
    for form in (role_form(language, ""), ask_form(language, "")):
        assert form["title"]["text"] == say(language, f"{form['callback_id']}.title")
        assert len(form["submit"]["text"]) <= 24
