"""What every request has to bear, and the list of those that do not."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from aiohttp import web

_AGENT = re.compile(r"[A-Za-z0-9_.\-]{1,32}/[A-Za-z0-9_.+\-]{1,32}")


class Refusal(Exception):
    """The request is against the protocol."""


class Checks:
    """`violations` names what was wrong, oldest first."""

    def __init__(self) -> None:
        self.violations: list[str] = []

    def that(self, good: object, what: str) -> None:
        """Refuse what is not good."""
        if not good:
            self.violations.append(what)
            raise Refusal(what)

    def app(self, request: web.Request) -> None:
        """The headers of every request."""
        version = request.headers.get("iLink-App-ClientVersion", "")
        self.that(request.headers.get("iLink-App-Id") == "bot", "iLink-App-Id")
        self.that(version.isdecimal() and int(version) < 1 << 24, "iLink-App-ClientVersion")

    async def body(self, request: web.Request) -> dict[str, Any]:
        """The headers and the body of a call."""
        self.app(request)
        self.that(request.content_type == "application/json", "JSON")
        self.that(request.headers.get("AuthorizationType") == "ilink_bot_token", "AuthorizationType")
        uin = request.headers.get("X-WECHAT-UIN", "")
        number = base64.b64decode(uin).decode() if uin else ""
        self.that(number.isdecimal() and int(number) < 1 << 32, "X-WECHAT-UIN")
        body = json.loads(await request.read())
        info = body.get("base_info") or {}
        version = int(request.headers["iLink-App-ClientVersion"])
        named = ".".join(str(version >> shift & 0xFF) for shift in (16, 8, 0))
        self.that(info.get("channel_version") == named, "base_info.channel_version")
        self.that(_AGENT.fullmatch(info.get("bot_agent", "")), "base_info.bot_agent")
        return dict(body)
