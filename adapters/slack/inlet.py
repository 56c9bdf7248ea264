"""One message on its way to the core: handed in, its thread joined, and a refusal told to the person."""

from __future__ import annotations

from collections.abc import Sequence

from adapters._errands import Errands
from adapters.slack.client import Clients
from adapters.slack.parse import WHISPERED
from adapters.slack.threads import Threads
from adapters.slack.whisper import WhisperReply
from adapters.slack.words import say
from bot.api import Accepted, Busy, Duplicate, End, Incoming, Notice, Place, Store, Submit, Unavailable


class Inlet:
    """Hands messages to the core. Once `hand_in` has returned, Slack may be told that it was received."""

    def __init__(self, clients: Clients, threads: Threads, errands: Errands, store: Store) -> None:
        self._clients = clients
        self._store = store
        self._threads = threads
        self._errands = errands
        self._submit: Submit | None = None

    def open(self, submit: Submit) -> None:
        """From now on messages go to `submit`."""
        self._submit = submit

    async def hand_in(self, incoming: Incoming) -> None:
        """Hand a message in. Raises `Unavailable` where Slack has to deliver it again.

        Where the core accepts what was said in a thread, because we were named or by a keyword, it answers there,
        so we take part.
        """
        if self._submit is None:
            raise Unavailable("nobody takes messages yet")
        outcome = await self._submit(incoming)
        if isinstance(outcome, Busy):
            text = outcome.text
            self._errands.start("a notice", lambda: self._refuse(incoming, text))
            return
        if isinstance(outcome, Accepted) and outcome.behind == 1 and _waits(incoming):
            # For the first that waits only: who goes on writing has been told.
            self._errands.start("a notice", lambda: self._tell_that_it_waits(incoming))
        if isinstance(outcome, Accepted | Duplicate) and _joins(incoming):
            place = incoming.place
            await self._threads.join(place.account, place.chat, place.thread)

    async def tell(self, place: Place, user: str, text: str) -> None:
        """Say something that only one person is to see. Raises `Refused`, `Gone`, `Unavailable`."""
        client = await self._clients.of(place.account)
        thread = place.thread or None
        if place.kind == "private":
            await client.call("chat.postMessage", channel=place.chat, thread_ts=thread, text=text)
        else:
            await client.call(
                "chat.postEphemeral", channel=place.chat, user=user, thread_ts=thread, text=text
            )

    async def _tell_that_it_waits(self, incoming: Incoming) -> None:
        """In a line that only they see; a reaction would need a scope of its own."""
        place, person = incoming.place, incoming.person
        client = await self._clients.of(place.account)
        await client.call(
            "chat.postEphemeral",
            channel=place.chat,
            user=person.id,
            thread_ts=place.thread or None,
            text=say(person.language, "waits"),
        )

    async def _refuse(self, incoming: Incoming, text: str) -> None:
        if not incoming.id.startswith(WHISPERED):
            await self.tell(incoming.place, incoming.person.id, text)
            return
        whisper = WhisperReply(self._clients, incoming, _Unkept(), store=self._store)
        await whisper.send(Notice("", {}, text))
        await whisper.send(End())


class _Unkept:
    """A journal of what nobody has to know later."""

    attempt = 1
    posts: Sequence[str] = ()

    async def posted(self, post: str) -> None:
        """Nothing is kept."""


def _waits(incoming: Incoming) -> bool:
    """Whether it is an answer that they wait for."""
    return incoming.addressed != "command" and not incoming.withdrawn


def _joins(incoming: Incoming) -> bool:
    place = incoming.place
    talks = incoming.addressed != "command" and not incoming.withdrawn
    return talks and place.kind == "group" and bool(place.thread)
