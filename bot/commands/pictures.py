"""Pictures made and changed: /image, /edit, /variation, and a reply to a picture of the bot's."""

from __future__ import annotations

import asyncio
import base64
import re
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from time import time
from types import MappingProxyType
from typing import Literal

import structlog

from bot.api import Media, Option, Preview, Status, Unavailable, Usage
from bot.attached import Attached
from bot.commands import Call, Command
from bot.commands.media import AT_ONCE, attached, fetched
from bot.commands.wishes import MOST, POSSIBLE, Fault, Wish, read
from bot.delivery import Delivery, Handler
from bot.easel import LARGEST, PLACES, Easel
from bot.endpoints.images import Drawn, Finished, Image, Partial, Source
from bot.errors import EmptyAnswer, Indigestible, MessageTooLong, NoImages
from bot.media.kinds import sniff
from bot.media.workshop import Workshop
from bot.meter import Meter
from bot.routing import Router
from bot.speakers import signed
from bot.tokens import estimate
from bot.tools import note_of
from bot.window import Exchange, Turn, Windows

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
_DRAWN = "drawn"  # what the journal's answer begins with where it is pictures; then comes how many
_ALPHA = (4, 6)  # colour types of a PNG with transparency (RFC 2083, 4.1.1), whose byte is the 26th

_ANOTHER = "another one like it"

What = Literal["image", "edit"]

DID: Mapping[What, str] = MappingProxyType({"image": "drew", "edit": "changed the picture"})
"""What the dialogue says of it, in English, because a model reads it."""

_log = structlog.get_logger(__name__)


class Pictures:
    """The commands about pictures."""

    def __init__(
        self,
        router: Router,
        meter: Meter,
        workshop: Workshop,
        easel: Easel,
        attached: Attached,
        *,
        windows: Windows,
        clock: Callable[[], float] = time,
    ) -> None:
        self._router = router
        self._meter = meter
        self._workshop = workshop
        self._easel = easel
        self._attached = attached
        self._windows = windows
        self._clock = clock
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
        message, quoted, kept = delivery.message, delivery.message.quoted, delivery.hold.kept
        if kept is not None:
            return kept.startswith(_DRAWN)  # as it was decided then, whoever draws now
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
        call: int,
        journal: Callable[[], Awaitable[None]],
    ) -> bool | None:
        """Draw one picture, or change the one that is meant, and show it; the reply goes on.

        It is the `call`-th of the answer. `journal` is called before it is shown. False where the person stopped it,
        None where there is none to change.
        Raises `NoImages`, `MessageTooLong`, and the errors of `Router.image` and of `Meter.work`.
        """
        self._check(wish, what)

        async def noted(pictures: int) -> None:
            await journal()

        if what == "image":
            drawn = self._router.image(wish.prompt, size=wish.size, partials=_previews(delivery))
            return await self._made(delivery, what, wish, drawn, journal=noted, call=call)
        async with self._room:
            sources, _ = await self._sources(delivery)
        if not sources:
            return None
        drawn = self._router.edit(sources, wish.prompt, partials=_previews(delivery))
        return await self._made(delivery, what, wish, drawn, journal=noted, call=call)

    async def again(self, delivery: Delivery, what: What, wish: Wish, places: Collection[int]) -> bool:
        """Show once more what an earlier attempt drew, in these places of the easel. Was all of it there?

        The place 0 is that of the last picture.
        """
        found = [await self._kept(delivery, place) for place in places]
        images = [Image(picture.data, picture.mime) for picture in found if picture]
        cost = await self._meter.cost(what, len(found), wish.model)
        await self._show(delivery, wish, cost, images)
        return len(images) == len(found)

    async def _kept(self, delivery: Delivery, place: int) -> Source | None:
        if not place:
            return await self._easel.picture(delivery.conversation)
        return await self._easel.drawn(delivery.conversation, delivery.message.key, place)

    # --- drawing ---------------------------------------------------------------------------------------------

    async def _done(self, delivery: Delivery, wish: Wish, what: What) -> bool:
        """Whether an earlier attempt drew it: then it is shown again. Raises `NoImages`, `MessageTooLong`.

        What is not there any more is told of, for it is paid.
        """
        if (kept := delivery.hold.kept) is None:
            self._check(wish, what)
            return False
        noted = kept.removeprefix(_DRAWN).strip()
        # An earlier version noted no number, and kept one.
        places = range(1, int(noted) + 1) if noted.isdecimal() else (0,)
        if not await self.again(delivery, what, wish, places):
            await delivery.notice("image.lost")
        await self._end(delivery)
        await self._remember(delivery, what, wish)
        return True

    def _check(self, wish: Wish, what: What) -> None:
        if not wish.model and not self._router.can(what):
            raise NoImages("not set up")
        if len(wish.prompt) > PROMPT_LIMIT:
            raise MessageTooLong(f"{len(wish.prompt)} characters of a wish", limit=PROMPT_LIMIT)

    async def _draw(self, delivery: Delivery, what: What, wish: Wish, drawn: AsyncGenerator[Drawn]) -> None:
        async def noted(pictures: int) -> None:
            await delivery.hold.keep(f"{_DRAWN} {pictures}")

        if await self._made(delivery, what, wish, drawn, journal=noted):
            await self._end(delivery)
            await self._remember(delivery, what, wish)
        else:
            await delivery.notice("stopped")

    async def _remember(self, delivery: Delivery, what: What, wish: Wish) -> None:
        """Note it in the dialogue: what is said next, such as “make it brighter”, may be about the picture."""
        message, note = delivery.message, note_of(DID[what], wish.prompt or _ANOTHER)
        text = signed(message.person, message.text) if delivery.shared else message.text
        turns = (Turn("user", text, estimate(text)), Turn("assistant", note, estimate(note)))
        now = self._clock()
        if delivery.window != delivery.home:
            await self._windows.enlist(delivery.home, delivery.window, now)
        await self._windows.append(delivery.window, Exchange(message.origin, now, turns))

    async def _made(
        self,
        delivery: Delivery,
        what: What,
        wish: Wish,
        drawn: AsyncGenerator[Drawn],
        *,
        journal: Callable[[int], Awaitable[None]],
        call: int = 0,
    ) -> bool:
        """Whether it is drawn, kept, noted and shown; not where the person stopped it.

        `journal` hears how many pictures can be shown again.
        """
        if delivery.stopping.is_set():
            return False  # whoever has stopped an earlier attempt has paid for that one
        await delivery.send(Status("drawing", (Option(delivery.say("offer.stop"), "/stop"),)))
        message, attempt = delivery.message, delivery.hold.attempt
        purpose = f"call {call}" if call else ""
        async with self._meter.work(
            what, wish.n, message, model=wish.model, attempt=attempt, purpose=purpose, warn=delivery.later
        ) as bill:
            async with aclosing(drawn):
                finished = await self._finished(delivery, drawn)
            if finished is None:
                bill.done, bill.stopped = wish.n, True  # whoever draws wants to be paid
                return False
            bill.done, bill.usage = len(finished.images), finished.usage or Usage(0, 0)
            await journal(await self._keep(delivery, finished.images, call))
            cost = await self._meter.cost(what, bill.done, wish.model, bill.usage)
        await self._show(delivery, wish, cost, finished.images)
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
            try:
                await delivery.send(Preview(mime, data))
            except Unavailable as away:  # the finished one is paid for, and shown when the platform is back
                _log.info("preview.unshown", detail=str(away))

    async def _show(self, delivery: Delivery, wish: Wish, cost: str, images: Sequence[Image]) -> None:
        caption = "\n".join(filter(None, (shortened(wish.prompt), cost)))
        for number, image in enumerate(images):
            await delivery.send(Media("image", image.mime, image.data, "" if number else caption))

    async def _end(self, delivery: Delivery) -> None:
        offers = (Option(delivery.say("offer.variation"), "/variation"),) if self._router.can("edit") else ()
        await delivery.end(None, *offers)

    async def _keep(self, delivery: Delivery, images: Sequence[Image], call: int) -> int:
        """Put what was drawn onto the easel, that of a `call` into its place; how many there are now."""
        kept = images[-1:] if call else images[:PLACES]
        for place, image in enumerate(kept, call or 1):
            data, mime = image.data, image.mime
            if len(data) > LARGEST:
                try:
                    smaller = await self._workshop.picture(data)
                    data, mime = smaller.data, smaller.mime
                except Indigestible as refused:  # it is shown once, and cannot be changed
                    _log.warning("picture.not_kept", bytes=len(data), reason=type(refused).__name__)
            await self._easel.put(
                delivery.conversation, Source(data, mime), of=delivery.message.key, place=place
            )
        return len(kept)

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
