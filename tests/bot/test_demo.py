"""The built-in demo: an endpoint that an independent client accepts, and a guide that is honest about itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.chat import ChatCompletionChunk
from starlette.types import Message as Event

from bot.demo import CONTEXT, MODEL, Demo, app, local_server
from bot.demo.answers import MOST, Talk, answer, pieces
from bot.demo.arithmetic import calculate, shown
from bot.demo.media import EARS, PAINTER, VOICE
from bot.demo.words import WORDS

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def base_url() -> AsyncIterator[str]:
    demo = Demo(pace=0, clock=lambda: 1_700_000_000.5)
    yield await demo.start()
    await demo.stop()


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        yield client


def talk(said: str, *earlier: str, role: str = "", first: bool = False, more: bool = False) -> Talk:
    return Talk(role=role, earlier=earlier, said=said, first=first, more=more)


# --- over HTTP ----------------------------------------------------------------------------------------------


async def test_the_models_list_begins_with_its_model_for_chat_and_names_its_window(
    client: AsyncOpenAI,
) -> None:
    model, *others = [model async for model in client.models.list()]
    assert [other.id for other in others] == [PAINTER, EARS, VOICE]
    assert (model.id, model.object, model.owned_by) == (MODEL, "model", "parley")
    assert model.model_dump()["context_length"] == CONTEXT == 16384
    assert (await client.models.retrieve(MODEL)).id == MODEL


async def test_an_answer_in_one_piece_is_what_the_client_expects(client: AsyncOpenAI) -> None:
    done = await client.chat.completions.create(model=MODEL, messages=HELLO)  # type: ignore[arg-type]
    type(done).model_validate(done.model_dump(), strict=True)
    [choice] = done.choices
    assert choice.message.content is not None
    assert "not a language model" in choice.message.content
    assert choice.finish_reason == "stop"
    assert done.created == 1_700_000_000
    assert done.usage is not None
    assert done.usage.completion_tokens == len(pieces(choice.message.content))
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens


async def test_a_stream_is_the_same_answer_in_pieces_with_its_usage_at_the_end(client: AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(model=MODEL, messages=HELLO)  # type: ignore[arg-type]
    stream = await client.chat.completions.create(
        model=MODEL,
        messages=HELLO,  # type: ignore[arg-type]
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.model_dump(), strict=True)
    *spoken, last = chunks
    assert "".join(c.choices[0].delta.content or "" for c in spoken) == whole.choices[0].message.content
    assert spoken[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in spoken if c.choices[0].finish_reason] == ["stop"]
    assert last.choices == []
    assert last.usage == whole.usage
    assert all(chunk.usage is None for chunk in spoken)


TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("image", "edit_image")
]
DREW = {"role": "assistant", "content": "[drew: a lighthouse]\n\nThere it is."}


@pytest.mark.parametrize(
    ("text", "before", "wanted"),
    [
        ("Draw me a lighthouse at night.", [], ("image", "a lighthouse at night")),
        ("请画一只猫", [], ("image", "猫")),
        ("make it brighter", [DREW], ("edit_image", "make it brighter")),
        ("把它变亮一点", [DREW], ("edit_image", "把它变亮一点")),
        ("make it brighter", [], None),
        ("再见", [DREW], None),
        ("2+2", [DREW], None),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_picture_that_is_asked_for_is_a_call(
    client: AsyncOpenAI, text: str, before: list[Any], wanted: tuple[str, str] | None, stream: bool
) -> None:
    messages: list[Any] = [*before, {"role": "user", "content": text}]
    calls: list[Any] = []
    if stream:
        async with client.chat.completions.stream(model=MODEL, messages=messages, tools=TOOLS) as events:
            calls = (await events.get_final_completion()).choices[0].message.tool_calls or []
    else:
        done = await client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
        type(done).model_validate(done.model_dump(), strict=True)
        calls = done.choices[0].message.tool_calls or []
    called = [(c.function.name, json.loads(c.function.arguments)["prompt"]) for c in calls]
    assert called == ([wanted] if wanted else [])
    if calls:
        messages += [
            {"role": "assistant", "content": "", "tool_calls": [calls[0].model_dump(exclude_none=True)]},
            {"role": "tool", "tool_call_id": calls[0].id, "content": "Done."},
        ]
        told = await client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
        assert told.choices[0].message.content in {words["shown"] for words in WORDS.values()}
    bare = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])
    assert bare.choices[0].message.tool_calls is None


async def test_a_stream_tells_no_usage_unless_asked(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)  # type: ignore[arg-type]
    assert all(chunk.choices and chunk.usage is None for chunk in [chunk async for chunk in stream])


async def test_the_same_request_has_the_same_answer(client: AsyncOpenAI) -> None:
    first, second = [
        await client.chat.completions.create(model=MODEL, messages=HELLO)  # type: ignore[arg-type]
        for _ in range(2)
    ]
    assert first == second


async def test_it_starts_with_the_introduction_only_until_it_has_answered(client: AsyncOpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "2+2"}]
    first = await client.chat.completions.create(model=MODEL, messages=messages)
    said = first.choices[0].message.content or ""
    assert said.startswith(WORDS["en"]["intro"])
    assert "**4**" in said
    messages += [{"role": "assistant", "content": said}, {"role": "user", "content": "3+3"}]
    second = await client.chat.completions.create(model=MODEL, messages=messages)
    assert second.choices[0].message.content == "`3+3` = **6**"


async def test_an_answer_longer_than_it_may_be_is_cut_and_says_so(client: AsyncOpenAI) -> None:
    done = await client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=5)  # type: ignore[arg-type]
    assert done.choices[0].finish_reason == "length"
    assert done.usage is not None
    assert done.usage.completion_tokens == 5


async def test_content_in_parts_and_every_role_is_understood(client: AsyncOpenAI) -> None:
    messages: list[Any] = [
        {"role": "developer", "content": "You are a pirate. Arr."},
        {"role": "assistant", "content": "Arr"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "who are you?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
    ]
    done = await client.chat.completions.create(model=MODEL, messages=messages)
    assert "> You are a pirate.\n" in (done.choices[0].message.content or "")


async def test_an_unknown_model_is_not_found(client: AsyncOpenAI) -> None:
    with pytest.raises(NotFoundError) as refused:
        await client.chat.completions.create(model="gpt-x", messages=HELLO)  # type: ignore[arg-type]
    assert refused.value.code == "model_not_found"
    assert refused.value.param == "model"
    with pytest.raises(NotFoundError):
        await client.models.retrieve("org/other")


async def test_an_endpoint_that_it_lacks_is_not_found(client: AsyncOpenAI) -> None:
    with pytest.raises(NotFoundError, match=r"Invalid URL \(POST /v1/embeddings\)"):
        await client.embeddings.create(model=MODEL, input="a cat")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ("{", None),
        ("[]", None),
        ({"messages": HELLO}, "model"),
        ({"model": MODEL}, "messages"),
        ({"model": MODEL, "messages": []}, "messages"),
        ({"model": MODEL, "messages": [{"role": "boss", "content": "x"}]}, "messages[0].role"),
        ({"model": MODEL, "messages": HELLO, "temperature": 3}, "temperature"),
        ({"model": MODEL, "messages": HELLO, "max_tokens": 0}, "max_tokens"),
        ({"model": MODEL, "messages": HELLO, "stream": "yes"}, "stream"),
        ({"model": MODEL, "messages": HELLO, "stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused_and_says_where(
    base_url: str, body: object, param: str | None
) -> None:
    data = body if isinstance(body, str) else json.dumps(body)
    async with ClientSession() as http, http.post(f"{base_url}/chat/completions", data=data) as answered:
        assert answered.status == 400
        error = (await answered.json())["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param


async def test_a_dialogue_longer_than_its_window_is_refused_with_the_limit(client: AsyncOpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "word " * 20_000}]
    with pytest.raises(BadRequestError, match="maximum context length is 16384 tokens") as refused:
        await client.chat.completions.create(model=MODEL, messages=messages)
    assert refused.value.code == "context_length_exceeded"


async def test_it_speaks_at_a_human_pace() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    content = json.dumps({"model": MODEL, "messages": HELLO, "stream": True}).encode()
    received = iter([{"type": "http.request", "body": content, "more_body": False}])
    sent: list[Event] = []

    async def receive() -> Event:
        return next(received, None) or await asyncio.Future()

    async def send(event: Event) -> None:
        sent.append(event)

    path = "/v1/chat/completions"
    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    await app(pace=32, sleep=sleep)(scope, receive, send)
    assert sent[0]["status"] == 200
    assert len(pauses) == len(pieces(answer(talk("hello", first=True))))
    assert set(pauses) == {1 / 32}


async def test_stopping_does_not_wait_for_a_slow_answer() -> None:
    demo = Demo(pace=0.01)
    url = await demo.start()
    body = {"model": MODEL, "messages": HELLO, "stream": True}
    async with ClientSession() as http, http.post(f"{url}/chat/completions", json=body) as streaming:
        assert (await streaming.content.readline()).startswith(b"data: {")
        started = time.monotonic()
        await demo.stop()
        assert time.monotonic() - started < 30  # the next word would come after a hundred
    await demo.stop()


# --- what it says -------------------------------------------------------------------------------------------


def test_the_introduction_comes_in_the_persons_language() -> None:
    english, chinese = answer(talk("hi", first=True)), answer(talk("你好", first=True))
    for text in (english, chinese):
        assert "OPENAI_API_KEY=" in text
        assert "OPENAI_BASE_URL=" in text
        assert ".env" in text
    assert "not a language model" in english
    assert "不是语言模型" in chinese


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["en"].keys() == WORDS["zh"].keys()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("repeat good morning", "good morning"),
        ("Please repeat after me: a\nb", "a\nb"),
        ("重复 早上好", "早上好"),
        ("请重复一遍：再见", "再见"),
        ("請重複一遍：再見", "再見"),
        ("數到3", "1, 2, 3"),
        ("count to 3", "1, 2, 3"),
        ("数到5", "1, 2, 3, 4, 5"),
        ("what is 2+2*3?", "`2+2*3` = **8**"),
        ("2^10 =", "`2^10` = **1024**"),
        ("（1＋2）×3等于多少？", "`（1＋2）×3` = **9**"),
        ("1/0", WORDS["en"]["by zero"]),
        ("9^9^9", WORDS["en"]["too large"]),
        ("table", WORDS["en"]["table"]),
        ("来个表格", WORDS["zh"]["table"]),
        ("show me some markdown", WORDS["en"]["markdown"]),
        ("a list please", WORDS["en"]["list"]),
        ("长文", WORDS["zh"]["long"]),
        ("thank you!", WORDS["en"]["thanks"]),
        ("再见", WORDS["zh"]["bye"]),
        ("What can you do?", WORDS["en"]["try"]),
        ("你能做什么？", WORDS["zh"]["try"]),
    ],
)
def test_it_follows_its_rules(said: str, expected: str) -> None:
    assert answer(talk(said)) == expected


def test_a_count_is_bounded() -> None:
    text = answer(talk("count to 999999999"))
    assert text.endswith(f", {MOST}")
    assert f"I stop at {MOST}" in text


def test_code_comes_in_the_language_that_was_asked_for() -> None:
    assert "```rust\nfn main()" in answer(talk("code in Rust"))
    assert "```python\n" in answer(talk("写点代码"))


def test_it_shows_that_the_dialogue_is_remembered() -> None:
    earlier = ("I like tea", "and cake")
    assert "> I like tea" in answer(talk("what did I say first?", *earlier))
    assert "> and cake" in answer(talk("what did I say before?", *earlier))
    assert "> 我喜欢茶" in answer(talk("我刚才说了什么？", "我喜欢茶"))
    assert answer(talk("what did I say first?")) == WORDS["en"]["nothing before"]


def test_it_remembers_a_name_while_the_dialogue_has_it() -> None:
    assert "Ada Lovelace" in answer(talk("my name is Ada Lovelace."))
    assert "Ada Lovelace" in answer(talk("What's my name?", "my name is Ada Lovelace.", "what is my name"))
    assert "Bob" in answer(talk("what is my name", "my name is Ada", "no, my name is Bob"))
    assert answer(talk("what is my name?")) == WORDS["en"]["name unknown"]
    assert "小明" in answer(talk("我叫什么？", "我叫小明。"))


def test_it_names_the_first_sentence_of_its_role() -> None:
    assert "> You are Marvin.\n" in answer(talk("Who are you?", role="You are Marvin. You are sad."))
    assert "> 你是一位翻译。\n" in answer(talk("你是谁", role="你是一位翻译。只翻译。"))
    assert answer(talk("who are you", role=" ")) == WORDS["en"]["no role"]


def test_between_chinese_sentences_there_is_no_space() -> None:
    assert "消息。可以试试" in answer(talk("你好"))


async def test_what_one_of_several_people_says_is_understood_without_their_name(client: AsyncOpenAI) -> None:
    said = {"role": "user", "content": "[Bob b #0967] repeat good morning"}
    done = await client.chat.completions.create(model=MODEL, messages=[*HELLO, said])  # type: ignore[list-item]
    assert (done.choices[0].message.content or "").endswith("\n\ngood morning")
    drawn = await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "[李雷 #88ed] draw a fox"}],
        tools=[{"type": "function", "function": {"name": "image", "parameters": {}}}],
    )
    assert drawn.choices[0].finish_reason == "tool_calls"


def test_anything_else_is_reflected_with_what_to_try() -> None:
    text = answer(talk("I have a long day behind me, and there is a table in my kitchen that wobbles so."))
    assert "> I have a long day" in text
    assert "count to 30" in text


def test_words_and_chinese_characters_are_counted_as_people_count_them() -> None:
    assert "(5 words)" in answer(talk("Why is the sky blue?"))
    assert "(1 word)" in answer(talk("Sky?"))
    assert "（8 个字或词）" in answer(talk("天空为什么是 blue 的？"))


def test_the_introduction_is_bold_where_markdown_is_read() -> None:
    for language in WORDS:
        assert MarkdownIt().render(WORDS[language]["intro"]).startswith("<p><strong>")


def test_a_message_without_text_is_noticed() -> None:
    assert answer(talk("", more=True)).startswith(WORDS["en"]["picture"])
    assert answer(talk(" ")).startswith(WORDS["en"]["empty"])


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


@given(st.text(), st.lists(st.text(), max_size=3), st.text(), st.booleans())
def test_there_is_an_answer_to_everything(said: str, earlier: list[str], role: str, first: bool) -> None:
    assert answer(talk(said, *earlier, role=role, first=first)).strip()


def test_a_long_hostile_message_is_answered_quickly() -> None:
    started = time.process_time()
    for text in (
        "我" * 50_000,
        "what is " * 10_000,
        "(" * 50_000,
        "1+" * 30_000,
        "数数" * 20_000,
        " " * 50_000,
    ):
        answer(talk(text))
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+1", Fraction(2)),
        ("2+2*3", Fraction(8)),
        ("-(2+3)*4", Fraction(-20)),
        ("2**3^2", Fraction(512)),
        ("-2^2", Fraction(-4)),
        ("0.1+0.2", Fraction(3, 10)),
        ("10/4", Fraction(5, 2)),
        ("12 ÷ 5 − 1", Fraction(7, 5)),
        ("7", None),
        ("-7", None),
        ("1+", None),
        ("(1+2", None),
        ("1 2+3", None),
        ("2^0.5", None),
        ("__import__('os')", None),
        ("1+1" * 50, None),
    ],
)
def test_arithmetic_is_exact_and_refuses_what_it_is_not(text: str, value: Fraction | None) -> None:
    assert calculate(text) == value


def test_a_result_is_shown_shortly() -> None:
    assert [shown(Fraction(n)) for n in ("4", "5/2", "1/3")] == ["4", "2.5", "0.3333333333"]


@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 99)), min_size=1, max_size=8))
def test_arithmetic_agrees_with_python(steps: list[tuple[str, int]]) -> None:
    text = "7" + "".join(f"{operator}{number}" for operator, number in steps)
    assert calculate(text) == eval(text)  # noqa: S307 - of our own making, as the independent judge


# --- a local server -----------------------------------------------------------------------------------------


async def test_a_local_server_that_lists_its_models_is_found(base_url: str) -> None:
    port = int(base_url.removesuffix("/v1").rsplit(":", 1)[1])
    assert await local_server(port=port, timeout=30) == base_url


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 404 Not Found\r\n\r\n", b"SSH-2.0-x\r\n", b"x" * 100_000])
async def test_something_else_on_that_port_is_not_taken_for_one(sent: bytes) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    async with await asyncio.start_server(other, "127.0.0.1", 0) as server:
        assert await local_server(port=server.sockets[0].getsockname()[1], timeout=30) is None


async def test_a_silent_or_absent_server_costs_a_moment_only() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started = time.monotonic()
    assert await local_server(port=port, timeout=0.1) is None
    server.close()
    await server.wait_closed()
    assert await local_server(port=port) is None
    assert time.monotonic() - started < 30
