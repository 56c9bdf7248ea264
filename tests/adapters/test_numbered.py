"""Choices as a numbered list, and the numbers that answer it."""

from __future__ import annotations

import pytest

from adapters._numbered import MOST, Numbered
from bot.api import Choices, Option
from tests.adapters.memory_store import MemoryStore

CHOICES = Choices("Which one?", (Option("Poet", "/role poet"), Option("Cook", "/role cook")))


async def test_a_list_is_shown_with_its_numbers() -> None:
    shown = await Numbered(MemoryStore()).show("ann", CHOICES, "Take one.")
    assert shown == "Which one?\n\n1. Poet\n2. Cook\n\nTake one."


@pytest.mark.parametrize("text", ["2", " 2 ", "２", "2.", "2、", "(2)", "2。"])
async def test_a_number_is_taken_however_it_is_written(text: str) -> None:
    numbered = Numbered(MemoryStore())
    await numbered.show("ann", CHOICES)
    assert await numbered.taken("ann", text) == "/role cook"


@pytest.mark.parametrize("text", ["3", "0", "-1", "2 eggs", "two", "", "22222", "2.5"])
async def test_anything_else_is_not(text: str) -> None:
    numbered = Numbered(MemoryStore())
    await numbered.show("ann", CHOICES)
    assert await numbered.taken("ann", text) is None


async def test_a_list_is_one_persons_and_the_newest_counts() -> None:
    numbered = Numbered(MemoryStore(), clock=lambda: 7.0)
    await numbered.show("ann", CHOICES)
    await numbered.show("ann", Choices("And now?", (Option("Go", "/go"),)))
    assert (await numbered.taken("ann", "1"), await numbered.taken("ann", "2")) == ("/go", None)
    assert await numbered.taken("bob", "1") is None
    assert (await numbered.since("ann"), await numbered.since("bob")) == (7.0, 0.0)


async def test_a_list_without_end_is_cut_and_one_without_lines_is_its_question() -> None:
    numbered = Numbered(MemoryStore())
    shown = await numbered.show("ann", Choices("?", tuple(Option(f"o{n}", f"/{n}") for n in range(99))))
    assert shown.count("\n") == MOST + 3
    assert await numbered.show("ann", Choices("Nothing there.", ())) == "Nothing there."
