"""A reply that is still being written: it grows in posts that are edited, at a pace that the platform bears."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from adapters._split import Tail, divide
from bot.api import Journal, Unavailable

Stage = Literal["growing", "full", "last"]
"""Of a post: more text will come into it; it is complete and others follow; it ends the answer."""

PATIENCE = 300.0
"""Seconds that a finished answer waits for a platform that asks for a pause; beyond, it is tried again later."""

_BRIEF = 10.0
"""Seconds that a growing answer waits of itself; through a longer pause it waits for its next words."""


class Later(Unavailable):
    """The platform asks for a pause of `seconds`. Nothing was shown."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the platform asks to wait for {seconds:.1f} seconds")
        self.seconds = seconds


class Missing(Exception):
    """The post to be edited is not there any more."""


class NoPreview(Exception):
    """The platform will not show a preview here."""


class Posts(Protocol):
    """What a draft needs of its platform. Texts are Markdown.

    All calls raise `Gone`, `Unavailable` and `Later`; only a call that surely did nothing may raise `Later`.
    An `edit` is tried more than once where its stage is not "growing".
    """

    limit: int
    """The platform's limit for one post, in its own unit."""

    previews: bool
    """Whether growing text can be shown without making a post of it."""

    def fits(self, text: str) -> bool:
        """Whether `text`, as it will be shown, is within the limit."""

    async def post(self, text: str, stage: Stage) -> str:
        """Make a post; its id for the journal."""

    async def edit(self, post: str, text: str, stage: Stage) -> None:
        """Change a post. Raises `Missing`."""

    async def preview(self, text: str) -> None:
        """Show text that may change and vanish. Raises `NoPreview`."""

    async def remove(self, post: str) -> None:
        """Take a post away, or empty it where the platform cannot; nothing where it is missing."""

    def editable(self, post: str) -> bool:
        """Whether the post with this id from the journal can become a text."""


class Ledger:
    """The posts of one answer over all its attempts: earlier ones are used again, in order, and none stays over."""

    def __init__(self, journal: Journal, posts: Posts) -> None:
        self._journal = journal
        self._posts = posts
        self._earlier = deque(journal.posts)
        self._surplus: list[str] = []

    def expects(self) -> bool:
        """Whether an earlier post waits to be used again for text."""
        return any(map(self._posts.editable, self._earlier))

    def again(self, fits: Callable[[str], bool] | None = None) -> str | None:
        """The next earlier post that `fits`: that can become a text, where nothing else is said."""
        fits = fits or self._posts.editable
        if not any(map(fits, self._earlier)):
            return None
        while not fits(post := self._earlier.popleft()):
            self._surplus.append(post)
        return post

    async def clear(self) -> None:
        """Take away the earlier posts that were passed over or are left. Whatever is new comes behind them."""
        self._surplus.extend(self._earlier)
        self._earlier.clear()
        while self._surplus:
            await self._posts.remove(self._surplus[0])
            del self._surplus[0]

    async def make(self, post: Callable[[], Awaitable[str]]) -> str:
        """Make a new post, and note it before anything else."""
        await self.clear()
        made = await post()
        await self._journal.posted(made)
        return made


class Draft:
    """One text of an answer, from its first words to its last.

    `pace` is the least number of seconds between two changes of the growing text, `preview_pace` the same while
    it is previewed, however many words come. The first words wait up to `gather` seconds, unless there are
    twenty characters. `clock` is monotonic.
    """

    def __init__(
        self,
        posts: Posts,
        ledger: Ledger,
        *,
        pace: float,
        preview_pace: float | None = None,
        gather: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._posts = posts
        self._ledger = ledger
        self._pace = pace
        self._preview_pace = pace if preview_pace is None else preview_pace
        self._gather = gather
        self._clock = clock
        self._sleep = sleep
        self._tail = Tail()
        self._fresh: list[str] = []  # what has come since the tail was looked at
        self._size = 0  # characters so far
        self._full: deque[str] = deque()  # complete parts that are not shown as such yet
        self._post: str | None = None  # the post that grows
        self._shown = ""  # what it shows
        self._previewed = ""
        self._previews = posts.previews and not ledger.expects()
        self._due: float | None = None  # when the next change may be made; None before the first words
        self._task: asyncio.Task[None] | None = None
        self._resting = False
        self._closing = False
        self._abandoned = False
        self._started = False

    def add(self, delta: str) -> None:
        """Take more text. It is shown in the background; what failed there is raised here, or by `finish`."""
        self._raise()
        self._fresh.append(delta)
        self._size += len(delta)
        now = self._clock()
        if self._due is None:
            self._due = now + self._gather
        if not self._started and self._size >= 20:
            self._due = min(self._due, now)
            self._wake()
        if (self._task is None or self._task.done()) and self._due - now <= _BRIEF:
            self._task = asyncio.create_task(self._grow())
            self._task.add_done_callback(_heed)

    async def finish(self, stage: Stage = "last") -> None:
        """Show the text exactly, however long the platform asks to wait (up to `PATIENCE`).

        Raises `Gone` and `Unavailable`. When this is cancelled, the draft is abandoned.
        """
        self._closing = True
        try:
            self._wake()
            if self._task is not None:
                await asyncio.wait({self._task})
                self._raise()
            self._task = asyncio.create_task(self._complete(stage))
            self._task.add_done_callback(_heed)
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            await self.abandon()
            raise

    async def abandon(self) -> None:
        """Show nothing more. The call that is under way is let finish and noted, so that the next attempt knows."""
        self._closing = self._abandoned = True
        self._wake()
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    # --- in the background -----------------------------------------------------------------------------------

    async def _grow(self) -> None:
        while not self._closing:
            wait = (self._due or 0) - self._clock()
            if wait > _BRIEF:
                return
            if wait > 0:
                await self._rest(wait)
                continue
            try:
                more = await self._step("growing")
                self._due = self._clock() + (self._preview_pace if self._previews else self._pace)
                if not more:
                    return
            except Later as later:
                self._due = self._clock() + later.seconds

    async def _complete(self, stage: Stage) -> None:
        while not self._abandoned:
            try:
                if not await self._step(stage):
                    return
            except Later as later:
                if later.seconds > PATIENCE:
                    raise
                await self._rest(later.seconds)

    async def _step(self, stage: Stage) -> bool:
        """Show the next thing that is not shown. False: there is none, or it cannot be shown just now."""
        if self._fresh:
            self._tail += "".join(self._fresh)
            self._fresh.clear()
        while (parts := divide(self._tail, self._posts.fits, limit=self._posts.limit)) is not None:
            shown, self._tail = parts
            if shown:
                self._full.append(shown)
        if self._full:
            follows = len(self._full) > 1 or bool(self._tail.shown)
            await self._show(self._full[0], stage if stage == "last" and not follows else "full")
            self._full.popleft()
            if follows or stage == "growing":
                self._post, self._shown = None, ""
            return True
        text = self._tail.growing if stage == "growing" else self._tail.shown
        if not text or text == self._shown:
            return False
        if stage == "growing" and self._previews and self._post is None:
            previewed = await self._preview(text)
            if self._previews:
                return previewed
        await self._show(text, stage)
        return text == self._shown

    async def _preview(self, text: str) -> bool:
        if text == self._previewed:
            return False
        self._started = True
        try:
            await self._posts.preview(text)
            self._previewed = text
        except NoPreview:
            self._previews = False
        except Later:
            raise
        except Unavailable:
            return False  # it would have vanished anyhow
        return self._previews

    async def _show(self, text: str, stage: Stage) -> None:
        self._started = True
        if self._post is None:
            self._post = self._ledger.again()
        if self._post is not None and await self._edited(self._post, text, stage):
            return
        self._post = await self._ledger.make(lambda: self._posts.post(text, stage))
        self._shown = text

    async def _edited(self, post: str, text: str, stage: Stage) -> bool:
        if text == self._shown:
            return True
        try:
            await self._posts.edit(post, text, stage)
            self._shown = text
        except Missing:
            self._post, self._shown = None, ""
            return False
        except Later:
            raise
        except Unavailable:
            if stage != "growing":
                raise
        return True

    # --- waiting ---------------------------------------------------------------------------------------------

    async def _rest(self, seconds: float) -> None:
        self._resting = True
        try:
            await self._sleep(seconds)
        finally:
            self._resting = False

    def _wake(self) -> None:
        """End a pause, and with it the task; never a call that is under way."""
        if self._task is not None and self._resting:
            self._task.cancel()
            self._task, self._resting = None, False

    def _raise(self) -> None:
        if self._task is not None and self._task.done() and not self._task.cancelled():
            fault = self._task.exception()
            if fault is not None:
                raise fault


def _heed(task: asyncio.Task[None]) -> None:
    """Nobody may be left to hear of a fault: the attempt itself may have been given up."""
    if not task.cancelled():
        task.exception()
