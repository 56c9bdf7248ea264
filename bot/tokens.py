"""Counting the tokens of a text, offline and exactly where the model's vocabulary is known.

The vocabularies come with `splintr`; without it every count is an estimate. The count that a server reports
in `usage` is always the better one.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from typing import Protocol

import structlog

DEFAULT = "o200k_base"
"""The vocabulary of OpenAI's models since gpt-4o, and the stand-in for every unknown model."""

LONGEST = 65_536
"""Characters that are counted exactly; beyond them the beginning's density is taken for the whole.

It bounds how long one count holds up everything else: 1 ms for prose, some 60 for the worst that was found,
Chinese characters at random.
"""

KEPT = 2
"""Vocabularies that are loaded by name, besides the default. Each takes 20 to 40 MB."""

_FAMILIES = (
    # In this order, because a distilled model (`deepseek-r1-distill-qwen-7b`) has its base's vocabulary.
    (re.compile(r"qwen|qwq|qvq"), "qwen3"),
    (re.compile(r"(?<![a-z])llama"), "llama3"),
    (re.compile(r"deepseek"), "deepseek_v3"),
    (re.compile(r"(?<![a-z])(chat)?glm"), "glm4"),
    (re.compile(r"kimi-?k[3-9]"), "kimi_k3"),
    (re.compile(r"kimi|moonshot"), "kimi_k2"),
    (re.compile(r"mistral|mixtral|ministral|magistral|codestral|devstral|pixtral"), "mistral_v3"),
    (re.compile(r"gpt-?3\.?5|gpt-4(?![.\do])|text-embedding"), "cl100k_base"),
)

_log = structlog.get_logger(__name__)


class Vocabulary(Protocol):
    """What we use of a `splintr` tokenizer."""

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of `text`, in which special tokens are read as plain text."""


class Tokens:
    """Counts tokens. Vocabularies are loaded when they are first needed (0.1 to 0.3 s each) and stay.

    `load` makes a vocabulary by its name. It may raise `ImportError` (no vocabularies at all) or `ValueError`
    (none of this name).
    """

    def __init__(self, load: Callable[[str], Vocabulary] | None = None) -> None:
        self._load = load or _pretrained
        self._loaded: dict[str, Vocabulary | None] = {}

    def count(self, text: str, model: str = "") -> int:
        """How many tokens `text` has for `model`, whose name chooses the vocabulary."""
        if not text:
            return 0
        vocabulary = self._vocabulary(family(model))
        if vocabulary is None:
            return estimate(text)
        head = text[:LONGEST].encode("utf-8", "replace").decode()  # a lone surrogate has no tokens
        return math.ceil(len(vocabulary.encode_ordinary(head)) * len(text) / len(text[:LONGEST]))

    async def ready(self, model: str = "") -> None:
        """Load the model's vocabulary beside the event loop, so that the next `count` is quick."""
        if family(model) not in self._loaded:
            await asyncio.to_thread(self._vocabulary, family(model))

    def _vocabulary(self, name: str) -> Vocabulary | None:
        if name not in self._loaded and len(self._loaded.keys() - {DEFAULT}) >= KEPT:
            # Making room would load one again and again while several models are in use.
            name = DEFAULT
        if name not in self._loaded:
            try:
                self._loaded[name] = self._load(name)
            except (ImportError, ValueError) as error:
                _log.warning("tokens.estimated", vocabulary=name, reason=str(error))
                self._loaded[name] = None
        return self._loaded[name]


def family(model: str) -> str:
    """The vocabulary that a model's name points to, `DEFAULT` where it points to none."""
    name = model.lower()
    return next((vocabulary for pattern, vocabulary in _FAMILIES if pattern.search(name)), DEFAULT)


def estimate(text: str) -> int:
    """A count without a vocabulary, rather too high than too low: a third of the bytes in UTF-8."""
    return math.ceil(len(text.encode("utf-8", "replace")) / 3)


def _pretrained(name: str) -> Vocabulary:
    from splintr import Tokenizer  # noqa: PLC0415 - its wheel does not exist for every machine

    return Tokenizer.from_pretrained(name)
