"""Everything that Slack sends, on its way in: what it means, who said it, and to whom it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from adapters._errands import Errands
from adapters.slack import content, mrkdwn
from adapters.slack.bots import Bots
from adapters.slack.client import Client, Clients
from adapters.slack.desk import Desk
from adapters.slack.inlet import Inlet
from adapters.slack.installations import Installations
from adapters.slack.lanes import Lanes
from adapters.slack.parse import (
    UNREADABLE,
    WHISPERED,
    Added,
    Heard,
    Identity,
    account,
    is_answers,
    parse,
    pressed,
)
from adapters.slack.people import People
from adapters.slack.threads import Threads
from adapters.slack.words import leaves, say
from bot.api import Gone, Incoming, Person, Store

Json = Mapping[str, Any]

_NAMED = 20  # people whose names are asked for in one message
_DAY = 86400.0
_RESPONSE = 1800.0  # seconds that a response_url lives
_log = structlog.get_logger(__name__)


class Events:
    """Takes in what Slack sends. Once `take` has returned, it may be acknowledged."""

    def __init__(
        self,
        *,
        clients: Clients,
        people: People,
        threads: Threads,
        inlet: Inlet,
        desk: Desk,
        bots: Bots,
        errands: Errands,
        store: Store,
        installations: Installations | None,
    ) -> None:
        self._clients = clients
        self._people = people
        self._threads = threads
        self._inlet = inlet
        self._desk = desk
        self._bots = bots
        self._errands = errands
        self._store = store
        self._installations = installations
        self._lanes = Lanes()

    async def take(self, body: Json) -> Json | None:
        """Take a payload in; the acknowledgement's body. Raises `Unavailable` where it has to come again."""
        try:
            match body:
                case {"type": "event_callback"}:
                    await self._event(body)
                case {"type": "block_actions"}:
                    await self._action(body)
                case {"type": "view_submission"}:
                    return await self._desk.view(body)
                case {"type": "shortcut" | "message_action"}:
                    await self._desk.shortcut(body)
                case {"command": _}:
                    return await self._desk.slash(body)
                case {"type": "app_rate_limited"}:
                    _log.warning(
                        "slack.events_dropped", reason="more than 30,000 in an hour", team=account(body)
                    )
        except Gone as error:  # nobody could be answered
            _log.info("slack.dropped", reason=str(error))
        return None

    # --- events ----------------------------------------------------------------------------------------------

    async def _event(self, body: Json) -> None:
        event = body.get("event")
        if not isinstance(event, Mapping):
            return
        if event.get("type") in ("app_uninstalled", "tokens_revoked"):
            await self._removed(account(body), event)
            return
        client = await self._clients.of(account(body))
        if event.get("type") == "app_home_opened":
            self._errands.start("the Home tab", lambda: self._desk.home(client, event))
            return
        me = Identity(client.team, client.user, client.bot)
        try:
            meaning = parse(event, me)
        except UNREADABLE as error:  # it would be as unreadable the next time
            _log.warning("slack.not_understood", kind=str(event.get("type")), fault=repr(error))
            return
        match meaning:
            case Heard(incoming):
                async with self._lanes.turn(_lane(incoming)):
                    await self._heard(client, await self._known(client, event, meaning, me))
            case Added():
                self._errands.start("a greeting", lambda: self._greet(client, meaning))

    async def _known(self, client: Client, event: Json, heard: Heard, me: Identity) -> Heard:
        """The same with the names of the person who said it and of those whom it names."""
        if heard.incoming.withdrawn:
            return heard
        ids = mrkdwn.mentioned(content.texts(event.get("message") or event))[:_NAMED]
        speaker, *named = await asyncio.gather(
            *(self._people.of(client, user) for user in (heard.incoming.person.id, *ids))
        )
        again = parse(event, me, {person.id: person.name for person in named})
        if not isinstance(again, Heard):
            return heard
        person = replace(speaker, name=again.incoming.person.name) if heard.bot else speaker
        return replace(again, incoming=replace(again.incoming, person=person))

    async def _heard(self, client: Client, heard: Heard) -> None:
        incoming = self._spelt(heard.incoming)
        where = (incoming.place.account, incoming.place.chat, incoming.place.thread)
        joined = _in_a_thread(incoming) and await self._threads.joined(*where)
        if joined and incoming.addressed == "ambient" and not incoming.withdrawn:
            incoming = replace(incoming, addressed="reply")
        if heard.bot and not await self._bots.may(heard.bot, incoming):
            return
        if leaves(incoming.text) and await self._left(client, incoming, joined=joined):
            return
        if heard.below and _only_words(incoming):
            incoming = replace(incoming, quoted=await self._threads.picture(client, incoming))
        await self._inlet.hand_in(incoming)
        if incoming.place.kind == "private" and incoming.id == incoming.place.thread:
            self._errands.start("a title", lambda: self._desk.title(client, incoming))
        elif incoming.addressed == "mention" and not joined and await self._threads.joined(*where):
            self._errands.start("a notice", lambda: self._desk.follow(client, incoming))

    def _spelt(self, incoming: Incoming) -> Incoming:
        """The same with a command as the core reads it."""
        text = self._desk.spelling.heard(incoming.text)
        if text == incoming.text:
            return incoming
        private = incoming.place.kind == "private"
        return replace(incoming, text=text, addressed="command" if private else incoming.addressed)

    async def _left(self, client: Client, incoming: Incoming, *, joined: bool) -> bool:
        """Leave a thread that we take part in; the same message may come again. Did it send us away?"""
        where, key = incoming.place, f"farewell:{incoming.key}"
        if joined and incoming.addressed in ("reply", "mention") and not incoming.edits:
            await self._store.put(key, "yes", ttl=_DAY)
            await self._threads.leave(where.account, where.chat, where.thread)
            self._errands.start("a farewell", lambda: self._bid_farewell(client, incoming))
            return True
        return await self._store.get(key) is not None

    async def _bid_farewell(self, client: Client, incoming: Incoming) -> None:
        where = incoming.place
        await client.call(
            "chat.postMessage",
            channel=where.chat,
            thread_ts=where.thread,
            text=say(incoming.person.language, "left"),
        )

    async def _greet(self, client: Client, added: Added) -> None:
        """Once in a channel, although Slack may tell of it more than once."""
        if not await self._store.put(f"greeted:{client.team}:{added.channel}", "yes", ttl=_DAY, absent=True):
            return
        inviter = await self._people.of(client, added.inviter) if added.inviter else Person("")
        text = say(inviter.language, "greeting")
        await client.call("chat.postMessage", channel=added.channel, text=text)

    async def _removed(self, team: str, event: Json) -> None:
        revoked = (event.get("tokens") or {}).get("bot") if event.get("type") == "tokens_revoked" else True
        if revoked and self._installations is not None:
            await self._installations.drop(team)
            _log.info("slack.uninstalled", team=team)

    # --- buttons ---------------------------------------------------------------------------------------------

    async def _action(self, body: Json) -> None:
        if not is_answers(body):
            if not await self._desk.action(body):
                _log.info("slack.control_unknown")
            return
        client = await self._clients.of(account(body))
        try:
            found = pressed(body, Identity(client.team, client.user, client.bot))
        except UNREADABLE as error:
            _log.warning("slack.not_understood", kind="block_actions", fault=repr(error))
            return
        incoming = replace(found.incoming, person=await self._people.of(client, found.incoming.person.id))
        if not incoming.text:
            text = say(incoming.person.language, "expired")
            self._errands.start(
                "a notice", lambda: self._inlet.tell(incoming.place, incoming.person.id, text)
            )
            return
        if found.secret:
            trigger, url = incoming.id.removeprefix(WHISPERED), str(body.get("response_url") or "")
            await self._store.put(f"response:{trigger}", url, ttl=_RESPONSE)
        await self._inlet.hand_in(incoming)


def _in_a_thread(incoming: Incoming) -> bool:
    """Whether it answers in a channel's thread. What opens a thread has to name us, whoever answered it since."""
    own = incoming.edits or incoming.id
    return incoming.place.kind == "group" and incoming.place.thread != own


def _only_words(incoming: Incoming) -> bool:
    """Whether it says something to us, and brings nothing along."""
    to_us = incoming.addressed in ("private", "mention", "reply") and not incoming.edits
    return to_us and bool(incoming.text.strip()) and not (incoming.attachments or incoming.quoted)


def _lane(incoming: Incoming) -> str:
    return f"{incoming.place.account}:{incoming.place.chat}:{incoming.place.thread}"
