"""One answer as Slack shows it: streamed into the thread of its question, then standing as messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from adapters._draft import PATIENCE, Draft, Later, Ledger, Missing
from adapters._split import Tail
from adapters.slack import rendering
from adapters.slack.client import Clients, Refused
from adapters.slack.files import COMMENT_LIMIT, TOGETHER
from adapters.slack.orphans import orphans
from adapters.slack.people import People
from adapters.slack.posts import SlackPosts
from adapters.slack.rendering import Block
from adapters.slack.status import Status as Shown
from bot.api import (
    Choices,
    End,
    Gone,
    Incoming,
    Journal,
    Media,
    Notice,
    Preview,
    ReplyPart,
    Status,
    Text,
    Unavailable,
)

_PACE = 1.0  # seconds; chat.appendStream: a hundred a minute

T = TypeVar("T")


class SlackReply:
    """A `bot.api.Reply` into the thread of `message`. `clock` is monotonic.

    The first words of a text are waited for, so that a message which cannot be answered is known before more is asked
    of a model; all others are shown in the background.
    """

    def __init__(
        self,
        clients: Clients,
        people: People,
        message: Incoming,
        journal: Journal,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._shown = Shown(message, left=journal.attempt > 1)
        self._posts = SlackPosts(clients, people, message, self._shown)
        self._message = message
        self._journal = journal
        self._ledger = Ledger(journal, self._posts)
        self._looked = journal.attempt == 1
        self._clock = clock
        self._sleep = sleep
        self._draft: Draft | None = None
        self._first = Tail()  # the text until some of it has been shown
        self._pictures: list[tuple[str, str]] = []  # kept by Slack and not shown yet: post and caption
        self._showing: asyncio.Task[None] | None = None

    async def send(self, part: ReplyPart) -> None:
        """Show `part`. Text is shown in the background, and exactly from the next other part on.

        Raises `Gone` and `Unavailable`.
        """
        if isinstance(part, Preview):
            return
        try:
            if not self._looked and not isinstance(part, Status | End):
                await self._look()
            if self._pictures and not _goes_beside(part):
                await self._share()
            if isinstance(part, Status):
                await self._status(part)
            elif isinstance(part, Text):
                await self._write(part.delta)
            elif isinstance(part, End):
                await self._end(part)
            else:
                await self._close()
                await self._show(part)
        except Refused as error:
            raise Gone(str(error)) from None

    async def abandon(self) -> None:
        """Stop writing. An open stream is left as it is: the next attempt goes on with its message."""
        if self._draft is not None:
            await self._draft.abandon()
        if self._showing is not None:
            self._showing.cancel()
        await self._hush()

    # --- text ------------------------------------------------------------------------------------------------

    async def _write(self, delta: str) -> None:
        if self._draft is None:
            if not delta:
                return
            self._posts.tried.clear()
            self._first = Tail()
            self._draft = Draft(self._posts, self._ledger, pace=_PACE, clock=self._clock, sleep=self._sleep)
        self._draft.add(delta)
        if not self._posts.tried.is_set():
            self._first += delta
            if self._first.growing:
                await self._posts.tried.wait()

    async def _close(self) -> None:
        """Finish the text before something else comes."""
        if self._draft is not None:
            self._posts.closing = True
            await self._draft.finish("full")
            self._draft, self._posts.closing = None, False
            await self._patiently(lambda: self._posts.settle(self._ledger.make))

    async def _end(self, end: End) -> None:
        self._posts.last = [*rendering.buttons(end.offers), *rendering.ratings(end.ratings)]
        if self._draft is not None:
            self._posts.closing = True
            await self._draft.finish("last")
            self._draft = None
        await self._patiently(self._ledger.clear)
        await self._patiently(lambda: self._posts.offer(self._ledger.make))
        await self._hush()
        if self._shown.remains:
            await self._shown.clear(await self._posts.client())

    async def _look(self) -> None:
        """Find what an attempt has begun that died before it could note it."""
        self._looked = True
        client = await self._posts.client()
        for post in await orphans(client, self._message, self._journal.posts):
            await self._journal.posted(post)
        self._ledger = Ledger(self._journal, self._posts)

    # --- everything else -------------------------------------------------------------------------------------

    async def _show(self, part: Media | Choices | Notice) -> None:
        if isinstance(part, Notice):
            await self._say(part.text)
        elif isinstance(part, Choices):
            await self._say(part.text, rendering.choices(part.options), asks=True)
        else:
            short = len(part.caption) <= COMMENT_LIMIT
            post = await self._post(partial(self._posts.keep, part, part.caption))
            self._pictures.append((post, part.caption if short else ""))
            if part.kind != "image" or len(self._pictures) >= TOGETHER or not short:
                await self._share()
            if not short:
                await self._say(part.caption)

    async def _share(self) -> None:
        """Show the pictures that have come one after the other in one message."""
        posts, captions = zip(*self._pictures, strict=True)
        self._pictures = []
        caption = "\n".join(dict.fromkeys(filter(None, captions)))
        await self._patiently(partial(self._posts.share, list(posts), caption))

    async def _say(self, text: str, below: list[Block] | None = None, *, asks: bool = False) -> None:
        pieces = rendering.split_plain(text) or ([""] if below else [])
        for number, piece in enumerate(pieces, 1):
            under = (below or []) if number == len(pieces) else []
            earlier = self._ledger.again()
            if earlier is None or not await self._said_in(earlier, piece, under, asks=asks):
                await self._post(partial(self._posts.say, piece, under, asks=asks))

    async def _said_in(self, post: str, text: str, below: list[Block], *, asks: bool) -> bool:
        try:
            await self._patiently(partial(self._posts.say_in, post, text, below, asks=asks))
        except Missing:
            return False
        return True

    async def _post(self, make: Callable[[], Awaitable[str]]) -> str:
        return await self._patiently(partial(self._ledger.make, make))

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await call()
            except Later as later:
                if later.seconds > PATIENCE:
                    raise
                await self._sleep(later.seconds)

    # --- what the bot is doing -------------------------------------------------------------------------------

    async def _status(self, status: Status) -> None:
        self._posts.growing = rendering.buttons(status.offers)
        if status.doing == "speaking":  # what is spoken has all been written
            await self._close()
        if self._draft is None and (self._showing is None or self._showing.done()):
            self._showing = asyncio.create_task(self._show_status(status.doing))

    async def _show_status(self, doing: str) -> None:
        try:
            await self._shown.show(await self._posts.client(), doing)
        except (Gone, Unavailable):
            return  # it is the words' business to find out and to tell

    async def _hush(self) -> None:
        """Let the status that is being set be set, so that it is known whether there is one to take away."""
        if self._showing is not None:
            await asyncio.wait({self._showing})
            self._showing = None


def _goes_beside(part: ReplyPart) -> bool:
    """Whether it may stand in one message with pictures before it."""
    return isinstance(part, Media) and part.kind == "image" and len(part.caption) <= COMMENT_LIMIT
