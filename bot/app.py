"""Wiring: the only module that knows every other."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import entry_points

import structlog
from redis.asyncio import Redis

from bot import embedded, keys, settings, telemetry
from bot.access import Access, AccessSettings
from bot.api import Adapter, Host, Overview, Person, Place, Store, Submit
from bot.commands import Registry
from bot.commands.admin import Admins
from bot.commands.basics import Basics, help_for
from bot.commands.choices import Choices
from bot.commands.money import Money
from bot.commands.personal import Personal
from bot.commands.roles import RoleCommands
from bot.commands.settings import Preferences
from bot.commands.talk import Talk
from bot.delivery import Delivery
from bot.demo import Demo, local_server
from bot.dialogue import Dialogue
from bot.endpoints.settings import EndpointSettings
from bot.errors import SettingsError, StoreAway
from bot.i18n import Catalogue
from bot.inbox import Inbox
from bot.intake import Intake
from bot.limits import Limits, LimitSettings
from bot.meter import Meter
from bot.middleware import Admission, Commands, Flood, Report, Tracing
from bot.overheard import Overheard
from bot.overview import Accounts, Overviews
from bot.prices import Prices
from bot.profile import Profile, Profiles
from bot.reloads import Reloads
from bot.roles import Roles
from bot.roles.casting import Casting
from bot.roles.own import OwnRoles
from bot.routing import Router
from bot.server import Server
from bot.sessions import Sessions
from bot.settings import Block, DialogueSettings, Settings
from bot.store import Feeds, RedisStore
from bot.tokens import Tokens
from bot.traces import Traces
from bot.usage import Usages
from bot.window import Windows
from bot.worker import Worker

CORE: tuple[type[Block], ...] = (EndpointSettings, DialogueSettings, AccessSettings, LimitSettings, Settings)
_log = structlog.get_logger(__name__)


def adapter_classes() -> list[type[Adapter]]:
    """Every adapter that is installed, found by its entry point."""
    return [point.load() for point in sorted(entry_points(group="parley.adapters"), key=lambda p: p.name)]


def blocks() -> list[type[Block]]:
    """Every block of settings, the core's and the adapters', in the order of their documentation."""
    return [*CORE, *(cls.Settings for cls in adapter_classes() if cls.Settings.names())]


def connected(environment: Mapping[str, str]) -> bool:
    """Whether the operator has named a model server, by its key or by its address."""
    names = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CHAT_API_KEY", "CHAT_BASE_URL")
    return any(environment.get(name, "").strip() for name in names)


async def nothing(place: Place, person: Person) -> Overview:
    """Where no bot runs there is nothing to tell of it."""
    return Overview()


def configured(
    environment: Mapping[str, str],
    store: Callable[[str], Store],
    access: Access,
    overview: Callable[[Place, Person], Awaitable[Overview]] = nothing,
) -> list[Adapter]:
    """The adapters whose credentials are set, each with its drawer. Raises `SettingsError`."""

    async def admits(place: Place, person: Person) -> bool:
        return access.admits(place, person)

    running = Settings.load(environment)
    found: dict[str, Adapter] = {}
    for alone in (False, True):  # some are on only where no messaging platform is
        for cls in adapter_classes():
            if cls.name in found or (alone and any(not adapter.interactive for adapter in found.values())):
                continue
            host = Host(
                store(cls.name),
                running.http_host,
                running.http_port,
                running.public_url,
                alone,
                admits,
                overview,
            )
            try:
                adapter = cls.create(cls.Settings.load(environment), host)
            except ValueError as error:  # an adapter does not know our errors
                raise SettingsError(str(error)) from None
            if adapter is not None:
                found[cls.name] = adapter
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Duties:
    """What this process does. `interactive`: only the adapters that talk on this terminal, and no HTTP server."""

    work: bool = True
    receive: bool = True
    interactive: bool = False


@dataclass(frozen=True, slots=True)
class _Rooms:
    """What the way in and the answering have in common."""

    redis: Redis
    names: keys.Keys
    inbox: Inbox
    router: Router
    profiles: Profiles
    access: Access
    overheard: Overheard


class App:
    """The whole bot in one process."""

    def __init__(
        self, environment: Mapping[str, str], duties: Duties, announce: Callable[[str], None]
    ) -> None:
        """Reads and checks every setting; raises `SettingsError`."""
        self.settings = Settings.load(environment)
        self.dialogue_settings = DialogueSettings.load(environment)
        self.environment = dict(environment)
        self._duties = duties
        self._announce = announce
        self._catalogue = Catalogue.load()
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
        if local := await local_server():
            self._announce(f"Using the model server on this machine: {local}")
            self.environment["CHAT_BASE_URL"] = local
            return False
        demo = Demo()
        self.environment["CHAT_BASE_URL"] = await demo.start()
        stack.push_async_callback(demo.stop)
        return True

    async def _serve(
        self, stack: AsyncExitStack, redis: Redis, alone: bool | None, demo: bool, stop: asyncio.Event
    ) -> list[Adapter]:
        names = keys.Keys(self.settings.redis_prefix)
        inbox = Inbox(
            redis,
            names,
            lane_limit=self.settings.lane_limit,
            lease=self.settings.lease,
            burst=self.dialogue_settings.burst,
        )
        feeds = Feeds(redis)
        stack.push_async_callback(feeds.close)
        trusted = {cls.name for cls in adapter_classes() if cls.trusted}
        access = Access(AccessSettings.load(self.environment), redis, names, trusted=trusted)

        def drawer(name: str) -> RedisStore:
            return RedisStore(redis, names, name, feeds, lease=self.settings.lease / 2, alone=bool(alone))

        router = Router(EndpointSettings.load(self.environment), self.environment)
        stack.push_async_callback(router.close)
        profiles = Profiles(redis, names)
        overheard = Overheard(redis, names, limit=self.dialogue_settings.group_ambient)
        rooms = _Rooms(redis, names, inbox, router, profiles, access, overheard)
        registry, handler, overviews = self._stack(stack, rooms)
        adapters = configured(self.environment, drawer, access, overviews)
        for adapter in adapters:
            stack.push_async_callback(adapter.close)
        submit = Intake(
            inbox.queue,
            inbox.withdraw,
            policy=self.dialogue_settings.context_group_scope,
            triggers=self.dialogue_settings.group_trigger,
            admits=access.admits,
            urgent=registry.urgent,
            busy=lambda tag: self._catalogue.say(
                self._language(Profile(), tag), "busy.lane", limit=inbox.lane_limit
            ),
            overhear=overheard.hear,
        )
        port = await self._http(stack, adapters, submit, redis) if not self._duties.interactive else 0
        worker = Worker(
            inbox,
            handler,
            {adapter.name: adapter for adapter in adapters},
            profiles,
            settings=self.settings,
            language=self._language,
            say=self._catalogue.say,
            consumer=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
            alone=bool(alone),
            policy=self.dialogue_settings.context_group_scope,
        )
        for adapter in adapters:
            await adapter.menu(registry.menu())
        # What start-up made stays: a full collection over it would hold up every answer for 50 ms and more.
        gc.collect()
        gc.freeze()
        if port:
            self._greet(port, demo)
        await self._until(stop, worker if self._works(alone) else None, adapters, submit)
        return adapters

    def _stack(self, stack: AsyncExitStack, rooms: _Rooms) -> tuple[Registry, Report, Overviews]:
        redis, names, router = rooms.redis, rooms.names, rooms.router
        profiles, access, overheard = rooms.profiles, rooms.access, rooms.overheard
        given = LimitSettings.load(self.environment)
        limits, usages = Limits(given, redis, names), Usages(redis, names)
        prices = Prices.load(given.prices_file)
        tokens, traces = Tokens(), Traces(redis, names)
        longest = EndpointSettings.load(self.environment).max_tokens
        meter = Meter(router, limits, prices, tokens, answer=longest)
        roles = Roles.load(self.dialogue_settings.roles_file)
        own = OwnRoles(redis, names)
        casting = Casting(roles, own, profiles, self.dialogue_settings.default_role)
        windows = Windows(redis, names, ttl=self.dialogue_settings.context_ttl)
        dialogue = Dialogue(
            windows=windows,
            casting=casting,
            router=router,
            meter=meter,
            tokens=tokens,
            settings=self.dialogue_settings,
            overheard=overheard,
        )
        stack.push_async_callback(dialogue.close)
        sessions = Sessions(redis, names)

        async def forget(delivery: Delivery, conversations: Collection[str]) -> None:
            await rooms.inbox.forget(conversations)
            await own.forget(delivery.message.place, delivery.message.person)
            await overheard.forget(delivery.message)
            await usages.forget(delivery.message.place, delivery.message.person)

        accounts = Accounts(limits, usages, prices, access)
        overviews = Overviews(
            accounts=accounts,
            access=access,
            profiles=profiles,
            casting=casting,
            router=router,
            catalogue=self._catalogue,
            policy=self.dialogue_settings.context_group_scope,
            language=self._language,
        )

        def read() -> None:
            roles.reload()
            prices.reload()

        reloads = Reloads(redis, names, read)
        for watching in (asyncio.create_task(access.watch()), asyncio.create_task(reloads.watch())):
            stack.callback(watching.cancel)
        family = [
            *Basics(windows, dialogue).commands(),
            *RoleCommands(casting, profiles, dialogue).commands(),
            *Choices(profiles, router, meter.rates).commands(),
            *Talk(windows, dialogue, sessions, profiles).commands(),
            *Preferences(profiles, casting, dialogue, language=self._language).commands(),
            *Personal(
                windows,
                profiles,
                sessions,
                dialogue,
                kept=self.dialogue_settings.context_ttl,
                link=self.settings.public_url,
                forgets=(forget,),
            ).commands(),
            *Money(accounts, limits, usages).commands(),
            *Admins(access, traces, reloads).commands(),
        ]
        registry = Registry(
            [help_for(family, access.admin), *family],
            languages=self._catalogue.languages,
            say=self._catalogue.say,
            admin=access.admin,
        )
        answering = Admission(access, Flood(limits, Commands(registry, dialogue)))
        return registry, Report(Tracing(traces, answering)), overviews

    async def _http(
        self, stack: AsyncExitStack, adapters: list[Adapter], submit: Submit, redis: Redis
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

    def _language(self, profile: Profile, tag: str) -> str:
        fixed = self.dialogue_settings.language
        return self._catalogue.match(profile.language or (tag if fixed == "auto" else fixed))

    def _greet(self, port: int, demo: bool) -> None:
        host = self.settings.http_host if self.settings.http_host not in ("0.0.0.0", "::") else "localhost"  # noqa: S104
        self._announce(f"Parley is ready: {self.settings.public_url or f'http://{host}:{port}/'}")
        if demo:
            self._announce(
                "It answers as an offline demo. For a real model, put OPENAI_API_KEY=… (or OPENAI_BASE_URL=…) "
                "into .env and start it again."
            )

    async def _until(
        self, stop: asyncio.Event, worker: Worker | None, adapters: list[Adapter], submit: Submit
    ) -> None:
        """Run everything until `stop` is set or the terminal's conversation ends; receive first stops, then work."""
        working = asyncio.create_task(worker.run()) if worker else None
        receiving = [
            asyncio.create_task(self._supervised(adapter, submit))
            for adapter in adapters
            if self._duties.receive and adapter.interactive == self._duties.interactive
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
