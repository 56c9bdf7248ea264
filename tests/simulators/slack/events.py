"""The events that Slack tells the app of: their JSON, who subscribes to them and the scopes that they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.simulators.slack.world import Channel, Message, Team

if TYPE_CHECKING:
    from tests.simulators.slack.simulator import SlackSimulator

EVENTS: Mapping[str, str | None] = {
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "app_mention": "app_mentions:read",
    "app_home_opened": None,
    "agent_session_stopped": None,
    "app_uninstalled": None,
    "tokens_revoked": None,
    "member_joined_channel": None,
    "member_left_channel": None,
    "reaction_added": "reactions:read",
}
_TYPES = {"im": "im", "mpim": "mpim", "channel": "channel", "group": "group"}
_SUBSCRIPTIONS = {
    "im": "message.im",
    "mpim": "message.mpim",
    "channel": "message.channels",
    "group": "message.groups",
}


class Events:
    """Turns what happens into deliveries."""

    def __init__(self, sim: SlackSimulator) -> None:
        self._sim = sim

    def said(self, message: Message) -> None:
        """A new message; one that mentions the app in a channel is told twice, in the order of the test."""
        mentions = self._mentions(message) and not message.by_app and message.channel.kind != "im"
        first = self._sim.mention_first
        if mentions and first == "app_mention":
            self._mentioned(message)
        self._message(message.channel, message.json())
        if mentions and first != "app_mention":
            self._mentioned(message)

    def changed(self, message: Message, before: Mapping[str, Any]) -> None:
        """message_changed."""
        inner = {"message": message.json(), "previous_message": dict(before), "subtype": "message_changed"}
        self._message(message.channel, {"type": "message", "hidden": True, "ts": self._sim.ts(), **inner})

    def deleted(self, message: Message, before: Mapping[str, Any]) -> None:
        """message_deleted; where replies stay under the message, a tombstone as message_changed."""
        if before.get("reply_count"):
            tombstone = {
                "type": "message",
                "subtype": "tombstone",
                "text": "This message was deleted.",
                "user": "USLACKBOT",
                "hidden": True,
                **{key: before[key] for key in ("ts", "thread_ts", "reply_count", "latest_reply")},
            }
            inner: dict[str, Any] = {"subtype": "message_changed", "message": tombstone}
        else:
            inner = {"subtype": "message_deleted", "deleted_ts": message.ts}
        inner |= {"previous_message": dict(before), "hidden": True, "ts": self._sim.ts()}
        self._message(message.channel, {"type": "message", **inner})

    def mentioned(self, message: Message) -> None:
        """An app_mention alone, as for an edit that names the app anew."""
        if self._mentions(message) and message.channel.kind != "im":
            self._mentioned(message)

    def happened(self, team: Team, kind: str, place: Channel | None = None, /, **fields: Any) -> None:
        """Any other event."""
        self._send(team, kind, {"type": kind, "event_ts": self._sim.ts(), **fields}, place)

    def _mentions(self, message: Message) -> bool:
        return message.channel.team.mention in message.text

    def _mentioned(self, message: Message) -> None:
        channel = message.channel
        if channel.bot or channel.kind == "channel":
            event = {key: value for key, value in message.json().items() if key != "subtype"}
            event |= {"type": "app_mention", "channel": channel.id, "event_ts": message.ts}
            self._send(channel.team, "app_mention", event, channel)

    def _message(self, channel: Channel, document: Mapping[str, Any]) -> None:
        if channel.bot:
            place = {"channel": channel.id, "channel_type": _TYPES[channel.kind], "event_ts": document["ts"]}
            self._send(channel.team, _SUBSCRIPTIONS[channel.kind], {**document, **place}, channel)

    def _send(self, team: Team, name: str, event: Mapping[str, Any], channel: Channel | None) -> None:
        scope = EVENTS[name]
        if name not in self._sim.subscribed or (scope is not None and scope not in team.scopes):
            return
        if not team.installed and name not in {"app_uninstalled", "tokens_revoked"}:
            return
        authorization = {"enterprise_id": None, "team_id": team.id, "user_id": team.user, "is_bot": True}
        payload = {
            "token": "verification",
            "team_id": team.id,
            "context_team_id": team.id,
            "context_enterprise_id": None,
            "api_app_id": self._sim.app_id,
            "event": dict(event),
            "type": "event_callback",
            "event_id": self._sim.id("Ev"),
            "event_time": int(self._sim.clock()),
            "authorizations": [authorization | {"is_enterprise_install": False}],
            "is_ext_shared_channel": channel is not None and channel.external,
            "event_context": uuid4().hex,
        }
        self._sim.deliveries.add("events_api", payload)
