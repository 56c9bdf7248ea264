"""WeChat's simulator is as strict as WeChat: what it delivers, when it gives up, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.simulators.wechat import BUBBLE, Account, Clock, WeChatSimulator, wechat_simulator
from tests.simulators.wechat.account import Refusal
from tests.simulators.wechat.passive import Misunderstood, Passive, read

ACCOUNT = Account()


@pytest.fixture
async def wechat() -> AsyncIterator[WeChatSimulator]:
    async with wechat_simulator(Account(), clock=Clock(0.02)) as simulator:
        yield simulator


@dataclass
class Bot:
    """Answers deliveries from a list; what is no text is a time to wait, in seconds of the clock."""

    wechat: WeChatSimulator
    answers: list[str | float | int]
    at: list[float] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.at.append(self.wechat.clock.time())
        answer = self.answers.pop(0)
        if isinstance(answer, float):
            await self.wechat.clock.sleep(answer)
            return web.Response(text="success")
        if isinstance(answer, int):
            return web.Response(status=answer)
        return web.Response(text=answer)

    async def __aenter__(self) -> Bot:
        app = web.Application()
        app.router.add_post("/wechat", self.take)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.wechat.deliveries.callbacks.append(f"http://127.0.0.1:{self._runner.addresses[0][1]}/wechat")
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self._runner.cleanup()


def passive(content: str = "hello", **changes: str) -> str:
    to, us = changes.get("to", "oAnn"), changes.get("us", ACCOUNT.name)
    return (
        f"<xml><ToUserName><![CDATA[{to}]]></ToUserName><FromUserName><![CDATA[{us}]]></FromUserName>"
        f"<CreateTime>{changes.get('at', '1')}</CreateTime>"
        f"<MsgType><![CDATA[{changes.get('kind', 'text')}]]></MsgType>"
        f"<Content><![CDATA[{content}]]></Content></xml>"
    )


async def test_a_message_is_delivered_three_times_five_seconds_apart_and_then_given_up(
    wechat: WeChatSimulator,
) -> None:
    async with Bot(wechat, [9.0, 9.0, 9.0]) as bot:
        told = await wechat.person("oAnn").says("hello")
    assert (told.deliveries, told.faults) == (3, ("late", "late", "late"))
    gaps = [later - earlier for earlier, later in zip(bot.at, bot.at[1:], strict=False)]
    assert all(4.5 < gap < 7.5 for gap in gaps)
    assert wechat.person("oAnn").texts == []
    assert [one.value for one in wechat.person("oAnn").shown] == [BUBBLE]


@pytest.mark.parametrize("empty", ["", "success"])
async def test_an_empty_answer_ends_it_and_shows_nothing(wechat: WeChatSimulator, empty: str) -> None:
    async with Bot(wechat, [503, empty]):
        told = await wechat.person("oAnn").says("hello")
    assert told.deliveries == 2
    assert wechat.person("oAnn").shown == []


async def test_an_answer_is_shown(wechat: WeChatSimulator) -> None:
    async with Bot(wechat, [passive("你好")]):
        await wechat.person("oAnn").says("hello")
    assert wechat.person("oAnn").texts == ["你好"]


async def test_an_answer_that_is_none_is_an_error_bubble(wechat: WeChatSimulator) -> None:
    async with Bot(wechat, ["not xml"]):
        await wechat.person("oAnn").says("hello")
    assert [one.kind for one in wechat.person("oAnn").shown] == ["error"]


def test_a_text_of_2048_bytes_is_read() -> None:
    assert read(ACCOUNT, "oAnn", passive("x" * 2048)) == Passive("text", "x" * 2048)


@pytest.mark.parametrize(
    "body",
    [
        passive("x" * 2049),
        passive("你" * 683),
        passive(""),
        passive(to="oBob"),
        passive(us="gh_other"),
        passive(at="now"),
        passive(kind="gift"),
        passive().replace("<![CDATA[hello]]>", "hello"),
        passive("a]]>b"),
        passive(kind="image"),
        "<html></html>",
        "ok",
    ],
)
def test_what_is_no_passive_reply_is_misunderstood(body: str) -> None:
    with pytest.raises(Misunderstood):
        read(ACCOUNT, "oAnn", body)


def test_an_open_answer_is_misunderstood_where_all_is_encrypted() -> None:
    with pytest.raises(Misunderstood):
        read(Account(mode="secure"), "oAnn", passive())


# --- the interface -----------------------------------------------------------------------------------------


async def call(wechat: WeChatSimulator, path: str, body: Any, *, token: str | None = None) -> dict[str, Any]:
    async with httpx.AsyncClient() as http:
        given = await _token(http, wechat) if token is None else token
        url = f"{wechat.base_url}/cgi-bin/{path}"
        response = await http.post(
            url, params={"access_token": given}, content=body if isinstance(body, bytes) else _json(body)
        )
        return response.json()


async def _token(http: httpx.AsyncClient, wechat: WeChatSimulator) -> str:
    account = wechat.account
    asked = {"grant_type": "client_credential", "appid": account.app_id, "secret": account.secret}
    return (await http.post(f"{wechat.base_url}/cgi-bin/stable_token", content=_json(asked))).json()[
        "access_token"
    ]


def _json(body: Any) -> bytes:
    return httpx.Request("POST", "http://x", json=body).content


def text(content: str = "hello") -> dict[str, Any]:
    return {"touser": "oAnn", "msgtype": "text", "text": {"content": content}}


async def test_a_message_of_customer_service_needs_a_persons_word_within_48_hours_and_has_a_quota(
    wechat: WeChatSimulator,
) -> None:
    ann = wechat.person("oAnn")
    assert (await call(wechat, "message/custom/send", text()))["errcode"] == 45015
    ann.quota, ann.spoke = 5, wechat.clock.time()
    got = [(await call(wechat, "message/custom/send", text(f"{n}")))["errcode"] for n in range(6)]
    assert got == [0, 0, 0, 0, 0, 45047]
    assert ann.texts == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (text("x" * 2049), 45002),
        (text(" "), 44004),
        ({"touser": "oAnn", "msgtype": "image", "image": {"media_id": "none"}}, 40007),
        ({"touser": "oAnn", "msgtype": "gift"}, 40004),
        (text() | {"touser": "oBob"}, 40003),
        (b'{"touser": "oAnn", "msgtype": "text", "text": {"content": "\\u4f60"}}', 40033),
        (b"[]", 47001),
    ],
)
async def test_what_is_no_message_is_refused(wechat: WeChatSimulator, body: Any, code: int) -> None:
    ann = wechat.person("oAnn")
    ann.quota, ann.spoke = 5, wechat.clock.time()
    assert (await call(wechat, "message/custom/send", body))["errcode"] == code
    assert ann.shown == []


async def test_typing_is_shown_once_at_a_time(wechat: WeChatSimulator) -> None:
    ann = wechat.person("oAnn")
    body = {"touser": "oAnn", "command": "Typing"}
    assert (await call(wechat, "message/custom/typing", body))["errcode"] == 45080
    ann.spoke = wechat.clock.time()
    got = [(await call(wechat, "message/custom/typing", body))["errcode"] for _ in range(2)]
    assert got == [0, 45081]
    assert (await call(wechat, "message/custom/typing", body | {"command": "Type"}))["errcode"] == 45072


async def test_without_the_right_nothing_is_sent(wechat: WeChatSimulator) -> None:
    wechat.account.rights = False
    wechat.person("oAnn").quota = 5
    assert (await call(wechat, "message/custom/send", text()))["errcode"] == 48001
    typing = {"touser": "oAnn", "command": "Typing"}
    assert (await call(wechat, "message/custom/typing", typing))["errcode"] == 48001


async def test_a_token_that_is_wrong_or_over_is_refused(wechat: WeChatSimulator) -> None:
    wechat.person("oAnn")
    assert (await call(wechat, "message/custom/send", text(), token="wrong"))["errcode"] == 40001
    async with httpx.AsyncClient() as http:
        token = await _token(http, wechat)
        assert await _token(http, wechat) == token
    wechat.interface.expire()
    assert (await call(wechat, "message/custom/send", text(), token=token))["errcode"] == 42001


@pytest.mark.parametrize(
    ("buttons", "code"),
    [
        ([], 40016),
        ([{"name": "x", "sub_button": []}] * 4, 40016),
        ([{"name": "x" * 17, "sub_button": []}], 40018),
        ([{"name": "x", "sub_button": [{"type": "click", "name": "a", "key": "/a"}] * 6}], 40023),
        ([{"name": "x", "sub_button": [{"type": "click", "name": "a" * 61, "key": "/a"}]}], 40025),
        ([{"name": "x", "sub_button": [{"type": "click", "name": "a", "key": ""}]}], 40019),
        ([{"name": "x", "sub_button": [{"type": "click", "name": "a", "key": "/a"}]}], 0),
    ],
)
async def test_a_menu_has_its_limits(wechat: WeChatSimulator, buttons: list[Any], code: int) -> None:
    assert (await call(wechat, "menu/create", {"button": buttons}))["errcode"] == code


@pytest.mark.parametrize(("seconds", "code"), [(60, 0), (61, 45007)])
async def test_a_recording_lasts_a_minute_at_the_most(
    wechat: WeChatSimulator, seconds: int, code: int
) -> None:
    recording = b"#!AMR\n" + (b"\x3c" + bytes(31)) * 50 * seconds
    async with httpx.AsyncClient() as http:
        query = {"access_token": await _token(http, wechat), "type": "voice"}
        files = {"media": ("voice.amr", recording, "audio/amr")}
        url = f"{wechat.base_url}/cgi-bin/media/upload"
        answer = (await http.post(url, params=query, files=files)).json()
    assert answer.get("errcode", 0) == code


async def test_the_clock_runs_faster_than_ours() -> None:
    clock = Clock(0.01)
    began = clock.time()
    async with asyncio.timeout(30):
        await clock.sleep(20)
    assert clock.time() - began >= 20


def test_every_refusal_has_wechats_words() -> None:
    assert Refusal(45047).answer["errcode"] == 45047
    assert "out of response count" in str(Refusal(45047))
