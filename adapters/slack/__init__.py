"""Slack: direct messages, channels and threads, by Socket Mode or signed HTTP events.

| module | what it is for |
|---|---|
| `settings` | its block of settings, checked |
| `adapter` | what the parts do together |
| `client` | the Web API's client, one for each workspace |
| `parse`, `content`, `mrkdwn` | an event or a pressed button → what it means, pure |
| `socket`, `http`, `bolt` | the two ways in which Slack sends, and the library between |
| `events`, `inlet`, `lanes` | one payload on its way in |
| `people`, `threads`, `bots`, `fetching` | who speaks, where we take part, which bots are heard, files |
| `reply`, `posts`, `stream`, `status`, `rendering`, `files` | what is said → messages of Slack's |
| `whisper` | what is said → what one person sees |
| `desk`, `asking`, `shortcuts`, `modals`, `home`, `agent` | what people do outside of messages |
| `installations`, `oauth` | many workspaces |
| `scopes`, `check` | the rights we need, and what `parley check` asks Slack |
| `spelling` | how commands are written where Slack keeps the slash to itself |
| `words` | what is said beside the work |
"""

from __future__ import annotations

from typing import ClassVar

from adapters.slack.settings import SlackSettings, credentials
from bot.api import Adapter, Host


class Slack:
    """`bot.api.Platform`: slack-bolt is loaded only where Slack is set up."""

    name: ClassVar[str] = "slack"
    Settings: ClassVar[type[SlackSettings]] = SlackSettings
    interactive: ClassVar[bool] = False
    trusted: ClassVar[bool] = False

    @classmethod
    def create(cls, settings: SlackSettings, host: Host) -> Adapter | None:
        """Slack where it is set up. Raises `ValueError` where the settings cannot be used."""
        found = credentials(settings, host)
        if found is None:
            return None
        from adapters.slack.adapter import SlackAdapter  # noqa: PLC0415 - the library is large

        return SlackAdapter(found, host)


__all__ = ["Slack", "SlackSettings"]
