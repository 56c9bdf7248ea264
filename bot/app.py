"""Wiring: the only module that knows every other."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis

from bot import embedded, keys, settings, telemetry
from bot.api import Adapter, Equipped, Submit
from bot.core import Core
from bot.endpoints.settings import EndpointSettings
from bot.errors import SettingsError, StoreAway
from bot.platforms import blocks, classes, configured
from bot.server import Server
from bot.settings import Settings
from bot.store import Feeds, RedisStore
from bot.worker import Worker

_log = structlog.get_logger(__name__)


def connected(environment: Mapping[str, str]) -> bool:
    """Whether the operator has named a model server, by its key or by its address."""
    names = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CHAT_API_KEY", "CHAT_BASE_URL")
    return any(environment.get(name, "").strip() for name in names)


@dataclass(frozen=True, slots=True)
class Duties:
    """What this process does. `interactive`: only the adapters that talk on this terminal, and no HTTP server."""

    work: bool = True
    receive: bool = True
    interactive: bool = False


class App:
    """The whole bot in one process."""

    def __init__(
        self, environment: Mapping[str, str], duties: Duties, announce: Callable[[str], None]
    ) -> None:
        """Reads and checks every setting; raises `SettingsError`."""
        self.settings = Settings.load(environment)
        self.environment = dict(environment)
        self._duties = duties
        self._announce = announce
        self._draining = False

    async def run(self, stop: asyncio.Event) -> int:
        """Answer until `stop` is set, then let running answers finish; the exit status. Raises `SettingsError`."""
        async with AsyncExitStack() as stack:
            url, alone = await self._store_url(stack)
            redis = keys.connect(url)
            stack.push_async_callback(redis.aclose)
            demo = await self._endpoint(stack) if self._works(alone) else False
            adapters = await self._serve(stack, redis, alone, demo, stop)
        return max((getattr(adapter, "exit_code", 0) for adapter in adapters), default=0)

    def _works(self, alone: bool | None) -> bool:
        # Attached to the Valkey of a running bot (`alone` is None), the terminal leaves the work to that bot.
        return self._duties.work and alone is not None

    async def _store_url(self, stack: AsyncExitStack) -> tuple[str, bool | None]:
        """Redis's URL, and whether we are the only process on it (None: attached to another's)."""
        if self.settings.redis_url is not None:
            return self.settings.redis_url.get_secret_value(), False
        if self._duties.interactive and (running := await embedded.attach(self.settings.data_dir)):
            return running, None
        if not (self._duties.work and self._duties.receive):
            raise SettingsError("REDIS_URL: set it, so that workers and ingresses share one Redis")
        valkey = await embedded.start(self.settings.data_dir)
        stack.push_async_callback(valkey.stop)
        watching = asyncio.create_task(valkey.watch())
        stack.callback(watching.cancel)
        return valkey.url, True

    async def _endpoint(self, stack: AsyncExitStack) -> bool:
        """With no key and no base URL: the local server if one answers, else the demo. Is it the demo?"""
        if connected(self.environment):
            return False
        from bot.demo import Demo, local_server  # noqa: PLC0415 - it draws, with libraries of 5 MB

        if local := await local_server():
            self._announce(f"Using the model server on this machine: {local}")
            self.environment["CHAT_BASE_URL"] = local
            return False
        demo = Demo()
        self.environment["CHAT_BASE_URL"] = await demo.start()
        stack.push_async_callback(demo.stop)
        return True

    async def use(self, name: str, tool: str) -> int:
        """Use a platform's own command for the operator; the exit status. Raises `SettingsError`, `Unavailable`."""
        async with AsyncExitStack() as stack:
            url, alone = await self._store_url(stack)
            redis = keys.connect(url)
            stack.push_async_callback(redis.aclose)
            core = self._core(redis)
            await stack.enter_async_context(core.running())
            chosen = self._adapters(stack, redis, core, alone=bool(alone)).get(name)
            if chosen is None:
                raise SettingsError(f"{name} is not set up: its variables stand in .env.example")
            tools = chosen.tools if isinstance(chosen, Equipped) else {}
            if tool not in tools:
                known = "\n".join(f"parley {name} {each}: {about}" for each, about in tools.items())
                self._announce(known or f"{name} has no commands of its own")
                return 2 if tool else 0
            assert isinstance(chosen, Equipped)  # noqa: S101 - it has tools
            await chosen.menu(core.registry.menu())
            return await chosen.use(tool, self._announce)

    def _core(self, redis: Redis) -> Core:
        trusted = {cls.name for cls in classes() if cls.trusted}
        return Core(self.environment, redis, keys.Keys(self.settings.redis_prefix), trusted=trusted)

    def _adapters(
        self, stack: AsyncExitStack, redis: Redis, core: Core, *, alone: bool
    ) -> Mapping[str, Adapter]:
        names, feeds = keys.Keys(self.settings.redis_prefix), Feeds(redis)
        stack.push_async_callback(feeds.close)

        def drawer(name: str) -> RedisStore:
            return RedisStore(redis, names, name, feeds, lease=self.settings.lease / 2, alone=alone)

        adapters = configured(self.environment, drawer, core.access, core.overviews())
        for adapter in adapters.values():
            stack.push_async_callback(adapter.close)
        return adapters

    async def _serve(
        self, stack: AsyncExitStack, redis: Redis, alone: bool | None, demo: bool, stop: asyncio.Event
    ) -> Collection[Adapter]:
        core = self._core(redis)
        await stack.enter_async_context(core.running())
        adapters, submit = self._adapters(stack, redis, core, alone=bool(alone)), core.submit()
        port = 0 if self._duties.interactive else await self._http(stack, adapters.values(), submit, redis)
        worker = Worker(
            core.inbox,
            core.answer(),
            adapters,
            core.profiles,
            settings=self.settings,
            language=core.language,
            say=core.catalogue.say,
            consumer=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
            alone=bool(alone),
            policy=core.policy,
            traces=core.traces,
        )
        for adapter in adapters.values():
            await adapter.menu(core.registry.menu())
        # What start-up made stays: a full collection over it would hold up every answer for 50 ms and more.
        gc.collect()
        gc.freeze()
        if port:
            self._greet(port, demo)
        await self._until(stop, worker if self._works(alone) else None, adapters, submit)
        return adapters.values()

    async def _http(
        self, stack: AsyncExitStack, adapters: Collection[Adapter], submit: Submit, redis: Redis
    ) -> int:
        routes = (
            [route for adapter in adapters for route in adapter.routes(submit)]
            if self._duties.receive
            else []
        )

        async def ready() -> Mapping[str, str]:
            try:
                async with keys.reaching():
                    await redis.ping()
            except StoreAway:
                return {"redis": "away"}
            return {"redis": "ok", **({"bot": "draining"} if self._draining else {})}

        server = Server(
            host=self.settings.http_host, port=self.settings.http_port, routes=routes, ready=ready
        )
        port = await server.start()
        stack.push_async_callback(server.stop, 2)
        return port

    def _greet(self, port: int, demo: bool) -> None:
        host = self.settings.http_host if self.settings.http_host not in ("0.0.0.0", "::") else "localhost"  # noqa: S104
        self._announce(f"Parley is ready: {self.settings.public_url or f'http://{host}:{port}/'}")
        if demo:
            self._announce(
                "It answers as an offline demo. For a real model, put OPENAI_API_KEY=… (or OPENAI_BASE_URL=…) "
                "into .env and start it again."
            )

    async def _until(
        self, stop: asyncio.Event, worker: Worker | None, adapters: Mapping[str, Adapter], submit: Submit
    ) -> None:
        """Run everything until `stop` is set or the terminal's conversation ends; receive first stops, then work."""
        working = asyncio.create_task(worker.run()) if worker else None
        receiving = [
            asyncio.create_task(self._supervised(adapters[cls.name], submit))
            for cls in classes()
            if cls.name in adapters and self._duties.receive and cls.interactive == self._duties.interactive
        ]
        stopping = asyncio.create_task(stop.wait())
        ends = {stopping, *([working] if working else []), *(receiving if self._duties.interactive else [])}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._draining = True
            for task in (stopping, *receiving):
                task.cancel()
            await asyncio.gather(stopping, *receiving, return_exceptions=True)
            if working:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
        if working and not working.cancelled():
            working.result()

    async def _supervised(self, adapter: Adapter, submit: Submit) -> None:
        """Keep an adapter receiving: a fault is logged once, and it begins again after a growing pause."""
        pause = 1.0
        while True:
            try:
                await adapter.run(submit)
            except Exception:  # noqa: BLE001 - the supervisor's border: one platform's fault must not end the others
                _log.exception("adapter.failed", adapter=adapter.name, again_in=pause)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, 60)


def configure_logs(environment: Mapping[str, str], *, quiet: bool = False) -> None:
    """Begin to log as the settings say, with every secret of the environment redacted."""
    running = Settings.load(environment)
    level = "warning" if quiet and "LOG_LEVEL" not in environment else running.log_level
    secret = settings.secrets(block.load(environment) for block in blocks())
    candidates = EndpointSettings.load(environment).chat_candidates(environment)
    secret |= {c.server.key.get_secret_value() for c in candidates if c.server.key is not None}
    telemetry.configure(level, running.log_format, secret)
