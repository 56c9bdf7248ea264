"""The codes that sign a bot in: what a phone does with them, and what whoever shows them is told."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.ilink.world import Bot, News

TRIES = 3


@dataclass
class Code:
    """A code that was given out; its methods are what the phone, or time, does.

    `told` is the state that was told last, `asked` how often it was asked for.
    """

    news: News
    tokens: list[str]
    name: str = field(default_factory=lambda: secrets.token_urlsafe(12) + "=")
    state: str = "wait"
    told: str = "wait"
    asked: int = 0
    number: str = ""
    wrong: int = 0
    host: str = ""
    confirmed: dict[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """What is to be scanned."""
        return f"https://liteapp.weixin.qq.com/q/{self.name}?bot_type=3"

    async def scan(self) -> None:
        """The phone has scanned it."""
        await self.turn("scaned")

    async def demand(self, number: str) -> None:
        """The phone shows a number that must be typed where the code is shown."""
        self.number = number
        await self.turn("need_verifycode")

    async def move(self, host: str) -> None:
        """The person's account lives elsewhere: ask there from now on."""
        self.host = host
        await self.turn("scaned_but_redirect")

    async def expire(self) -> None:
        """Nobody has scanned it in time."""
        await self.turn("expired")

    async def confirm(self, bot: Bot, base_url: str) -> None:
        """The person has confirmed."""
        self.confirmed = {
            "bot_token": bot.token,
            "ilink_bot_id": bot.id,
            "baseurl": base_url,
            "ilink_user_id": bot.person.id,
        }
        await self.turn("confirmed")

    async def turn(self, state: str) -> None:
        """Any state."""
        self.state, self.told = state, ""
        await self.news.tell()

    def typed(self, number: str) -> None:
        """Whoever shows the code says what was typed."""
        if self.state != "need_verifycode":
            return
        if number == self.number:
            self.state = "scaned"
        else:
            self.wrong += 1
            self.state = "verify_code_blocked" if self.wrong >= TRIES else "need_verifycode"
        self.told = ""

    def answer(self) -> dict[str, Any]:
        """What the state is told as."""
        self.told = self.state
        more = self.confirmed if self.state == "confirmed" else {}
        where = {"redirect_host": self.host} if self.state == "scaned_but_redirect" else {}
        return {"ret": 0, "status": self.state, **more, **where}
