"""Role presets: the ones that are shipped (a TOML file each, beside this one) and the operator's own."""

from __future__ import annotations

import datetime as dt
import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

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

FIRST = "assistant"
"""The role that stands before the others."""

_FALLBACK = "en"
_LANGUAGE_NAMES = (
    ("en", "English"),
    ("zh-Hans", "Simplified Chinese (简体中文)"),
    ("zh-Hant", "Traditional Chinese (繁體中文)"),
)
_SOMEBODY = (("en", "somebody"), ("zh-Hans", "一位用户"), ("zh-Hant", "一位使用者"))
_PLACEHOLDER = re.compile(r"\{(language|date|user|platform)\}")


@dataclass(frozen=True, slots=True)
class Role:
    """Whom the model plays. Mappings are from BCP 47 tags to texts; `temperature` None leaves it open."""

    id: str
    emoji: str
    names: Mapping[str, str]
    descriptions: Mapping[str, str]
    prompts: Mapping[str, str]
    greetings: Mapping[str, str]
    aliases: tuple[str, ...] = ()
    temperature: float | None = None
    model: str = ""

    def name(self, language: str) -> str:
        """Its name in a language, else in English."""
        return _in(self.names, language) or self.id

    def description(self, language: str) -> str:
        """One line about it, or nothing."""
        return _in(self.descriptions, language)

    def greeting(self, language: str) -> str:
        """Its first words when it is chosen, or nothing."""
        return _in(self.greetings, language)


class Roles:
    """All roles, in the order in which they are shown."""

    def __init__(self, roles: Iterable[Role]) -> None:
        self._roles = {role.id: role for role in roles}
        self._labels: dict[str, Role] = {}
        for role in self._roles.values():
            for label in (role.id, *role.names.values(), *role.aliases):
                self._labels.setdefault(_plain(label), role)

    @classmethod
    def load(cls, file: Path | None = None) -> Self:
        """The shipped roles, then those of the operator's `file`; one with a shipped role's id replaces it.

        Raises `SettingsError`, which names every fault of the file.
        """
        shipped = _shipped()
        return cls([*shipped, *(_own(file) if file else ())])

    def all(self) -> Sequence[Role]:
        """Every role."""
        return tuple(self._roles.values())

    def get(self, role_id: str) -> Role | None:
        """The role with this id."""
        return self._roles.get(role_id)

    def find(self, text: str, language: str = "") -> Role | None:
        """The role that a person means: by id, name or alias, in whatever language and case.

        Where two roles share a name, `language` decides.
        """
        wanted = _plain(text)
        if not wanted:
            return None
        named = (role for role in self._roles.values() if _plain(role.name(language)) == wanted)
        return self._roles.get(wanted) or next(named, None) or self._labels.get(wanted)

    def near(self, text: str) -> list[str]:
        """The ids of up to three roles that may be meant; the first ones where none is near."""
        labels = difflib.get_close_matches(_plain(text)[:100], self._labels, 6, 0.6)
        ids = dict.fromkeys(self._labels[label].id for label in labels)
        return list(ids or self._roles)[:3]

    def frame(self, role: Role, *, language: str, user: str, platform: str, date: dt.date) -> str:
        """The system prompt: the role's, in `language` where it has one, with its placeholders filled.

        Braces around anything but language, date, user and platform are plain text. A person chooses their
        name freely, so it is cut down to one short line.
        """
        values = {
            "language": dict(_LANGUAGE_NAMES).get(language, language),
            "date": date.isoformat(),
            "user": _line(user) or _in(dict(_SOMEBODY), language),
            "platform": _line(platform),
        }
        return _PLACEHOLDER.sub(lambda found: values[found[1]], _in(role.prompts, language))


# --- reading ------------------------------------------------------------------------------------------------


def _texts(value: object) -> object:
    return {_FALLBACK: value} if isinstance(value, str) else value


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

    def role(self, role_id: str) -> Role:
        return Role(
            id=role_id,
            emoji=self.emoji,
            names=self.name or {_FALLBACK: role_id.replace("-", " ").replace("_", " ").title()},
            descriptions=self.description or {},
            prompts=self.prompt,
            greetings=self.greeting or {},
            aliases=self.aliases,
            temperature=self.temperature,
            model=self.model,
        )


_FILE = TypeAdapter(dict[_Id, _Table])


def _shipped() -> list[Role]:
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(".toml")]
    tables = {
        file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8")) for file in files
    }
    return sorted(_read(tables), key=lambda role: (role.id != FIRST, role.id))


def _own(file: Path) -> list[Role]:
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


def _read(tables: Mapping[str, Any]) -> list[Role]:
    return [table.role(role_id) for role_id, table in _FILE.validate_python(tables).items()]


def _where(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in path if part != "[key]")


# --- words --------------------------------------------------------------------------------------------------


def _in(texts: Mapping[str, str], language: str) -> str:
    for tag in (language, language.partition("-")[0], _FALLBACK):
        if tag in texts:
            return texts[tag]
    return next(iter(texts.values()), "")


def _plain(label: str) -> str:
    # A name may be typed as it stands on its button, behind its emoji.
    folded = unicodedata.normalize("NFKC", label).casefold()
    return " ".join(re.sub(r"^[^\w]+", "", folded).split())


def _line(text: str) -> str:
    return " ".join(text.split())[:64]
