"""Reading customer service's log: from the persisted cursor on, each message once, however it was announced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from adapters._tencent import Api, ApiRefused
from adapters.wecom.kf.outbox import WINDOW
from adapters.wecom.kf.parse import Meaning, parse
from bot.api import Store, Unavailable

PAGE = 1000
"""Entries of one answer, the most that WeCom gives (developer.work.weixin.qq.com/document/path/94670)."""

PERIOD = 300.0
"""Seconds between two looks without a callback: without its token, WeCom bears few of them."""

GRACE = 600.0
"""Seconds before our first look at an account, from which on its messages are answered: of what is older nobody
knows whether it was answered."""

_SEEN = 4 * 86400.0  # the log reaches back three days
_BAD_TOKEN = 95007
_ACCOUNTS = 100
_log = structlog.get_logger(__name__)

Take = Callable[[Meaning], Awaitable[None]]


class Sync:
    """Reads the log of each account. `clock` is the time of day in seconds."""

    def __init__(
        self,
        api: Api,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._reading: dict[str, asyncio.Lock] = {}  # one for each account; a company has a few

    async def pull(self, account: str, take: Take, *, token: str = "") -> None:
        """Take what is new for `account`; the cursor is kept behind what is safe. Raises `Unavailable`.

        `token` is a callback's, good for ten minutes.
        """
        async with self._reading.setdefault(account, asyncio.Lock()):
            since = await self._since(account)
            while await self._page(account, take, token, since):
                continue

    async def keep(self, take: Take) -> None:
        """Look at all accounts now and then, in case that a callback was lost. Ends when it is cancelled."""
        while True:
            try:
                accounts = [str(one["open_kfid"]) for one in await self.accounts() if _ours(one)]
            except ApiRefused as refused:
                _log.error("wecom.kf_sync_refused", reason=str(refused))
                accounts = []
            except Unavailable as error:
                _log.warning("wecom.kf_sync_failed", reason=str(error))
                accounts = []
            for account in accounts:
                try:
                    await self.pull(account, take)
                except Unavailable as error:
                    _log.warning("wecom.kf_sync_failed", account=account, reason=str(error))
            await self._sleep(PERIOD)

    async def accounts(self) -> Sequence[Mapping[str, Any]]:
        """The company's customer-service accounts. Raises `ApiRefused`, `Unavailable`.

        Source: developer.work.weixin.qq.com/document/path/94661.
        """
        answer = await self._api.call("/cgi-bin/kf/account/list", {"offset": 0, "limit": _ACCOUNTS})
        found = answer.get("account_list")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    async def _page(self, account: str, take: Take, token: str, since: float) -> bool:
        """Whether there is another page."""
        key = f"kf:cursor:{account}"
        cursor = await self._store.get(key) or ""
        answer = await self._read(account, cursor, token)
        for entry in answer.get("msg_list") or ():
            if isinstance(entry, dict):
                await self._entry(account, entry, take, since)
        following = str(answer.get("next_cursor") or "")
        if following and following != cursor:
            await self._store.put(key, following)
        return bool(answer.get("has_more")) and following not in ("", cursor)

    async def _read(self, account: str, cursor: str, token: str) -> dict[str, Any]:
        body: dict[str, Any] = {"open_kfid": account, "limit": PAGE, "voice_format": 0}
        if cursor:
            body["cursor"] = cursor
        try:
            return await self._api.call("/cgi-bin/kf/sync_msg", body | ({"token": token} if token else {}))
        except ApiRefused as refused:
            if refused.code != _BAD_TOKEN or not token:
                raise Unavailable(str(refused)) from None
        try:
            return await self._api.call("/cgi-bin/kf/sync_msg", body)
        except ApiRefused as refused:
            raise Unavailable(str(refused)) from None

    async def _entry(self, account: str, entry: Mapping[str, Any], take: Take, since: float) -> None:
        meaning = parse(entry)
        if meaning is None or meaning.sent_at < max(since, self._clock() - WINDOW):
            return
        # The core knows a message for a day, the log for three, and a cursor may be lost or fall back.
        seen = f"kf:seen:{account}:{entry.get('msgid')}"
        if await self._store.get(seen) is None:
            await take(meaning)
            await self._store.put(seen, "1", ttl=_SEEN)

    async def _since(self, account: str) -> float:
        key = f"kf:since:{account}"
        kept = await self._store.get(key)
        if kept is None:
            await self._store.put(key, str(self._clock() - GRACE), absent=True)
            kept = await self._store.get(key)
        return float(kept or 0)


def _ours(account: Mapping[str, Any]) -> bool:
    return bool(account.get("open_kfid")) and bool(account.get("manage_privilege", True))
