"""What was said of late, and by whom, so that a quote of it can be read: newer apps send only its id.

Source: "quote-cache" in the docs of https://github.com/Tencent/openclaw-weixin (`ref_msg.svr_id`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bot.api import Store

TTL = 86400.0
LENGTH = 2000
"""Characters of a text that are remembered."""

MOST = 200
"""Messages of one person's, and to them, that are remembered."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said: a text, or the reference of a picture. `ours`: we said it."""

    text: str = ""
    picture: str = ""
    ours: bool = False


class Quotes:
    """`person` is a name of the account and the person together. All calls raise `Unavailable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def remember(self, person: str, names: Sequence[str], said: Utterance) -> None:
        """Something was said that may be quoted by any of its names."""
        if names and (said.text or said.picture):
            known = [name[:128] for name in names[:3]]
            kept = json.dumps([known, said.text[:LENGTH], said.picture, said.ours], ensure_ascii=False)
            await self._store.append(_log_of(person), kept, limit=MOST, ttl=TTL)

    async def find(self, person: str, name: str) -> Utterance | None:
        """What was said; None where it is not remembered."""
        for entry in reversed(await self._store.read(_log_of(person)) if name else []):
            names, *said = json.loads(entry.value)
            if name[:128] in names:
                return Utterance(*said)
        return None

    async def forget(self, person: str) -> None:
        """Nothing was said."""
        entries = await self._store.read(_log_of(person))
        await self._store.remove(_log_of(person), [entry.id for entry in entries])


def _log_of(person: str) -> str:
    return f"me:talk:{person}"
