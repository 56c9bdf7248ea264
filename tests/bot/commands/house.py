"""A registry of all commands over a real Redis and a scripted model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import count
from typing import Any

from redis.asyncio import Redis

from bot.access import Access, AccessSettings
from bot.api import Incoming, Person, Place
from bot.commands import Registry
from bot.commands.admin import Admins
from bot.commands.basics import Basics, help_for
from bot.commands.choices import Choices
from bot.commands.keeping import Keeping
from bot.commands.money import Money
from bot.commands.personal import Personal
from bot.commands.roles import RoleCommands
from bot.commands.settings import Preferences
from bot.commands.talk import Talk
from bot.delivery import Delivery
from bot.dialogue import After, Dialogue
from bot.endpoints.models import Model as Listed
from bot.endpoints.settings import Capability
from bot.errors import Unreachable
from bot.inbox import Inbox
from bot.intake import clean
from bot.keys import Keys
from bot.limits import Limits, LimitSettings
from bot.overview import Accounts
from bot.prices import Prices
from bot.profile import Profile, Profiles
from bot.reloads import Reloads
from bot.roles import Roles
from bot.roles.casting import Casting
from bot.roles.own import OwnRoles
from bot.scope import home, scope, shared
from bot.sessions import Sessions
from bot.settings import DialogueSettings
from bot.tools import Toolbox
from bot.traces import Traces
from bot.usage import Usages
from bot.voices import Voices
from bot.window import Windows
from tests.bot.doubles import Collected, Held, catalogue, delivery, tokens
from tests.bot.test_dialogue import Model

ADMIN = "boss"
PRIVATE = Place("test", "bot", "ann")
GROUP = Place("test", "bot", "team", kind="group")


class Server(Model):
    """A scripted model that also lists models, and may be away."""

    away = False

    async def default_model(self) -> str:
        if self.away:
            raise Unreachable("nobody there")
        return await super().default_model()

    async def models(self) -> list[Listed]:
        return [Listed(id=name) for name in ("some-model", "big-model")]


class Senses:
    """A `Router` whose models speak and hear."""

    def can(self, capability: Capability) -> bool:
        return True


class House:
    """Where people say things; `now` is the time."""

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        policy: str = "user",
        after: After | None = None,
        tools: Toolbox | None = None,
    ) -> None:
        self.redis, self.keys, self.policy = redis, Keys(prefix), policy
        self.now, self._ids = 1_700_000_000.0, count(1)
        self.server, self.forgotten = Server(), list[str]()
        self.windows, self.profiles = Windows(redis, self.keys, ttl=600), Profiles(redis, self.keys)
        self.sessions = Sessions(redis, self.keys, clock=self.clock)
        casting = Casting(Roles.load(None), OwnRoles(redis, self.keys), self.profiles, "assistant")
        self.dialogue = Dialogue(
            windows=self.windows,
            casting=casting,
            router=self.server,  # type: ignore[arg-type]
            meter=self.server,  # type: ignore[arg-type]
            tokens=tokens(),
            settings=DialogueSettings(context_summary=False),
            after=after,
            tools=tools,
            clock=self.clock,
        )
        self.access = Access(
            AccessSettings.load({"ADMINS": f"test:{ADMIN}", "ALLOWED": "*"}), redis, self.keys, trusted=()
        )
        self.limits = Limits(LimitSettings.load({"RATE_LIMIT": "off"}), redis, self.keys, clock=self.clock)
        self.usages = Usages(redis, self.keys, clock=self.clock)
        accounts = Accounts(self.limits, self.usages, Prices.load(None), self.access, Inbox(redis, self.keys))
        family = [
            *Basics(self.windows, self.dialogue).commands(),
            *Keeping(self.windows).commands(),
            *RoleCommands(casting, self.profiles, self.dialogue).commands(),
            *Choices(self.profiles, self.server).commands(),  # type: ignore[arg-type]
            *Talk(self.windows, self.dialogue, self.sessions, self.profiles, clock=self.clock).commands(),
            *Preferences(
                self.profiles,
                casting,
                self.dialogue,
                language=self.language,
                voices=Voices(Senses()),
            ).commands(),
            *Personal(
                self.windows,
                self.profiles,
                self.sessions,
                self.dialogue,
                kept=7 * 86400,
                link="https://bot.example.org",
                forgets=(self.forget,),
                clock=self.clock,
            ).commands(),
            *Money(accounts, self.limits, self.usages, clock=self.clock).commands(),
            *Admins(
                self.access,
                Traces(redis, self.keys, clock=self.clock),
                Reloads(redis, self.keys, lambda: None),
                clock=self.clock,
            ).commands(),
        ]
        self.registry = Registry(
            [help_for(family, self.admin), *family],
            languages=catalogue().languages,
            say=catalogue().say,
            admin=self.admin,
        )

    def clock(self) -> float:
        self.now += 1
        return self.now

    def admin(self, place: Place, person: Person) -> bool:
        return person.id == ADMIN

    def language(self, profile: Profile, tag: str) -> str:
        return catalogue().match(profile.language or tag)

    async def forget(self, made: Delivery, conversations: Collection[str]) -> None:
        self.forgotten.append(made.message.person.id)

    def message(
        self, text: str, person: str = "ann", place: Place = PRIVATE, language: str = "en"
    ) -> Incoming:
        if place.kind == "private":
            place = replace(place, chat=person)
        return Incoming(f"m{next(self._ids)}", place, Person(person, person.title(), language), text)

    async def say(self, text: str, person: str = "ann", place: Place = PRIVATE, **more: Any) -> Collected:
        """What a person is answered; `hold` is for an attempt after a crash."""
        hold, language = more.pop("hold", None) or Held(), more.pop("language", "en")
        message = clean(self.message(text, person, place, language))
        conversation, outside = scope(message, self.policy), home(message, self.policy)  # type: ignore[arg-type]
        profile = await self.profiles.load(conversation, outside)
        made, reply = delivery(
            message,
            hold=hold,
            profile=profile,
            language=self.language(profile, language),
            conversation=conversation,
            home=outside,
            shared=shared(message, self.policy),  # type: ignore[arg-type]
            **more,
        )
        if not await self.registry.run(made):
            await self.dialogue(made)
        return reply

    async def profile(self, person: str = "ann", place: Place = PRIVATE) -> Profile:
        message = self.message("", person, place)
        return await self.profiles.load(scope(message, self.policy), home(message, self.policy))  # type: ignore[arg-type]

    async def remembered(self) -> list[str]:
        """The names of all keys."""
        return [name async for name in self.redis.scan_iter(f"{self.keys.prefix}*")]
