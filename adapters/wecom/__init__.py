"""WeCom (企业微信): a self-built app, a smart bot, and customer service for people in WeChat.

| module | what it is for |
|---|---|
| `settings` | its block of settings, checked |
| `adapter` | what the lines do together |
| `line` | what the three have in common: a line has its own accounts, told apart by their prefix |
| `callback` | `/wecom`, where WeCom posts what the app and customer service hear |
| `app` | the self-built app |
| `kf` | customer service |
| `bot` | the smart bot |
| `interface`, `uploads`, `gathered`, `bodies` | what the app and customer service send with |
| `choosing` | what a typed text means: a command, a number from a list |
| `words` | what is said beside the work |
"""

from __future__ import annotations

from typing import ClassVar

from adapters.wecom.settings import WeComSettings, credentials
from bot.api import Adapter, Host


class WeCom:
    """`bot.api.Platform`: the lines are loaded only where one of them is set up."""

    name: ClassVar[str] = "wecom"
    Settings: ClassVar[type[WeComSettings]] = WeComSettings
    interactive: ClassVar[bool] = False
    trusted: ClassVar[bool] = False

    @classmethod
    def create(cls, settings: WeComSettings, host: Host) -> Adapter | None:
        """WeCom where one of its lines is set up. Raises `ValueError` where the settings cannot be used."""
        found = credentials(settings)
        if found is None:
            return None
        from adapters.wecom.adapter import WeComAdapter  # noqa: PLC0415 - the lines bring their libraries

        return WeComAdapter(found, host)


__all__ = ["WeCom", "WeComSettings"]
