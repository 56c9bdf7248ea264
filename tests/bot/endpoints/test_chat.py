"""One answer from one server: every dialect is understood, every fault is told apart, and nothing is left open."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from bot.api import Usage
from bot.endpoints.chat import (
    AsideDelta,
    ChatEndpoint,
    ChatRequest,
    Delta,
    Finish,
    Function,
    ImagePart,
    Message,
    ReasoningDelta,
    TextDelta,
    TextPart,
    ToolCall,
)
from bot.endpoints.client import Client, Timeouts
from bot.endpoints.models import Catalogue
from bot.endpoints.settings import Server
from bot.errors import Interrupted, ParleyError, RequestRefused, ServerFailed, TimedOut
from tests.simulators.endpoint import (
    CUT,
    DONE,
    EndpointSimulator,
    Reply,
    Step,
    call,
    event,
    fail,
    hang,
    offer,
    raw,
    say,
)
from tests.simulators.servers import ANSWERS, REFUSALS, THOUGHT, frame

REQUEST = ChatRequest((Message("user", "one two three"),))
USED = {"prompt_tokens": 3, "total_tokens": 12}
TEXT = "Grüße, 世界! 😀 That is all."


async def ask(chat: ChatEndpoint, request: ChatRequest = REQUEST, model: str = "small") -> list[Delta]:
    async with aclosing(chat.ask(request, model)) as deltas:
        return [delta async for delta in deltas]


def said(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def ask_of(client: Client, server: Server) -> AsyncGenerator[Delta]:
    return ChatEndpoint(client, server, Catalogue()).ask(REQUEST, "small")


# --- dialects


async def test_an_answer_comes_in_pieces_and_ends_with_its_usage(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    read = asyncio.Event()
    endpoint.script(say(["one", " two three"], gates=[read, read]))
    read.set()
    deltas = await ask(chat)
    assert said(deltas) == "one two three"
    assert deltas[-1] == Finish("stop", Usage(3, 3), "small")


async def test_words_that_come_close_behind_one_another_are_one_piece(
    endpoint: EndpointSimulator, server: Server
) -> None:
    begun, rest = asyncio.Event(), asyncio.Event()
    begun.set()
    endpoint.script(say(["first", " second", " third", " fourth"], gates=[begun, rest, rest, rest]))
    client = Client(Timeouts(sip=3600))
    try:
        async with asyncio.timeout(30), aclosing(ask_of(client, server)) as deltas:
            assert await anext(deltas) == TextDelta("first"), "the first words wait for nothing"
            rest.set()
            # The end of the body ends every wait for more.
            assert await anext(deltas) == TextDelta(" second third fourth")
            assert await anext(deltas) == Finish("stop", Usage(3, 4), "small")
    finally:
        await client.close()


async def test_words_that_come_slowly_come_at_once(endpoint: EndpointSimulator, server: Server) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    endpoint.script(say(["first", " second", " third"], gates=gates))
    client = Client(Timeouts(sip=0.001))
    try:
        async with asyncio.timeout(30), aclosing(ask_of(client, server)) as deltas:
            for gate, word in zip(gates, ["first", " second", " third"], strict=True):
                gate.set()
                assert await anext(deltas) == TextDelta(word)
    finally:
        await client.close()


async def test_leaving_does_not_wait_for_more_words(endpoint: EndpointSimulator, server: Server) -> None:
    begun = asyncio.Event()
    begun.set()
    endpoint.script(say(["first", " second"], gates=[begun, asyncio.Event()]))
    client = Client(Timeouts(sip=3600))
    try:
        asked = ask_of(client, server)
        await anext(asked)
        waiting = asyncio.create_task(anext(asked))
        await asyncio.sleep(0)
        waiting.cancel()
        async with asyncio.timeout(30):
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await endpoint.requests[0].closed.wait()
    finally:
        await client.close()


@pytest.mark.parametrize("name", ANSWERS)
async def test_each_dialect_is_understood(chat: ChatEndpoint, endpoint: EndpointSimulator, name: str) -> None:
    endpoint.script(ANSWERS[name](TEXT))
    deltas = await ask(chat)
    thought = "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))
    silent = {"openai", "azure", "anthropic", "gemini", "llamacpp", "proxy"}

    assert said(deltas) == TEXT
    assert thought.strip() == ("" if name in silent else THOUGHT)
    assert deltas[-1] == Finish(
        "length" if name == "glm" else "stop",
        None if name in ("ollama", "lmstudio") else Usage(7, 5),
        "small",
    )


async def test_a_picture_and_every_setting_pass_the_strict_endpoint(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    picture = ImagePart("data:image/png;base64,AAAA")
    messages = (Message("system", "be brief"), Message("user", (TextPart("what?"), picture), "Ann Lee"))
    deltas = await ask(chat, ChatRequest(messages, "", 0.5, 0.9, 10, "low", ("END",)))

    assert said(deltas) == "what?"
    assert endpoint.refused == []


async def test_text_with_half_an_emoji_can_be_sent(chat: ChatEndpoint) -> None:
    assert said(await ask(chat, ChatRequest((Message("user", "a\ud83d"),)))) == "a?"


async def test_a_request_says_who_asks(client: Client, endpoint: EndpointSimulator, server: Server) -> None:
    known = Server(server.base_url, server.key, "org-1", "proj-1")
    await ask(ChatEndpoint(client, known, Catalogue()))
    headers = endpoint.requests[0].headers

    assert headers["authorization"] == f"Bearer {endpoint.key}"
    assert headers["x-client-request-id"] == "id-1"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")
    assert headers["accept-encoding"] == "identity"


async def test_a_compressed_answer_is_read(chat: ChatEndpoint, endpoint: EndpointSimulator) -> None:
    packed = gzip.compress(frame({"content": "hello"}) + DONE)
    endpoint.script(raw(packed, headers={"content-encoding": "gzip"}))

    assert said(await ask(chat)) == "hello"


async def test_connections_are_used_again(chat: ChatEndpoint, endpoint: EndpointSimulator) -> None:
    ports = set()
    endpoint.script(raw(frame({"content": "x"}), DONE, 0.05))  # the body's end comes a moment behind
    for _ in range(5):
        await ask(chat)
        ports.add(endpoint.requests[-1].client_port)

    assert len(ports) == 1


# --- adaptation


async def test_what_a_model_refuses_is_left_out_and_remembered(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    request = ChatRequest(REQUEST.messages, temperature=0.5, top_p=0.5, max_tokens=50, stop=("END",))
    await ask(chat, request, "thinker")
    refused = len(endpoint.refused)
    await ask(chat, request, "thinker")

    assert [refusal.param for refusal in endpoint.refused] == ["max_tokens", "temperature", "top_p", "stop"]
    assert refused == len(endpoint.refused), "asked wrongly once only"
    assert endpoint.requests[1].body["max_completion_tokens"] == 50


async def test_what_one_model_refuses_another_still_gets(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    request = ChatRequest(REQUEST.messages, temperature=0.5)
    await ask(chat, request, "thinker")
    await ask(chat, request, "small")

    assert "temperature" not in endpoint.requests[0].body
    assert endpoint.requests[1].body["temperature"] == 0.5


async def test_a_refusal_inside_of_the_stream_is_adapted_to_as_well(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(raw(event({"error": {"code": 400, "message": "'stream_options' is unknown"}})))

    assert said(await ask(chat)) == "one two three"
    assert "stream_options" not in endpoint.requests[1].body


async def test_a_refusal_that_cannot_be_adapted_to_is_raised(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(fail(400, "No.", param="moon"))

    with pytest.raises(RequestRefused, match=r"No\."):
        await ask(chat)
    assert len(endpoint.requests) == 1


# --- several answers at once

THREE = ChatRequest(REQUEST.messages, n=3)


def others(deltas: list[Delta]) -> dict[int, str]:
    """The other answers that came to their end."""
    whole = [delta.number for delta in deltas if isinstance(delta, AsideDelta) and delta.last]
    return {n: "".join(d.text for d in deltas if isinstance(d, AsideDelta) and d.number == n) for n in whole}


async def test_answers_that_come_mingled_are_kept_apart(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(offer("one by one", "two or three words", "3", usage={**USED, "completion_tokens": 9}))
    deltas = await ask(chat, THREE)
    assert endpoint.requests[0].body["n"] == 3
    assert said(deltas) == "one by one"
    assert others(deltas) == {1: "two or three words", 2: "3"}
    assert deltas[-1] == Finish("stop", Usage(3, 9), "small")
    assert not chat.single("small")


def piece(index: object, text: str = "", finish: str | None = None) -> bytes:
    """A piece of the answer with this index, whatever it is."""
    return event({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}]})


REFUSALS_OF_N = {
    "by its name": fail(400, "'n' : number must be at most 1", code="invalid_value"),
    "by its parameter": fail(422, "Input should be 1", param="n"),
    "in prose": fail(400, "Only one completion choice is allowed"),
    "in a validation error": fail(422, body={"detail": "n must be 1"}),
}


@pytest.mark.parametrize("name", REFUSALS_OF_N)
async def test_a_server_that_refuses_several_answers_gives_one_and_is_remembered(
    chat: ChatEndpoint, endpoint: EndpointSimulator, name: str
) -> None:
    endpoint.script(REFUSALS_OF_N[name])
    assert said(await ask(chat, THREE)) == "one two three"
    assert ["n" in request.body for request in endpoint.requests] == [True, False]
    assert chat.single("small")
    assert not chat.single("large")


async def test_a_server_that_gives_one_answer_whatever_is_wanted_is_remembered(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    for _ in range(2):
        assert others(await ask(chat, THREE)) == {}
    assert ["n" in request.body for request in endpoint.requests] == [True, False]


async def test_an_answer_beside_the_first_that_is_cut_or_empty_or_not_asked_for_is_none(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(
        raw(
            *(piece(index, text) for index, text in ((1, "early"), (0, "first"), (2, "ha"))),
            *(piece(index, "?") for index in (7, -1, "1")),
            *(piece(index, finish="stop") for index in (0, 1)),
            CUT,
        ),
        offer("first", "", "third", ends=["stop", "content_filter", "length"]),
    )
    assert (said(deltas := await ask(chat, THREE)), others(deltas)) == ("first", {1: "early"})
    assert deltas[0] == TextDelta("first"), "nothing comes before the first words of the first answer"
    assert others(await ask(chat, THREE)) == {2: "third"}


async def test_an_answer_beside_the_first_beyond_all_measure_is_cut(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    long = [piece(1, "x" * 500_000)] * 8
    endpoint.script(raw(piece(0, "first", "stop"), *long, asyncio.Event()))
    deltas = await ask(chat, THREE)
    assert (said(deltas), others(deltas)) == ("first", {})
    assert deltas[-1] == Finish("stop", None, "small")


async def test_a_whole_reply_may_hold_several_answers(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    choices = [
        {"index": n, "message": {"content": text}, "finish_reason": "stop"} for n, text in enumerate("ab")
    ]
    endpoint.script(fail(200, body={"choices": choices}))
    deltas = await ask(chat, THREE)
    assert (said(deltas), others(deltas)) == ("a", {1: "b"})


# --- tools

DRAW = Function("image", "Draws.", {"type": "object", "properties": {"prompt": {"type": "string"}}})
WISH = ChatRequest(REQUEST.messages, tools=(DRAW,))
FOX = ToolCall("call_0_simulated", "image", '{"prompt": "a fox"}')


async def test_a_call_comes_back_whole_and_its_answer_passes_the_strict_endpoint(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(call(("image", {"prompt": "a fox"})))
    (finish,) = await ask(chat, WISH)
    assert isinstance(finish, Finish)
    assert finish.calls == (FOX,)
    called = (Message("assistant", "", calls=finish.calls), Message("tool", "Done.", call_id=FOX.id))
    assert said(await ask(chat, replace(WISH, messages=(*REQUEST.messages, *called)))) == "one two three"
    assert endpoint.refused == []
    assert endpoint.requests[1].body["tools"] == [
        {
            "type": "function",
            "function": {"name": "image", "description": "Draws.", "parameters": DRAW.parameters},
        }
    ]


TOOLLESS = {
    "Ollama": fail(400, "registry.ollama.ai/library/gemma:2b does not support tools"),
    "llama.cpp": fail(500, "tools param requires --jinja flag", type="server_error"),
    "llama.cpp, earlier": fail(500, "Unsupported param: tools", type="server_error"),
    "vLLM": fail(
        400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    ),
    "OpenRouter": fail(
        404, body={"error": {"message": "No endpoints found that support tool use.", "code": 404}}
    ),
    "OpenAI, with thoughts": fail(
        400, "Function tools with reasoning_effort are not supported for this model."
    ),
    "a strict one": fail(
        422, body={"detail": [{"loc": ["body", "tools"], "msg": "Extra inputs are not permitted"}]}
    ),
}


@pytest.mark.parametrize("name", TOOLLESS)
async def test_a_server_that_refuses_tools_answers_without_them_and_is_remembered(
    chat: ChatEndpoint, endpoint: EndpointSimulator, name: str
) -> None:
    endpoint.script(TOOLLESS[name])
    told = (Message("assistant", "", calls=(FOX,)), Message("tool", "Done.", call_id=FOX.id))
    assert said(await ask(chat, WISH)) == "one two three"
    assert (
        said(await ask(chat, replace(WISH, messages=(*REQUEST.messages, *told))))
        == "one two three\n\n[Done.]"
    )
    assert ["tools" in request.body for request in endpoint.requests] == [True, False, False]
    assert {m["role"] for m in endpoint.requests[2].body["messages"]} == {"user"}


# --- breaking off

BREAKS: dict[str, list[Step]] = {
    "the connection is cut": [CUT],
    "the body ends": [],
    "an event is cut": [b'data: {"choices":[{"delta":{"content":"mo'],
    "an error object": [event({"error": {"message": "died", "code": 500}}), DONE],
    "a field error": [b'error: {"message":"died"}\n\n'],
    "a finish that is a failure": [frame({}, "error"), DONE],
    "no JSON": [event("{oops"), DONE],
    "a refusal": [event({"error": {"message": "'temperature' is unsupported", "code": 400}})],
}


@pytest.mark.parametrize("name", BREAKS)
async def test_a_break_after_the_first_words_keeps_them(
    chat: ChatEndpoint, endpoint: EndpointSimulator, name: str
) -> None:
    endpoint.script(say("first words", then=BREAKS[name]))
    kept: list[Delta] = []

    async def listen() -> None:
        async with aclosing(chat.ask(REQUEST, "small")) as deltas:
            async for delta in deltas:
                kept.append(delta)

    with pytest.raises(Interrupted):
        await listen()
    assert said(kept) == "first words"
    assert len(endpoint.requests) == 1, "never asked again"


@pytest.mark.parametrize("steps", [[CUT], [], [b": wait\n\n", CUT], [frame({"role": "assistant"}), CUT]])
async def test_a_break_before_the_first_words_is_the_servers_failure(
    chat: ChatEndpoint, endpoint: EndpointSimulator, steps: list[Step]
) -> None:
    endpoint.script(raw(*steps))

    with pytest.raises(ServerFailed):
        await ask(chat)


@pytest.mark.parametrize("last", [[CUT], [], [asyncio.Event()], [b"data: {oops"]])
async def test_after_the_finish_a_missing_end_is_no_fault(
    chat: ChatEndpoint, endpoint: EndpointSimulator, last: list[Step]
) -> None:
    endpoint.script(say("all said", then=[frame({}, "stop"), *last]))

    assert said(await ask(chat)) == "all said"


async def test_a_server_that_never_closes_a_finished_answer_is_left(
    endpoint: EndpointSimulator, server: Server
) -> None:
    endless: list[Step] = [b": still here\n\n", 0.05] * 100_000
    endpoint.script(raw(frame({"content": "all said"}, "stop"), *endless))
    client = Client(Timeouts(linger=0.3))
    try:
        async with asyncio.timeout(30):
            assert said(await ask(ChatEndpoint(client, server, Catalogue()))) == "all said"
    finally:
        await client.close()


# --- time-outs


@pytest.mark.parametrize("where", ["before the headers", "before the first byte", "before the first word"])
async def test_a_silent_server_is_given_up_in_time(
    hasty: Client, endpoint: EndpointSimulator, server: Server, where: str
) -> None:
    gate = asyncio.Event()
    replies: dict[str, Reply] = {
        "before the headers": hang(gate),
        "before the first byte": raw(gate),
        "before the first word": raw(frame({"role": "assistant"}), gate),
    }
    endpoint.script(replies[where])

    with pytest.raises(TimedOut):
        await ask(ChatEndpoint(hasty, server, Catalogue()))
    async with asyncio.timeout(30):
        await endpoint.requests[0].closed.wait()
    assert endpoint.requests[0].left, "the connection is closed, not left hanging"


async def test_silence_after_the_first_words_is_an_interruption(
    endpoint: EndpointSimulator, server: Server
) -> None:
    endpoint.script(say("first words", then=[asyncio.Event()]))
    client = Client(Timeouts(idle=1))
    try:
        with pytest.raises(Interrupted, match="silent"):
            await ask(ChatEndpoint(client, server, Catalogue()))
    finally:
        await client.close()


async def test_comments_are_signs_of_life(endpoint: EndpointSimulator, server: Server) -> None:
    waiting: list[Step] = [b": OPENROUTER PROCESSING\n\n", 0.2] * 12  # longer than the patience for silence
    endpoint.script(raw(*waiting, frame({"content": "hello"}, "stop"), DONE))
    client = Client(Timeouts(first_byte=2, idle=2))
    try:
        assert said(await ask(ChatEndpoint(client, server, Catalogue()))) == "hello"
    finally:
        await client.close()


# --- leaving


async def test_leaving_early_closes_the_connection_at_once(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(say("first words", then=[asyncio.Event()]))
    deltas = chat.ask(REQUEST, "small")
    await anext(deltas)
    await deltas.aclose()

    async with asyncio.timeout(30):
        await endpoint.requests[0].closed.wait()
    assert endpoint.requests[0].left


async def test_a_cancelled_listener_closes_the_connection(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(hang(asyncio.Event()))
    asking = asyncio.create_task(ask(chat))
    call = await endpoint.arrived()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    async with asyncio.timeout(30):
        await call.closed.wait()
    assert call.left


async def test_an_answer_beyond_all_measure_is_cut(chat: ChatEndpoint, endpoint: EndpointSimulator) -> None:
    endpoint.script(raw(*[frame({"content": "x" * 500_000})] * 8, asyncio.Event()))
    deltas = await ask(chat)

    assert deltas[-1] == Finish("length", None, "small")
    assert len(said(deltas)) <= 2_500_000


# --- secrets


@pytest.mark.parametrize("name", REFUSALS)
async def test_no_error_shows_the_key(chat: ChatEndpoint, endpoint: EndpointSimulator, name: str) -> None:
    endpoint.script(REFUSALS[name])
    with pytest.raises(ParleyError) as caught:
        await ask(chat)

    shown = f"{caught.value!s}{caught.value!r}{caught.value.values}{getattr(caught.value, 'report', '')!r}"
    assert endpoint.key not in shown
    assert "secret" not in shown
