"""The core put together: from a message that an adapter hands in to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Literal

from redis.asyncio import Redis

from bot.access import Access, AccessSettings
from bot.api import Incoming, Submit
from bot.attached import Attached
from bot.commands import Command, Registry
from bot.commands.admin import Admins
from bot.commands.announcing import Announcing
from bot.commands.basics import Basics, help_for
from bot.commands.choices import Choices
from bot.commands.keeping import Keeping
from bot.commands.listening import Listening, Transcribing
from bot.commands.money import Money
from bot.commands.personal import Personal
from bot.commands.pictures import Pictures, Retouching
from bot.commands.roles import RoleCommands
from bot.commands.settings import Preferences
from bot.commands.sounds import Sounds
from bot.commands.studio import brushes
from bot.commands.talk import Talk
from bot.correspondents import Correspondents
from bot.delivery import Delivery, Handler
from bot.dialogue import Dialogue
from bot.dictation import Dictation
from bot.easel import DAY, Easel
from bot.endpoints.settings import EndpointSettings
from bot.fitting import Fitting
from bot.i18n import Catalogue
from bot.inbox import Inbox
from bot.intake import Intake
from bot.kept import Kept
from bot.keys import Keys
from bot.limits import Limits, LimitSettings
from bot.media.fetching import fetch
from bot.media.workshop import Workshop
from bot.meter import Meter
from bot.middleware import Admission, Commands, Flood, Report, Tracing
from bot.overheard import Overheard
from bot.overview import Accounts, Overviews
from bot.prices import Prices
from bot.profile import Profile, Profiles
from bot.recordings import Recordings
from bot.reloads import Reloads
from bot.roles import Roles
from bot.roles.casting import Casting
from bot.roles.own import OwnRoles
from bot.routing import Router
from bot.scope import scope
from bot.sessions import Sessions
from bot.settings import DialogueSettings, Settings
from bot.speaking import Muting, Speaking
from bot.tape import Tape
from bot.tokens import Tokens
from bot.tools import Toolbox
from bot.traces import Traces
from bot.unpacking import Unpacking
from bot.usage import Usages
from bot.voices import Voices
from bot.window import Windows


class Core:
    """Every part of the core, made once. Enter `running` before anything is handed in.

    `trusted` are the platforms whose people have been let in by other means. Raises `SettingsError`.
    """

    def __init__(
        self, environment: Mapping[str, str], redis: Redis, keys: Keys, *, trusted: Collection[str]
    ) -> None:
        self.settings = DialogueSettings.load(environment)
        self.catalogue = Catalogue.load()
        running, endpoints = Settings.load(environment), EndpointSettings.load(environment)
        limits = LimitSettings.load(environment)
        self._link = running.public_url
        self.inbox = Inbox(
            redis, keys, lane_limit=running.lane_limit, lease=running.lease, burst=self.settings.burst
        )
        self.access = Access(AccessSettings.load(environment), redis, keys, trusted=trusted)
        self.profiles = Profiles(redis, keys)
        self._limits, self._usages = Limits(limits, redis, keys), Usages(redis, keys)
        self._prices, self._tokens, self._traces = (
            Prices.load(limits.prices_file),
            Tokens(),
            Traces(redis, keys),
        )
        self._router = Router(endpoints, environment, fetch=fetch)
        self._meter = Meter(
            self._router, self._limits, self._prices, self._tokens, answer=endpoints.max_tokens
        )
        self._roles, self._own = Roles.load(self.settings.roles_file), OwnRoles(redis, keys)
        self._casting = Casting(self._roles, self._own, self.profiles, self.settings.default_role)
        self._windows = Windows(redis, keys, ttl=self.settings.context_ttl)
        self._sessions = Sessions(redis, keys)
        self._overheard = Overheard(redis, keys, limit=self.settings.group_ambient)
        self._workshop = Workshop()
        ttl = self.settings.context_ttl
        kept = Kept(redis, keys, limit=self.settings.pictures_kept * 1_000_000, life=max(DAY, ttl))
        attached = Attached(redis, keys, ttl=ttl, kept=kept)
        self._voices = Voices(self._router, mode=self.settings.voice, names=endpoints.voices())
        self._tape = Tape(redis, keys, kept=kept)
        self._speaking = Speaking(self._router, self._meter, self._workshop, self._voices, self._tape)
        self._recordings, self._dictation = Recordings(redis, keys), Dictation(redis, keys)
        self._listening = Listening(
            self._router,
            self._meter,
            workshop=self._workshop,
            voices=self._voices,
            recordings=self._recordings,
            dictation=self._dictation,
        )
        self._easel = Easel(redis, keys, kept=kept)
        self._pictures = Pictures(
            self._router, self._meter, self._workshop, self._easel, attached, windows=self._windows
        )
        self._dialogue = Dialogue(
            windows=self._windows,
            casting=self._casting,
            router=self._router,
            meter=self._meter,
            tokens=self._tokens,
            settings=self.settings,
            overheard=self._overheard,
            after=self._speaking.after,
            attached=attached,
            tools=Toolbox(brushes(self._pictures)),
            unpacking=Unpacking(
                self._workshop, self._meter, self._router, attached, self._easel, dictation=self._dictation
            ),
        )
        self._accounts = Accounts(self._limits, self._usages, self._prices, self.access, self.inbox)
        self._reloads = Reloads(redis, keys, self._read)
        self._correspondents = Correspondents(redis, keys)
        self.registry = self._registry()

    @property
    def traces(self) -> Traces:
        """What became of each message."""
        return self._traces

    @property
    def policy(self) -> Literal["user", "thread", "chat"]:
        """Who shares a conversation in a group."""
        return self.settings.context_group_scope

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep up with what other processes change, and in the end close every connection."""
        watching = [asyncio.create_task(self.access.watch()), asyncio.create_task(self._reloads.watch())]
        try:
            yield
        finally:
            for task in watching:
                task.cancel()
            await self._dialogue.close()
            await self._workshop.close()
            await self._router.close()

    def submit(self) -> Submit:
        """Where adapters hand in what they heard."""
        return Intake(
            self.inbox.queue,
            self.inbox.withdraw,
            policy=self.policy,
            triggers=self.settings.group_trigger,
            admits=self.access.admits,
            urgent=self.registry.urgent,
            busy=lambda tag: self.catalogue.say(
                self.language(Profile(), tag), "busy.lane", limit=self.inbox.lane_limit
            ),
            overhear=self._overheard.hear,
            met=self._correspondents.met,
        )

    def answer(self) -> Handler:
        """What answers a message: the middleware around the commands and the dialogue."""
        talk = Transcribing(self._listening, Retouching(self._pictures, self._dialogue))
        muting = Muting(self._voices, self._router, Commands(self.registry, talk))
        fitting = Fitting(self._workshop, muting)
        return Report(Tracing(self._traces, Admission(self.access, Flood(self._limits, fitting))))

    def overviews(self) -> Overviews:
        """What a person may know of the bot's dealings with them."""
        return Overviews(
            accounts=self._accounts,
            access=self.access,
            profiles=self.profiles,
            casting=self._casting,
            router=self._router,
            voices=self._voices,
            catalogue=self.catalogue,
            policy=self.policy,
            language=self.language,
        )

    def language(self, profile: Profile, tag: str) -> str:
        """The language of the bot's own words: chosen, else the operator's, else the app's."""
        fixed = self.settings.language
        return self.catalogue.match(profile.language or (tag if fixed == "auto" else fixed))

    def _registry(self) -> Registry:
        family: list[Command] = [
            *Basics(
                self._windows, self._dialogue, clears=(self._easel.clear, self._recordings.clear)
            ).commands(),
            *Keeping(self._windows).commands(),
            *RoleCommands(self._casting, self.profiles, self._dialogue).commands(),
            *Choices(self.profiles, self._router, self._meter.rates).commands(),
            *Talk(self._windows, self._dialogue, self._sessions, self.profiles).commands(),
            *Preferences(
                self.profiles, self._casting, self._dialogue, language=self.language, voices=self._voices
            ).commands(),
            *self._pictures.commands(),
            *Sounds(
                self._router,
                speaking=self._speaking,
                voices=self._voices,
                profiles=self.profiles,
                windows=self._windows,
            ).commands(),
            *self._listening.commands(),
            *Personal(
                self._windows,
                self.profiles,
                self._sessions,
                self._dialogue,
                kept=self.settings.context_ttl,
                link=self._link,
                forgets=(self._forget,),
            ).commands(),
            *Money(self._accounts, self._limits, self._usages).commands(),
            *Admins(self.access, self._traces, self._reloads).commands(),
            *Announcing(self._correspondents, self._announced, self.access.admits).commands(),
        ]
        return Registry(
            [help_for(family, self.access.admin), *family],
            languages=self.catalogue.languages,
            say=self.catalogue.say,
            admin=self.access.admin,
        )

    async def _forget(self, delivery: Delivery, conversations: Collection[str]) -> None:
        message = delivery.message
        await self.inbox.forget(conversations)
        await self._easel.clear({*conversations, delivery.conversation})
        await self._tape.clear({*conversations, delivery.conversation})
        await self._recordings.clear({*conversations, delivery.conversation})
        await self._dictation.clear({*conversations, delivery.conversation})
        await self._own.forget(message.place, message.person)
        await self._overheard.forget(message)
        await self._correspondents.forget(message)
        await self._usages.forget(message.place, message.person)

    async def _announced(self, message: Incoming) -> bool:
        return await self.inbox.accept(scope(message, self.policy), message) != "busy"

    def _read(self) -> None:
        self._roles.reload()
        self._prices.reload()
