"""`parley check`: what is configured and reachable, and how to mend what is not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import embedded, keys
from bot.access import Access, AccessSettings
from bot.api import Finding, Unavailable
from bot.app import connected
from bot.demo import local_server
from bot.endpoints.settings import EndpointSettings
from bot.errors import SettingsError, StoreAway
from bot.limits import BOUNDS, LimitSettings
from bot.platforms import blocks, classes, configured
from bot.prices import Prices
from bot.roles import Roles
from bot.routing import Router
from bot.settings import DialogueSettings, Settings, suspects
from bot.store import Feeds, RedisStore


async def examine(environment: Mapping[str, str], console: Console | None = None) -> int:
    """Print the table; 0 where everything is well, 1 where something must be mended."""
    findings = await gather(environment)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "what", "state", "to mend it"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        mark = Text("ok", "green") if finding.ok else Text("!!", "bold red")
        table.add_row(mark, Text(finding.name), Text(finding.detail), Text(finding.remedy))
    (console or Console()).print(table)
    return 0 if all(finding.ok for finding in findings) else 1


async def gather(environment: Mapping[str, str]) -> list[Finding]:
    """Every finding. Asks the endpoint for its models, and nothing that costs money."""
    findings = [
        Finding(name, False, "is not a setting of Parley", f"did you mean {meant}?")
        for name, meant in suspects(environment, blocks())
    ]
    faults = [fault for block in blocks() for fault in _faults(block, environment)]
    if faults:
        return [*findings, *faults]
    running = Settings.load(environment)
    return [
        *findings,
        await _store(running),
        await _port(running),
        _roles(environment),
        _prices(environment),
        *await _adapters(environment),
        *await _endpoint(environment),
    ]


def _faults(block: type, environment: Mapping[str, str]) -> list[Finding]:
    try:
        block.load(environment)  # type: ignore[attr-defined]
    except SettingsError as error:
        lines = (line.partition(": ") for line in str(error).splitlines())
        return [Finding(name, False, "cannot be used", why) for name, _, why in lines]
    return []


async def _store(running: Settings) -> Finding:
    if running.redis_url is None:
        holder = await embedded.attach(running.data_dir)
        state = "in use by a running Parley" if holder else "starts with the bot"
        return Finding("Redis", True, f"embedded Valkey in {running.data_dir}, {state}", "")
    redis = keys.connect(running.redis_url.get_secret_value())
    try:
        async with keys.reaching():
            about = await redis.info("server")
    except StoreAway as error:
        return Finding(
            "Redis", False, f"does not answer: {error}", "check REDIS_URL, and that the server runs"
        )
    finally:
        await redis.aclose()
    version = str(about.get("redis_version", "0"))
    old = tuple(int(part) for part in version.split(".")[:2]) < (6, 2)
    return Finding("Redis", not old, f"answers, version {version}", "6.2 or newer is needed" if old else "")


async def _port(running: Settings) -> Finding:
    where = f"{running.http_host}:{running.http_port}"
    try:
        family = socket.AF_INET6 if ":" in running.http_host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((running.http_host, running.http_port))
    except OSError as error:
        if await _ours(running):
            return Finding("HTTP", True, f"{where} is in use by a running Parley", "")
        return Finding(
            "HTTP", False, f"{where}: {error.strerror}", "stop what uses it, or choose another HTTP_PORT"
        )
    return Finding("HTTP", True, f"{where} is free", "")


async def _ours(running: Settings) -> bool:
    """Whether it is a Parley that answers on our port."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(running.http_host, running.http_port)
            writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
            answer = b""
            while len(answer) < 4000 and (more := await reader.read(4000)):  # head and body may come apart
                answer += more
            writer.close()
    except OSError:
        return False
    return b'"status":"ok"' in answer


def _prices(environment: Mapping[str, str]) -> Finding:
    given = LimitSettings.load(environment)
    try:
        prices = Prices.load(given.prices_file)
    except SettingsError as error:
        return Finding("prices", False, str(error), "mend PRICES_FILE")
    bounds = (bound.upper() for bound in BOUNDS if getattr(given, f"budget_{bound}") is not None)
    budgets = ", ".join(f"BUDGET_{bound}" for bound in bounds) or "no budget"
    return Finding("prices", True, f"in {prices.currency}; {budgets}")


def _roles(environment: Mapping[str, str]) -> Finding:
    dialogue = DialogueSettings.load(environment)
    try:
        roles = Roles.load(dialogue.roles_file)
    except SettingsError as error:
        return Finding("roles", False, str(error), "mend ROLES_FILE")
    if roles.get(dialogue.default_role) is None:
        near = ", ".join(roles.near(dialogue.default_role)) or "assistant"
        return Finding(
            "DEFAULT_ROLE", False, f"there is no role {dialogue.default_role}", f"did you mean {near}?"
        )
    return Finding("roles", True, f"{len(roles.all())}, beginning with {dialogue.default_role}", "")


async def _adapters(environment: Mapping[str, str]) -> list[Finding]:
    running = Settings.load(environment)
    url = (
        running.redis_url.get_secret_value() if running.redis_url else await embedded.attach(running.data_dir)
    )
    # Where no bot runs there is no store yet, and nobody listens at this address.
    names, redis = keys.Keys(running.redis_prefix), keys.connect(url or "redis://localhost:1")

    def drawer(name: str) -> RedisStore:
        return RedisStore(redis, names, name, Feeds(redis))

    try:
        access = Access(AccessSettings.load(environment), redis, names, trusted=())
        on = configured(environment, drawer, access)
    except SettingsError as error:
        name, _, why = str(error).partition(": ")
        return [Finding(name, False, "is not set as it must be", why)]
    talking = [cls for cls in classes() if not cls.interactive]
    found = [Finding(cls.name, True, "on" if cls.name in on else "off") for cls in talking]
    for name, adapter in on.items():
        try:
            found += await adapter.check()
        except Unavailable:
            found.append(Finding(name, True, "more can be told while the bot runs"))
        await adapter.close()
    await redis.aclose()
    return found


async def _endpoint(environment: Mapping[str, str]) -> list[Finding]:
    if not connected(environment):
        local = await local_server()
        if local is None:
            return [
                Finding("chat", True, "the offline demo answers", "set OPENAI_API_KEY or OPENAI_BASE_URL")
            ]
        environment = {**environment, "CHAT_BASE_URL": local}
    router = Router(EndpointSettings.load(environment), environment)
    try:
        return await router.check()
    finally:
        await router.close()
