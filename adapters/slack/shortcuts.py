"""The shortcuts in the menu of a message: summarise its thread, translate it, ask about it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from adapters.slack import content, modals, mrkdwn
from adapters.slack.asking import RESPONSE_TTL, Asking, Question
from adapters.slack.client import Client, Refused
from adapters.slack.modals import Faults, View
from adapters.slack.parse import place
from adapters.slack.people import People
from adapters.slack.words import say
from bot.api import Person, Quoted, Store

SUMMARISE, TRANSLATE, ASK = "summarise", "translate", "ask"
"""The shortcuts' names: `callback_id` in the manifest."""

_HOUR = 3600.0
_NAMES = 20  # people named in one message whose names are asked for
_LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "cs": "Czech",
        "da": "Danish",
        "de": "German",
        "en": "English",
        "es": "Spanish",
        "fi": "Finnish",
        "fr": "French",
        "it": "Italian",
        "ja": "Japanese",
        "ko": "Korean",
        "nb": "Norwegian",
        "nl": "Dutch",
        "pl": "Polish",
        "pt": "Portuguese",
        "ru": "Russian",
        "sv": "Swedish",
        "tr": "Turkish",
    }
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class About:
    """What an open form asks about. It waits in the store, because a form carries 3,000 characters only."""

    user: str
    channel: str
    thread: str
    quoted: Quoted


_ABOUT = TypeAdapter(About)


class Shortcuts:
    """Makes questions of shortcuts; they are asked, and answered, in the thread of their message."""

    def __init__(self, asking: Asking, people: People, store: Store) -> None:
        self._asking = asking
        self._people = people
        self._store = store

    async def take(self, client: Client, person: Person, payload: Mapping[str, Any]) -> None:
        """A payload of the kind "message_action". Raises `Unavailable`, `Refused`, `Gone`."""
        name, trigger = str(payload.get("callback_id")), str(payload.get("trigger_id"))
        if payload.get("type") != "message_action" or name not in (SUMMARISE, TRANSLATE, ASK):
            _log.info("slack.shortcut_unknown", shortcut=name)
            return
        message = payload.get("message") or {}
        ts = str(message.get("ts") or payload.get("message_ts") or "")
        where = place(client.team, str(payload["channel"]["id"]), str(message.get("thread_ts") or ts))
        opened = True
        if name == ASK:  # a trigger lives three seconds: the form comes first
            opened = await _opened(client, trigger, modals.ask_form(person.language, trigger))
        await self._store.put(f"response:{trigger}", str(payload.get("response_url") or ""), ttl=RESPONSE_TTL)
        if not opened:
            await self._asking.tell(where, person, say(person.language, "too_late"), trigger)
            return
        quoted = await self._quoted(client, message)
        if name == ASK:
            about = About(person.id, where.chat, where.thread, quoted)
            await self._store.put(f"about:{trigger}", _ABOUT.dump_json(about).decode(), ttl=_HOUR)
            return
        text = say(person.language, name) if name == SUMMARISE else translation(person.language)
        question = Question(f"shortcut:{trigger}", where, person, text, quoted)
        trouble = await self._asking.ask(client, question, trigger)
        if trouble:
            await self._asking.tell(where, person, say(person.language, trouble), trigger)

    async def asked(self, client: Client, person: Person, view: Mapping[str, Any]) -> View | None:
        """The form of "Ask about this" as it was sent; the acknowledgement's body. Raises as `take`."""
        language, trigger = person.language, str(view.get("private_metadata"))
        kept = await self._store.get(f"about:{trigger}")
        if kept is None:
            return modals.update(modals.told(language, say(language, "form_expired")))
        about = _read(kept)
        if about is None or about.user != person.id:
            return modals.update(modals.told(language, say(language, "form_foreign")))
        text = modals.question(view, language)
        if isinstance(text, Faults):
            return text.answer()
        where = place(client.team, about.channel, about.thread)
        question = Question(f"shortcut:{trigger}", where, person, text, about.quoted)
        trouble = await self._asking.ask(client, question, trigger)
        # The form stays open with what was written: after an invitation it can be sent again.
        return Faults({"question": say(language, trouble)}).answer() if trouble else None

    async def _quoted(self, client: Client, message: Mapping[str, Any]) -> Quoted:
        text, author = str(message.get("text") or ""), str(message.get("user") or "")
        named = list(dict.fromkeys((author, *mrkdwn.mentioned(text))))[:_NAMES]
        people = await asyncio.gather(*(self._people.of(client, user) for user in named if user))
        names = {who.id: who.name for who in people if who.name}
        return Quoted(
            mrkdwn.plain(text, names),
            names.get(author) or str(message.get("username") or author),
            content.attachments(message.get("files"), client.team),
        )


async def _opened(client: Client, trigger: str, view: View) -> bool:
    """Open a form. False where the trigger is too old."""
    try:
        await client.call("views.open", trigger_id=trigger, view=view)
    except Refused as error:
        _log.info("slack.form_not_opened", error=error.error)
        return False
    return True


def translation(language: str) -> str:
    """The request to translate a message into the language of a BCP 47 tag; without one, into English."""
    first = language.partition("-")[0].lower()
    return say(language, TRANSLATE, into=_LANGUAGES.get(first, language or "English"))


def _read(kept: str) -> About | None:
    try:
        return _ABOUT.validate_json(kept)
    except ValidationError:
        return None
