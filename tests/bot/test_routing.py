"""A request reaches whoever can answer: it is tried again where that helps, and passed on where it does not."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from bot.api import Finding, Usage
from bot.endpoints.chat import ChatRequest, Delta, Finish, Message, ReasoningDelta, TextDelta
from bot.endpoints.client import Client, Timeouts
from bot.endpoints.models import Catalogue
from bot.endpoints.settings import EndpointSettings
from bot.errors import (
    ContextTooLong,
    EmptyAnswer,
    EndpointBusy,
    Filtered,
    Interrupted,
    KeyRejected,
    ModelUnknown,
    ParleyError,
    QuotaExhausted,
    ServerFailed,
    SettingsError,
    TimedOut,
    Unreachable,
    WrongAddress,
)
from bot.routing import PATIENCE, UNKNOWN_WINDOW, Router
from tests.simulators.endpoint import (
    CUT,
    KEY,
    EndpointSimulator,
    Reply,
    endpoint_simulator,
    fail,
    page,
    raw,
    refused_port,
    say,
)
from tests.simulators.servers import REFUSALS, frame

HELLO = ChatRequest((Message("user", "hello there"),))
DEAD = "sk-dead-0123456789"


@dataclass
class Clock:
    """Time that passes only by waiting; `waits` is how long each wait was."""

    now: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@dataclass
class World:
    """Two endpoints, and routers on the first with the second, named OTHER, to fall back on."""

    first: EndpointSimulator
    second: EndpointSimulator
    clock: Clock
    stack: AsyncExitStack
    chance: float = 1.0
    patience: float = 20.0

    def router(self, **environment: str) -> Router:
        environment = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": self.first.base_url,
            "CHAT_MODEL": "small",
            "OTHER_BASE_URL": self.second.base_url,
            "OTHER_API_KEY": "sk-other-0123456789",
        } | environment
        router = Router(
            EndpointSettings.load(environment),
            environment,
            client=Client(Timeouts(first_byte=self.patience, idle=self.patience, linger=0.05)),
            clock=self.clock,
            sleep=self.clock.sleep,
            random=lambda: self.chance,
            today=lambda: datetime.date(2026, 11, 21),
        )
        self.stack.push_async_callback(router.close)
        return router


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(endpoint_simulator())
        second = await stack.enter_async_context(endpoint_simulator("sk-other-0123456789", ["big"], []))
        yield World(first, second, Clock(), stack)


async def ask(router: Router, request: ChatRequest = HELLO) -> list[Delta]:
    async with aclosing(router.chat(request)) as deltas:
        return [delta async for delta in deltas]


def said(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


# --- again


async def test_an_answer_comes_through(world: World) -> None:
    deltas = await ask(world.router())
    assert said(deltas) == "hello there"
    assert deltas[-1] == Finish("stop", Usage(2, 2), "small")


@pytest.mark.parametrize(
    "name",
    ["openai: broken", "nginx: bad gateway", "anthropic: overloaded", "openai: slow down", "nothing at all"],
)
async def test_what_may_pass_is_asked_again_three_times_in_all(world: World, name: str) -> None:
    world.first.script(REFUSALS[name], REFUSALS[name])

    assert said(await ask(world.router())) == "hello there"
    assert len(world.first.requests) == 3
    assert world.clock.waits == [1.0, 2.0], "full jitter, here always at its upper end"


async def test_after_the_third_time_it_is_given_up(world: World) -> None:
    world.first.reply = REFUSALS["openai: broken"]

    with pytest.raises(ServerFailed):
        await ask(world.router())
    assert len(world.first.requests) == 3


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"retry-after": "7"}, [7.0]),
        ({"retry-after-ms": "250"}, [0.25]),
        ({}, [1.0]),
        ({"retry-after": "x"}, [1.0]),
    ],
)
async def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(
    world: World, headers: dict[str, str], waits: list[float]
) -> None:
    world.first.script(fail(429, code="rate_limit_exceeded", headers=headers))

    assert said(await ask(world.router())) == "hello there"
    assert world.clock.waits == waits


async def test_a_wait_beyond_patience_is_not_begun_but_told(world: World) -> None:
    world.first.script(fail(429, code="rate_limit_exceeded", headers={"retry-after": "21"}))

    with pytest.raises(EndpointBusy) as caught:
        await ask(world.router())
    assert caught.value.retry_after == 21
    assert world.clock.waits == []


async def test_waits_that_are_short_one_by_one_end_with_patience_together(world: World) -> None:
    world.first.reply = fail(429, code="rate_limit_exceeded", headers={"retry-after": "12"})

    with pytest.raises(EndpointBusy):
        await ask(world.router())
    assert world.clock.waits == [12.0]
    assert sum(world.clock.waits) <= PATIENCE


ONCE: dict[str, type[ParleyError]] = {
    "openai: no quota": QuotaExhausted,
    "openai: bad key": KeyRejected,
    "openai: no model": ModelUnknown,
    "openai: wrong path": WrongAddress,
    "a sign-in page": WrongAddress,
    "openai: too long": ContextTooLong,
    "azure: filtered": Filtered,
    "only thoughts": EmptyAnswer,
}


@pytest.mark.parametrize("name", ONCE)
async def test_what_cannot_pass_is_asked_once(world: World, name: str) -> None:
    world.first.reply = REFUSALS[name]

    with pytest.raises(ONCE[name]):
        await ask(world.router())
    assert len(world.first.requests) == 1


async def test_a_server_that_says_not_to_ask_again_is_believed(world: World) -> None:
    world.first.reply = fail(500, headers={"x-should-retry": "false"})

    with pytest.raises(ServerFailed):
        await ask(world.router())
    assert len(world.first.requests) == 1


async def test_an_empty_answer_is_asked_for_once_more(world: World) -> None:
    world.first.reply = REFUSALS["lmstudio: overflow"]

    with pytest.raises(EmptyAnswer):
        await ask(world.router())
    assert len(world.first.requests) == 2


async def test_a_silent_server_is_not_waited_for_twice(world: World) -> None:
    world.first.reply = raw(asyncio.Event())
    world.patience = 0.2

    with pytest.raises(TimedOut):
        await ask(world.router())
    assert len(world.first.requests) == 1


async def test_thoughts_are_not_yet_an_answer(world: World) -> None:
    world.first.script(raw(frame({"reasoning_content": "hm"}), CUT))
    deltas = await ask(world.router())

    assert deltas[0] == ReasoningDelta("hm")
    assert said(deltas) == "hello there"


async def test_after_the_first_word_nothing_is_asked_again_of_anybody(world: World) -> None:
    world.first.script(say("first words", then=[CUT]))
    router = world.router(CHAT_FALLBACKS="big@OTHER")
    kept: list[Delta] = []

    async def listen() -> None:
        async with aclosing(router.chat(HELLO)) as deltas:
            async for delta in deltas:
                kept.append(delta)

    with pytest.raises(Interrupted):
        await listen()
    assert said(kept) == "first words"
    assert (len(world.first.requests), len(world.second.requests)) == (1, 0)


@pytest.mark.parametrize(("number", "waits"), [(0.0, [0.0, 0.0]), (0.25, [0.25, 0.5]), (1.0, [1.0, 2.0])])
async def test_a_wait_is_any_part_of_its_bound(world: World, number: float, waits: list[float]) -> None:
    world.first.script(*[REFUSALS["openai: broken"]] * 2)
    world.chance = number

    assert said(await ask(world.router())) == "hello there"
    assert world.clock.waits == waits


# --- the next one


@pytest.mark.parametrize(
    "name",
    [
        *("openai: no quota", "openai: bad key", "openai: no model", "openai: wrong path", "a sign-in page"),
        *(
            "openai: broken",
            "openai: slow down",
            "only blanks",
            "only thoughts",
            "fastapi: a sentence",
            "moved",
        ),
    ],
)
async def test_what_one_cannot_do_the_next_one_does(world: World, name: str) -> None:
    world.first.reply = REFUSALS[name]
    deltas = await ask(world.router(CHAT_FALLBACKS="big@OTHER"))

    assert said(deltas) == "hello there"
    assert deltas[-1] == Finish("stop", Usage(2, 2), "big")


async def test_a_server_that_is_gone_or_silent_is_passed_over(world: World) -> None:
    gone = world.router(OPENAI_BASE_URL=f"http://127.0.0.1:{refused_port()}/v1", CHAT_FALLBACKS="big@OTHER")
    world.patience = 1.5
    silent = world.router(CHAT_FALLBACKS="big@OTHER")
    world.first.reply = raw(asyncio.Event())

    assert said(await ask(gone)) == said(await ask(silent)) == "hello there"


@pytest.mark.parametrize("name", ["openai: too long", "azure: filtered"])
async def test_what_the_dialogue_must_hear_of_is_not_passed_on(world: World, name: str) -> None:
    world.first.reply = REFUSALS[name]

    with pytest.raises((ContextTooLong, Filtered)):
        await ask(world.router(CHAT_FALLBACKS="big@OTHER"))
    assert world.second.requests == []


async def test_when_nobody_can_the_first_ones_trouble_is_told(world: World) -> None:
    world.first.reply = REFUSALS["openai: bad key"]
    world.second.reply = REFUSALS["openai: broken"]

    with capture_logs() as logs, pytest.raises(KeyRejected):
        await ask(world.router(CHAT_FALLBACKS="big@OTHER,other-small"))
    assert [log["next"].partition("@")[0] for log in logs if log["event"] == "fallback"] == [
        "big",
        "other-small",
    ]


async def test_a_fallback_may_be_another_model_of_the_same_server(world: World) -> None:
    world.first.script(REFUSALS["openai: no model"])
    deltas = await ask(world.router(CHAT_FALLBACKS="large"))

    assert [call.body["model"] for call in world.first.requests] == ["small", "large"]
    assert deltas[-1].model == "large"  # type: ignore[union-attr]


async def test_a_chosen_model_is_asked_of_whoever_has_it(world: World) -> None:
    router = world.router(CHAT_FALLBACKS="big@OTHER")
    own = ChatRequest(HELLO.messages, model="large")
    fallbacks = ChatRequest(HELLO.messages, model="big")
    await ask(router, own)
    await ask(router, fallbacks)

    assert [call.body["model"] for call in world.first.requests] == ["large"]
    assert [call.body["model"] for call in world.second.requests] == ["big"]


async def test_an_account_without_credit_is_left_alone_for_five_minutes(world: World) -> None:
    world.first.script(REFUSALS["openai: no quota"])
    router = world.router()
    for _ in range(2):
        with pytest.raises(QuotaExhausted):
            await ask(router)
    asked = len(world.first.requests)
    world.clock.now += 301

    assert asked == 1, "the second time nobody was asked"
    assert said(await ask(router)) == "hello there"


async def test_leaving_early_closes_the_connection_at_once(world: World) -> None:
    world.first.script(say("first words", then=[asyncio.Event()]))
    deltas = world.router().chat(HELLO)
    await anext(deltas)
    await deltas.aclose()

    async with asyncio.timeout(30):
        await world.first.requests[0].closed.wait()
    assert world.first.requests[0].left


async def test_no_key_is_ever_logged(world: World) -> None:
    quoting = fail(401, f"The keys {KEY} and {DEAD} are wrong.")
    replies: list[Reply] = [quoting, fail(500, f"Bearer {KEY}"), page(502, KEY), quoting]
    world.first.script(*replies)
    with capture_logs() as logs:
        for _ in range(2):
            await ask(world.router(CHAT_FALLBACKS="big@OTHER"))

    assert {log["event"] for log in logs} >= {"fallback", "retry"}
    assert KEY not in str(logs)
    assert DEAD not in str(logs)


# --- what is asked by default


async def test_the_configured_settings_are_sent_unless_the_request_has_its_own(world: World) -> None:
    router = world.router(TEMPERATURE="0.5", TOP_P="0.4", MAX_TOKENS="30", REASONING_EFFORT="low")
    await ask(router)
    await ask(router, ChatRequest(HELLO.messages, "", 0.0, 0.1, 3, "high"))
    await ask(router, ChatRequest(HELLO.messages, max_tokens=31))
    fields = ("temperature", "top_p", "max_tokens", "reasoning_effort")

    assert [[call.body[name] for name in fields] for call in world.first.requests] == [
        [0.5, 0.4, 30, "low"],
        [0.0, 0.1, 3, "high"],
        [0.5, 0.4, 30, "low"],  # nobody gets longer answers than the operator allows
    ]


async def test_without_a_configured_model_the_first_that_chats_is_taken(world: World) -> None:
    world.first.models = ["text-embedding-x", "large", "small"]
    router = world.router(CHAT_MODEL="")

    assert await router.default_model() == "large"
    await ask(router)
    assert world.first.requests[0].body["model"] == "large"


async def test_without_any_model_that_chats_the_operator_is_told(world: World) -> None:
    world.first.models = ["text-embedding-x"]
    router = world.router(CHAT_MODEL="", CHAT_FALLBACKS="big@OTHER")

    with pytest.raises(SettingsError, match="CHAT_MODEL"):
        await router.default_model()
    assert said(await ask(router)) == "hello there", "the fallback has one"


async def test_a_known_server_has_a_model_by_default() -> None:
    router = Router(EndpointSettings.load({}), {}, catalogue=Catalogue())

    assert await router.default_model() == "gpt-6-luna"


def test_a_fallback_without_a_server_stops_the_start() -> None:
    environment = {"CHAT_FALLBACKS": "x@NOWHERE"}
    with pytest.raises(SettingsError, match="NOWHERE_BASE_URL is not set"):
        Router(EndpointSettings.load(environment), environment)


# --- models and windows


async def test_the_models_are_those_that_chat(world: World) -> None:
    world.first.models = ["text-embedding-x", "large", "small"]

    assert [model.id for model in await world.router().models()] == ["large", "small"]


async def test_where_nothing_is_listed_the_configured_models_are_known(world: World) -> None:
    world.first.listed = False
    router = world.router(CHAT_FALLBACKS="large,small,big@OTHER")

    assert [model.id for model in await router.models()] == ["small", "large"]


async def test_a_window_is_the_servers_else_the_tables_else_a_guess(world: World) -> None:
    world.first.models = ["small", "gpt-4o", "gpt-4.1"]
    world.first.windows = {"small": 5000, "gpt-4o": 9000}
    router = world.router()

    assert [await router.context_window(name) for name in ("small", "gpt-4o", "gpt-4.1", "unheard")] == [
        5000,
        9000,
        1_047_576,
        UNKNOWN_WINDOW,
    ]


async def test_a_window_is_known_even_where_no_server_answers(world: World) -> None:
    router = world.router(OPENAI_BASE_URL=f"http://127.0.0.1:{refused_port()}/v1")

    assert await router.context_window("gpt-4o") == 128_000


async def test_what_a_refusal_taught_holds_for_an_hour(world: World) -> None:
    router = world.router()
    router.learn_window("small", 3000, 7000)
    router.learn_window("large", 0, 4000)
    router.learn_window("gpt-4o", 900_000, 0)
    windows = [await router.context_window(name) for name in ("small", "large", "gpt-4o")]
    world.clock.now += 3601

    assert windows == [3000, 3000, 128_000], "a window only ever shrinks"
    assert await router.context_window("small") == UNKNOWN_WINDOW


async def test_what_is_learned_is_bounded(world: World) -> None:
    router = world.router()
    for number in range(1000):
        router.learn_window(f"m{number}", 100, 0)

    assert await router.context_window("m0") == UNKNOWN_WINDOW
    assert await router.context_window("m999") == 100


# --- parley check


def fault(findings: list[Finding]) -> Finding:
    return next(finding for finding in findings if not finding.ok)


async def test_a_sound_configuration_is_found_sound(world: World) -> None:
    findings = await world.router(CHAT_FALLBACKS="big@OTHER").check()

    assert [finding.ok for finding in findings] == [True] * 4
    assert [finding.name for finding in findings] == [
        "OPENAI_BASE_URL",
        "CHAT_MODEL",
        "OTHER_BASE_URL",
        "CHAT_FALLBACKS",
    ]


CHECKS: dict[str, tuple[dict[str, str], str, str]] = {
    "a wrong key": ({"OPENAI_API_KEY": DEAD}, "OPENAI_API_KEY", "provider"),
    "a misspelt model": ({"CHAT_MODEL": "smal"}, "CHAT_MODEL", "did you mean small"),
    "an unknown model": ({"CHAT_MODEL": "zzz"}, "CHAT_MODEL", "lists"),
    "a model about to go": ({"CHAT_MODEL": "large"}, "CHAT_MODEL", "successor"),
    "nobody there": ({"CHAT_BASE_URL": f"http://127.0.0.1:{refused_port()}/v1"}, "CHAT_BASE_URL", "running"),
    "a misspelt fallback": ({"CHAT_FALLBACKS": "bigg@OTHER"}, "CHAT_FALLBACKS", "did you mean big"),
}


@pytest.mark.parametrize("name", CHECKS)
async def test_a_fault_is_found_and_its_remedy_named(world: World, name: str) -> None:
    world.first.shutdowns = {"large": "2026-12-11"}
    environment, variable, remedy = CHECKS[name]
    finding = fault(await world.router(**environment).check())

    assert finding.name == variable
    assert remedy in finding.remedy
    assert DEAD not in f"{finding}"


async def test_a_wrong_path_and_a_web_page_are_wrong_addresses(world: World) -> None:
    lost = world.router(OPENAI_BASE_URL=f"{world.first.base_url}/v1", CHAT_MODEL="")

    assert fault(await lost.check()).name == "OPENAI_BASE_URL"


async def test_a_server_without_a_list_is_no_fault_where_a_model_is_configured(world: World) -> None:
    world.first.listed = False

    assert [finding.ok for finding in await world.router().check()] == [True]


async def test_an_unreachable_server_is_asked_again_but_not_one_without_a_certificate(world: World) -> None:
    http = world.first.base_url
    refused = world.router(OPENAI_BASE_URL=f"http://127.0.0.1:{refused_port()}/v1")
    plain = world.router(OPENAI_BASE_URL=http.replace("http:", "https:"))
    for router in (refused, plain):
        with pytest.raises(Unreachable):
            await ask(router)

    assert world.clock.waits == [1.0, 2.0]
