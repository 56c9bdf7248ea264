"""Sending one message to one member: at their pace, and the same one never twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from adapters._draft import PATIENCE, Later
from adapters._tencent import Api, ApiRefused
from adapters.wecom.app.pace import Pace
from adapters.wecom.bodies import Body
from adapters.wecom.interface import fault, patiently
from bot.api import Store

SAME = 1800
"""Seconds for which WeCom is asked to leave out a message that it has sent already: its own default, at most four
hours (developer.work.weixin.qq.com/document/path/90236)."""

_BEGUN = 600.0
_log = structlog.get_logger(__name__)


def digest(body: Body) -> str:
    """The name of a message by its content, as WeCom compares them: by the JSON of the request."""
    return hashlib.sha256(
        json.dumps(body, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")
    ).hexdigest()[:24]


class Desk:
    """The app's own end of the line. `agent` is its AgentId."""

    def __init__(
        self,
        api: Api,
        store: Store,
        agent: str,
        *,
        pace: Pace,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._store = store
        self._agent = int(agent)
        self._pace = pace
        self._sleep = sleep

    async def send(self, member: str, body: Body, *, once: str = "") -> str:
        """Send a message and return WeCom's id of it. Raises `Gone`, `Unavailable` and `Later`.

        `once` names the message: when the answer to the call is lost and it is sent again, WeCom leaves it out. It
        cannot tell a repetition from an answer that happens to be the same, so the second of two such is sent
        without asking for this.
        """
        request: dict[str, Any] = {"touser": member, "agentid": self._agent, **body}
        if once and await self._first(member, body, once):
            request |= {"enable_duplicate_check": 1, "duplicate_check_interval": SAME}
        await self._turn(member)
        try:
            answer = await patiently(
                lambda: self._api.call("/cgi-bin/message/send", request), sleep=self._sleep
            )
        except ApiRefused as refused:
            raise fault(refused) from None
        return str(answer.get("msgid") or "")

    async def begin(self, message: str) -> None:
        """The message `message` (`Incoming.key`) is being answered. Raises `Unavailable`."""
        await self._store.put(f"app:begun:{message}", "1", ttl=_BEGUN)

    async def begun(self, message: str) -> bool:
        """Whether it is, or was of late. Raises `Unavailable`."""
        return await self._store.get(f"app:begun:{message}") is not None

    async def recall(self, message: str) -> None:
        """Take a message back, as is possible for 24 hours. Raises `Unavailable` where WeCom is away.

        Source: developer.work.weixin.qq.com/document/path/94867.
        """
        try:
            await self._api.call("/cgi-bin/message/recall", {"msgid": message})
        except ApiRefused as refused:
            _log.info("wecom.recall_refused", reason=str(refused))

    async def _first(self, member: str, body: Body, once: str) -> bool:
        """Whether no other message said the same to the member while WeCom would take the two for one."""
        key, ttl = f"app:said:{member}:{digest(body)}", SAME + 2 * PATIENCE
        if await self._store.put(key, once, ttl=ttl, absent=True):
            return True
        if await self._store.get(key) != once:
            return False
        await self._store.put(key, once, ttl=ttl)
        return True

    async def _turn(self, member: str) -> None:
        waited = 0.0
        while pause := await self._pace.ready(member):
            if waited + pause > PATIENCE:
                raise Later(pause)
            await self._sleep(pause)
            waited += pause
