"""The roles that people make themselves and share with their groups, and the one that an admin chose, in Redis."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from hashlib import blake2b
from importlib import resources
from typing import Literal

import structlog
from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from bot.api import Person, Place
from bot.keys import Keys, reaching
from bot.roles.role import FALLBACK, Role, plain

OWN_LIMIT = 50
"""Roles of one person, and of one group."""

NAME_LIMIT = 60
"""Characters of a role's name."""

PROMPT_LIMIT = 16_000
"""Characters of a role's prompt."""

DAY = 86400.0
_MARKUP = re.compile(r"[<>*_`~|\[\]\\@:：]")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ID = re.compile(r"(?P<owner>(?:own|group):[0-9a-f]{20}):(?P<name>[0-9a-f]{16})")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """A role that a person made: how it is called, and whose it is. Its prompt stays where it is."""

    id: str
    name: str
    author: str

    @property
    def shared(self) -> bool:
        """Whether it is a group's."""
        return self.id.startswith("group:")

    def role(self, prompt: str = "") -> Role:
        """As a role; without the prompt, fit for a list only."""
        return Role(
            id=self.id,
            emoji="👥" if self.shared else "🎭",
            names={FALLBACK: self.name},
            descriptions={},
            prompts={FALLBACK: prompt},
            greetings={},
            category="shared" if self.shared else "own",
        )


@dataclass(frozen=True, slots=True)
class _Label:
    """What is kept beside the prompt."""

    name: str
    author: str


_LABEL = TypeAdapter(_Label)


def owner_of(place: Place, person: Person) -> str:
    """Whose a person's own roles are. A digest, because it becomes part of ids that others may see."""
    return f"own:{_digest(place.platform, place.account, person.id, size=10)}"


def group_of(place: Place) -> str:
    """Whose the roles are that were shared in a group; nobody's in a private chat."""
    if place.kind == "private":
        return ""
    return f"group:{_digest(place.platform, place.account, place.chat, size=10)}"


def name_of(text: str) -> str:
    """A role's name as it is kept: in one line, without what cannot be seen (control, bidi, zero-width characters).

    Raises `ValueError`, with the reason as the end of a key (`role.name_<reason>`): `empty` where no letter or
    digit is left, `long`, and `markup` where it holds signs that an app may read as formatting or as a call.
    """
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    name = " ".join("".join(c for c in spaced if unicodedata.category(c) not in _UNSEEN).split())
    if not re.search(r"\w", plain(name)):
        raise ValueError("empty")
    if len(name) > NAME_LIMIT:
        raise ValueError("long")
    if _MARKUP.search(name):
        raise ValueError("markup")
    return name


class OwnRoles:
    """Every person's and every group's own roles: a hash each, forgotten `ttl` seconds after its last use.

    A role's id is its owner and a digest of its name, so a name is there once an owner. All calls raise `StoreAway`.
    """

    def __init__(self, redis: Redis, keys: Keys, *, limit: int = OWN_LIMIT, ttl: float = 400 * DAY) -> None:
        self._redis = redis
        self._keys = keys
        self._limit = limit
        self._ttl = round(ttl * 1000)
        folder = resources.files("bot.roles")
        self._keep = redis.register_script(folder.joinpath("keep.lua").read_text("utf-8"))

    async def listed(self, owner: str) -> list[Made]:
        """An owner's roles, by name."""
        if not owner:
            return []
        async with reaching():
            # Only the names: fifty prompts are megabytes.
            pairs = [
                pair
                async for pair in self._redis.hscan_iter(self._keys.roles(owner), "label:*", 4 * self._limit)
            ]
        made = [_made(owner, field.removeprefix("label:"), text) for field, text in pairs]
        return sorted((one for one in {m.id: m for m in made if m}.values()), key=lambda m: plain(m.name))

    async def get(self, role_id: str) -> Role | None:
        """The role with this id, whole."""
        found = _ID.fullmatch(role_id)
        if found is None:
            return None
        key, name = self._keys.roles(found["owner"]), found["name"]
        async with reaching(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hmget(key, [f"label:{name}", f"prompt:{name}"])
            pipeline.pexpire(key, self._ttl)
            (label, prompt), _ = await pipeline.execute()
        made = _made(found["owner"], name, label) if label and prompt else None
        return made.role(prompt) if made else None

    async def add(
        self, owner: str, name: str, prompt: str, *, author: str
    ) -> Literal["kept", "taken", "full"]:
        """Keep a new role under a name that `name_of` has cleaned. The same once more changes nothing."""
        return await self._write("add", owner, name, prompt, author)

    async def edit(self, owner: str, name: str, prompt: str, *, author: str) -> bool:
        """Give a role of that author another prompt. Is there one?"""
        return await self._write("edit", owner, name, prompt, author) == "kept"

    async def delete(self, role_id: str) -> bool:
        """Forget a role. Was there one?"""
        found = _ID.fullmatch(role_id)
        if found is None:
            return False
        async with reaching():
            fields = (f"label:{found['name']}", f"prompt:{found['name']}")
            return bool(await self._redis.hdel(self._keys.roles(found["owner"]), *fields))

    async def forget(self, place: Place, person: Person) -> None:
        """Forget every role that a person made: their own, and those they shared in this place."""
        author = owner_of(place, person)
        for made in await self.listed(group_of(place)):
            if made.author == author:
                await self.delete(made.id)
        async with reaching():
            await self._redis.delete(self._keys.roles(author))

    async def default(self) -> str:
        """The id of the role that an admin chose for new conversations, or nothing."""
        async with reaching():
            return str(await self._redis.get(self._keys.default_role) or "")

    async def choose_default(self, role_id: str) -> None:
        """Choose the role of new conversations for all; nothing takes the choice back."""
        async with reaching():
            if role_id:
                await self._redis.set(self._keys.default_role, role_id)
            else:
                await self._redis.delete(self._keys.default_role)

    async def _write(
        self, how: str, owner: str, name: str, prompt: str, author: str
    ) -> Literal["kept", "taken", "full"]:
        label = _LABEL.dump_json(_Label(name, author))
        arguments = (how, _digest(plain(name), size=8), label, prompt, self._limit, self._ttl)
        async with reaching():
            verdict: Literal["kept", "taken", "full"] = await self._keep(
                keys=[self._keys.roles(owner)], args=arguments
            )
        return verdict


def role_id(owner: str, name: str) -> str:
    """The id of an owner's role of that name."""
    return f"{owner}:{_digest(plain(name), size=8)}"


def _made(owner: str, name: str, text: str) -> Made | None:
    try:
        label = _LABEL.validate_json(text)
    except ValidationError as error:
        _log.warning("role.unreadable", faults=error.error_count())
        return None
    return Made(f"{owner}:{name}", label.name, label.author)


def _digest(*parts: str, size: int) -> str:
    # The length before each part, so that parts cannot run together.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()
