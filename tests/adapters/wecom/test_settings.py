"""WeCom's settings: each line on its own, and every fault named before anything starts."""

from __future__ import annotations

import pytest

from adapters.wecom import WeCom, WeComSettings
from adapters.wecom.settings import CLOUD, SOCKET, credentials
from bot.api import Host
from tests.adapters.memory_store import MemoryStore

KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
APP = {
    "WECOM_CORP_ID": "ww1",
    "WECOM_AGENT_ID": "1000002",
    "WECOM_SECRET": "hush-app",
    "WECOM_TOKEN": "hush-token",
    "WECOM_ENCODING_AES_KEY": KEY,
}
KF = {name: APP[name] for name in ("WECOM_CORP_ID", "WECOM_TOKEN", "WECOM_ENCODING_AES_KEY")} | {
    "WECOM_KF_SECRET": "hush-kf"
}
SOCKET_BOT = {"WECOM_BOT_ID": "aib1", "WECOM_BOT_SECRET": "hush-bot"}
HOOK_BOT = {"WECOM_BOT_TOKEN": "hush-bot-token", "WECOM_BOT_ENCODING_AES_KEY": KEY}


def load(environment: dict[str, str]) -> WeComSettings:
    return WeComSettings.load(environment)


def test_nothing_set_is_no_wecom() -> None:
    assert credentials(load({})) is None
    assert WeCom.create(load({}), Host(MemoryStore(), "127.0.0.1", 0, "", alone=True)) is None


def test_an_app_has_its_account_and_the_callback() -> None:
    found = credentials(load(APP))
    assert found is not None
    assert found.app is not None
    assert found.callback is not None
    assert found.app.account == "app:ww1:1000002"
    assert found.app.base_url == CLOUD
    assert found.kf is None
    assert found.bot is None


def test_customer_service_needs_no_app() -> None:
    found = credentials(load(KF))
    assert found is not None
    assert found.kf is not None
    assert found.callback is not None
    assert found.app is None


def test_a_bot_needs_no_company_and_no_callback_of_ours() -> None:
    found = credentials(load(SOCKET_BOT))
    assert found is not None
    assert found.bot is not None
    assert found.bot.socket
    assert found.bot.ws_url == SOCKET
    assert found.callback is None


def test_a_bot_by_callback_has_no_socket() -> None:
    found = credentials(load(HOOK_BOT))
    assert found is not None
    assert found.bot is not None
    assert not found.bot.socket


def test_all_of_them_at_once() -> None:
    found = credentials(load(APP | KF | SOCKET_BOT))
    assert found is not None
    assert found.app
    assert found.kf
    assert found.bot


@pytest.mark.parametrize(
    ("environment", "change", "named"),
    [
        (APP, {"WECOM_AGENT_ID": ""}, "WECOM_AGENT_ID"),
        (APP, {"WECOM_AGENT_ID": "parley"}, "WECOM_AGENT_ID"),
        (APP, {"WECOM_SECRET": ""}, "WECOM_SECRET"),
        (APP, {"WECOM_CORP_ID": ""}, "WECOM_CORP_ID"),
        (APP, {"WECOM_TOKEN": ""}, "WECOM_TOKEN"),
        (APP, {"WECOM_ENCODING_AES_KEY": "short"}, "WECOM_ENCODING_AES_KEY"),
        (APP, {"WECOM_ENCODING_AES_KEY": ""}, "WECOM_ENCODING_AES_KEY"),
        (APP, {"WECOM_API_BASE_URL": "qyapi.weixin.qq.com"}, "WECOM_API_BASE_URL"),
        (KF, {"WECOM_CORP_ID": ""}, "WECOM_CORP_ID"),
        (KF, {"WECOM_TOKEN": ""}, "WECOM_TOKEN"),
        (SOCKET_BOT, {"WECOM_BOT_ID": ""}, "WECOM_BOT_ID"),
        (SOCKET_BOT, {"WECOM_BOT_SECRET": ""}, "WECOM_BOT_SECRET"),
        (SOCKET_BOT, {"WECOM_BOT_WS_URL": "openws.work.weixin.qq.com"}, "WECOM_BOT_WS_URL"),
        (HOOK_BOT, {"WECOM_BOT_TOKEN": ""}, "WECOM_BOT_TOKEN"),
        (HOOK_BOT, {"WECOM_BOT_ENCODING_AES_KEY": "no key"}, "WECOM_BOT_ENCODING_AES_KEY"),
        (HOOK_BOT, {"WECOM_BOT_SECRET": "hush"}, "WECOM_BOT_SECRET"),
    ],
)
def test_what_is_missing_or_faulty_is_named(
    environment: dict[str, str], change: dict[str, str], named: str
) -> None:
    with pytest.raises(ValueError, match=f"^{named}: "):
        credentials(load({**environment, **change}))


def test_no_secret_is_shown() -> None:
    found = credentials(load(APP | KF | SOCKET_BOT))
    assert "hush" not in repr(found)
    assert KEY not in repr(found)
    assert "hush" not in repr(load(APP))
