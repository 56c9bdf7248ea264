"""The posts of one answer: which message grows, how it is streamed, and when it is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from adapters._draft import Later, Missing, NoPreview, Stage
from adapters.slack import files, rendering
from adapters.slack.client import Client, Clients
from adapters.slack.messages import Messages, Post
from adapters.slack.people import People
from adapters.slack.rendering import Block
from adapters.slack.status import Status
from adapters.slack.stream import Dropped, Forbidden, begin, end
from bot.api import Incoming, Media

_FILE = "file:"
_HELD = 0.3  # seconds until a text of which nothing can be shown yet is looked at again

Make = Callable[[Callable[[], Awaitable[str]]], Awaitable[str]]
"""How a new post is made and noted: `adapters._draft.Ledger.make`."""


class SlackPosts:
    """`adapters._draft.Posts` for one reply. Ids in the journal are a message's ts, and `file:F…` for a file.

    Growing text is streamed where Slack allows it, else posted and updated. A message that was sent and whose answer
    does not come may or may not stand in the thread: `Unavailable` is raised, and the next attempt looks for it
    (`adapters.slack.orphans`). Updates and ends of streams are repeated instead.
    """

    limit = rendering.TEXT_LIMIT
    previews = False

    def __init__(self, clients: Clients, people: People, message: Incoming, status: Status) -> None:
        self.growing: list[Block] = []
        """The buttons under a message that grows by updates. In a stream Slack has a button of its own."""
        self.last: list[Block] = []
        """What stands under the message that ends the answer."""
        self.closing = False
        """Whether the text is complete, so that the end of a stream is near anyhow."""
        self.tried = asyncio.Event()
        """Set when a text has been shown, or could not be."""
        self._messages = Messages(clients, message)
        self._people = people
        self._message = message
        self._chat = message.place.chat
        self._status = status
        self._latest: Post | None = None
        self._shared: list[str] = []  # files whose message may not stand there yet
        self._bare = False  # the newest message shows files, and there can be nothing under it

    async def client(self) -> Client:
        """The workspace's client. Raises `Gone`, `Unavailable`."""
        return await self._messages.client()

    # --- what a draft needs ----------------------------------------------------------------------------------

    def fits(self, text: str) -> bool:
        """Whether `text` is one message, and no more than an old stream shows, which has to end."""
        text = rendering.safe(text)
        if not rendering.fits(text):
            return False
        stream = self._latest.stream if self._latest is not None else None
        if stream is None or self.closing or not stream.old or not text.startswith(stream.sent):
            return True
        return len(rendering.stable(text)) <= len(stream.sent)

    async def post(self, text: str, stage: Stage) -> str:
        """Post Markdown: a whole text as a message, growing text as a stream."""
        try:
            await self._complete_latest()
            text = rendering.safe(text)
            if stage == "growing":
                return await self._begin(text)
            return await self._send(Post(wanted=text, below=self.last if stage == "last" else []))
        finally:
            self.tried.set()

    async def edit(self, post: str, text: str, stage: Stage) -> None:
        """Change a message to Markdown. Raises `Missing`."""
        try:
            latest = await self._turn_to(post)
            latest.wanted = rendering.safe(text)
            if stage == "growing":
                await self._grow(latest)
            else:
                await self._complete(latest, self.last if stage == "last" else [])
        except Missing:
            self._latest = None
            raise
        finally:
            self.tried.set()

    async def preview(self, text: str) -> None:
        """Slack has no previews."""
        raise NoPreview("Slack has no previews")

    async def remove(self, post: str) -> None:
        """Delete a message or a file, or empty it where it may not be deleted."""
        removed = False
        try:
            if self.editable(post):
                await self._messages.delete(post)
            else:
                await files.withdraw(await self.client(), self._chat, post.removeprefix(_FILE))
            removed = True
        finally:
            if not removed:
                self.tried.set()  # the text which was to follow will not be shown

    def editable(self, post: str) -> bool:
        """Whether it is a message of text."""
        return not post.startswith(_FILE)

    # --- everything else -------------------------------------------------------------------------------------

    async def say(self, text: str, below: list[Block], *, asks: bool = False) -> str:
        """Post plain text that `rendering.split_plain` gave; with `asks`, `below` is part of what it says."""
        await self._complete_latest()
        return await self._send(Post(wanted=text, plain=True, below=below, asks=asks))

    async def say_in(self, post: str, text: str, below: list[Block], *, asks: bool = False) -> None:
        """Change a message to plain text. Raises `Missing`."""
        latest = await self._turn_to(post)
        latest.wanted, latest.plain, latest.asks = text, True, asks
        try:
            await self._messages.update(latest, below)
        except Missing:
            self._latest = None
            raise

    async def keep(self, media: Media, caption: str) -> str:
        """Give Slack a file; `share` shows it."""
        client = await self.client()
        alt = caption[: files.ALT_LIMIT] if media.kind == "image" else ""
        return _FILE + await client.put(files.name_of(media), media.data, alt=alt)

    async def share(self, posts: list[str], caption: str) -> None:
        """Show files in one message."""
        await self._complete_latest()
        client, found = await self.client(), [post.removeprefix(_FILE) for post in posts]
        await client.share(self._chat, self._messages.thread or "", found, comment=rendering.escaped(caption))
        self._latest, self._shared, self._bare = None, found, True

    async def settle(self, make: Make) -> None:
        """Make the newest message whole: no more words come into it, and nothing of it can be stopped.

        `make` makes it anew where it is gone and something was missing in it.
        """
        if self._latest is not None:
            await self._finish(self._latest, self._latest.below if self._latest.asks else [], make)

    async def offer(self, make: Make) -> None:
        """Settle, and put what ends the answer under the newest message, or below it."""
        latest = self._latest
        if latest is not None:
            await self._finish(latest, [*latest.below, *self.last] if latest.asks else self.last, make)
        elif self.last and self._bare:
            await make(lambda: self.say("", self.last))

    # --- growing ---------------------------------------------------------------------------------------------

    async def _begin(self, text: str) -> str:
        client, begun = await self.client(), rendering.stable(text)
        if not begun.strip():
            raise Later(_HELD)
        try:
            team = await self._people.team(client, self._message.person.id)
            stream = await begin(client, self._message, team, begun)
        except (Forbidden, Later):  # twenty streams may be begun in a minute; a message is cheaper
            if not client.allows("updates"):
                raise Later(_HELD) from None
            return await self._send(Post(wanted=text, below=self.growing))
        self._latest, self._bare = Post(stream.ts, text, stream=stream), False
        return stream.ts

    async def _grow(self, latest: Post) -> None:
        client, stream = await self.client(), latest.stream
        if stream is None:
            wait = latest.due - client.clock()
            if wait > 0 or not client.allows("updates"):
                raise Later(max(wait, _HELD))
            await self._messages.update(latest, self.growing, tries=1)
            return
        text = rendering.stable(latest.wanted)
        if stream.extends(text):
            if text != stream.sent:
                client.pace()
            try:
                await stream.append(text)
                return
            except Dropped:
                latest.stream = None
        elif stream.torn:
            await end(client, self._chat, latest.ts)
            latest.stream = None
        else:
            return  # what was shown has to change: with the last word
        await self._messages.update(latest, self.growing, tries=1)

    async def _complete(self, latest: Post, below: list[Block]) -> None:
        """Show exactly what is wanted, with `below` under it. Raises `Missing`."""
        stream = latest.stream
        if stream is None:
            if not latest.whole or latest.below != below:
                await self._messages.update(latest, below)
            return
        exact = stream.extends(latest.wanted)
        try:
            if exact:
                await stream.stop(latest.wanted, below, self._status.session)
            else:
                await end(await self.client(), self._chat, latest.ts)
        except Dropped:
            exact = False
        latest.stream = None
        if exact:
            self._status.stopped()
            latest.shown, latest.below = latest.wanted, below
        else:
            await self._messages.update(latest, below)

    async def _finish(self, latest: Post, below: list[Block], make: Make) -> None:
        whole = latest.whole
        try:
            await self._complete(latest, below)
        except Missing:
            self._latest = None
            if not whole:
                anew = replace(latest, stream=None, below=below)
                await make(lambda: self._send(anew))

    async def _complete_latest(self) -> None:
        """What comes now comes below everything before it, and nothing is added there any more."""
        if self._shared:
            await files.until_shown(await self.client(), self._chat, self._shared)
            self._shared = []
        if self._latest is not None:
            # What is made anew here bears its mark, so the next attempt finds it without a note.
            await self._finish(self._latest, self._latest.below if self._latest.asks else [], _unnoted)

    async def _turn_to(self, post: str) -> Post:
        """The newest message, or that of an earlier attempt, which may have left its stream open."""
        if self._latest is None or self._latest.ts != post:
            await self._complete_latest()
            await end(await self.client(), self._chat, post)
            self._latest, self._bare = Post(post), False
        return self._latest

    async def _send(self, post: Post) -> str:
        self._latest, self._bare = await self._messages.send(post), False
        return post.ts


async def _unnoted(make: Callable[[], Awaitable[str]]) -> str:
    return await make()
