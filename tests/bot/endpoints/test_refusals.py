"""Each refusal that servers are known for stands for the one error that helps the operator or the dialogue."""

from __future__ import annotations

from typing import Any

import pytest

from bot.endpoints.chat import ChatEndpoint, ChatRequest, Message
from bot.endpoints.failures import failure
from bot.endpoints.report import Report, redaction, report, retry_after
from bot.errors import (
    ContextTooLong,
    EmptyAnswer,
    EndpointBusy,
    Filtered,
    KeyRejected,
    ModelUnknown,
    ParleyError,
    QuotaExhausted,
    RequestRefused,
    ServerFailed,
    WrongAddress,
)
from tests.simulators.endpoint import EndpointSimulator
from tests.simulators.servers import REFUSALS

EXPECTED: dict[type[ParleyError], list[str]] = {
    QuotaExhausted: [
        "openai: no quota", "openai: credit used up", "openrouter: no credit", "deepseek: no balance",
        "glm: in debt", "kimi: no quota", "qwen: in arrears", "anthropic: low balance",
    ],
    KeyRejected: ["openai: bad key", "gemini: bad key", "openai: region"],
    ModelUnknown: [
        "openai: no model", "deepseek: no model", "openrouter: no model", "glm: no model", "ollama: no model",
        "vllm: no model", "litellm: no model", "gemini: no model",
    ],
    ContextTooLong: [
        "openai: too long", "llamacpp: too long", "vllm: too long", "anthropic: too long", "gemini: too long",
        "kimi: too long", "qwen: too long", "openai: too large for the minute", "nginx: too large",
    ],
    Filtered: [
        "azure: filtered", "openrouter: flagged", "qwen: inspected", "deepseek: risk", "glm: sensitive",
        "filtered at once",
    ],
    EndpointBusy: [
        "openai: rate", "openai: slow down", "anthropic: overloaded", "llamacpp: loading", "glm: concurrency",
        "gemini: exhausted", "openrouter: rate, in the stream",
    ],
    ServerFailed: [
        "openai: broken", "nginx: bad gateway", "vllm: broken, in the stream", "vllm: broken, in the stream, of old",
        "llamacpp: broken, in a field error", "an event called error", "deepseek: out of resources", "glm: network",
        "no JSON in an event", "a JSON number", "nothing at all",
    ],
    RequestRefused: ["fastapi: extra field", "fastapi: a sentence"],
    WrongAddress: [
        "openai: wrong path", "fastapi: wrong path", "nginx: not found", "method not allowed", "moved",
        "a sign-in page",
    ],
    EmptyAnswer: ["lmstudio: overflow", "only blanks", "only a tool call", "only thoughts"],
}  # fmt: skip

REQUEST = ChatRequest((Message("user", "hello"),))


def test_every_refusal_in_the_book_is_expected_to_be_something() -> None:
    assert sorted(name for names in EXPECTED.values() for name in names) == sorted(REFUSALS)


@pytest.mark.parametrize(("error", "name"), [(e, name) for e, names in EXPECTED.items() for name in names])
async def test_a_refusal_stands_for_one_error(
    chat: ChatEndpoint, endpoint: EndpointSimulator, error: type[ParleyError], name: str
) -> None:
    endpoint.script(REFUSALS[name])

    with pytest.raises(ParleyError) as caught:
        [delta async for delta in chat.ask(REQUEST, "small")]

    finer = (RequestRefused, WrongAddress)  # these have kinds of their own
    assert type(caught.value) is error or (error in finer and isinstance(caught.value, error))
    assert "127.0.0.1" in str(caught.value), "a log line says who it was"
    assert "<" not in str(caught.value), "no HTML"


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("openai: too long", 128_000),
        ("llamacpp: too long", 4096),
        ("vllm: too long", 4096),
        ("anthropic: too long", 200_000),
        ("gemini: too long", 1_048_576),
        ("kimi: too long", 131_072),
        ("qwen: too long", 98_304),
        ("openai: too large for the minute", 30_000),
        ("nginx: too large", 0),
    ],
)
async def test_the_window_is_learned_from_the_refusal_where_it_says(
    chat: ChatEndpoint, endpoint: EndpointSimulator, name: str, limit: int
) -> None:
    endpoint.script(REFUSALS[name])

    with pytest.raises(ContextTooLong) as caught:
        [delta async for delta in chat.ask(REQUEST, "small")]

    assert caught.value.limit == limit


async def test_a_redirect_is_named_without_what_may_be_secret_in_it(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(REFUSALS["moved"])

    with pytest.raises(WrongAddress, match=r"https://elsewhere\.example/v1$"):
        [delta async for delta in chat.ask(REQUEST, "small")]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "1.2.3"}, 0),
        ({"retry-after-ms": "-5"}, 0),
        ({"retry-after": "9" * 30}, 0),
    ],
)
def test_the_time_to_wait_is_read_in_every_way_it_is_written(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(headers, now=60) == seconds


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", Report(500)),
        (b"[]", Report(500)),
        (b"null", Report(500, "None")),
        (b'"oops"', Report(500, "oops")),
        (b'{"error":"oops"}', Report(500, "oops")),
        (b'{"error":{"message":null,"code":null}}', Report(500)),
        (b'{"detail":["oops"]}', Report(500, "oops")),
        (b'{"code":7,"msg":"oops"}', Report(500, "oops", code="7")),
        (b"<style>p{}</style><p>oops\n <b>now</b>", Report(500, "oops now", html=True)),
        (b'{"error":{"message":"oops","metadata":{"raw":"quota"}}}', Report(500, "oops: quota")),
        (b"<" * 60_000, Report(500, "<" * 300 + "…", html=True)),
        (b"[" * 100_000, Report(500, "[" * 300 + "…")),
    ],
)
def test_an_error_body_of_any_shape_is_read(body: bytes, expected: Report) -> None:
    assert report(500, body, str) == expected


@pytest.mark.parametrize("given", [500, 502, 504, 408, 409, 425])
def test_statuses_that_may_pass_are_the_servers_failure(given: int) -> None:
    assert isinstance(failure(Report(given), "host"), ServerFailed)


def test_the_room_for_the_answer_is_not_mistaken_for_the_dialogue() -> None:
    words = "'max_tokens' is too large: 9000. This model's maximum context length is 4096 tokens."

    assert isinstance(failure(Report(400, words), "host"), RequestRefused)


@pytest.mark.parametrize(
    "shape",
    [
        "Incorrect API key: {}",
        '{{"error": {{"message": "bad {}", "code": "{}", "type": "{}", "param": "{}"}}}}',
    ],
)
def test_a_key_is_taken_out_of_every_field_of_a_report(shape: str) -> None:
    key = "unusual.key+with/characters=="

    found: Any = report(401, shape.format(key, key, key, key).encode(), redaction(key))

    assert key not in repr(found)
