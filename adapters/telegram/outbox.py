"""Every call that writes into a chat: its flood control, tries for what may be repeated, faults in our words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.error import TelegramError as Fault

from adapters._draft import Later
from bot.api import Gone, Unavailable

TRIES = 4
"""Of a call that may be repeated: it takes some four seconds until it is given up."""

_PAUSE = 0.5
_CLOSED = 10_000  # chats whose flood control we remember at most

_GONE = (
    "chat not found",
    "chat_write_forbidden",
    "deactivated",
    "have no rights",
    "need administrator rights",
    "not enough rights",
    "peer_id_invalid",
    "thread not found",
    "topic_closed",
    "topic_deleted",
    "user not found",
    "user_is_blocked",
)

T = TypeVar("T")


class Outbox:
    """One for all replies of a bot. `clock` is monotonic; times are in seconds.

    Telegram publishes no limits that hold; what counts is `retry_after`
    (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this). It closes the chat for
    everyone who writes into it, and no other chat.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        self.drafts = True
        """False once a server has turned out not to know the method."""
        self._closed: dict[str, float] = {}

    @property
    def remembered(self) -> int:
        """How many chats are remembered as closed."""
        return len(self._closed)

    async def call(self, chat: str, request: Callable[[], Awaitable[T]], *, tries: int = 1) -> T:
        """The result of `request`, which writes into `chat`; more than one try only for what may be repeated.

        Raises `Later` (nothing was done), `Gone`, `Unavailable`, and for the caller to understand: `BadRequest`
        (the request is wrong), `ChatMigrated`, `InvalidToken` (404 too: the server has no such method).
        """
        self._check(chat)
        for left in reversed(range(tries)):
            try:
                return await request()
            except RetryAfter as error:
                raise self._close(chat, error) from None
            except Forbidden as error:
                raise Gone(error.message) from None
            except BadRequest as error:
                if any(words in error.message.lower() for words in _GONE):
                    raise Gone(error.message) from None
                raise
            except (ChatMigrated, InvalidToken):
                raise
            except Fault as error:
                if not left or not isinstance(error, NetworkError):
                    raise Unavailable(f"{type(error).__name__}: {error.message}") from None
            await self.sleep(_PAUSE * 2 ** (tries - 1 - left))
        raise Unavailable("no tries")

    def _check(self, chat: str) -> None:
        until = self._closed.get(chat, 0.0)
        wait = until - self.clock()
        if wait > 0:
            raise Later(wait)
        self._closed.pop(chat, None)

    def _close(self, chat: str, error: RetryAfter) -> Later:
        after = error.retry_after
        seconds = after.total_seconds() if isinstance(after, timedelta) else float(after)
        now = self.clock()
        if len(self._closed) >= _CLOSED:
            self._closed = {other: until for other, until in self._closed.items() if until > now}
        if len(self._closed) < _CLOSED:
            self._closed[chat] = now + seconds
        return Later(seconds)
