"""Asking a model at a price: what an answer may cost is set aside before it, what it did cost is counted after."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog

from bot.api import Incoming, Notice, Usage
from bot.endpoints.chat import (
    AsideDelta,
    ChatRequest,
    Delta,
    Finish,
    ImagePart,
    Message,
    ReasoningDelta,
    TextDelta,
)
from bot.endpoints.settings import Capability
from bot.errors import ParleyError, StoreAway
from bot.limits import Hold, Limits, Standing
from bot.prices import MICRO, Price, Prices, money
from bot.routing import Router
from bot.tokens import Tokens

ANSWER_BOUND = 8192
"""Tokens of the longest answer while a budget is in force and nothing else bounds it (`MAX_TOKENS`, /set)."""

LEAST_ANSWER = 200
"""Tokens for which there must be money, else an answer is not begun."""

PICTURE_BOUND = 6500
"""Tokens of a large picture in high quality with all its unfinished ones (OpenAI's guide "Image generation")."""

_MESSAGE_TOKENS = 8  # what a server adds to each message
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Heard:
    """What has come of an answer, for the bill."""

    pieces: list[str] = field(default_factory=list)
    finish: Finish | None = None
    failed: bool = False

    def note(self, delta: Delta) -> None:
        if isinstance(delta, Finish):
            self.finish = delta
            self.pieces += (call.arguments for call in delta.calls)
        elif isinstance(delta, TextDelta | ReasoningDelta | AsideDelta):
            self.pieces.append(delta.text)


@dataclass(slots=True)
class Bill:
    """What a piece of work came to: whoever does it says how much is `done`, and the server's count of tokens.

    `stopped`: it was begun, and the count never came.
    """

    model: str
    done: float = 0
    usage: Usage = field(default_factory=lambda: Usage(0, 0))
    stopped: bool = False


class Meter:
    """`Router.chat` within everybody's limits.

    `answer` is the longest answer in tokens where a request names none (the operator's `MAX_TOKENS`).
    """

    def __init__(
        self, router: Router, limits: Limits, prices: Prices, tokens: Tokens, *, answer: int | None = None
    ) -> None:
        self._router = router
        self._limits = limits
        self._prices = prices
        self._tokens = tokens
        self._answer = answer

    async def chat(
        self,
        request: ChatRequest,
        message: Incoming,
        *,
        attempt: int = 1,
        purpose: str = "",
        warn: Callable[[Notice], Awaitable[None]] | None = None,
    ) -> AsyncGenerator[Delta]:
        """The answer, piece by piece, at the cost of the person who wrote `message`.

        A message may be the reason of several requests at once, if each has a `purpose` of its own. Once the answer
        is complete, `warn` hears of a budget that is nearly used up. Raises the errors of `Router.chat`, `Limited`,
        `BudgetSpent` and `StoreAway`.
        """
        await self._tokens.ready(request.model)
        price = self._dearest(request)
        prompt = 0 if price.free else self._prompt(request)
        bound = min(filter(None, (request.max_tokens, self._answer)), default=ANSWER_BOUND)
        hold = await self._limits.reserve(
            message,
            want=price.cost(Usage(prompt, bound * request.n)),
            least=price.cost(Usage(prompt, min(bound, LEAST_ANSWER) * request.n)),
            attempt=attempt,
            purpose=purpose,
        )
        if hold.limited:
            left = price.tokens_for(hold.granted - price.cost(Usage(prompt, 0)))
            request = replace(request, max_tokens=min(bound, left // request.n))
        heard = _Heard()
        near: Sequence[Standing] = ()
        try:
            async with aclosing(self._router.chat(request)) as deltas:
                async for delta in deltas:
                    heard.note(delta)
                    yield delta
        except ParleyError:
            heard.failed = True
            raise
        finally:
            near = await self._settle(hold, request, heard)
        await self._warn(near, warn)

    @asynccontextmanager
    async def work(
        self,
        capability: Capability,
        amount: float,
        message: Incoming,
        *,
        model: str = "",
        attempt: int = 1,
        purpose: str = "",
        warn: Callable[[Notice], Awaitable[None]] | None = None,
    ) -> AsyncIterator[Bill]:
        """Around work that is no chat: its price is set aside before, and what the bill says is counted after.

        `amount` is in pictures (`image`, `edit`), seconds (`transcribe`, `translate`) or characters (`speak`).
        `model` is the one that was chosen, if any. Else as `chat`. Raises `Limited`, `BudgetSpent`, `StoreAway`.
        """
        maker = await self._router.maker(capability, model)
        price = self._prices.of(maker.model, maker.server.host)
        want = price.work(capability, amount)
        least = want
        if not want and capability in ("image", "edit"):  # what is paid by tokens has a price only afterwards
            want = price.cost(Usage(0, math.ceil(amount * PICTURE_BOUND)))
            least = price.cost(Usage(0, LEAST_ANSWER))
        hold = await self._limits.reserve(message, want=want, least=least, attempt=attempt, purpose=purpose)
        bill, near = Bill(maker.model), list[Standing]()
        try:
            yield bill
        finally:
            cost = price.work(capability, bill.done) or price.cost(bill.usage)
            cost = cost or (want if bill.stopped else 0)
            near += await self._counted(hold, cost, bill.usage, bill.model)
        await self._warn(near, warn)

    async def cost(
        self, capability: Capability, amount: float, model: str = "", usage: Usage | None = None
    ) -> str:
        """What work costs, as people write it; empty where it costs nothing.

        `usage` is the server's count, for models that are paid by tokens and not by the piece.
        """
        maker = await self._router.maker(capability, model)
        price = self._prices.of(maker.model, maker.server.host)
        cost = price.work(capability, amount) or price.cost(usage or Usage(0, 0))
        return money(cost, self._prices.currency) if cost else ""

    async def _settle(self, hold: Hold, request: ChatRequest, heard: _Heard) -> Sequence[Standing]:
        """Charge it."""
        model = heard.finish.model if heard.finish else request.model
        usage = self._usage(request, heard)
        cost = self._dearest(request, answered=model).cost(usage)
        return await self._counted(hold, cost, usage, model)

    async def _counted(self, hold: Hold, cost: int, usage: Usage, model: str) -> Sequence[Standing]:
        """Where Redis is away, the log alone tells what it did cost."""
        try:
            return await self._limits.settle(hold, cost, usage, model)
        except StoreAway as error:
            _log.error("usage.uncounted", cost=cost / MICRO, person=hold.person, detail=str(error))
            return ()

    def _usage(self, request: ChatRequest, heard: _Heard) -> Usage:
        """The server's count; ours where it gave none, or the answer broke off. Nothing for a request that failed."""
        if heard.finish is not None and heard.finish.usage is not None:
            return heard.finish.usage
        if heard.failed and not heard.pieces:
            return Usage(0, 0)
        completion = self._tokens.count("".join(heard.pieces), request.model)
        return Usage(self._prompt(request), completion, estimated=True)

    async def _warn(self, near: Sequence[Standing], warn: Callable[[Notice], Awaitable[None]] | None) -> None:
        for standing in near:
            values: dict[str, str | int] = {
                "percent": standing.spent * 100 // standing.limit,
                "spent": money(standing.spent, self._prices.currency),
                "limit": money(standing.limit, self._prices.currency),
            }
            _log.warning("budget.near", bound=standing.bound, **values)
            if warn is not None and not standing.bound.startswith("total"):  # that is the operator's matter
                await warn(Notice(f"budget.near.{standing.bound}", values))

    def rates(self, model: str) -> tuple[str, str] | None:
        """What a million tokens of the prompt and of the answer cost with a model; None where that is nothing."""
        first = self._router.candidates(model)[0]
        price = self._prices.of(first.model or model, first.server.host)
        amounts = (money(price.prompt, self._prices.currency), money(price.completion, self._prices.currency))
        return None if price.free else amounts

    def _dearest(self, request: ChatRequest, *, answered: str = "") -> Price:
        """The worst price of those who may answer, or of those who have the model that did."""
        model = request.model
        candidates = self._router.candidates(model, pictured=request.pictured)
        mine = [c for c in candidates if answered and (c.model or model) == answered] or candidates
        found = [self._prices.of(c.model or model, c.server.host) for c in mine]
        parts = ("prompt", "cached", "completion")
        return Price(**{part: max(getattr(price, part) for price in found) for part in parts})

    def _prompt(self, request: ChatRequest) -> int:
        """The prompt's tokens, rather too many than too few: no vocabulary of ours need be the server's."""
        counted = sum(self._message(message, request.model) for message in request.messages)
        counted += sum(self._tokens.count(function.text, request.model) for function in request.tools)
        return counted + counted // 10

    def _message(self, message: Message, model: str) -> int:
        again = (text for call in message.calls for text in (call.name, call.arguments))
        counted = _MESSAGE_TOKENS
        counted += sum(self._tokens.count(text, model) for text in (*again, *message.extras.values()))
        if isinstance(message.content, str):
            return counted + self._tokens.count(message.content, model)
        return counted + sum(
            part.tokens if isinstance(part, ImagePart) else self._tokens.count(part.text, model)
            for part in message.content
        )
