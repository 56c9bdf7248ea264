"""Files over real HTTP: sent, asked about, answered, and served so that nothing in them can run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.routing import Route

from adapters._shelf import LIMIT
from adapters.web.interface import UPLOADS
from bot.api import End, Incoming, Media, Reply
from tests.adapters.web.core import PATIENCE, house

ID = "message-0001"
PNG = b"\x89PNG\r\n\x1a\n"


async def test_a_file_is_uploaded_sent_with_a_question_and_fetched_for_it():
    async with house() as web, web.visitor() as client:
        kept = await client.post(
            "/api/media", params={"name": "猫.png"}, content=PNG, headers={"Content-Type": "image/png"}
        )
        about = kept.json()
        assert kept.status_code == 201
        assert about == {
            "id": about["id"],
            "media": "image",
            "mime": "image/png",
            "name": "猫.png",
            "size": 8,
        }
        asked = await client.post(
            "/api/messages", json={"id": ID, "text": "What?", "attachments": [about["id"]]}
        )
        assert asked.status_code == 202
        (heard,) = web.core.heard
        (cat,) = heard.attachments
        assert (cat.kind, cat.mime, cat.size, cat.name) == ("image", "image/png", 8, "猫.png")
        assert web.core.web is not None
        assert await web.core.web.fetch(cat) == PNG
        await web.core.quiet()
        (item,) = (await client.get("/api/history")).json()["items"]
        assert item["attached"] == [about]


async def test_a_file_needs_no_words():
    async with house() as web, web.visitor() as client:
        about = (
            await client.post("/api/media", content=b"OggS", headers={"Content-Type": "audio/ogg"})
        ).json()
        asked = await client.post("/api/messages", json={"id": ID, "attachments": [about["id"]]})
        assert asked.status_code == 202
        assert (web.core.heard[0].text, web.core.heard[0].attachments[0].kind) == ("", "audio")


async def test_media_of_an_answer_are_served_to_their_session_alone():
    async def draw(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Media("image", "image/png", PNG, "A cat", "cat.png"))
        await reply.send(End())

    async with house(script=draw) as web, web.visitor() as client, web.visitor() as other:
        await client.post("/api/messages", json={"id": ID, "text": "Draw"})
        await web.core.quiet()
        (item,) = (await client.get("/api/history")).json()["items"]
        path = f"/api/media/{item['parts'][0]['id']}"
        served = await client.get(path)
        assert (served.status_code, served.content) == (200, PNG)
        assert served.headers["content-type"] == "image/png"
        assert served.headers["x-content-type-options"] == "nosniff"
        assert served.headers["content-disposition"] == "inline; filename*=UTF-8''cat.png"
        assert served.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert "private" in served.headers["cache-control"]
        assert (await other.get(path)).status_code == 404
        async with web.client() as stranger:
            assert (await stranger.get(path)).status_code == 401


@pytest.mark.parametrize(
    ("mime", "served"),
    [
        ("text/html", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/xhtml+xml", "application/octet-stream"),
        ("text/javascript", "application/octet-stream"),
        ("application/pdf", "application/pdf"),
        ("text/csv", "text/csv"),
        ("nonsense", "application/octet-stream"),
    ],
)
async def test_what_a_browser_might_run_is_only_to_be_saved(mime: str, served: str):
    async with house() as web, web.visitor() as client:
        body = b"<script>alert(1)</script>"
        about = (
            await client.post(
                "/api/media", params={"name": "a b.x"}, content=body, headers={"Content-Type": mime}
            )
        ).json()
        answer = await client.get(f"/api/media/{about['id']}")
        assert answer.headers["content-type"].partition(";")[0] == served
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20b.x"


@pytest.mark.parametrize(
    ("wanted", "status", "span", "content"),
    [
        ("bytes=0-3", 206, "bytes 0-3/10", b"0123"),
        ("bytes=7-", 206, "bytes 7-9/10", b"789"),
        ("bytes=-2", 206, "bytes 8-9/10", b"89"),
        ("bytes=5-99", 206, "bytes 5-9/10", b"56789"),
        ("bytes=10-", 416, "bytes */10", b""),
        ("bytes=0-1,4-5", 200, None, b"0123456789"),
        ("bytes=-", 200, None, b"0123456789"),
    ],
)
async def test_a_player_can_seek(wanted: str, status: int, span: str | None, content: bytes):
    async with house() as web, web.visitor() as client:
        about = (
            await client.post("/api/media", content=b"0123456789", headers={"Content-Type": "audio/mpeg"})
        ).json()
        answer = await client.get(f"/api/media/{about['id']}", headers={"Range": wanted})
        assert (answer.status_code, answer.headers.get("content-range"), answer.content) == (
            status,
            span,
            content,
        )
        assert answer.headers["accept-ranges"] == "bytes"


async def test_too_large_and_empty_files_are_refused_in_plain_words():
    async with house() as web, web.visitor() as client:
        large = await client.post("/api/media", content=bytes(LIMIT + 1))
        assert (large.status_code, large.json()["error"]) == (413, "That file is too large: at most 20 MB.")
        assert (await client.post("/api/media", content=b"")).status_code == 400
        assert not any(key.startswith("media:") for key in web.store.values)


async def test_an_upload_needs_a_session_and_our_own_page():
    async with house() as web, web.visitor() as client, web.client() as stranger:
        assert (await stranger.post("/api/media", content=b"x")).status_code == 401
        elsewhere = {"Origin": "https://evil.example"}
        assert (await client.post("/api/media", content=b"x", headers=elsewhere)).status_code == 403


@pytest.mark.parametrize(
    ("attachments", "status"),
    [("x", 400), ([1], 400), (["0"] * 9, 400), (["0" * 32], 410), (["../session-key"], 410)],
)
async def test_attachments_that_are_none_are_refused(attachments: object, status: int):
    async with house() as web, web.visitor() as client:
        asked = await client.post("/api/messages", json={"id": ID, "text": "Hi", "attachments": attachments})
        assert asked.status_code == status
        assert web.core.heard == []


async def test_more_than_stays_kept_cannot_be_sent_together():
    async with house() as web, web.visitor() as client:
        ids = [(await client.post("/api/media", content=bytes(LIMIT))).json()["id"] for _ in range(3)]
        asked = await client.post("/api/messages", json={"id": ID, "text": "Hi", "attachments": ids})
        assert asked.status_code == 413
        assert "40 MB" in asked.json()["error"]


async def test_the_server_lets_an_upload_be_larger_than_a_message():
    async with house() as web:
        assert web.core.web is not None
        endpoints = {r.path: r.endpoint for r in web.core.web.routes(web.core.submit) if isinstance(r, Route)}
    assert endpoints["/api/media"].body_limit > LIMIT
    assert not hasattr(endpoints["/api/messages"], "body_limit")


async def test_an_upload_waits_while_others_are_on_their_way():
    go = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"a"
        await go.wait()
        yield b"b"

    async with house() as web, web.visitor() as client, asyncio.timeout(PATIENCE):
        busy = [asyncio.create_task(client.post("/api/media", content=slow())) for _ in range(UPLOADS)]
        for _ in range(10):  # what was sent before is heard before
            await client.get("/api/history")
        late = asyncio.create_task(client.post("/api/media", content=b"c"))
        for _ in range(10):
            await client.get("/api/history")
        assert not late.done()
        go.set()
        assert [(await upload).status_code for upload in (*busy, late)] == [201] * (UPLOADS + 1)


async def test_an_upload_that_never_comes_to_its_end_keeps_nobody_from_theirs():
    async with house(reading=0.3) as web, web.visitor() as client, asyncio.timeout(PATIENCE):
        address = httpx.URL(web.url)
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        head = f"POST /api/media HTTP/1.1\r\nHost: {address.host}\r\nCookie: {cookie}\r\nContent-Length: 9\r\n\r\n"
        lines = [await asyncio.open_connection(address.host, address.port) for _ in range(UPLOADS)]
        for _, writer in lines:
            writer.write(f"{head}a".encode())
        late = asyncio.create_task(client.post("/api/media", content=b"b"))
        for reader, writer in lines:
            answered = (await reader.read()).decode()
            assert answered.startswith("HTTP/1.1 408 ")
            assert "too long to arrive" in answered
            writer.close()
        assert (await late).status_code == 201
