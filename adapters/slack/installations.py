"""Which workspaces have installed the app, and the token of each, encrypted in the adapter's drawer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr, TypeAdapter, ValidationError

from bot.api import Store

_LOG = "installations"
_MOST = 100_000  # workspaces; the log of their names is cut beyond
_PAGE = 1000
_YEARS = 10 * 365 * 86400.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Installed:
    """One installation: ids of the team (T…) and the enterprise (E…, or empty), the token, the bot's ids (U…, B…).

    Where a whole organisation has installed the app, `team` is empty.
    """

    team: str
    enterprise: str
    token: SecretStr
    user: str
    bot: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """What Redis holds of an installation."""

    team: str
    enterprise: str
    sealed: str
    user: str
    bot: str


_KEPT = TypeAdapter(_Kept)


class Installations:
    """The installations, in a drawer that all replicas share. `client_secret` is SLACK_CLIENT_SECRET.

    Tokens are sealed with a key that HKDF (RFC 5869) makes of the client secret: whoever reads Redis alone has
    none of them. After a change of that secret the workspaces install the app anew.
    """

    def __init__(self, store: Store, client_secret: str) -> None:
        self._store = store
        derived = HKDF(SHA256(), 32, salt=None, info=b"parley slack installations").derive(
            client_secret.encode()
        )
        self._seal = Fernet(base64.urlsafe_b64encode(derived))

    async def get(self, team: str, enterprise: str = "") -> Installed | None:
        """The installation of a team, else that of its whole organisation. Raises `Unavailable`."""
        for name in filter(None, (team, enterprise)):
            value = await self._store.get(_key(name))
            if value is not None:
                return self._opened(name, value)
        return None

    async def put(self, installed: Installed) -> None:
        """Keep an installation, in the place of an earlier one. Raises `Unavailable`, `ValueError` for no team."""
        name = installed.team or installed.enterprise
        if not name:
            raise ValueError("an installation belongs to a team or an enterprise")
        known = await self._store.get(_key(name))
        sealed = self._seal.encrypt(installed.token.get_secret_value().encode()).decode()
        kept = _Kept(installed.team, installed.enterprise, sealed, installed.user, installed.bot)
        await self._store.put(_key(name), _KEPT.dump_json(kept).decode())
        if known is None:
            await self._store.append(_LOG, name, limit=_MOST, ttl=_YEARS)

    async def drop(self, team: str) -> None:
        """Forget an installation: the app was uninstalled, or its token revoked. Raises `Unavailable`."""
        await self._store.drop(_key(team))
        gone = [entry for entry, name in await self._names() if name == team]
        if gone:
            await self._store.remove(_LOG, gone)

    async def all(self) -> Sequence[Installed]:
        """Every installation, oldest first. Raises `Unavailable`."""
        names = dict.fromkeys(name for _, name in await self._names())
        found = [await self.get(name) for name in names]
        return [installed for installed in found if installed is not None]

    async def _names(self) -> list[tuple[str, str]]:
        names: list[tuple[str, str]] = []
        while page := await self._store.read(_LOG, after=names[-1][0] if names else "0", count=_PAGE):
            names += [(entry.id, entry.value) for entry in page]
        return names

    def _opened(self, name: str, value: str) -> Installed | None:
        try:
            kept = _KEPT.validate_json(value)
            token = self._seal.decrypt(kept.sealed.encode()).decode()
        except (ValidationError, InvalidToken):
            _log.warning("slack.installation_unreadable", team=name, remedy="install the app there again")
            return None
        return Installed(kept.team, kept.enterprise, SecretStr(token), kept.user, kept.bot)


def _key(name: str) -> str:
    return f"installation:{name}"
