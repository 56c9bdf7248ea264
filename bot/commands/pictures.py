"""Pictures made and changed: /image, /edit, /variation, and a reply to a picture of the bot's."""

from __future__ import annotations

import asyncio
import base64
import re
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Literal

import structlog

from bot.api import Media, Notice, Option, Preview, Status, Usage
from bot.attached import Attached
from bot.commands import Call, Command
from bot.commands.media import AT_ONCE, attached, fetched
from bot.commands.wishes import MOST, POSSIBLE, Fault, Wish, read
from bot.delivery import Delivery, Handler
from bot.easel import LARGEST, Easel
from bot.endpoints.images import Drawn, Finished, Image, Partial, Source
from bot.errors import EmptyAnswer, Indigestible, MessageTooLong, NoImages
from bot.media.kinds import sniff
from bot.media.workshop import Workshop
from bot.meter import Meter
from bot.routing import Router

SOURCES = 4
"""Pictures that are changed together; a mask is one of them."""

PROMPT_LIMIT = 32_000
"""Characters of a wish (platform.openai.com/docs/api-reference/images/create)."""

PREVIEW = 256 * 1024
"""Bytes of an unfinished picture as it is shown; a larger one is made smaller first."""

_PREVIEWS = 3  # of one picture, at most
_PATCHES, _QUALITY = 400, 70  # 640 × 640 pixels, whose JPEG is hardly ever more than `PREVIEW`
_CAPTION = 200  # characters of the wish under its picture
_QUESTION = re.compile(r"[?？][\s\"”'）)]*$")
_ALPHA = (4, 6)  # colour types of a PNG with transparency (RFC 2083, 4.1.1), whose byte is the 26th

What = Literal["image", "edit"]

_log = structlog.get_logger(__name__)


class Pictures:
    """The commands about pictures."""

    def __init__(
        self, router: Router, meter: Meter, workshop: Workshop, easel: Easel, attached: Attached
    ) -> None:
        self._router = router
        self._meter = meter
        self._workshop = workshop
        self._easel = easel
        self._attached = attached
        self._room = asyncio.Semaphore(AT_ONCE)

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("image", self.image, ("draw", "imagine", "画图", "畫圖", "画", "畫")),
            Command("edit", self.edit, ("改图", "改圖", "修图", "修圖")),
            Command("variation", self.variation, ("vary", "变体", "變體")),
        ]

    async def image(self, call: Call) -> None:
        """Draw what the argument says, or the message that is replied to."""
        delivery = call.delivery
        quoted = delivery.message.quoted.text if delivery.message.quoted else ""
        wish = read(call.argument)
        if isinstance(wish, Wish) and not wish.prompt:
            wish = replace(wish, prompt=quoted)
        if isinstance(wish, Fault):
            await self._refuse(delivery, wish)
        elif not wish.prompt:
            await delivery.notice("image.how", most=MOST)
        elif not await self._done(delivery, wish, "image"):
            drawn = self._router.image(
                wish.prompt, size=wish.size, quality=wish.quality, n=wish.n, background=wish.background,
                model=wish.model, partials=_previews(delivery),
            )  # fmt: skip
            await self._draw(delivery, "image", wish, drawn)

    async def edit(self, call: Call) -> None:
        """Change the attached picture, the one that is replied to, or the last one."""
        wish = read(call.argument)
        if isinstance(wish, Fault):
            await self._refuse(call.delivery, wish)
        elif not wish.prompt:
            await call.delivery.notice("edit.how")
        else:
            await self.change(call.delivery, wish)

    async def variation(self, call: Call) -> None:
        """Another picture like the attached one, the one that is replied to, or the last one."""
        wish = read(call.argument)
        if isinstance(wish, Fault):
            await self._refuse(call.delivery, wish)
        else:
            await self.change(call.delivery, wish)

    async def change(self, delivery: Delivery, wish: Wish) -> None:
        """Change the picture that is meant as the wish says; without words, make a variation."""
        if await self._done(delivery, wish, "edit"):
            return
        if len(attached(delivery, "image")) > SOURCES:
            await delivery.notice("edit.too_many", most=SOURCES)
            return
        async with self._room:
            sources, mask = await self._sources(delivery)
        if not sources:
            await delivery.notice("edit.nothing")
            return
        drawn = self._router.edit(
            sources, wish.prompt, mask=mask, size=wish.size, quality=wish.quality, n=wish.n,
            background=wish.background, model=wish.model, partials=_previews(delivery),
        )  # fmt: skip
        await self._draw(delivery, "edit", wish, drawn)

    def retouches(self, delivery: Delivery) -> bool:
        """Whether the message is words about a picture of the bot's: a change that is wanted, and no question."""
        message, quoted = delivery.message, delivery.message.quoted
        if quoted is None or not quoted.ours or message.attachments or message.edits:
            return False
        pictured = any(attachment.kind == "image" for attachment in quoted.attachments)
        wanted = bool(message.text.strip()) and not _QUESTION.search(message.text.strip())
        return pictured and wanted and self._router.can("edit")

    # --- for a model that calls for it ---------------------------------------------------------------------------

    def can(self, what: What) -> bool:
        """Whether somebody draws, as far as is known."""
        return self._router.can(what)

    async def draw(
        self,
        delivery: Delivery,
        what: What,
        wish: Wish,
        *,
        purpose: str,
        journal: Callable[[], Awaitable[None]],
    ) -> bool | None:
        """Draw one picture, or change the one that is meant, and show it; the reply goes on.

        `journal` is called before it is shown. False where the person stopped it, None where there is none to change.
        Raises `NoImages`, `MessageTooLong`, and the errors of `Router.image` and of `Meter.work`.
        """
        self._check(wish, what)
        if what == "image":
            drawn = self._router.image(wish.prompt, size=wish.size, partials=_previews(delivery))
            return await self._made(delivery, what, wish, drawn, journal=journal, purpose=purpose)
        async with self._room:
            sources, _ = await self._sources(delivery)
        if not sources:
            return None
        drawn = self._router.edit(sources, wish.prompt, partials=_previews(delivery))
        return await self._made(delivery, what, wish, drawn, journal=journal, purpose=purpose)

    async def again(self, delivery: Delivery, what: What, wish: Wish) -> bool:
        """Show the last picture once more. Is there one?"""
        last = await self._easel.picture(delivery.conversation)
        if last is None:
            return False
        cost = await self._meter.cost(what, 1, wish.model)
        await self._show(delivery, wish, cost, [Image(last.data, last.mime)])
        return True

    # --- drawing ---------------------------------------------------------------------------------------------

    async def _done(self, delivery: Delivery, wish: Wish, what: What) -> bool:
        """Whether an earlier attempt drew it: then it is shown again. Raises `NoImages`, `MessageTooLong`."""
        self._check(wish, what)
        if delivery.hold.kept is None or not await self.again(delivery, what, wish):
            return False
        await self._end(delivery)
        return True

    def _check(self, wish: Wish, what: What) -> None:
        if not wish.model and not self._router.can(what):
            raise NoImages("not set up")
        if len(wish.prompt) > PROMPT_LIMIT:
            raise MessageTooLong(f"{len(wish.prompt)} characters of a wish", limit=PROMPT_LIMIT)

    async def _draw(self, delivery: Delivery, what: What, wish: Wish, drawn: AsyncGenerator[Drawn]) -> None:
        if await self._made(delivery, what, wish, drawn, journal=partial(delivery.hold.keep, "drawn")):
            await self._end(delivery)
        else:
            await delivery.notice("stopped")

    async def _made(
        self,
        delivery: Delivery,
        what: What,
        wish: Wish,
        drawn: AsyncGenerator[Drawn],
        *,
        journal: Callable[[], Awaitable[None]],
        purpose: str = "",
    ) -> bool:
        """Whether it is drawn, noted and shown; not where the person stopped it."""
        await delivery.send(Status("drawing", (Option(delivery.say("offer.stop"), "/stop"),)))
        message, attempt = delivery.message, delivery.hold.attempt
        warnings: list[Notice] = []

        async def later(warning: Notice) -> None:
            warnings.append(warning)

        async with self._meter.work(
            what, wish.n, message, model=wish.model, attempt=attempt, purpose=purpose, warn=later
        ) as bill:
            async with aclosing(drawn):
                finished = await self._finished(delivery, drawn)
            if finished is None:
                bill.done, bill.stopped = wish.n, True  # whoever draws wants to be paid
                return False
            bill.done, bill.usage = len(finished.images), finished.usage or Usage(0, 0)
            await self._keep(delivery, finished)
            if len(finished.images) == 1:  # of several, only one is kept
                await journal()
            cost = await self._meter.cost(what, bill.done, wish.model, bill.usage)
        await self._show(delivery, wish, cost, finished.images)
        for warning in warnings:
            await delivery.send(warning)
        return True

    async def _finished(self, delivery: Delivery, drawn: AsyncGenerator[Drawn]) -> Finished | None:
        """What comes of a drawing, which is shown as it grows; None where the person stops it."""
        while (part := await delivery.unless_stopped(_next(drawn))) is not None:
            if isinstance(part, Finished):
                return part
            await self._preview(delivery, part)
        return None

    async def _preview(self, delivery: Delivery, part: Partial) -> None:
        data, mime = part.image.data, part.image.mime
        if len(data) > PREVIEW:
            try:
                small = await self._workshop.picture(data, patches=_PATCHES, quality=_QUALITY)
            except Indigestible:
                return  # the finished one will do
            data, mime = small.data, small.mime
        if len(data) <= PREVIEW:
            await delivery.send(Preview(mime, data))

    async def _show(self, delivery: Delivery, wish: Wish, cost: str, images: Sequence[Image]) -> None:
        caption = "\n".join(filter(None, (shortened(wish.prompt), cost)))
        for number, image in enumerate(images):
            await delivery.send(Media("image", image.mime, image.data, "" if number else caption))

    async def _end(self, delivery: Delivery) -> None:
        offers = (Option(delivery.say("offer.variation"), "/variation"),) if self._router.can("edit") else ()
        await delivery.end(None, *offers)

    async def _keep(self, delivery: Delivery, finished: Finished) -> None:
        last = finished.images[-1]
        data, mime = last.data, last.mime
        if len(data) > LARGEST:
            try:
                smaller = await self._workshop.picture(data)
                data, mime = smaller.data, smaller.mime
            except Indigestible as refused:  # it is shown all the same, and cannot be changed
                _log.warning("picture.not_kept", bytes=len(data), reason=type(refused).__name__)
        await self._easel.put(delivery.conversation, Source(data, mime))

    async def _sources(self, delivery: Delivery) -> tuple[list[Source], Source | None]:
        """The pictures that are meant, and a mask, if the second of two is one."""
        found = attached(delivery, "image")
        if not found and delivery.message.attachments:
            return [], None  # something else was meant than the last picture
        if not found:
            last = await self._easel.picture(delivery.conversation) or await self._seen(delivery)
            return ([last] if last else []), None
        await delivery.send(Status("drawing"))
        sources: list[Source] = []
        size = (0, 0)
        for attachment in found:
            data = await fetched(delivery, attachment)
            if sources and len(found) == 2 and _masks(data, size):
                mask = await self._workshop.png(data, size=size, mask=True)
                return sources, Source(mask.data, mask.mime)
            picture = await self._workshop.png(data)
            size = (picture.width, picture.height)
            sources.append(Source(picture.data, picture.mime))
        return sources, None

    async def _seen(self, delivery: Delivery) -> Source | None:
        """The picture that the dialogue was last about: many an app can neither quote one nor put words beside it."""
        if (url := await self._attached.latest(delivery.window)) is None:
            return None
        made = await self._workshop.png(base64.b64decode(url.partition(",")[2]))
        return Source(made.data, made.mime)

    async def _refuse(self, delivery: Delivery, fault: Fault) -> None:
        if fault.possible:
            values = {"option": fault.option, "value": fault.value[:40] or "–", "possible": fault.possible}
            await delivery.notice("image.bad_value", **values)
        else:
            options = ", ".join(f"--{name}" for name in (*POSSIBLE, "model"))
            await delivery.notice("image.unknown_option", option=fault.option[:40], possible=options)


class Retouching:
    """Takes words that answer a picture of the bot's as a wish to change it; a `delivery.Handler`."""

    def __init__(self, pictures: Pictures, following: Handler) -> None:
        self._pictures = pictures
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Change the picture, or pass the message on."""
        if self._pictures.retouches(delivery):
            await self._pictures.change(delivery, Wish(delivery.message.text.strip()))
        else:
            await self._following(delivery)


def _previews(delivery: Delivery) -> int:
    """How many unfinished pictures are welcome: none where nobody would see them, for they are not free."""
    return _PREVIEWS if delivery.previews else 0


async def _next(drawn: AsyncGenerator[Drawn]) -> Drawn:
    try:
        return await anext(drawn)
    except StopAsyncIteration:
        raise EmptyAnswer("a drawing that never ended") from None


def _masks(data: bytes, size: tuple[int, int]) -> bool:
    """Whether these bytes are a PNG that can have transparent parts, of the same shape as a picture of this size."""
    if sniff(data).form != "png" or len(data) < 26 or data[25] not in _ALPHA:
        return False
    own: tuple[int, int] = struct.unpack(">II", data[16:24])
    return abs(own[0] * size[1] - own[1] * size[0]) <= 0.02 * own[0] * size[1]


def shortened(prompt: str) -> str:
    """A wish for under its picture."""
    line = " ".join(prompt.split())
    return line if len(line) <= _CAPTION else line[: _CAPTION - 1].rstrip() + "…"
