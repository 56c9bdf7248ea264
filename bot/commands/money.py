"""What was used and what may be: /usage, and for admins /stats and /budget; and the words about answers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import time

import structlog

from bot.access import named
from bot.api import Media, Notice
from bot.commands import Call, Command
from bot.delivery import Delivery
from bot.limits import BOUNDS, Limits, amount
from bot.overview import Accounts, Say
from bot.prices import MICRO
from bot.usage import PERIODS, Period, Tally, Usages

_LISTED = 10
_log = structlog.get_logger(__name__)


class Money:
    """The commands about usage and budgets. `clock` is the time of day."""

    def __init__(
        self, accounts: Accounts, limits: Limits, usages: Usages, *, clock: Callable[[], float] = time
    ) -> None:
        self._accounts = accounts
        self._limits = limits
        self._usages = usages
        self._clock = clock

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("usage", self.usage, ("cost", "quota", "用量", "额度", "額度")),
            Command("stats", self.stats, ("统计", "統計"), admin=True, where="private"),
            Command("budget", self.budget, ("预算", "預算"), admin=True, where="private"),
            Command("feedback", self.feedback, hidden=True),
        ]

    async def usage(self, call: Call) -> None:
        """What the person used, and what is left."""
        place, person = call.delivery.message.place, call.delivery.message.person
        await _lines(call.delivery, "usage", await self._accounts.usage(call.delivery.say, place, person))

    async def stats(self, call: Call) -> None:
        """The whole, by model and by person, and this month as a table."""
        say = call.delivery.say
        month, people = await self._usages.tally("total", "month"), await self._usages.people("month")
        models = sorted(month.models.items(), key=lambda each: (-each[1].cost, -each[1].requests))
        lines = await self._accounts.operation(say)
        for key, entries in (("stats.by_model", models), ("stats.by_person", people)):
            if entries:
                lines += ["", say(key), *(self._line(say, *entry) for entry in entries[:_LISTED])]
        await _lines(call.delivery, "stats", lines)
        if people:
            name = f"usage-{datetime.fromtimestamp(self._clock(), UTC):%Y-%m}.csv"
            await call.delivery.send(Media("file", "text/csv", table(people), say("stats.table"), name))

    async def budget(self, call: Call) -> None:
        """Show the budgets, or give one person another: `platform:id 2.00/day`, `none/day`, `default/day`."""
        if not call.argument:
            await _lines(call.delivery, "budget", await self._budgets(call))
            return
        name, given = (*call.argument.split(maxsplit=1), "")[:2]
        limit, slash, unit = given.strip().lower().partition("/")
        period: Period | None = next((p for p in PERIODS if p == unit.strip()), None)
        try:
            value = {"none": -1, "default": None}[limit] if limit in ("none", "default") else amount(limit)
        except ValueError:
            period = None
            value = None
        if not (named(name) and slash and period):
            await call.delivery.notice("budget.how")
            return
        await self._limits.set_budget(name, period, value)
        _log.info("budget.set", person=name, period=period, limit=limit)
        if value is None:
            await call.delivery.notice(f"budget.default_{period}", name=name)
        elif value < 0:
            await call.delivery.notice(f"budget.none_{period}", name=name)
        else:
            await call.delivery.notice(f"budget.set_{period}", name=name, limit=self._accounts.amount(value))

    async def feedback(self, call: Call) -> None:
        """Count a good or a bad word about an answer; nothing is said."""
        message, word = call.delivery.message, call.argument.lower()
        if word in ("good", "bad"):
            await self._usages.rate(message.place, message.person, good=word == "good")
            _log.info("answer.rated", rating=word)

    async def _budgets(self, call: Call) -> list[str]:
        say = call.delivery.say
        lines = []
        for bound in BOUNDS:
            limit = self._limits.default(bound)
            shown = say("budget.unbounded") if limit is None else self._accounts.amount(limit)
            lines.append(say(f"budget.of.{bound}", limit=shown))
        own = await self._limits.budgets()
        if own:
            lines += ["", say("budget.own")]
        for entry, limit in list(own.items())[:50]:
            name, _, period = entry.rpartition(":")
            shown = say("budget.unbounded") if limit < 0 else self._accounts.amount(limit)
            lines.append(say(f"budget.own_{period}", name=name, limit=shown))
        return [*lines, "", say("budget.how")]

    def _line(self, say: Say, name: str, tally: Tally) -> str:
        tokens, cost = f"{tally.prompt + tally.completion:,}", self._accounts.amount(tally.cost)
        if tally.requests:
            return say("stats.line", name=name, count=tally.requests, tokens=tokens, cost=cost)
        # It answered nobody by itself: it drew, spoke or listened for a model that did.
        if tally.prompt or tally.completion:
            return say("stats.line_tokens", name=name, tokens=tokens, cost=cost)
        return say("stats.line_cost", name=name, cost=cost)


def table(people: Sequence[tuple[str, Tally]]) -> bytes:
    """Everybody's tallies as CSV in UTF-8, with a mark by which spreadsheets know it."""
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(["person", "requests", "prompt_tokens", "completion_tokens", "cost", "good", "bad"])
    for name, t in people:
        rows.writerow([name, t.requests, t.prompt, t.completion, f"{t.cost / MICRO:.6f}", t.good, t.bad])
    return written.getvalue().encode("utf-8-sig")


async def _lines(delivery: Delivery, key: str, lines: Sequence[str]) -> None:
    await delivery.send(Notice(key, text="\n".join(lines)))
