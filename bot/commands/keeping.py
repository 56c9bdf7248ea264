"""/keep: which of several answers the dialogue goes on with."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from bot.commands import Call, Command
from bot.window import Exchange, Windows

_WISH = re.compile(r"[第#]?(\d{1,3})[个個.)、]?(?:\s+(\w{1,32}))?")


class Keeping:
    """The command that chooses among the answers to the last question."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    def commands(self) -> list[Command]:
        """The family."""
        return [Command("keep", self.keep, ("pick", "保留", "选用", "選用"))]

    async def keep(self, call: Call) -> None:
        """Put the answer of the given number in the place of the one that counts.

        Behind the number, a button names the message that the answers were given to, so that an old one is told.
        """
        delivery = call.delivery
        exchanges = await self._windows.load(delivery.window)
        last = exchanges[-1] if exchanges else None
        match = _WISH.fullmatch(unicodedata.normalize("NFKC", call.argument))
        ref = (match[2] or "") if match else ""
        if last is None or not last.answers:
            await delivery.notice("keep.old" if ref else "keep.nothing")
        elif ref and ref != last.ref:
            await delivery.notice("keep.old")
        elif match is None or not 1 <= int(match[1]) <= len(last.answers):
            await delivery.notice("keep.range", count=len(last.answers))
        else:
            await self._windows.append(
                delivery.window, _keeping(last, last.answers[int(match[1]) - 1]), replaces=last.id
            )
            await delivery.notice("keep.done", number=int(match[1]))


def _keeping(exchange: Exchange, answer: str) -> Exchange:
    *asked, answered = exchange.turns
    return replace(exchange, turns=(*asked, replace(answered, content=answer, tokens=0)))
