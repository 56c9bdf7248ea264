"""Every method that the simulator knows, with its scopes and its rate tier as on Slack's pages."""

from __future__ import annotations

from collections.abc import Mapping

from tests.simulators.slack import agents, chat, conversations, files, oauth, streams, views
from tests.simulators.slack.api import Method

_WRITE = ("chat:write",)
_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
_ASSIST = ("assistant:write",)

METHODS: Mapping[str, Method] = {
    "agents.sessions.rename": Method(agents.rename, _WRITE),
    "agents.sessions.setStatus": Method(agents.set_status, _WRITE),
    "apps.connections.open": Method(conversations.connections_open, token="app"),
    "assistant.threads.setStatus": Method(agents.assistant_status, ("assistant:write", "chat:write")),
    "assistant.threads.setSuggestedPrompts": Method(agents.suggested_prompts, _ASSIST, 4),
    "assistant.threads.setTitle": Method(agents.assistant_title, _ASSIST, 4),
    "auth.revoke": Method(conversations.auth_revoke, json=False),
    "auth.test": Method(conversations.auth_test, tier=4),
    "bots.info": Method(conversations.bots_info, ("users:read",), json=False),
    "chat.appendStream": Method(streams.append, _WRITE, 4),
    "chat.delete": Method(chat.delete, _WRITE),
    "chat.getPermalink": Method(chat.permalink, json=False),
    "chat.postEphemeral": Method(chat.post_ephemeral, _WRITE, 4),
    "chat.postMessage": Method(chat.post, _WRITE),
    "chat.startStream": Method(streams.start, _WRITE, 2),
    "chat.stopStream": Method(streams.stop, _WRITE, 2),
    "chat.update": Method(chat.update, _WRITE),
    "conversations.history": Method(conversations.history, _HISTORY, json=False),
    "conversations.info": Method(conversations.info, _READ, json=False),
    "conversations.join": Method(conversations.join, ("channels:join",)),
    "conversations.leave": Method(conversations.leave, ("channels:manage", "groups:write", "mpim:write")),
    "conversations.members": Method(conversations.members, _READ, 4, json=False),
    "conversations.open": Method(conversations.opened, ("im:write", "mpim:write")),
    "conversations.replies": Method(conversations.replies, _HISTORY, json=False),
    "files.completeUploadExternal": Method(files.complete, ("files:write",), 4),
    "files.delete": Method(files.delete, ("files:write",)),
    "files.getUploadURLExternal": Method(files.upload_url, ("files:write",), 4, json=False),
    "files.info": Method(files.info, ("files:read",), 4, json=False),
    "oauth.v2.access": Method(
        oauth.access, tier=4, json=False, token="none", more=frozenset({"client_id", "client_secret"})
    ),
    "reactions.add": Method(conversations.react, ("reactions:write",)),
    "reactions.remove": Method(conversations.unreact, ("reactions:write",), 2),
    "team.info": Method(conversations.team_info, ("team:read",), json=False),
    "users.info": Method(conversations.users_info, ("users:read",), 4, json=False),
    "views.open": Method(views.opened, tier=4),
    "views.publish": Method(views.published, tier=4),
    "views.push": Method(views.pushed, tier=4),
    "views.update": Method(views.updated, tier=4),
}
