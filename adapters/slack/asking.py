"""A question that was asked outside of messages: shown in the channel by the bot, and handed in with its thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from adapters.slack.client import Client, Clients, Refused
from adapters.slack.inlet import Inlet
from adapters.slack.mrkdwn import escaped
from adapters.slack.parse import WHISPERED
from adapters.slack.whisper import WhisperReply
from adapters.slack.words import say
from bot.api import End, Gone, Host, Incoming, Notice, Person, Place, Quoted, Unavailable

RESPONSE_TTL = 1800.0
"""Seconds that a `response_url` lives: https://docs.slack.dev/interactivity/handling-user-interaction"""

_HOUR = 3600.0
_SHOWN = 2900  # characters of a question that the channel is shown

_log = structlog.get_logger(__name__)

Trouble = Literal["invite", "later"]
"""Why a question could not be asked: the key of the words that say so."""


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants to know. `name` tells it from any other, and stays the same when Slack sends it again.

    `place.thread` is empty where the question begins a thread.
    """

    name: str
    place: Place
    person: Person
    text: str
    quoted: Quoted | None = None


class Asking:
    """Asks questions, each once."""

    def __init__(self, clients: Clients, inlet: Inlet, host: Host) -> None:
        self._clients = clients
        self._inlet = inlet
        self._host = host

    async def ask(self, client: Client, question: Question, trigger: str) -> Trouble | None:
        """Show the question where it was asked and hand it in; the trouble where that cannot be.

        Raises `Unavailable`.
        A person who may not use the bot hears so alone, by the answer to `slash:<trigger>`; nothing is shown.
        """
        place = question.place
        if not await self._host.admits(place, question.person):
            await self.whisper(place, question.person, question.text, trigger)
            return None
        ts = await self._host.store.get(f"asked:{question.name}")
        if ts is None:
            try:
                ts = await self._show(client, question)
            except (Refused, Gone) as error:
                _log.info("slack.not_asked", team=place.account, channel=place.chat, error=str(error))
                return "invite"
            except Unavailable as error:
                _log.info("slack.not_asked", team=place.account, channel=place.chat, error=str(error))
                return "later"
            await self._host.store.put(f"asked:{question.name}", ts, ttl=_HOUR)
        await self._inlet.hand_in(
            Incoming(
                question.name,
                replace(place, thread=place.thread or ts),
                question.person,
                question.text,
                quoted=question.quoted,
                addressed="private" if place.kind == "private" else "mention",
                sent_at=float(ts),
            )
        )
        return None

    async def whisper(self, place: Place, person: Person, text: str, trigger: str) -> None:
        """Hand in what only the person is to see an answer to. Raises `Unavailable`."""
        await self._inlet.hand_in(_whispered(replace(place, thread=""), person, text, trigger))

    async def tell(self, place: Place, person: Person, text: str, trigger: str) -> None:
        """Say something to one person, even where the bot is not. Raises `Gone`, `Unavailable`."""
        asked = _whispered(place, person, "", trigger)
        reply = WhisperReply(self._clients, asked, _Nothing(), store=self._host.store)
        await reply.send(Notice("", text=text))
        await reply.send(End())

    async def _show(self, client: Client, question: Question) -> str:
        text = question.text if len(question.text) <= _SHOWN else f"{question.text[:_SHOWN]}…"
        asks = say(
            question.person.language,
            "asks",
            name=escaped(question.person.name or question.person.id),
            question=escaped(text),
        )
        posted = await client.call(
            "chat.postMessage",
            channel=question.place.chat,
            thread_ts=question.place.thread or None,
            text=asks,
            unfurl_links=False,
            unfurl_media=False,
        )
        return str(posted["ts"])


class _Nothing:
    """The journal of what is said once."""

    attempt = 1
    posts: Sequence[str] = ()

    async def posted(self, post: str) -> None:
        """Not noted: nobody says it again."""


def _whispered(place: Place, person: Person, text: str, trigger: str) -> Incoming:
    return Incoming(f"{WHISPERED}{trigger}", place, person, text, addressed="command")
