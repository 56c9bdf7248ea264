"""Who runs a channel: the owners and admins of its workspace, and whoever made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.slack.client import Client, Refused
from bot.api import Gone

_WAIT = 2.0  # seconds: somebody waits for the answer to their command
_RANKS = ("is_admin", "is_owner", "is_primary_owner")


async def runs(client: Client, channel: str, user: str) -> bool:
    """Whether `user` (U…) runs `channel`; False where the token has no right to know. Raises `Unavailable`.

    Who comes from another workspace into a shared channel may be an admin at home, and is none here. The fields
    are those of https://docs.slack.dev/reference/objects/user-object and
    https://docs.slack.dev/reference/objects/conversation-object.
    """
    found = await _asked(client, "users.info", "user", user=user)
    ranked = any(found.get(rank) is True for rank in _RANKS)
    if ranked and found.get("team_id") == client.team:
        return True
    made = await _asked(client, "conversations.info", "channel", channel=channel)
    return bool(user) and made.get("creator") == user


async def _asked(client: Client, method: str, field: str, **params: Any) -> Mapping[str, Any]:
    """What Slack tells; nothing where it refuses to."""
    try:
        found = (await client.call(method, timeout=_WAIT, **params)).get(field)
    except (Refused, Gone):
        return {}
    return found if isinstance(found, Mapping) else {}
