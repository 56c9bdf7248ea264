"""The meter: what may be spent is set aside, what was spent is counted, whatever becomes of the answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from bot.api import Incoming, Notice, Usage
from bot.endpoints.chat import (
    AsideDelta,
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
from bot.endpoints.settings import Candidate, Server
from bot.errors import Interrupted, KeyRejected, StoreAway
from bot.keys import Keys
from bot.limits import BudgetSpent, Hold, Limits, LimitSettings
from bot.meter import ANSWER_BOUND, Meter
from bot.prices import Prices, money
from bot.tokens import Tokens
from bot.usage import Tally, Usages
from tests.bot.doubles import incoming
from tests.bot.doubles import tokens as counting

FAR, NEAR = Server("https://api.example.org/v1"), Server("http://127.0.0.1:11434/v1")
PRICES = """
models = [
    { name = "dear", in = 1, out = 10 },
    { name = "cheap", in = 0.1, out = 1 },
    { name = "artist", image = 0.04, minute = 0.006, speech = 15 },
]
"""


class Line:
    """Words without a vocabulary: a token is a word."""

    def encode_ordinary(self, text: str) -> list[int]:
        return list(range(len(text.split())))


class Model:
    """A `Router` that says what is scripted, and keeps what it was asked."""

    def __init__(self, *deltas: Delta | Exception | asyncio.Event, candidates: Sequence[Candidate]) -> None:
        self.deltas = deltas
        self.requests: list[ChatRequest] = []
        self._candidates = candidates
        self.seer: Candidate | None = None

    async def maker(self, capability: str, chosen: str = "") -> Candidate:
        return Candidate(FAR, chosen or "artist")

    def candidates(self, model: str, *, pictured: bool = False) -> Sequence[Candidate]:
        return [*([self.seer] if pictured and self.seer else []), *self._candidates]

    async def chat(self, request: ChatRequest) -> AsyncIterator[Delta]:
        self.requests.append(request)
        for delta in self.deltas:
            if isinstance(delta, Exception):
                raise delta
            if isinstance(delta, asyncio.Event):
                await delta.wait()
            else:
                yield delta


class House:
    """A meter over real limits."""

    def __init__(
        self, redis: Redis, prefix: str, prices: Prices, *deltas, candidates=None, answer=None, **settings
    ):
        self.keys, self.redis = Keys(prefix), redis
        self.model = Model(*deltas, candidates=candidates or [Candidate(FAR, "dear")])
        self.limits = Limits(LimitSettings.load(settings), redis, self.keys)
        self.usages = Usages(redis, self.keys)
        self.warned: list[Notice] = []
        tokens = Tokens(load=lambda name: Line())
        self.meter = Meter(self.model, self.limits, prices, tokens, answer=answer)  # type: ignore[arg-type]

    async def ask(
        self,
        text: str = "one two",
        message: Incoming | None = None,
        *,
        behind: Sequence[Message] = (),
        **more,
    ) -> list[Delta]:
        request = ChatRequest((Message("user", text), *behind), model="dear", **more)

        async def warn(notice: Notice) -> None:
            self.warned.append(notice)

        asked = self.meter.chat(request, message or incoming("?"), warn=warn)
        return [delta async for delta in asked]

    async def tally(self) -> Tally:
        return await self.usages.tally("person:test:ann", "day")

    async def idle(self) -> bool:
        return not await self.redis.exists(self.keys.held, self.keys.hold, self.keys.holds)


@pytest.fixture
def house(redis: Redis, prefix: str, tmp_path) -> Callable[..., House]:
    file = tmp_path / "prices.toml"
    file.write_text(PRICES, encoding="utf-8")
    prices = Prices.load(file)
    return lambda *deltas, **more: House(redis, prefix, prices, *deltas, **more)


def finish(prompt: int = 100, completion: int = 10, model: str = "dear") -> Finish:
    return Finish("stop", Usage(prompt, completion), model)


async def test_an_answer_is_passed_on_and_charged_as_the_server_counted(house):
    home = house(TextDelta("Hello "), TextDelta("Ann."), finish(100, 10))
    assert await home.ask() == [TextDelta("Hello "), TextDelta("Ann."), finish(100, 10)]
    tally = await home.tally()
    assert (tally.requests, tally.prompt, tally.completion, tally.cost) == (1, 100, 10, 200)
    assert await home.idle()


async def test_without_a_budget_the_length_of_an_answer_is_nobodys_business(house):
    home = house(finish())
    await home.ask()
    assert home.model.requests[0].max_tokens is None


async def test_under_a_budget_an_answer_is_no_longer_than_was_set_aside(house):
    home = house(finish(), BUDGET_TOTAL_DAY="1.00")
    await home.ask()
    await home.ask(max_tokens=77)
    assert [request.max_tokens for request in home.model.requests] == [ANSWER_BOUND, 77]
    operators = house(finish(), BUDGET_TOTAL_DAY="1.00", answer=50)
    await operators.ask()
    await operators.ask(max_tokens=77)
    assert [request.max_tokens for request in operators.model.requests] == [50, 50]


async def test_where_little_is_left_the_answer_is_as_long_as_that_buys_and_then_none_begins(house):
    home = house(finish(0, 700), BUDGET_PERSON_DAY="0.01")
    await home.ask("word")
    home.model.deltas = (finish(0, 290),)
    await home.ask("word")
    assert home.model.requests[0].max_tokens == (10_000 - 9) // 10
    assert home.model.requests[1].max_tokens == (3_000 - 9) // 10
    with pytest.raises(BudgetSpent):
        await home.ask("word")
    assert len(home.model.requests) == 2


async def test_for_several_answers_as_much_is_set_aside_as_all_of_them_may_cost(house):
    home = house(finish(0, 30), BUDGET_PERSON_DAY="0.01")
    await home.ask("word", n=3)
    assert home.model.requests[0].max_tokens == (10_000 - 9) // 10 // 3
    home.model.deltas = (TextDelta("one two"), AsideDelta(1, " three"), AsideDelta(2, " four"), Interrupted())
    with pytest.raises(Interrupted):
        await home.ask("word", n=3)
    assert (await home.tally()).completion == 30 + 4
    poor = house(finish(0, 30), BUDGET_PERSON_DAY="0.0045")
    with pytest.raises(BudgetSpent):
        await poor.ask("word", n=3)
    await poor.ask("word", n=1)


async def test_the_tools_that_are_offered_and_the_calls_of_them_are_counted(house):
    call = ToolCall("a", "image", "three words long")
    home = house(Finish("stop", None, "dear", (call,)))
    await home.ask("one two three", tools=(Function("image", "Draws a picture.", {}),))
    tally = await home.tally()
    assert (tally.prompt, tally.completion) == (3 + 8 + 5 + 1, 3)


async def test_what_a_model_is_shown_again_of_its_calls_and_thoughts_is_counted(house):
    call = ToolCall("a", "image", "four words of it")
    again = Message("assistant", "", calls=(call,), extras={"reasoning": "hm hm"})
    home = house(TextDelta("Done."), Finish("stop", None, "dear"))
    await home.ask("one two three", behind=[again])
    assert (await home.tally()).prompt == (3 + 8) + (8 + 1 + 4 + 2) + 2


async def test_where_the_server_does_not_count_we_do(house):
    home = house(ReasoningDelta("hm hm "), TextDelta("four words in all"), Finish("stop", None, "dear"))
    await home.ask("one two three")
    tally = await home.tally()
    assert (tally.prompt, tally.completion) == (3 + 8 + 1, 6)
    assert tally.cost == 72


async def test_an_answer_that_breaks_off_costs_what_came_of_it(house):
    home = house(TextDelta("three words came"), Interrupted())
    with pytest.raises(Interrupted):
        await home.ask()
    assert (await home.tally()).completion == 3
    assert await home.idle()


async def test_a_request_that_fails_costs_nothing(house):
    home = house(KeyRejected(), BUDGET_PERSON_DAY="0.10")
    with pytest.raises(KeyRejected):
        await home.ask()
    assert await home.tally() == Tally()
    assert await home.idle()


async def test_an_answer_that_is_stopped_is_charged_and_what_was_held_is_free(house):
    home = house(TextDelta("two words"), asyncio.Event(), BUDGET_PERSON_DAY="0.10")
    async with aclosing(
        home.meter.chat(ChatRequest((Message("user", "hi"),), model="dear"), incoming("?"))
    ) as asked:
        assert await anext(asked) == TextDelta("two words")
        assert not await home.idle()
    assert (await home.tally()).completion == 2
    assert await home.idle()


async def test_an_answer_that_is_cancelled_while_the_model_thinks_costs_its_prompt(house):
    home = house(asyncio.Event())
    task = asyncio.create_task(home.ask("one two"))
    while not home.model.requests:  # noqa: ASYNC110 - the request is made within a few turns of the loop
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    tally = await home.tally()
    assert (tally.prompt, tally.completion) == (2 + 8 + 1, 0)
    assert await home.idle()


async def test_the_model_that_answered_is_paid_and_the_dearest_that_may_is_reckoned_with(house):
    candidates = [Candidate(FAR, "cheap"), Candidate(FAR, "dear")]
    home = house(finish(1000, 100, "cheap"), candidates=candidates, BUDGET_TOTAL_DAY="0.005")
    await home.ask("word")
    assert home.model.requests[0].max_tokens == (5_000 - 9) // 10
    assert (await home.tally()).cost == 200


async def test_a_local_server_costs_nothing_and_needs_no_budget(house):
    home = house(finish(1000, 100, "llama"), candidates=[Candidate(NEAR, "llama")], BUDGET_TOTAL_DAY="0")
    await home.ask()
    tally = await home.tally()
    assert (tally.requests, tally.completion, tally.cost) == (1, 100, 0)
    assert home.model.requests[0].max_tokens is None


async def test_what_a_model_costs_can_be_asked_and_nothing_is_said_of_what_is_free(house):
    assert house().meter.rates("dear") == ("1.00 USD", "10.00 USD")
    assert house(candidates=[Candidate(NEAR, "llama")]).meter.rates("llama") is None


@pytest.mark.parametrize(("width", "height", "tokens"), [(0, 0, 1844), (320, 320, 120)])
async def test_images_count_in_the_prompt_by_their_size(house, width, height, tokens):
    home = house(Finish("stop", None, "dear"))
    content = (
        TextPart("what is this"),
        ImagePart("data:image/png;base64,AAAA", width=width, height=height),
    )
    request = ChatRequest((Message("user", content),), model="dear")
    assert [d async for d in home.meter.chat(request, incoming("?"))]
    assert tokens + 3 <= (await home.tally()).prompt <= (tokens + 20) * 1.1


async def test_a_question_with_a_picture_is_priced_by_the_model_that_sees(house):
    home = house(Finish("stop", Usage(1_000_000, 0), "dear"), candidates=[Candidate(FAR, "cheap")])
    home.model.seer = Candidate(FAR, "dear")
    content = (TextPart("what is this"), ImagePart("data:image/png;base64,AAAA", width=32, height=32))
    request = ChatRequest((Message("user", content),), model="cheap")
    assert [d async for d in home.meter.chat(request, incoming("?"))]
    assert (await home.tally()).cost == 1_000_000


async def test_a_budget_that_is_nearly_used_up_is_told_once_behind_the_answer(house):
    home = house(TextDelta("a"), finish(0, 850), BUDGET_PERSON_DAY="0.01", BUDGET_TOTAL_DAY="0.01")
    await home.ask()
    (notice,) = home.warned
    assert notice.key == "budget.near.person_day"
    assert notice.values == {"percent": 85, "spent": "0.0085 USD", "limit": "0.01 USD"}
    home.model.deltas = (finish(0, 1),)
    with pytest.raises(BudgetSpent):
        await home.ask()
    assert len(home.warned) == 1


async def test_where_redis_is_gone_at_the_end_the_answer_is_not_lost(house):
    home = house(TextDelta("words"), finish())

    class Leaving(Limits):
        async def settle(self, hold: Hold, cost: int, usage: Usage, model: str):
            raise StoreAway("away")

    limits = Leaving(LimitSettings(), home.redis, home.keys)
    meter = Meter(home.model, limits, Prices.load(None), counting())  # type: ignore[arg-type]
    request = ChatRequest((Message("user", "hi"),), model="dear")
    assert [d async for d in meter.chat(request, incoming("?"))] == [TextDelta("words"), finish()]


# --- work that is no chat -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "amount", "cost"),
    [
        ("image", 3, 120_000),
        ("edit", 1, 40_000),
        ("transcribe", 90, 9_000),
        ("translate", 1, 100),
        ("speak", 1000, 15_000),
    ],
)
async def test_work_costs_what_was_done_of_it(house, capability, amount, cost):
    home = house(BUDGET_PERSON_DAY="1")
    async with home.meter.work(capability, 2 * amount, incoming("?")) as bill:
        bill.done = amount
    tally = await home.usages.tally("total", "day")
    assert (tally.cost, tally.requests) == (cost, 1)
    assert await home.meter.cost(capability, amount) == money(cost, "USD")


async def test_work_that_fails_costs_nothing_and_gives_back_what_was_set_aside(house):
    home = house(BUDGET_PERSON_DAY="0.05")
    with pytest.raises(KeyRejected):
        async with home.meter.work("image", 1, incoming("?")):
            raise KeyRejected("no")
    async with home.meter.work("image", 1, incoming("?")) as bill:
        bill.done = 1
    assert (await home.usages.tally("total", "day")).cost == 40_000
    with pytest.raises(BudgetSpent):
        async with home.meter.work("image", 1, incoming("?")):
            pytest.fail("it was begun")


async def test_whoever_pays_for_work_hears_that_a_budget_is_nearly_used_up(house):
    home = house(BUDGET_PERSON_DAY="0.05")

    async def warn(notice: Notice) -> None:
        home.warned.append(notice)

    async with home.meter.work("image", 1, incoming("?"), warn=warn) as bill:
        bill.done = 1
    assert [notice.key for notice in home.warned] == ["budget.near.person_day"]
