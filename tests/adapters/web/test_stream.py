"""The stream of events: what a page sees while an answer is written, and after every kind of interruption."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from adapters._feed import FeedReply, log_of
from adapters._markdown import html
from adapters.web.session import COOKIE
from adapters.web.stream import Pace
from bot.api import (
    Choices,
    End,
    Entry,
    Incoming,
    Media,
    Notice,
    Option,
    Person,
    Place,
    Preview,
    Reply,
    Status,
    Text,
    Usage,
)
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.adapters.web.core import PATIENCE, House, house, listen, show

ID = "message-0001"
ANSWER = ["# Plan\n\nFirst", " **this**,\n\n", "- then\n- that\n\n```py\nx", " = 1\n```\n", "\nDone."]


class Step:
    """A script that says each piece of `ANSWER` when it is told to."""

    def __init__(self) -> None:
        self._turns: asyncio.Queue[int] = asyncio.Queue()

    def say(self, pieces: int = 1) -> None:
        """Let it say so many pieces more."""
        for _ in range(pieces):
            self._turns.put_nowait(1)

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        for piece in ANSWER:
            await asyncio.wait_for(self._turns.get(), PATIENCE)
            await reply.send(Status("typing"))  # what waits is appended before anything that is not text
            await reply.send(Text(piece))
        await reply.send(Status("typing"))
        await asyncio.wait_for(self._turns.get(), PATIENCE)
        await reply.send(End(Usage(1, 2)))


async def ask(web: House, client, text: str = "Hello", name: str = ID) -> None:
    answer = await client.post("/api/messages", json={"id": name, "text": text})
    assert answer.status_code == 202


def session_of(client) -> str:
    return client.cookies[COOKIE].split(".")[0]


async def test_an_answer_is_seen_while_it_is_written_and_then_as_a_whole():
    step = Step()
    async with house(script=step) as web, web.visitor() as client, listen(client) as stream:
        await ask(web, client)
        step.say()
        first = await stream.until("text")
        assert {event.kind for event in first} <= {"asked", "begin", "status", "text"}
        begin = next(event for event in first if event.kind == "begin")
        assert begin.data | {"attempt": 1} == begin.data
        assert (begin.data["message"], begin.data["question"], begin.data["command"]) == (ID, "Hello", False)
        assert first[-1].data["delta"] == ANSWER[0]
        assert first[-1].data["blocks"] == {"from": 0, "html": ["<h1>Plan</h1>\n", "<p>First</p>\n"]}
        seen = first
        for piece in ANSWER[1:]:
            step.say()
            seen += await stream.until("text")
            assert seen[-1].data["delta"] == piece
        assert show(seen) == html("".join(ANSWER))
        step.say()
        end = (await stream.until("end"))[-1]
        whole = "".join(ANSWER)
        assert end.data["parts"] == [{"type": "text", "text": whole, "html": html(whole)}]
        assert end.data["usage"] == {"prompt": 1, "completion": 2, "estimated": False}
        await web.core.quiet()
        history = (await client.get("/api/history")).json()
        assert history["cursor"] == end.id
        assert history["items"][0]["parts"] == end.data["parts"]


async def test_only_the_blocks_that_change_are_sent_again():
    step = Step()
    async with house(script=step) as web, web.visitor() as client, listen(client) as stream:
        await ask(web, client)
        froms = []
        for _ in ANSWER:
            step.say()
            froms.append((await stream.until("text"))[-1].data["blocks"]["from"])
        assert froms == [0, 1, 2, 3, 4]


async def test_a_page_that_opens_in_the_middle_goes_on_from_its_history():
    step = Step()
    async with house(script=step) as web, web.visitor() as client, listen(client) as watching:
        await ask(web, client)
        step.say(2)
        for _ in range(2):
            await watching.until("text")
        picture = (await client.get("/api/history")).json()
        (item,) = picture["items"]
        assert (item["ended"], item["parts"][0]["html"]) == (False, html("".join(ANSWER[:2])))
        async with listen(client, picture["cursor"]) as stream:
            step.say(3)
            seen = [event for _ in range(3) for event in await stream.until("text")]
            assert show(seen) == html("".join(ANSWER))
            step.say()
            assert (await stream.until("end"))[-1].data["parts"][0]["text"] == "".join(ANSWER)


@pytest.mark.parametrize("pieces", range(len(ANSWER)))
async def test_a_stream_that_broke_goes_on_behind_its_last_event(pieces: int):
    step = Step()
    async with house(script=step) as web, web.visitor() as client:
        async with listen(client) as stream:
            await ask(web, client)
            step.say(pieces + 1)
            seen = [event for _ in range(pieces + 1) for event in await stream.until("text")]
        async with listen(client, "0", **{"Last-Event-ID": seen[-1].id}) as stream:
            rest = len(ANSWER) - pieces - 1
            step.say(rest)
            seen += [event for _ in range(rest) for event in await stream.until("text")]
            step.say()
            seen += await stream.until("end")
    deltas = [event.data["delta"] for event in seen if event.kind == "text"]
    assert deltas == ANSWER
    assert show(seen) == html("".join(ANSWER))


async def test_what_ended_during_an_absence_is_told_by_its_end_alone():
    step = Step()
    async with house(script=step) as web, web.visitor() as client:
        async with listen(client) as stream:
            await ask(web, client)
            step.say()
            last = (await stream.until("text"))[-1].id
        step.say(len(ANSWER))
        await web.core.quiet()
        async with listen(client, last) as stream:
            assert (await stream.next()).kind == "end"


async def test_two_windows_see_the_same():
    async with house() as web, web.visitor() as client, listen(client) as one, listen(client) as two:
        await ask(web, client)
        first, second = await one.until("end"), await two.until("end")
        assert first[-1] == second[-1]
        assert first[0].data["question"] == second[0].data["question"] == "Hello"


async def test_an_unfinished_picture_comes_as_an_event_and_is_in_the_history_until_it_is_replaced():
    async def draw(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Preview("image/png", b"rough"))
        await asyncio.wait_for(looked.wait(), PATIENCE)
        await reply.send(Media("image", "image/png", b"done"))
        await reply.send(End())

    looked = asyncio.Event()
    async with house(script=draw) as web, web.visitor() as client, listen(client) as stream:
        await ask(web, client)
        told = (await stream.until("preview"))[-1].data
        assert (told["mime"], told["data"]) == ("image/png", "cm91Z2g=")
        (item,) = (await client.get("/api/history")).json()["items"]
        assert item["preview"] == {"mime": "image/png", "data": "cm91Z2g="}
        looked.set()
        await stream.until("end")
        (item,) = (await client.get("/api/history")).json()["items"]
        assert item["preview"] is None


async def test_every_part_comes_as_an_event_and_text_behind_it_begins_anew():
    async def varied(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Status("drawing"))
        await reply.send(Text("before"))
        await reply.send(Media("image", "image/png", b"png", "a cat"))
        await reply.send(Text("behind"))
        await reply.send(Notice("hint", text="Mind."))
        await reply.send(Choices("Which?", (Option("A", "/a"),)))
        await reply.send(Status("typing"))
        await asyncio.wait_for(asked.wait(), PATIENCE)
        await reply.send(End())

    asked = asyncio.Event()
    async with house(script=varied) as web, web.visitor() as client, listen(client) as stream:
        await ask(web, client)
        seen = await stream.until("choices")
        asked.set()
        by_kind = {event.kind: event.data for event in seen}
        assert (await client.get(f"/api/media/{by_kind['media']['id']}")).content == b"png"
        assert by_kind["media"]["media"] == "image"
        assert by_kind["notice"]["text"] == "Mind."
        assert by_kind["choices"]["options"] == [{"label": "A", "value": "/a"}]
        assert [event.data["blocks"] for event in seen if event.kind == "text"] == [
            {"from": 0, "html": ["<p>before</p>\n"]},
            {"from": 0, "html": ["<p>behind</p>\n"]},
        ]


async def test_what_waits_of_a_giant_block_is_told_before_the_next_part():
    async def giant(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Text("x" * 20_000))
        await reply.send(Status("typing"))
        await reply.send(Text("yz"))
        await reply.send(Notice("hint", text="Mind."))
        await asyncio.wait_for(asked.wait(), PATIENCE)
        await reply.send(End())

    asked = asyncio.Event()
    async with house(script=giant) as web, web.visitor() as client, listen(client) as stream:
        await ask(web, client)
        seen = await stream.until("notice")
        asked.set()
        assert show(seen) == "<p>" + "x" * 20_000 + "yz</p>\n"
        assert "".join(event.data["delta"] for event in seen if event.kind == "text") == "x" * 20_000 + "yz"


async def test_a_second_attempt_clears_the_first_and_late_words_of_the_first_are_not_told():
    async with house() as web, web.visitor() as client, listen(client) as stream:
        session = session_of(client)
        message = Incoming(ID, Place("web", "web", session), Person(session), "Hello", sent_at=1.0)
        log, journal = log_of(session), MemoryJournal()
        dead = FeedReply(web.store, log, message, journal)
        await dead.send(Text("Half an ans"))
        heir = FeedReply(web.store, log, message, MemoryJournal(2, journal.posts))
        await heir.send(Text("The answer"))
        await dead.send(Status("typing"))
        await dead.send(Notice("late", text="from beyond"))
        seen = [event for _ in range(2) for event in await stream.until("text")]
        await heir.send(End())
        seen += await stream.until("end")
    assert show(seen) == "<p>The answer</p>\n"
    assert [event.data["attempt"] for event in seen if event.kind == "begin"] == [1, 2]
    assert "notice" not in [event.kind for event in seen]
    assert [part["text"] for part in seen[-1].data["parts"]] == ["The answer"]


async def test_silence_is_filled_with_comments():
    async with house(pace=Pace(ping=0.01)) as web, web.visitor() as client, listen(client) as stream:
        assert (await stream.next(comments=True)).kind == ":"
        assert (await stream.next(comments=True)).data == "ping"
        await ask(web, client)
        assert (await stream.until("end"))[-1].data["message"] == ID


async def test_a_stream_is_not_to_be_buffered_or_kept():
    async with house() as web, web.visitor() as client, listen(client) as stream:
        headers = stream.response.headers
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["x-accel-buffering"] == "no"
    assert headers["cache-control"] == "no-store"


async def test_a_page_is_told_when_the_store_goes_and_when_it_is_back_and_misses_nothing():
    step = Step()
    web_chat = house(script=step, pace=Pace(retry=0.01))
    async with web_chat as web, web.visitor() as client, listen(client) as stream:
        await ask(web, client)
        step.say()
        seen = await stream.until("text")
        await web.store.go()
        assert (await stream.next()).kind == "away"
        await web.store.come()
        assert (await stream.next()).kind == "back"
        for _ in ANSWER[1:]:
            step.say()
            seen += await stream.until("text")
        step.say()
        seen += await stream.until("end")
    assert show(seen) == html("".join(ANSWER))
    assert [event.data["delta"] for event in seen if event.kind == "text"] == ANSWER
    assert [event.kind for event in seen].count("begin") == 1


async def test_a_page_that_opens_while_the_store_is_away_is_told_so_and_then_served():
    async with house(pace=Pace(retry=0.01)) as web, web.visitor() as client:
        await ask(web, client)
        await web.core.quiet()
        await web.store.go()
        async with listen(client) as stream:
            assert (await stream.next()).kind == "away"
            await web.store.come()
            assert (await stream.next()).kind == "back"
            assert (await stream.until("end"))[-1].data["message"] == ID


@pytest.mark.parametrize("after", ["x", "1-", "-1", "1 2", "9" * 30])
async def test_a_cursor_that_is_none_is_refused(after: str):
    async with house() as web, web.visitor() as client:
        assert (await client.get("/api/events", params={"after": after})).status_code == 400


class Watched(MemoryStore):
    """A store that knows how many follow a log."""

    def __init__(self) -> None:
        super().__init__()
        self.following = 0
        self.changed = asyncio.Condition()

    async def follow(self, log: str, *, after: str = "0"):
        await self._count(1)
        try:
            async for entry in super().follow(log, after=after):
                yield entry
        finally:
            await self._count(-1)

    async def reaches(self, number: int) -> None:
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: self.following == number), PATIENCE)

    async def _count(self, change: int) -> None:
        self.following += change
        async with self.changed:
            self.changed.notify_all()


async def test_a_session_may_have_twenty_streams_and_a_closed_one_makes_room():
    store = Watched()
    async with house(store=store) as web, web.visitor() as client, web.visitor() as other:
        token = client.cookies[COOKIE]

        async def hold(leave: asyncio.Event) -> None:
            async with web.client(Cookie=f"{COOKIE}={token}") as window, listen(window):
                await leave.wait()

        leave, last = asyncio.Event(), asyncio.Event()
        windows = [asyncio.create_task(hold(last if n == 19 else leave)) for n in range(20)]
        await store.reaches(20)
        refused = await client.get("/api/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        async with listen(other):
            await store.reaches(21)
        await store.reaches(20)
        last.set()
        await store.reaches(19)
        async with listen(client):
            await store.reaches(20)
        leave.set()
        await asyncio.wait_for(asyncio.gather(*windows), PATIENCE)
        await store.reaches(0)


async def test_streams_end_when_the_server_stops():
    store = Watched()
    async with house(store=store) as web, web.visitor() as client, listen(client) as stream:
        await store.reaches(1)
        stopping = asyncio.create_task(web.server.shutdown())
        with pytest.raises((EOFError, httpx.RemoteProtocolError)):
            await stream.next()
        await store.reaches(0)
        await asyncio.wait_for(stopping, PATIENCE)


async def test_an_entry_of_a_newer_version_does_not_break_the_stream():
    async with house() as web, web.visitor() as client, listen(client) as stream:
        log = log_of(session_of(client))
        await web.store.append(log, "no json", limit=10, ttl=1)
        await web.store.append(log, '{"kind":"sparkle","message":"m"}', limit=10, ttl=1)
        await ask(web, client)
        assert (await stream.until("end"))[-1].data["message"] == ID


async def test_a_store_that_stops_giving_ends_the_stream():
    class Ending(MemoryStore):
        async def follow(self, log: str, *, after: str = "0"):
            yield Entry("1", '{"kind":"asked","message":"m","question":"q","at":1,"command":false}')

    async with house(store=Ending()) as web, web.visitor() as client, listen(client) as stream:
        assert (await stream.next()).kind == "asked"
        with pytest.raises(EOFError):
            await stream.next()
