"""Who somebody is: the name and the language that Slack knows them by, asked for once a day."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from adapters.slack.client import Client, Refused
from bot.api import Gone, Person, Store, Unavailable

_DAY = 86400.0
_WAIT = 2.0  # seconds: Slack wants to hear within three that an event was received
_AT_HAND = 600.0
_MOST = 5_000  # people that a process holds


@dataclass(frozen=True, slots=True)
class _Known:
    """What Slack tells of somebody; nothing where it does not tell. `team` is their workspace."""

    name: str = ""
    language: str = ""
    team: str = ""


_KNOWN = TypeAdapter(_Known)


class People:
    """The people of all workspaces. `clock` is monotonic."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._held: OrderedDict[tuple[str, str], tuple[float, _Known]] = OrderedDict()

    async def of(self, client: Client, user: str) -> Person:
        """Who `user` (U…) is; with the bare id alone where Slack does not tell. Raises `Unavailable` (the store)."""
        known = await self._known(client, user)
        return Person(user, known.name, known.language)

    async def team(self, client: Client, user: str) -> str:
        """The workspace that `user` belongs to: another than ours in a shared channel. Ours where nobody tells."""
        return (await self._known(client, user)).team or client.team

    async def _known(self, client: Client, user: str) -> _Known:
        key = (client.team, user)
        until, known = self._held.get(key, (0.0, _Known()))
        if until > self._clock():
            return known
        kept = _read(await self._store.get(f"person:{client.team}:{user}"))
        if kept is None:
            kept = await self._ask(client, user)
            if kept is None:
                return _Known()
            if kept != _Known():
                value = _KNOWN.dump_json(kept).decode()
                await self._store.put(f"person:{client.team}:{user}", value, ttl=_DAY)
        self._held[key] = (self._clock() + _AT_HAND, kept)
        self._held.move_to_end(key)
        while len(self._held) > _MOST:
            self._held.popitem(last=False)
        return kept

    async def _ask(self, client: Client, user: str) -> _Known | None:
        """What Slack tells; None where it may tell more a moment later."""
        if not user.startswith(("U", "W")) or not client.allows("users.info"):
            return None
        try:
            found = await client.call("users.info", timeout=_WAIT, user=user, include_locale=True)
        except Refused as error:
            if error.error == "missing_scope":
                client.disallow("users.info", _AT_HAND)
                return None
            return _Known()
        except Gone:
            return _Known()
        except Unavailable:
            return None
        return _told(found.get("user"))


def _told(user: Any) -> _Known:
    if not isinstance(user, Mapping):
        return _Known()
    profile = user.get("profile") or {}
    names = (profile.get("display_name"), profile.get("real_name"), user.get("real_name"), user.get("name"))
    name = next((str(name) for name in names if name), "")
    return _Known(name, str(user.get("locale") or ""), str(user.get("team_id") or ""))


def _read(value: str | None) -> _Known | None:
    try:
        return None if value is None else _KNOWN.validate_json(value)
    except ValidationError:  # an older version of ours kept it
        return None
