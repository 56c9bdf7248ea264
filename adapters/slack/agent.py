"""What Slack's agent view shows beside the messages: suggested questions, and the title of a session."""

from __future__ import annotations

import re

import structlog

from adapters.slack.client import Client, Refused
from adapters.slack.words import say
from bot.api import Gone, Incoming, Place, Store, Unavailable

_PROMPTS = ("help", "write", "translate", "think")  # Slack shows at most four
_HOUR = 3600.0
_NO_SESSION = "session_not_found"
_PAUSES = (1.0, 3.0, 9.0)
"""Seconds before each try to name a session, which is not there before its answer begins."""
_LONGEST = 80
"""Characters of a title: Slack takes 200, and its list shows fewer."""

_SPACE = re.compile(r"\s+")
_log = structlog.get_logger(__name__)


def titled(question: str) -> str:
    """What a session that begins with `question` is called; empty where nothing was said."""
    text = _SPACE.sub(" ", question).strip()
    if len(text) <= _LONGEST:
        return text
    cut = text[:_LONGEST].rpartition(" ")[0]
    return f"{cut if len(cut) > _LONGEST // 2 else text[: _LONGEST - 1]}…"


async def suggest(client: Client, store: Store, channel: str, language: str) -> None:
    """Suggest questions in the direct messages `channel`, at most once an hour. Raises `Unavailable` (the store).

    Without `thread_ts`: with it the call does nothing in the agent view
    (https://docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts).
    """
    if not client.allows("prompts") or not await store.put(
        f"prompts:{client.team}:{channel}:{language}", "yes", ttl=_HOUR, absent=True
    ):
        return
    prompts = [
        {"title": say(language, f"prompts.{name}"), "message": say(language, _message(name))}
        for name in _PROMPTS
    ]
    title = say(language, "prompts.title")
    try:
        await client.call(
            "assistant.threads.setSuggestedPrompts", channel_id=channel, prompts=prompts, title=title
        )
    except (Refused, Gone) as error:
        client.disallow("prompts", _HOUR)
        _log.info("slack.prompts_refused", team=client.team, error=str(error))
    except Unavailable as error:
        _log.info("slack.prompts_failed", team=client.team, error=str(error))


def _message(name: str) -> str:
    return "prompts.help" if name == "help" else f"prompts.{name}.text"


async def entitle(client: Client, incoming: Incoming) -> None:
    """Call a new session after its first question. Raises nothing: a session does without a title.

    The session begins when the answer does, so Slack does not know it at once. An app of the older kind, without
    sessions, has titles of threads.
    """
    place, title = incoming.place, titled(incoming.text)
    if place.kind != "private" or place.thread != incoming.id or not title or not client.allows("title"):
        return
    try:
        refused = _NO_SESSION
        for pause in _PAUSES:
            await client.sleep(pause)
            refused = await _refused(client, "agents.sessions.rename", place, title)
            if refused != _NO_SESSION:
                break
        if refused and refused != _NO_SESSION:
            refused = await _refused(client, "assistant.threads.setTitle", place, title)
            if refused:
                client.disallow("title", _HOUR)
                _log.info("slack.title_refused", team=client.team, error=refused)
    except (Gone, Unavailable) as error:
        _log.info("slack.title_failed", team=client.team, error=str(error))


async def _refused(client: Client, method: str, place: Place, title: str) -> str:
    """The code with which Slack refuses a title; empty where it takes it."""
    try:
        await client.call(method, channel_id=place.chat, thread_ts=place.thread, title=title)
    except Refused as error:
        return error.error
    return ""
