"""An answer is read out of whatever JSON a server makes of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.api import Usage
from bot.endpoints.answer import TEXT_LIMIT, AnswerReader, Delta, Finish, ReasoningDelta, TextDelta, Thoughts
from bot.errors import EmptyAnswer, Filtered, ServerFailed


def reader() -> AnswerReader:
    return AnswerReader("host", "m", lambda text: text)


def said(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def thought(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))


def read(*documents: Any, complete: bool = True) -> list[Delta]:
    one = reader()
    return [delta for document in documents for delta in one.read(document)] + one.close(complete=complete)


def choice(delta: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]}


# --- text and thoughts


@pytest.mark.parametrize(
    "document",
    [
        choice({"content": "hello"}),
        choice({"content": [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]}),
        choice({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "hello"}]}),
        choice({"content": None, "refusal": "hello"}),
        choice(None, message={"content": "hello"}),
        choice({}, message={"content": "hello"}),
        {"choices": [{"message": {"content": "hello"}}]},
        {"choices": [{"index": None, "delta": {"content": "hello"}}]},
        {"choices": [{"index": 1, "delta": {"content": "no"}}, {"delta": {"content": "hello"}}]},
        {"choices": [7, None, {"delta": {"content": "hello"}}]},
        [choice({"content": "hello"})],
    ],
)
def test_text_is_found_wherever_it_stands(document: Any) -> None:
    assert said(read(document)) == "hello"


@pytest.mark.parametrize(
    "document",
    [{}, {"choices": None}, {"choices": []}, choice(None), choice({"content": None}), choice({"content": 7})],
)
def test_a_chunk_without_text_says_nothing(document: Any) -> None:
    assert reader().read(document) == []


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning": "hm", "reasoning_details": [{"text": "hm"}]},
    ],
)
def test_thoughts_are_no_part_of_the_answer(delta: dict[str, Any]) -> None:
    deltas = read(choice(delta), choice({"content": "hello"}))

    assert (thought(deltas), said(deltas)) == ("hm", "hello")


@given(st.text(st.sampled_from("ab <>/\nthink"), max_size=12), st.text("xyz <", min_size=1), st.data())
@example("", "<", None)
def test_a_leading_think_block_is_parted_wherever_it_is_cut(inside: str, answer: str, data: Any) -> None:
    inside, answer = inside.replace("</think>", ""), "." + answer
    whole = f" \n<think>{inside}</think>\n\n{answer}"
    places = data.draw(st.lists(st.integers(0, len(whole)))) if data else range(len(whole))
    cuts = sorted({0, len(whole), *places})
    thoughts = Thoughts()
    parts = [thoughts.feed(whole[one:two]) for one, two in pairwise(cuts)] + [thoughts.close()]

    assert "".join(part[0] for part in parts) == inside
    assert "".join(part[1] for part in parts) == answer


@given(st.lists(st.sampled_from(["a", " ", "<", "<think", "<th", "think>", "</think>", "\n"]), max_size=6))
def test_text_that_only_looks_like_a_think_block_is_kept(parts: list[str]) -> None:
    text = "".join(parts)
    if text.lstrip().startswith("<think>"):
        return
    thoughts = Thoughts()
    answered = "".join([*(thoughts.feed(part)[1] for part in parts), thoughts.close()[1]])

    assert answered == (text if text.strip() else "")


def test_what_is_thought_to_the_end_is_no_answer() -> None:
    one = reader()
    deltas = one.read(choice({"content": "<think>on and on</thi"}, "stop"))

    assert thought(deltas) == "on and on"
    with pytest.raises(EmptyAnswer):
        one.close(complete=True)


def test_an_emoji_that_a_server_cut_in_two_is_whole_again() -> None:
    assert said(read(choice({"content": "a\ud83d"}), choice({"content": "\ude00b"}))) == "a😀b"


def test_half_an_emoji_is_replaced_because_it_has_no_utf_8() -> None:
    assert said(read(choice({"content": "a\ude00b\ud83d"}))) == "a\ufffdb\ufffd"


def test_an_answer_without_end_is_cut_as_if_its_length_were_used_up() -> None:
    one = reader()
    one.read(choice({"content": "x" * (TEXT_LIMIT + 1)}))

    assert one.full
    assert one.close(complete=False)[-1] == Finish("length", None, "m")


def test_blanks_without_end_are_given_up_before_they_fill_the_memory() -> None:
    one = reader()
    blanks = choice({"content": " \n" * 5000})
    for _ in range(TEXT_LIMIT // 10_000 + 1):
        assert one.read(blanks) == []

    assert one.full
    with pytest.raises(EmptyAnswer):
        one.close(complete=False)


# --- the end


@pytest.mark.parametrize(
    ("given_reason", "reason"),
    [
        *(("stop", "stop"), ("end_turn", "stop"), ("eos", "stop"), ("STOP", "stop"), ("brand_new", "stop")),
        *(("tool_calls", "stop"), ("function_call", "stop"), ("tool_use", "stop")),
        *(("length", "length"), ("max_tokens", "length"), ("model_context_window_exceeded", "length")),
        *(
            ("content_filter", "filtered"),
            ("sensitive", "filtered"),
            ("safety", "filtered"),
            ("refusal", "filtered"),
        ),
    ],
)
def test_every_vendors_finish_reason_is_one_of_three(given_reason: str, reason: str) -> None:
    assert read(choice({"content": "x"}, given_reason), complete=False)[-1] == Finish(reason, None, "m")


@pytest.mark.parametrize("reason", ["error", "network_error", "insufficient_system_resource"])
def test_a_finish_reason_may_be_a_failure_and_what_came_with_it_is_kept(reason: str) -> None:
    one = reader()

    assert said(one.read(choice({"content": "x"}, reason))) == "x"
    with pytest.raises(ServerFailed, match=reason):
        one.close(complete=True)


def test_an_answer_that_neither_finishes_nor_is_closed_broke_off() -> None:
    with pytest.raises(ServerFailed, match="broke off"):
        read(choice({"content": "x"}), complete=False)


def test_an_answer_that_is_closed_without_a_finish_reason_is_complete() -> None:
    assert read(choice({"content": "x"}))[-1] == Finish("stop", None, "m")


@pytest.mark.parametrize(
    ("reason", "error"), [("stop", EmptyAnswer), ("length", EmptyAnswer), ("content_filter", Filtered)]
)
def test_an_answer_without_words_is_an_error(reason: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(choice({"content": ""}, reason))


# --- usage


def test_the_last_usage_wins_and_null_does_not_count() -> None:
    deltas = read(
        choice({"content": "x"}) | {"usage": {"prompt_tokens": 5, "completion_tokens": 1}},
        {"choices": [{"delta": {}, "usage": {"prompt_tokens": 5, "completion_tokens": 2}}], "usage": None},
        {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}},
    )

    assert deltas[-1] == Finish("stop", Usage(5, 2), "m")


@pytest.mark.parametrize("usage", [None, {}, 7, {"prompt_tokens": None}, {"prompt_tokens": "many"}])
def test_usage_that_is_none_is_left_to_be_counted(usage: Any) -> None:
    assert read(choice({"content": "x"}) | {"usage": usage})[-1] == Finish("stop", None, "m")


def test_usage_may_go_by_the_names_of_the_other_api() -> None:
    usage = {"input_tokens": 3, "output_tokens": 4}

    assert read(choice({"content": "x"}) | {"usage": usage})[-1] == Finish("stop", Usage(3, 4), "m")
