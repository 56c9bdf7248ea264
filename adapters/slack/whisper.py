"""Answers that only one person sees, shown when they are complete, and answers that nobody needs to see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from adapters._draft import PATIENCE, Later
from adapters._split import Tail, divide
from adapters.slack import rendering
from adapters.slack.client import Client, Clients, Refused
from adapters.slack.files import name_of
from adapters.slack.rendering import Block
from adapters.slack.words import say
from bot.api import (
    Choices,
    End,
    Gone,
    Incoming,
    Journal,
    Media,
    Notice,
    ReplyPart,
    Store,
    Text,
    Unavailable,
)

_WHISPER = "whisper:"
_FILE = "file:"
_BLOCKS = 40  # of one message
_USES = (
    5  # of a response_url (https://docs.slack.dev/interactivity/handling-user-interaction#message_responses)
)
_TIMEOUT = 30.0


@dataclass(slots=True)
class _Message:
    """One message of a whispered answer: as it should look, and in plain text, which is always taken."""

    text: str = ""
    blocks: list[Block] = field(default_factory=list)
    plain: list[Block] = field(default_factory=list)

    def takes(self, text: str, blocks: list[Block]) -> bool:
        """Whether it has room for more."""
        return rendering.fits(f"{self.text}\n\n{text}") and len(self.blocks) + len(blocks) <= _BLOCKS

    def add(self, text: str, blocks: list[Block], plain: list[Block]) -> None:
        """Take more, below what there is."""
        self.text = f"{self.text}\n\n{text}".strip()
        self.blocks += blocks
        self.plain += plain


class WhisperReply:
    """A `bot.api.Reply` that only the person sees who asked `message`; all of it is shown at its `End`.

    Where the bot is not in the channel the `response_url` is used that `store` keeps under `response:<trigger>`, at
    most five times. Files go to the person in a direct message, because there is no other way to show them to one
    alone. What an attempt has whispered stands for ever, so the journal counts it and the next one leaves it out.
    """

    def __init__(
        self,
        clients: Clients,
        message: Incoming,
        journal: Journal,
        *,
        store: Store,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clients = clients
        self._message = message
        self._journal = journal
        self._store = store
        self._sleep = sleep
        self._text = ""
        self._messages: list[_Message] = []
        self._media: list[Media] = []
        self._url: str | None = None
        self._used = 0

    async def send(self, part: ReplyPart) -> None:
        """Take `part`; with the `End` everything is shown. Raises `Gone`, `Unavailable`."""
        match part:
            case Text(delta):
                self._text += delta
            case Notice(text=text):
                self._say(text, [])
            case Choices(text, options):
                self._say(text, rendering.choices(options))
            case Media():
                self._media.append(part)
            case End(offers=offers):
                self._write()
                await self._tell(rendering.buttons(offers))

    async def abandon(self) -> None:
        """Nothing goes on in the background."""

    # --- what is whispered -----------------------------------------------------------------------------------

    def _write(self) -> None:
        """The model's words until now, in messages."""
        tail, self._text = Tail(rendering.safe(self._text)), ""
        while (parts := divide(tail, rendering.fits, limit=rendering.TEXT_LIMIT)) is not None:
            self._add(parts[0], rendering.markdown(parts[0]))
            tail = parts[1]
        if tail.shown:
            self._add(tail.shown, rendering.markdown(tail.shown))

    def _say(self, text: str, below: list[Block]) -> None:
        self._write()
        for piece in rendering.split_plain(text):
            self._add(piece, rendering.plain(piece))
        if below:
            self._add("", below)

    def _add(self, text: str, blocks: list[Block]) -> None:
        if not self._messages or not self._messages[-1].takes(text, blocks):
            self._messages.append(_Message())
        self._messages[-1].add(text, blocks, rendering.plain(text) or blocks)

    # --- showing it ------------------------------------------------------------------------------------------

    async def _tell(self, offers: list[Block]) -> None:
        files = sum(post.startswith(_FILE) for post in self._journal.posts)
        for media in self._media[files:]:
            await self._hand_over(media)
        if offers and self._messages:
            self._add("", offers)
        told = sum(post.startswith(_WHISPER) for post in self._journal.posts)
        for number, message in enumerate(self._messages[told:], told):
            await self._patiently(message)
            await self._journal.posted(f"{_WHISPER}{number}")

    async def _patiently(self, message: _Message) -> None:
        while True:
            try:
                await self._whisper(message)
                return
            except Later as later:
                if later.seconds > PATIENCE:
                    raise
                await self._sleep(later.seconds)

    async def _whisper(self, message: _Message) -> None:
        if self._url is None:
            try:
                await self._post(await self._client(), message)
                return
            except (Refused, Gone) as error:
                self._url = await self._response_url()
                if not self._url:
                    raise Gone(str(error)) from None
        await self._respond(self._url, message)

    async def _post(self, client: Client, message: _Message) -> None:
        for blocks in (message.blocks, message.plain):
            try:
                await client.call(
                    "chat.postEphemeral",
                    channel=self._message.place.chat,
                    user=self._message.person.id,
                    thread_ts=self._message.place.thread or None,
                    text=rendering.fallback(message.text),
                    blocks=blocks,
                )
                return
            except Refused as error:
                if "blocks" not in error.error or blocks is message.plain:
                    raise

    async def _response_url(self) -> str:
        trigger = self._message.id.partition(":")[2]
        return await self._store.get(f"response:{trigger}") or ""

    async def _respond(self, url: str, message: _Message) -> None:
        if self._used >= _USES:
            raise Gone("the response_url has been used up")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Gone("the response_url is none")
        body = {
            "response_type": "ephemeral",
            "replace_original": False,
            "text": rendering.fallback(message.text),
            "blocks": message.blocks,
        }
        try:
            async with (
                asyncio.timeout(_TIMEOUT),
                self._clients.session().post(url, json=body, allow_redirects=False) as response,
            ):
                status = response.status
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"no connection to Slack: {type(error).__name__}") from None
        self._used += 1
        if status == 429 or status >= 500:
            raise Unavailable(f"the response_url answers {status}")
        if status != 200:
            raise Gone(f"the response_url answers {status}")

    async def _hand_over(self, media: Media) -> None:
        """Send a file to the person alone, and say here that it was."""
        language, here = self._message.person.language, self._message.place.chat
        try:
            client = await self._client()
            opened = await client.call("conversations.open", users=self._message.person.id)
            chat = str(opened["channel"]["id"])
            file = await client.upload(
                chat, "", name_of(media), media.data, comment=rendering.escaped(media.caption)
            )
        except Refused:
            self._say(f"{media.caption}\n{say(language, 'file_not_sent')}".strip(), [])
            return
        await self._journal.posted(f"{_FILE}{file}")
        if chat != here:
            self._say(say(language, "file_sent"), [])

    async def _client(self) -> Client:
        return await self._clients.of(self._message.place.account)


class SilentReply:
    """A `bot.api.Reply` that is not shown: whoever asked sees the result elsewhere."""

    async def send(self, part: ReplyPart) -> None:
        """Nothing."""

    async def abandon(self) -> None:
        """Nothing."""
