"""Slack's block of settings, checked as a whole before anything is made from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from bot.api import Host
from bot.settings import Block, Names

CLOUD = "https://slack.com/api/"
"""Slack's own Web API."""

_BOT = re.compile(r"[UWBA][A-Z0-9]{2,20}")


class SlackSettings(Block):
    """Slack"""

    slack_bot_token: SecretStr | None = Field(
        None, description="The bot's token, xoxb-…, of one workspace (OAuth & Permissions)."
    )
    slack_app_token: SecretStr | None = Field(
        None,
        description="The app's token, xapp-…, for Socket Mode, which needs no address (Basic Information).",
    )
    slack_signing_secret: SecretStr | None = Field(
        None,
        description="For events by HTTP, which Slack posts to PUBLIC_URL/slack/events (Basic Information).",
    )
    slack_client_id: str = Field(
        "", description="With the client secret and the signing secret: many workspaces install the app."
    )
    slack_client_secret: SecretStr | None = Field(None, description="What belongs to SLACK_CLIENT_ID.")
    slack_api_base_url: str = Field(
        CLOUD, description="The Web API; set it to go through a gateway of yours."
    )
    slack_bots: Names = Field(
        (), description="Other bots that may talk to this one: ids such as B012ABC. Unset: none."
    )

    examples: ClassVar[Mapping[str, str]] = MappingProxyType({"SLACK_BOTS": "B012ABC3D"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """The checked settings; what is not set is empty. `base_url` ends with a slash, `public_url` without one."""

    token: str = field(default="", repr=False)
    app_token: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    base_url: str = CLOUD
    public_url: str = ""
    bots: frozenset[str] = frozenset()

    @property
    def socket(self) -> bool:
        """Whether we receive by Socket Mode."""
        return bool(self.app_token)

    @property
    def http(self) -> bool:
        """Whether we receive by HTTP."""
        return bool(self.signing_secret)

    @property
    def oauth(self) -> bool:
        """Whether other workspaces may install the app."""
        return bool(self.client_id)


def credentials(settings: SlackSettings, host: Host) -> Credentials | None:
    """What the settings say, or None where nothing is set. Raises `ValueError` that names the faulty variable."""
    token, app_token = _secret(settings.slack_bot_token), _secret(settings.slack_app_token)
    signing, secret = _secret(settings.slack_signing_secret), _secret(settings.slack_client_secret)
    client = settings.slack_client_id.strip()
    if not any((token, app_token, signing, secret, client)):
        return None
    _check_complete(token, app_token, signing, client, secret)
    _check_tokens(token, app_token)
    base_url = settings.slack_api_base_url.strip().rstrip("/") + "/"
    if not _is_base(base_url):
        raise ValueError(f"SLACK_API_BASE_URL: write an address, such as {CLOUD}")
    for bot in settings.slack_bots:
        if _BOT.fullmatch(bot) is None:
            raise ValueError(f"SLACK_BOTS: {bot!r} is no id of a bot; it looks like B012ABC3D")
    return Credentials(
        token=token,
        app_token=app_token,
        signing_secret=signing,
        client_id=client,
        client_secret=secret,
        base_url=base_url,
        public_url=host.public_url.strip().rstrip("/"),
        bots=frozenset(settings.slack_bots),
    )


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value().strip()


def _check_complete(token: str, app_token: str, signing: str, client: str, secret: str) -> None:
    if client and not secret:
        raise ValueError(
            "SLACK_CLIENT_SECRET: it belongs to SLACK_CLIENT_ID; both are under Basic Information"
        )
    if secret and not client:
        raise ValueError(
            "SLACK_CLIENT_ID: it belongs to SLACK_CLIENT_SECRET; both are under Basic Information"
        )
    if client and not signing and not app_token:
        raise ValueError("SLACK_SIGNING_SECRET: set it for events by HTTP, or SLACK_APP_TOKEN for a socket")
    if not token and not client:
        raise ValueError(
            "SLACK_BOT_TOKEN: set it, too: the token that begins with xoxb- (OAuth & Permissions)"
        )
    if not app_token and not signing:
        raise ValueError(
            "SLACK_APP_TOKEN: set it for Socket Mode (xapp-…, scope connections:write), "
            "or SLACK_SIGNING_SECRET for events by HTTP"
        )


def _check_tokens(token: str, app_token: str) -> None:
    if token and not re.fullmatch(r"xoxb-[\x21-\x7e]+", token):
        raise ValueError("SLACK_BOT_TOKEN: this is no bot token; one begins with xoxb- (OAuth & Permissions)")
    if app_token and not re.fullmatch(r"xapp-[\x21-\x7e]+", app_token):
        raise ValueError(
            "SLACK_APP_TOKEN: this is no app-level token; one begins with xapp- (Basic Information)"
        )


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises where the port is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
