"""An answer in an Official Account: put down whole, carried by a delivery that is open, else by customer service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from adapters._numbered import Numbered
from adapters._plain import legible
from adapters._tencent import Api
from adapters.wechat.official.content import Script, offered, uploaded
from adapters.wechat.official.load import ROOM, Item
from adapters.wechat.official.outbox import SERVICE, Outbox, person_of
from adapters.wechat.official.pace import Pace
from adapters.wechat.official.service import MOST, NotTaken, Service
from adapters.wechat.words import both, say
from bot.api import (
    Choices,
    End,
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

LEGIBLE = MOST * ROOM
"""Bytes of a file of text that is said instead of sent: what the messages of one answer hold."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What every reply of an account needs. `clock` is the time of day in seconds."""

    api: Api
    outbox: Outbox
    service: Service
    numbered: Numbered
    pace: Pace
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


class OfficialReply:
    """`bot.api.Reply`: nothing is shown before the `End`, except that an answer is being typed."""

    def __init__(self, means: Means, incoming: Incoming, journal: Journal) -> None:
        self._means = means
        self._incoming = incoming
        self._journal = journal
        self._person = person_of(incoming)
        self._openid = incoming.place.chat
        self._language = incoming.person.language
        self._script = Script()
        self._typing: asyncio.Task[None] | None = None

    async def send(self, part: ReplyPart) -> None:
        """Take `part`; at the `End`, see to it that it reaches the person. Raises `Unavailable`."""
        if not isinstance(part, End) and self._typing is None:
            self._typing = asyncio.create_task(self._type())
        match part:
            case Text(delta):
                self._script.text(delta)
            case Notice(text=text):
                self._script.words(text)
            case Choices():
                hint = say(self._language, "number")
                self._script.words(await self._means.numbered.show(self._person, part, hint))
            case Media():
                await self._show(part)
            case End(offers=offers):
                self._script.words(offered(offers, self._language))
                await self._end()
            case Status() | Preview():
                return

    async def abandon(self) -> None:
        """Nothing was shown, so there is nothing to take away."""
        if self._typing is not None:
            self._typing.cancel()
            await asyncio.wait({self._typing})

    async def _show(self, media: Media) -> None:
        item = await uploaded(self._means.api, media)
        if item is None:
            # There is no kind for files ("客服消息" and "被动回复用户消息", developers.weixin.qq.com).
            self._script.words(legible(media, LEGIBLE) or say(self._language, f"media.{media.kind}"))
        else:
            self._script.media(item)
        self._script.words(media.caption)

    async def _end(self) -> None:
        await self.abandon()
        outbox, message = self._means.outbox, self._incoming.key
        serving = await self._means.service.may() is not False
        await outbox.finish(self._person, message, self._script.items(), serving=serving)
        await self._journal.posted("end")
        if not serving:
            return  # a delivery that is open carries it, or the person's next message
        if await outbox.left(message, self._name):
            await self._until_nobody_carries()
        if await outbox.left(message, self._name) and await self._means.service.learned(self._openid):
            await self._serve()
        await outbox.release(message)

    # --- customer service -----------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return f"{SERVICE}{self._incoming.key}"

    async def _until_nobody_carries(self) -> None:
        """Wait for the deliveries that are open: a passive reply costs none of the five messages."""
        outbox, means, message = self._means.outbox, self._means, self._incoming.key
        first = await outbox.first_opened(message)
        if first is None:
            return
        closed = asyncio.create_task(outbox.until_closed(message))
        left = first + means.pace.silence - means.clock()
        timer = asyncio.ensure_future(means.sleep(max(0.0, left)))
        try:
            await asyncio.wait({closed, timer}, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                closed.result()
        finally:
            closed.cancel()
            timer.cancel()
            await asyncio.gather(closed, timer, return_exceptions=True)

    async def _serve(self) -> None:
        """Send what nobody has carried, in order, and at most five messages of it."""
        outbox, message = self._means.outbox, self._incoming.key
        sent = [post for post in self._journal.posts if post.startswith("sent ")]
        left = await outbox.left(message, self._name)
        for number in left:
            if len(sent) >= MOST:
                return
            load = await outbox.claim(message, number, self._name)
            if load is None:
                continue
            if f"sent {number}" in sent:  # by an earlier attempt, which did not come to note it in the outbox
                await outbox.carried(load, self._name)
                continue
            (item,) = load.items
            if len(sent) + 1 == MOST and number != left[-1] and item.kind == "text":
                item = Item("text", f"{item.value}\n\n…（{both('rest')}）")
            try:
                await self._means.service.send(self._openid, item)
            except NotTaken:
                await outbox.give_back(load)
                return
            sent.append(f"sent {number}")
            await self._journal.posted(sent[-1])
            await outbox.carried(load, self._name)

    async def _type(self) -> None:
        """Show that an answer is being written, once it takes long; what fails there is no obstacle to it."""
        means = self._means
        await means.sleep(means.pace.typing)
        while await self._typed():
            await means.sleep(means.pace.typing_again)

    async def _typed(self) -> bool:
        """Whether it is worth saying again."""
        try:
            if await self._means.service.may() is False:
                return False
            await self._means.service.typing(self._openid)
        except Unavailable as error:
            _log.info("wechat.typing_unsaid", fault=str(error))
        return True


__all__ = ["Means", "OfficialReply"]
