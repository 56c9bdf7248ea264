"""The smart bot's simulators take what WeCom takes, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.simulators.wecom_bot import (
    Broken,
    Clock,
    SocketSimulator,
    new_key,
    socket_simulator,
    webhook_simulator,
)
from tests.simulators.wecom_bot.world import LIMIT


class Client:
    """A bot that sends whatever a test wants."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.events: list[dict[str, Any]] = []

    async def call(
        self, command: str, body: object = None, *, request: str = "r"
    ) -> tuple[int, dict[str, Any]]:
        """Send a frame; the errcode and the body of what answers it."""
        await self.ws.send_json({"cmd": command, "headers": {"req_id": request}, "body": body})
        while True:
            frame = await self.ws.receive_json(timeout=30)
            if "cmd" not in frame:
                return frame["errcode"], frame.get("body") or {}
            self.events.append(frame)

    async def subscribe(self, wecom: SocketSimulator) -> None:
        assert (await self.call("aibot_subscribe", {"bot_id": wecom.bot_id, "secret": wecom.secret}))[0] == 0


@asynccontextmanager
async def client(wecom: SocketSimulator) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{wecom.url}/") as ws:
        yield Client(ws)


def stream(text: str, *, finish: bool = False, id: str = "s1") -> dict[str, Any]:
    return {"msgtype": "stream", "stream": {"id": id, "finish": finish, "content": text}}


def markdown(chat: str, text: str = "hi", kind: int = 1) -> dict[str, Any]:
    return {"chatid": chat, "chat_type": kind, "msgtype": "markdown", "markdown": {"content": text}}


async def test_only_who_has_the_secret_may_speak_and_a_new_connection_ends_the_old_one():
    async with socket_simulator() as wecom, client(wecom) as one, client(wecom) as two:
        assert (await one.call("ping"))[0] == 846601
        assert (await one.call("aibot_subscribe", {"bot_id": wecom.bot_id, "secret": "wrong"}))[0] == 40001
        await one.subscribe(wecom)
        await two.subscribe(wecom)
        told = await one.ws.receive_json(timeout=30)
        assert told["body"]["event"]["eventtype"] == "disconnected_event"
        assert (await one.ws.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_a_stream_belongs_to_its_message_and_ends_once_and_in_time():
    async with socket_simulator(Clock(1.0)) as wecom, client(wecom) as bot:
        await bot.subscribe(wecom)
        first, late = await wecom.says("ann", "a"), await wecom.says("ann", "b")
        assert (await bot.call("aibot_respond_msg", stream("x"), request="unknown"))[0] == 846605
        assert (await bot.call("aibot_respond_msg", stream("x"), request=first.request))[0] == 0
        assert (await bot.call("aibot_respond_msg", stream("xy", finish=True), request=first.request))[0] == 0
        assert (await bot.call("aibot_respond_msg", stream("xyz"), request=first.request))[0] == 846608
        wecom.clock.turn(361)
        assert (await bot.call("aibot_respond_msg", stream("x"), request=late.request))[0] == 846608
        assert (first.shown, late.texts) == ("xy", [])


@pytest.mark.parametrize(
    "body",
    [
        {"msgtype": "text", "text": {"content": "x"}},
        stream("x" * (LIMIT + 1)),
        stream("", finish=True),
        stream("<think></think>", finish=True),
        stream("x", id=""),
        {"msgtype": "stream", "stream": {"id": "s", "content": "x"}},
    ],
)
async def test_what_is_no_stream_breaks_the_rules(body: dict[str, Any]):
    async with socket_simulator() as wecom, client(wecom) as bot:
        await bot.subscribe(wecom)
        exchange = await wecom.says("ann", "a")
        assert (await bot.call("aibot_respond_msg", body, request=exchange.request))[0] == 40008
        assert len(wecom.broken) == 1  # with which a test would fail
        wecom.broken.clear()


async def test_messages_go_only_to_chats_that_spoke_and_thirty_a_minute():
    async with socket_simulator(Clock(1.0)) as wecom, client(wecom) as bot:
        await bot.subscribe(wecom)
        await wecom.says("ann", "a")
        assert (await bot.call("aibot_send_msg", markdown("bob")))[0] == 846607
        assert (await bot.call("aibot_send_msg", markdown("ann", kind=2)))[0] == 846607
        codes = [(await bot.call("aibot_send_msg", markdown("ann")))[0] for _ in range(31)]
        assert codes == [0] * 30 + [45009]
        wecom.clock.turn(61)
        assert (await bot.call("aibot_send_msg", markdown("ann")))[0] == 0


async def test_an_upload_is_whole_or_nothing():
    async with socket_simulator() as wecom, client(wecom) as bot:
        await bot.subscribe(wecom)
        await wecom.says("ann", "a")
        data = b"not much"
        head = {
            "type": "file",
            "filename": "a.txt",
            "total_size": len(data),
            "total_chunks": 1,
            "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        }
        assert (await bot.call("aibot_upload_media_init", head | {"total_size": 5}))[0] == 40009
        assert (await bot.call("aibot_upload_media_init", head | {"type": "voice", "total_size": 3_000_000}))[
            0
        ] == 40009
        upload = (await bot.call("aibot_upload_media_init", head))[1]["upload_id"]
        piece = {"upload_id": upload, "chunk_index": 0, "base64_data": base64.b64encode(data).decode()}
        assert (await bot.call("aibot_upload_media_chunk", piece))[0] == 0
        media = (await bot.call("aibot_upload_media_finish", {"upload_id": upload}))[1]["media_id"]
        assert (await bot.call("aibot_upload_media_finish", {"upload_id": upload}))[0] == 40007
        message = {"chatid": "ann", "chat_type": 1, "msgtype": "image", "image": {"media_id": media}}
        assert (await bot.call("aibot_send_msg", message))[0] == 40007
        message = {"chatid": "ann", "chat_type": 1, "msgtype": "file", "file": {"media_id": media}}
        assert (await bot.call("aibot_send_msg", message))[0] == 0
        assert wecom.media[media] == ("file", data)


async def test_files_are_encrypted_and_good_for_five_minutes():
    async with socket_simulator(Clock(1.0)) as wecom, aiohttp.ClientSession() as http:
        url = wecom.files.put(b"secret words", new_key())
        async with http.get(url) as response:
            sealed = await response.read()
        assert b"secret words" not in sealed
        assert len(sealed) % 32 == 0
        wecom.clock.turn(301)
        async with http.get(url) as response:
            assert response.status == 403


async def test_the_one_more_answer_is_good_once_and_for_an_hour():
    async with webhook_simulator(Clock(1.0)) as wecom, aiohttp.ClientSession() as http:
        wecom.deliver_to(f"{wecom.url}/nowhere")
        first, second = await wecom.says("ann", "a"), await wecom.says("ann", "b")
        assert first.statuses == [404] * 3
        answer = {"msgtype": "markdown", "markdown": {"content": "hi"}}
        codes = []
        for url in (
            first.body["response_url"],
            first.body["response_url"],
            f"{wecom.url}/cgi-bin/aibot/response",
        ):
            async with http.post(url, json=answer) as response:
                codes.append((await response.json())["errcode"])
        wecom.clock.turn(3601)
        async with http.post(second.body["response_url"], json=answer) as response:
            codes.append((await response.json())["errcode"])
        assert codes == [0, 40058, 40058, 40058]
        assert wecom.chat("ann").texts == ["hi"]


async def test_a_finished_stream_may_be_told_again_but_not_changed():
    async with webhook_simulator() as wecom:
        exchange = wecom.heard("ann", "", {"msgtype": "text", "text": {"content": "a"}})
        ended = {"id": "s", "finish": True, "content": "x"}
        wecom.show(exchange, ended)
        wecom.show(exchange, ended)
        for changed in ({"content": "y"}, {"finish": False}, {"id": "t"}):
            with pytest.raises(Broken):
                wecom.show(exchange, ended | changed)


async def test_time_goes_faster_and_can_be_turned():
    clock = Clock(1000.0)
    began = clock()
    await clock.sleep(20)
    assert clock() - began >= 20
    sleeping = asyncio.create_task(clock.sleep(1_000_000))
    await clock.sleep(1)
    assert not sleeping.done()
    clock.turn(1_000_000)
    async with asyncio.timeout(30):
        await sleeping
