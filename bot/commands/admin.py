"""Running the bot from a chat: /allow, /deny, /people, /reload, /debug."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from bot.access import Access, Verdict
from bot.api import Choices, Notice, Option
from bot.commands import Call, Command
from bot.errors import SettingsError
from bot.limits import span
from bot.reloads import Reloads
from bot.traces import Traces
from bot.usage import group_name, person_name

_LISTED = 30
_OFFERED = 10
_log = structlog.get_logger(__name__)


class Admins:
    """The commands that only admins have. `clock` is the time of day."""

    def __init__(
        self,
        access: Access,
        traces: Traces,
        reloads: Reloads,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._access = access
        self._traces = traces
        self._reloads = reloads
        self._clock = clock

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("allow", self.allow, ("允许", "允許"), admin=True),
            Command("deny", self.deny, ("拒绝", "拒絕"), admin=True),
            Command("people", self.people, ("人员", "人員"), admin=True, where="private"),
            Command("reload", self.reload, ("重新载入", "重新載入"), admin=True),
            Command("debug", self.debug, ("排错", "除錯"), admin=True, where="private"),
        ]

    async def allow(self, call: Call) -> None:
        """Let a person or a group in: by code, by name, or `here`."""
        name = self._named(call)
        if self._access.settled(name) == "blocked":
            await call.delivery.notice("allow.blocked", name=name)
            return
        found = await self._access.let_in(name, by=self._by(call)) if name else ""
        if found:
            await call.delivery.notice("allow.done", name=found)
        else:
            await call.delivery.notice("allow.how" if not name else "allow.unknown", name=name[:60])

    async def deny(self, call: Call) -> None:
        """Take an admission back, or refuse a stranger."""
        name = self._named(call)
        if self._access.settled(name) == "allowed":
            await call.delivery.notice("deny.settled", name=name)
            return
        found = await self._access.shut_out(name, by=self._by(call)) if name else ""
        if found:
            await call.delivery.notice("deny.done", name=found)
        else:
            await call.delivery.notice("deny.how" if not name else "allow.unknown", name=name[:60])

    async def people(self, call: Call) -> None:
        """Who was let in or refused at run time, and who waits."""
        say = call.delivery.say
        verdicts, waiting = await self._access.verdicts(), await self._access.waiting()
        lines = [say("people.settings")]
        for key, entries in (
            ("people.allowed", [v for v in verdicts if v.allowed]),
            ("people.denied", [v for v in verdicts if not v.allowed]),
        ):
            if entries:
                lines += ["", say(key), *(self._said(say, verdict) for verdict in entries[:_LISTED])]
            if len(entries) > _LISTED:
                lines.append(say("people.more", count=len(entries) - _LISTED))
        if not waiting:
            await call.delivery.send(
                Notice("people", text="\n".join((*lines, "", say("people.nobody_waits"))))
            )
            return
        lines += [
            "",
            say("people.waiting"),
            *(f"{w.code}  {w.name}  {w.shown}".rstrip() for w in waiting[:_LISTED]),
        ]
        options = [
            Option(say("people.let_in", name=w.shown or w.name), f"/allow {w.code}")
            for w in waiting[:_OFFERED]
        ]
        await call.delivery.send(Choices("\n".join(lines), tuple(options)))

    async def reload(self, call: Call) -> None:
        """Read ROLES_FILE and PRICES_FILE again."""
        try:
            await self._reloads.ask()
        except SettingsError as error:
            _log.warning("reload.failed", detail=str(error))
            await call.delivery.notice("reload.failed", fault=str(error)[:500])
        else:
            await call.delivery.notice("reload.done")

    async def debug(self, call: Call) -> None:
        """What became of the message with a reference id."""
        say, ref = call.delivery.say, call.argument.strip().upper()
        found = await self._traces.find(ref) if ref.isalnum() and len(ref) <= 32 else {}
        if not found:
            await call.delivery.notice("debug.unknown" if ref else "debug.how", name=ref[:32])
            return
        lines = [
            say(f"debug.{found.get('state', 'answering')}", name=ref),
            say("debug.who", person=found.get("person", ""), place=found.get("place", "")),
            say("debug.attempt", attempt=found.get("attempt", "1")),
            say("debug.age", age=span(say, max(0, self._clock() - float(found.get("at", 0))))),
        ]
        if found.get("fault"):
            lines.append(say("debug.fault", fault=found["fault"]))
        await call.delivery.send(Notice("debug", text="\n".join(lines)))

    def _named(self, call: Call) -> str:
        """Whom the admin means; `here` is the group they write in."""
        place = call.delivery.message.place
        return group_name(place) if call.argument.lower() == "here" else call.argument

    def _by(self, call: Call) -> str:
        return person_name(call.delivery.message.place, call.delivery.message.person)

    def _said(self, say: Callable[..., str], verdict: Verdict) -> str:
        day = datetime.fromtimestamp(verdict.at, UTC).strftime("%Y-%m-%d")
        return say("people.line", name=verdict.name, by=verdict.by, day=day)
