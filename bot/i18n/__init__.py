"""What the bot itself says, in the person's language: one TOML catalogue a language.

A sentence holds `{placeholders}`. Where a number decides its form, the entry is a table: `one` and `other`,
chosen by the value that `by` names (`count` where it names none). A language without plural forms has a plain
sentence.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, Self

import structlog

LANGUAGES = ("en", "zh-Hans", "zh-Hant")
"""The languages that we speak, as BCP 47 tags; the first is spoken to everybody else."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_PLURAL = frozenset({"one", "other"})
_CHINESE = frozenset({"zh", "cmn", "yue"})
_TRADITIONAL = frozenset({"hant", "tw", "hk", "mo", "yue"})  # CLDR's likely subtags for regions and Cantonese

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sentence:
    """An entry of a catalogue; `one` is its form for the number 1 of the value `by`, where it differs."""

    other: str
    one: str = ""
    by: str = "count"

    def form(self, values: Mapping[str, str | int]) -> str:
        """The form for these values, its placeholders still in it."""
        return self.one if self.one and str(values.get(self.by)) == "1" else self.other

    @property
    def placeholders(self) -> set[str]:
        """The names that stand in it in braces."""
        return set(_PLACEHOLDER.findall(f"{self.other} {self.one}"))


class Catalogue:
    """Every sentence in every language."""

    def __init__(self, sentences: Mapping[str, Mapping[str, Sentence]]) -> None:
        """`sentences`: language → key → sentence."""
        self.sentences = sentences
        self.languages = tuple(sentences)

    @classmethod
    def load(cls) -> Self:
        """The catalogues that are shipped."""
        folder = resources.files(__name__)
        texts = {tag: (folder / f"{tag}.toml").read_text(encoding="utf-8") for tag in LANGUAGES}
        return cls(
            {tag: MappingProxyType(dict(_entries(tomllib.loads(text)))) for tag, text in texts.items()}
        )

    def say(self, language: str, key: str, **values: str | int) -> str:
        """The sentence for `key`; never raises.

        A placeholder without a value is left as it stands; an unknown key is said itself; both are logged.
        Numbers have their thousands apart.
        """
        sentence = self._sentence(language, key)
        if sentence is None:
            _log.warning("sentence.missing", key=key)
            return key

        def fill(found: re.Match[str]) -> str:
            if found[1] in values:
                value = values[found[1]]
                return f"{value:,}" if isinstance(value, int) else value
            _log.warning("sentence.value_missing", key=key, placeholder=found[1])
            return found[0]

        return _PLACEHOLDER.sub(fill, sentence.form(values))

    def match(self, tag: str) -> str:
        """The nearest of our languages for a BCP 47 tag (`zh-TW`, `zh_CN`); English where none is near."""
        primary, *subtags = tag.lower().replace("_", "-").split("-")
        if primary not in _CHINESE:
            return LANGUAGES[0]
        if "hans" in subtags or _TRADITIONAL.isdisjoint({primary, *subtags}):
            return "zh-Hans"
        return "zh-Hant"

    def _sentence(self, language: str, key: str) -> Sentence | None:
        for tag in (language, self.match(language), LANGUAGES[0]):
            if tag in self.sentences and key in self.sentences[tag]:
                return self.sentences[tag][key]
        return None


def listing(language: str, words: Iterable[str]) -> str:
    """Words in a row, with the mark between them that a language of ours has for it."""
    return ("、" if language in LANGUAGES[1:] else ", ").join(words)


def labelled(language: str, label: str, value: str) -> str:
    """A value behind what it is about, with a language's own colon."""
    return f"{label}：{value}" if language in LANGUAGES[1:] else f"{label}: {value}"


def _entries(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Sentence]]:
    for name, value in table.items():
        if isinstance(value, str):
            yield prefix + name, Sentence(value)
        elif value.keys() >= _PLURAL:
            yield prefix + name, Sentence(**value)
        else:
            yield from _entries(value, f"{prefix}{name}.")
