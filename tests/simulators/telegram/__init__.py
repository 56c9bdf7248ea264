"""Telegram's Bot API over real HTTP, as strict as the real one, with people who write to the bot.

Requests and answers are checked with aiogram's types, which are made from Telegram's own page. In a test:

    async with telegram_simulator() as telegram:
        ann = telegram.person(1, "Ann")
        chat = telegram.private(ann)
        ...  # start a bot with telegram.token and telegram.base_url
        await ann.says(chat, "hello")
        answer = await chat.shows("hello")
        assert chat.visible() == ["hello", "hello to you"]

As a process of its own: `python -m tests.simulators.telegram --port 0` prints its base URL.
"""

from tests.simulators.telegram.attachments import File, Media
from tests.simulators.telegram.flood import Flood
from tests.simulators.telegram.person import CallbackAnswer, Person, Press, Query
from tests.simulators.telegram.simulator import TOKEN, Call, TelegramSimulator, telegram_simulator
from tests.simulators.telegram.world import Action, Chat, Draft, Edit, Shown

__all__ = [
    "TOKEN",
    "Action",
    "Call",
    "CallbackAnswer",
    "Chat",
    "Draft",
    "Edit",
    "File",
    "Flood",
    "Media",
    "Person",
    "Press",
    "Query",
    "Shown",
    "TelegramSimulator",
    "telegram_simulator",
]
