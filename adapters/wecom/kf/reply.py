"""One answer of customer service: gathered, packed into few messages, and put into the person's outbox."""

from __future__ import annotations

import hashlib
import json

from adapters._numbered import Numbered
from adapters.wecom.bodies import Body, bodies
from adapters.wecom.choosing import place_of
from adapters.wecom.gathered import Gathered
from adapters.wecom.kf.outbox import ROOM, Message, Outbox
from adapters.wecom.uploads import Uploads
from bot.api import End, Incoming, Journal, ReplyPart


class KfReply:
    """A `bot.api.Reply`. The journal holds our ids of the messages that are in the outbox, or were."""

    def __init__(
        self, outbox: Outbox, uploads: Uploads, numbered: Numbered, message: Incoming, journal: Journal
    ) -> None:
        self._outbox = outbox
        self._uploads = uploads
        self._message = message
        self._journal = journal
        self._language = message.person.language
        self._gathered = Gathered(numbered, place_of(message.place), self._language)

    async def send(self, part: ReplyPart) -> None:
        """Take `part`; at the `End` everything is sent, as far as the quota goes. Raises `Gone`, `Unavailable`."""
        await self._gathered.add(part)
        if isinstance(part, End):
            await self._deliver()

    async def abandon(self) -> None:
        """Nothing was shown, and nothing will be."""

    async def _deliver(self) -> None:
        place = self._message.place
        found = await bodies(self._gathered.pieces(), self._uploads, self._language, limit=ROOM)
        messages = [
            Message(named(f"{self._message.key}\n{number}", body), body) for number, body in enumerate(found)
        ]
        earlier = set(self._journal.posts)
        void = earlier - {message.id for message in messages}
        if void:
            await self._outbox.withdraw(place, void)
        for message in messages:
            if message.id not in earlier:
                await self._outbox.add(place, message)
                await self._journal.posted(message.id)
        await self._outbox.empty(place, self._language)


def named(key: str, body: Body) -> str:
    """A message's id: 32 characters of those that WeChat allows, the same for the same message."""
    content = json.dumps(body, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(f"{key}\n{content}".encode("utf-8", "replace")).hexdigest()[:32]
