"""The same over a real Valkey: the store's logs are what the web chat expects of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from adapters._feed import FeedReply, asked, entries, fold, log_of, parse
from adapters._markdown import html
from adapters.web.stream import Pace
from bot.api import End, Incoming, Person, Place, Reply, Status, Store, Text
from bot.keys import Keys, connect
from bot.store import Feeds, RedisStore
from tests.adapters.memory_store import MemoryJournal
from tests.adapters.web.core import PATIENCE, house, listen, show

ID = "message-0001"


@pytest.fixture
async def store(redis: Redis, prefix: str) -> AsyncIterator[Store]:
    feeds = Feeds(redis)
    yield RedisStore(redis, Keys(prefix), "web", feeds)
    await feeds.close()


async def test_an_answer_is_streamed_resumed_and_kept(store: Store):
    told = asyncio.Queue[Text | Status | End]()

    async def script(incoming: Incoming, reply: Reply) -> None:
        while True:
            part = await asyncio.wait_for(told.get(), PATIENCE)
            await reply.send(part)
            if isinstance(part, End):
                return

    async with house(script=script, store=store) as web, web.visitor() as client:
        async with listen(client) as stream:
            await client.post("/api/messages", json={"id": ID, "text": "Hello"})
            told.put_nowait(Text("One **two"))
            seen = await stream.until("text")
        picture = (await client.get("/api/history")).json()
        assert picture["items"][0]["parts"][0]["html"] == "<p>One **two</p>\n"
        told.put_nowait(Text("** three"))
        told.put_nowait(Status("typing"))
        async with listen(client, picture["cursor"]) as stream:
            seen += await stream.until("text")
            assert show(seen) == html("One **two** three")
            told.put_nowait(End())
            assert (await stream.until("end"))[-1].data["parts"][0]["text"] == "One **two** three"
        await web.core.quiet()
        (item,) = (await client.get("/api/history")).json()["items"]
        assert (item["ended"], item["parts"][0]["text"]) == (True, "One **two** three")


async def test_a_second_attempt_leaves_one_answer(store: Store):
    message = Incoming(ID, Place("web", "web", "c1"), Person("c1"), "Hello", sent_at=1.0)
    log, first = log_of("c1"), MemoryJournal()
    await asked(store, log, message)
    dead = FeedReply(store, log, message, first)
    await dead.send(Text("Half an ans"))
    heir = FeedReply(store, log, message, MemoryJournal(2, first.posts))
    await heir.send(Text("The answer"))
    await heir.send(End())
    kept = await entries(store, log, page=1)
    assert [(parse(entry) or {})["kind"] for entry in kept] == ["asked", "end"]
    (item,) = fold(kept)
    assert item.parts == ({"type": "text", "text": "The answer"},)


async def test_a_page_survives_a_restart_of_redis(private_server):
    redis = connect(private_server.url)
    feeds = Feeds(redis)
    store = RedisStore(redis, Keys("p:"), "web", feeds)
    pace = Pace(retry=0.05)
    async with house(store=store, pace=pace) as web, web.visitor() as client, listen(client) as stream:
        await client.post("/api/messages", json={"id": ID, "text": "before"})
        await stream.until("end")
        private_server.stop()
        assert (await stream.next()).kind == "away"
        private_server.start()
        assert (await stream.next()).kind == "back"
        await client.post("/api/messages", json={"id": "message-0002", "text": "behind"})
        assert (await stream.until("end"))[-1].data["question"] == "behind"
        items = (await client.get("/api/history")).json()["items"]
        assert [item["question"] for item in items] == ["before", "behind"]
    await feeds.close()
    await redis.aclose()
