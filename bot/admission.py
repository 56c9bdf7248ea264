"""`parley allow`, `deny` and `people`: who may talk to the bot, from the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bot import embedded, keys
from bot.access import Access, AccessSettings
from bot.settings import Settings

_BY = "the command line"


async def admit(environment: Mapping[str, str], text: str) -> tuple[str, int]:
    """Let in whom a code or a name means: what to print, and the exit status."""
    async with _access(environment) as access:
        if access.settled(text.strip()) == "blocked":
            return f"{text} is in BLOCKED, and the settings win: take it out there first.", 1
        name = await access.let_in(text, by=_BY)
    if not name:
        return (
            f"{text} is no code of today and no id such as platform:123; `parley people` shows who waits.",
            1,
        )
    return f"{name} may talk to the bot from now on.", 0


async def refuse(environment: Mapping[str, str], text: str) -> tuple[str, int]:
    """Shut out whom a code or a name means: what to print, and the exit status."""
    async with _access(environment) as access:
        if access.settled(text.strip()) == "allowed":
            return f"{text} is in ALLOWED or ADMINS, and the settings win: take it out there first.", 1
        name = await access.shut_out(text, by=_BY)
    if not name:
        return (
            f"{text} is no code of today and no id such as platform:123; `parley people` shows who waits.",
            1,
        )
    return f"{name} may not talk to the bot from now on.", 0


async def overview(environment: Mapping[str, str]) -> tuple[str, int]:
    """Who is admitted and by what, and who waits: what to print, and the exit status."""
    given = AccessSettings.load(environment)
    async with _access(environment) as access:
        verdicts, waiting = await access.verdicts(), await access.waiting()
    lines = [
        f"{', '.join(names) or 'nobody':<40}  {what}"
        for names, what in ((given.admins, "ADMINS"), (given.allowed, "ALLOWED"), (given.blocked, "BLOCKED"))
    ]
    for verdict in verdicts:
        day = datetime.fromtimestamp(verdict.at, UTC).strftime("%Y-%m-%d")
        lines.append(
            f"{verdict.name:<40}  {'let in' if verdict.allowed else 'refused'} by {verdict.by}, {day}"
        )
    lines += [f"{each.name:<40}  waits with {each.code}  {each.shown}".rstrip() for each in waiting]
    return "\n".join(lines), 0


@asynccontextmanager
async def _access(environment: Mapping[str, str]) -> AsyncIterator[Access]:
    """The access list, of the running bot or of one that is not running. Raises `SettingsError`, `StoreAway`."""
    running = Settings.load(environment)
    settings, names = AccessSettings.load(environment), keys.Keys(running.redis_prefix)
    started = None
    if running.redis_url is not None:
        url = running.redis_url.get_secret_value()
    elif (found := await embedded.attach(running.data_dir)) is not None:
        url = found
    else:
        started = await embedded.start(running.data_dir)
        url = started.url
    redis = keys.connect(url)
    try:
        yield Access(settings, redis, names, trusted=())
    finally:
        await redis.aclose()
        if started is not None:
            await started.stop()
