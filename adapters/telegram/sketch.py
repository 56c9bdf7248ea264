"""A picture while it is drawn: one message, changed from picture to picture until the finished one stands in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from telegram.error import BadRequest, InvalidToken

from adapters._draft import Later, Ledger, Missing
from adapters.telegram.posts import TelegramPosts, sketched
from adapters.telegram.uploads import form
from bot.api import Gone, Media, Preview, Unavailable


class Sketch:
    """The sketch of one answer, if there is one. `pace` is the least number of seconds between two changes.

    What is not finished is shown if that is easy, and never waited for. `clock` is monotonic.
    """

    def __init__(
        self, posts: TelegramPosts, ledger: Ledger, *, pace: float, clock: Callable[[], float]
    ) -> None:
        self._posts = posts
        self._ledger = ledger
        self._pace = pace
        self._clock = clock
        self._post: str | None = None
        self._due = 0.0
        self._over = False
        self._task: asyncio.Task[None] | None = None

    def show(self, preview: Preview) -> None:
        """Show a picture in the background; nothing where it is too early, or Telegram has refused one."""
        picture = Media("image", preview.mime, preview.data)
        busy = self._task is not None and not self._task.done()
        if self._over or busy or self._clock() < self._due or form(picture)[0] != "photo":
            return
        self._due = self._clock() + self._pace
        self._task = asyncio.create_task(self._paint(picture))
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def settle(self) -> None:
        """Let the call that is under way finish. Raises what failed there and matters."""
        if self._task is not None:
            await asyncio.wait({self._task})  # it stays ours: whoever is cancelled here has yet to abandon it
            task, self._task = self._task, None
            task.result()

    async def finish(self, picture: Media) -> bool:
        """Put the finished picture in its place; False where there is none. Raises `Later`, `Gone`, `Unavailable`."""
        await self.settle()
        self._post = self._post or self._ledger.again(sketched)
        if self._post is None:
            return False
        try:
            await self._posts.repaint(self._post, picture, growing=False)
        except (Missing, BadRequest):
            await self.remove()
            return False
        self._post, self._over = None, True
        return True

    async def remove(self) -> None:
        """Take it away, where something else comes instead. Raises `Later`, `Gone`, `Unavailable`."""
        await self.settle()
        if self._post is not None:
            await self._posts.remove(self._post)
            self._post = None

    async def abandon(self) -> None:
        """Show nothing more; what is under way is let finish and noted, so that the next attempt knows."""
        self._over = True
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _paint(self, picture: Media) -> None:
        try:
            self._post = self._post or self._ledger.again(sketched)
            if self._post is not None:
                await self._posts.repaint(self._post, picture, growing=True)
            else:
                self._post = await self._ledger.make(partial(self._posts.sketch, picture))
        except Later as later:
            self._due = self._clock() + later.seconds
        except (Missing, Gone, Unavailable, BadRequest, InvalidToken):
            self._over = True  # what comes next finds out, and tells
