"""A workshop for each test, and speech that is spoken once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.media.pool import Bounds
from bot.media.workshop import Workshop
from tests.bot.media.recordings import WORDS, spoken


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    """A workshop with its usual bounds but of time; its processes end with the test."""
    shop = Workshop(Bounds(seconds=90))  # the machine may be busy
    yield shop
    await shop.close()


@pytest.fixture(scope="session")
def speech() -> dict[str, bytes]:
    """`WORDS` as samples. Skips the test where there is no espeak-ng."""
    return {words: spoken(words) for words in WORDS}
