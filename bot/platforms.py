"""The platforms that are installed, and those of them that are on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import entry_points

from bot.access import Access, AccessSettings
from bot.api import Adapter, Host, Overview, Person, Place, Platform, Store
from bot.endpoints.settings import EndpointSettings
from bot.errors import SettingsError
from bot.limits import LimitSettings
from bot.settings import Block, DialogueSettings, Settings

CORE: tuple[type[Block], ...] = (EndpointSettings, DialogueSettings, AccessSettings, LimitSettings, Settings)


def classes() -> list[type[Platform]]:
    """Every platform that is installed, found by its entry point."""
    return [point.load() for point in sorted(entry_points(group="parley.adapters"), key=lambda p: p.name)]


def blocks() -> list[type[Block]]:
    """Every block of settings, the core's and the platforms', in the order of their documentation."""
    return [*CORE, *(cls.Settings for cls in classes() if cls.Settings.names())]


async def nothing(place: Place, person: Person) -> Overview:
    """Where no bot runs there is nothing to tell of it."""
    return Overview()


def configured(
    environment: Mapping[str, str],
    store: Callable[[str], Store],
    access: Access,
    overview: Callable[[Place, Person], Awaitable[Overview]] = nothing,
) -> dict[str, Adapter]:
    """By its name, the adapter of each platform that is on, with its drawer. Raises `SettingsError`."""

    async def admits(place: Place, person: Person) -> bool:
        return access.admits(place, person)

    running = Settings.load(environment)
    found: dict[str, Adapter] = {}
    talks = {cls.name for cls in classes() if not cls.interactive}
    for alone in (False, True):  # some are on only where no messaging platform is
        for cls in classes():
            if cls.name in found or (alone and talks & set(found)):
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
    return found
