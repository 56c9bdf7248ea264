"""The server side of an Official Account: delivers what people say, and serves the interface that answers use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.simulators.wechat.account import Account
from tests.simulators.wechat.clock import Clock
from tests.simulators.wechat.delivering import Deliveries
from tests.simulators.wechat.interface import Interface, Json
from tests.simulators.wechat.people import Person


class WeChatSimulator:
    """`base_url` is the interface's; `deliveries.callbacks` is where the bot is to be found."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self.account = account
        self.clock = clock
        self.people: dict[str, Person] = {}
        self.deliveries = Deliveries(account, clock)
        self.interface = Interface(account, self.people, clock)
        self.base_url = ""

    def person(self, openid: str) -> Person:
        """A follower."""
        person = Person(openid, self.deliveries.deliver, self.clock.time)
        return self.people.setdefault(openid, person)

    def fail(self, answer: Json | bytes, *, status: int = 200, times: int = 1) -> None:
        """Answer the next calls of the interface with this."""
        self.interface.faults.extend([(status, answer)] * times)

    def heal(self) -> None:
        """Answer as ever."""
        self.interface.faults.clear()

    def settings(self, **more: str) -> dict[str, str]:
        """What the operator sets for this account."""
        key = {} if self.account.mode == "plain" else {"WECHAT_ENCODING_AES_KEY": self.account.aes_key}
        return {
            "WECHAT_APP_ID": self.account.app_id,
            "WECHAT_APP_SECRET": self.account.secret,
            "WECHAT_TOKEN": self.account.token,
            "WECHAT_API_BASE_URL": self.base_url,
            **key,
            **more,
        }


@asynccontextmanager
async def wechat_simulator(
    account: Account | None = None, *, clock: Clock | None = None
) -> AsyncIterator[WeChatSimulator]:
    """A running simulator on a port of its own."""
    simulator = WeChatSimulator(account or Account(), clock or Clock())
    runner = web.AppRunner(simulator.interface.application(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        simulator.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield simulator
    finally:
        await simulator.deliveries.close()
        await runner.cleanup()
