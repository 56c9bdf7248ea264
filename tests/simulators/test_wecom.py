"""WeCom's simulator is as strict as the documents: what WeCom refuses, it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.simulators.wecom import Customer, Member, WeComSimulator, wecom_simulator

Json = dict[str, Any]


async def granted(wecom: WeComSimulator, http: httpx.AsyncClient, secret: str) -> Json:
    query = {"corpid": wecom.corp, "corpsecret": secret}
    return (await http.get(f"{wecom.url}/cgi-bin/gettoken", params=query)).json()


class Client:
    """Speaks to the simulator with the token of one Secret."""

    def __init__(self, wecom: WeComSimulator, http: httpx.AsyncClient, secret: str) -> None:
        self._wecom, self._http, self._secret = wecom, http, secret
        self.token = ""

    async def renew(self) -> None:
        """Have a token that is good."""
        self.token = (await granted(self._wecom, self._http, self._secret))["access_token"]

    async def later(self, seconds: float) -> None:
        """Let time pass, and have a new token."""
        self._wecom.clock.turn(seconds)
        await self.renew()

    async def post(self, path: str, body: Json, **query: str) -> Json:
        """The answer of a path."""
        url = f"{self._wecom.url}/cgi-bin/{path}"
        response = await self._http.post(url, json=body, params={"access_token": self.token, **query})
        return response.json()

    async def code(self, path: str, body: Json, **query: str) -> int:
        """The errcode of the answer."""
        return (await self.post(path, body, **query))["errcode"]

    async def says(self, text: str, **more: Any) -> int:
        """Send a text to Ann; the errcode."""
        body = {"touser": "ann", "agentid": self._wecom.agent, "msgtype": "text", "text": {"content": text}}
        return await self.code("message/send", body | more)

    async def serves(self, text: str, **more: Any) -> int:
        """Send a text to Wang; the errcode."""
        body = {"touser": "wm1", "open_kfid": "wk1", "msgtype": "text", "text": {"content": text}}
        return await self.code("kf/send_msg", body | more)

    async def uploads(self, kind: str, data: bytes) -> Json:
        """Send a file up."""
        url, query = f"{self._wecom.url}/cgi-bin/media/upload", {"access_token": self.token, "type": kind}
        return (await self._http.post(url, params=query, files={"media": ("x.bin", data)})).json()


@pytest.fixture
async def wecom() -> AsyncIterator[WeComSimulator]:
    async with wecom_simulator() as simulator:
        yield simulator


@pytest.fixture
def ann(wecom: WeComSimulator) -> Member:
    return wecom.member("Ann")


@pytest.fixture
def wang(wecom: WeComSimulator) -> Customer:
    return wecom.customer("wm1")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
async def app(wecom: WeComSimulator, http: httpx.AsyncClient) -> Client:
    client = Client(wecom, http, wecom.secret)
    await client.renew()
    return client


@pytest.fixture
async def kf(wecom: WeComSimulator, http: httpx.AsyncClient) -> Client:
    client = Client(wecom, http, wecom.kf_secret)
    await client.renew()
    return client


async def test_a_token_is_the_same_until_it_ends(
    wecom: WeComSimulator, http: httpx.AsyncClient, app: Client
) -> None:
    assert (await granted(wecom, http, wecom.secret))["access_token"] == app.token
    assert (await granted(wecom, http, "wrong"))["errcode"] == 40001
    wecom.clock.turn(7201)
    assert await app.says("hello") == 42001
    app.token = "never granted"
    assert await app.says("hello") == 40014


async def test_an_app_has_no_rights_to_customer_service_nor_the_other_way_round(
    app: Client, kf: Client
) -> None:
    assert await app.code("kf/account/list", {"limit": 100}) == 48002
    assert await kf.says("hello") == 48002


async def test_texts_are_checked(wecom: WeComSimulator, app: Client, ann: Member) -> None:
    assert await app.says("一" * 682) == 0
    assert wecom.broken == []
    assert await app.says("一" * 683) == 40058
    assert await app.says(" ") == 44004
    assert await app.says("hello", markdown={"content": "hello"}) == 40058
    assert await app.says("hello", agentid=1) == 40056
    assert await app.says("hello", touser="nobody") == 81013
    assert await app.says("hello", duplicate_check_interval=86400, enable_duplicate_check=1) == 40058
    assert len(wecom.broken) == 3
    assert len(ann.shown) == 1


async def test_the_same_message_vanishes_where_that_is_asked_for(
    wecom: WeComSimulator, app: Client, ann: Member
) -> None:
    once = {"enable_duplicate_check": 1, "duplicate_check_interval": 1800}
    for _ in range(2):
        assert await app.says("hello", **once) == 0
    assert ann.shown == ["hello"]
    await app.says("hello")
    wecom.clock.turn(1801)
    await app.says("hello", **once)
    assert ann.shown == ["hello"] * 3


async def test_thirty_messages_a_minute_are_the_most(wecom: WeComSimulator, app: Client, ann: Member) -> None:
    wecom.rates = True
    assert [await app.says(f"{number}") for number in range(31)] == [0] * 30 + [45009]
    wecom.clock.turn(61)
    assert await app.says("again") == 0


async def test_files_are_checked(wecom: WeComSimulator, app: Client, ann: Member) -> None:
    assert (await app.uploads("image", b"\x89PNG"))["errcode"] == 40058
    assert (await app.uploads("image", b"no picture"))["errcode"] == 40005
    assert (await app.uploads("voice", b"OggS recording"))["errcode"] == 40005
    assert (await app.uploads("image", b"\x89PNG" + bytes(10 << 20)))["errcode"] == 40009
    media = (await app.uploads("image", b"\x89PNG picture"))["media_id"]
    body = {"touser": "ann", "agentid": wecom.agent}
    assert await app.code("message/send", body | {"msgtype": "file", "file": {"media_id": media}}) == 40007
    assert await app.code("message/send", body | {"msgtype": "image", "image": {"media_id": media}}) == 0
    assert ann.shown == ["<image 12>"]


async def test_a_voice_message_lasts_a_minute_at_the_most(wecom: WeComSimulator, app: Client) -> None:
    second = (b"\x3c" + bytes(31)) * 50
    assert (await app.uploads("voice", b"#!AMR\n" + 60 * second))["errcode"] == 0
    assert (await app.uploads("voice", b"#!AMR\n" + 61 * second))["errcode"] == 40058
    assert wecom.broken


async def test_a_message_can_be_taken_back_for_a_day(wecom: WeComSimulator, app: Client, ann: Member) -> None:
    await app.says("one")
    await app.says("two")
    one, two = (message.id for message in ann.messages)
    assert await app.code("message/recall", {"msgid": one}) == 0
    await app.later(86401)
    assert await app.code("message/recall", {"msgid": two}) == 40058
    assert ann.shown == ["two"]


async def test_a_menu_is_checked(wecom: WeComSimulator, app: Client) -> None:
    button = {"type": "click", "name": "帮助", "key": "/help"}
    agent = str(wecom.agent)
    for wrong, code in [
        ([], 40016),
        ([button] * 4, 40016),
        ([button | {"name": "一二三四五六"}], 40018),
        ([button | {"key": "k" * 129}], 40019),
        ([{"name": "更多", "sub_button": [button] * 6}], 40018),
    ]:
        assert await app.code("menu/create", {"button": wrong}, agentid=agent) == code
    assert await app.code("menu/create", {"button": [button]}, agentid=agent) == 0


async def test_after_a_message_five_may_follow_within_two_days(
    wecom: WeComSimulator, kf: Client, wang: Customer
) -> None:
    assert await kf.serves("unasked") == 95002
    await wang.says("hello")
    assert [await kf.serves(f"{number}") for number in range(6)] == [0] * 5 + [95001]
    await wang.says("hello")
    assert await kf.serves("more") == 0
    await kf.later(48 * 3600 + 1)
    assert await kf.serves("late") == 95002


async def test_an_id_is_shown_once_and_has_32_letters(
    wecom: WeComSimulator, kf: Client, wang: Customer
) -> None:
    await wang.says("hello")
    for text in ("one", "two"):
        assert await kf.serves(text, msgid="a" * 32) == 0
    assert wang.shown == ["one"]
    assert await kf.serves("three", msgid="a" * 33) == 40058
    assert wang.left == 4


async def test_a_colleagues_session_is_not_ours(kf: Client, wang: Customer) -> None:
    await wang.says("hello")
    wang.state = 3
    session = {"open_kfid": "wk1", "external_userid": "wm1"}
    assert await kf.serves("hello") == 95018
    assert await kf.code("kf/service_state/trans", session | {"service_state": 1}) == 95016
    wang.state = 0
    assert await kf.code("kf/service_state/trans", session | {"service_state": 1}) == 0
    assert (await kf.post("kf/service_state/get", session))["service_state"] == 1


async def test_the_log_is_read_page_by_page_for_three_days(
    wecom: WeComSimulator, kf: Client, wang: Customer
) -> None:
    wecom.kf.page = 2
    for number in range(3):
        await wang.says(f"{number}")
    first = await kf.post("kf/sync_msg", {"open_kfid": "wk1"})
    assert (len(first["msg_list"]), first["has_more"]) == (2, 1)
    rest = await kf.post("kf/sync_msg", {"open_kfid": "wk1", "cursor": first["next_cursor"]})
    assert ([entry["text"]["content"] for entry in rest["msg_list"]], rest["has_more"]) == (["2"], 0)
    assert await kf.code("kf/sync_msg", {"open_kfid": "wk1", "cursor": "mine"}) == 40058
    assert await kf.code("kf/sync_msg", {"open_kfid": "wk1", "token": "mine"}) == 95007
    assert await kf.code("kf/sync_msg", {"open_kfid": "wk9"}) == 95004
    await kf.later(3 * 86400 + 1)
    assert (await kf.post("kf/sync_msg", {"open_kfid": "wk1"}))["msg_list"] == []


async def test_a_greeting_is_good_once_and_for_twenty_seconds(
    wecom: WeComSimulator, kf: Client, wang: Customer
) -> None:
    body = {"msgid": "g1", "msgtype": "text", "text": {"content": "Hello!"}}
    code = wecom.kf.welcome_code(wang)
    assert await kf.code("kf/send_msg_on_event", {"code": code, **body}) == 0
    assert await kf.code("kf/send_msg_on_event", {"code": code, **body}) == 40029
    late = wecom.kf.welcome_code(wang)
    wecom.clock.turn(21)
    assert await kf.code("kf/send_msg_on_event", {"code": late, **body}) == 40029
    assert wang.shown == ["Hello!"]
