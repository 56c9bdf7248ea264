"""Groups that became supergroups: the first chat id stays the conversation's, the present one is written to.

Telegram gives such a group a new chat id and numbers its messages anew. The ids are learned from the two service
messages, and from the error that sending to the old one ends with
(https://core.telegram.org/bots/api#responseparameters).
"""

from __future__ import annotations

from collections import OrderedDict

from bot.api import Store

_REMEMBERED = 10_000


class Chats:
    """Which chat id is which. Once a process has learned one it need not ask again: a group moves once.

    A supergroup's first message is the one that tells whence it came, so nobody looks for its first id too early.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._firsts = Remembered()
        self._presents = Remembered()

    async def first(self, chat: str) -> str:
        """The id that the conversation began with. Raises `Unavailable`."""
        if not chat.startswith("-100"):
            return chat
        known = self._firsts.get(chat)
        if known is None:
            known = await self._store.get(f"first:{chat}") or chat
            self._firsts.put(chat, known)
        return known

    async def present(self, chat: str) -> str:
        """The id that can be written to. Raises `Unavailable`."""
        if not chat.startswith("-") or chat.startswith("-100"):
            return chat
        known = self._presents.get(chat)
        if known is None:
            known = await self._store.get(f"present:{chat}") or chat
            self._presents.put(chat, known)
        return known

    def known(self, chat: str) -> str:
        """The id to write to, as far as this process knows it; an error of Telegram's tells a newer one."""
        return self._presents.get(chat) or chat

    async def moved(self, old: str, new: str) -> None:
        """Learn that `old` became `new`. Raises `Unavailable`."""
        self._firsts.put(new, old)
        self._presents.put(old, new)
        await self._store.put(f"first:{new}", old)
        await self._store.put(f"present:{old}", new)


class Remembered:
    """The values used last, as many as fit."""

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._limit = limit
        self._held: OrderedDict[str, str] = OrderedDict()

    def get(self, key: str) -> str | None:
        """The value, if it is still held."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, key: str, value: str) -> None:
        """Hold a value in the place of the one unused longest."""
        self._held[key] = value
        self._held.move_to_end(key)
        while len(self._held) > self._limit:
            self._held.popitem(last=False)
