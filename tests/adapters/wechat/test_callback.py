"""The address that WeChat delivers to: what it proves, what it refuses, and how it answers in each mode."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import pytest

from bot.api import Busy, Ignored, Unavailable
from tests.adapters.wechat.conftest import Open, Scene
from tests.simulators.wechat import BUBBLE, Account
from tests.simulators.wechat.account import Mode
from tests.simulators.wechat.delivering import signed, written

_numbers = itertools.count(1)


def text(scene: Scene, content: str = "hello") -> str:
    head = {"ToUserName": scene.wechat.account.name, "FromUserName": "oAnn", "CreateTime": 1}
    return written({**head, "MsgType": "text", "Content": content, "MsgId": next(_numbers)})


async def post(scene: Scene, query: dict[str, str], body: bytes) -> httpx.Response:
    async with httpx.AsyncClient() as http:
        return await http.post(scene.wechat.deliveries.callbacks[0], params=query, content=body)


async def posted(scene: Scene, body: bytes | None = None, **changes: str) -> int:
    """The status of one delivery, otherwise right."""
    _, query, whole = scene.wechat.deliveries.letter(text(scene))
    return (await post(scene, query | changes, whole if body is None else body)).status_code


async def test_the_address_proves_itself(scene: Open) -> None:
    assert await (await scene()).wechat.deliveries.verify("echo-1") == (200, "echo-1")


async def test_a_wrong_proof_is_refused(scene: Open) -> None:
    found = await scene(Account(token="one"))
    found.wechat.account.token = "another"
    assert (await found.wechat.deliveries.verify())[0] == 403


@pytest.mark.parametrize("mode", ["plain", "compatible", "secure"])
async def test_a_question_is_answered_in_every_mode(scene: Open, mode: Mode) -> None:
    found = await scene(Account(mode=mode))
    await found.ann.says("1 tea ]]> & <b>")
    assert found.ann.texts == ["All about tea ]]> & <b>."]


async def test_what_is_not_signed_is_not_heard(scene: Open) -> None:
    found = await scene()
    assert await posted(found, signature="0" * 40) == 403
    assert await posted(found, nonce="another") == 403
    assert await posted(found, timestamp="") == 403
    assert found.hall.heard == []


@pytest.mark.parametrize("off", [-301, 301])
async def test_a_signature_of_another_time_is_refused(scene: Open, off: int) -> None:
    found = await scene()
    when = str(int(found.wechat.clock.time()) + off + (5 if off > 0 else 0))
    signature = signed(found.wechat.account.token, when, "n")
    assert await posted(found, signature=signature, timestamp=when, nonce="n") == 403


async def test_one_signature_is_good_for_three_deliveries(scene: Open) -> None:
    found = await scene()
    _, query, _ = found.wechat.deliveries.letter("")
    got = [(await post(found, query, text(found).encode())).status_code for _ in range(4)]
    assert got == [200, 200, 200, 403]


@pytest.mark.parametrize("mode", ["compatible", "secure"])
async def test_where_messages_are_encrypted_an_open_one_is_refused(scene: Open, mode: Mode) -> None:
    found = await scene(Account(mode=mode))
    assert await posted(found, text(found).encode()) == 403
    assert await posted(found, msg_signature="0" * 40) == 403
    assert found.hall.heard == []


async def test_an_encrypted_message_for_another_account_is_refused(scene: Open) -> None:
    found = await scene(Account(mode="secure"))
    found.wechat.account.app_id = "wx0000000000000000"
    assert await posted(found) == 403


async def test_what_is_encrypted_cannot_be_read_without_the_key(scene: Open) -> None:
    found = await scene(Account(mode="plain"))
    found.wechat.account.mode = "secure"
    assert await posted(found) == 403


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><xml><Content>&b;</Content></xml>'


@pytest.mark.parametrize(
    "body", [b"", b"<xml>", b"{}", b"<xml></xml>", BOMB, b"\xff\xfe", b"<xml><a/></xml>"]
)
async def test_what_is_no_message_is_refused(scene: Open, body: bytes) -> None:
    assert await posted(await scene(), body) == 403


async def test_a_body_without_end_is_refused(scene: Open) -> None:
    assert await posted(await scene(), b"x" * (256 * 1024 + 1)) == 413


async def test_while_nothing_can_be_accepted_wechat_delivers_again(scene: Open) -> None:
    found = await scene()
    found.hall.outcomes = [Unavailable("away"), Unavailable("away")]
    told = await found.ann.says("0 tea")
    assert (told.deliveries, found.ann.texts) == (3, ["All about tea."])


@pytest.mark.parametrize(("outcome", "seen"), [(Busy("Please wait."), ["Please wait."]), (Ignored(), [])])
async def test_what_is_not_accepted_is_said_at_once_or_not_at_all(
    scene: Open, outcome: Any, seen: list[str]
) -> None:
    found = await scene()
    found.hall.outcomes = [outcome]
    assert (await found.ann.says("tea")).deliveries == 1
    assert found.ann.texts == seen


async def test_a_message_that_is_delivered_again_after_its_answer_is_not_asked_again(scene: Open) -> None:
    found = await scene()
    await found.ann.says("0 tea", id=7)
    await found.ann.says("0 tea", id=7)
    assert len(found.hall.heard) == 1


@pytest.mark.parametrize("event", ["unsubscribe", "VIEW", "LOCATION", "TEMPLATESENDJOBFINISH"])
async def test_events_that_nobody_waits_for_are_answered_empty(scene: Open, event: str) -> None:
    found = await scene()
    assert (await found.ann.does(event)).deliveries == 1
    assert (found.ann.shown, found.hall.heard) == ([], [])


@pytest.mark.parametrize("event", ["subscribe", "SCAN"])
async def test_who_comes_is_greeted(scene: Open, event: str) -> None:
    found = await scene()
    await found.ann.does(event, "qrscene_1")
    assert len(found.ann.texts) == 1
    assert "您好" in found.ann.texts[0]
    assert BUBBLE not in found.ann.texts[0]


async def test_a_pressed_menu_is_a_command(scene: Open) -> None:
    found = await scene()
    await found.ann.does("CLICK", "/new")
    assert [(m.text, m.addressed) for m in found.hall.heard] == [("/new", "command")]
