"""`parley check`: what it finds, where that is not seen from the outside."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bot.api import Finding
from bot.check import gather
from bot.inbox import Inbox
from bot.keys import Keys, connect
from bot.telemetry import reference
from tests.bot.doubles import incoming
from tests.conftest import Server
from tests.simulators.endpoint import refused_port


async def found(name: str, environment: Mapping[str, str], folder: Path) -> Finding | None:
    """What `parley check` says under this name, where nobody answers for chat."""
    usual = {"OPENAI_BASE_URL": f"http://127.0.0.1:{refused_port()}/v1", "HTTP_PORT": "0"}
    findings = await gather({"DATA_DIR": str(folder), **usual, **environment})
    return next((finding for finding in findings if finding.name == name), None)


async def test_a_parley_that_answers_in_pieces_is_known_for_one(tmp_path: Path):
    async def health(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (b"HTTP/1.0 200 OK\r\n\r\n", b'{"status":"ok"}'):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(health, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        findings = await gather({"DATA_DIR": str(tmp_path), "HTTP_PORT": str(port)})
    (http,) = [finding for finding in findings if finding.name == "HTTP"]
    assert http.ok, http
    assert "running Parley" in http.detail


async def test_a_server_that_gets_the_key_of_another_one_is_named(tmp_path: Path):
    host = f"127.0.0.1:{refused_port()}"
    given = {
        "OPENAI_API_KEY": "sk-first-0123456789",
        "OPENAI_BASE_URL": f"http://{host}/v1",
        "IMAGE_BASE_URL": f"http://localhost:{refused_port()}/v1",
        "SPEECH_BASE_URL": f"http://{host}/v1/speech",
    }
    lent = await found("IMAGE_API_KEY", given, tmp_path)
    assert lent is not None
    assert lent.ok
    assert "localhost gets OPENAI_API_KEY" in lent.detail
    assert "sk-first" not in str(lent)
    assert await found("SPEECH_API_KEY", given, tmp_path) is None
    assert await found("IMAGE_API_KEY", {**given, "IMAGE_API_KEY": "sk-own"}, tmp_path) is None


async def test_a_name_that_can_be_nobodys_is_told(tmp_path: Path):
    given = {"ADMINS": "web:1,*", "ALLOWED": "*,web:*,web:1,12345,wbe:7", "BLOCKED": "web:2,web:*,wbe:*"}
    admins, allowed, blocked = [
        await found(name, given, tmp_path) for name in ("ADMINS", "ALLOWED", "BLOCKED")
    ]
    assert admins is not None
    assert (admins.ok, admins.detail) == (False, "names nobody: *")
    assert allowed is not None
    assert (allowed.ok, allowed.detail) == (False, "names nobody: 12345, wbe:7")
    assert blocked is not None
    assert (blocked.ok, blocked.detail) == (False, "names nobody: wbe:*")


async def test_what_was_given_up_is_told_with_its_reason_and_reference(
    redis_url: str, prefix: str, tmp_path: Path
):
    given = {"REDIS_URL": redis_url, "REDIS_PREFIX": prefix}
    assert await found("given up", {}, tmp_path) is None  # no bot runs, nothing is known
    nothing = await found("given up", given, tmp_path)
    assert nothing is not None
    assert (nothing.ok, nothing.detail, nothing.remedy) == (True, "no message in the last 7 days", "")
    async with connect(redis_url) as redis:
        inbox = Inbox(redis, Keys(prefix))
        await inbox.open()
        for number, reason in enumerate(("gone", "attempts")):
            await inbox.accept("c", replace(incoming("secret"), id=str(number)))
            (lease,) = await inbox.take("worker", count=1, block=1)
            await inbox.bury(lease, reason)
    told = await found("given up", given, tmp_path)
    assert told is not None
    ref = reference(lease.message)
    assert (told.ok, told.detail) == (
        True,
        f"2 messages in the last 7 days, the newest after all attempts: {ref}",
    )
    assert f"/debug {ref}" in told.remedy
    assert "secret" not in str(told)


async def test_a_redis_that_may_not_be_looked_into_is_not_taken_for_a_fault(
    private_server: Server, tmp_path: Path
):
    async with connect(private_server.url) as redis:
        await redis.execute_command("ACL", "SETUSER", "ann", "on", ">word", "~*", "&*", "+@all", "-info")
    url = private_server.url.replace("redis://", "redis://ann:word@")
    redis = await found("Redis", {"REDIS_URL": url}, tmp_path)
    assert redis is not None
    assert redis.ok, redis


async def test_a_redis_that_throws_messages_away_when_it_is_full_is_a_fault(
    private_server: Server, tmp_path: Path
):
    async with connect(private_server.url) as redis:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        unbounded = await found("Redis", {"REDIS_URL": private_server.url}, tmp_path)
        await redis.config_set("maxmemory", "100mb")
        bounded = await found("Redis", {"REDIS_URL": private_server.url}, tmp_path)
    assert unbounded is not None
    assert unbounded.ok
    assert bounded is not None
    assert (bounded.ok, "noeviction" in bounded.remedy) == (False, True)
