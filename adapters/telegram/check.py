"""What `parley check` asks Telegram: whether it takes the token, and allows what the settings ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from telegram.error import InvalidToken, TelegramError

from adapters.telegram.client import Client
from adapters.telegram.settings import Credentials
from bot.api import Finding

PATIENCE = 10.0


async def checked(
    client: Client, credentials: Credentials, *, patience: float = PATIENCE
) -> Sequence[Finding]:
    """What Telegram says, in at most `patience` seconds. Nothing is changed there. Raises nothing."""
    try:
        async with asyncio.timeout(patience):
            me = await client.call("getMe")
    except InvalidToken:
        remedy = "take the token that @BotFather shows under /mybots, API Token"
        return [Finding("TELEGRAM_BOT_TOKEN", False, "Telegram does not take it", remedy)]
    except TelegramError as error:
        return [_silent(error.message)]
    except TimeoutError:
        return [_silent(f"nothing within {patience:g} seconds")]
    found = [Finding("TELEGRAM_BOT_TOKEN", True, f"@{me.get('username', '')} answers to it")]
    if credentials.inline and not me.get("supports_inline_queries"):
        remedy = "allow it with @BotFather: /setinline"
        found.append(Finding("TELEGRAM_INLINE", False, "the bot may not be asked inline", remedy))
    return found


def _silent(reason: str) -> Finding:
    remedy = "is the address right, and open to us?"
    return Finding("TELEGRAM_API_BASE_URL", False, f"does not answer: {reason}", remedy)
