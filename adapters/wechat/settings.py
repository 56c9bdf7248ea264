"""WeChat's block of settings, checked as a whole before anything is made from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from bot.settings import Block, Switch

CLOUD = "https://api.weixin.qq.com"
"""The Official Accounts' own interface."""

ILINK = "https://ilinkai.weixin.qq.com"
"""Where personal accounts sign in."""

_SECRET_LENGTH = 16

Way = Literal["auto", "passive", "customer_service"]
"""How answers go back that are not ready within WeChat's five seconds."""


class WeChatSettings(Block):
    """WeChat"""

    wechat_app_id: str = Field("", description="The Official Account's AppID, wx… (开发接口管理, 基本配置).")
    wechat_app_secret: SecretStr | None = Field(None, description="Its AppSecret, from the same page.")
    wechat_token: SecretStr | None = Field(
        None,
        description="The Token that you write on that page, together with the address PUBLIC_URL/wechat.",
    )
    wechat_encoding_aes_key: SecretStr | None = Field(
        None,
        description="The EncodingAESKey of that page, 43 characters. Set: only encrypted messages are taken "
        "(兼容模式 and 安全模式). Unset: the plain mode, 明文模式.",
    )
    wechat_reply: Way = Field(
        "auto",
        description="How an answer goes back that takes longer than WeChat waits. auto finds out what the account "
        "may do.",
    )
    wechat_api_base_url: str = Field(
        CLOUD, description="WeChat's interface, or a gateway of yours before it."
    )
    wechat_personal: Switch = Field(
        False, description="Personal accounts that sign in with `parley wechat login`."
    )
    wechat_personal_secret: SecretStr | None = Field(
        None,
        description="Anything random of 16 characters or more (openssl rand -hex 32): what Redis keeps of personal "
        "accounts is sealed by it. Another one signs them all out.",
    )
    wechat_personal_base_url: str = Field(ILINK, description="Where personal accounts sign in.")

    examples: ClassVar[Mapping[str, str]] = MappingProxyType({"WECHAT_APP_ID": "wx1234567890abcdef"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """An Official Account's checked settings. `aes_key` is empty in the plain mode."""

    app_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    aes_key: str = field(default="", repr=False)
    reply: Way = "auto"
    base_url: str = CLOUD


def credentials(settings: WeChatSettings) -> Credentials | None:
    """What the settings say, or None where no Official Account is set. Raises `ValueError` that names the fault."""
    found = {
        "WECHAT_APP_ID": settings.wechat_app_id.strip(),
        "WECHAT_APP_SECRET": _secret(settings.wechat_app_secret),
        "WECHAT_TOKEN": _secret(settings.wechat_token),
    }
    aes_key = _secret(settings.wechat_encoding_aes_key)
    if not any((*found.values(), aes_key)):
        return None
    for name, value in found.items():
        if not value:
            raise ValueError(f"{name}: set it, too; an Official Account needs {', '.join(found)}")
    base_url = settings.wechat_api_base_url.strip().rstrip("/")
    if not _is_base(base_url):
        raise ValueError(f"WECHAT_API_BASE_URL: write an address, such as {CLOUD}")
    if aes_key and not re.fullmatch(r"[A-Za-z0-9+/]{43}", aes_key):
        raise ValueError("WECHAT_ENCODING_AES_KEY: an EncodingAESKey has 43 letters and digits")
    app_id, secret, token = found.values()
    return Credentials(app_id, secret, token, aes_key, settings.wechat_reply, base_url)


@dataclass(frozen=True, slots=True)
class PersonalCredentials:
    """The checked settings of personal accounts. `secret` seals what the drawer keeps of them."""

    secret: str = field(repr=False)
    base_url: str = ILINK


def personal(settings: WeChatSettings) -> PersonalCredentials | None:
    """What the settings say of personal accounts, or None where they are off. Raises `ValueError`."""
    if not settings.wechat_personal:
        return None
    secret = _secret(settings.wechat_personal_secret)
    if len(secret) < _SECRET_LENGTH:
        raise ValueError(
            f"WECHAT_PERSONAL_SECRET: personal accounts need it: anything random of {_SECRET_LENGTH} characters or "
            "more; `openssl rand -hex 32` makes one"
        )
    base_url = settings.wechat_personal_base_url.strip().rstrip("/")
    if not _is_base(base_url):
        raise ValueError(f"WECHAT_PERSONAL_BASE_URL: write an address, such as {ILINK}")
    return PersonalCredentials(secret, base_url)


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value().strip()


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises where the port is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
