"""The command menu and the bot's description, in both languages, published only where they have changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from telegram.error import BadRequest, InvalidToken, TelegramError

from adapters.telegram.client import Client
from adapters.telegram.words import say
from bot.api import MenuEntry, Store, Unavailable

_NAME = re.compile(r"[a-z0-9_]{1,32}")  # https://core.telegram.org/bots/api#botcommand
_MOST = 100
_LONGEST = 256
_SCOPES = ("all_private_chats", "all_group_chats")
_LANGUAGES = (("", "en"), ("zh", "zh-Hans"))
"""Telegram's code, and the menu's tag for it: `language_code` is ISO 639-1, which has no script."""

_log = logging.getLogger(__name__)


class Menu:
    """Publishes until it is published; a menu is not worth stopping for."""

    def __init__(
        self, client: Client, store: Store, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._client = client
        self._store = store
        self._sleep = sleep

    async def publish(self, commands: Sequence[MenuEntry], *, tries: int = 8) -> None:
        """Publish `commands` and the description. Gives up with a line in the log."""
        pause = 1.0
        for last in (*[False] * (tries - 1), True):
            try:
                await self._commands(commands)
                await self._describe()
                return
            except (TelegramError, Unavailable) as error:
                hopeless = isinstance(error, BadRequest | InvalidToken)
                if last or hopeless:
                    _log.warning("telegram: the menu is not published: %s", error)
                    return
            await self._sleep(pause)
            pause = min(2 * pause, 60)

    async def _commands(self, commands: Sequence[MenuEntry]) -> None:
        wanted = [
            {"commands": listed, "scope": {"type": scope}, **({"language_code": code} if code else {})}
            for scope in _SCOPES
            for code, tag in _LANGUAGES
            if (listed := _listed(commands, tag))
        ]
        name = f"menu:{self._client.account}"
        value = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
        if not wanted or await self._store.get(name) == value:
            return
        for params in wanted:
            await self._client.call("setMyCommands", params)
        await self._store.put(name, value)

    async def _describe(self) -> None:
        """Once, and only where the operator has described the bot nowhere."""
        name = f"described:{self._client.account}"
        if await self._store.get(name):
            return
        for what, field, key in (
            ("MyDescription", "description", "description"),
            ("MyShortDescription", "short_description", "short"),
        ):
            if (await self._client.call(f"get{what}")).get(field):
                continue
            for code, tag in _LANGUAGES:
                language = {"language_code": code} if code else {}
                await self._client.call(f"set{what}", {field: say(tag, key), **language})
        await self._store.put(name, "yes")


def _listed(commands: Sequence[MenuEntry], tag: str) -> list[dict[str, Any]]:
    """The commands that Telegram can list, in one language."""
    return [
        {"command": entry.name, "description": described[:_LONGEST]}
        for entry in commands
        if _NAME.fullmatch(entry.name)
        and not entry.admin
        and (described := entry.descriptions.get(tag) or entry.descriptions.get("en") or entry.name)
    ][:_MOST]
