"""What a question is made of: the person's words, and what others had said before them."""

from __future__ import annotations

import asyncio

import structlog

from bot.api import Gone, Incoming, Unavailable
from bot.delivery import Delivery
from bot.errors import MessageTooLong, NothingToAnswer
from bot.overheard import Overheard
from bot.speakers import background, platforms
from bot.window import Past

MESSAGE_LIMIT = 32_000
"""Characters of one message; well within every model's window, and a bound on what one person makes us keep."""

EARLIER_WAIT = 5.0
"""Seconds that a platform has to tell what was said before."""

_log = structlog.get_logger(__name__)


class Hearing:
    """Listens beside the question, where there is something to hear."""

    def __init__(self, overheard: Overheard | None) -> None:
        self._overheard = overheard

    async def before(self, delivery: Delivery, question: Incoming, past: Past) -> str:
        """What was said in a thread before the bot was called into it, asked for while its window is empty.

        Where the first question is asked again, it keeps what was found then.
        """
        for exchange in past.exchanges:
            if exchange.id == question.origin:
                return next((turn.content for turn in exchange.turns if turn.context), "")
        place = question.place
        fresh = not past.exchanges and not past.cleared and not delivery.profile.session
        if not fresh or not (place.thread or place.discussion):
            return ""
        try:
            async with asyncio.timeout(EARLIER_WAIT):
                said = await delivery.earlier()
        except (Unavailable, Gone, TimeoutError) as error:
            _log.warning("earlier.unknown", kind=type(error).__name__, detail=str(error))
            return ""
        return background(platforms(said))

    async def aside(self, question: Incoming, past: Past) -> str:
        """What was said in a group since the last answer, and not to us; it goes along once and is not remembered."""
        if self._overheard is None:
            return ""
        answered = past.exchanges[-1].at if past.exchanges else 0.0
        return background(await self._overheard.since(question, answered))


def heard(message: Incoming) -> str:
    """What the person says, as one text: the quoted message first, if there is one, and last what cannot be read.

    Raises `MessageTooLong` and `NothingToAnswer`.
    """
    if len(message.text) > MESSAGE_LIMIT:
        raise MessageTooLong(message.key, limit=MESSAGE_LIMIT)
    if not message.text.strip():
        raise NothingToAnswer(message.key)
    text = message.text
    if message.quoted is not None and message.quoted.text:
        quoted = message.quoted.text[:MESSAGE_LIMIT].replace("\n", "\n> ")
        text = f"> {quoted}\n\n{text}"
    if message.attachments:
        kinds = ", ".join(attachment.kind for attachment in message.attachments)
        text = f"{text}\n\n[Attached, but not shown to you: {kinds}]"
    return text
