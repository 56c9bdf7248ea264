"""The threads that the bot takes part in, and what was said in one before it was called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from adapters._draft import Later
from adapters.slack import content, mrkdwn
from adapters.slack.client import Client, Refused
from adapters.slack.people import People
from bot.api import Gone, Incoming, Quoted, Said, Store

_MONTH = 30 * 86400.0
_KEPT = 600.0  # seconds: while the message is answered, however often that is begun
_MESSAGES = 50
_CHARACTERS = 8_000
_ONE = 2_000  # characters of one message
_PAGE = 999  # the most that Slack gives at once: it gives the oldest first, and we want the newest
_WAIT = 10.0
_TS = re.compile(r"\d+\.\d+")

_SAID = TypeAdapter(list[Said])
_log = structlog.get_logger(__name__)


class Threads:
    """The threads of all workspaces. `ts` is the thread's (`thread_ts`)."""

    def __init__(self, store: Store, people: People) -> None:
        self._store = store
        self._people = people

    async def join(self, team: str, channel: str, ts: str) -> None:
        """Take part in a thread, for thirty days from now. Raises `Unavailable`."""
        await self._store.put(_joined(team, channel, ts), "yes", ttl=_MONTH)

    async def joined(self, team: str, channel: str, ts: str) -> bool:
        """Whether the bot takes part in a thread. Raises `Unavailable`."""
        return await self._store.get(_joined(team, channel, ts)) is not None

    async def leave(self, team: str, channel: str, ts: str) -> None:
        """Take part no longer, until somebody mentions the bot there. Raises `Unavailable`."""
        await self._store.drop(_joined(team, channel, ts))

    async def earlier(self, client: Client, incoming: Incoming) -> Sequence[Said]:
        """What was said in the thread before `incoming`, oldest first: at most fifty messages, 8,000 characters.

        Nothing in a direct message, where all was said to the bot, and where Slack does not let us read, or not
        now. Raises `Unavailable`.
        """
        place, before = incoming.place, _ts(incoming)
        if place.kind == "private" or not place.thread or place.thread == before:
            return ()
        key = f"earlier:{place.account}:{place.chat}:{place.thread}:{before}"
        kept = _read(await self._store.get(key))
        if kept is None:
            found = await self._replies(client, incoming, before)
            if found is None:
                return ()
            kept = await self._told(client, found)
            await self._store.put(key, _SAID.dump_json(list(kept)).decode(), ttl=_KEPT)
        return kept

    async def picture(self, client: Client, incoming: Incoming) -> Quoted | None:
        """Our picture that opened the thread, as what the first message there answers; None for any other.

        Whoever goes on in the thread means what came since. Raises `Unavailable`.
        """
        place = incoming.place
        key = f"first:{place.account}:{place.chat}:{place.thread}"
        first = await self._store.put(key, incoming.id, ttl=_MONTH, absent=True)
        if not first and await self._store.get(key) != incoming.id:
            return None
        try:
            answer = await client.call(
                "conversations.replies", channel=place.chat, timeout=_WAIT, ts=place.thread, limit=1
            )
        except (Refused, Gone, Later) as error:
            _log.info("slack.thread_not_read", team=place.account, channel=place.chat, fault=str(error))
            return None
        root = next((m for m in answer.get("messages") or () if isinstance(m, Mapping)), {})
        held = content.attachments(root.get("files"), client.team)
        if root.get("ts") != place.thread or not any(a.kind == "image" for a in held):
            return None
        return Quoted(mrkdwn.plain(str(root.get("text") or ""), {}), attachments=held, ours=True)

    async def _replies(
        self, client: Client, incoming: Incoming, before: str
    ) -> list[Mapping[str, Any]] | None:
        """The thread's messages before that time, as Slack has them; None where it does not give them out."""
        place = incoming.place
        try:
            answer = await client.call(
                "conversations.replies",
                channel=place.chat,
                timeout=_WAIT,
                ts=place.thread,
                latest=before or None,
                inclusive=False,
                limit=_PAGE,
            )
        except (Refused, Gone, Later) as error:
            _log.info("slack.thread_not_read", team=place.account, channel=place.chat, fault=str(error))
            return None
        messages = [message for message in answer.get("messages") or () if isinstance(message, Mapping)]
        return [m for m in messages if not before or float(m.get("ts") or 0) < float(before)]

    async def _told(self, client: Client, messages: Sequence[Mapping[str, Any]]) -> Sequence[Said]:
        """The first message, which opened the thread, and the newest of the others, as many as fit."""
        kept: list[Mapping[str, Any]] = []
        left = _CHARACTERS
        for message in [*messages[:1], *reversed(messages[1:])]:
            text = _text(message)
            if len(kept) == _MESSAGES or len(text) > left:
                break
            if text:
                kept.append(message)
                left -= len(text)
        kept.sort(key=lambda message: float(message.get("ts") or 0))
        ids = {i for m in kept for i in (str(m.get("user") or ""), *mrkdwn.mentioned(content.texts(m)))}
        names = {i: (await self._people.of(client, i)).name for i in sorted(ids) if i}
        return tuple(_said(message, client, names) for message in kept)


def _joined(team: str, channel: str, ts: str) -> str:
    return f"joined:{team}:{channel}:{ts}"


def _ts(incoming: Incoming) -> str:
    """The time of the message, as Slack writes it; empty where it has none."""
    name = incoming.edits or incoming.id
    if _TS.fullmatch(name):
        return name
    return f"{incoming.sent_at:.6f}" if incoming.sent_at else ""


def _text(message: Mapping[str, Any]) -> str:
    """What a message says, with the names of its files."""
    files = [f"[{file.get('name') or file.get('title') or 'file'}]" for file in message.get("files") or ()]
    text = "\n".join(filter(None, [str(message.get("text") or ""), *files]))
    return text if len(text) <= _ONE else f"{text[: _ONE - 1]}…"


def _said(message: Mapping[str, Any], client: Client, names: Mapping[str, str]) -> Said:
    user = str(message.get("user") or "")
    ours = user == client.user or (bool(client.bot) and message.get("bot_id") == client.bot)
    profile = message.get("bot_profile") or {}
    author = names.get(user) or profile.get("name") or message.get("username") or user
    return Said(str(author), mrkdwn.plain(_text(message), names), ours=ours)


def _read(value: str | None) -> Sequence[Said] | None:
    try:
        return None if value is None else tuple(_SAID.validate_json(value))
    except ValidationError:  # an older version of ours kept it
        return None
