"""That an answer is being written, as WeChat shows it above the chat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from adapters.wechat.personal.accounts import Account, Accounts
from adapters.wechat.personal.client import Client, Refused
from adapters.wechat.personal.outbox import Outbox, To
from bot.api import Unavailable

AGAIN = 5.0
"""Seconds after which it is said again, as Tencent's plugin does."""

_PARTING = 2.0
_MOST = 240  # times: nobody believes it for longer
_TYPING, _DONE = 1, 2

_log = structlog.get_logger(__name__)


class Typing:
    """What fails here is no obstacle to the answer."""

    def __init__(
        self,
        client: Client,
        accounts: Accounts,
        outbox: Outbox,
        *,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._client = client
        self._accounts = accounts
        self._outbox = outbox
        self._sleep = sleep

    async def show(self, to: To) -> None:
        """Say it until cancelled, and then that it is over. Raises nothing."""
        try:
            account = await self._accounts.get(to.account)
            if account is None or await self._accounts.ended(account):
                return
            token = await self._outbox.context_token(to)
            asked = {"ilink_user_id": to.person, **({"context_token": token} if token else {})}
            answer = await self._client.post(
                account.base_url, "ilink/bot/getconfig", asked, token=account.token
            )
            ticket = str(answer.get("typing_ticket") or "")
            if ticket:
                await self._keep_saying(account, to, ticket)
        except (Refused, Unavailable, TimeoutError) as error:
            _log.info("wechat.typing_unsaid", fault=str(error))

    async def _keep_saying(self, account: Account, to: To, ticket: str) -> None:
        try:
            for _ in range(_MOST):
                await self._say(account, to, ticket, _TYPING)
                await self._sleep(AGAIN)
        finally:
            async with asyncio.timeout(_PARTING):  # the answer waits for this
                await self._say(account, to, ticket, _DONE)

    async def _say(self, account: Account, to: To, ticket: str, status: int) -> None:
        said = {"ilink_user_id": to.person, "typing_ticket": ticket, "status": status}
        await self._client.post(account.base_url, "ilink/bot/sendtyping", said, token=account.token)
