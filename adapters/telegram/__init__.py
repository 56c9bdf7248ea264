"""Telegram: private chats, groups and topics, by long polling or a webhook.

| module | what it is for |
|---|---|
| `settings` | its block of settings, checked |
| `adapter` | what the parts do together |
| `client` | the Bot API's client |
| `parse`, `content`, `ids` | an update → what it means, pure |
| `receive`, `webhook` | the two ways in which updates come |
| `inlet` | one update on its way in |
| `albums`, `chats`, `inline` | pictures that belong together; groups that moved; `@bot question` |
| `standing` | where the bot was blocked, added, put out |
| `reply`, `posts`, `rendering`, `uploads`, `outbox`, `buttons` | what is said → messages of Telegram's |
| `card` | what is said → the one message that was sent inline |
| `menu`, `words` | what else Telegram shows of us |
| `check` | what `parley check` asks Telegram |
"""

from __future__ import annotations

from typing import ClassVar

from adapters.telegram.settings import TelegramSettings, credentials
from bot.api import Adapter, Host


class Telegram:
    """`bot.api.Platform`: python-telegram-bot is loaded only where Telegram is set up."""

    name: ClassVar[str] = "telegram"
    Settings: ClassVar[type[TelegramSettings]] = TelegramSettings
    interactive: ClassVar[bool] = False
    trusted: ClassVar[bool] = False

    @classmethod
    def create(cls, settings: TelegramSettings, host: Host) -> Adapter | None:
        """Telegram where it is set up. Raises `ValueError` where the settings cannot be used."""
        found = credentials(settings, host)
        if found is None:
            return None
        from adapters.telegram.adapter import TelegramAdapter  # noqa: PLC0415 - the library is large

        return TelegramAdapter(found, host)


__all__ = ["Telegram", "TelegramSettings"]
