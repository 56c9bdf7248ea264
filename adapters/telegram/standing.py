"""The bot's own place in a chat: each change is a line in the log, and a group that it comes into is greeted."""

from __future__ import annotations

import logging

from adapters._errands import Errands
from adapters.telegram.chats import Chats
from adapters.telegram.client import Client
from adapters.telegram.parse import Identity, Standing
from adapters.telegram.words import say
from bot.api import Host

_TTL = 30 * 86400.0  # who is thrown out and asked in again has been greeted
_SAID = {
    "blocked": "has blocked the bot",
    "unblocked": "has unblocked the bot",
    "added": "has the bot in it now",
    "removed": "has put the bot out",
    "muted": "does not let the bot write any more",
    "unmuted": "lets the bot write again",
}
_log = logging.getLogger(__name__)


class Standings:
    """Heeds what Telegram tells of the bot's place. Nothing is retried: the next answer finds out by itself."""

    def __init__(self, client: Client, host: Host, *, chats: Chats, errands: Errands) -> None:
        self._client = client
        self._host = host
        self._chats = chats
        self._errands = errands

    async def changed(self, standing: Standing, me: Identity) -> None:
        """Log the change; greet where somebody who may talk to the bot has added it. Raises `Unavailable`."""
        place, person = standing.place, standing.person
        _log.info("telegram: chat %s %s (user %s)", place.chat, _SAID[standing.change], person.id)
        if standing.change != "added" or await self._chats.first(place.chat) != place.chat:
            return  # a group that became a supergroup has had its greeting
        if not await self._host.admits(place, person):
            return
        # Noted before it is said: an update that is delivered again must not greet again.
        if not await self._host.store.put(f"greeted:{place.chat}", "yes", ttl=_TTL, absent=True):
            return
        greeting = {"chat_id": place.chat, "text": say(person.language, "greeting", bot=me.username)}
        self._errands.start("a greeting", lambda: self._client.call("sendMessage", greeting))
