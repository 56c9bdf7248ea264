"""`parley check`: what is configured and reachable, and how to mend what is not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from redis.exceptions import NoPermissionError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import embedded, keys
from bot.access import Access, AccessSettings, named
from bot.api import Finding, Unavailable
from bot.app import connected
from bot.demo import local_server
from bot.embedded import server
from bot.endpoints.settings import EndpointSettings
from bot.errors import SettingsError, StoreAway
from bot.inbox import Inbox
from bot.limits import BOUNDS, LimitSettings
from bot.platforms import blocks, classes, configured
from bot.prices import Prices
from bot.roles import Roles
from bot.routing import Router
from bot.settings import DialogueSettings, Settings, suspects
from bot.store import Feeds, RedisStore
from bot.telemetry import reference


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
        *await _given_up(running),
        await _port(running),
        _roles(environment),
        _prices(environment),
        *_people(environment),
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
            return _described(await redis.info())
    except StoreAway as error:
        return Finding(
            "Redis", False, f"does not answer: {error}", "check REDIS_URL, and that the server runs"
        )
    except NoPermissionError:  # managed services may allow no look
        return Finding("Redis", True, "answers, and does not say which version it is")
    finally:
        await redis.aclose()


async def _given_up(running: Settings) -> list[Finding]:
    """The messages that got no answer, where that can be known: while no bot runs, an embedded store does not."""
    url = (
        running.redis_url.get_secret_value() if running.redis_url else await embedded.attach(running.data_dir)
    )
    if not url:
        return []
    redis = keys.connect(url)
    try:
        count, newest = await Inbox(redis, keys.Keys(running.redis_prefix)).given_up()
    except StoreAway:  # which is said already
        return []
    finally:
        await redis.aclose()
    if newest is None:
        return [Finding("given up", True, "no message in the last 7 days")]
    ref = reference(newest.message) if newest.message is not None else ""
    why = {"attempts": "after all attempts", "gone": "because its chat takes no answer"}.get(newest.reason)
    many = f"{count} message{'s' * (count != 1)} in the last 7 days, the newest {why or newest.reason}"
    remedy = f"an admin's /debug {ref} tells more for a day, then the log lines with ref={ref}"
    return [Finding("given up", True, f"{many}: {ref}" if ref else many, remedy if ref else "")]


def _described(about: Mapping[str, Any]) -> Finding:
    """What Redis tells of itself: whether it has our commands, and keeps what we have accepted."""
    version, policy = str(about.get("redis_version", "0")), str(about.get("maxmemory_policy", ""))
    if tuple(int(part) for part in version.split(".")[:2]) < server.OLDEST:
        return Finding("Redis", False, f"answers, version {version}", "6.2 or newer is needed")
    if int(about.get("maxmemory", 0)) and policy.startswith("allkeys"):
        detail = f"when it is full, it throws accepted messages away ({policy})"
        return Finding("Redis", False, detail, "set its maxmemory-policy to noeviction")
    kept = (
        "" if about.get("aof_enabled", 1) else "; without appendonly, a crash of its machine loses messages"
    )
    return Finding("Redis", True, f"answers, version {version}{kept}")


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


def _people(environment: Mapping[str, str]) -> list[Finding]:
    """Names in the settings that can be nobody's."""
    given, platforms = AccessSettings.load(environment), sorted(cls.name for cls in classes())
    wildcards = {"*", *(f"{name}:*" for name in platforms)}
    found = []
    for variable, names, usable in (
        ("ADMINS", given.admins, frozenset[str]()),
        ("ALLOWED", given.allowed, wildcards),
        ("BLOCKED", given.blocked, wildcards),
    ):
        strange = [
            name
            for name in names
            if name not in usable and not (named(name) and name.partition(":")[0] in platforms)
        ]
        if strange:
            remedy = f"write platform:id; the platforms are {', '.join(platforms)}"
            found.append(Finding(variable, False, f"names nobody: {', '.join(strange)}", remedy))
    return found


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
    endpoints = EndpointSettings.load(environment)
    router = Router(endpoints, environment)
    try:
        return [*await router.check(), *_lent(endpoints)]
    finally:
        await router.close()


def _lent(endpoints: EndpointSettings) -> list[Finding]:
    """Which servers get the key that was given for another one: that may be meant, or a secret on the wrong way."""
    own, found = urlsplit(endpoints.openai_base_url).hostname, []
    for field in type(endpoints).model_fields:
        name = field.removesuffix("_base_url")
        address = getattr(endpoints, field) if field.endswith("_base_url") else None
        if not address or urlsplit(address).hostname == own or getattr(endpoints, f"{name}_api_key"):
            continue
        key = f"{name.upper()}_API_KEY"
        detail = f"not set, so {urlsplit(address).hostname} gets OPENAI_API_KEY"
        found.append(Finding(key, True, detail, f"if it is not meant for that server, set {key}"))
    return found if endpoints.openai_api_key else []
