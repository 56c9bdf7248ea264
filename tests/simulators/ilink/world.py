"""Who is there: people with WeChat, the bots that are theirs, what was said between them, and the time."""

from __future__ import annotations

import asyncio
import base64
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.simulators.ilink.cdn import Cdn, File

QUOTA = 10
DAY = 86400.0


class Clock:
    """Seconds since 1970, ahead of the real ones by what a test has turned."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    def turn(self, seconds: float) -> None:
        """Let so many seconds have passed."""
        self._ahead += seconds


@dataclass
class News:
    """Wakes whoever waits for anything to change."""

    condition: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def tell(self) -> None:
        async with self.condition:
            self.condition.notify_all()

    async def until(self, true: Callable[[], object], seconds: float = 30) -> None:
        """Wait for a condition; `TimeoutError` after so many seconds."""
        async with asyncio.timeout(seconds), self.condition:
            await self.condition.wait_for(lambda: bool(true()))


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person sees of a bot's message."""

    kind: Literal["text", "image", "video", "file"]
    text: str = ""
    data: bytes = b""
    client_id: str = ""
    message_id: int = 0


@dataclass
class Bot:
    """One sign-in. `inbox` is all that was written to it; `most_at_once` how many asked for it at one time."""

    id: str
    token: str
    person: Person
    ended: bool = False
    inbox: list[dict[str, Any]] = field(default_factory=list)
    asking: int = 0
    most_at_once: int = 0
    notified: list[str] = field(default_factory=list)

    def cursor(self) -> str:
        """What stands for everything so far."""
        return base64.b64encode(f"{self.id}:{len(self.inbox)}".encode()).decode()

    def behind(self, cursor: str) -> int | None:
        """The number of messages before a cursor; None where it is none of ours."""
        if not cursor:
            return 0
        name, _, number = base64.b64decode(cursor).decode().rpartition(":")
        return int(number) if name == self.id and int(number) <= len(self.inbox) else None


class Person:
    """Somebody with WeChat, who writes to the bot that was signed in last."""

    def __init__(self, name: str, news: News, cdn: Cdn, clock: Clock, numbers: itertools.count[int]) -> None:
        self.id = f"{name}@im.wechat"
        self.bot: Bot | None = None
        self.shown: list[Shown] = []
        self.typing: list[int] = []
        self.contexts: dict[str, float] = {}
        self.since = 0  # messages of the bot since the person's last one
        self.written_at = 0.0
        self._news, self._cdn, self._clock, self._numbers = news, cdn, clock, numbers

    @property
    def texts(self) -> list[str]:
        """The texts that are seen, oldest first."""
        return [shown.text for shown in self.shown if shown.kind == "text"]

    async def sees(self, number: int) -> None:
        """Wait until so many messages are seen."""
        await self._news.until(lambda: len(self.shown) >= number)

    async def says(self, text: str, **more: Any) -> int:
        """Write; `more` are further fields of the item, such as `ref_msg`. The message's id."""
        return await self.sends({"type": 1, "text_item": {"text": text}, **more})

    async def speaks(self, text: str, sound: bytes = b"\x02#!SILK_V3 sound") -> int:
        """Send a voice message, of which WeChat has understood `text`."""
        media = self._cdn.keep(File(sound), hexadecimal=True)
        voice = {"media": media, "encode_type": 6, "sample_rate": 24000, "playtime": 3200}
        return await self.sends({"type": 3, "voice_item": {**voice, **({"text": text} if text else {})}})

    async def shows(self, data: bytes, *, full: bool = True, bare_key: bool = False) -> int:
        """Send a picture: its address in full or as a parameter, its key bare or as base64."""
        media = self._cdn.keep(File(data), full=full)
        item: dict[str, Any] = {"media": media, "mid_size": len(data)}
        if bare_key:
            item["aeskey"] = base64.b64decode(media.pop("aes_key")).hex()
        return await self.sends({"type": 2, "image_item": item})

    async def hands(self, name: str, data: bytes) -> int:
        """Send a file."""
        media = self._cdn.keep(File(data), hexadecimal=True)
        return await self.sends(
            {"type": 4, "file_item": {"media": media, "file_name": name, "len": str(len(data))}}
        )

    async def sends(self, *items: Mapping[str, Any], **fields: Any) -> int:
        """Send a message of these items. `fields` replace those of the message."""
        assert self.bot is not None, "the person has no bot"
        number = next(self._numbers)
        id = (1 << 63) + number  # larger than what a float holds
        context = f"context-{number}"
        self.contexts[context] = self.written_at = self._clock()
        self.since = 0
        message = {
            "seq": number,
            "message_id": id,
            "from_user_id": self.id,
            "to_user_id": self.bot.id,
            "create_time_ms": int(self._clock() * 1000),
            "message_type": 1,
            "message_state": 2,
            "context_token": context,
            "item_list": [{"msg_id": f"v1:{number}", "is_completed": True, **item} for item in items],
        }
        self.bot.inbox.append({**message, **fields})
        await self._news.tell()
        return id
