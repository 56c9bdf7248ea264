"""Which models a server lists, and what is known of models and servers by their names."""

from __future__ import annotations

import asyncio
import tomllib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any, Literal

import structlog

from bot.endpoints.client import Client
from bot.endpoints.settings import Server
from bot.errors import ParleyError, WrongAddress

_MOST = 5000  # models of one server
_LIFE = 600.0  # seconds
_FAILED_LIFE = 60.0
_TIMEOUT = 5.0  # seconds to the first byte: a person may be waiting
_WINDOW_FIELDS = (
    "max_model_len",  # vLLM
    "context_length",  # OpenRouter, Moonshot
    "context_window",  # Groq
    "loaded_context_length",  # LM Studio
    "max_context_length",
    "n_ctx",  # llama.cpp, in `meta`
    "n_ctx_train",
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Model:
    """A model as its server lists it: `window` in tokens, 0 where unsaid; `shutdown` a date, or empty."""

    id: str
    window: int = 0
    shutdown: str = ""


async def list_models(client: Client, server: Server, *, limit: float = 0) -> list[Model]:
    """The models that a server lists; `limit` is the time to its first byte in seconds.

    Raises the errors of `Client.request`; `WrongAddress` also where the reply is no list of models.
    """
    document = await client.document(server, "models", limit=limit)
    listed = document.get("data", document.get("models")) if isinstance(document, dict) else document
    if not isinstance(listed, list):
        raise WrongAddress(f"{server.url('models')} does not list models")
    found = {}
    for entry in listed[:_MOST]:
        identity = entry.get("id") or entry.get("name") if isinstance(entry, dict) else None
        if isinstance(identity, str) and identity:
            identity = identity.removeprefix("models/")  # Gemini
            found[identity] = Model(identity, _window(entry), str(entry.get("shutdown_date") or ""))
    return list(found.values())


def _window(entry: Mapping[str, Any]) -> int:
    places = [entry] + [entry[name] for name in ("meta", "top_provider") if isinstance(entry.get(name), dict)]
    for name in _WINDOW_FIELDS:
        for place in places:
            value = place.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return 0


@dataclass(frozen=True, slots=True)
class _Kept:
    models: tuple[Model, ...]
    until: float


class Listings:
    """What each server lists, asked for every ten minutes at most; `clock` counts seconds from anywhere."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._kept: dict[Server, _Kept] = {}  # as many as there are configured servers
        self._silent: dict[Server, float] = {}
        self._locks: defaultdict[Server, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, server: Server) -> tuple[Model, ...]:
        """The server's models. Raises as `list_models` does."""
        async with self._locks[server]:
            return await self._refreshed(server)

    def known(self, server: Server) -> tuple[Model, ...] | None:
        """What the server listed last, without asking it; None where it never did."""
        kept = self._kept.get(server)
        return kept.models if kept else None

    async def get_any(self, server: Server) -> tuple[Model, ...]:
        """The models that the server listed last, if it ever did; a failing one is left alone for a minute."""
        async with self._locks[server]:
            if self._clock() >= self._silent.get(server, float("-inf")):
                try:
                    return await self._refreshed(server)
                except ParleyError as error:
                    _log.info("no list of models", host=server.host, reason=str(error))
                    self._silent[server] = self._clock() + _FAILED_LIFE
            kept = self._kept.get(server)
            return kept.models if kept else ()

    async def _refreshed(self, server: Server) -> tuple[Model, ...]:
        kept = self._kept.get(server)
        if kept is None or self._clock() >= kept.until:
            listed = await list_models(self._client, server, limit=_TIMEOUT)
            kept = self._kept[server] = _Kept(tuple(listed), self._clock() + _LIFE)
        return kept.models


class Catalogue:
    """What `models.toml` says."""

    def __init__(self, text: str | None = None) -> None:
        if text is None:
            text = (files("bot.endpoints") / "models.toml").read_text(encoding="utf-8")
        table = tomllib.loads(text)
        self._hosts: list[dict[str, str]] = table["hosts"]
        self._models: list[dict[str, Any]] = table["models"]
        self._other: list[str] = table["other"]
        self._own: dict[str, list[str]] = table.get("own", {})
        self._aloud: list[str] = table.get("aloud", {}).get("models", [])

    def chat_model(self, host: str) -> str:
        """The model taken at `host` where none is configured; empty where there is no such."""
        return self._host(host).get("chat", "")

    def maker(self, host: str, craft: Literal["image", "transcription", "speech"]) -> str:
        """The model that draws, hears or speaks at `host` where none is configured; empty where none is known."""
        return self._host(host).get(craft, "")

    def makes(self, model: str, craft: Literal["image", "transcription", "speech"]) -> bool:
        """Whether the model, by its name, is one that draws, hears or speaks."""
        name = _plain(model)
        return any(fnmatchcase(name, pattern) for pattern in self._own.get(craft, ()))

    def speaks_in_chat(self, model: str) -> bool:
        """Whether the model, by its name, is a chat model that answers in speech."""
        name = _plain(model)
        return any(fnmatchcase(name, pattern) for pattern in self._aloud)

    def limit_field(self, host: str) -> str:
        """What the field for the longest answer is called at `host`."""
        return self._host(host).get("limit", "max_tokens")

    def window(self, model: str) -> int:
        """The model's window in tokens, input and output together; 0 where unknown."""
        name = _plain(model)
        return next((m["window"] for m in self._models if fnmatchcase(name, m["name"])), 0)

    def chats(self, model: str) -> bool:
        """Whether the model, by its name, is one to chat with."""
        name = _plain(model)
        return not any(fnmatchcase(name, pattern) for pattern in self._other)

    def _host(self, host: str) -> dict[str, str]:
        host = host.lower()
        for entry in self._hosts:
            suffix = entry["host"]
            if host == suffix or (suffix.startswith(".") and host.endswith(suffix)):
                return entry
        return {}


def _plain(model: str) -> str:
    return model.lower().rpartition("/")[2]
