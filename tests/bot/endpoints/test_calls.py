"""The calls of functions are put together out of whatever pieces a server sends."""

from __future__ import annotations

from typing import Any

import pytest

from bot.endpoints.answer import TEXT_LIMIT, AnswerReader, Delta, Finish, TextDelta
from bot.endpoints.calls import LONGEST, MOST, ToolCall
from bot.errors import EmptyAnswer

FOX = ToolCall("a", "image", '{"prompt": "a fox"}')


def read(*deltas: Any, finish: str = "tool_calls", tools: bool = True) -> list[Delta]:
    reader = AnswerReader("host", "m", lambda text: text, tools=tools)
    found = [d for delta in deltas for d in reader.read({"choices": [{"delta": delta}]})]
    return [
        *found,
        *reader.read({"choices": [{"delta": {}, "finish_reason": finish}]}),
        *reader.close(complete=True),
    ]


def calls(*deltas: Any, finish: str = "tool_calls") -> tuple[ToolCall, ...]:
    last = read(*deltas, finish=finish)[-1]
    assert isinstance(last, Finish)
    return last.calls


def piece(arguments: Any = None, **more: Any) -> dict[str, Any]:
    function = {"name": more.pop("name", None), "arguments": arguments}
    return {"tool_calls": [more | {"function": {k: v for k, v in function.items() if v is not None}}]}


DIALECTS: dict[str, list[Any]] = {
    "in pieces": [
        piece("", index=0, id="a", type="function", name="image"),
        *(piece(text, index=0) for text in ('{"pro', 'mpt": "a', ' fox"}')),
    ],
    "ids empty and names repeated behind the first piece": [
        piece('{"prompt": ', index=0, id="a", name="image"),
        piece('"a fox"}', index=0, id="", name="image"),
    ],
    "an id of null": [
        piece('{"prompt": ', index=0, id="a", name="image"),
        piece('"a fox"}', index=0, id=None),
    ],
    "whole and without an index": [piece('{"prompt": "a fox"}', id="a", name="image")],
    "in pieces without an index": [piece('{"prompt": ', id="a", name="image"), piece('"a fox"}')],
    "in pieces that repeat the id": [piece('{"prompt": ', id="a", name="image"), piece('"a fox"}', id="a")],
    "an object for arguments": [piece({"prompt": "a fox"}, index=0, id="a", name="image")],
}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("finish", ["tool_calls", "stop"])
def test_a_call_is_understood_in_every_dialect(name: str, finish: str) -> None:
    assert calls(*DIALECTS[name], finish=finish) == (FOX,)


def test_several_calls_are_kept_apart() -> None:
    one, two = ToolCall("a", "image", '{"n":1}'), ToolCall("b", "edit_image", '{"n":2}')
    right = [
        piece('{"n":', index=0, id="a", name="image"),
        piece('{"n":2}', index=1, id="b", name="edit_image"),
    ]
    assert calls(*right, piece("1}", index=0)) == (one, two)
    same = [
        piece('{"n":1}', index=0, id="a", name="image"),
        piece('{"n":2}', index=0, id="b", name="edit_image"),
    ]
    assert calls(*same) == (one, two)
    bare = [piece('{"n":1}', name="image"), piece('{"n":2}', name="edit_image")]
    assert [(c.id, c.name) for c in calls(*bare)] == [("call_1", "image"), ("call_2", "edit_image")]
    together = {
        "tool_calls": [piece('{"n":1}', id="a", name="image")["tool_calls"][0], *right[1]["tool_calls"]]
    }
    assert calls(together) == (one, two)


def test_the_older_form_and_a_whole_message_are_calls_too() -> None:
    assert calls({"function_call": {"name": "image", "arguments": "{}"}}) == (
        ToolCall("call_1", "image", "{}"),
    )
    reader = AnswerReader("host", "m", lambda text: text, tools=True)
    message = {"content": None, **DIALECTS["whole and without an index"][0]}
    assert reader.read({"choices": [{"message": message, "finish_reason": "tool_calls"}]}) == []
    assert reader.close(complete=True) == [Finish("stop", None, "m", (FOX,))]


def test_words_come_before_calls_and_what_a_server_wants_to_see_again_is_kept() -> None:
    signed = piece("{}", index=0, id="a", name="image", extra_content={"google": {"thought_signature": "x"}})
    *said, finish = read(
        {"content": "One moment."}, {"reasoning_content": "They want "}, {"reasoning_content": "art."}, signed
    )
    assert TextDelta("One moment.") in said
    assert isinstance(finish, Finish)
    assert finish.calls[0].extra == {"extra_content": {"google": {"thought_signature": "x"}}}
    assert finish.thoughts == {"reasoning_content": "They want art."}


@pytest.mark.parametrize(
    "given", [7, "text", [7, None], [{}], [{"function": 7}], [{"function": {"name": 7}}], {"a": 1}]
)
def test_what_is_no_call_is_none(given: Any) -> None:
    with pytest.raises(EmptyAnswer):
        read({"tool_calls": given})
    assert calls({"content": "hi", "tool_calls": given}) == ()


def test_calls_are_bounded() -> None:
    many = calls(*(piece("x" * (LONGEST + 1), index=n, id=str(n), name="image") for n in range(MOST + 5)))
    assert len(many) == MOST
    assert {len(call.arguments) for call in many} == {LONGEST}


ENDLESS: dict[str, Any] = {
    "arguments": lambda n: piece("x" * 2000, index=0, id="a", name="image"),
    "arguments as objects": lambda n: piece({"prompt": "x" * 2000}, index=0, id="a", name="image"),
    "calls": lambda n: piece("x" * 2000, index=n, id=str(n), name="image"),
    "what else goes with them": lambda n: piece("", id="a", name="image", **{f"x{n}": "x" * 2000}),
    "thoughts under a second name": lambda n: {"reasoning_content": "x", "reasoning": "x" * 2000},
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_model_that_never_stops_calling_is_cut(name: str) -> None:
    reader = AnswerReader("host", "m", lambda text: text, tools=True)
    for n in range(TEXT_LIMIT // 2000 + 1):
        reader.read({"choices": [{"delta": ENDLESS[name](n)}]})
    assert reader.full


def test_calls_that_were_not_offered_are_no_answer() -> None:
    with pytest.raises(EmptyAnswer, match="not offered"):
        read(piece("{}", index=0, id="a", name="image"), tools=False)
