"""What requests cost: the shipped price list, and the operator's own before it."""

from __future__ import annotations

import ipaddress
import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.api import Usage
from bot.errors import SettingsError

MICRO = 1_000_000
"""Money is counted in millionths of the currency's unit."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in micro-units.

    A million tokens of the prompt, of it where the server had it in its cache, of the answer; an image; a minute of
    recorded speech; a million characters read aloud.
    """

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    image: int = 0
    minute: int = 0
    speech: int = 0

    @property
    def free(self) -> bool:
        """Whether nothing is asked for words."""
        return not (self.prompt or self.completion)

    def cost(self, usage: Usage, *, cached: int = 0) -> int:
        """What these tokens cost, rounded up; `cached` of the prompt's came from the server's cache."""
        fresh = (usage.prompt - cached) * self.prompt + cached * self.cached
        return math.ceil((fresh + usage.completion * self.completion) / MICRO)

    def work(self, capability: str, amount: float) -> int:
        """What other work costs, rounded up.

        `amount` is in pictures (`image`, `edit`), seconds of a recording (`transcribe`, `translate`) or characters
        that are read aloud (`speak`).
        """
        rates = {"image": self.image, "edit": self.image, "speak": self.speech / MICRO}
        return math.ceil(amount * rates.get(capability, self.minute / 60))

    def tokens_for(self, money: int) -> int:
        """How long an answer this money buys, in tokens."""
        return money * MICRO // self.completion if self.completion else 1 << 30


_FREE = Price()


class _Rates(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Decimal = Field(Decimal(0), alias="in", ge=0, le=100_000)
    cached: Decimal | None = Field(None, ge=0, le=100_000)
    completion: Decimal = Field(Decimal(0), alias="out", ge=0, le=100_000)
    image: Decimal = Field(Decimal(0), ge=0, le=100_000)
    minute: Decimal = Field(Decimal(0), ge=0, le=100_000)
    speech: Decimal = Field(Decimal(0), ge=0, le=100_000)

    def price(self) -> Price:
        cached = self.prompt if self.cached is None else self.cached
        rates = (self.prompt, cached, self.completion, self.image, self.minute, self.speech)
        return Price(*(int(rate * MICRO) for rate in rates))


class _Entry(_Rates):
    name: str


class _Unknown(_Rates):
    like: str = ""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: str = Field("", max_length=8)
    unknown: _Unknown | None = None
    models: tuple[_Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class _List:
    """One reading of the files. `own` are the operator's entries, which hold for local servers, too."""

    currency: str
    own: tuple[tuple[str, Price], ...]
    shipped: tuple[tuple[str, Price], ...]
    unknown: Price


class Prices:
    """The price list: the operator's file over the shipped one."""

    def __init__(self, own: Path | None = None) -> None:
        """Raises `SettingsError` where the operator's file cannot be used."""
        self._own = own
        self._list = _read(own)

    @classmethod
    def load(cls, file: Path | None) -> Self:
        """The shipped list under `file`. Raises `SettingsError`."""
        return cls(file)

    @property
    def currency(self) -> str:
        """What the prices are in: `USD`."""
        return self._list.currency

    def reload(self) -> None:
        """Read the files again. Raises `SettingsError`, and keeps what it had, where they cannot be used."""
        self._list = _read(self._own)

    def of(self, model: str, host: str = "") -> Price:
        """What `model` costs at `host`; nothing on a local server, unless the operator's file has the model."""
        name = model.lower().rpartition("/")[2]
        found = _find(self._list.own, name)
        if found is None and host and local(host):
            return _FREE
        return found or _find(self._list.shipped, name) or self._list.unknown

    def cost(self, model: str, usage: Usage, host: str = "") -> int:
        """What this usage of `model` costs, in micro-units."""
        return self.of(model, host).cost(usage)


def local(host: str) -> bool:
    """Whether a host is this machine or in a private network, as far as its name or address tells."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = host.lower().rstrip(".")
        return "." not in name or name.endswith((".localhost", ".local", ".internal", ".lan", ".home.arpa"))
    return address.is_loopback or address.is_private or address.is_link_local


def money(micro: int, currency: str) -> str:
    """An amount for people: two digits behind the point, up to four where it is less than one."""
    amount = Decimal(micro) / MICRO
    places = 2 if abs(amount) >= 1 or micro % 10_000 == 0 else 4
    if 0 < amount < Decimal("0.0001"):
        return f"< 0.0001 {currency}"
    return f"{amount:.{places}f} {currency}"


def _find(entries: Iterable[tuple[str, Price]], name: str) -> Price | None:
    return next((price for pattern, price in entries if fnmatchcase(name, pattern)), None)


def _read(own: Path | None) -> _List:
    shipped = _table((files("bot") / "prices.toml").read_text(encoding="utf-8"), "prices.toml")
    given = _Table.model_validate({})
    if own is not None:
        try:
            text = own.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"PRICES_FILE: cannot read {own}: {error}") from None
        given = _table(text, "PRICES_FILE")
    foreign = given.currency not in ("", shipped.currency)
    if foreign and given.unknown is None:
        raise SettingsError(f"PRICES_FILE: with prices in {given.currency} it needs an [unknown] of its own")
    mine = tuple((entry.name.lower(), entry.price()) for entry in given.models)
    ours = () if foreign else tuple((entry.name, entry.price()) for entry in shipped.models)
    unknown = given.unknown or shipped.unknown or _Unknown.model_validate({})
    stands = _find((*mine, *ours), unknown.like.lower()) if unknown.like else unknown.price()
    if stands is None:
        raise SettingsError(f"PRICES_FILE: [unknown] is like {unknown.like}, which has no price")
    return _List(given.currency or shipped.currency, mine, ours, stands)


def _table(text: str, name: str) -> _Table:
    try:
        return _Table.model_validate(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{name}: {where}: {first['msg']}") from None
