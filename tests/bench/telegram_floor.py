"""The least program that answers in Telegram: it polls, asks the endpoint, and shows the answer as it grows.

`python -m tests.bench.telegram_floor API_URL TOKEN BASE_URL KEY` answers until it is killed. For a message it makes
the calls that the bot makes: drafts and a message in a private chat, a message and its edits in a group. It keeps
nothing, knows no Markdown, and does not outlive a fault.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import aiohttp
import uvloop

Json = dict[str, Any]

_PREVIEW_PACE = 0.7  # seconds between two drafts, as in the bot
_EDIT_PACE = 3.0  # and between two edits in a group
_FIRST = 20  # characters that a group's first post waits for
_HOLD = 50
_STOP: Json = {"inline_keyboard": [[{"text": "Stop", "callback_data": "/stop"}]]}
_RETRY: Json = {"inline_keyboard": [[{"text": "Retry", "callback_data": "/retry"}]]}
_NO_LINKS: Json = {"is_disabled": True}


class Floor:
    """One bot; everything goes over `http`."""

    def __init__(self, http: aiohttp.ClientSession, api: str, endpoint: str, key: str) -> None:
        self._http = http
        self._api = api
        self._url = f"{endpoint}/chat/completions"
        self._headers = {"Authorization": f"Bearer {key}"}

    async def run(self) -> None:
        """Answer every message."""
        offset = 0
        async with asyncio.TaskGroup() as answers:
            while True:
                for update in await self._call("getUpdates", timeout=_HOLD, limit=100, offset=offset):
                    offset = update["update_id"] + 1
                    answers.create_task(self._answer(update["message"]))

    async def _answer(self, message: Json) -> None:
        chat, number = message["chat"]["id"], message["message_id"]
        typing = asyncio.create_task(self._call("sendChatAction", chat_id=chat, action="typing"))
        show = self._privately if message["chat"]["type"] == "private" else self._openly
        await show(chat, number, self._words(message["text"]))
        await typing

    async def _privately(self, chat: int, number: int, words: AsyncIterator[str]) -> None:
        text, due = "", 0.0
        async for word in words:
            text += word
            if monotonic() >= due:
                await self._call("sendMessageDraft", chat_id=chat, draft_id=number, text=text)
                due = monotonic() + _PREVIEW_PACE
        await self._post(chat, text, _RETRY)

    async def _openly(self, chat: int, number: int, words: AsyncIterator[str]) -> None:
        text, due, post = "", 0.0, 0
        async for word in words:
            text += word
            if post and monotonic() >= due:
                await self._edit(chat, post, text, _STOP)
            elif not post and len(text) >= _FIRST:
                post = await self._post(chat, text, _STOP, reply_parameters={"message_id": number})
            else:
                continue
            due = monotonic() + _EDIT_PACE
        await self._edit(chat, post, text, _RETRY)

    async def _post(self, chat: int, text: str, markup: Json, **more: Any) -> int:
        shown = {"text": text, "reply_markup": markup, "link_preview_options": _NO_LINKS}
        return int((await self._call("sendMessage", chat_id=chat, **shown, **more))["message_id"])

    async def _edit(self, chat: int, post: int, text: str, markup: Json) -> None:
        shown = {"text": text, "reply_markup": markup, "link_preview_options": _NO_LINKS}
        await self._call("editMessageText", chat_id=chat, message_id=post, **shown)

    async def _call(self, method: str, **params: Any) -> Any:
        async with self._http.post(f"{self._api}/{method}", json=params) as response:
            return (await response.json())["result"]

    async def _words(self, question: str) -> AsyncIterator[str]:
        body = {"model": "small", "messages": [{"role": "user", "content": question}], "stream": True}
        async with self._http.post(self._url, json=body, headers=self._headers) as response:
            async for line in response.content:
                if line.startswith(b"data: {"):
                    for choice in json.loads(line[6:])["choices"]:
                        if delta := choice["delta"].get("content"):
                            yield delta


async def run(api: str, token: str, endpoint: str, key: str) -> None:
    """Answer until killed."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout()) as http:
        await Floor(http, f"{api}/bot{token}", endpoint, key).run()


if __name__ == "__main__":
    uvloop.run(run(*sys.argv[1:5]))
