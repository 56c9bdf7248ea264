"""Roles as TOML has them: the ones that are shipped (a file each, beside this module) and the operator's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from bot.errors import SettingsError
from bot.roles.role import CATEGORIES, FALLBACK, Category, Role, Tool

FIRST = "assistant"
"""The role that stands before the others."""


def shipped() -> list[Role]:
    """The roles that come with Parley, by category."""
    files = [file for file in resources.files("bot.roles").iterdir() if file.name.endswith(".toml")]
    tables = {
        file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8")) for file in files
    }
    return sorted(_read(tables), key=lambda r: (r.id != FIRST, CATEGORIES.index(r.category), r.id))


def operators(file: Path) -> list[Role]:
    """The roles in `file`, in its order. Raises `SettingsError`, which names every fault of the file."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"ROLES_FILE: cannot read {file}: {error.strerror}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(f"ROLES_FILE: {file} is not TOML: {error}") from None
    try:
        return _read(tables)
    except ValidationError as error:
        faults = (f"ROLES_FILE: {_where(fault['loc'])}: {fault['msg']}" for fault in error.errors())
        raise SettingsError("\n".join(faults)) from None


def _texts(value: object) -> object:
    return {FALLBACK: value} if isinstance(value, str) else value


_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=32_000)]
_Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
_Texts = Annotated[dict[str, _Text], BeforeValidator(_texts), Field(min_length=1)]
_Labels = Annotated[dict[str, _Label], BeforeValidator(_texts), Field(min_length=1)]
_Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class _Table(BaseModel):
    """A role as TOML has it: a text is one for all languages, or a table of tags and texts."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    prompt: _Texts
    name: _Labels | None = None
    emoji: Annotated[str, StringConstraints(max_length=16)] = "🎭"
    description: _Labels | None = None
    greeting: _Texts | None = None
    aliases: tuple[_Label, ...] = ()
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    model: Annotated[str, StringConstraints(max_length=200)] = ""
    category: Category = "house"
    tools: tuple[Tool, ...] = ()

    def role(self, role_id: str) -> Role:
        return Role(
            id=role_id,
            emoji=self.emoji,
            names=self.name or {FALLBACK: role_id.replace("-", " ").replace("_", " ").title()},
            descriptions=self.description or {},
            prompts=self.prompt,
            greetings=self.greeting or {},
            aliases=self.aliases,
            temperature=self.temperature,
            model=self.model,
            category=self.category,
            tools=self.tools,
        )


_FILE = TypeAdapter(dict[_Id, _Table])


def _read(tables: Mapping[str, Any]) -> list[Role]:
    return [table.role(role_id) for role_id, table in _FILE.validate_python(tables).items()]


def _where(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in path if part != "[key]")
