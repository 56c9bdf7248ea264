"""The whole way over real HTTP: from a message to a streamed answer, and every fault on it in plain words."""

import asyncio
import json
from dataclasses import dataclass

import httpx
import pytest

from tests.process import Bot, Visitor, said, until
from tests.simulators.endpoint import (
    CUT,
    EndpointSimulator,
    Reply,
    fail,
    page,
    say,
)


async def test_an_answer_streams_while_the_model_is_still_speaking(running: Bot, endpoint: EndpointSimulator):
    gate = asyncio.Event()
    endpoint.script(say(["First words", " and the rest."], gates=[done(), gate]))
    async with Visitor(running) as visitor:
        cursor = await visitor.cursor()
        id = await visitor.ask("Tell me.")
        shown = ""
        async with asyncio.timeout(30):
            async for kind, event in visitor.events(cursor):
                if kind == "text":
                    shown += event["delta"]
                    if shown == "First words":
                        assert not (await visitor.history())[0]["ended"]
                        gate.set()
                if kind == "end":
                    shown = said(event)
                    break
        assert gate.is_set()
        assert said(await visitor.answered(id)) == shown == "First words and the rest."


async def spoken(visitor: Visitor) -> bool:
    return any(said(item) for item in await visitor.history())


def done() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def test_the_dialogue_goes_along_and_new_leaves_it_behind(running: Bot, endpoint: EndpointSimulator):
    async with Visitor(running) as visitor:
        for text in ("My name is Ann.", "What is my name?"):
            await visitor.answered(await visitor.ask(text))
        assert said_to(endpoint) == ["My name is Ann.", "What is my name?"]
        await visitor.answered(await visitor.ask("/new"))
        await visitor.answered(await visitor.ask("And now?"))
        assert said_to(endpoint) == ["And now?"]


async def test_two_people_never_share_a_context(running: Bot, endpoint: EndpointSimulator):
    async with Visitor(running) as ann, Visitor(running) as bob:
        await ann.answered(await ann.ask("I am Ann."))
        await bob.answered(await bob.ask("Who am I?"))
        assert said_to(endpoint) == ["Who am I?"]
        assert [item["question"] for item in await bob.history()] == ["Who am I?"]


def said_to(endpoint: EndpointSimulator) -> list[str]:
    """What the person said, as the last request has it."""
    return [m["content"] for m in endpoint.requests[-1].body["messages"] if m["role"] == "user"]


async def test_stop_keeps_what_was_said_and_the_next_question_is_answered(
    running: Bot, endpoint: EndpointSimulator
):
    endpoint.script(say(["Going on", " for ever"], gates=[done(), asyncio.Event()]))
    async with Visitor(running) as visitor:
        id = await visitor.ask("Talk.")
        await until(lambda: spoken(visitor))
        await visitor.ask("/stop")
        item = await visitor.answered(id)
        assert [part["type"] for part in item["parts"]] == ["text", "notice"]
        assert said(item) == "Going on"
        async with asyncio.timeout(30):
            await endpoint.requests[0].closed.wait()
        assert endpoint.requests[0].left
        assert said(await visitor.answered(await visitor.ask("Still there?"))) == "Still there?"


async def test_retry_asks_again_and_the_old_answer_leaves_the_context(
    running: Bot, endpoint: EndpointSimulator
):
    endpoint.script("heads", "tails")
    async with Visitor(running) as visitor:
        await visitor.answered(await visitor.ask("Toss a coin."))
        assert said(await visitor.answered(await visitor.ask("/retry"))) == "tails"
        await visitor.answered(await visitor.ask("Which?"))
        dialogue = endpoint.requests[-1].body["messages"][1:]
        assert [m["content"] for m in dialogue] == ["Toss a coin.", "tails", "Which?"]


@dataclass
class Fault:
    """What the endpoint does, and the notice that a person gets for it."""

    reply: Reply
    notice: str
    text: str = ""


FAULTS = {
    "wrong key": Fault(fail(401, code="invalid_api_key"), "error.key_rejected"),
    "no credit": Fault(fail(429, code="insufficient_quota"), "error.quota_exhausted"),
    "unknown model": Fault(fail(404, code="model_not_found"), "error.model_unknown"),
    "a web page": Fault(page(200), "error.wrong_address"),
    "a redirect": Fault(fail(302, headers={"location": "https://elsewhere.example/"}), "error.wrong_address"),
    "overloaded for long": Fault(fail(429, headers={"retry-after": "900"}), "error.endpoint_busy_for"),
    "filtered": Fault(fail(400, code="content_filter"), "error.filtered"),
    "cut in mid-stream": Fault(say(["Once upon", " a"], then=[CUT]), "error.interrupted", "Once upon a"),
    "an empty answer": Fault(say(""), "error.empty_answer"),
    "broken": Fault(fail(500), "error.server_failed"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_every_fault_of_the_endpoint_is_one_clear_answer_and_the_conversation_goes_on(
    running: Bot, endpoint: EndpointSimulator, fault: Fault
):
    async with Visitor(running) as visitor:
        endpoint.reply, good = fault.reply, endpoint.reply
        item = await visitor.answered(await visitor.ask("Hello?"))
        notices = [part for part in item["parts"] if part["type"] == "notice"]
        assert [notice["key"] for notice in notices] == [fault.notice]
        # A cut may take the last bytes along that were still under way, never earlier ones.
        assert fault.text.startswith(said(item))
        assert bool(said(item)) == bool(fault.text)
        assert endpoint.key not in json.dumps(item) + running.log
        endpoint.reply = good
    # Where the account has no credit, the endpoint is left alone for a while, for everyone.
    if fault.notice != "error.quota_exhausted":
        async with Visitor(running) as visitor:
            assert said(await visitor.answered(await visitor.ask("Better now?"))) == "Better now?"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("x" * 65_536, "error.message_too_long"),
        ("/frobnicate", "command.unknown"),
        ("/role edit nobody-at-all: Hello.", "role.not_yours"),
        ("/retry", "retry.nothing"),
    ],
)
async def test_bad_input_is_one_clear_answer_and_the_conversation_goes_on(running: Bot, text: str, key: str):
    async with Visitor(running) as visitor:
        item = await visitor.answered(await visitor.ask(text))
        assert [part.get("key") for part in item["parts"]] == [key]
        assert said(await visitor.answered(await visitor.ask("Fine?"))) == "Fine?"


async def test_control_characters_and_lone_surrogates_reach_the_model_as_harmless_text(
    running: Bot, endpoint: EndpointSimulator
):
    async with Visitor(running) as visitor:
        # A lone surrogate is legal in JSON's escapes, though no encoder of ours would write it.
        body = b'{"id": "surrogate-1", "text": "a\\u0000b\\ud800c"}'
        headers = visitor._headers | {"content-type": "application/json"}
        async with httpx.AsyncClient() as http:
            response = await http.post(f"{running.url}/api/messages", content=body, headers=headers)
        assert response.status_code == 202, response.text
        await visitor.answered("surrogate-1")
        assert said_to(endpoint)[0] in ("ab?c", "ab\ufffdc")


async def test_chinese_people_are_answered_in_chinese(running: Bot, endpoint: EndpointSimulator):
    endpoint.reply = fail(401, code="invalid_api_key")
    async with Visitor(running) as visitor:
        visitor._http.headers["accept-language"] = "zh-CN,zh;q=0.9"
        item = await visitor.answered(await visitor.ask("你好"))
        assert any("\u4e00" <= c <= "\u9fff" for c in item["parts"][0]["text"])


async def test_one_reference_leads_from_the_answer_to_every_line_about_it(
    running: Bot, endpoint: EndpointSimulator
):
    endpoint.reply = fail(401, code="invalid_api_key")
    async with Visitor(running) as visitor:
        item = await visitor.answered(await visitor.ask("Hello?"))
        lines = [json.loads(line) for line in running.log.splitlines() if line.startswith("{")]
        (accepted,) = [line for line in lines if line["event"] == "message.accepted"]
        assert accepted["ref"] in item["parts"][0]["text"]
        events = [line["event"] for line in lines if line.get("ref") == accepted["ref"]]
        assert events[0] == "message.accepted"
        assert "answer.failed" in events
