"""Which OpenAI-style servers there are, with which keys, and what is asked of them by default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit, urlunsplit

import httpx
from pydantic import AfterValidator, Field, SecretStr

from bot.errors import SettingsError
from bot.settings import Block, Names

_PASTED = re.compile(
    r"(?:/+(?:chat/completions|completions|responses|embeddings|models|images/(?:generations|edits)"
    r"|audio/(?:transcriptions|translations|speech)))?/*$"
)
_SERVER_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_VOICES = ("alloy", "ash", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer")
"""What every model of OpenAI's speaks with (platform.openai.com/docs/guides/text-to-speech)."""


def base_url(text: str) -> str:
    """A base URL in the one form that paths are appended to: no slash at the end, no endpoint, no fragment.

    A query is kept, because older Azure deployments want `?api-version=`. Raises `ValueError` in plain words.
    """
    text = text.strip().strip("\"'")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(httpx.URL(text).host) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f]", text):
        raise ValueError("write a whole address such as https://api.openai.com/v1")
    if "@" in parts.netloc:
        raise ValueError("put the key into its own variable, not into the address")
    return urlunsplit((parts.scheme, parts.netloc.lower(), _PASTED.sub("", parts.path), parts.query, ""))


def key(secret: SecretStr) -> SecretStr:
    """A key as it goes into a header. Raises `ValueError` where it holds what no header may hold."""
    text = secret.get_secret_value().strip().strip("\"'")
    if not re.fullmatch(r"[\x21-\x7e]*", text):
        raise ValueError("holds a blank or a character that no key has; copy it again")
    return SecretStr(text)


def _size(text: str) -> str:
    text = text.strip().lower().replace("×", "x")
    if text != "auto" and not re.fullmatch(r"[1-9]\d{1,4}x[1-9]\d{1,4}", text):
        raise ValueError("write auto, or a size in pixels such as 1024x1024")
    return text


BaseURL = Annotated[str, AfterValidator(base_url)]
Key = Annotated[SecretStr, AfterValidator(key)]


@dataclass(frozen=True, slots=True)
class Server:
    """An OpenAI-style server. `variable` is what its address is called in the settings, for remedies."""

    base_url: str
    key: SecretStr | None = None
    organization: str = ""
    project: str = ""
    variable: str = field(default="OPENAI", compare=False)

    @property
    def host(self) -> str:
        """The host's name, without the port."""
        return urlsplit(self.base_url).hostname or ""

    def url(self, path: str) -> str:
        """The address of an endpoint, such as `chat/completions`."""
        parts = urlsplit(self.base_url)
        return urlunsplit((parts.scheme, parts.netloc, f"{parts.path}/{path}", parts.query, ""))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server and a model that may serve a request. `model` is empty where it is still to be found out."""

    server: Server
    model: str = ""


Capability = Literal["vision", "image", "edit", "transcribe", "translate", "speak"]
"""What a model may be able to do besides chat."""

_NAMES: Mapping[Capability, str] = MappingProxyType(
    {
        "vision": "VISION",
        "image": "IMAGE",
        "edit": "IMAGE_EDIT",
        "transcribe": "TRANSCRIPTION",
        "translate": "TRANSLATION",
        "speak": "SPEECH",
    }
)
"""What the variables of each begin with."""

_NEAREST: Mapping[Capability, Capability] = MappingProxyType({"edit": "image", "translate": "transcribe"})
"""Whose server and key serve where a capability has none of its own."""


class EndpointSettings(Block):
    """Endpoints"""

    openai_api_key: Key | None = Field(None, description="The key of the OpenAI-style server.")
    openai_base_url: BaseURL = Field(
        "https://api.openai.com/v1", description="Its address, up to and with /v1."
    )
    openai_organization: str = Field("", description="Sent as OpenAI-Organization where set.")
    openai_project: str = Field("", description="Sent as OpenAI-Project where set.")
    chat_model: str = Field("", description="The model for chat. Unset: what suits the server.")
    chat_base_url: BaseURL | None = Field(
        None, description="Another server for chat. Unset: OPENAI_BASE_URL."
    )
    chat_api_key: Key | None = Field(None, description="Its key. Unset: OPENAI_API_KEY.")
    chat_fallbacks: Names = Field(
        (),
        description="What to try next when the model cannot answer: `model`, or `model@NAME` for a server at "
        "NAME_BASE_URL with NAME_API_KEY.",
    )
    vision_model: str = Field(
        "", description="The model for questions with pictures. Unset: the one for chat."
    )
    vision_base_url: BaseURL | None = Field(None, description="Its server. Unset: the one for chat.")
    vision_api_key: Key | None = Field(
        None, description="Its key. Unset: CHAT_API_KEY at the server for chat, else OPENAI_API_KEY."
    )
    image_model: str = Field(
        "", description="The model that draws. Unset: the one known to suit the server, if any."
    )
    image_base_url: BaseURL | None = Field(None, description="Its server. Unset: OPENAI_BASE_URL.")
    image_api_key: Key | None = Field(None, description="Its key. Unset: OPENAI_API_KEY.")
    image_size: Annotated[str, AfterValidator(_size)] = Field(
        "auto", description="Pixels of a picture, such as 1024x1024; auto leaves it to the server."
    )
    image_quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] = Field(
        "auto", description="How well it is drawn, which decides its price; auto leaves it to the server."
    )
    image_previews: int | None = Field(
        None,
        ge=0,
        le=3,
        description="How many unfinished pictures to ask for while one is drawn, 0 to 3; each costs a little. "
        "Unset: 2 of models known to have them (gpt-image), else none.",
    )
    image_edit_model: str = Field("", description="The model that changes pictures. Unset: IMAGE_MODEL.")
    image_edit_base_url: BaseURL | None = Field(None, description="Its server. Unset: the one of IMAGE_*.")
    image_edit_api_key: Key | None = Field(
        None, description="Its key. Unset: IMAGE_API_KEY at the server of IMAGE_*, else OPENAI_API_KEY."
    )
    transcription_model: str = Field(
        "", description="The model that hears. Unset: the one known to suit the server, if any."
    )
    transcription_base_url: BaseURL | None = Field(None, description="Its server. Unset: OPENAI_BASE_URL.")
    transcription_api_key: Key | None = Field(None, description="Its key. Unset: OPENAI_API_KEY.")
    translation_model: str = Field(
        "",
        description="The model that puts speech of any language into English. Unset: the ones that hear and chat.",
    )
    translation_base_url: BaseURL | None = Field(
        None, description="Its server. Unset: the one of TRANSCRIPTION_*."
    )
    translation_api_key: Key | None = Field(
        None,
        description="Its key. Unset: TRANSCRIPTION_API_KEY at the server of TRANSCRIPTION_*, else OPENAI_API_KEY.",
    )
    speech_model: str = Field(
        "", description="The model that speaks. Unset: the one known to suit the server, if any."
    )
    speech_base_url: BaseURL | None = Field(None, description="Its server. Unset: OPENAI_BASE_URL.")
    speech_api_key: Key | None = Field(None, description="Its key. Unset: OPENAI_API_KEY.")
    speech_voice: str = Field("alloy", description="The voice that it speaks with.")
    speech_voices: Names = Field(
        (),
        description="Further voices that are offered for choice. Unset: those of OpenAI, where SPEECH_VOICE is one.",
    )
    temperature: float | None = Field(None, ge=0, le=2, description="Unset: the server's own.")
    top_p: float | None = Field(None, ge=0, le=1, description="Unset: the server's own.")
    max_tokens: int | None = Field(
        None, ge=1, description="The longest answer, in tokens. Unset: the server's own."
    )
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = Field(
        None,
        description="How much a reasoning model thinks: none, minimal, low, medium, high, xhigh or max, as far as "
        "the model has it. Unset: the server's own.",
    )

    examples: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "OPENAI_API_KEY": "sk-…",
            "CHAT_BASE_URL": "http://localhost:11434/v1",
            "CHAT_FALLBACKS": "small-model,other-model@DEEPSEEK",
        }
    )

    def chat_server(self) -> Server:
        """The server for chat."""
        return Server(
            base_url=self.chat_base_url or self.openai_base_url,
            key=self.chat_api_key or self.openai_api_key,
            organization="" if self.chat_base_url else self.openai_organization,
            project="" if self.chat_base_url else self.openai_project,
            variable="CHAT" if self.chat_base_url else "OPENAI",
        )

    def server(self, capability: Capability) -> Server:
        """The server for a capability: its own, that of the nearest one, `OPENAI_*`, or what serves chat."""
        name = _NAMES[capability].lower()
        address: str | None = getattr(self, f"{name}_base_url")
        secret: SecretStr | None = getattr(self, f"{name}_api_key")
        if capability in _NEAREST:
            otherwise = self.server(_NEAREST[capability])
        elif capability == "vision" or not self.model_fields_set & {"openai_base_url", "openai_api_key"}:
            otherwise = self.chat_server()
        else:
            otherwise = Server(
                self.openai_base_url, self.openai_api_key, self.openai_organization, self.openai_project
            )
        if address:
            return Server(address, secret or self.openai_api_key, variable=name.upper())
        return replace(otherwise, key=secret or otherwise.key)

    def model(self, capability: Capability) -> str:
        """The model that is configured for a capability, or empty."""
        own: str = getattr(self, f"{_NAMES[capability].lower()}_model")
        return own or (self.image_model if capability == "edit" and not self.image_edit_base_url else "")

    def configured(self) -> dict[Capability, str]:
        """The capabilities that have a model or a server of their own, and the variable of their model."""
        return {
            capability: f"{name}_MODEL"
            for capability, name in _NAMES.items()
            if getattr(self, f"{name.lower()}_model") or getattr(self, f"{name.lower()}_base_url")
        }

    def voices(self) -> tuple[str, ...]:
        """The voices that are offered, the usual one first."""
        further = self.speech_voices or (_VOICES if self.speech_voice in _VOICES else ())
        return tuple(dict.fromkeys((self.speech_voice, *further)))

    def vision_candidate(self) -> Candidate | None:
        """Who answers a question with pictures, where that is not the one for chat."""
        if "vision" not in self.configured():
            return None
        return Candidate(self.server("vision"), self.vision_model)

    def chat_candidates(self, environment: Mapping[str, str]) -> tuple[Candidate, ...]:
        """The chat model, then its fallbacks. Raises `SettingsError` where a fallback's server is not set."""
        server = self.chat_server()
        faults: list[str] = []
        found = [Candidate(server, self.chat_model)]
        for entry in self.chat_fallbacks:
            model, _, name = entry.rpartition("@")
            if not model or not _SERVER_NAME.fullmatch(name):
                found.append(Candidate(server, entry))
                continue
            try:
                found.append(Candidate(_named(name, environment), model))
            except ValueError as fault:
                faults.append(f"CHAT_FALLBACKS: {entry}: {fault}")
        if faults:
            raise SettingsError("\n".join(faults))
        return tuple(found)


def _named(name: str, environment: Mapping[str, str]) -> Server:
    """The server that an operator called `name`. A server at a plain http:// address may do without a key."""
    address = environment.get(f"{name}_BASE_URL", "").strip()
    if not address and name == "OPENAI":
        address = str(EndpointSettings.model_fields["openai_base_url"].default)
    if not address:
        raise ValueError(f"{name}_BASE_URL is not set")
    try:
        address = base_url(address)
    except ValueError as fault:
        raise ValueError(f"{name}_BASE_URL: {fault}") from None
    secret = environment.get(f"{name}_API_KEY", "").strip()
    if not secret and address.startswith("https:"):
        raise ValueError(f"{name}_API_KEY is not set")
    try:
        return Server(address, key(SecretStr(secret)) if secret else None, variable=name)
    except ValueError as fault:
        raise ValueError(f"{name}_API_KEY: {fault}") from None
