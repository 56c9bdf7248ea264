"""Long polling: one process asks, and an update is confirmed only once it has been taken in.

Telegram forgets an update when it is asked for what is behind it (https://core.telegram.org/bots/api#getupdates), so
that question waits until every update of the batch has been taken in. After a crash the batch comes again, and the
inbox knows which of it it has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from telegram.error import Conflict, InvalidToken, TelegramError

from adapters.telegram.client import Client, Flooded, Json
from adapters.telegram.inlet import Inlet
from adapters.telegram.parse import lane
from bot.api import Store, Unavailable

KINDS = ("message", "edited_message", "callback_query", "my_chat_member", "stopped_message_generation")
"""The kinds of updates that we ask for; others are not even sent."""

INLINE_KINDS = ("inline_query", "chosen_inline_result")

Sleep = Callable[[float], Awaitable[None]]
_log = logging.getLogger(__name__)


def kinds(*, inline: bool) -> list[str]:
    """`allowed_updates`."""
    return [*KINDS, *(INLINE_KINDS if inline else ())]


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds: how long Telegram may hold a question, and the pauses after faults."""

    hold: int = 50  # Telegram's longest
    first: float = 1.0
    longest: float = 30.0
    rejected: float = 60.0  # the token is wrong: only a person can mend that


class Trouble:
    """Says a fault once, and once when it is over; tells the pause before the next try, which grows."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._said = ""
        self._pause = patience.first

    def met(self, error: Exception) -> float:
        """A try has failed: how long to wait for the next."""
        words, level = _words(error)
        if words != self._said:
            self._said = words
            _log.log(level, "telegram: %s; trying again", words)
        if isinstance(error, InvalidToken):
            return self._patience.rejected
        pause, self._pause = self._pause, min(2 * self._pause, self._patience.longest)
        return max(pause, _seconds(error))

    def over(self) -> None:
        """A try has succeeded."""
        if self._said:
            _log.info("telegram: it works again")
        self._said, self._pause = "", self._patience.first


def _words(error: Exception) -> tuple[str, int]:
    if isinstance(error, Conflict):
        return "another process receives with the same bot token (409)", logging.WARNING
    if isinstance(error, InvalidToken):
        return "Telegram does not accept TELEGRAM_BOT_TOKEN; ask @BotFather for a valid one", logging.ERROR
    if isinstance(error, Flooded):
        return "Telegram asks to wait", logging.WARNING
    if isinstance(error, TelegramError):
        return f"Telegram cannot be reached: {error.message}", logging.WARNING
    return f"nothing can be accepted: {error}", logging.WARNING


def _seconds(error: Exception) -> float:
    return error.retry_after if isinstance(error, Flooded) else 0.0


class Poller:
    """Asks Telegram for updates and has them taken in."""

    def __init__(
        self,
        client: Client,
        store: Store,
        inlet: Inlet,
        *,
        inline: bool = False,
        patience: Patience | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client
        self._store = store
        self._inlet = inlet
        self._kinds = kinds(inline=inline)
        self._patience = patience or Patience()
        self._refusal = Trouble(self._patience)
        self._sleep = sleep

    async def run(self) -> None:
        """Ask until cancelled, while this process is the one that asks."""
        trouble = Trouble(self._patience)
        while True:
            try:
                await self._store.lead("poll", self._poll)
            except Unavailable as error:
                await self._sleep(trouble.met(error))
            else:
                return

    async def _poll(self) -> None:
        trouble = Trouble(self._patience)
        offset, ready = 0, False
        while True:
            try:
                if not ready:
                    await self._prepare()
                    ready = True
                updates = await self._ask(offset)
            except TelegramError as error:
                ready = ready and not isinstance(error, Conflict)  # somebody may have set a webhook
                await self._sleep(trouble.met(error))
                continue
            trouble.over()
            if updates:
                await self._take_all(updates)
                offset = max(update["update_id"] for update in updates) + 1

    async def _prepare(self) -> None:
        """Know who we are, and take away a webhook: Telegram gives updates one way only."""
        await self._inlet.identify()
        if (await self._client.call("getWebhookInfo")).get("url"):
            _log.info("telegram: the webhook is removed, because TELEGRAM_MODE is polling")
            await self._client.call("deleteWebhook", {"drop_pending_updates": False})

    async def _ask(self, offset: int) -> Sequence[Json]:
        hold = self._patience.hold
        params = {"timeout": hold, "limit": 100, "allowed_updates": self._kinds}
        found: Sequence[Json] = await self._client.call(
            "getUpdates", params | ({"offset": offset} if offset else {}), wait=hold
        )
        return found

    async def _take_all(self, updates: Sequence[Json]) -> None:
        """Take in a batch: in order in each chat, and no chat waits for another."""
        lanes: dict[str, list[Json]] = {}
        for update in updates:
            lanes.setdefault(lane(update), []).append(update)
        waiting = list(lanes.values())
        while waiting:
            faults = await asyncio.gather(*(self._take_lane(updates) for updates in waiting))
            waiting = [updates for updates in waiting if updates]
            fault = next((fault for fault in faults if fault is not None), None)
            if fault is None:
                self._refusal.over()
            else:
                await self._sleep(self._refusal.met(fault))

    async def _take_lane(self, updates: list[Json]) -> Unavailable | None:
        """Take in what can be taken in, and out of the list. What the rest has to wait for, if there is a rest."""
        while updates:
            try:
                await self._inlet.take(updates[0])
            except Unavailable as fault:
                return fault
            del updates[0]
        return None
