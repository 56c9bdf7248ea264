"""Telegram's block of settings, checked as a whole before anything is made from it."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from bot.api import Host
from bot.settings import Block, Switch

CLOUD = "https://api.telegram.org"
"""Telegram's own Bot API server; any other is the operator's."""

_TOKEN = re.compile(r"\d{3,20}:[A-Za-z0-9_-]{10,100}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")  # https://core.telegram.org/bots/api#setwebhook
_PORTS = (None, 443, 80, 88, 8443)


class TelegramSettings(Block):
    """Telegram"""

    telegram_bot_token: SecretStr | None = Field(
        None, description="What @BotFather gave you: 123456789:AA… Unset: no Telegram."
    )
    telegram_mode: Literal["polling", "webhook"] = Field(
        "polling", description="polling needs no address; for webhook, PUBLIC_URL has to reach HTTP_PORT."
    )
    telegram_webhook_secret: SecretStr | None = Field(
        None, description="What Telegram sends along with each webhook request. Unset: made from the token."
    )
    telegram_api_base_url: str = Field(
        CLOUD, description="The Bot API server; set it to use a server of your own."
    )
    telegram_inline: Switch = Field(
        False, description="Answer `@bot question` in any chat; switch it on at @BotFather, too (/setinline)."
    )


@dataclass(frozen=True, slots=True)
class Credentials:
    """The checked settings. `account` is the bot's id; `path` is where the webhook is served."""

    account: str
    token: str = field(repr=False)
    base_url: str
    public_url: str
    webhook: bool
    inline: bool
    secret: str = field(repr=False)
    path: str = field(repr=False)

    @property
    def cloud(self) -> bool:
        """Whether the Bot API server is Telegram's own."""
        return self.base_url == CLOUD

    @property
    def webhook_url(self) -> str:
        """Where Telegram is to send updates."""
        return f"{self.public_url}{self.path}"


def credentials(settings: TelegramSettings, host: Host) -> Credentials | None:
    """What the settings say, or None where no token is set. Raises `ValueError` that names the faulty variable."""
    if settings.telegram_bot_token is None:
        return None
    token = settings.telegram_bot_token.get_secret_value().strip()
    if _TOKEN.fullmatch(token) is None:
        raise ValueError(
            "TELEGRAM_BOT_TOKEN: this is no bot token; @BotFather shows it as 123456789:AA… (/mybots, API Token)"
        )
    base_url = settings.telegram_api_base_url.strip().rstrip("/")
    if not _is_base(base_url):
        raise ValueError(f"TELEGRAM_API_BASE_URL: write the server's address alone, such as {CLOUD}")
    webhook = settings.telegram_mode == "webhook"
    public_url = host.public_url.strip().rstrip("/")
    if webhook:
        _check_public(public_url, cloud=base_url == CLOUD)
    return Credentials(
        account=token.partition(":")[0],
        token=token,
        base_url=base_url,
        public_url=public_url,
        webhook=webhook,
        inline=settings.telegram_inline,
        secret=_secret(settings, token),
        path=f"/telegram/{_derived(token, 'path')[:32]}",
    )


def _secret(settings: TelegramSettings, token: str) -> str:
    if settings.telegram_webhook_secret is None:
        return _derived(token, "webhook secret")
    given = settings.telegram_webhook_secret.get_secret_value().strip()
    if _SECRET.fullmatch(given) is None:
        raise ValueError("TELEGRAM_WEBHOOK_SECRET: use 1 to 256 letters, digits, `_` or `-`")
    return given


def _derived(token: str, purpose: str) -> str:
    return hmac.new(token.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises where the port is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)


def _check_public(url: str, *, cloud: bool) -> None:
    """Telegram's own server sends to https on a few ports only (https://core.telegram.org/bots/api#setwebhook)."""
    if not url:
        raise ValueError(
            "TELEGRAM_MODE: webhook needs PUBLIC_URL, the https address by which Telegram reaches this bot"
        )
    if not _is_base(url):
        raise ValueError(
            "TELEGRAM_MODE: webhook needs a PUBLIC_URL that is an address, such as https://bot.example"
        )
    parts = urlsplit(url)
    if cloud and (parts.scheme != "https" or parts.port not in _PORTS):
        raise ValueError(
            "TELEGRAM_MODE: for webhook, PUBLIC_URL has to begin with https:// and use port 443, 80, 88 or 8443"
        )
