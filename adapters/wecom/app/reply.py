"""One answer of the self-built app: gathered, then sent as few messages; a word in between where it takes long."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from adapters._numbered import Numbered
from adapters.wecom.app.desk import Desk, digest
from adapters.wecom.bodies import bodies, texts
from adapters.wecom.choosing import place_of
from adapters.wecom.gathered import Gathered
from adapters.wecom.uploads import Uploads
from adapters.wecom.words import say
from bot.api import End, Gone, Incoming, Journal, ReplyPart, Unavailable

SILENCE = 10.0
"""Seconds after which a person is told that their answer is being worked on: the app can show nothing else."""

_WAITING, _GONE = "wait:", "gone:"
_log = structlog.get_logger(__name__)


class AppReply:
    """A `bot.api.Reply`.

    The journal holds `<digest>:<id>` of every message, `gone:<digest>:<id>` once it is taken back, and `wait:<id>`
    of the word in between.
    """

    def __init__(
        self,
        desk: Desk,
        uploads: Uploads,
        numbered: Numbered,
        message: Incoming,
        journal: Journal,
        *,
        silence: float = SILENCE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._desk = desk
        self._uploads = uploads
        self._message = message
        self._journal = journal
        self._silence = silence
        self._sleep = sleep
        self._language = message.person.language
        self._gathered = Gathered(numbered, place_of(message.place), self._language)
        self._waiting: asyncio.Task[None] | None = None
        self._resting = False
        self._begun = False

    async def send(self, part: ReplyPart) -> None:
        """Take `part`; at the `End` everything is sent. Raises `Gone` and `Unavailable`."""
        if not self._begun:
            self._begun = True
            await self._desk.begin(self._message.key)
            if not isinstance(part, End):
                self._begin()
        await self._gathered.add(part)
        if isinstance(part, End):
            await self._hush()
            await self._deliver()

    async def abandon(self) -> None:
        """Send nothing more."""
        await self._hush()

    # --- the answer ------------------------------------------------------------------------------------------

    async def _deliver(self) -> None:
        """Send what does not stand yet, and take back what an earlier attempt sent and this one does not say."""
        posts = [post for post in self._journal.posts if not post.startswith(_WAITING)]
        gone = {post.removeprefix(_GONE) for post in posts if post.startswith(_GONE)}
        standing = deque(post for post in posts if not post.startswith(_GONE) and post not in gone)
        recalled = {_name(post) for post in gone}
        messages = await bodies(self._gathered.pieces(), self._uploads, self._language)
        for number, body in enumerate(messages):
            name = digest(body)
            stands = name in map(_name, standing)
            while standing and not (stands and _name(standing[0]) == name):
                recalled.add(await self._recalled(standing.popleft()))
            if stands:
                standing.popleft()
                continue
            # WeCom would take what was taken back for sent, too.
            once = "" if name in recalled else f"{self._message.key}:{number}"
            sent = await self._desk.send(self._message.place.chat, body, once=once)
            await self._journal.posted(f"{name}:{sent}")
        while standing:
            await self._recalled(standing.popleft())

    async def _recalled(self, post: str) -> str:
        name, _, sent = post.partition(":")
        if sent:
            await self._desk.recall(sent)
        await self._journal.posted(_GONE + post)
        return name

    # --- the word in between ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._resting = True
        if not any(post.startswith(_WAITING) for post in self._journal.posts):
            self._waiting = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        await self._sleep(self._silence)
        self._resting = False
        try:
            body = texts(say(self._language, "thinking"))[0]
            await self._journal.posted(_WAITING + await self._desk.send(self._message.place.chat, body))
        except (Gone, Unavailable) as error:
            _log.info("wecom.notice_failed", fault=f"{type(error).__name__}: {error}")

    async def _hush(self) -> None:
        """End the pause; a call that is under way is let finish, so that the next attempt knows of it."""
        if self._waiting is None:
            return
        if self._resting:
            self._waiting.cancel()
        await asyncio.wait({self._waiting})
        if not self._waiting.cancelled() and (fault := self._waiting.exception()) is not None:
            _log.info("wecom.notice_failed", fault=type(fault).__name__)
        self._waiting = None


def _name(post: str) -> str:
    return post.partition(":")[0]
