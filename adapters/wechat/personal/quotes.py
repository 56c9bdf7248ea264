"""What was said of late, so that a quote of it can be read: newer apps send only the id of what is quoted.

Source: "quote-cache" in the docs of https://github.com/Tencent/openclaw-weixin (`ref_msg.svr_id`).
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.api import Store

TTL = 86400.0
LENGTH = 2000
"""Characters of a text that are remembered."""


class Quotes:
    """`person` is a name of the account and the person together. All calls raise `Unavailable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def remember(self, person: str, names: Sequence[str], text: str) -> None:
        """A text was said that may be quoted by any of its names."""
        if text:
            for name in names[:3]:
                await self._store.put(f"me:said:{person}:{name[:128]}", text[:LENGTH], ttl=TTL)

    async def find(self, person: str, name: str) -> str:
        """The text; nothing where it is not remembered."""
        return (await self._store.get(f"me:said:{person}:{name[:128]}") or "") if name else ""
