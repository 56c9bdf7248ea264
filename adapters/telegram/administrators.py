"""Who runs a group: its owner and administrators, as Telegram names them."""

from __future__ import annotations

from telegram.error import BadRequest, ChatMigrated, Forbidden, TelegramError

from adapters.telegram.chats import Chats
from adapters.telegram.client import Client, passing
from adapters.telegram.parse import INLINE
from bot.api import Person, Place, Unavailable


class Administrators:
    """Asks `getChatAdministrators`, which answers every bot in the group.

    `getChatMember` is sure to answer about others only where the bot is an administrator itself
    (https://core.telegram.org/bots/api#getchatmember; tdlib/td issue 589).
    """

    def __init__(self, client: Client, chats: Chats) -> None:
        self._client = client
        self._chats = chats

    async def are(self, place: Place, person: Person) -> bool:
        """Whether this person is one of them; False where we are not in the group. Raises `Unavailable`.

        Who speaks as the group itself is an anonymous administrator
        (https://core.telegram.org/bots/api#message, `sender_chat`), whose name nobody learns.
        """
        if place.chat.startswith(INLINE):
            return False
        chat = await self._chats.present(place.chat)
        if person.id in (place.chat, chat):
            return True
        return person.id in await self._named(place.chat, chat)

    async def _named(self, place: str, chat: str) -> set[str]:
        try:
            found = await self._client.call("getChatAdministrators", {"chat_id": chat})
        except ChatMigrated as error:
            await self._chats.moved(place, str(error.new_chat_id))
            raise Unavailable("the group has just become a supergroup") from None
        except (BadRequest, Forbidden):
            return set()
        except TelegramError as error:
            raise passing(error) from None
        return {str(member["user"]["id"]) for member in found}
