"""Answers as blocks: within every limit of Slack, exact, and calling nobody."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from adapters._split import Tail, divide
from adapters.slack import rendering
from bot.api import Option

marks = st.text(alphabet="ab <>!@#`~\n*&é好👋", max_size=120)


def valid(blocks: list[dict[str, Any]]) -> None:
    """Raises where slack_sdk's own models find a fault."""
    for block in blocks:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()


def options(count: int, value: str = "/model") -> list[Option]:
    return [Option(f"Model {number}", f"{value} {number}") for number in range(count)]


def test_a_model_cannot_call_a_channel_or_a_person() -> None:
    written = "<!channel> <!here> <!subteam^S1> <@U12345678> ok"
    shown = rendering.safe(written)
    assert "<!" not in shown
    assert "<@" not in shown
    assert shown.replace("\u2060", "") == written


def test_code_and_links_are_not_taken_for_calls() -> None:
    for written in ("<!DOCTYPE html>", "a < b", "<https://example.org>", "<@ property>", "x <@y"):
        assert rendering.safe(written) == written


def test_halves_of_characters_and_nul_become_what_slack_takes() -> None:
    assert rendering.safe("a\0b\ud83dc").encode("utf-8")


@given(marks, marks)
def test_what_is_stable_in_a_growing_text_stays(first: str, more: str) -> None:
    early = rendering.stable(rendering.safe(Tail(first).growing))
    later = rendering.safe(Tail(first + more).growing)
    assert later.startswith(early)


@given(marks, marks)
def test_what_is_stable_begins_the_finished_text(first: str, more: str) -> None:
    early = rendering.stable(rendering.safe(Tail(first).growing))
    assert rendering.safe(Tail(first + more).shown).startswith(early)


@given(marks, marks, marks)
def test_the_pieces_of_a_stream_are_joined_within_words(first: str, second: str, third: str) -> None:
    texts = [Tail(first).growing, Tail(first + second).growing, Tail(first + second + third).shown]
    pieces, sent = [], ""
    for text in (*map(rendering.stable, map(rendering.safe, texts[:2])), rendering.safe(texts[2])):
        if text.startswith(sent) and text != sent:
            pieces.append(text[len(sent) :])
            sent = text
    for before in pieces[:-1]:
        assert not before[-1].isspace()
    assert sent == rendering.safe(texts[2])


def test_a_text_ends_where_a_word_goes_on() -> None:
    assert rendering.stable("Hello there") == "Hello ther"
    assert rendering.stable("Hello, w") == "Hell"
    assert rendering.stable("你好。") == "你"
    assert rendering.stable("H") == ""


def test_an_open_fence_is_not_closed_while_the_code_grows() -> None:
    assert rendering.stable(Tail("Look:\n```py\nx = 1000").growing) == "Look:\n```py\nx = 100"


def test_a_closed_fence_is_shown_with_what_follows() -> None:
    assert rendering.stable(Tail("```\nlong\n```\n").growing) == "```\nlon"
    assert rendering.stable(Tail("```\nlong\n```\nand").growing) == "```\nlong\n```\nan"


def test_half_a_call_waits_for_the_rest() -> None:
    assert rendering.stable("look at <!chan") == "look a"
    assert rendering.stable("a <bold").endswith("<bol")


def test_signs_that_slack_writes_longer_count_for_what_they_become() -> None:
    assert rendering.fits("a" * 9_000)
    assert not rendering.fits("a" * 9_001)
    assert not rendering.fits("<" * 4_000)
    assert not rendering.fits("👋" * 6_000)


@given(st.text(max_size=200), st.integers(1, 400))
def test_a_long_answer_is_cut_into_messages_that_slack_takes(piece: str, times: int) -> None:
    tail, parts = Tail(rendering.safe(piece * times)), 0
    while (cut := divide(tail, rendering.fits, limit=rendering.TEXT_LIMIT)) is not None:
        valid(rendering.markdown(cut[0] or "…"))
        tail, parts = cut[1], parts + 1
    assert rendering.fits(tail.shown)
    assert parts < 200


def test_plain_text_is_shown_as_it_stands() -> None:
    (block,) = rendering.plain("*not bold* <b> & <!channel>")
    assert block["text"] == {"type": "plain_text", "text": "*not bold* <b> & <!channel>", "emoji": False}


def test_an_address_in_plain_text_can_be_followed_and_nothing_else_is_markup() -> None:
    (block,) = rendering.plain("see https://example.org/?a=1&b=2 <!channel>")
    assert block["text"] == {
        "type": "mrkdwn",
        "text": "see https://example.org/?a=1&amp;b=2 &lt;!channel&gt;",
    }


@given(st.text(alphabet="ab \n`é&", max_size=300), st.integers(1, 60))
def test_plain_text_of_any_length_is_messages_that_slack_takes(piece: str, times: int) -> None:
    for part in rendering.split_plain(piece * times):
        blocks = rendering.plain(part)
        valid(blocks)
        assert len(blocks) <= 50
        assert sum(len(block["text"]["text"]) for block in blocks) <= 13_200


def test_plain_text_of_one_message_is_not_touched() -> None:
    assert rendering.split_plain("```\nno fence is closed for you") == ["```\nno fence is closed for you"]
    assert rendering.split_plain("  \n ") == []


def test_buttons_stand_in_rows_of_twenty_five() -> None:
    rows = rendering.buttons(options(60))
    valid(rows)
    assert [len(row["elements"]) for row in rows] == [25, 25, 10]
    names = [element["action_id"] for row in rows for element in row["elements"]]
    assert names == [f"say:{number}" for number in range(60)]


def test_a_button_carries_the_option_and_its_label_is_cut() -> None:
    (row,) = rendering.buttons([Option("x" * 100, "/role poet")])
    valid([row])
    (button,) = row["elements"]
    assert button["value"] == "/role poet"
    assert len(button["text"]["text"]) == 75


def test_an_option_that_no_button_can_carry_is_left_out() -> None:
    assert rendering.buttons([Option("big", "x" * 2_001), Option(" ", "/x"), Option("none", "")]) == []


def test_many_choices_become_menus() -> None:
    (row,) = rendering.choices(options(250))
    valid([row])
    menus = row["elements"]
    assert [len(menu["options"]) for menu in menus] == [100, 100, 50]
    assert [menu["action_id"] for menu in menus] == ["pick:0", "pick:1", "pick:2"]
    assert menus[2]["options"][49]["value"] == "/model 249"


def test_few_choices_and_those_with_long_values_are_buttons() -> None:
    assert rendering.choices(options(25))[0]["elements"][0]["type"] == "button"
    assert rendering.choices(options(30, "x" * 151))[0]["elements"][0]["type"] == "button"


def test_ratings_are_slacks_own_form() -> None:
    blocks = rendering.ratings([Option("Good", "/rate good"), Option("Bad", "/rate bad")])
    valid(blocks)
    (element,) = blocks[0]["elements"]
    assert element["action_id"] == "rate"
    assert (element["positive_button"]["value"], element["negative_button"]["value"]) == (
        "/rate good",
        "/rate bad",
    )
    assert rendering.ratings([Option("Good", "/rate good")]) == []


@pytest.mark.parametrize("text", ["", "x" * 5_000, "<!channel> & co"])
def test_the_fallback_is_short_never_empty_and_no_markup(text: str) -> None:
    shown = rendering.fallback(text)
    assert 0 < len(shown) <= 3_100
    assert "<" not in shown
