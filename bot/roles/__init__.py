"""The roles that everybody may choose, found by whatever a person calls them, and the prompts they make."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from bot.roles.files import FIRST, operators, shipped
from bot.roles.role import FALLBACK, Role, plain, text_in

__all__ = ["FIRST", "Role", "Roles"]

_LANGUAGE_NAMES = (
    ("en", "English"),
    ("zh-Hans", "Simplified Chinese (简体中文)"),
    ("zh-Hant", "Traditional Chinese (繁體中文)"),
)
_OWN_NAMES = (("zh-Hans", "简体中文"), ("zh-Hant", "繁體中文"))
_SOMEBODY = (("en", "somebody"), ("zh-Hans", "一位用户"), ("zh-Hant", "一位使用者"))
_SEVERAL = (("en", "several people"), ("zh-Hans", "几位用户"), ("zh-Hant", "幾位使用者"))
_PLACEHOLDER = re.compile(r"\{(language|date|user|platform)\}")


class _Index:
    """Roles by id and by every label; made once and never changed."""

    def __init__(self, roles: Iterable[Role]) -> None:
        self.roles = {role.id: role for role in roles}
        self.labels: dict[str, Role] = {}
        self.named: dict[str, dict[str, Role]] = {}  # by language, so that it decides where two share a name
        languages = {tag for role in self.roles.values() for tag in role.names} | {FALLBACK}
        for role in self.roles.values():
            for label in (role.id, *role.names.values(), *role.aliases):
                self.labels.setdefault(plain(label), role)
            for tag in languages:
                self.named.setdefault(tag, {}).setdefault(plain(role.name(tag)), role)


class Roles:
    """All roles, in the order in which they are shown."""

    def __init__(self, roles: Iterable[Role], file: Path | None = None) -> None:
        self._index = _Index(roles)
        self._file = file

    @classmethod
    def load(cls, file: Path | None = None) -> Self:
        """The shipped roles, then those of the operator's `file`; one with a shipped role's id replaces it.

        Raises `SettingsError`, which names every fault of the file.
        """
        return cls(_all(file), file)

    def reload(self) -> None:
        """Read the operator's file again.

        Raises `SettingsError`, as `load` does; then the roles stay as they were. Blocks for as long as the file
        takes to read, and may run on another thread.
        """
        self._index = _Index(_all(self._file))

    def all(self) -> Sequence[Role]:
        """Every role."""
        return tuple(self._index.roles.values())

    def get(self, role_id: str) -> Role | None:
        """The role with this id."""
        return self._index.roles.get(role_id)

    def find(self, text: str, language: str = "") -> Role | None:
        """The role that a person means: by id, name or alias, in whatever language and case.

        Where two roles share a name, `language` decides.
        """
        wanted, index = plain(text), self._index
        if not wanted:
            return None
        named = index.named.get(language) or index.named[FALLBACK]
        return index.roles.get(wanted) or named.get(wanted) or index.labels.get(wanted)

    def near(self, text: str) -> list[str]:
        """The ids of up to three roles that may be meant; the first ones where none is near."""
        index = self._index
        labels = difflib.get_close_matches(plain(text)[:100], index.labels, 6, 0.6)
        ids = dict.fromkeys(index.labels[label].id for label in labels)
        return list(ids or index.roles)[:3]

    def frame(self, role: Role, *, language: str, user: str | None, platform: str, date: dt.date) -> str:
        """The system prompt: the role's, in `language` where it has one, with its placeholders filled.

        `user` is None where several people talk. Braces around anything but language, date, user and platform are
        plain text. A person chooses their name freely, so it is cut down to one short line.
        """
        native = dict(_OWN_NAMES) if {language, language.partition("-")[0]} & set(role.prompts) else {}
        values: Mapping[str, str] = {
            "language": native.get(language) or dict(_LANGUAGE_NAMES).get(language, language),
            "date": date.isoformat(),
            "user": _line(user or "") or text_in(dict(_SEVERAL if user is None else _SOMEBODY), language),
            "platform": _line(platform).title(),
        }
        return _PLACEHOLDER.sub(lambda found: values[found[1]], role.prompt(language))


def _all(file: Path | None) -> list[Role]:
    return [*shipped(), *(operators(file) if file else ())]


def _line(text: str) -> str:
    return " ".join(text.split())[:64]
