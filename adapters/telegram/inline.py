"""Inline mode: `@bot question` in any chat offers a card with the question and a button that has it answered.

The card is a chat of its own, `inline:<inline_message_id>`: what is said there knows nothing of anybody's private
dialogue, and is written into the card.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from adapters.telegram.client import Client
from adapters.telegram.parse import Asked, Pressed
from adapters.telegram.words import say
from bot.api import Host, Incoming, Place

ASK = "ask:"
"""What the data of a card's button begins with."""

_TTL = 7 * 86400.0  # after that the card's button is too old
_CACHE = 30  # seconds for which Telegram may show the same card to the same person


class Inline:
    """Answers inline queries with cards, and knows which question a card's button stands for."""

    def __init__(self, client: Client, host: Host) -> None:
        self._client = client
        self._host = host

    async def offer(self, asked: Asked) -> None:
        """Show the card, to people who may talk to the bot. Raises `TelegramError`, `Unavailable`."""
        place = Place("telegram", self._client.account, "inline", kind="group")
        language = asked.person.language
        answer: dict[str, Any] = {"inline_query_id": asked.query, "is_personal": True, "results": []}
        if not await self._host.admits(place, asked.person):
            button = {"text": say(language, "stranger"), "start_parameter": "inline"}
            answer |= {"cache_time": 0, "button": button}
        elif asked.question:
            answer |= {"cache_time": _CACHE, "results": [await self._card(asked)]}
        await self._client.call("answerInlineQuery", answer)

    def incoming(self, pressed: Pressed, question: str) -> Incoming:
        """The question of a card. Who presses twice has asked once."""
        return Incoming(
            id=f"ask:{pressed.person.id}",
            place=pressed.place,
            person=pressed.person,
            text=question,
            addressed="mention",
        )

    async def question(self, data: str) -> str | None:
        """The question behind a button's data; None where it is too old. Raises `Unavailable`."""
        kept = await self._host.store.get(data)
        return None if kept is None else str(json.loads(kept))

    async def _card(self, asked: Asked) -> dict[str, Any]:
        language, question = asked.person.language, asked.question
        name = hashlib.blake2b(f"{asked.person.id}\n{question}".encode(), digest_size=16).hexdigest()
        await self._host.store.put(f"{ASK}{name}", json.dumps(question), ttl=_TTL)
        button = {"text": say(language, "answer"), "callback_data": f"{ASK}{name}"}
        return {
            "type": "article",
            "id": name,
            "title": say(language, "answer"),
            "description": question,
            "input_message_content": {"message_text": say(language, "question", question=question)},
            "reply_markup": {"inline_keyboard": [[button]]},
        }
