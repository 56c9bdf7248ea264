"""WeCom's block of settings, checked as a whole before anything is made from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import Field, SecretStr

from adapters._envelope import Envelope
from bot.settings import Block

CLOUD = "https://qyapi.weixin.qq.com"
"""WeCom's own interface; any other is the operator's (a proxy with a fixed address)."""

SOCKET = "wss://openws.work.weixin.qq.com"
"""Where a smart bot's long connection leads (developer.work.weixin.qq.com/document/path/101463)."""

_ID = re.compile(r"[A-Za-z0-9_-]{2,128}")
_AGENT = re.compile(r"\d{1,10}")


class WeComSettings(Block):
    """WeCom (企业微信): a self-built app, customer service (微信客服), a smart bot (智能机器人)"""

    wecom_corp_id: str = Field(
        "", description="The company's id: My Company, Company information. For all but bots."
    )
    wecom_agent_id: str = Field("", description="The self-built app's AgentId. Unset: no app.")
    wecom_secret: SecretStr | None = Field(None, description="The app's Secret.")
    wecom_token: SecretStr | None = Field(
        None, description="The Token of the callback at /wecom, for the app and for customer service."
    )
    wecom_encoding_aes_key: SecretStr | None = Field(
        None, description="The EncodingAESKey of the callback at /wecom: 43 characters."
    )
    wecom_kf_secret: SecretStr | None = Field(
        None,
        description="The Secret of WeChat customer service, or that of an app which may manage it. Unset: none.",
    )
    wecom_bot_id: str = Field("", description="The smart bot's id, for its long connection.")
    wecom_bot_secret: SecretStr | None = Field(
        None, description="The smart bot's Secret, for its long connection: no address is needed."
    )
    wecom_bot_token: SecretStr | None = Field(
        None,
        description="The Token of the smart bot's callback at /wecom/bot, in place of a long connection.",
    )
    wecom_bot_encoding_aes_key: SecretStr | None = Field(
        None, description="The EncodingAESKey of the smart bot's callback: 43 characters."
    )
    wecom_bot_ws_url: str = Field(SOCKET, description="Where the smart bot's long connection leads.")
    wecom_api_base_url: str = Field(
        CLOUD, description="WeCom's interface; set it to go through a proxy whose address WeCom trusts."
    )

    examples = MappingProxyType({"WECOM_CORP_ID": "ww0123456789abcdef", "WECOM_AGENT_ID": "1000002"})


@dataclass(frozen=True, slots=True)
class Callback:
    """How what WeCom posts to /wecom is opened."""

    corp: str
    token: str = field(repr=False)
    key: str = field(repr=False)

    def envelope(self) -> Envelope:
        """It opens callbacks and seals answers."""
        return Envelope(self.token, self.key, self.corp)


@dataclass(frozen=True, slots=True)
class AppCredentials:
    """A self-built app."""

    corp: str
    agent: str
    secret: str = field(repr=False)
    base_url: str

    @property
    def account(self) -> str:
        """`Place.account`."""
        return f"app:{self.corp}:{self.agent}"


@dataclass(frozen=True, slots=True)
class KfCredentials:
    """WeChat customer service."""

    corp: str
    secret: str = field(repr=False)
    base_url: str


@dataclass(frozen=True, slots=True)
class BotCredentials:
    """A smart bot: by a long connection where there is a `secret`, by its callback where there is a `token`."""

    id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    key: str = field(repr=False)
    ws_url: str

    @property
    def socket(self) -> bool:
        """Whether it has a long connection."""
        return bool(self.secret)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The checked settings; what is None is not set up. `callback` serves the app and customer service."""

    callback: Callback | None
    app: AppCredentials | None
    kf: KfCredentials | None
    bot: BotCredentials | None


def credentials(settings: WeComSettings) -> Credentials | None:
    """What the settings say, or None where nothing is set up. Raises `ValueError` that names the faulty variable."""
    app, kf, bot = _app(settings), _kf(settings), _bot(settings)
    if app is None and kf is None and bot is None:
        return None
    return Credentials(_callback(settings) if app or kf else None, app, kf, bot)


def _app(settings: WeComSettings) -> AppCredentials | None:
    agent, secret = settings.wecom_agent_id.strip(), _open(settings.wecom_secret)
    if not agent and not secret:
        return None
    if not agent or _AGENT.fullmatch(agent) is None:
        raise ValueError("WECOM_AGENT_ID: write the app's AgentId, a number such as 1000002")
    if not secret:
        raise ValueError("WECOM_SECRET: the app needs its Secret; it stands below the AgentId")
    return AppCredentials(_corp(settings), agent, secret, _base(settings))


def _kf(settings: WeComSettings) -> KfCredentials | None:
    secret = _open(settings.wecom_kf_secret)
    return KfCredentials(_corp(settings), secret, _base(settings)) if secret else None


def _bot(settings: WeComSettings) -> BotCredentials | None:
    bot, secret = settings.wecom_bot_id.strip(), _open(settings.wecom_bot_secret)
    token, key = _open(settings.wecom_bot_token), _open(settings.wecom_bot_encoding_aes_key)
    if not any((bot, secret, token, key)):
        return None
    if (secret or bot) and not (token or key):
        if not bot or _ID.fullmatch(bot) is None:
            raise ValueError("WECOM_BOT_ID: the long connection needs the smart bot's id")
        if not secret:
            raise ValueError("WECOM_BOT_SECRET: the long connection needs the smart bot's Secret")
    elif secret:
        raise ValueError(
            "WECOM_BOT_SECRET: a smart bot has a long connection or a callback; unset this or WECOM_BOT_TOKEN"
        )
    else:
        if not token:
            raise ValueError("WECOM_BOT_TOKEN: the smart bot's callback needs its Token")
        _check_key("WECOM_BOT_ENCODING_AES_KEY", token, key)
    if not settings.wecom_bot_ws_url.strip().startswith(("wss://", "ws://")):
        raise ValueError(f"WECOM_BOT_WS_URL: write an address such as {SOCKET}")
    return BotCredentials(bot, secret, token, key, settings.wecom_bot_ws_url.strip())


def _callback(settings: WeComSettings) -> Callback:
    token, key = _open(settings.wecom_token), _open(settings.wecom_encoding_aes_key)
    if not token:
        raise ValueError(
            "WECOM_TOKEN: the callback at /wecom needs the Token that WeCom shows beside its URL"
        )
    _check_key("WECOM_ENCODING_AES_KEY", token, key)
    return Callback(_corp(settings), token, key)


def _corp(settings: WeComSettings) -> str:
    corp = settings.wecom_corp_id.strip()
    if _ID.fullmatch(corp) is None:
        raise ValueError("WECOM_CORP_ID: write the company's id (My Company, at the bottom), such as ww0123…")
    return corp


def _base(settings: WeComSettings) -> str:
    base = settings.wecom_api_base_url.strip().rstrip("/")
    if not base.startswith(("https://", "http://")):
        raise ValueError(f"WECOM_API_BASE_URL: write the server's address alone, such as {CLOUD}")
    return base


def _check_key(name: str, token: str, key: str) -> None:
    try:
        Envelope(token, key, "")
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _open(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value().strip()
