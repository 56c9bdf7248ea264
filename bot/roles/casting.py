"""Who is played in a conversation, and whom a person may choose from: the roles of all and those of their own."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic
from typing import Protocol

import structlog

from bot.api import Person, Place
from bot.roles import Roles
from bot.roles.own import Made, OwnRoles, group_of, owner_of
from bot.roles.role import CATEGORIES, FALLBACK, Role, plain

FRESH = 5.0
"""Seconds for which an admin's choice is not looked up again."""

_log = structlog.get_logger(__name__)


class Chosen(Protocol):
    """What `profile.Profile` says of the role."""

    @property
    def role(self) -> str:
        """A role's id, or nothing."""

    @property
    def system(self) -> str:
        """A prompt in the place of the role's, or nothing."""


class Choosing(Protocol):
    """`profile.Profiles.change`."""

    async def change(self, conversation: str, *, role: str) -> object:
        """Play another role in a conversation from now on."""


class Casting:
    """Finds roles for conversations and for people.

    `default` is the role of a new conversation, as the settings have it; an admin's choice stands before it, and is
    known to every process within `FRESH` seconds. `clock` is monotonic.
    """

    def __init__(
        self,
        roles: Roles,
        own: OwnRoles,
        profiles: Choosing,
        default: str,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.roles = roles
        self.own = own
        self._profiles = profiles
        self._default = default
        self._clock = clock
        self._chosen, self._until = "", -math.inf

    async def default(self) -> Role:
        """The role of a conversation that has chosen none. Raises `StoreAway`."""
        if self._clock() >= self._until:
            self._chosen = await self.own.default()
            self._until = self._clock() + FRESH
        return self.roles.get(self._chosen) or self.roles.get(self._default) or self.roles.all()[0]

    async def choose_default(self, role_id: str) -> Role:
        """Choose the role of new conversations; nothing takes the choice back. That role. Raises `StoreAway`."""
        await self.own.choose_default(role_id)
        self._until = -math.inf
        return await self.default()

    async def resolve(self, profile: Chosen) -> Role:
        """The role of a conversation; the default one where the chosen one is there no more.

        A system prompt of the conversation's own stands in it in the place of the role's.
        Raises `StoreAway`.
        """
        role = self.roles.get(profile.role) or await self.own.get(profile.role) or await self.default()
        return replace(role, prompts={FALLBACK: profile.system}) if profile.system else role

    async def dismiss(self, conversation: str) -> None:
        """Play the default role from now on, because the chosen one is there no more. Raises `StoreAway`.

        It is chosen by name, because the lost one may be the choice of the conversation outside this thread.
        """
        _log.info("role.gone")
        await self._profiles.change(conversation, role=(await self.default()).id)

    async def made(self, place: Place, person: Person) -> list[Made]:
        """What the person made, then what was shared in the group. Raises `StoreAway`."""
        return [*await self.own.listed(owner_of(place, person)), *await self.own.listed(group_of(place))]

    async def choices(self, place: Place, person: Person) -> Sequence[Role]:
        """All that the person may choose from, by category. Those that people made are without their prompts."""
        all_roles = [*(made.role() for made in await self.made(place, person)), *self.roles.all()]
        return sorted(all_roles, key=lambda role: CATEGORIES.index(role.category))

    async def find(self, text: str, language: str, place: Place, person: Person) -> Role | None:
        """The role that a person means, by id, name or alias: theirs, their group's, anybody's.

        One that people made is without its prompt. Raises `StoreAway`.
        """
        wanted = plain(text)
        for made in await self.made(place, person):
            if wanted and wanted in (made.id, plain(made.name)):
                return made.role()
        return self.roles.find(text, language)

    async def near(self, text: str, place: Place, person: Person) -> Sequence[Role]:
        """Up to three roles that may be meant. Raises `StoreAway`."""
        own = {plain(made.name): made for made in await self.made(place, person)}
        close = [own[label].role() for label in difflib.get_close_matches(plain(text)[:100], own, 3, 0.6)]
        known = (self.roles.get(role_id) for role_id in self.roles.near(text))
        return [*close, *(role for role in known if role)][:3]
