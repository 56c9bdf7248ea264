"""What `parley check` asks WeCom about the self-built app."""

from __future__ import annotations

from collections.abc import Sequence

from adapters._tencent import Api, ApiRefused
from adapters.wecom.settings import AppCredentials
from bot.api import Finding, Unavailable

_PLACES = {
    40001: ("WECOM_SECRET", "copy the Secret that stands below the app's AgentId"),
    40013: ("WECOM_CORP_ID", "copy the company's id from My Company, at the bottom"),
    60020: ("WECOM_SECRET", "enter the address under the app's Trusted IP (企业可信IP)"),
    301002: ("WECOM_AGENT_ID", "the Secret belongs to another app"),
}


async def checked(api: Api, credentials: AppCredentials) -> Sequence[Finding]:
    """Whether WeCom takes the Secret, knows the app, and trusts our address. Raises nothing."""
    try:
        answer = await api.call("/cgi-bin/agent/get", query={"agentid": credentials.agent})
    except ApiRefused as refused:
        return [refusal(refused, _PLACES, "WECOM_SECRET")]
    except Unavailable as error:
        return [silence(error)]
    name = str(answer.get("name") or credentials.agent)
    if answer.get("close"):
        remedy = "enable it in WeCom's administration, Apps"
        return [Finding("WECOM_AGENT_ID", False, f"the app {name} is disabled", remedy)]
    return [Finding("WECOM_AGENT_ID", True, f"the app {name} answers to it")]


def refusal(refused: ApiRefused, places: dict[int, tuple[str, str]], otherwise: str) -> Finding:
    """A refusal as a finding: where its code is known, with the variable and the remedy."""
    name, remedy = places.get(refused.code, (otherwise, "look at the code in WeCom's documentation"))
    return Finding(name, False, f"WeCom refuses: {refused}", remedy)


def silence(error: Unavailable) -> Finding:
    """That WeCom cannot be reached, as a finding."""
    return Finding("WECOM_API_BASE_URL", False, str(error), "is the address right, and open to us?")
