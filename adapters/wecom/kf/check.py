"""What `parley check` asks WeCom about customer service."""

from __future__ import annotations

from collections.abc import Sequence

from adapters._tencent import ApiRefused
from adapters.wecom.app.check import refusal, silence
from adapters.wecom.kf.sync import Sync
from bot.api import Finding, Unavailable

_NAME = "WECOM_KF_SECRET"
_PLACES = {
    40001: (_NAME, "copy the Secret from WeChat customer service, API, or from the app that may manage it"),
    40013: ("WECOM_CORP_ID", "copy the company's id from My Company, at the bottom"),
    48002: (_NAME, "let the app manage customer service: WeChat customer service, API, Callable apps"),
    60020: (_NAME, "enter the address under Trusted IP (企业可信IP) of the app whose Secret it is"),
    95011: (_NAME, "switch from WeCom's own desk to the API: WeChat customer service, API"),
    95012: (_NAME, "open WeChat customer service in WeCom's administration"),
    95017: (_NAME, "let the app manage customer service: WeChat customer service, API, Callable apps"),
}


async def checked(sync: Sync) -> Sequence[Finding]:
    """Whether WeCom takes the Secret, and which accounts it may manage. Raises nothing."""
    try:
        accounts = await sync.accounts()
    except ApiRefused as refused:
        return [refusal(refused, _PLACES, _NAME)]
    except Unavailable as error:
        return [silence(error)]
    if not accounts:
        return [Finding(_NAME, False, "there is no account", "make one: WeChat customer service, Accounts")]
    found = []
    for account in accounts:
        name = str(account.get("name") or account.get("open_kfid"))
        if account.get("manage_privilege", True):
            found.append(Finding(_NAME, True, f"the account {name} answers to it"))
        else:
            remedy = "let the app manage this account: WeChat customer service, API, Callable apps"
            found.append(Finding(_NAME, False, f"the account {name} may not be managed", remedy))
    return found
