"""What `parley check` asks of an Official Account, in plain words; nothing is changed there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from adapters._tencent import Api, ApiRefused
from adapters.wechat.official.callback import PATH
from adapters.wechat.settings import Credentials
from bot.api import Finding, Unavailable

PATIENCE = 10.0

_KNOWN = {40013: "WECHAT_APP_ID", 40125: "WECHAT_APP_SECRET", 40001: "WECHAT_APP_SECRET"}
_NOBODY = "parley-check"  # no openid: WeChat looks at the account's right before it looks at this
_NO_RIGHT = 48001


async def checked(
    api: Api, credentials: Credentials, public_url: str, *, patience: float = PATIENCE
) -> Sequence[Finding]:
    """What WeChat says, in at most `patience` seconds. Raises nothing."""
    try:
        async with asyncio.timeout(patience):
            await api.call("/cgi-bin/get_api_domain_ip")
            found = [Finding("WECHAT_APP_ID", True, f"WeChat grants {credentials.app_id} a token")]
            found += [await _menu(api), await _service(api, credentials)]
    except ApiRefused as refused:
        return [_refused(refused), _address(public_url)]
    except (Unavailable, TimeoutError) as error:
        detail = f"does not answer: {error or 'nothing in time'}"
        return [Finding("WECHAT_API_BASE_URL", False, detail, "is the address right, and open to us?")]
    return [*found, _address(public_url)]


def _refused(refused: ApiRefused) -> Finding:
    if refused.code == 40164:
        remedy = "add the address at 开发接口管理 → 基本配置 → IP白名单"
        return Finding("WeChat IP list", False, str(refused), remedy)
    remedy = "take AppID and AppSecret from 开发接口管理 → 基本配置"
    return Finding(_KNOWN.get(refused.code, "WECHAT_APP_ID"), False, str(refused), remedy)


async def _menu(api: Api) -> Finding:
    try:
        await api.call("/cgi-bin/get_current_selfmenu_info")
    except ApiRefused as refused:
        detail = f"the account may not have one: {refused}"
        return Finding("WeChat menu", True, f"{detail}. Commands are written instead: 帮助, #help")
    return Finding("WeChat menu", True, "can be published: parley wechat menu")


async def _service(api: Api, credentials: Credentials) -> Finding:
    """How an answer comes that takes longer than WeChat waits."""
    try:
        await api.call("/cgi-bin/message/custom/typing", {"touser": _NOBODY, "command": "CancelTyping"})
        may = True
    except ApiRefused as refused:
        may = refused.code != _NO_RIGHT
    name = "WeChat customer service"
    if may:
        passive = credentials.reply == "passive"
        detail = "slow answers wait for the person's next message, as WECHAT_REPLY says" if passive else ""
        return Finding(name, True, detail or "slow answers are sent by it, up to five messages each")
    if credentials.reply == "customer_service":
        remedy = "set WECHAT_REPLY=auto, or have the account verified (微信认证)"
        return Finding(name, False, "the account has no right to it, and WECHAT_REPLY asks for it", remedy)
    detail = "the account has no right to it: what takes longer than 15 seconds waits for the person's next message"
    return Finding(name, True, detail)


def _address(public_url: str) -> Finding:
    if public_url:
        return Finding("WeChat deliveries", True, f"are taken at {public_url.rstrip('/')}{PATH}")
    detail = f"are taken at {PATH}; PUBLIC_URL is not set, so the full address is not known here"
    return Finding("WeChat deliveries", True, detail)
