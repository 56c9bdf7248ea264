"""Pictures made and changed: /image, /edit, /variation, and a reply to a picture of the bot's."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Literal

from bot.api import Media, Option, Status, Usage
from bot.commands import Call, Command
from bot.commands.media import AT_ONCE, attached, fetched
from bot.commands.wishes import MOST, POSSIBLE, Fault, Wish, read
from bot.delivery import Delivery, Handler
from bot.easel import LARGEST, Easel
from bot.endpoints.images import Drawn, Finished, Source
from bot.errors import EmptyAnswer, MessageTooLong, NoImages
from bot.media.kinds import sniff
from bot.media.workshop import Workshop
from bot.meter import Meter
from bot.routing import Router

SOURCES = 4
"""Pictures that are changed together; a mask is one of them."""

PROMPT_LIMIT = 32_000
"""Characters of a wish (platform.openai.com/docs/api-reference/images/create)."""

_CAPTION = 200  # characters of the wish under its picture
_QUESTION = re.compile(r"[?？][\s\"”'）)]*$")
_ALPHA = (4, 6)  # colour types of a PNG with transparency (RFC 2083, 4.1.1), whose byte is the 26th

What = Literal["image", "edit"]


class Pictures:
    """The commands about pictures."""

    def __init__(self, router: Router, meter: Meter, workshop: Workshop, easel: Easel) -> None:
        self._router = router
        self._meter = meter
        self._workshop = workshop
        self._easel = easel
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
        elif not self._done(delivery, wish, "image"):
            drawn = self._router.image(
                wish.prompt, size=wish.size, quality=wish.quality, n=wish.n, background=wish.background,
                model=wish.model,
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
        if self._done(delivery, wish, "edit"):
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
            background=wish.background, model=wish.model,
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

    # --- drawing ---------------------------------------------------------------------------------------------

    def _done(self, delivery: Delivery, wish: Wish, what: What) -> bool:
        """Whether an earlier attempt sent it. Raises `NoImages`, `MessageTooLong`."""
        if not wish.model and not self._router.can(what):
            raise NoImages("not set up")
        if len(wish.prompt) > PROMPT_LIMIT:
            raise MessageTooLong(f"{len(wish.prompt)} characters of a wish", limit=PROMPT_LIMIT)
        return delivery.hold.kept is not None

    async def _draw(self, delivery: Delivery, what: What, wish: Wish, drawn: AsyncGenerator[Drawn]) -> None:
        await delivery.send(Status("drawing", (Option(delivery.say("offer.stop"), "/stop"),)))
        message, attempt = delivery.message, delivery.hold.attempt
        async with self._meter.work(
            what, wish.n, message, model=wish.model, attempt=attempt, warn=delivery.send
        ) as bill:
            finished = await delivery.unless_stopped(_finished(drawn))
            if finished is None:
                bill.done = wish.n  # it has been begun, and whoever draws wants to be paid
                await delivery.notice("stopped")
                return
            bill.done, bill.usage = len(finished.images), finished.usage or Usage(0, 0)
            cost = await self._meter.cost(what, len(finished.images), wish.model)
            caption = "\n".join(filter(None, (shortened(wish.prompt), cost)))
            for number, image in enumerate(finished.images):
                await delivery.send(Media("image", image.mime, image.data, "" if number else caption))
            await self._keep(delivery, finished)
        await delivery.hold.keep("drawn")
        offers = (Option(delivery.say("offer.variation"), "/variation"),) if self._router.can("edit") else ()
        await delivery.end(None, *offers)

    async def _keep(self, delivery: Delivery, finished: Finished) -> None:
        last = finished.images[-1]
        data, mime = last.data, last.mime
        if len(data) > LARGEST:
            smaller = await self._workshop.picture(data)
            data, mime = smaller.data, smaller.mime
        await self._easel.put(delivery.conversation, Source(data, mime))

    async def _sources(self, delivery: Delivery) -> tuple[list[Source], Source | None]:
        """The pictures that are meant, and a mask, if the second of two is one."""
        found = attached(delivery, "image")
        if not found:
            last = await self._easel.picture(delivery.conversation)
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


async def _finished(drawn: AsyncGenerator[Drawn]) -> Finished:
    async with aclosing(drawn) as parts:
        async for part in parts:
            if isinstance(part, Finished):
                return part
    raise EmptyAnswer("a drawing that never ended")


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
