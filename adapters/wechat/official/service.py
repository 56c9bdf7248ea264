"""Customer-service messages (客服消息): whether the account may send them, and sending them.

Source: "客服消息", developers.weixin.qq.com: five messages for each of the person's, of at most 2,048 bytes, within
48 hours, and only from verified accounts; an account without the right is refused with 48001.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from adapters._draft import Later
from adapters._tencent import Api, ApiRefused
from adapters.wechat.official.load import Item
from adapters.wechat.settings import Way
from bot.api import Store, Unavailable

MOST = 5
"""Messages that one message of the person's allows."""

_NO_RIGHT = 48001
_RIGHT = frozenset({45015, 45047, 45072, 45080, 45081})  # refused for other reasons than who we are
_DAY = 86400.0
_TRIES = 5  # of a message while the server asks to wait

_log = structlog.get_logger(__name__)


class NotTaken(Exception):
    """WeChat does not take a message for this person now; it surely was not shown."""


class Service:
    """What an account may do is remembered for a day, by all replicas. All calls raise `Unavailable`."""

    def __init__(
        self,
        api: Api,
        store: Store,
        way: Way,
        *,
        account: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._store = store
        self._way = way
        self._key = f"rights:{account}"
        self._sleep = sleep

    async def may(self) -> bool | None:
        """Whether the account may send customer-service messages; None where that is not known."""
        if self._way != "auto":
            return self._way == "customer_service"
        known = await self._store.get(self._key)
        return None if known is None else known == "yes"

    async def typing(self, openid: str) -> None:
        """Show that an answer is being written, which tells whether we may."""
        try:
            await self._api.call("/cgi-bin/message/custom/typing", {"touser": openid, "command": "Typing"})
        except ApiRefused as refused:
            if refused.code == _NO_RIGHT or refused.code in _RIGHT:
                await self._learn(refused.code != _NO_RIGHT)
            else:
                _log.warning("wechat.typing_refused", fault=str(refused))
        else:
            await self._learn(True)

    async def learned(self, openid: str) -> bool:
        """Whether the account may; asked now where it is not known."""
        if await self.may() is None:
            await self.typing(openid)
        return bool(await self.may())

    async def send(self, openid: str, item: Item) -> None:
        """Send one item. Raises `NotTaken`."""
        content = {"content": item.value} if item.kind == "text" else {"media_id": item.value}
        body = {"touser": openid, "msgtype": item.kind, item.kind: content}
        for _ in range(_TRIES):
            try:
                await self._api.call("/cgi-bin/message/custom/send", body)
            except Later as later:
                await self._sleep(later.seconds)
            except ApiRefused as refused:
                if refused.code == _NO_RIGHT:
                    await self._learn(False)
                _log.warning("wechat.message_not_taken", fault=str(refused))
                raise NotTaken(str(refused)) from None
            else:
                return
        raise Unavailable("WeChat asks to wait again and again")

    async def _learn(self, may: bool) -> None:
        if self._way == "auto":
            await self._store.put(self._key, "yes" if may else "no", ttl=_DAY)
