"""Which server and model answer a request, how often they are asked, and who is next when they cannot."""

from __future__ import annotations

import asyncio
import difflib
import random as randomness
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, date, datetime

import structlog

from bot.api import Finding
from bot.endpoints.chat import ChatEndpoint, ChatRequest, Delta
from bot.endpoints.client import Client
from bot.endpoints.models import Catalogue, Listings, Model, list_models
from bot.endpoints.settings import Candidate, EndpointSettings, Server
from bot.errors import (
    ContextTooLong,
    EmptyAnswer,
    EndpointBusy,
    Filtered,
    Interrupted,
    KeyRejected,
    ParleyError,
    QuotaExhausted,
    ServerFailed,
    SettingsError,
    Unreachable,
    WrongAddress,
)

UNKNOWN_WINDOW = 8192
"""Tokens that a model is taken to have where neither its server nor its name tells."""

TRIES = 3
"""How often one candidate is asked."""

PATIENCE = 20.0
"""Seconds after which a candidate is not asked again, waiting and asking taken together."""

_QUOTA_REST = 300.0  # seconds for which an account without credit is left alone
_LEARNED_LIFE = 3600.0  # a window may have been that of a fallback
_LEARNED = 256
_SHUTDOWN_SOON = 60  # days

_log = structlog.get_logger(__name__)


class Router:
    """Serves chat requests from the configured candidates.

    `clock` counts seconds from anywhere, `sleep` waits, `random` gives a number from 0 to 1.
    Raises `SettingsError` where a fallback names a server that is not configured.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        environment: Mapping[str, str],
        *,
        client: Client | None = None,
        catalogue: Catalogue | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = randomness.random,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._settings = settings
        self._candidates = settings.chat_candidates(environment)
        self._client = client or Client()
        self._catalogue = catalogue or Catalogue()
        self._clock, self._sleep, self._random, self._today = clock, sleep, random, today
        servers = dict.fromkeys(candidate.server for candidate in self._candidates)
        self._chats = {server: ChatEndpoint(self._client, server, self._catalogue) for server in servers}
        self._resting: dict[Server, float] = {}
        self._listings = Listings(self._client, clock)
        self._learned: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """The answer, piece by piece, `Finish` last; closing the generator closes the connection at once.

        Before the first `TextDelta` a failing candidate is asked again, then the next one. Raises
        `ContextTooLong` and `Filtered` of whoever said so, otherwise the first candidate's error; after the
        first `TextDelta` `Interrupted`.
        """
        request = self._completed(request)
        first: ParleyError | None = None
        candidates = self._order(request.model)
        for number, candidate in enumerate(candidates, 1):
            try:
                async with aclosing(self._persist(candidate, request)) as deltas:
                    async for delta in deltas:
                        yield delta
                return
            except (ContextTooLong, Filtered, Interrupted):
                raise
            except ParleyError as error:
                first = first or error
                if number < len(candidates):
                    following = candidates[number]
                    _log.warning(
                        "fallback",
                        host=candidate.server.host,
                        model=candidate.model,
                        next=f"{following.model}@{following.server.host}",
                        reason=str(error),
                    )
        assert first is not None  # noqa: S101 - there is always a candidate
        raise first

    def candidates(self, model: str) -> list[Candidate]:
        """Who may answer a request for `model`, in the order in which they are asked."""
        return self._order(model)

    async def models(self) -> list[Model]:
        """The chat server's models; the configured ones where it lists none. Kept for ten minutes."""
        server = self._candidates[0].server
        listed = [model for model in await self._listings.get_any(server) if self._catalogue.chats(model.id)]
        configured = [c.model for c in self._candidates if c.model and c.server == server]
        return listed or [Model(name) for name in dict.fromkeys(configured)]

    async def default_model(self) -> str:
        """The model that answers where a person chose none.

        Raises `SettingsError` where none is configured, known or listed, and what listing the models raises.
        """
        return await self._model(self._candidates[0])

    async def context_window(self, model: str) -> int:
        """The model's window in tokens: as listed by the server, else by its name, else `UNKNOWN_WINDOW`.

        At most what a refusal taught within the last hour. Never raises.
        """
        listed = next(
            (m.window for m in await self._listings.get_any(self._order(model)[0].server) if m.id == model), 0
        )
        window = listed or self._catalogue.window(model) or UNKNOWN_WINDOW
        learned, until = self._learned.get(model, (window, 0.0))
        return min(window, learned) if self._clock() < until else window

    def learn_window(self, model: str, limit: int, tried: int) -> None:
        """Keep to `limit` tokens for an hour, or to three quarters of what was `tried` where it is 0."""
        learned = limit if limit > 0 else tried * 3 // 4
        self._learned[model] = (max(1, learned), self._clock() + _LEARNED_LIFE)
        self._learned.move_to_end(model)
        if len(self._learned) > _LEARNED:
            self._learned.popitem(last=False)

    async def check(self) -> list[Finding]:
        """Whether each candidate's server answers, takes the key and has the model."""
        findings: dict[Finding, None] = {}  # each once: several candidates may be at one server
        for number, candidate in enumerate(self._candidates):
            findings |= dict.fromkeys(
                await self._check(candidate, "CHAT_FALLBACKS" if number else "CHAT_MODEL")
            )
        return list(findings)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    # --- asking --------------------------------------------------------------------------------------------

    def _completed(self, request: ChatRequest) -> ChatRequest:
        settings = self._settings
        return replace(
            request,
            temperature=settings.temperature if request.temperature is None else request.temperature,
            top_p=settings.top_p if request.top_p is None else request.top_p,
            # What a person chooses may be less than the operator's, and never more.
            max_tokens=min((n for n in (settings.max_tokens, request.max_tokens) if n), default=None),
            reasoning_effort=request.reasoning_effort or settings.reasoning_effort or "",
        )

    def _order(self, model: str) -> list[Candidate]:
        """Who is asked, in order: a fallback whose model was chosen comes first; others are the first's."""
        chosen = (
            next((c for c in self._candidates if c.model == model), None) if model else self._candidates[0]
        )
        first = chosen or replace(self._candidates[0], model=model)
        return [first, *(c for c in self._candidates[0 if chosen else 1 :] if c is not chosen)]

    async def _model(self, candidate: Candidate) -> str:
        server = candidate.server
        if known := candidate.model or self._catalogue.chat_model(server.host):
            return known
        found = self._first(await self._listings.get(server))
        if not found:
            raise SettingsError(f"CHAT_MODEL is not set, and {server.host} lists no chat model")
        return found

    async def _persist(self, candidate: Candidate, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Ask one candidate until it answers, patience ends, or asking again cannot help."""
        server = candidate.server
        if self._clock() < self._resting.get(server, float("-inf")):
            raise QuotaExhausted(f"{server.host}: the account was out of credit a moment ago")
        began = self._clock()
        tries = 0
        while True:
            tries += 1
            try:
                model = await self._model(candidate)
                async with aclosing(self._chats[server].ask(request, model)) as deltas:
                    async for delta in deltas:
                        yield delta
                return
            except QuotaExhausted:
                self._resting[server] = self._clock() + _QUOTA_REST
                raise
            except (EndpointBusy, ServerFailed, Unreachable, EmptyAnswer) as error:
                wait = self._wait(error, tries)
                if wait is None or self._clock() - began + wait > PATIENCE:
                    raise
                _log.info("retry", host=server.host, tries=tries, wait=round(wait, 2), reason=str(error))
            await self._sleep(wait)

    def _wait(self, error: ParleyError, tries: int) -> float | None:
        """Seconds to wait before asking again: as the server says, else full jitter; None for not at all."""
        if tries >= (2 if isinstance(error, EmptyAnswer) else TRIES) or error.values.get("final"):
            return None
        if isinstance(error, EndpointBusy) and error.retry_after > 0:
            return error.retry_after
        return self._random() * min(8.0, 0.5 * 2.0**tries)

    # --- checking ------------------------------------------------------------------------------------------

    async def _check(self, candidate: Candidate, variable: str) -> list[Finding]:
        server = candidate.server
        where = f"{server.variable}_BASE_URL"
        try:
            listed = await list_models(self._client, server)
        except ParleyError as error:
            return [_fault(error, candidate)]
        found = [Finding(where, True, f"{server.base_url} answers and takes the key")]
        model = candidate.model or self._catalogue.chat_model(server.host) or self._first(listed)
        if not model:
            detail = f"not set, and {server.host} lists no chat model"
            return [*found, Finding(variable, False, detail, f"set {variable}")]
        return [*found, self._check_model(model, listed, variable)]

    def _first(self, listed: Sequence[Model]) -> str:
        return next((model.id for model in listed if self._catalogue.chats(model.id)), "")

    def _check_model(self, model: str, listed: list[Model], variable: str) -> Finding:
        known = next((m for m in listed if m.id == model), None)
        if known is None:
            near = ", ".join(difflib.get_close_matches(model, [m.id for m in listed], 3))
            remedy = f"did you mean {near}?" if near else "choose one that the server lists"
            return Finding(variable, False, f"{model} is not among the server's models", remedy)
        try:
            days = (date.fromisoformat(known.shutdown[:10]) - self._today()).days if known.shutdown else None
        except ValueError:
            days = None
        if days is not None and days <= _SHUTDOWN_SOON:
            remedy = "choose its successor"
            return Finding(variable, False, f"{model} will be shut down on {known.shutdown[:10]}", remedy)
        return Finding(variable, True, f"{model} is there")


def _fault(error: ParleyError, candidate: Candidate) -> Finding:
    """What is said of a server that does not list its models."""
    server = candidate.server
    where, key = f"{server.variable}_BASE_URL", f"{server.variable}_API_KEY"
    match error:
        case KeyRejected():
            return Finding(key, False, str(error), "set the key that the provider gave you")
        case QuotaExhausted():
            return Finding(key, False, str(error), "add credit at the provider")
        case WrongAddress() if candidate.model and " 404" in str(error):  # Z.ai, for one, lists none
            return Finding(where, True, f"{server.base_url} answers, but lists no models")
        case WrongAddress():
            return Finding(where, False, str(error), "write the address up to /v1, as the provider gives it")
        case _:
            return Finding(where, False, str(error), "is the server running, and the address right?")
