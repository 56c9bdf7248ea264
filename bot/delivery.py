"""One answer on its way out: fenced by the lease, in the person's language, stoppable, ended exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from bot.api import (
    Attachment,
    End,
    Gone,
    Incoming,
    Media,
    Notice,
    Option,
    Reply,
    ReplyPart,
    Said,
    Sketching,
    Text,
    Unavailable,
    Usage,
    VoiceForm,
)
from bot.errors import EndpointBusy, LeaseLost, ParleyError
from bot.limits import Limited, span
from bot.profile import Profile

T = TypeVar("T")


class Say(Protocol):
    """The bot's own words in a language: `i18n.Catalogue.say`."""

    def __call__(self, language: str, key: str, **values: str | int) -> str:
        """The sentence for `key`."""


class Hold(Protocol):
    """The worker's hold on the message: its lease and its journal."""

    attempt: int
    """1 for the first attempt at this message."""

    kept: str | None
    """The finished answer of an earlier attempt: to be delivered, not asked for again."""

    def held(self) -> bool:
        """Whether the lease is surely still ours."""

    async def keep(self, answer: str) -> None:
        """Put the finished answer into the journal. Raises `LeaseLost`, `StoreAway`."""


async def nothing_earlier() -> Sequence[Said]:
    """Nobody tells what was said before."""
    return ()


async def nobody() -> bool:
    """Nobody runs this group, as far as anybody tells."""
    return False


async def nothing_kept() -> None:
    """Nobody keeps anything."""


async def as_it_is(media: Media) -> Media:
    """Every platform shows it."""
    return media


async def nothing_fetched(attachment: Attachment) -> bytes:
    """Nobody has what was attached."""
    raise Gone(f"nobody to fetch {attachment.kind} from")


class Delivery:
    """What the core's handlers answer to: an adapter's `Reply` with the rules of the house around it.

    `ref` is the reference id of the message; `stopping` is set when the person asks to stop, `withdrawn` when they
    deleted the message: then nothing more is said. `home` is the conversation outside all threads, `shared` says
    that several people talk in this one, and `earlier` asks the platform what was said before (`Adapter.earlier`),
    `fetch` for what was attached (`Adapter.fetch`), `administers` whether the person runs the group
    (`Adapter.administers`, remembered for a while). `forget` has the adapter keep nothing of the person
    (`Retentive.forget`). Speech is to be written in `voice_form`. While it is `muted`,
    no text of an answer is shown: it will be spoken instead. `previews`: unfinished pictures are shown.
    """

    def __init__(
        self,
        message: Incoming,
        conversation: str,
        reply: Reply,
        hold: Hold,
        *,
        ref: str,
        profile: Profile,
        language: str,
        say: Say,
        home: str = "",
        shared: bool = False,
        earlier: Callable[[], Awaitable[Sequence[Said]]] = nothing_earlier,
        fetch: Callable[[Attachment], Awaitable[bytes]] = nothing_fetched,
        administers: Callable[[], Awaitable[bool]] = nobody,
        forget: Callable[[], Awaitable[None]] = nothing_kept,
        voice_form: VoiceForm = "ogg-opus",
        picture_limit: int = 0,
    ) -> None:
        self.message = message
        self.conversation = conversation
        self.home = home or conversation
        self.shared = shared
        self.earlier = earlier
        self.fetch = fetch
        self.administers = administers
        self.forget = forget
        self.voice_form = voice_form
        self.picture_limit = picture_limit
        self.fit: Callable[[Media], Awaitable[Media]] = as_it_is
        self.muted = False
        self.previews = isinstance(reply, Sketching) and reply.previews
        self.hold = hold
        self.ref = ref
        self.profile = profile
        self.language = language
        self.stopping = asyncio.Event()
        self.withdrawn = False
        self.ended = False
        self._closed = False  # the end has been shown, too
        self._away: Unavailable | None = None
        self._behind: list[Notice] = []  # said last, before the end
        self._reply = reply
        self._say = say

    @property
    def window(self) -> str:
        """The context window in use: the conversation's own, or that of the session it has switched to."""
        session = self.profile.session
        return f"{self.conversation}#{session}" if session else self.conversation

    def stop(self, *, withdrawn: bool = False) -> None:
        """Have the answer end here."""
        self.withdrawn = self.withdrawn or withdrawn
        self.stopping.set()

    async def send(self, part: ReplyPart) -> None:
        """Show `part`. Raises `LeaseLost` where the message belongs to another worker by now.

        Where text cannot be shown because the platform is away, that is raised by the next part that is no text: so
        an answer comes to its end, and is kept, before it is put off, and need not be asked for again.
        """
        if self.ended:
            raise RuntimeError(f"{type(part).__name__} after the end of the reply")
        if self.picture_limit and isinstance(part, Media) and part.kind == "image":
            part = await self.fit(part)
        if not self.hold.held():
            raise LeaseLost(self.message.key)
        if isinstance(part, Notice) and not part.text:
            part = replace(part, text=self.say(part.key, **part.values))
        if self.muted and isinstance(part, Text):
            return
        if self._away is not None:
            if isinstance(part, Text):
                return
            raise self._away
        self.ended = isinstance(part, End)
        try:
            await self._reply.send(part)
        except Unavailable as error:
            if not isinstance(part, Text):
                raise
            self._away = error
        self._closed = self.ended

    def say(self, key: str, **values: str | int) -> str:
        """The sentence for `key` in the person's language; `{ref}` is always known."""
        return self._say(self.language, key, **{"ref": self.ref, **values})

    async def notice(self, key: str, **values: str | int) -> None:
        """Say `key` with the bot's own voice."""
        await self.send(Notice(key, values))

    async def later(self, notice: Notice) -> None:
        """Say it behind all the rest of the reply: what is paid for must not be lost because this cannot be shown."""
        self._behind.append(notice)

    async def fault(self, error: ParleyError) -> None:
        """Say a failure in plain words."""
        if isinstance(error, Limited):
            await self.notice(error.key, wait=span(self.say, error.wait), **error.values)
        elif isinstance(error, EndpointBusy) and error.retry_after >= 1:
            await self.notice("error.endpoint_busy_for", seconds=round(error.retry_after))
        else:
            await self.notice(error.user_key, **error.values)

    async def end(
        self, usage: Usage | None = None, *offers: Option, ratings: tuple[Option, ...] = ()
    ) -> None:
        """End the reply, unless it has ended."""
        if not self.ended:
            behind, self._behind = [] if self.withdrawn else self._behind, []
            for notice in behind:
                await self.send(notice)
            await self.send(End(usage, offers, ratings))

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` gives; None where the person stopped it before it was done."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, stopping):
                if not task.done():
                    task.cancel()
            await asyncio.wait({working, stopping})
        return None if working.cancelled() else working.result()

    async def abandon(self) -> None:
        """Show nothing more, where the reply has not come to its end."""
        if not self._closed:
            self.ended = self._closed = True
            await self._reply.abandon()


Handler = Callable[[Delivery], Awaitable[None]]
"""The dialogue, each middleware and their stack: answers `delivery.message` by `delivery.send`."""
