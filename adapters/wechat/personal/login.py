"""`parley wechat login`: a code in the terminal, scanned and confirmed on a phone, and the account that comes of it.

Source: "QR-code login" of docs/protocol.md and src/auth/login-qr.ts, https://github.com/Tencent/openclaw-weixin.
"""

from __future__ import annotations

import asyncio
import io
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TextIO
from urllib.parse import urlsplit

import qrcode

from adapters.wechat.personal.accounts import Account, Accounts, is_id
from adapters.wechat.personal.client import Client, Refused, trusted
from adapters.wechat.personal.page import PATH, Page, State
from bot.api import Unavailable

CODES = 3
"""Codes that are shown one after the other; each is good for some minutes."""

PATIENCE = 480.0
"""Seconds for the whole of it, as Tencent's plugin gives it."""

_KIND = "3"  # bot_type: a bot of the person who scans
_TOKENS = 10
_PAUSE = 1.0

Say = Callable[[str], None]
Ask = Callable[[], Awaitable[str]]


class Login:
    """One sign-in, which tells the operator by `say` how it goes.

    `ask` waits for a line that the operator types; empty: nobody does. `address` is where the bot serves HTTP, empty
    where it does not; `clock` counts seconds.
    """

    def __init__(
        self,
        client: Client,
        accounts: Accounts,
        page: Page,
        base_url: str,
        say: Say,
        *,
        address: str = "",
        ask: Ask | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._accounts = accounts
        self._page = page
        self._home = self._base_url = base_url
        self._say = say
        self._address = address
        self._ask = ask or typed
        self._clock = clock
        self._sleep = sleep
        self._link = page.new()
        self._code = ""  # WeChat's name of the code that is shown
        self._codes = 0
        self._verify = ""
        self._state: State = "wait"

    async def run(self) -> int:
        """Sign one account in; the exit status. Raises `Unavailable` where no code can be had."""
        try:
            status = await self._until_over()
        except Refused as refused:
            self._say(f"WeChat refuses: {refused}")
            status = 1
        await self._show("done" if status == 0 else "failed")
        return status

    async def _until_over(self) -> int:
        until = self._clock() + PATIENCE
        await self._renew()
        while self._clock() < until:
            status = await self._heed(await self._asked())
            if status is not None:
                return status
            await self._sleep(_PAUSE)
        self._say("Nobody has scanned and confirmed the code in time. Begin again: parley wechat login")
        return 1

    async def _heed(self, answer: Mapping[str, object]) -> int | None:
        """Do what the code's state asks for; the exit status where the sign-in is over."""
        match answer.get("status"):
            case "confirmed":
                return await self._confirmed(answer)
            case "binded_redirect":
                self._say("This WeChat is signed in here already; there is nothing to do.")
                return 0
            case "expired":
                return await self._renewed("The code has expired.")
            case "verify_code_blocked":
                return await self._renewed("Too many wrong numbers.")
            case "need_verifycode":
                return await self._verified()
            case "scaned_but_redirect":
                self._redirect(str(answer.get("redirect_host") or ""))
            case "scaned":
                await self._scanned()
        return None

    # --- the code -------------------------------------------------------------------------------------------

    async def _renew(self) -> None:
        """Show a new code."""
        self._code, content = await self._new_code()
        self._codes += 1
        self._base_url, self._verify = self._home, ""
        await self._show("wait", content)
        self._say("Scan this code with WeChat on your phone:")
        for line in blocks(content):
            self._say(line)
        if self._address:
            self._say(f"No good picture? While Parley runs: {self._address}{PATH}/{self._link}")
        self._say(f"Or open this address in a browser: {content}")

    async def _renewed(self, why: str) -> int | None:
        if self._codes >= CODES:
            self._say(f"{why} That was the last one. Begin again: parley wechat login")
            return 1
        self._say(why)
        await self._renew()
        return None

    async def _new_code(self) -> tuple[str, str]:
        """WeChat's name of it, and what is to be scanned. Raises `Refused`, `Unavailable`."""
        # WeChat tells by these that somebody who scans has signed in here before.
        good = [account for account in await self._accounts.all() if not await self._accounts.ended(account)]
        body = {"local_token_list": [account.token for account in good[-_TOKENS:]]}
        answer = await self._client.post(
            self._home, "ilink/bot/get_bot_qrcode", body, query={"bot_type": _KIND}
        )
        name, content = str(answer.get("qrcode") or ""), str(answer.get("qrcode_img_content") or "")
        if not name or not 0 < len(content) <= 1000:
            raise Unavailable("WeChat gives no code to scan")
        return name, content

    async def _show(self, state: State, code: str = "") -> None:
        """Bring the page up to date, which is no obstacle to the sign-in."""
        self._state = state
        try:
            await self._page.show(self._link, state, code)
        except Unavailable as error:
            self._say(f"(The page cannot be shown: {error})")

    # --- its state ------------------------------------------------------------------------------------------

    async def _asked(self) -> Mapping[str, object]:
        """The state of the code; a gateway that has no patience is no end of it."""
        query = {"qrcode": self._code, **({"verify_code": self._verify} if self._verify else {})}
        try:
            return await self._client.get(self._base_url, "ilink/bot/get_qrcode_status", query)
        except Unavailable:
            return {"status": "wait"}

    async def _scanned(self) -> None:
        self._verify = ""
        if self._state != "scanned":
            await self._show("scanned")
            self._say("Scanned. Confirm it on the phone.")

    async def _verified(self) -> int | None:
        """Ask for the number that the next question bears."""
        again = "That was not it. " if self._verify else ""
        await self._show("verify")
        self._say(f"{again}Type the number that WeChat shows on the phone, and press Enter:")
        self._verify = "".join(sign for sign in await self._ask() if sign.isascii() and sign.isalnum())[:16]
        if self._verify:
            return None
        self._say("Nobody typed the number that the phone shows; the sign-in is given up.")
        return 1

    def _redirect(self, host: str) -> None:
        url = f"{urlsplit(self._home).scheme}://{host}"
        if host and trusted(url, self._home):
            self._base_url = url

    async def _confirmed(self, answer: Mapping[str, object]) -> int:
        id, token = str(answer.get("ilink_bot_id") or ""), str(answer.get("bot_token") or "")
        base_url = str(answer.get("baseurl") or self._base_url).rstrip("/")
        person = str(answer.get("ilink_user_id") or "")
        if not (is_id(id) and token and trusted(base_url, self._home)):
            self._say(
                "WeChat confirmed the sign-in without saying for whom. Begin again: parley wechat login"
            )
            return 1
        await self._accounts.add(Account(id, token, base_url, person))
        self._say(f"Signed in as {id}. A running Parley receives for it at once.")
        if person:
            self._say(f"To let its owner talk to the bot: parley allow wechat:{person}")
        return 0


def blocks(content: str) -> list[str]:
    """The code as lines of half blocks, light on dark."""
    code = qrcode.QRCode(border=2)
    code.add_data(content)
    out = io.StringIO()
    code.print_ascii(out=out, invert=True)
    return out.getvalue().rstrip("\n").split("\n")


async def typed(terminal: TextIO | None = None) -> str:
    """A line from the terminal; empty where there is none."""
    source = terminal or sys.stdin
    if not source.isatty():
        return ""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        loop.remove_reader(source)
        try:
            found = source.readline()
        except OSError:  # the terminal was closed
            found = ""
        if not line.done():
            line.set_result(found)

    # A thread that waits for the keyboard could not be ended by Ctrl-C.
    loop.add_reader(source, read)
    try:
        async with asyncio.timeout(PATIENCE):
            return (await line).strip()
    except TimeoutError:
        return ""
    finally:
        loop.remove_reader(source)


__all__ = ["Login", "blocks", "typed"]
