"""Messages of an attempt that died after Slack had taken them and before it could note them in the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.slack.client import Client, Refused
from bot.api import Gone, Incoming, Unavailable

_EVENT = "parley_answer"
_LOOK = 200  # messages of a thread that are looked at
_OPEN = ("in_progress", "errored")  # the other state is "completed": message.d.ts of @slack/types


def mark(message: Incoming) -> Mapping[str, Any]:
    """What tells of a message which question it answers (https://docs.slack.dev/messaging/message-metadata)."""
    return {"event_type": _EVENT, "event_payload": {"to": message.id}}


async def orphans(client: Client, message: Incoming, noted: Sequence[str]) -> list[str]:
    """The ts of the messages that answer `message` and are not `noted`, oldest first.

    A stream bears no mark while it is open. In a thread one answer is written at a time, so a stream that nobody has
    ended is no other answer's. Raises nothing: who cannot look does not find.
    """
    place = message.place
    if not place.thread:
        return []
    try:
        found = await client.call(
            "conversations.replies",
            channel=place.chat,
            ts=place.thread,
            oldest=f"{message.sent_at - 1:.6f}" if message.sent_at else place.thread,
            limit=_LOOK,
            include_all_metadata=True,
        )
    except (Refused, Gone, Unavailable):
        return []
    ours = [post for post in found.get("messages") or () if post.get("user") == client.user]
    return [str(post["ts"]) for post in ours if post["ts"] not in noted and _answers(post, message)]


def _answers(post: Mapping[str, Any], message: Incoming) -> bool:
    marked = post.get("metadata") or {}
    if marked.get("event_type") == _EVENT:
        return bool((marked.get("event_payload") or {}).get("to") == message.id)
    return post.get("streaming_state") in _OPEN
