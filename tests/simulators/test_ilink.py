"""The simulator of iLink is as strict as the protocol, so that what passes it can be hoped to pass WeChat."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from tests.simulators.ilink import Bot, ILinkSimulator, Person, ilink_simulator

INFO = {"channel_version": "2.4.9", "bot_agent": "Test/1.0"}


@pytest.fixture
async def ilink() -> AsyncIterator[ILinkSimulator]:
    async with ilink_simulator() as simulator:
        simulator.hold = 0.01
        yield simulator


@pytest.fixture
def ann(ilink: ILinkSimulator) -> Person:
    return ilink.person("ann")


@pytest.fixture
def bot(ilink: ILinkSimulator, ann: Person) -> Bot:
    return ilink.sign_in(ann)


def headers(bot: Bot) -> dict[str, str]:
    return {
        "iLink-App-Id": "bot",
        "iLink-App-ClientVersion": str(2 << 16 | 4 << 8 | 9),
        "AuthorizationType": "ilink_bot_token",
        "Authorization": f"Bearer {bot.token}",
        "X-WECHAT-UIN": base64.b64encode(b"4294967295").decode(),
    }


def browser() -> httpx.AsyncClient:
    """A client that does not read all certificates first: there are none to check."""
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(verify=False))


async def call(
    ilink: ILinkSimulator, bot: Bot, method: str, body: Mapping[str, Any], **changed: str | None
) -> httpx.Response:
    """Call a method with all that belongs to it; headers that are None are left out."""
    sent = {name: value for name, value in {**headers(bot), **changed}.items() if value is not None}
    async with browser() as http:
        url = f"{ilink.url}/ilink/bot/{method}"
        return await http.post(url, json={"base_info": INFO, **body}, headers=sent)


def message(ann: Person, text: str = "hello", **changed: Any) -> dict[str, Any]:
    """A message as it should be, but for what is changed."""
    return {
        "msg": {
            "from_user_id": "",
            "to_user_id": ann.id,
            "client_id": "c1",
            "message_type": 2,
            "message_state": 2,
            "item_list": [{"type": 1, "text_item": {"text": text}}],
            "context_token": next(reversed(ann.contexts), ""),
            **changed,
        }
    }


def faulty(ilink: ILinkSimulator) -> bool:
    """Whether something was noticed; it is forgotten with that."""
    found = bool(ilink.violations)
    ilink.violations.clear()
    return found


async def test_a_message_as_it_should_be_is_shown(ilink: ILinkSimulator, ann: Person, bot: Bot):
    await ann.says("hi")
    for _ in range(2):  # the second is known by its client_id
        answer = await call(ilink, bot, "sendmessage", message(ann))
        assert "ret" not in answer.json() or answer.json()["ret"] == 0
    assert ann.texts == ["hello"]


@pytest.mark.parametrize(
    "changed",
    [
        {"iLink-App-Id": None},
        {"iLink-App-Id": "other"},
        {"iLink-App-ClientVersion": "2.4.9"},
        {"AuthorizationType": None},
        {"Authorization": None},
        {"X-WECHAT-UIN": None},
        {"X-WECHAT-UIN": base64.b64encode(b"4294967296").decode()},
        {"Content-Type": "text/plain"},
    ],
)
async def test_headers_are_checked(ilink: ILinkSimulator, bot: Bot, changed: dict[str, str | None]):
    answer = await call(ilink, bot, "getupdates", {"get_updates_buf": ""}, **changed)
    assert answer.status_code == 400
    assert faulty(ilink)


@pytest.mark.parametrize("info", [{}, {**INFO, "channel_version": "1.0.0"}, {**INFO, "bot_agent": "你好/1"}])
async def test_every_body_says_who_calls(ilink: ILinkSimulator, bot: Bot, info: dict[str, str]):
    answer = await call(ilink, bot, "getupdates", {"get_updates_buf": "", "base_info": info})
    assert answer.status_code == 400
    assert faulty(ilink)


@pytest.mark.parametrize(
    "changed",
    [
        {"item_list": []},
        {"item_list": [{"type": 1, "text_item": {"text": "1"}}, {"type": 1, "text_item": {"text": "2"}}]},
        {"item_list": [{"type": 1, "text_item": {"text": "x" * 4001}}]},
        {"item_list": [{"type": 1, "text_item": {"text": ""}}]},
        {"item_list": [{"type": 3, "voice_item": {}}]},
        {"item_list": [{"type": 2, "image_item": {"media": {"encrypt_query_param": "unknown"}}}]},
        {"context_token": ""},
        {"client_id": ""},
        {"to_user_id": "stranger@im.wechat"},
        {"from_user_id": "me"},
        {"message_type": 1},
        {"message_state": 1},
    ],
)
async def test_messages_are_checked(ilink: ILinkSimulator, ann: Person, bot: Bot, changed: dict[str, Any]):
    await ann.says("hi")
    answer = await call(ilink, bot, "sendmessage", message(ann, **changed))
    assert answer.status_code == 400
    assert faulty(ilink)
    assert ann.shown == []


async def test_a_client_id_stands_for_one_message(ilink: ILinkSimulator, ann: Person, bot: Bot):
    await ann.says("hi")
    await call(ilink, bot, "sendmessage", message(ann))
    assert (await call(ilink, bot, "sendmessage", message(ann, "other"))).status_code == 400
    assert faulty(ilink)


async def test_ten_messages_are_taken_and_a_day_long(ilink: ILinkSimulator, ann: Person, bot: Bot):
    await ann.says("hi")
    codes = []
    for number in range(11):
        answer = await call(ilink, bot, "sendmessage", message(ann, client_id=f"c{number}"))
        codes.append(answer.json().get("ret", 0))
    assert codes == [0] * 10 + [-2]
    await ann.says("more")
    assert (await call(ilink, bot, "sendmessage", message(ann, client_id="d"))).json().get("ret", 0) == 0
    ilink.clock.turn(86400)
    assert (await call(ilink, bot, "sendmessage", message(ann, client_id="e"))).json()["ret"] == -2


async def test_cursors_are_behind_what_was_given(ilink: ILinkSimulator, ann: Person, bot: Bot):
    await ann.says("1")
    first = (await call(ilink, bot, "getupdates", {"get_updates_buf": ""})).json()
    again = (await call(ilink, bot, "getupdates", {"get_updates_buf": ""})).json()
    assert len(first["msgs"]) == len(again["msgs"]) == 1
    await ann.says("2")
    second = (await call(ilink, bot, "getupdates", {"get_updates_buf": first["get_updates_buf"]})).json()
    assert [item["item_list"][0]["text_item"]["text"] for item in second["msgs"]] == ["2"]
    last = (await call(ilink, bot, "getupdates", {"get_updates_buf": second["get_updates_buf"]})).json()
    assert last["msgs"] == []
    foreign = base64.b64encode(b"other:0").decode()
    assert (await call(ilink, bot, "getupdates", {"get_updates_buf": foreign})).status_code == 400
    assert faulty(ilink)


async def test_an_ended_or_unknown_token_is_stale(ilink: ILinkSimulator, bot: Bot):
    await ilink.end(bot)
    assert (await call(ilink, bot, "getupdates", {"get_updates_buf": ""})).json()["errcode"] == -14
    unknown = {"Authorization": "Bearer unknown"}
    assert (await call(ilink, bot, "getconfig", {}, **unknown)).json()["errcode"] == -14


async def test_uploads_are_what_was_announced(ilink: ILinkSimulator, ann: Person, bot: Bot):
    announced = {
        "filekey": "0" * 32,
        "media_type": 1,
        "to_user_id": ann.id,
        "rawsize": 3,
        "rawfilemd5": "0" * 32,
        "filesize": 16,
        "no_need_thumb": True,
        "aeskey": "0" * 32,
    }
    answer = await call(ilink, bot, "getuploadurl", announced)
    async with browser() as http:
        sent = await http.post(
            answer.json()["upload_full_url"],
            content=bytes(16),
            headers={"Content-Type": "application/octet-stream"},
        )
    assert sent.status_code == 400
    assert faulty(ilink)
    assert (await call(ilink, bot, "getuploadurl", {**announced, "filesize": 3})).status_code == 400
    assert faulty(ilink)


async def test_typing_takes_the_persons_ticket(ilink: ILinkSimulator, ann: Person, bot: Bot):
    ticket = (await call(ilink, bot, "getconfig", {"ilink_user_id": ann.id})).json()["typing_ticket"]
    said = {"ilink_user_id": ann.id, "typing_ticket": ticket, "status": 1}
    assert (await call(ilink, bot, "sendtyping", said)).json()["ret"] == 0
    assert (await call(ilink, bot, "sendtyping", {**said, "typing_ticket": "x"})).status_code == 400
    assert faulty(ilink)
    assert ann.typing == [1]
