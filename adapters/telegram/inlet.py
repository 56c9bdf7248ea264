"""One update on its way in: understood, handed to the core, and whatever Telegram waits for answered."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from telegram.error import TelegramError

from adapters._errands import Errands
from adapters.telegram import ids
from adapters.telegram.albums import Albums
from adapters.telegram.buttons import recall
from adapters.telegram.chats import Chats, Remembered
from adapters.telegram.client import Client, Json, passing
from adapters.telegram.inline import ASK, Inline
from adapters.telegram.parse import (
    UNREADABLE,
    Asked,
    Heard,
    Identity,
    Meaning,
    Moved,
    Pressed,
    Standing,
    parse,
)
from adapters.telegram.standing import Standings
from adapters.telegram.words import say
from bot.api import Accepted, Busy, Incoming, Store, Submit, Unavailable

_TOAST = 200  # https://core.telegram.org/bots/api#answercallbackquery
_SEEN = "👀"
_log = logging.getLogger(__name__)


class Inlet:
    """Takes updates in. Once `take` has returned, the update may be acknowledged."""

    def __init__(
        self,
        client: Client,
        store: Store,
        submit: Submit,
        *,
        chats: Chats,
        albums: Albums,
        errands: Errands,
        inline: Inline | None,
        standings: Standings,
    ) -> None:
        self._client = client
        self._store = store
        self._submit = submit
        self._chats = chats
        self._albums = albums
        self._errands = errands
        self._inline = inline
        self._standings = standings
        self._me: Identity | None = None
        self._answered = Remembered(1000)

    async def identify(self) -> Identity:
        """Ask Telegram who we are, once. Raises `TelegramError`."""
        if self._me is None:
            found = await self._client.call("getMe")
            self._me = Identity(str(found["id"]), str(found.get("username", "")).lower())
        return self._me

    async def take(self, update: Json) -> None:
        """Take an update in. Raises `Unavailable` where it has to be delivered again."""
        try:
            me = await self.identify()
        except TelegramError as error:
            raise passing(error) from None
        try:
            meaning = parse(update, me)
        except UNREADABLE as error:  # it would be as unreadable the next time
            _log.warning("telegram: update %s is not understood: %r", update.get("update_id"), error)
            return
        if meaning is not None:
            await self._follow(meaning, me)

    async def pick_up(self) -> None:
        """Hand in the albums that were left behind. Raises `Unavailable`."""
        await self._albums.pick_up(self._hand_in)

    async def _follow(self, meaning: Meaning, me: Identity) -> None:
        match meaning:
            case Heard():
                await self._heard(meaning)
            case Pressed():
                await self._pressed(meaning)
            case Moved():
                await self._chats.moved(meaning.old, meaning.new)
            case Standing():
                await self._standings.changed(meaning, me)
            case Asked() if self._inline is not None:
                inline = self._inline
                self._errands.start("an inline card", lambda: inline.offer(meaning))

    async def _heard(self, heard: Heard) -> None:
        incoming = await self._at_home(heard.incoming)
        if heard.album:
            await self._albums.add(incoming, heard.album, self._hand_in)
            return
        await self._albums.flush(incoming, self._hand_in)
        await self._hand_in(incoming)

    async def _at_home(self, incoming: Incoming) -> Incoming:
        """The message under the chat id that its conversation began with."""
        chat = incoming.place.chat
        first = await self._chats.first(chat)
        if first == chat:
            return incoming
        return replace(
            incoming,
            id=ids.elsewhere(incoming.id, chat),
            edits=ids.elsewhere(incoming.edits, chat) if incoming.edits else "",
            place=replace(incoming.place, chat=first),
        )

    async def _hand_in(self, incoming: Incoming) -> None:
        outcome = await self._submit(incoming)
        if isinstance(outcome, Busy):
            text = outcome.text
            self._errands.start("a notice", lambda: self._tell(incoming, text))
        elif isinstance(outcome, Accepted) and outcome.behind:
            self._errands.start("a reaction", lambda: self._seen(incoming))

    async def _seen(self, incoming: Incoming) -> None:
        """Show that a message waits for its turn; the sign stays, because it is true afterwards too.

        A bot may set one emoji of a list (https://core.telegram.org/bots/api#setmessagereaction); where the group
        allows none, nothing is shown.
        """
        number, chat = ids.message_number(incoming.id), await self._chats.present(incoming.place.chat)
        if number is None or (ids.chat(incoming.id) or incoming.place.chat) != chat:
            return
        reaction = [{"type": "emoji", "emoji": _SEEN}]
        await self._client.call(
            "setMessageReaction", {"chat_id": chat, "message_id": number, "reaction": reaction}
        )

    async def _tell(self, incoming: Incoming, text: str) -> None:
        """As a reply, because several may wait, and this one is to be sent again."""
        number = ids.message_number(incoming.id)
        params: dict[str, Any] = {"chat_id": await self._chats.present(incoming.place.chat), "text": text}
        if incoming.place.thread:
            params["message_thread_id"] = int(incoming.place.thread)
        if number is not None and (ids.chat(incoming.id) or incoming.place.chat) == params["chat_id"]:
            params["reply_parameters"] = {"message_id": number, "allow_sending_without_reply": True}
        await self._client.call("sendMessage", params)

    # --- buttons -------------------------------------------------------------------------------------------

    async def _pressed(self, pressed: Pressed) -> None:
        incoming = await self._meant(pressed)
        if incoming is None:
            self._answer(pressed, say(pressed.person.language, "expired"))
            return
        try:
            outcome = await self._submit(incoming)
        except Unavailable:
            self._answer(pressed)  # Telegram waits a few seconds only, whatever is away
            raise
        self._answer(pressed, outcome.text if isinstance(outcome, Busy) else "")

    async def _meant(self, pressed: Pressed) -> Incoming | None:
        """The message that the button stands for; None where nobody knows any more."""
        if pressed.data.startswith(ASK):
            question = await self._inline.question(pressed.data) if self._inline else None
            return self._inline.incoming(pressed, question) if self._inline and question else None
        value = await recall(self._store, pressed.data)
        if value is None:
            return None
        place = replace(pressed.place, chat=await self._chats.first(pressed.place.chat))
        return Incoming(f"cb:{pressed.query}", place, pressed.person, value, addressed="command")

    def _answer(self, pressed: Pressed, text: str = "") -> None:
        """Stop the button's clock, and tell something if there is something to tell. Once."""
        if self._answered.get(pressed.query):
            return
        self._answered.put(pressed.query, "yes")
        params: dict[str, Any] = {"callback_query_id": pressed.query}
        if text:
            params |= {"text": text[:_TOAST], "show_alert": True}
        call: Callable[[], Awaitable[object]] = lambda: self._client.call("answerCallbackQuery", params)  # noqa: E731
        self._errands.start("the answer to a button", call)
