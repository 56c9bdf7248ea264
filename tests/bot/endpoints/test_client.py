"""Wrong addresses are told apart, and a key goes nowhere but to its server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from bot.endpoints.client import Client, Form, Upload
from bot.endpoints.settings import Server
from bot.errors import KeyRejected, ParleyError, ServerFailed, TimedOut, Unreachable, WrongAddress
from tests.simulators import endpoint_media
from tests.simulators.endpoint import EndpointSimulator, refused_port, serve, silent_port
from tests.simulators.strictness import Refusal

KEY = "an.unusual+key/without=prefix"


@asynccontextmanager
async def tcp(answer: bytes) -> AsyncIterator[str]:
    """A server that says `answer` to whatever it hears, and hangs up."""

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def get(client: Client, base_url: str) -> object:
    return await client.document(Server(base_url, SecretStr(KEY)), "models")


async def test_a_refused_connection_is_unreachable(client: Client) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        await get(client, f"http://127.0.0.1:{refused_port()}/v1")


async def test_a_connection_that_nobody_answers_is_unreachable_in_time(hasty: Client) -> None:
    async with silent_port() as port, asyncio.timeout(30):
        with pytest.raises((Unreachable, TimedOut)):
            await get(hasty, f"http://127.0.0.1:{port}/v1")


async def test_a_name_that_nobody_has_is_unreachable(client: Client) -> None:
    with pytest.raises(Unreachable, match=r"nowhere\.invalid"):
        await get(client, "http://nowhere.invalid/v1")


async def test_https_where_there_is_none_is_unreachable(client: Client) -> None:
    async with tcp(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        with pytest.raises(Unreachable, match="secure") as caught:
            await get(client, f"https://{address}/v1")
    assert caught.value.values["final"]


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
async def test_what_is_no_http_or_breaks_off_is_the_servers_failure(client: Client, answer: bytes) -> None:
    async with tcp(answer) as address:
        with pytest.raises(ServerFailed):
            await get(client, f"http://{address}/v1")


async def test_a_web_page_is_a_wrong_address(client: Client) -> None:
    async def page(scope: object, receive: object, send: object) -> None:
        await Response("<html>Welcome</html>", media_type="text/html")(scope, receive, send)  # type: ignore[arg-type]

    async with serve(page) as port:
        with pytest.raises(WrongAddress, match="JSON"):
            await get(client, f"http://127.0.0.1:{port}/v1")


async def test_a_redirect_is_not_followed_and_the_key_stays(client: Client) -> None:
    heard: list[str] = []

    async def elsewhere(scope: object, receive: object, send: object) -> None:
        heard.append(Request(scope).headers.get("authorization", ""))  # type: ignore[arg-type]
        await PlainTextResponse("{}")(scope, receive, send)  # type: ignore[arg-type]

    async with serve(elsewhere) as target:

        async def moved(scope: object, receive: object, send: object) -> None:
            await RedirectResponse(f"http://127.0.0.1:{target}/v1")(scope, receive, send)  # type: ignore[arg-type]

        async with serve(moved) as port:
            with pytest.raises(WrongAddress, match="redirects"):
                await get(client, f"http://127.0.0.1:{port}/v1")
    assert heard == []


async def test_a_server_without_a_key_is_sent_none(client: Client, endpoint: EndpointSimulator) -> None:
    with pytest.raises(KeyRejected, match="didn't provide"):
        await client.document(Server(endpoint.base_url), "models")


async def test_a_key_that_the_server_quotes_is_taken_out(client: Client, endpoint: EndpointSimulator) -> None:
    with pytest.raises(KeyRejected) as caught:
        await get(client, endpoint.base_url)

    assert KEY not in repr(caught.value)
    assert "***" in str(caught.value)


async def test_an_error_page_of_any_size_is_read_in_part(client: Client) -> None:
    sent: list[int] = []

    async def endless(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})  # type: ignore[operator]
        for _ in range(10_000):
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})  # type: ignore[operator]
            sent.append(1)

    async with serve(endless) as port:
        with pytest.raises(ServerFailed) as caught:
            await get(client, f"http://127.0.0.1:{port}/v1")
    assert len(str(caught.value)) < 500
    assert len(sent) < 5000


async def test_a_key_in_netrc_does_not_come_in_the_way(
    client: Client, endpoint: EndpointSimulator, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w") as file:  # noqa: ASYNC230
        file.write("default login someone password something\n")
    monkeypatch.setenv("NETRC", netrc)

    found = await client.document(Server(endpoint.base_url, SecretStr(endpoint.key)), "models")

    assert isinstance(found, dict)


async def test_a_proxy_of_the_environment_is_used(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{refused_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    with pytest.raises(Unreachable, match="proxy"):
        await get(client, "http://model.invalid/v1")


async def test_errors_are_all_of_the_one_tree(hasty: Client) -> None:
    for address in (
        "http://127.0.0.1:1/v1",
        "https://127.0.0.1:1/v1",
        "http://[::1]:1/v1",
        "http://[::]:1/v1",
    ):
        with pytest.raises(ParleyError):
            await get(hasty, address)


# --- forms


@given(
    texts=st.lists(st.text(), max_size=3),
    files=st.lists(st.binary(max_size=300), max_size=3),
)
def test_a_form_is_what_an_independent_parser_reads(texts: list[str], files: list[bytes]) -> None:
    fields = tuple((f"field{number}", text) for number, text in enumerate(texts))
    made = Form(fields, tuple(Upload("image[]", "a.png", "image/png", data) for data in files))
    read = endpoint_media.read(
        "images/edits", "multipart/form-data; boundary=parley-0123456789", made.encoded("parley-0123456789")
    )

    if not texts and not files:
        return  # a form of nothing is none, and nobody sends one
    assert not isinstance(read, Refusal)
    assert read[0] == {name: text.encode("utf-8", "replace").decode() for name, text in fields}
    assert [file.data for file in read[1].get("image", [])] == files


def test_a_name_cannot_end_its_own_line() -> None:
    made = Form((), (Upload('a"b', 'x"\r\nX-Evil: 1.png', "image/png", b""),)).encoded("b")
    assert b'name="a%22b"; filename="x%22%0D%0AX-Evil: 1.png"' in made


def test_what_is_uploaded_shows_in_no_log() -> None:
    assert "secret" not in repr(Form((), (Upload("file", "a.ogg", "audio/ogg", b"secret"),)))
