"""The documented interface over real HTTP: every answer that a front end may get."""

from __future__ import annotations

import json

import pytest

from adapters.web.session import COOKIE
from bot.api import (
    Busy,
    Choices,
    End,
    Ignored,
    Incoming,
    Media,
    MenuEntry,
    Notice,
    Option,
    Reply,
    Text,
    Unavailable,
    Usage,
)
from tests.adapters.memory_store import MemoryStore
from tests.adapters.web.core import house

ID = "message-0001"


async def test_opening_the_page_begins_a_session_and_opening_it_again_keeps_it():
    async with house() as web, web.client() as client:
        first = await client.get("/")
        assert first.status_code == 200
        assert first.headers["content-type"].startswith("text/html")
        cookie = first.headers["set-cookie"]
        for rule in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=31536000"):
            assert rule in cookie
        assert "Secure" not in cookie
        session = client.cookies[COOKIE].split(".")[0]
        assert len(session) == 32
        await client.get("/")
        assert client.cookies[COOKIE].split(".")[0] == session


async def test_the_cookie_is_for_https_only_where_the_public_address_is():
    async with house(public_url="https://bot.example.org") as web, web.client() as client:
        assert "Secure" in (await client.get("/")).headers["set-cookie"]


async def test_the_page_may_load_nothing_from_elsewhere():
    async with house() as web, web.client() as client:
        policy = (await client.get("/")).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:")
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_a_question_is_accepted_once_and_answered():
    async with house() as web, web.visitor(accept_language="zh-CN,zh;q=0.9,en;q=0.8") as client:
        body = {"id": ID, "text": "Hello"}
        accepted = await client.post("/api/messages", json=body)
        assert (accepted.status_code, accepted.json()) == (
            202,
            {"id": ID, "ref": f"ref-{ID}", "behind": 0},
        )
        again = await client.post("/api/messages", json=body)
        assert (again.status_code, again.json()) == (200, {"id": ID, "ref": f"ref-{ID}", "duplicate": True})
        await web.core.quiet()
        (heard,) = web.core.heard
        session = client.cookies[COOKIE].split(".")[0]
        assert (heard.id, heard.text, heard.addressed, heard.sent_at) == (ID, "Hello", "private", 1_000_000.0)
        assert (heard.place.platform, heard.place.chat, heard.place.kind) == ("web", session, "private")
        assert (heard.person.id, heard.person.language) == (session, "zh-CN")
        history = (await client.get("/api/history")).json()
        assert history["items"] == [
            {
                "message": ID,
                "question": "Hello",
                "at": 1_000_000.0,
                "command": False,
                "parts": [
                    {
                        "type": "text",
                        "text": "You said **Hello**.",
                        "html": "<p>You said <strong>Hello</strong>.</p>\n",
                    }
                ],
                "status": None,
                "ended": True,
                "offers": [],
                "usage": None,
                "joined": False,
                "attached": [],
                "preview": None,
            }
        ]
        assert history["cursor"] != "0"


async def test_a_question_whose_teller_died_is_told_when_it_comes_again():
    async def silent(incoming: Incoming, reply: Reply) -> None:
        return

    async with house(script=silent) as web, web.visitor() as client:
        body = {"id": ID, "text": "Hello"}
        await client.post("/api/messages", json=body)
        web.store.logs.clear()
        assert (await client.post("/api/messages", json=body)).json()["duplicate"] is True
        (item,) = (await client.get("/api/history")).json()["items"]
        assert (item["question"], item["ended"]) == ("Hello", False)


async def test_the_history_of_nothing_is_empty_and_begins_at_zero():
    async with house() as web, web.visitor() as client:
        assert (await client.get("/api/history")).json() == {"items": [], "cursor": "0"}


async def test_a_text_with_a_slash_is_a_command():
    async with house() as web, web.visitor() as client:
        await client.post("/api/messages", json={"id": ID, "text": "/help"})
        assert web.core.heard[0].addressed == "command"
        await web.core.quiet()
        assert (await client.get("/api/history")).json()["items"][0]["command"] is True


async def test_every_kind_of_part_is_in_the_history():
    async def all_kinds(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Text("one"))
        await reply.send(Media("image", "image/png", b"png", "a cat", "cat.png"))
        await reply.send(Notice("hint", text="By the way."))
        await reply.send(Choices("Which?", (Option("A", "/a"),)))
        await reply.send(End(Usage(3, 4), (Option("Retry", "/retry"),)))

    async with house(script=all_kinds) as web, web.visitor() as client:
        await client.post("/api/messages", json={"id": ID, "text": "Hello"})
        await web.core.quiet()
        (item,) = (await client.get("/api/history")).json()["items"]
    assert item["parts"] == [
        {"type": "text", "text": "one", "html": "<p>one</p>\n"},
        {
            "type": "media",
            "media": "image",
            "mime": "image/png",
            "size": 3,
            "id": item["parts"][1]["id"],
            "caption": "a cat",
            "name": "cat.png",
        },
        {"type": "notice", "key": "hint", "text": "By the way."},
        {"type": "choices", "text": "Which?", "options": [{"label": "A", "value": "/a"}]},
    ]
    assert item["offers"] == [{"label": "Retry", "value": "/retry"}]
    assert item["usage"] == {"prompt": 3, "completion": 4, "estimated": False}


async def test_what_is_done_at_once_and_gets_no_answer_is_not_shown():
    async with house() as web, web.visitor() as client:
        web.core.mood = Ignored()
        answer = await client.post("/api/messages", json={"id": ID, "text": "/stop"})
        assert (answer.status_code, answer.json()) == (202, {"id": ID, "ref": "", "silent": True})
        assert (await client.get("/api/history")).json()["items"] == []


async def test_stop_is_a_command_without_a_question_on_the_page():
    async def silent(incoming: Incoming, reply: Reply) -> None:
        return

    async with house(script=silent) as web, web.visitor() as client:
        answer = await client.post("/api/stop")
        assert answer.status_code == 202
        (heard,) = web.core.heard
        assert (heard.text, heard.addressed, heard.id) == ("/stop", "command", answer.json()["id"])
        assert (await client.get("/api/history")).json()["items"] == []
        assert (await client.post("/api/stop")).json()["id"] != heard.id


async def test_the_command_menu_is_served_to_the_page():
    async with house() as web, web.visitor() as client:
        assert web.core.web is not None
        assert (await client.get("/api/commands")).json() == []
        await web.core.web.menu([MenuEntry("new", {"en": "Begin anew"})])
        assert (await client.get("/api/commands")).json() == [
            {"name": "new", "descriptions": {"en": "Begin anew"}}
        ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[1]",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps({"id": "short", "text": "x"}).encode(),
        json.dumps({"id": "x" * 65, "text": "x"}).encode(),
        json.dumps({"id": "with space 1", "text": "x"}).encode(),
        json.dumps({"id": 12345678, "text": "x"}).encode(),
        json.dumps({"text": "x"}).encode(),
        json.dumps({"id": ID}).encode(),
        json.dumps({"id": ID, "text": "  \n"}).encode(),
        json.dumps({"id": ID, "text": 7}).encode(),
        json.dumps({"id": ID + "\n", "text": "x"}).encode(),
    ],
)
async def test_a_body_that_is_no_message_is_refused_in_plain_words(body: bytes):
    async with house() as web, web.visitor() as client:
        answer = await client.post("/api/messages", content=body)
        assert answer.status_code == 400
        assert len(answer.json()["error"]) > 10
        assert web.core.heard == []


async def test_half_a_surrogate_pair_in_a_question_becomes_a_question_mark():
    async with house() as web, web.visitor() as client:
        body = b'{"id":"message-0001","text":"a\\ud83d"}'
        assert (await client.post("/api/messages", content=body)).status_code == 202
        assert web.core.heard[0].text == "a?"


async def test_a_message_may_have_256_kilobytes_and_no_more():
    async with house() as web, web.visitor() as client:
        room = 256 * 1024 - len(json.dumps({"id": ID, "text": ""}))
        body = json.dumps({"id": ID, "text": "x" * room})
        assert (await client.post("/api/messages", content=body)).status_code == 202
        answer = await client.post("/api/messages", content=body + " ")
        assert answer.status_code == 413
        assert "256" in answer.json()["error"]


async def test_a_busy_conversation_is_told_so():
    async with house() as web, web.visitor() as client:
        web.core.mood = Busy("One moment, please.")
        answer = await client.post("/api/messages", json={"id": ID, "text": "x"})
        assert (answer.status_code, answer.json()) == (429, {"error": "One moment, please."})
        assert (await client.get("/api/history")).json()["items"] == []


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en-GB,en", "Please try again"),
        ("zh-CN", "请过几秒再试"),
        ("zh-TW", "請過幾秒再試"),
        ("zh-Hans-HK", "请过几秒再试"),
        ("yue", "請過幾秒再試"),
    ],
)
async def test_where_nothing_can_be_accepted_the_person_is_told_in_their_language(language: str, words: str):
    async with house() as web, web.visitor(accept_language=language) as client:
        web.core.mood = Unavailable("redis: connection refused at 10.0.0.1")
        answer = await client.post("/api/messages", json={"id": ID, "text": "x"})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert words in answer.json()["error"]
        assert "redis" not in answer.text


async def test_an_accepted_question_stays_accepted_where_the_other_windows_cannot_be_told():
    class Unappendable(MemoryStore):
        async def append(self, log: str, value: str, *, limit: int, ttl: float) -> str:
            raise Unavailable("away")

    async def silent(incoming: Incoming, reply: Reply) -> None:
        return

    async with house(store=Unappendable(), script=silent) as web, web.visitor() as client:
        assert (await client.post("/api/messages", json={"id": ID, "text": "x"})).status_code == 202


async def test_the_page_opens_even_while_the_store_is_away():
    async with house() as web, web.client() as client:
        await web.store.go()
        answer = await client.get("/")
        assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
        assert (await client.post("/api/session")).status_code == 503


async def test_a_file_of_the_page_is_sent_once():
    async with house() as web, web.client() as client:
        first = await client.get("/static/app.js")
        assert first.status_code == 200
        assert "javascript" in first.headers["content-type"]
        assert first.headers["cache-control"] == "no-cache"
        again = await client.get("/static/app.js", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["nothing.js", "..%2f__init__.py", "%2e%2e/__init__.py", ".hidden"])
async def test_nothing_but_the_files_of_the_page_is_sent(path: str):
    async with house() as web, web.client() as client:
        answer = await client.get(f"/static/{path}")
        assert answer.status_code == 404
        assert b"import" not in answer.content
