"""Choices where an app has no buttons: a numbered list, and the number that a person answers it with."""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Callable

from bot.api import Choices, Store

TTL = 1800.0
"""Seconds for which a number means a line of the list."""

MOST = 20
"""Lines of one list."""

HINT = "回复数字选择 / Reply with a number."


class Numbered:
    """Remembers, for a person in a chat, what the numbers of the newest list stand for.

    `place` is a name of both, unique in the drawer; `clock` is the time of day in seconds.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def show(self, place: str, choices: Choices, hint: str = HINT) -> str:
        """The question and its options as lines with numbers, and `hint` below. Raises `Unavailable`."""
        options = choices.options[:MOST]
        if not options:
            return choices.text
        kept = json.dumps([self._clock(), [option.value for option in options]], ensure_ascii=False)
        await self._store.put(f"list:{place}", kept, ttl=TTL)
        lines = [f"{number}. {option.label}" for number, option in enumerate(options, 1)]
        return "\n".join(part for part in (choices.text, "", *lines, "", hint))

    async def taken(self, place: str, text: str) -> str | None:
        """The value behind the number in `text`, or None. Raises `Unavailable`."""
        number = _number(text)
        if number is None:
            return None
        _, values = await self._list(place)
        return values[number - 1] if 1 <= number <= len(values) else None

    async def since(self, place: str) -> float:
        """When the newest list was made, in seconds since the epoch; 0 where there is none. Raises `Unavailable`."""
        return (await self._list(place))[0]

    async def forget(self, place: str) -> None:
        """No number means anything any more. Raises `Unavailable`."""
        await self._store.drop(f"list:{place}")

    async def _list(self, place: str) -> tuple[float, list[str]]:
        kept = await self._store.get(f"list:{place}")
        if kept is None:
            return 0.0, []
        made, values = json.loads(kept)
        return made, values


def _number(text: str) -> int | None:
    """`2`, `２`, `2.`, `2、` or `(2)`, and nothing else."""
    bare = unicodedata.normalize("NFKC", text).strip().strip("().、。 ")
    return int(bare) if bare.isdecimal() and len(bare) < 4 else None
