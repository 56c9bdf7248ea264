"""A role: whom the model plays, and how its words are found and compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

FALLBACK = "en"
"""The language of a text where none is named, and the one spoken to everybody else."""

Category = Literal[
    "own",
    "shared",
    "house",
    "everyday",
    "language",
    "writing",
    "learning",
    "technology",
    "work",
    "life",
    "play",
]
Tool = Literal["image", "edit_image"]
"""What a role may let its model do besides talking."""

CATEGORIES: tuple[Category, ...] = get_args(Category)
"""In the order in which they are shown: a person's own, their group's, the operator's, then the shipped ones."""


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
    category: Category = "house"
    tools: tuple[Tool, ...] = ()

    def name(self, language: str) -> str:
        """Its name in a language, else in English."""
        return text_in(self.names, language) or self.id

    def description(self, language: str) -> str:
        """One line about it, or nothing."""
        return text_in(self.descriptions, language)

    def greeting(self, language: str) -> str:
        """Its first words when it is chosen, or nothing."""
        return text_in(self.greetings, language)

    def prompt(self, language: str) -> str:
        """Its prompt, the placeholders still in it."""
        return text_in(self.prompts, language)


def text_in(texts: Mapping[str, str], language: str) -> str:
    """The text in a language, else in its primary language, else in English, else in any."""
    for tag in (language, language.partition("-")[0], FALLBACK):
        if tag in texts:
            return texts[tag]
    return next(iter(texts.values()), "")


def plain(label: str) -> str:
    """A label as it is compared: without case, width and outer spaces, and without the emoji before it.

    A name may be typed as it stands on its button, behind its emoji.
    """
    folded = unicodedata.normalize("NFKC", label).casefold()
    return " ".join(re.sub(r"^[^\w]+", "", folded).split())
