"""An Official Account: its credentials, its rights, and whom it knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["plain", "compatible", "secure"]

OK = {"errcode": 0, "errmsg": "ok"}
MEANINGS = {
    40001: "invalid credential, access_token is invalid or not latest",
    40003: "invalid openid",
    40004: "invalid media type",
    40007: "invalid media_id",
    40009: "invalid image size",
    40013: "invalid appid",
    40016: "invalid button size",
    40018: "invalid button name size",
    40019: "invalid button key size",
    40023: "invalid sub button size",
    40025: "invalid sub button name size",
    40033: "invalid charset. please check your request, if include \\uxxxx will create fail!",
    40125: "invalid appsecret",
    41005: "media data missing",
    42001: "access_token expired",
    43002: "require POST method",
    44004: "empty content",
    45002: "content size out of limit",
    45007: "playtime out of limit",
    45015: "response out of time limit or subscription is canceled",
    45047: "out of response count limit",
    45072: "invalid command",
    45080: "need recv message from user first",
    45081: "already typing",
    47001: "data format error",
    48001: "api unauthorized",
}
"""Error messages as WeChat words them ("全局返回码", developers.weixin.qq.com)."""


class Refusal(Exception):
    """WeChat says no."""

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(detail or MEANINGS[code])
        self.code = code

    @property
    def answer(self) -> dict[str, object]:
        return {"errcode": self.code, "errmsg": f"{self} rid: 0-0-0"}


@dataclass
class Account:
    """`rights`: it may send customer-service messages. `address` is what WeChat sees of the bot, if it is listed."""

    app_id: str = "wx1234567890abcdef"
    secret: str = "0123456789abcdef0123456789abcdef"
    token: str = "parleytoken"
    aes_key: str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
    name: str = "gh_0123456789ab"
    mode: Mode = "plain"
    rights: bool = True
    media_right: bool = True
    menu_right: bool = True
    listed: bool = True
    menu: dict[str, object] | None = None
    media: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """By media id: the MIME type and the bytes."""
