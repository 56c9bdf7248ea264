"""Reads what a server answers to a delivery, as strictly as WeChat, which shows an error for what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring
from wechatpy.crypto import WeChatCrypto
from wechatpy.exceptions import InvalidSignatureException
from wechatpy.replies import deserialize_reply

from tests.simulators.wechat.account import Account

TEXT_LIMIT = 2048
"""Bytes."""

_TEXTS = ("ToUserName", "FromUserName", "MsgType", "Content", "MediaId", "Encrypt", "MsgSignature", "Nonce")


class Misunderstood(Exception):
    """This is no passive reply."""


@dataclass(frozen=True, slots=True)
class Passive:
    """What the person gets: a text, or a media id."""

    kind: Literal["text", "image", "voice"]
    value: str


def read(account: Account, openid: str, body: str) -> Passive | None:
    """The reply; None for none. Raises `Misunderstood`."""
    if body in ("", "success"):
        return None
    if account.mode == "secure" or (account.mode == "compatible" and "<Encrypt>" in body):
        body = _opened(account, body)
    root = _elements(body)
    told = {child.tag: child.text or "" for child in root}
    if (told.get("ToUserName"), told.get("FromUserName")) != (openid, account.name):
        raise Misunderstood(f"it is not for {openid}, or not from {account.name}: {told}")
    if not told.get("CreateTime", "").isdecimal():
        raise Misunderstood("CreateTime is no number")
    kind = told.get("MsgType", "")
    try:
        oracle = deserialize_reply(body)
    except ValueError as error:
        raise Misunderstood(str(error)) from None
    if kind == "text":
        return _text(told.get("Content", ""), oracle)
    if kind in ("image", "voice"):
        media = root.findtext(f"{kind.capitalize()}/MediaId") or ""
        if media not in account.media or getattr(oracle, kind) != media:
            raise Misunderstood(f"there is no medium {media!r}")
        return Passive("image" if kind == "image" else "voice", media)
    raise Misunderstood(f"there is no reply of the kind {kind!r}")


def _text(content: str, oracle: object) -> Passive:
    if not content.strip():
        raise Misunderstood("the text is empty")
    if len(content.encode()) > TEXT_LIMIT:
        raise Misunderstood(f"the text has {len(content.encode())} bytes")
    told = getattr(oracle, "content", None)
    if (told or "").strip() != content.strip():
        raise Misunderstood(f"others read {told!r}")
    return Passive("text", content)


def _elements(body: str) -> Element:
    try:
        root = fromstring(body)
    except ParseError as error:
        raise Misunderstood(f"no XML: {error}") from None
    if root.tag != "xml":
        raise Misunderstood(f"the root is {root.tag!r}")
    for name in _TEXTS:
        for inside in re.findall(rf"<{name}>(.*?)</{name}>", body, re.DOTALL):
            if not inside.startswith("<![CDATA["):
                raise Misunderstood(f"{name} is no CDATA")
    return root


def _opened(account: Account, body: str) -> str:
    told = {child.tag: child.text or "" for child in _elements(body)}
    crypto = WeChatCrypto(account.token, account.aes_key, account.app_id)
    try:
        opened = crypto.decrypt_message(
            body, told.get("MsgSignature"), told.get("TimeStamp"), told.get("Nonce")
        )
    except (InvalidSignatureException, KeyError, ValueError) as error:
        raise Misunderstood(f"cannot be opened: {type(error).__name__}") from None
    return opened.decode() if isinstance(opened, bytes) else opened
