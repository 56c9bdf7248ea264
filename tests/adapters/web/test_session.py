"""Whose session it is, who may come in, and what other sites cannot do."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.web.guard import Guard
from adapters.web.session import COOKIE, LIFETIME, Attempts, Sessions
from adapters.web.settings import WebSettings, enabled
from adapters.web.words import first_language
from bot.api import Host
from tests.adapters.memory_store import MemoryStore
from tests.adapters.web.core import house

ID = "message-0001"
PASSWORD = "correct horse"


async def ask(client: httpx.AsyncClient, **headers: str) -> int:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.post("/api/messages", json={"id": ID, "text": "x"}, headers=names)
    return answer.status_code


@pytest.mark.parametrize("path", ["/api/history", "/api/events", "/api/commands"])
async def test_without_a_session_nothing_is_told(path: str):
    async with house() as web, web.client() as client:
        answer = await client.get(path)
        assert answer.status_code == 401
        assert answer.json()["error"]
        assert await ask(client) == 401
        assert (await client.post("/api/stop")).status_code == 401
        assert web.core.heard == []


async def test_a_forged_cookie_opens_nothing():
    async with house() as web, web.visitor() as client:
        session, issued, mac = client.cookies[COOKIE].split(".")
        other = "0" * 32
        forged = [
            f"{other}.{issued}.{mac}",
            f"{session}.{int(issued) + 1}.{mac}",
            f"{session}.{issued}.{'0' * 64}",
            f"{session}.{issued}.",
            f"{session}.{issued}",
            session,
            "é",
        ]
        for token in forged:
            answer = await client.get(
                "/api/history", headers={"Authorization": f"Bearer {token}".encode(), "Cookie": ""}
            )
            assert answer.status_code == 401, token


async def test_two_people_do_not_see_each_others_chat():
    async with house() as web, web.visitor() as one, web.visitor() as two:
        assert await ask(one) == 202
        await web.core.quiet()
        assert len((await one.get("/api/history")).json()["items"]) == 1
        assert (await two.get("/api/history")).json()["items"] == []


async def test_a_token_serves_as_cookie_and_as_bearer():
    async with house() as web, web.client() as client:
        token = (await client.post("/api/session")).json()["token"]
        assert COOKIE not in client.cookies
        assert await ask(client, Authorization=f"Bearer {token}") == 202
        assert await ask(client, Cookie=f"{COOKIE}={token}") == 200, "the same chat knows the message"
        again = await client.post("/api/session", headers={"Authorization": f"Bearer {token}"})
        assert again.json()["token"].split(".")[0] == token.split(".")[0]


async def test_another_replica_knows_the_session():
    store = MemoryStore()
    async with house(store=store) as first, house(store=store) as second, first.visitor() as client:
        token = client.cookies[COOKIE]
        async with second.client(Authorization=f"Bearer {token}") as elsewhere:
            assert (await elsewhere.get("/api/history")).status_code == 200


async def test_a_session_ends_a_year_after_it_was_last_renewed():
    now = [1000.0]
    sessions = Sessions(MemoryStore(), None, clock=lambda: now[0])
    token = await sessions.issue()
    now[0] += LIFETIME - 1
    assert await sessions.verify(token) == token.split(".")[0]
    now[0] += 1
    assert await sessions.verify(token) is None


async def test_a_new_password_signs_everyone_out():
    store = MemoryStore()
    token = await Sessions(store, "old").issue()
    assert await Sessions(store, "old").verify(token)
    assert await Sessions(store, "new").verify(token) is None
    assert await Sessions(store, None).verify(token) is None


@given(st.text())
async def test_no_scribble_is_a_session(token: str):
    assert await Sessions(MemoryStore(), None).verify(token) is None


# --- the password ----------------------------------------------------------------------------------------


async def test_behind_a_password_the_page_asks_for_it_and_gives_no_session():
    async with house(password=PASSWORD) as web, web.client() as client:
        page = await client.get("/")
        assert page.status_code == 200
        assert 'type="password"' in page.text
        assert "set-cookie" not in page.headers
        assert (await client.get("/api/history")).status_code == 401
        assert (await client.post("/api/session", json={})).status_code == 401


async def test_the_password_in_a_form_opens_the_page():
    async with house(password=PASSWORD) as web, web.client() as client:
        answer = await client.post("/login", data={"password": PASSWORD})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert 'type="password"' not in (await client.get("/")).text
        assert await ask(client) == 202


async def test_the_password_as_json_opens_the_interface():
    async with house(password=PASSWORD) as web, web.client() as client:
        assert (await client.post("/login", json={"password": PASSWORD})).status_code == 204
        assert await ask(client) == 202
        token = (
            await client.post("/api/session", json={"password": PASSWORD}, headers={"Cookie": ""})
        ).json()
        assert await ask(client, Authorization=f"Bearer {token['token']}", Cookie="") in (200, 202)


@pytest.mark.parametrize("wrong", ["", "Correct horse", PASSWORD + " ", "é"])
async def test_a_wrong_password_opens_nothing(wrong: str):
    async with house(password=PASSWORD) as web, web.client() as client:
        for answer in (
            await client.post("/login", data={"password": wrong}),
            await client.post("/login", json={"password": wrong}),
            await client.post("/api/session", json={"password": wrong}),
            await client.post("/login", json={"password": [PASSWORD]}),
        ):
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers
            assert PASSWORD not in answer.text


async def test_a_password_may_be_tried_ten_times_a_minute():
    now = [0.0]
    attempts = Attempts(clock=lambda: now[0])
    async with house(password=PASSWORD, attempts=attempts) as web, web.client() as client:
        tries = [(await client.post("/login", json={"password": "x"})).status_code for _ in range(11)]
        assert tries == [401] * 10 + [429]
        assert (await client.post("/api/session", json={"password": PASSWORD})).status_code == 429
        now[0] = 60.0
        assert (await client.post("/login", json={"password": PASSWORD})).status_code == 204


def test_the_addresses_that_are_remembered_are_bounded():
    attempts = Attempts(1, addresses=2, clock=lambda: 0.0)
    assert [attempts.allow(a) for a in ("a", "b", "a", "c", "b")] == [True, True, False, True, True]


# --- other sites ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:8080", "localhost.evil.example", "", "[", "::"]
)
async def test_a_name_that_is_not_ours_is_refused(name: str):
    async with house(public_url="https://bot.example.org/parley") as web, web.visitor() as client:
        for path in ("/", "/api/history", "/static/app.js"):
            assert (await client.get(path, headers={"Host": name})).status_code == 403
        assert await ask(client, Host=name) == 403


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:8080", "192.168.1.5:1", "bot.example.org"]
)
async def test_our_names_and_any_address_are_served(name: str):
    async with house(public_url="https://bot.example.org/parley") as web, web.visitor() as client:
        assert await ask(client, Host=name, Cookie=f"{COOKIE}={client.cookies[COOKIE]}") == 202


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null", "", "http://["])
async def test_another_site_cannot_write_with_the_persons_cookie(origin: str):
    async with house() as web, web.visitor() as client:
        assert await ask(client, Origin=origin) == 403
        assert (await client.post("/api/stop", headers={"Origin": origin})).status_code == 403
        assert (await client.post("/login", json={}, headers={"Origin": origin})).status_code == 403
        assert web.core.heard == []


async def test_our_own_page_may_write_also_through_a_proxy():
    async with house(public_url="https://bot.example.org") as web, web.visitor() as client:
        cookie = f"{COOKIE}={next(iter(client.cookies.jar)).value}"
        assert await ask(client, Origin=web.url, Cookie=cookie) == 202
        assert await ask(client, Origin="https://bot.example.org", Cookie=cookie) == 200
        assert await ask(client, Origin="null", Sec_Fetch_Site="same-origin", Cookie=cookie) == 200


async def test_a_token_may_come_from_any_site_because_no_browser_adds_it_by_itself():
    async with house() as web, web.client() as client:
        token = (await client.post("/api/session")).json()["token"]
        assert await ask(client, Origin="http://other.example", Authorization=f"Bearer {token}") == 202


# --- settings ----------------------------------------------------------------------------------------


def on(address: str, *, alone: bool, **variables: str) -> bool:
    host = Host(MemoryStore(), address, 8080, "", alone)
    return enabled(WebSettings.load(variables), host)


def test_on_this_machine_the_chat_is_on_until_it_is_switched_off():
    assert on("127.0.0.1", alone=False)
    assert on("localhost", alone=True)
    assert on("::1", alone=False)
    assert not on("127.0.0.1", alone=True, WEB_CHAT="off")


def test_where_others_can_reach_it_the_chat_is_on_when_it_is_all_there_is_or_when_it_is_wanted():
    assert not on("0.0.0.0", alone=False)  # noqa: S104
    assert on("0.0.0.0", alone=True, WEB_PASSWORD="x")  # noqa: S104
    assert on("0.0.0.0", alone=False, WEB_CHAT="on", WEB_PASSWORD="x")  # noqa: S104


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "bot.example.org", "::"])  # noqa: S104
def test_where_others_can_reach_it_a_password_is_demanded(address: str):
    with pytest.raises(ValueError, match=r"^WEB_PASSWORD: ") as told:
        on(address, alone=True)
    assert address in str(told.value)
    assert "WEB_CHAT=off" in str(told.value)


def test_the_password_is_in_no_repr():
    assert PASSWORD not in repr(WebSettings.load({"WEB_PASSWORD": PASSWORD}))


def test_a_public_address_that_is_none_breaks_nothing():
    Guard(Host(MemoryStore(), "127.0.0.1", 0, "http://[", alone=True))


@pytest.mark.parametrize(
    ("header", "tag"),
    [("zh-CN,zh;q=0.9", "zh-CN"), ("en", "en"), (" fr ;q=1", "fr"), ("*", ""), ("", ""), ("<script>", "")],
)
def test_the_first_language_is_taken(header: str, tag: str):
    assert first_language(header) == tag
