"""A person who follows the account: what they say to it, and what they see, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

QUOTA = 5
"""Customer-service messages for each message of a person's, since 2023-06."""

QUOTA_EVENT = 3
"""The same for a pressed menu, a scan, a subscription."""

BUBBLE = "该公众号提供的服务出现故障，请稍后再试"
"""What WeChat shows where the server failed."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One bubble. `way`: how it came; `at`: the time of day by WeChat's clock."""

    kind: Literal["text", "image", "voice", "error"]
    value: str
    way: Literal["passive", "service", "wechat"]
    at: float


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one message: how many deliveries it took, and why those failed that did."""

    deliveries: int
    faults: tuple[str, ...] = ()


Deliver = Callable[["Person", dict[str, object]], Awaitable[Told]]


@dataclass
class Person:
    """`quota` and `spoke` are what WeChat remembers of them for customer-service messages."""

    openid: str
    deliver: Deliver = field(repr=False)
    clock: Callable[[], float] = field(repr=False)
    shown: list[Shown] = field(default_factory=list)
    quota: int = 0
    spoke: float = 0.0
    following: bool = True
    typed: list[float] = field(default_factory=list)
    """When it was shown that an answer is being typed."""
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition, repr=False)
    _ids: int = 0

    @property
    def texts(self) -> list[str]:
        """The texts they see."""
        return [one.value for one in self.shown if one.kind == "text"]

    async def says(self, text: str, *, id: int = 0) -> Told:
        """Write; `id` is the MsgId of an earlier message that is sent again."""
        return await self._message("text", {"Content": text}, id=id)

    async def sends_image(self, media_id: str) -> Told:
        return await self._message("image", {"PicUrl": "http://mmbiz.qpic.cn/x/0", "MediaId": media_id})

    async def sends_voice(self, media_id: str, recognition: str | None = None) -> Told:
        heard = {} if recognition is None else {"Recognition": recognition}
        return await self._message("voice", {"MediaId": media_id, "Format": "amr", **heard})

    async def sends_video(self, media_id: str, kind: Literal["video", "shortvideo"] = "video") -> Told:
        return await self._message(kind, {"MediaId": media_id, "ThumbMediaId": "thumb"})

    async def sends_location(self, x: float, y: float, label: str) -> Told:
        place = {"Location_X": f"{x}", "Location_Y": f"{y}", "Scale": 20, "Label": label}
        return await self._message("location", place)

    async def sends_link(self, title: str, description: str, url: str) -> Told:
        return await self._message("link", {"Title": title, "Description": description, "Url": url})

    async def does(self, event: str, key: str = "", **more: object) -> Told:
        """Subscribe, scan, press a menu's button …: an event, which has no MsgId."""
        if event in ("CLICK", "SCAN", "subscribe"):
            self.quota, self.spoke = max(self.quota, QUOTA_EVENT), self.clock()
        self.following = event != "unsubscribe"
        return await self.deliver(self, {"MsgType": "event", "Event": event, "EventKey": key, **more})

    async def until(self, count: int, patience: float = 30) -> None:
        """Wait until they see so many bubbles; `patience` in real seconds."""
        async with asyncio.timeout(patience), self._changed:
            await self._changed.wait_for(lambda: len(self.shown) >= count)

    async def sees(self, kind: str, value: str, way: str) -> None:
        """Show them a bubble."""
        self.shown.append(Shown(kind, value, way, self.clock()))  # type: ignore[arg-type]
        async with self._changed:
            self._changed.notify_all()

    async def _message(self, kind: str, content: Mapping[str, object], *, id: int = 0) -> Told:
        self.quota, self.spoke = QUOTA, self.clock()
        self._ids += 1
        number = id or 7_000_000_000_000_000_000 + self._ids
        return await self.deliver(self, {"MsgType": kind, **content, "MsgId": number})
