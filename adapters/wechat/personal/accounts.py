"""The personal accounts that have signed in, sealed in the drawer, and where each has got to.

In the drawer, for an account `a` (its ilink_bot_id):

| name | what |
|---|---|
| log `me:accounts` | the newest sign-in of each account: its id, and sealed what else belongs to it |
| `me:ended:a` | the sign-in that WeChat has ended |
| `me:cursor:a` | behind which message it is asked for more |
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import structlog

from adapters._sealed import Seal
from bot.api import Entry, Store

LIMIT = 200
"""Accounts; of more, those that signed in first are forgotten."""

_LIFE = 10 * 365 * 86400.0  # seconds: until somebody signs in anew
_LOG = "me:accounts"
_ID = re.compile(r"[\w.@:+=-]{1,128}")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """A bot that belongs to whoever scanned its code, `person`. `entry` tells this sign-in from the next one."""

    id: str
    token: str = field(repr=False)
    base_url: str
    person: str = ""
    entry: str = ""


def is_id(text: str) -> bool:
    """Whether this can be the id of an account."""
    return _ID.fullmatch(text) is not None


class Accounts:
    """All calls raise `Unavailable`."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self._store = store
        self._seal = seal

    async def add(self, account: Account) -> None:
        """Somebody has signed in."""
        earlier = await self._store.read(_LOG)
        sealed = self._seal.seal(json.dumps([account.token, account.base_url, account.person]))
        await self._store.append(_LOG, f"{account.id} {sealed}", limit=LIMIT, ttl=_LIFE)
        await self._store.remove(_LOG, [entry.id for entry in earlier if _name(entry) == account.id])

    async def all(self) -> Sequence[Account]:
        """Every account that we can speak for."""
        newest = {_name(entry): entry for entry in await self._store.read(_LOG)}
        return [account for entry in newest.values() if (account := self._open(entry)) is not None]

    async def unreadable(self) -> Sequence[str]:
        """The ids of those that signed in under another WECHAT_PERSONAL_SECRET."""
        newest = {_name(entry): entry for entry in await self._store.read(_LOG)}
        return [name for name, entry in newest.items() if self._open(entry) is None]

    async def get(self, id: str) -> Account | None:
        """One account."""
        entries = [entry for entry in await self._store.read(_LOG) if _name(entry) == id]
        return self._open(entries[-1]) if entries else None

    async def follow(self) -> AsyncIterator[Account]:
        """Every account, and each that signs in from now on."""
        async for entry in self._store.follow(_LOG):
            account = self._open(entry)
            if account is None:
                _log.error(
                    "wechat.account_sealed",
                    account=_name(entry),
                    remedy="set the earlier WECHAT_PERSONAL_SECRET, or sign in again: parley wechat login",
                )
            else:
                yield account

    async def ended(self, account: Account) -> bool:
        """Whether WeChat has ended this sign-in."""
        return await self._store.get(f"me:ended:{account.id}") == account.entry

    async def end(self, account: Account) -> None:
        """WeChat has ended this sign-in: nobody asks with its token again."""
        if await self.ended(account):
            return
        await self._store.put(f"me:ended:{account.id}", account.entry)
        _log.error("wechat.session_ended", account=account.id, remedy="sign in again: parley wechat login")

    async def cursor(self, account: Account) -> str:
        """Behind which message the account is asked for more."""
        return await self._store.get(f"me:cursor:{account.id}") or ""

    async def passed(self, account: Account, cursor: str) -> None:
        """Everything before `cursor` is on disk."""
        await self._store.put(f"me:cursor:{account.id}", cursor)

    def _open(self, entry: Entry) -> Account | None:
        opened = self._seal.open(entry.value.partition(" ")[2])
        if opened is None:
            return None
        token, base_url, person = json.loads(opened)
        return Account(_name(entry), token, base_url, person, entry.id)


def _name(entry: Entry) -> str:
    return entry.value.partition(" ")[0]
