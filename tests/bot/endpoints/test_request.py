"""What goes out is as little as possible, in the order that every server takes, and adapts to what is refused."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.endpoints.report import Report
from bot.endpoints.request import ChatRequest, ImagePart, Message, Quirks, TextPart, adapt, compose

PICTURE = "data:image/png;base64,AAAA"


def body(*messages: Message, quirks: Quirks | None = None, **fields: Any) -> dict[str, Any]:
    return compose(ChatRequest(messages or (Message("user", "hello"),), **fields), "m", quirks or Quirks())


def roles(found: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(message["role"], message["content"]) for message in found["messages"]]


def test_a_request_says_no_more_than_it_must() -> None:
    assert body() == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_was_set_is_sent_zero_included() -> None:
    found = body(temperature=0.0, top_p=0.5, max_tokens=9, reasoning_effort="low", stop=("a", "b"))
    punished = body(presence_penalty=-1.5, frequency_penalty=0.0)

    assert (punished["presence_penalty"], punished["frequency_penalty"]) == (-1.5, 0.0)
    assert found["temperature"] == 0.0
    assert (found["top_p"], found["max_tokens"], found["reasoning_effort"]) == (0.5, 9, "low")
    assert found["stop"] == ["a", "b"]


def test_a_system_message_stands_first_and_alone() -> None:
    found = body(
        Message("system", "one"), Message("user", "hello"), Message("system", "two"), Message("user", "?")
    )

    assert roles(found) == [("system", "one\n\ntwo"), ("user", "hello\n\n?")]


def test_neighbours_of_one_role_are_joined_and_empty_answers_left_out() -> None:
    found = body(
        Message("user", "a"), Message("assistant", ""), Message("user", "b"), Message("assistant", "c")
    )

    assert roles(found) == [("user", "a\n\nb"), ("assistant", "c")]


def test_speakers_are_kept_apart_and_their_names_made_acceptable() -> None:
    found = body(
        Message("user", "a", "Ann Lee <x>"), Message("user", "b", "李雷"), Message("user", "c", "n" * 99)
    )

    assert [message["name"] for message in found["messages"]] == ["Ann_Lee_x_", "李雷", "n" * 64]


def test_a_picture_is_joined_with_the_text_beside_it() -> None:
    found = body(Message("user", "look"), Message("user", (TextPart("here"), ImagePart(PICTURE))))

    assert found["messages"][0]["content"] == [
        {"type": "text", "text": "look"},
        {"type": "text", "text": "here"},
        {"type": "image_url", "image_url": {"url": PICTURE}},
    ]


def test_an_azure_or_openai_limit_has_its_own_name() -> None:
    found = body(max_tokens=5, quirks=Quirks(limit_field="max_completion_tokens"))

    assert found["max_completion_tokens"] == 5
    assert "max_tokens" not in found


MESSAGES = st.lists(
    st.builds(
        Message,
        st.sampled_from(["system", "user", "assistant"]),
        st.one_of(
            st.text("ab", max_size=2),
            st.just((TextPart("t"), ImagePart(PICTURE))),
            st.just((ImagePart(PICTURE),)),
        ),
        st.sampled_from(["", "ann"]),
    ),
    max_size=8,
)


@given(MESSAGES, st.booleans(), st.booleans())
def test_with_alternation_a_user_is_first_and_nobody_speaks_twice(
    messages: list[Message], no_system: bool, no_images: bool
) -> None:
    messages.append(Message("user", "the question"))
    found = body(*messages, quirks=Quirks(alternate=True, no_system=no_system, no_images=no_images))
    order = [message["role"] for message in found["messages"]]
    spoken = [role for role in order if role != "system"]

    assert order.count("system") <= (0 if no_system else 1)
    assert "system" not in order[1:]
    assert spoken[0] == "user"
    assert all(one != two for one, two in pairwise(spoken))
    assert "the question" in json.dumps(found["messages"][-1])
    assert not no_images or PICTURE not in json.dumps(found)


@pytest.mark.parametrize(
    ("report", "gone"),
    [
        (Report(400, "Unsupported value", param="temperature"), {"temperature"}),
        (Report(400, "Unsupported parameter: 'top_p' is not supported"), {"top_p"}),
        (Report(400, "invalid temperature: only 1 is allowed for this model"), {"temperature"}),
        (
            Report(422, "Extra inputs are not permitted (stream_options)", param="stream_options"),
            {"stream_options"},
        ),
        (Report(400, 'Unknown field "stream_options.include_usage"'), {"stream_options"}),
        (Report(400, "json: unknown field `stop`"), {"stop"}),
        (Report(400, "reasoning_effort is not a known argument"), {"reasoning_effort"}),
        (Report(400, "Unsupported parameter: 'presence_penalty'"), {"presence_penalty"}),
        (Report(400, "streaming is off", param="stream"), {"stream", "stream_options"}),
        (Report(400, "at most 100 tokens are allowed", param="max_tokens"), {"max_tokens"}),
    ],
)
def test_a_refused_field_is_left_out(report: Report, gone: set[str]) -> None:
    fields: dict[str, Any] = {"temperature": 0.5, "top_p": 0.5, "stop": ("x",), "max_tokens": 9}
    fields["presence_penalty"] = 1.0
    first = body(**fields, reasoning_effort="low")
    quirks = adapt(Quirks(), report, first)

    assert quirks is not None
    assert set(first) - set(body(**fields, reasoning_effort="low", quirks=quirks)) == gone


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_is_renamed_once_and_then_left_out(name: str) -> None:
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[name]
    quirks = adapt(
        Quirks(name), Report(400, f"Unsupported parameter: '{name}'"), body(max_tokens=9, quirks=Quirks(name))
    )
    assert quirks is not None
    renamed = body(max_tokens=9, quirks=quirks)
    again = adapt(quirks, Report(400, f"Unsupported parameter: '{other}'. Use '{name}'."), renamed)

    assert renamed[other] == 9
    assert name not in renamed
    assert again is not None
    assert not {name, other} & set(body(max_tokens=9, quirks=again))


@pytest.mark.parametrize(
    "words",
    [
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "After the optional system message, conversation roles must alternate",
    ],
)
def test_a_template_that_wants_turns_taken_gets_them(words: str) -> None:
    assert adapt(Quirks(), Report(400, words), body()) == Quirks(alternate=True)


@pytest.mark.parametrize(
    "words",
    ["System role not supported", "this model does not support system messages", "unknown variant `system`"],
)
def test_a_model_without_a_system_role_gets_its_prompt_from_the_user(words: str) -> None:
    messages = (Message("system", "be brief"), Message("user", "hello"))
    quirks = adapt(Quirks(), Report(400, words), body(*messages))

    assert quirks == Quirks(no_system=True)
    assert roles(body(*messages, quirks=quirks)) == [("user", "be brief\n\nhello")]


@pytest.mark.parametrize(
    "words",
    [
        "messages[1]: unknown variant `image_url`, expected `text`",
        "Invalid content type. image_url is only supported by certain models.",
        "m is not a multimodal model",
        "this model does not support images",
        "messages.0.content must be a string",
    ],
)
def test_a_model_without_eyes_is_told_that_there_was_a_picture(words: str) -> None:
    message = Message("user", (TextPart("what is this?"), ImagePart(PICTURE)))
    quirks = adapt(Quirks(), Report(400, words), body(message))

    assert quirks == Quirks(no_images=True)
    assert roles(body(message, quirks=quirks)) == [
        ("user", "what is this?\n[an image, which this model cannot see]")
    ]


def test_a_server_that_knows_no_names_gets_none() -> None:
    message = Message("user", "hello", "Ann")
    report = Report(
        422, "Extra inputs are not permitted (messages.0.user.name)", param="messages.0.user.name"
    )

    assert adapt(Quirks(), report, body(message)) == Quirks(no_names=True)
    assert "name" not in body(message, quirks=Quirks(no_names=True))["messages"][0]


@pytest.mark.parametrize(
    "words",
    ["", "Something else", "please stop", "stream of errors", "images are nice", "the name of the game"],
)
def test_a_refusal_that_blames_nothing_we_sent_changes_nothing(words: str) -> None:
    assert adapt(Quirks(), Report(400, words), body(stop=("x",))) is None


@given(st.text(), st.text(), MESSAGES)
def test_adaptation_always_comes_to_an_end(message: str, param: str, messages: list[Message]) -> None:
    request = ChatRequest((*messages, Message("user", "?")), "", 0.5, 0.5, 9, "low", ("x",))
    words = (
        f"{message} temperature `stop` max_tokens system not supported roles must alternate image_url 'name'"
    )
    quirks: Quirks | None = Quirks()
    for _ in range(20):
        quirks = adapt(quirks, Report(400, words, param=param), compose(request, "m", quirks))
        if quirks is None:
            return
    pytest.fail("twenty changes, and still another")
