"""How a person stands with the bot, in their own words: their choices, what they used, and for an admin the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from bot.access import Access
from bot.api import Incoming, Option, Overview, Person, Place, Setting
from bot.errors import ParleyError, StoreAway
from bot.i18n import Catalogue
from bot.inbox import Inbox
from bot.limits import Limits
from bot.prices import Prices, money
from bot.profile import Profile, Profiles
from bot.roles.casting import Casting
from bot.routing import Router
from bot.scope import home, scope
from bot.telemetry import reference
from bot.usage import Period, Tally, Usages
from bot.voices import Voices

SHOWN = 100
"""Options of one setting at the most: what the narrowest platform's menu of choices takes."""

Say = Callable[..., str]
"""The bot's words in one language: a key and its values."""


class Accounts:
    """Lines about what was used and what is left. All calls raise `StoreAway`."""

    def __init__(self, limits: Limits, usages: Usages, prices: Prices, access: Access, inbox: Inbox) -> None:
        self._limits = limits
        self._usages = usages
        self._prices = prices
        self._access = access
        self._inbox = inbox

    def amount(self, micro: int) -> str:
        """An amount in the currency of the prices."""
        return money(micro, self._prices.currency)

    async def usage(self, say: Say, place: Place, person: Person) -> list[str]:
        """What a person used today and this month, and how each budget stands that bounds them there."""
        scope = f"person:{place.platform}:{person.id}"
        lines = [self.used(say, "day", await self._usages.tally(scope, "day"))]
        lines.append(self.used(say, "month", await self._usages.tally(scope, "month")))
        for standing in await self._limits.standings(place, person):
            if not standing.bound.startswith("total"):  # the operator's matter
                left = self.amount(max(0, standing.limit - standing.spent))
                lines.append(
                    say(f"usage.left.{standing.bound}", left=left, limit=self.amount(standing.limit))
                )
        return lines

    async def operation(self, say: Say) -> list[str]:
        """What everybody used together, how the whole's budgets stand, who waits to be let in, what was given up."""
        day, month = await self._usages.tally("total", "day"), await self._usages.tally("total", "month")
        lines = [self.used(say, "day", day), self.used(say, "month", month)]
        for period, tally in (("day", day), ("month", month)):
            limit = self._limits.default("total_day" if period == "day" else "total_month")
            if limit is not None:
                left = self.amount(max(0, limit - tally.cost))
                lines.append(say(f"usage.left.total_{period}", left=left, limit=self.amount(limit)))
        lines.append(say("stats.people", count=await self._usages.count("month")))
        if month.good or month.bad:
            lines.append(say("stats.feedback", good=month.good, bad=month.bad))
        if waiting := len(await self._access.waiting()):
            lines.append(say("stats.waiting", count=waiting))
        given_up, newest = await self._inbox.given_up()
        if given_up:
            lines.append(say("stats.given_up", count=given_up))
        if newest is not None and newest.message is not None:
            lines[-1] += " " + say("stats.newest", name=reference(newest.message))
        return lines

    def used(self, say: Say, period: Period, tally: Tally) -> str:
        """One line about a tally."""
        tokens = tally.prompt + tally.completion
        return say(
            f"usage.{period}", count=tally.requests, tokens=f"{tokens:,}", cost=self.amount(tally.cost)
        )


class Overviews:
    """`Host.overview`. `language` chooses ours for a profile and an app's tag."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        access: Access,
        profiles: Profiles,
        casting: Casting,
        router: Router,
        voices: Voices,
        catalogue: Catalogue,
        policy: Literal["user", "thread", "chat"],
        language: Callable[[Profile, str], str],
    ) -> None:
        self._accounts = accounts
        self._access = access
        self._profiles = profiles
        self._casting = casting
        self._router = router
        self._voices = voices
        self._catalogue = catalogue
        self._policy = policy
        self._language = language

    async def __call__(self, place: Place, person: Person) -> Overview:
        """How this person stands in this place; nothing for who may not talk to the bot. Raises `StoreAway`."""
        if not self._access.admits(place, person):
            return Overview()
        there = Incoming("", place, person)
        profile = await self._profiles.load(scope(there, self._policy), home(there, self._policy))
        language = self._language(profile, person.language)

        def say(key: str, **values: str | int) -> str:
            return self._catalogue.say(language, key, **values)

        settings = (
            await self._role(say, profile, language, place, person),
            await self._model(say, profile),
            self._languages(say, profile),
            *self._voices.settings(say, profile),
        )
        operation = await self._accounts.operation(say) if self._access.admin(place, person) else ()
        usage = await self._accounts.usage(say, place, person)
        return Overview(tuple(s for s in settings if s.options), tuple(usage), tuple(operation))

    async def _role(self, say: Say, profile: Profile, language: str, place: Place, person: Person) -> Setting:
        roles = await self._casting.choices(place, person)
        options = (
            Option(f"{role.emoji} {role.name(language)}".strip(), f"/role {role.id}") for role in roles
        )
        current = await self._casting.resolve(profile)
        return Setting("role", say("overview.role"), tuple(options)[:SHOWN], f"/role {current.id}")

    async def _model(self, say: Say, profile: Profile) -> Setting:
        try:
            listed = [model.id for model in await self._router.models()]
            default = await self._router.default_model()
        except StoreAway:
            raise
        except ParleyError:  # the model's server is away: there is nothing to choose from
            return Setting("model", say("overview.model"), ())
        names = dict.fromkeys([default, *listed])
        options = tuple(Option(name, f"/model {name}") for name in names)[:SHOWN]
        return Setting("model", say("overview.model"), options, f"/model {profile.model or default}")

    def _languages(self, say: Say, profile: Profile) -> Setting:
        names = [(tag, self._catalogue.say(tag, "overview.own_name")) for tag in self._catalogue.languages]
        options = [
            Option(say("overview.automatic"), "/lang auto"),
            *(Option(n, f"/lang {t}") for t, n in names),
        ]
        return Setting(
            "language", say("overview.language"), tuple(options), f"/lang {profile.language or 'auto'}"
        )
