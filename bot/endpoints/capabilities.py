"""Which server and model draw, hear and speak, how often they are asked, and what is known to be missing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from types import MappingProxyType
from typing import Literal, TypeVar

import structlog

from bot.endpoints.audio import AudioEndpoint, Script, Transcript, Voiced, translated
from bot.endpoints.client import Client
from bot.endpoints.failures import EndpointMissing
from bot.endpoints.images import VARIATION, Drawn, Fetch, ImageEndpoint, Source, Wish, unfinished
from bot.endpoints.models import Catalogue, Listings, Model
from bot.endpoints.patience import COSTLY, PASSING, Patience
from bot.endpoints.settings import Candidate, Capability, EndpointSettings, Server
from bot.errors import Incapable, ModelUnknown, NoImages, NoSpeech, NoTranscription, ParleyError

_MISSING_LIFE = 3600.0  # seconds for which a server without an endpoint is not asked for it again
_CRAFT: Mapping[Capability, Literal["image", "transcription", "speech"]] = MappingProxyType(
    {
        "image": "image",
        "edit": "image",
        "transcribe": "transcription",
        "translate": "transcription",
        "speak": "speech",
    }
)
_LACKING: Mapping[Capability, type[Incapable]] = MappingProxyType(
    {
        "image": NoImages,
        "edit": NoImages,
        "transcribe": NoTranscription,
        "translate": NoTranscription,
        "speak": NoSpeech,
    }
)

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class Capabilities:
    """Pictures and sound from the configured servers. `clock` counts seconds from anywhere.

    `chat` takes an instruction and a text, and gives a chat model's answer in pieces.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        client: Client,
        catalogue: Catalogue,
        listings: Listings,
        patience: Patience,
        *,
        clock: Callable[[], float],
        chat: Callable[[str, str], AsyncGenerator[str]],
        fetch: Fetch | None = None,
    ) -> None:
        self._settings, self._catalogue, self._listings = settings, catalogue, listings
        self._patience, self._clock, self._chat = patience, clock, chat
        servers = {settings.server(capability) for capability in _CRAFT}
        self._images = {server: ImageEndpoint(client, server, fetch, clock) for server in servers}
        self._audio = {server: AudioEndpoint(client, server) for server in servers}
        self._missing: dict[tuple[Server, Capability], float] = {}

    async def image(self, wish: Wish, model: str = "") -> AsyncGenerator[Drawn]:
        """Draw. Raises `NoImages`, and what `ImageEndpoint.generate` raises."""
        wish = self._usual(wish)

        def start(server: Server, model: str) -> AsyncGenerator[Drawn]:
            return self._images[server].generate(self._shown(wish, model), model)

        async with aclosing(self._serve("image", start, model, COSTLY)) as drawn:
            async for part in drawn:
                yield part

    async def edit(
        self, sources: Sequence[Source], wish: Wish, *, mask: Source | None = None, model: str = ""
    ) -> AsyncGenerator[Drawn]:
        """Change pictures; a variation where the wish says nothing. Raises as `image` does."""
        wish = self._usual(wish, VARIATION)

        def start(server: Server, model: str) -> AsyncGenerator[Drawn]:
            return self._images[server].edit(sources, self._shown(wish, model), model, mask)

        async with aclosing(self._serve("edit", start, model, COSTLY)) as drawn:
            async for part in drawn:
                yield part

    async def transcribe(
        self, data: bytes, mime: str, name: str, *, language: str, prompt: str, form: Script
    ) -> Transcript:
        """What is said. Raises `NoTranscription`, and what `AudioEndpoint.transcribe` raises."""

        async def start(server: Server, model: str) -> AsyncGenerator[Transcript]:
            yield await self._audio[server].transcribe(
                data, mime, model, name=name, language=language, prompt=prompt, form=form
            )

        return await self._one("transcribe", start)

    async def translate(self, data: bytes, mime: str, name: str, *, prompt: str, form: Script) -> Transcript:
        """What is said, in English: by the endpoint for it, where one is set up and there, else in two steps."""

        async def start(server: Server, model: str) -> AsyncGenerator[Transcript]:
            yield await self._audio[server].translate(data, mime, model, name=name, prompt=prompt, form=form)

        if self._settings.model("translate"):
            try:
                return await self._one("translate", start)
            except Incapable as error:
                _log.info("translated in two steps", reason=str(error))
        heard = await self.transcribe(data, mime, name, language="", prompt=prompt, form=form)
        return await translated(heard, self._chat)

    async def speak(
        self, words: str, *, voice: str, form: Voiced, speed: float, instructions: str, model: str
    ) -> AsyncGenerator[bytes]:
        """Speak at most `audio.LONGEST` characters. Raises `NoSpeech`, and what `AudioEndpoint.speak` raises."""
        voice = voice or self._settings.speech_voice

        def start(server: Server, model: str) -> AsyncGenerator[bytes]:
            audio = self._audio[server]
            if self._catalogue.speaks_in_chat(model):
                return audio.speak_in_chat(words, model, voice=voice, form=form, instructions=instructions)
            return audio.speak(words, model, voice=voice, form=form, speed=speed, instructions=instructions)

        async with aclosing(self._serve("speak", start, model, COSTLY)) as pieces:
            async for piece in pieces:
                yield piece

    def can(self, capability: Capability) -> bool:
        """Whether it is set up, and not known to be missing. A server is not asked for this."""
        if capability == "translate" and not self._there("translate"):
            return self.can("transcribe")
        if not self._there(capability):
            return False
        server = self._settings.server(capability)
        if self._named(capability, server):
            return True
        known = self._listings.known(server)
        return _own(server) and (known is None or bool(self.pick(capability, server, known)))

    def pick(self, capability: Capability, server: Server, listed: Sequence[Model]) -> str:
        """The model for a capability among those that a server lists; empty where there is none.

        Without a configured one it is taken from a list only where the server is the operator's own, at a plain
        http:// address: elsewhere a guess would cost money.
        """
        if named := self._named(capability, server):
            return named
        craft = _CRAFT[capability]
        return next((m.id for m in listed if self._catalogue.makes(m.id, craft)), "") if _own(server) else ""

    async def maker(self, capability: Capability, chosen: str = "") -> Candidate:
        """Who is asked first: its server and the model, which is empty where none is set up."""
        if capability == "translate" and not self._settings.model("translate"):
            capability = "transcribe"
        server = self._settings.server(capability)
        return Candidate(server, chosen or await self._model(capability, server))

    # --- asking --------------------------------------------------------------------------------------------

    def _usual(self, wish: Wish, otherwise: str = "") -> Wish:
        return Wish(
            wish.prompt.strip() or otherwise,
            wish.size or self._settings.image_size,
            wish.quality or self._settings.image_quality,
            wish.n,
            wish.background,
            wish.partials,
        )

    def _shown(self, wish: Wish, model: str) -> Wish:
        most = unfinished(model, self._settings.image_previews)
        return replace(wish, partials=min(wish.partials, most))

    def _named(self, capability: Capability, server: Server) -> str:
        own = self._settings.model(capability)
        if own or capability == "translate":
            return own
        return self._catalogue.maker(server.host, _CRAFT[capability])

    def _there(self, capability: Capability) -> bool:
        if capability == "translate" and not self._settings.model("translate"):
            return False
        until = self._missing.get((self._settings.server(capability), capability), float("-inf"))
        return self._clock() >= until

    async def _model(self, capability: Capability, server: Server) -> str:
        if named := self._named(capability, server):
            return named
        listed = await self._listings.get_any(server) if _own(server) else ()
        return self.pick(capability, server, listed)

    async def _serve(
        self,
        capability: Capability,
        start: Callable[[Server, str], AsyncGenerator[T]],
        chosen: str = "",
        again: tuple[type[ParleyError], ...] = PASSING,
    ) -> AsyncGenerator[T]:
        """What `start` gives, from the capability's server, by the model that was chosen or is usual."""
        lacking, server = _LACKING[capability], self._settings.server(capability)
        if not self._there(capability):
            raise lacking(f"{server.host}: had no endpoint for it a while ago")
        model = chosen or await self._model(capability, server)
        if not model:
            raise lacking(f"{server.host}: no model is set up for it")
        try:
            async with aclosing(self._patience.ask(server, lambda: start(server, model), again)) as parts:
                async for part in parts:
                    yield part
        except EndpointMissing as error:
            self._note(capability, server, error)
            raise lacking(str(error)) from error
        except ModelUnknown as error:
            if chosen:
                raise
            self._note(capability, server, error)
            raise lacking(str(error)) from error

    async def _one(self, capability: Capability, start: Callable[[Server, str], AsyncGenerator[T]]) -> T:
        async with aclosing(self._serve(capability, start)) as found:
            return await anext(found)

    def _note(self, capability: Capability, server: Server, error: ParleyError) -> None:
        _log.warning("capability missing", capability=capability, host=server.host, reason=str(error))
        self._missing[server, capability] = self._clock() + _MISSING_LIFE


def _own(server: Server) -> bool:
    return server.base_url.startswith("http:")
