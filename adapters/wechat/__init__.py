"""WeChat: Official Accounts, and personal accounts where they are switched on; each is a line of its own.

| module | what it is for |
|---|---|
| `settings` | its block of settings, checked |
| `adapter` | what the lines do together |
| `line` | what a kind of account has to be able to do |
| `official` | Official Accounts |
| `personal` | personal accounts that sign in |
| `words` | what the adapter itself says |
"""

from __future__ import annotations

from typing import ClassVar

from adapters.wechat.settings import WeChatSettings, credentials
from adapters.wechat.settings import personal as personal_credentials  # its own name is a package's here
from bot.api import Adapter, Host


class WeChat:
    """`bot.api.Platform`: the lines are loaded only where one of them is set up."""

    name: ClassVar[str] = "wechat"
    Settings: ClassVar[type[WeChatSettings]] = WeChatSettings
    interactive: ClassVar[bool] = False
    trusted: ClassVar[bool] = False

    @classmethod
    def create(cls, settings: WeChatSettings, host: Host) -> Adapter | None:
        """WeChat where one of its lines is set up. Raises `ValueError` where the settings cannot be used."""
        official, signed_in = credentials(settings), personal_credentials(settings)
        if official is None and signed_in is None:
            return None
        from adapters.wechat.adapter import WeChatAdapter  # noqa: PLC0415 - the lines bring their libraries

        return WeChatAdapter.of(official, signed_in, host)


__all__ = ["WeChat", "WeChatSettings"]
