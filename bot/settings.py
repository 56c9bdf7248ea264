"""Settings from the environment and `.env`: the base of every block, the core's own block, and their documentation.

A block is a frozen pydantic model whose field names, in capitals, are the names of the variables. Adapters and
endpoints keep their blocks beside their code. An empty variable counts as unset; `NAME_FILE` reads the value of
`NAME` from a file (Docker and Kubernetes mount secrets so).
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from dotenv import dotenv_values
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from bot.errors import SettingsError

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?")
_ON, _OFF = {"on", "yes", "true", "1"}, {"off", "no", "false", "0"}


def _duration(value: object) -> object:
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if isinstance(value, str) and match is None:
        raise ValueError("write a duration such as 30s, 5m or 7d")
    return float(match[1]) * _UNITS[match[2] or "s"] if match else value


def _names(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _switch(value: object) -> object:
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    if word not in _ON | _OFF:
        raise ValueError("write on or off")
    return word in _ON


Duration = Annotated[float, BeforeValidator(_duration)]
"""Seconds, written `30s`, `5m`, `7d`."""

Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
"""A list, written with commas."""

Switch = Annotated[bool, BeforeValidator(_switch)]
"""Written `on` or `off`."""


class Block(BaseModel):
    """A group of settings. The docstring's first line is its heading; each field's description its comment."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    examples: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What `.env.example` shows for a field that has no default worth showing."""

    @classmethod
    def names(cls) -> dict[str, FieldInfo]:
        """Variable name → field, in order."""
        return {name.upper(): field for name, field in cls.model_fields.items()}

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Self:
        """The block from an environment. Raises `SettingsError` that names every faulty variable."""
        given = {name.lower(): environment[name] for name in cls.names() if environment.get(name, "").strip()}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            lines = [f"{str(e['loc'][0]).upper()}: {_plain(e['msg'])}" for e in error.errors() if e["loc"]]
            raise SettingsError("\n".join(lines) or str(error)) from None


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


class Settings(Block):
    """Running"""

    redis_url: SecretStr | None = Field(
        None, description="Redis or Valkey, 6.2 or newer. Unset: a private Valkey in DATA_DIR."
    )
    redis_prefix: str = Field("parley:", description="What the names of all keys begin with.")
    data_dir: Path = Field(Path("data"), description="Where the embedded Valkey and the local files live.")
    http_host: str = Field("127.0.0.1", description="The address that the HTTP server listens on.")
    http_port: int = Field(8080, ge=0, le=65535, description="Its port; 0 takes a free one.")
    public_url: str = Field(
        "", description="How the outside reaches the HTTP server, for webhooks and links."
    )
    concurrency: int = Field(1000, ge=1, description="How many conversations one process answers at once.")
    lane_limit: int = Field(20, ge=1, description="How many messages of one conversation may wait.")
    lease: Duration = Field(
        30, ge=0.2, description="A worker that is silent for so long has lost its messages."
    )
    attempts: int = Field(
        3,
        ge=1,
        description="How often a message is tried before it is given up. A platform that is away does not count: it "
        "is waited for some eight minutes.",
    )
    drain: Duration = Field(30, ge=0, description="How long running answers may take to finish on a stop.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is logged."
    )
    log_format: Literal["text", "json"] = Field("text", description="For people, or for machines.")

    examples = MappingProxyType(
        {"REDIS_URL": "redis://localhost:6379/0", "PUBLIC_URL": "https://bot.example.org"}
    )


VOICES = ("auto", "text", "voice", "both", "transcript")
"""What is answered by voice: voice questions, beside the text; nothing; all, without the text; all, beside it.

With `transcript`, nothing, and a recording without words is not answered but written down.
"""


class DialogueSettings(Block):
    """Dialogue"""

    default_role: str = Field("assistant", description="The role of a new conversation.")
    roles_file: Path | None = Field(None, description="A TOML file with roles of your own.")
    context_tokens: int = Field(
        16000, ge=500, description="At most so many tokens of dialogue go to the model."
    )
    context_ttl: Duration = Field(
        604800, ge=60, description="A dialogue is forgotten after so long a silence."
    )
    pictures_kept: int = Field(
        256,
        ge=0,
        description="How many MB of pictures Redis keeps for later questions, of all conversations together; those "
        "that were not looked at for longest are forgotten first.",
    )
    context_group_scope: Literal["user", "thread", "chat"] = Field(
        "user", description="Who shares a context window in a group."
    )
    group_trigger: Names = Field(
        ("mention", "reply", "command"),
        description="What calls the bot in a group: mention, reply, command; any other word is a keyword.",
    )
    group_ambient: int = Field(
        0,
        ge=0,
        le=100,
        description="How many messages of a group's own talk the bot may take into account when it is called; kept "
        "for an hour. 0: none is kept.",
    )
    burst: Duration = Field(
        1.2,
        ge=0,
        le=10,
        description="What a person sends within so long, while an answer is under way, is one question. 0s: never.",
    )
    context_summary: Switch = Field(
        True, description="What falls out of a long dialogue is summarised, by one more request to the model."
    )
    summary_model: str = Field("", description="The model that summarises. Unset: the one that answers.")
    voice: Literal["auto", "text", "voice", "both", "transcript"] = Field(
        "auto",
        description="What is answered by voice where a model speaks; people choose with /voice. auto: a voice "
        "question gets text and voice, a written one text. transcript: a voice message without words gets its "
        "transcript and no answer.",
    )
    language: str = Field("auto", description="The bot's own words: auto, en, zh-Hans or zh-Hant.")

    examples = MappingProxyType({"ROLES_FILE": "roles.toml", "SUMMARY_MODEL": "a-small-model"})


def environment(dotenv: Path = Path(".env"), base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The process's environment over `.env`, with every `NAME_FILE` read.

    Raises `SettingsError` where a named file, or `.env` itself, cannot be read.
    """
    found = _written(dotenv) if dotenv.is_file() else {}
    found |= os.environ if base is None else base
    for name in [n for n in found if n.endswith("_FILE") and n not in ("ROLES_FILE", "PRICES_FILE")]:
        target, path = name.removesuffix("_FILE"), found[name].strip()
        if not path or found.get(target) or not re.search(r"KEY|TOKEN|SECRET|PASSWORD|URL", target):
            continue
        try:
            found[target] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{name}: cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{name}: {path} holds no text") from None
    return found


def _written(dotenv: Path) -> dict[str, str]:
    try:
        return {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    except OSError as error:
        raise SettingsError(f"{dotenv}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{dotenv}: is not in UTF-8; save it again in that encoding") from None


def suspects(environment: Mapping[str, str], blocks: Iterable[type[Block]]) -> list[tuple[str, str]]:
    """Variables that look like misspelt ones of ours: (what is set, what may be meant)."""
    known = {name for block in blocks for name in block.names()}
    known |= {f"{name}_FILE" for name in known}
    families = {name.split("_")[0] for name in known}
    found = []
    for name in sorted(set(environment) - known):
        near = difflib.get_close_matches(name, known, 1, 0.87)
        if near and (name.split("_")[0] in families or name.replace("_", "") == near[0].replace("_", "")):
            found.append((name, near[0]))
    return found


def secrets(blocks: Iterable[Block]) -> set[str]:
    """Every secret value in the blocks, for the redaction of logs."""
    values = (value for block in blocks for _, value in block)
    return {v.get_secret_value() for v in values if isinstance(v, SecretStr) and v.get_secret_value()}


def example(blocks: Iterable[type[Block]]) -> str:
    """The text of `.env.example`: every variable with its comment and its default, commented out."""
    parts = [
        "# Every variable that Parley reads, with its default. Copy what you need into `.env`.\n"
        "# Durations: 30s, 5m, 7d. Lists: with commas. NAME_FILE reads a secret from a file.\n"
    ]
    for block in blocks:
        parts.append(f"\n# --- {(block.__doc__ or block.__name__).splitlines()[0]} ---\n")
        for name, field in block.names().items():
            parts.append(f"\n# {field.description or ''}{_choices(field)}\n")
            parts.append(f"#{name}={block.examples.get(name, _shown(field))}\n")
    return "".join(parts)


def _choices(field: FieldInfo) -> str:
    values = [v for v in get_args(field.annotation) if isinstance(v, str) and v]
    return f" One of: {', '.join(values)}." if values else ""


def _shown(field: FieldInfo) -> str:
    value: Any = field.default
    if value is None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(value)
    if any(getattr(m, "func", None) is _duration for m in field.metadata):
        return _span(float(value))
    return str(value)


def _span(seconds: float) -> str:
    for unit, size in sorted(_UNITS.items(), key=lambda item: -item[1]):
        if unit != "w" and seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"
