"""The simulated endpoint is one that OpenAI's own client takes for real."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from tests.simulators.endpoint import CUT, KEY, EndpointSimulator, endpoint_simulator, fail, hang, page, say

HELLO: Any = [{"role": "user", "content": "hello there"}]


@pytest.fixture
async def endpoint() -> AsyncIterator[EndpointSimulator]:
    async with endpoint_simulator() as simulator:
        yield simulator


@pytest.fixture
async def sdk(endpoint: EndpointSimulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=endpoint.base_url, max_retries=0) as client:
        yield client


async def test_the_sdk_gets_a_whole_reply(sdk: openai.AsyncOpenAI) -> None:
    reply = await sdk.chat.completions.create(model="small", messages=HELLO)

    assert reply.choices[0].message.content == "hello there"
    assert reply.usage is not None
    assert reply.usage.total_tokens == 4


async def test_the_sdk_gets_a_stream_with_its_usage(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model="small", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "hello there"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None


async def test_the_sdk_gets_the_list_of_models(sdk: openai.AsyncOpenAI, endpoint: EndpointSimulator) -> None:
    endpoint.shutdowns["small"] = "2027-01-14"

    assert [(m.id, m.shutdown_date) async for m in sdk.models.list()][:2] == [
        ("small", "2027-01-14"),
        ("large", None),
    ]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "nobody"}, 404, None),
        ({"extra_body": {"colour": "red"}}, 400, None),
        ({"temperature": 3}, 400, "temperature"),
        ({"temperature": "hot"}, 400, "temperature"),
        ({"stop": ["a", "b", "c", "d", "e"]}, 400, "stop"),
        ({"stream_options": {"include_usage": True}}, 400, "stream_options"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, 400, "max_completion_tokens"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "user"}]}, 400, ...),
        ({"messages": [{"role": "bob", "content": "x"}]}, 400, ...),
        ({"messages": [{"role": "user", "content": "x", "mood": "good"}]}, 400, None),
        ({"messages": [{"role": "user", "content": "x", "name": "Ann Lee"}]}, 400, "messages[0].name"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, 400, ...),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}]}
                ]
            },
            400,
            "messages[0]",
        ),
        ({"model": "thinker", "max_tokens": 5}, 400, "max_tokens"),
        ({"model": "thinker", "temperature": 0.5}, 400, "temperature"),
        ({"model": "thinker", "stop": "x"}, 400, "stop"),
    ],
)
async def test_a_faulty_request_is_refused(
    sdk: openai.AsyncOpenAI, endpoint: EndpointSimulator, fields: dict[str, Any], status: int, param: Any
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await sdk.chat.completions.create(**({"model": "small", "messages": HELLO} | fields))

    assert caught.value.status_code == status
    assert param is ... or caught.value.param == param
    assert endpoint.requests == []


async def test_a_reasoning_model_takes_what_it_knows(sdk: openai.AsyncOpenAI) -> None:
    reply = await sdk.chat.completions.create(
        model="thinker", messages=HELLO, max_completion_tokens=5, temperature=1, reasoning_effort="low"
    )

    assert reply.choices[0].message.content == "hello there"


async def test_without_the_key_nothing_is_answered(endpoint: EndpointSimulator) -> None:
    async with openai.AsyncOpenAI(api_key="wrong", base_url=endpoint.base_url, max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.chat.completions.create(model="small", messages=HELLO)


async def test_a_path_that_is_not_there_is_said_in_openais_words(endpoint: EndpointSimulator) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{endpoint.base_url}/v1", max_retries=0) as lost:
        with pytest.raises(openai.NotFoundError, match="Invalid URL"):
            await lost.chat.completions.create(model="small", messages=HELLO)


async def test_scripted_answers_come_in_order_and_then_the_usual_one(
    sdk: openai.AsyncOpenAI, endpoint: EndpointSimulator
) -> None:
    endpoint.script(fail(429, headers={"retry-after": "7"}), page(502), "scripted")
    endpoint.reply = say(lambda call: call.text.upper())

    with pytest.raises(openai.RateLimitError) as caught:
        await sdk.chat.completions.create(model="small", messages=HELLO)
    assert caught.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.InternalServerError):
        await sdk.chat.completions.create(model="small", messages=HELLO)
    answers = [await sdk.chat.completions.create(model="small", messages=HELLO) for _ in range(2)]
    assert [answer.choices[0].message.content for answer in answers] == ["scripted", "HELLO THERE"]


async def test_each_piece_waits_for_its_gate(sdk: openai.AsyncOpenAI, endpoint: EndpointSimulator) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    endpoint.script(say("one two", gates=gates))
    stream = aiter(await sdk.chat.completions.create(model="small", messages=HELLO, stream=True))
    heard = [(await anext(stream)).choices[0].delta.content]
    for gate in gates:
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        assert not waiting.done()
        gate.set()
        heard.append((await waiting).choices[0].delta.content)

    assert heard == ["", "one", " two"]


async def test_a_cut_is_a_broken_connection_and_a_hang_is_silence(
    sdk: openai.AsyncOpenAI, endpoint: EndpointSimulator
) -> None:
    gate = asyncio.Event()
    endpoint.script(say("first words", then=[CUT]), hang(gate))
    stream = await sdk.chat.completions.create(model="small", messages=HELLO, stream=True)
    with pytest.raises(Exception, match=r"peer closed|[Cc]onnection"):
        [chunk async for chunk in stream]

    asking = asyncio.create_task(sdk.chat.completions.create(model="small", messages=HELLO))
    await endpoint.arrived(2)
    assert not asking.done()
    gate.set()
    assert (await asking).choices[0].message.content == "hello there"


async def test_it_runs_as_a_process_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.simulators.endpoint", "--delay", "0.001", "--models", "solo"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        base_url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        async with openai.AsyncOpenAI(api_key=KEY, base_url=base_url) as sdk:
            reply = await sdk.chat.completions.create(model="solo", messages=HELLO, stream=True)
            said = [chunk.choices[0].delta.content or "" async for chunk in reply if chunk.choices]
    finally:
        process.kill()
        await process.wait()

    assert "".join(said) == "hello there"
