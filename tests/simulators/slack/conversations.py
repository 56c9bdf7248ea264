"""The methods that tell of the token, of people and of channels, and read what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.simulators.slack.api import Asked
from tests.simulators.slack.refusal import Refused
from tests.simulators.slack.world import Channel, Message

_FAMILY = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}
_PAGE = 1_000


async def auth_test(asked: Asked) -> Mapping[str, Any]:
    """auth.test."""
    team = asked.team
    return {
        "url": f"https://{team.domain}.slack.com/",
        "team": team.name,
        "user": "parley",
        "team_id": team.id,
        "user_id": team.user,
        "bot_id": team.bot,
        "is_enterprise_install": False,
    }


async def auth_revoke(asked: Asked) -> Mapping[str, Any]:
    """auth.revoke."""
    if asked["test"] is not True:
        asked.team.revoke()
    return {"revoked": asked["test"] is not True}


async def connections_open(asked: Asked) -> Mapping[str, Any]:
    """apps.connections.open."""
    return {"url": asked.sim.sockets.ticket()}


async def users_info(asked: Asked) -> Mapping[str, Any]:
    """users.info; people of other workspaces are known where they share a channel."""
    user = asked["user"]
    if user == asked.team.user:
        return {"user": {"id": user, "name": "parley", "is_bot": True, "profile": {"real_name": "Parley"}}}
    person = asked.sim.people.get(user)
    if person is None:
        raise Refused("user_not_found")
    shared = any(user in c.members and c.team is asked.team for c in asked.sim.channels.values())
    if person.team is not asked.team and not shared:
        raise Refused("user_not_visible")
    return {"user": person.json(locale=asked["include_locale"] is True)}


async def bots_info(asked: Asked) -> Mapping[str, Any]:
    """bots.info."""
    if asked["bot"] not in (None, asked.team.bot):
        raise Refused("bot_not_found")
    bot = {"id": asked.team.bot, "name": "parley", "user_id": asked.team.user, "app_id": asked.sim.app_id}
    return {"bot": bot | {"deleted": False}}


async def team_info(asked: Asked) -> Mapping[str, Any]:
    """team.info."""
    return {"team": {"id": asked.team.id, "name": asked.team.name, "domain": asked.team.domain}}


async def opened(asked: Asked) -> Mapping[str, Any]:
    """conversations.open of one person, or of a channel that is there."""
    if asked["channel"]:
        return {"channel": _short(asked.channel(member=None), asked)}
    users = str(asked["users"] or "").split(",")
    if len(users) != 1:
        raise Refused("users_list_not_supplied" if not users[0] else "too_many_users")
    asked.needs("im:write")
    person = asked.sim.people.get(users[0])
    if person is None or person.team is not asked.team:
        raise Refused("user_not_found")
    return {"channel": _short(asked.sim.dm(person), asked), "no_op": True, "already_open": True}


async def info(asked: Asked) -> Mapping[str, Any]:
    """conversations.info."""
    channel = asked.channel(member=None)
    asked.needs(f"{_FAMILY[channel.kind]}:read")
    document = channel.json()
    if asked["include_num_members"]:
        document["num_members"] = len(channel.members) + channel.bot
    return {"channel": document}


async def members(asked: Asked) -> Mapping[str, Any]:
    """conversations.members."""
    channel = asked.channel(member=None)
    asked.needs(f"{_FAMILY[channel.kind]}:read")
    everybody = [*channel.members, *([asked.team.user] if channel.bot else [])]
    return {"members": everybody, "response_metadata": {"next_cursor": ""}}


async def join(asked: Asked) -> Mapping[str, Any]:
    """conversations.join."""
    channel = asked.channel(member=None)
    if channel.kind != "channel":
        raise Refused("method_not_supported_for_channel_type")
    if channel.archived:
        raise Refused("is_archived")
    channel.bot = True
    return {"channel": channel.json()}


async def leave(asked: Asked) -> Mapping[str, Any]:
    """conversations.leave."""
    channel = asked.channel(member=None)
    if channel.kind == "im":
        raise Refused("method_not_supported_for_channel_type")
    there, channel.bot = channel.bot, False
    return {} if there else {"not_in_channel": True}


async def history(asked: Asked) -> Mapping[str, Any]:
    """conversations.history: the newest first, without the replies in threads."""
    channel = _readable(asked)
    roots = [m for m in channel.messages if m.thread_ts in (None, m.ts) or m.subtype == "thread_broadcast"]
    return _page(asked, list(reversed(_between(asked, roots))))


async def replies(asked: Asked) -> Mapping[str, Any]:
    """conversations.replies: the thread's first message, then the replies, the oldest first."""
    channel = _readable(asked)
    message = channel.find(asked["ts"])
    thread = channel.thread(message.thread_ts or message.ts if message is not None else asked["ts"])
    if not thread.messages:
        raise Refused("thread_not_found")
    root = [m for m in thread.messages if m.ts == thread.ts]
    rest = [m for m in _between(asked, thread.messages) if m.ts != thread.ts]
    return _page(asked, root + rest)


async def react(asked: Asked) -> Mapping[str, Any]:
    """reactions.add."""
    message = _reacted(asked)
    users = message.reactions.setdefault(asked["name"], [])
    if asked.team.user in users:
        raise Refused("already_reacted")
    users.append(asked.team.user)
    return {}


async def unreact(asked: Asked) -> Mapping[str, Any]:
    """reactions.remove."""
    users = _reacted(asked).reactions.get(asked["name"], [])
    if asked.team.user not in users:
        raise Refused("no_reaction")
    users.remove(asked.team.user)
    return {}


def _reacted(asked: Asked) -> Message:
    message = asked.channel().find(asked["timestamp"])
    if message is None:
        raise Refused("message_not_found")
    return message


def _readable(asked: Asked) -> Channel:
    channel = asked.channel()
    asked.needs(f"{_FAMILY[channel.kind]}:history")
    return channel


def _short(channel: Channel, asked: Asked) -> dict[str, Any]:
    return channel.json() if asked["return_im"] else {"id": channel.id}


def _between(asked: Asked, messages: Sequence[Message]) -> list[Message]:
    oldest, latest = float(asked["oldest"] or 0), float(asked["latest"] or "inf")
    both = asked["inclusive"] is True
    return [
        m for m in messages if oldest < float(m.ts) < latest or (both and float(m.ts) in (oldest, latest))
    ]


def _page(asked: Asked, messages: Sequence[Message]) -> Mapping[str, Any]:
    limit, start = int(asked["limit"] or 100), int(asked["cursor"] or 0)
    if not 1 <= limit < _PAGE:
        raise Refused("invalid_limit")
    more = len(messages) > start + limit
    page = {"messages": [m.json() for m in messages[start : start + limit]], "has_more": more}
    return page | ({"response_metadata": {"next_cursor": str(start + limit)}} if more else {})
