"""Which server and model answer a request, how often they are asked, and who is next when they cannot."""

from __future__ import annotations

import asyncio
import random as randomness
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial

import structlog

from bot.api import Finding
from bot.endpoints.audio import Script, Transcript, Voiced
from bot.endpoints.capabilities import Capabilities
from bot.endpoints.chat import ChatEndpoint, ChatRequest, Delta, Message, TextDelta
from bot.endpoints.checking import Look, examine
from bot.endpoints.client import Client
from bot.endpoints.images import Drawn, Fetch, Source, Wish
from bot.endpoints.models import Catalogue, Listings, Model
from bot.endpoints.patience import PATIENCE, TRIES, Patience
from bot.endpoints.settings import Candidate, Capability, EndpointSettings, Server
from bot.errors import (
    ContextTooLong,
    Filtered,
    Interrupted,
    ParleyError,
    SettingsError,
)

__all__ = ["PATIENCE", "TRIES", "UNKNOWN_WINDOW", "Router"]

UNKNOWN_WINDOW = 8192
"""Tokens that a model is taken to have where neither its server nor its name tells."""

_LEARNED_LIFE = 3600.0  # a window may have been that of a fallback
_LEARNED = 256

_log = structlog.get_logger(__name__)


class Router:
    """Serves requests from the configured servers.

    `fetch` gets the pictures that a server answers with by address. `clock` counts seconds from anywhere, `sleep`
    waits, `random` gives a number from 0 to 1.
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
        fetch: Fetch | None = None,
    ) -> None:
        self._settings = settings
        self._candidates = settings.chat_candidates(environment)
        self._client = client or Client()
        self._catalogue = catalogue or Catalogue()
        self._clock, self._today = clock, today
        self._patience = Patience(clock, sleep, random)
        self._vision = settings.vision_candidate()
        servers = dict.fromkeys(c.server for c in (*self._candidates, *filter(None, [self._vision])))
        self._chats = {
            server: ChatEndpoint(self._client, server, self._catalogue, clock) for server in servers
        }
        self._listings = Listings(self._client, clock)
        self._capabilities = Capabilities(
            settings,
            self._client,
            self._catalogue,
            self._listings,
            self._patience,
            clock=clock,
            chat=self._told,
            fetch=fetch,
        )
        self._learned: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """The answer, piece by piece, `Finish` last; closing the generator closes the connection at once.

        Before the first `TextDelta` a failing candidate is asked again, then the next one. Raises
        `ContextTooLong` and `Filtered` of whoever said so, otherwise the first candidate's error; after the
        first `TextDelta` `Interrupted`. A request with pictures goes to the model for vision first, where there is
        one; `NoVision` where nobody can see those of the question.
        """
        request = self._completed(request)
        first: ParleyError | None = None
        candidates = self.candidates(request.model, pictured=request.pictured)
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

    def candidates(self, model: str, *, pictured: bool = False) -> list[Candidate]:
        """Who may answer a request for `model`, with pictures or without, in the order in which they are asked."""
        order = self._order(model)
        return [self._vision, *order] if pictured and self._vision is not None else order

    def can(self, capability: Capability) -> bool:
        """Whether a capability is set up, and not known to be missing: for an hour after a server said so.

        A server is not asked for this, so that it may turn out otherwise; `Incapable` is raised then.
        """
        if capability != "vision":
            return self._capabilities.can(capability)
        candidate = self._vision or self._candidates[0]
        model = candidate.model or self._catalogue.chat_model(candidate.server.host)
        return not self._chats[candidate.server].blind(model)

    def single(self, model: str, *, pictured: bool = False) -> bool:
        """Whether who is asked first for `model` is known to give one answer only, however many are wanted."""
        first = self.candidates(model, pictured=pictured)[0]
        return self._chats[first.server].single(first.model or model)

    async def maker(self, capability: Capability, chosen: str = "") -> Candidate:
        """Who draws, hears or speaks (anything but `vision`), for the price; an empty model where nobody does."""
        return await self._capabilities.maker(capability, chosen)

    def image(
        self,
        prompt: str,
        *,
        size: str = "",
        quality: str = "",
        n: int = 1,
        background: str = "",
        model: str = "",
        partials: int = 0,
    ) -> AsyncGenerator[Drawn]:
        """Draw: up to `partials` unfinished pictures, as `IMAGE_PREVIEWS` says, then `n` (1 to 10) in `Finished`.

        What is empty is as configured; each picture and each unfinished one may cost. Only what was surely not begun
        is asked for again. Raises `NoImages`, `Filtered`, the errors of chat; after an unfinished picture only
        `Interrupted`.
        """
        wish = Wish(prompt, size, quality, n, background, partials)
        return self._capabilities.image(wish, model)

    def edit(
        self,
        images: Sequence[Source],
        prompt: str,
        *,
        mask: Source | None = None,
        size: str = "",
        quality: str = "",
        n: int = 1,
        background: str = "",
        model: str = "",
        partials: int = 0,
    ) -> AsyncGenerator[Drawn]:
        """Change up to 16 pictures (PNG, JPEG, WebP) as `prompt` says; without one, a variation. Else as `image`."""
        wish = Wish(prompt, size, quality, n, background, partials)
        return self._capabilities.edit(images, wish, mask=mask, model=model)

    async def transcribe(
        self,
        data: bytes,
        mime: str,
        name: str = "",
        *,
        language: str = "",
        prompt: str = "",
        form: Script = "text",
    ) -> Transcript:
        """What is said in a recording of at most 25 MB.

        Raises `NoTranscription`, `NoSubtitles`, and the errors of chat.
        """
        return await self._capabilities.transcribe(
            data, mime, name, language=language, prompt=prompt, form=form
        )

    async def translate(
        self, data: bytes, mime: str, name: str = "", *, prompt: str = "", form: Script = "text"
    ) -> Transcript:
        """What is said in a recording, in English: by an endpoint for it or, without one, in two steps."""
        return await self._capabilities.translate(data, mime, name, prompt=prompt, form=form)

    def speak(
        self,
        text: str,
        *,
        voice: str = "",
        form: Voiced = "opus",
        speed: float = 1.0,
        instructions: str = "",
        model: str = "",
    ) -> AsyncGenerator[bytes]:
        """Speak at most 4,096 characters (see `audio.sentences`): one recording, piece by piece.

        It may come in another form than asked for. Raises `NoSpeech`, the errors of chat, and after the first piece
        only `Interrupted`.
        """
        return self._capabilities.speak(
            text, voice=voice, form=form, speed=speed, instructions=instructions, model=model
        )

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
        seer = self._vision if self._vision is not None and self._vision.model == model else None
        server = (seer or self._order(model)[0]).server
        listed = next((m.window for m in await self._listings.get_any(server) if m.id == model), 0)
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
        """Whether the server of each candidate and capability answers, takes the key and has the model."""

        def chat(server: Server, listed: Sequence[Model]) -> str:
            return self._catalogue.chat_model(server.host) or self._first(listed)

        looks = [
            Look(c, "CHAT_FALLBACKS" if number else "CHAT_MODEL", partial(chat, c.server))
            for number, c in enumerate(self._candidates)
        ]
        for capability, variable in self._settings.configured().items():
            server = self._settings.server(capability)
            makes = partial(self._capabilities.pick, capability, server)
            pick = partial(chat, server) if capability == "vision" else makes
            looks.append(Look(Candidate(server, self._settings.model(capability)), variable, pick))
        findings: dict[Finding, None] = {}  # each once: several candidates may be at one server
        for look in looks:
            findings |= dict.fromkeys(await examine(self._client, look, self._today()))
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
            variable = "VISION_MODEL" if candidate is self._vision else "CHAT_MODEL"
            raise SettingsError(f"{variable} is not set, and {server.host} lists no chat model")
        return found

    def _persist(self, candidate: Candidate, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Ask one candidate until it answers, patience ends, or asking again cannot help."""

        async def start() -> AsyncGenerator[Delta]:
            model = await self._model(candidate)
            async with aclosing(self._chats[candidate.server].ask(request, model)) as deltas:
                async for delta in deltas:
                    yield delta

        return self._patience.ask(candidate.server, start)

    async def _told(self, instruction: str, text: str) -> AsyncGenerator[str]:
        """What a chat model answers to a text under an instruction."""
        request = ChatRequest((Message("system", instruction), Message("user", text)))
        async with aclosing(self.chat(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    yield delta.text

    def _first(self, listed: Sequence[Model]) -> str:
        return next((model.id for model in listed if self._catalogue.chats(model.id)), "")
