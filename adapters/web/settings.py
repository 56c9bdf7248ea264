"""The web chat's block of settings, and whether it is on."""

from __future__ import annotations

import ipaddress

from pydantic import Field, SecretStr

from bot.api import Host
from bot.settings import Block, Switch


class WebSettings(Block):
    """Web chat"""

    web_chat: Switch | None = Field(
        None,
        description="A chat in the browser, on or off. Unset: on where HTTP_HOST is this machine only, "
        "or where no messaging platform is set.",
    )
    web_password: SecretStr | None = Field(
        None, description="What opens the web chat. Needed wherever other machines can reach HTTP_HOST."
    )

    def password(self) -> str | None:
        """The password, where one is set."""
        return self.web_password.get_secret_value() if self.web_password else None


def loopback(address: str) -> bool:
    """Whether only this machine can reach `address`."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def enabled(settings: WebSettings, host: Host) -> bool:
    """Whether there is a web chat. Raises `ValueError` where it would be open to everyone."""
    unset = loopback(host.http_host) or host.alone
    if not (unset if settings.web_chat is None else settings.web_chat):
        return False
    if not loopback(host.http_host) and settings.web_password is None:
        raise ValueError(
            f"WEB_PASSWORD: without one the web chat is open to everyone who reaches {host.http_host}; "
            "set a password, or WEB_CHAT=off"
        )
    return True
