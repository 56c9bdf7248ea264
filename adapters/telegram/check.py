"""What `parley check` asks Telegram: whether it takes the token, and allows what the settings ask for."""

from __future__ import annotations

from collections.abc import Sequence

from telegram.error import InvalidToken, TelegramError

from adapters.telegram.client import Client
from adapters.telegram.settings import Credentials
from bot.api import Finding


async def checked(client: Client, credentials: Credentials) -> Sequence[Finding]:
    """What Telegram says, in at most ten seconds. Raises nothing."""
    try:
        me = await client.call("getMe", wait=0)
    except InvalidToken:
        remedy = "take the token that @BotFather shows under /mybots, API Token"
        return [Finding("TELEGRAM_BOT_TOKEN", False, "Telegram does not take it", remedy)]
    except TelegramError as error:
        where = "TELEGRAM_API_BASE_URL"
        return [
            Finding(
                where, False, f"does not answer: {error.message}", "is the address right, and open to us?"
            )
        ]
    found = [Finding("TELEGRAM_BOT_TOKEN", True, f"@{me.get('username', '')} answers to it")]
    if credentials.inline and not me.get("supports_inline_queries"):
        remedy = "allow it with @BotFather: /setinline"
        found.append(Finding("TELEGRAM_INLINE", False, "the bot may not be asked inline", remedy))
    return found
