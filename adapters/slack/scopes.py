"""Which rights the app asks for, and why: method → scopes, event → scopes, and what is missed without each.

Sources: the pages `https://docs.slack.dev/reference/methods/<method>` and `https://docs.slack.dev/reference/events/
<event>`, section "Scopes"; for sessions also https://docs.slack.dev/ai/agent-sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_READ = ("channels:history", "groups:history", "im:history", "mpim:history")

METHODS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "agents.sessions.rename": ("chat:write",),
        "agents.sessions.setStatus": ("chat:write",),
        "apps.connections.open": (),  # the app token's own right, connections:write
        "assistant.threads.setStatus": ("assistant:write",),
        "assistant.threads.setSuggestedPrompts": ("assistant:write",),
        "assistant.threads.setTitle": ("assistant:write",),
        "auth.test": (),
        "chat.appendStream": ("chat:write",),
        "chat.delete": ("chat:write",),
        "chat.postEphemeral": ("chat:write",),
        "chat.postMessage": ("chat:write",),
        "chat.startStream": ("chat:write",),
        "chat.stopStream": ("chat:write",),
        "chat.update": ("chat:write",),
        "conversations.info": ("channels:read", "groups:read"),  # a group message has nobody who runs it
        "conversations.open": ("im:write",),
        "conversations.replies": _READ,
        "files.completeUploadExternal": ("files:write",),
        "files.delete": ("files:write",),
        "files.getUploadURLExternal": ("files:write",),
        "files.info": ("files:read",),
        "oauth.v2.access": (),
        "users.info": ("users:read",),
        "views.open": (),
        "views.publish": (),
    }
)
"""What each method of the Web API that we call asks of the bot's token, for every kind of channel."""

EVENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "agent_session_stopped": ("chat:write",),
        "app_home_opened": (),
        "app_mention": ("app_mentions:read",),
        "app_uninstalled": (),
        "member_joined_channel": ("channels:read", "groups:read"),
        "message.channels": ("channels:history",),
        "message.groups": ("groups:history",),
        "message.im": ("im:history",),
        "message.mpim": ("mpim:history",),
        "tokens_revoked": (),
    }
)
"""The events that the app subscribes to."""

FEATURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "slash command and shortcuts": ("commands",),
        "agent view": ("assistant:write",),
        "downloads": ("files:read",),
    }
)
"""What needs a right without a method or an event of its own."""

NEEDED = frozenset(
    scope for table in (METHODS, EVENTS, FEATURES) for scopes in table.values() for scope in scopes
)
"""Every scope that the bot's token should have."""

WITHOUT: Mapping[str, str] = MappingProxyType(
    {
        "app_mentions:read": "mentions in channels that the bot has not joined are not heard",
        "assistant:write": "no suggested questions, no list of conversations and no stop button of Slack's own",
        "channels:history": "nothing is heard in public channels but mentions, and no thread is read there",
        "channels:read": "no greeting in a public channel when it is added there, and who made it is not its admin",
        "chat:write": "nothing can be answered",
        "commands": "no /parley and no shortcuts in the menu of a message",
        "files:read": "images, recordings and other files cannot be read",
        "files:write": "images, speech and other files cannot be sent",
        "groups:history": "nothing is heard in private channels but mentions, and no thread is read there",
        "groups:read": "no greeting in a private channel when it is added there, and who made it is not its admin",
        "im:history": "direct messages are not heard",
        "im:write": "choices on the Home tab fail for a person who never opened the bot's messages",
        "mpim:history": "nothing is heard in group messages but mentions, and no thread is read there",
        "users:read": "people are known by their ids, and spoken to in English; the workspace's admins are not known",
    }
)
"""What does not work without a scope, for the operator."""
