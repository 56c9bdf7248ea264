"""One answer as Telegram shows it: streamed as a draft or by edits, then standing as messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from telegram.error import BadRequest, InvalidToken

from adapters._draft import PATIENCE, Draft, Later, Ledger, Missing, Stage
from adapters.telegram.buttons import Keyboard, keyboard
from adapters.telegram.client import Client
from adapters.telegram.outbox import Outbox
from adapters.telegram.posts import Moved, TelegramPosts, refused
from adapters.telegram.rendering import CAPTION_LIMIT, split_plain, units
from adapters.telegram.sketch import Sketch
from adapters.telegram.uploads import ALBUM_LIMIT, albums
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
    Store,
    Text,
    Unavailable,
)

_PREVIEW_PACE = 0.7
_PRIVATE_PACE = 1.2  # a message a second in a chat, edits among them
_GROUP_PACE = 3.0  # twenty a minute in a group
_GATHER = 0.2
_TYPING = 4.5  # what is shown as being done is shown for five seconds
_ACTIONS = {"drawing": "upload_photo", "speaking": "record_voice"}

T = TypeVar("T")


class TelegramReply:
    """A `bot.api.Reply`.

    `reply_to` is the message id that the first post answers to in a group (None where there is none, e.g. a
    pressed button). `chat` is the id to write to where it is not the place's any more. `outbox` is one per bot and
    shared by all its replies (flood control per chat). `moved` is told when the group turns out to have become a
    supergroup. `clock` is monotonic.
    """

    def __init__(
        self,
        client: Client,
        message: Incoming,
        journal: Journal,
        *,
        outbox: Outbox,
        store: Store,
        chat: str = "",
        reply_to: int | None = None,
        moved: Moved | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.previews = True
        """Pictures that are not finished are shown."""
        self._private = message.place.kind == "private"
        self._posts = TelegramPosts(client, message, outbox, chat=chat, reply_to=reply_to, moved=moved)
        self._ledger = Ledger(journal, self._posts)
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._draft: Draft | None = None
        pace = _PRIVATE_PACE if self._private else _GROUP_PACE
        self._sketch = Sketch(self._posts, self._ledger, pace=pace, clock=clock)
        self._images: list[Media] = []  # that wait for what comes behind them: another one is of their album
        self._typing: asyncio.Task[None] | None = None

    async def send(self, part: ReplyPart) -> None:
        """Show `part`. Text is shown in the background, and exactly from the next other part on.

        Images wait for the next other part, a `Status` too, because those that follow one another are one album.
        Raises `Gone` and `Unavailable`.
        """
        try:
            if isinstance(part, Status):
                await self._show_images()
                await self._status(part)
                return
            if isinstance(part, Preview):
                await self._close()
                await self._show_images()
                self._sketch.show(part)
                return
            self._hush()
            await self._sketch.settle()
            match part:
                case Text(delta):
                    await self._show_images()
                    await self._drop_sketch()
                    self._write(delta)
                case Media(kind="image"):
                    await self._close()
                    await self._gather(part)
                case End():
                    await self._show_images()
                    await self._drop_sketch()
                    await self._end(part)
                case _:
                    await self._close()
                    await self._show_images()
                    await self._drop_sketch()
                    await self._show(part)
        except (BadRequest, InvalidToken) as error:
            raise refused(error) from None

    async def abandon(self) -> None:
        """Stop typing and writing."""
        self._hush()
        await self._sketch.abandon()
        if self._draft is not None:
            await self._draft.abandon()

    # --- text ------------------------------------------------------------------------------------------------

    def _write(self, delta: str) -> None:
        if self._draft is None:
            self._draft = Draft(
                self._posts,
                self._ledger,
                pace=_PRIVATE_PACE if self._private else _GROUP_PACE,
                preview_pace=_PREVIEW_PACE,
                gather=0.0 if self._posts.previews else _GATHER,
                clock=self._clock,
                sleep=self._sleep,
            )
        self._draft.add(delta)

    async def _close(self, stage: Stage = "full") -> None:
        """Finish the text before something else comes."""
        if self._draft is not None:
            await self._draft.finish(stage)
            self._draft = None

    async def _end(self, end: End) -> None:
        self._posts.last = await keyboard(self._store, end.offers)
        await self._close("last")
        await self._patiently(self._ledger.clear)
        await self._patiently(lambda: self._posts.offer(self._posts.last))

    # --- everything else -------------------------------------------------------------------------------------

    async def _show(self, part: Media | Choices | Notice) -> None:
        if isinstance(part, Notice):
            await self._say(part.text)
        elif isinstance(part, Choices):
            await self._say(part.text, await keyboard(self._store, part.options))
        else:
            await self._upload([part])

    async def _gather(self, image: Media) -> None:
        self._images.append(image)
        if len(self._images) == ALBUM_LIMIT:
            await self._show_images()

    async def _show_images(self) -> None:
        while self._images:
            album = albums(self._images)[0]
            await self._upload(album)
            del self._images[: len(album)]

    async def _upload(self, media: Sequence[Media]) -> None:
        """Send one, or several as an album; captions that are too long follow as text."""
        long = [one.caption for one in media if units(one.caption) > CAPTION_LIMIT]
        shown = [replace(one, caption="") if one.caption in long else one for one in media]
        if not await self._finished_sketch(shown):
            await self._post_media(shown)
        for caption in long:
            await self._say(caption)

    async def _finished_sketch(self, shown: Sequence[Media]) -> bool:
        """Whether it is one picture, which stands where it was shown before it was finished."""
        if len(shown) == 1 and shown[0].kind == "image":
            return await self._patiently(partial(self._sketch.finish, shown[0]))
        await self._drop_sketch()
        return False

    async def _drop_sketch(self) -> None:
        """Something else comes in the place of a picture that was never finished."""
        await self._patiently(self._sketch.remove)

    async def _post_media(self, shown: Sequence[Media]) -> None:
        try:
            make = (
                partial(self._posts.album, shown) if len(shown) > 1 else partial(self._posts.show, shown[0])
            )
            await self._patiently(partial(self._ledger.make, make))
        except BadRequest:
            if len(shown) == 1:
                raise
            for one in shown:  # one of them is no picture to Telegram, and with it the whole album
                await self._patiently(partial(self._ledger.make, partial(self._posts.show, one)))

    async def _say(self, text: str, markup: Keyboard | None = None) -> None:
        pieces = split_plain(text)
        for number, piece in enumerate(pieces, 1):
            below = markup if number == len(pieces) else None
            earlier = self._ledger.again()
            if earlier is None or not await self._said_in(earlier, piece, below):
                make = partial(self._posts.say, piece, below)
                await self._patiently(partial(self._ledger.make, make))

    async def _said_in(self, post: str, text: str, markup: Keyboard | None) -> bool:
        try:
            await self._patiently(lambda: self._posts.say_in(post, text, markup))
        except Missing:
            return False
        return True

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
        self._posts.growing = await keyboard(self._store, status.offers)
        self._hush()
        if status.doing == "speaking":  # what is spoken has all been written
            await self._close()
        owner = asyncio.current_task()
        if self._draft is None and owner is not None:
            action = _ACTIONS.get(status.doing, "typing")
            self._typing = asyncio.create_task(self._act(action, owner))

    async def _act(self, action: str, owner: asyncio.Task[object]) -> None:
        """Until the first words, or until whoever answers has given up."""
        while not owner.done():
            try:
                await self._posts.act(action)
            except (Gone, BadRequest, InvalidToken):
                return  # it is the words' business to find out and to tell
            except Unavailable:
                await self._sleep(_TYPING)
                continue
            await self._sleep(_TYPING)

    def _hush(self) -> None:
        if self._typing is not None:
            self._typing.cancel()
            self._typing = None
