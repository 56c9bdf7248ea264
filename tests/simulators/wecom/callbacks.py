"""What WeCom posts to the app: sealed by a library that is not ours, up to three times until it is answered 200."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from wechatpy.crypto import _get_signature
from wechatpy.enterprise.crypto import PrpCrypto, WeChatCrypto

if TYPE_CHECKING:
    from tests.simulators.wecom.simulator import WeComSimulator

TRIES = 3
TIMEOUT = 5.0


@dataclass
class Delivery:
    """One message and how each try was answered; 0 where it was not."""

    message: Mapping[str, Any]
    statuses: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        """Whether the last try was answered 200, with nothing in it."""
        return bool(self.statuses) and self.statuses[-1] == 200 and self.bodies[-1] == b""


class Callbacks:
    """Posts to `url`. `skew` makes the requests so many seconds old."""

    def __init__(self, sim: WeComSimulator) -> None:
        self._sim = sim
        self.url = ""
        self.skew = 0.0
        self.all: list[Delivery] = []
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def post(self, message: Mapping[str, Any]) -> Delivery:
        """Deliver a message."""
        delivery = Delivery(message)
        self.all.append(delivery)
        await self.again(delivery)
        return delivery

    async def again(self, delivery: Delivery, tries: int = TRIES) -> None:
        """Deliver it until it is answered 200; each try is sealed anew."""
        for _ in range(tries if self.url else 0):
            params, body = self.sealed(_xml(delivery.message))
            try:
                response = await self._client.post(self.url, params=params, content=body)
            except httpx.HTTPError:
                delivery.statuses.append(0)
                delivery.bodies.append(b"")
                continue
            delivery.statuses.append(response.status_code)
            delivery.bodies.append(response.content)
            if response.status_code == 200:
                return

    async def verifies(self, echo: str = "1616140317555161061") -> httpx.Response:
        """Ask for the echo, as WeCom does when the address is entered."""
        timestamp, nonce = str(int(self._sim.clock() - self.skew)), "372623539"
        crypto = self._crypto()
        sealed = PrpCrypto(crypto.key).encrypt(echo, self._sim.corp).decode()
        signature = _get_signature(self._sim.token, timestamp, nonce, sealed)
        params = {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce, "echostr": sealed}
        return await self._client.get(self.url, params=params, timeout=1)

    def sealed(self, xml: str) -> tuple[dict[str, str], bytes]:
        """The query and the body of a request."""
        timestamp, nonce = str(int(self._sim.clock() - self.skew)), "1372623149"
        sealed = PrpCrypto(self._crypto().key).encrypt(xml, self._sim.corp).decode()
        signature = _get_signature(self._sim.token, timestamp, nonce, sealed)
        body = (
            f"<xml><ToUserName><![CDATA[{self._sim.corp}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt>"
            f"<AgentID><![CDATA[{self._sim.agent}]]></AgentID></xml>"
        )
        return {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}, body.encode()

    async def close(self) -> None:
        """End every connection."""
        await self._client.aclose()

    def _crypto(self) -> WeChatCrypto:
        return WeChatCrypto(self._sim.token, self._sim.key, self._sim.corp)


def _xml(message: Mapping[str, Any]) -> str:
    parts = (
        f"<{name}>{value}</{name}>" if isinstance(value, int) else f"<{name}><![CDATA[{value}]]></{name}>"
        for name, value in message.items()
    )
    return f"<xml>{''.join(parts)}</xml>"
