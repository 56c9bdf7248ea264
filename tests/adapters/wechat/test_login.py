"""The sign-in by a code, in the terminal and on the page, and the settings of personal accounts."""

from __future__ import annotations

import asyncio
import os
import pty
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from starlette.applications import Starlette

from adapters._sealed import Seal
from adapters.wechat import WeChat, WeChatSettings
from adapters.wechat.personal.accounts import Account, Accounts
from adapters.wechat.personal.login import blocks, typed
from adapters.wechat.personal.page import svg
from adapters.wechat.personal.words import say
from bot.api import Host, Unavailable
from tests.adapters.memory_store import MemoryStore
from tests.adapters.wechat.signed_in import SECRET, Running, made, running, sign_in
from tests.simulators.ilink import Code, ILinkSimulator, Person, ilink_simulator


@pytest.fixture
async def ilink() -> AsyncIterator[ILinkSimulator]:
    async with ilink_simulator() as simulator:
        yield simulator


@pytest.fixture
def ann(ilink: ILinkSimulator) -> Person:
    return ilink.person("ann")


@dataclass
class Operator:
    """Somebody at a terminal, in which a sign-in runs; `numbers` are what they will type."""

    ilink: ILinkSimulator
    store: MemoryStore = field(default_factory=MemoryStore)
    numbers: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    how: dict[str, Any] = field(default_factory=dict)

    async def __aenter__(self) -> Operator:
        self.line: Running = made(self.ilink, store=self.store, ask=self._type, **self.how)
        self.task = asyncio.create_task(self.line.line.use("login", self.lines.append))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})
        await self.line.line.close()

    async def code(self, number: int = 1) -> Code:
        """The code that is shown, which is the first, or a later one."""
        codes = self.ilink.codes
        await self.ilink.news.until(lambda: len(codes) >= number and codes[number - 1].asked)
        return self.ilink.codes[number - 1]

    async def status(self) -> int:
        """How the sign-in ends."""
        return await asyncio.wait_for(self.task, 30)

    async def accounts(self) -> dict[str, Account]:
        """Who has signed in."""
        found = await Accounts(self.store, Seal(SECRET, "personal accounts")).all()
        return {account.id: account for account in found}

    @property
    def said(self) -> str:
        """All that the terminal shows."""
        return "\n".join(self.lines)

    async def _type(self) -> str:
        return self.numbers.pop(0) if self.numbers else ""


# --- the states of a code ----------------------------------------------------------------------------------


async def test_scanned_and_confirmed(ilink: ILinkSimulator, ann: Person):
    async with Operator(ilink) as operator:
        code = await operator.code()
        await code.scan()
        await ilink.news.until(lambda: code.told == "scaned")
        bot = await ilink.confirm(code, ann)
        assert await operator.status() == 0
        account = (await operator.accounts())[bot.id]
    assert (account.token, account.base_url, account.person) == (bot.token, ilink.other_url, ann.id)
    assert operator.said.count("Scanned.") == 1
    assert f"parley allow wechat:{ann.id}" in operator.said
    assert bot.token not in operator.said
    assert bot.token not in repr(operator.store.logs)
    assert bot.token not in repr(account)


async def test_the_code_is_in_the_terminal(ilink: ILinkSimulator):
    async with Operator(ilink) as operator:
        code = await operator.code()
    picture = blocks(code.content)
    assert all(line in operator.lines for line in picture)
    assert set("".join(picture)) <= set("█▀▄ \u00a0")


async def test_the_person_who_signed_in_is_heard_and_answered(ilink: ILinkSimulator, ann: Person):
    operator = Operator(ilink)
    async with running(ilink, store=operator.store) as line, operator:
        await ilink.confirm(await operator.code(), ann)
        assert await operator.status() == 0
        await ann.says("Hello")
        await line.ear.hears(1)
        await line.says(line.ear.heard[0], "Hello, Ann.")
    assert ann.texts == ["Hello, Ann."]


async def test_a_code_that_has_expired_is_replaced_twice(ilink: ILinkSimulator):
    async with Operator(ilink) as operator:
        for number in (1, 2, 3):
            await (await operator.code(number)).expire()
        assert await operator.status() == 1
        assert await operator.accounts() == {}
    assert len(ilink.codes) == 3
    assert operator.said.count("The code has expired.") == 3
    assert "Begin again: parley wechat login" in operator.lines[-1]


async def test_the_new_code_signs_in(ilink: ILinkSimulator, ann: Person):
    async with Operator(ilink) as operator:
        await (await operator.code()).expire()
        await ilink.confirm(await operator.code(2), ann)
        assert await operator.status() == 0


async def test_the_number_on_the_phone_is_asked_for(ilink: ILinkSimulator, ann: Person):
    async with Operator(ilink, numbers=["1111", " 4711 "]) as operator:
        code = await operator.code()
        await code.demand("4711")
        await ilink.news.until(lambda: code.state == "scaned" and code.told == "scaned")
        await ilink.confirm(code, ann)
        assert await operator.status() == 0
    assert operator.said.count("Type the number") == 2
    assert operator.said.count("That was not it.") == 1


async def test_too_many_wrong_numbers_make_a_new_code(ilink: ILinkSimulator, ann: Person):
    async with Operator(ilink, numbers=["1", "2", "3"]) as operator:
        await (await operator.code()).demand("4711")
        await ilink.confirm(await operator.code(2), ann)
        assert await operator.status() == 0
    assert "Too many wrong numbers." in operator.lines


async def test_a_number_that_nobody_types_ends_the_sign_in(ilink: ILinkSimulator):
    async with Operator(ilink) as operator:
        await (await operator.code()).demand("4711")
        assert await operator.status() == 1
    assert "given up" in operator.said


async def test_without_a_terminal_nobody_types():
    assert await typed() == ""  # as under pytest, whose input is no terminal


async def test_a_line_is_read_from_the_terminal():
    keyboard, screen = pty.openpty()
    with os.fdopen(screen) as terminal:
        typing = asyncio.create_task(typed(terminal))
        await asyncio.sleep(0)
        os.write(keyboard, b"4711\n")
        assert await asyncio.wait_for(typing, 30) == "4711"
        waiting = asyncio.create_task(typed(terminal))
        await asyncio.sleep(0)
        os.close(keyboard)
        assert await asyncio.wait_for(waiting, 30) == ""


async def test_an_account_that_lives_elsewhere_is_asked_for_there(ilink: ILinkSimulator, ann: Person):
    async with Operator(ilink) as operator:
        code = await operator.code()
        await code.move(ilink.other_url.removeprefix("http://"))
        await ilink.news.until(lambda: code.state == "scaned")
        await ilink.confirm(code, ann)
        assert await operator.status() == 0


async def test_nobody_is_sent_to_a_stranger(ilink: ILinkSimulator):
    async with Operator(ilink) as operator:
        code = await operator.code()
        await code.move("evil.example")
        await ilink.news.until(lambda: "asked at the host that it was sent away from" in ilink.violations)
    ilink.violations.clear()  # it stayed where it was, as it should


async def test_a_token_goes_to_no_stranger(ilink: ILinkSimulator, ann: Person):
    async with Operator(ilink) as operator:
        code = await operator.code()
        await code.confirm(ilink.sign_in(ann), "https://evil.example")
        assert await operator.status() == 1
        assert await operator.accounts() == {}


async def test_a_confirmation_for_nobody_is_none(ilink: ILinkSimulator):
    async with Operator(ilink) as operator:
        await (await operator.code()).turn("confirmed")
        assert await operator.status() == 1


async def test_who_is_signed_in_already_stays_so(ilink: ILinkSimulator, ann: Person):
    operator = Operator(ilink)
    bot = ilink.sign_in(ann)
    await sign_in(ilink, operator.store, bot)
    async with operator:
        code = await operator.code()
        assert code.tokens == [bot.token]
        await code.turn("binded_redirect")
        assert await operator.status() == 0
        assert (await operator.accounts())[bot.id].token == bot.token


async def test_the_token_of_a_session_that_ended_is_not_told(ilink: ILinkSimulator, ann: Person):
    operator = Operator(ilink)
    bot = ilink.sign_in(ann)
    (account,) = await sign_in(ilink, operator.store, bot)
    await Accounts(operator.store, Seal(SECRET, "personal accounts")).end(account)
    async with operator:
        assert (await operator.code()).tokens == []


async def test_no_more_than_ten_tokens_are_told(ilink: ILinkSimulator):
    operator = Operator(ilink)
    bots = [ilink.sign_in(ilink.person(f"p{number}")) for number in range(12)]
    await sign_in(ilink, operator.store, *bots)
    async with operator:
        assert (await operator.code()).tokens == [bot.token for bot in bots[2:]]


async def test_a_state_that_is_unknown_is_waited_through(ilink: ILinkSimulator, ann: Person):
    async with Operator(ilink) as operator:
        code = await operator.code()
        await code.turn("something new")
        await ilink.news.until(lambda: code.told)
        await ilink.confirm(code, ann)
        assert await operator.status() == 0


async def test_nobody_waits_for_ever(ilink: ILinkSimulator):
    ilink.hold = 0.001
    async with Operator(ilink) as operator:
        await operator.code()
        ilink.clock.turn(480)
        assert await operator.status() == 1
    assert "in time" in operator.lines[-1]


async def test_the_sign_in_goes_on_while_the_page_cannot_be_shown(ilink: ILinkSimulator, ann: Person):
    async with Operator(ilink) as operator:
        code = await operator.code()
        await operator.store.go()
        await code.scan()
        await ilink.news.until(lambda: code.told == "scaned" and code.asked > 1)
        await operator.store.come()
        await ilink.confirm(code, ann)
        assert await operator.status() == 0
    assert "The page cannot be shown" in operator.said


async def test_a_refusal_is_said(ilink: ILinkSimulator):
    ilink.answers["get_bot_qrcode"] = [{"ret": -9, "errmsg": "not for you"}]
    async with Operator(ilink) as operator:
        assert await operator.status() == 1
    assert "not for you" in operator.said


@pytest.mark.parametrize("answer", [503, {"ret": 0}, {"qrcode": "x", "qrcode_img_content": "y" * 2000}])
async def test_without_a_code_there_is_no_sign_in(ilink: ILinkSimulator, answer: Any):
    ilink.answers["get_bot_qrcode"] = [answer]
    async with Operator(ilink) as operator:
        with pytest.raises(Unavailable):
            await operator.status()


async def test_there_is_no_other_tool(ilink: ILinkSimulator):
    line, said = made(ilink), []
    assert await line.line.use("logout", said.append) == 2
    assert "login" in said[0]
    await line.line.close()


# --- the page ----------------------------------------------------------------------------------------------


def browser(operator: Operator, **headers: str) -> httpx.AsyncClient:
    """A browser of the operator's, at the bot's HTTP server."""
    app = Starlette(routes=list(operator.line.line.routes(operator.line.ear.submit)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bot", headers=headers)


async def link(operator: Operator) -> str:
    """The path of the link that the terminal shows."""
    await operator.code()
    found = re.search(r"http://127.0.0.1:8080(/wechat/login/\S+)", operator.said)
    assert found is not None
    return found[1]


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait for what another task will bring about."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.002)


async def test_the_page_shows_the_code_and_how_it_goes_on(ilink: ILinkSimulator, ann: Person):
    async with Operator(ilink, numbers=[]) as operator:
        path = await link(operator)
        async with browser(operator) as page:
            shown = await page.get(path)
            assert svg(ilink.codes[0].content) in shown.text
            assert say("en", "wait") in shown.text
            assert 'http-equiv="refresh"' in shown.text
            assert "default-src 'none'" in shown.headers["content-security-policy"]
            assert shown.headers["cache-control"] == "no-store"
            await ilink.codes[0].scan()

            async def scanned() -> bool:
                text = (await page.get(path)).text
                return say("en", "scanned") in text and "<svg" not in text

            await until(scanned)
            await ilink.confirm(ilink.codes[0], ann)
            assert await operator.status() == 0
            shown = await page.get(path)
            assert say("en", "done") in shown.text
            assert "refresh" not in shown.text


async def test_the_page_speaks_the_browsers_language(ilink: ILinkSimulator):
    async with Operator(ilink) as operator:
        path = await link(operator)
        for accepted, language in {
            "zh-CN,zh;q=0.9": "zh-CN",
            "fr, zh-TW;q=0.5": "zh-TW",
            "fr": "en",
            '"><script>': "en",
        }.items():
            async with browser(operator, **{"accept-language": accepted}) as page:
                text = (await page.get(path)).text
                assert say(language, "wait") in text
                assert f'<html lang="{language}">' in text


async def test_nobody_else_finds_the_page(ilink: ILinkSimulator):
    async with Operator(ilink) as operator:
        path = await link(operator)
        async with browser(operator) as page:
            assert (await page.get(path + "x")).status_code == 404
            assert (await page.get("/wechat/login/")).status_code == 404
            assert path.rpartition("/")[2] not in repr(operator.store.values)
            assert ilink.codes[0].content not in repr(operator.store.values)
            await operator.store.go()
            assert (await page.get(path)).status_code == 503
            await operator.store.come()


async def test_the_link_leads_to_the_public_address(ilink: ILinkSimulator):
    async with Operator(ilink, how={"public_url": "https://bot.example.org/"}) as operator:
        await operator.code()
    assert "https://bot.example.org/wechat/login/" in operator.said


async def test_a_sign_in_that_failed_says_so_on_the_page(ilink: ILinkSimulator):
    async with Operator(ilink) as operator:
        path = await link(operator)
        for number in (1, 2, 3):
            await (await operator.code(number)).expire()
        assert await operator.status() == 1
        async with browser(operator) as page:
            assert say("en", "failed") in (await page.get(path)).text


def test_the_drawing_is_an_image_of_its_own():
    root = ElementTree.fromstring(svg("https://example.org/<&>"))  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert [child.tag for child in root] == ["{http://www.w3.org/2000/svg}path"]


# --- settings ----------------------------------------------------------------------------------------------

HOST = Host(MemoryStore(), "127.0.0.1", 8080, "", alone=True)


def test_personal_accounts_are_off_by_default():
    assert WeChat.create(WeChatSettings.load({"WECHAT_PERSONAL_SECRET": SECRET}), HOST) is None


def test_personal_accounts_are_on_with_a_secret():
    settings = WeChatSettings.load({"WECHAT_PERSONAL": "on", "WECHAT_PERSONAL_SECRET": SECRET})
    adapter = WeChat.create(settings, HOST)
    assert adapter is not None
    assert "login" in adapter.tools
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "WECHAT_PERSONAL_SECRET"),
        ({"WECHAT_PERSONAL_SECRET": "short"}, "WECHAT_PERSONAL_SECRET"),
        (
            {"WECHAT_PERSONAL_SECRET": SECRET, "WECHAT_PERSONAL_BASE_URL": "ilinkai.weixin.qq.com"},
            "WECHAT_PERSONAL_BASE_URL",
        ),
    ],
)
def test_a_faulty_setting_is_named(settings: dict[str, str], named: str):
    with pytest.raises(ValueError, match=named):
        WeChat.create(WeChatSettings.load({"WECHAT_PERSONAL": "on", **settings}), HOST)
