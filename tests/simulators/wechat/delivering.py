"""WeChat's deliveries: up to three of each message, each ended after five seconds, to one of the bot's addresses."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from dataclasses import dataclass, field

import aiohttp
from wechatpy.crypto import WeChatCrypto

from tests.simulators.wechat.account import Account
from tests.simulators.wechat.clock import Clock
from tests.simulators.wechat.passive import Misunderstood, read
from tests.simulators.wechat.people import BUBBLE, Person, Told

GAP = 5.0
"""Seconds that WeChat waits for an answer, and between the beginnings of two deliveries."""

DELIVERIES = 3


def signed(*parts: str) -> str:
    """A signature, made by the description and not by our own code."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


@dataclass
class Deliveries:
    """`callbacks` are the bot's addresses, taken in turn as by a load balancer."""

    account: Account
    clock: Clock
    callbacks: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """What was delivered, newest last."""

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def verify(self, echo: str = "5927782489442352469") -> tuple[int, str]:
        """What the console does when the address is entered."""
        _, query, _ = self.letter("")
        async with self._session().get(self.callbacks[0], params={**query, "echostr": echo}) as response:
            return response.status, await response.text()

    async def deliver(self, person: Person, content: dict[str, object]) -> Told:
        """Deliver until there is an answer; what the person sees of it is theirs."""
        began = self.clock.time()
        head = {"ToUserName": self.account.name, "FromUserName": person.openid, "CreateTime": int(began)}
        xml = written({**head, **content})
        faults = []
        for number in range(DELIVERIES):
            await self.clock.sleep(max(0.0, began + number * GAP - self.clock.time()))
            try:
                body = await self._in_time(xml)
                said = read(self.account, person.openid, body)
            except TimeoutError:
                faults.append("late")
            except (aiohttp.ClientError, OSError) as error:
                faults.append(f"{type(error).__name__}: {error}")
            except Misunderstood as error:
                faults.append(f"misunderstood: {error}")
                break
            else:
                if said is not None:
                    await person.sees(said.kind, said.value, "passive")
                return Told(number + 1, tuple(faults))
        await person.sees("error", BUBBLE, "wechat")
        return Told(len(faults), tuple(faults))

    def letter(self, xml: str) -> tuple[str, dict[str, str], bytes]:
        """An address, the query and the body of one delivery."""
        number = next(self._numbers)
        timestamp, nonce = str(int(self.clock.time())), f"{number * 7919 % 1_000_000_007}"
        account = self.account
        query = {
            "signature": signed(account.token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
        }
        body = xml
        if account.mode != "plain" and xml:
            crypto = WeChatCrypto(account.token, account.aes_key, account.app_id)
            sealed = crypto.encrypt_message(xml, nonce, timestamp)
            encrypted = sealed.partition("<Encrypt><![CDATA[")[2].partition("]]>")[0]
            query |= {
                "encrypt_type": "aes",
                "msg_signature": signed(account.token, timestamp, nonce, encrypted),
            }
            inner = xml.removeprefix("<xml>").removesuffix("</xml>") if account.mode == "compatible" else ""
            to = f"<ToUserName><![CDATA[{account.name}]]></ToUserName>" if not inner else ""
            body = f"<xml>{to}{inner}<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        return self.callbacks[number % len(self.callbacks)], query, body.encode()

    async def _in_time(self, xml: str) -> str:
        posting = asyncio.ensure_future(self._post(xml))
        timer = asyncio.ensure_future(self.clock.sleep(GAP))
        try:
            await asyncio.wait({posting, timer}, return_when=asyncio.FIRST_COMPLETED)
            if not posting.done():
                raise TimeoutError
            return posting.result()
        finally:
            posting.cancel()
            timer.cancel()
            await asyncio.gather(posting, timer, return_exceptions=True)

    async def _post(self, xml: str) -> str:
        url, query, body = self.letter(xml)
        self.bodies.append(body)
        headers = {"Content-Type": "text/xml", "Connection": "close"}
        async with self._session().post(url, params=query, data=body, headers=headers) as response:
            if response.status != 200:
                raise aiohttp.ClientError(f"status {response.status}")
            return (await response.read()).decode()

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0))
        return self._http


def written(values: dict[str, object]) -> str:
    """A message as WeChat writes it."""
    parts = []
    for name, value in values.items():
        text = str(value).replace("]]>", "]]]]><![CDATA[>")
        parts.append(
            f"<{name}>{value}</{name}>" if isinstance(value, int) else f"<{name}><![CDATA[{text}]]></{name}>"
        )
    return f"<xml>{''.join(parts)}</xml>"
