"""What a front end is given of a feed: the history with its HTML, and each entry with the HTML it changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from adapters._feed import Item, Json, fold, parse
from adapters._markdown import Blocks, html
from bot.api import Entry

ITEMS = 200
"""The newest so many exchanges are given."""

_MOST = 100
"""Late words of a worker that has lost its message come soon or never: so many answers are remembered."""

_OTHER_PARTS = ("notice", "choices", "media")


def history(log: list[Entry]) -> Json:
    """The answer to `GET /api/history`: the items, and the cursor from which `GET /api/events` goes on."""
    items = [_item(item) for item in fold(log)[-ITEMS:]]
    return {"items": items, "cursor": log[-1].id if log else "0"}


def _item(item: Item) -> Json:
    return {
        "message": item.message,
        "question": item.question,
        "at": item.at,
        "command": item.command,
        "parts": _with_html(item.parts),
        "status": item.status,
        "ended": item.ended,
        "offers": list(item.offers),
        "usage": item.usage,
        "joined": item.joined,
        "attached": list(item.attached),
        "preview": item.preview,
    }


def _with_html(parts: Iterable[Json]) -> list[Json]:
    return [part | {"html": html(part["text"])} if part["type"] == "text" else part for part in parts]


@dataclass(slots=True)
class _Answer:
    """How far an answer has been told: the attempt, and the text part that may still grow."""

    attempt: int = 0
    ended: bool = False
    blocks: Blocks = field(default_factory=Blocks)
    known: str = ""  # text that the front end may or may not have shown, from before its stream began


@dataclass(slots=True)
class Telling:
    """Turns entries into events for one front end, in order. It remembers only the latest answers."""

    _answers: dict[str, _Answer] = field(default_factory=dict)

    def know(self, entry: Entry) -> None:
        """Take note of an entry that the front end has already."""
        value = parse(entry)
        answer = None if value is None else self._current(value)
        if value is None or answer is None:
            return
        if value["kind"] == "text":
            answer.known += value["delta"]
        elif value["kind"] in _OTHER_PARTS:
            answer.known = ""

    def take(self, entry: Entry) -> list[tuple[str, Json]]:
        """The events (kind and data) that `entry` makes; none where it no longer counts."""
        value = parse(entry)
        answer = None if value is None else self._current(value)
        if value is None or answer is None:
            return []
        kind, message = value.pop("kind"), value["message"]
        if kind == "text":
            return [(kind, value | {"blocks": _grow(answer, value["delta"])})]
        if kind == "end":
            value["parts"] = _with_html(value["parts"])
        told = [(kind, value)]
        if kind in _OTHER_PARTS:
            waiting = _close(answer)
            if waiting["html"]:
                told.insert(0, ("text", {"message": message, "delta": "", "blocks": waiting}))
        return told

    def _current(self, value: Json) -> _Answer | None:
        """The answer that an entry belongs to; None where the entry is void."""
        kind, message, attempt = value["kind"], value["message"], int(value.get("attempt", 0))
        if kind == "asked":
            return _Answer()
        known = self._answers.get(message, _Answer())
        anew = kind in ("begin", "end")
        if attempt < known.attempt or (known.ended and not anew):
            return None
        if anew:
            known = _Answer(attempt, ended=kind == "end")
            self._answers.pop(message, None)
        self._answers[message] = known
        if len(self._answers) > _MOST:
            del self._answers[next(iter(self._answers))]
        return known


def _grow(answer: _Answer, delta: str) -> Json:
    start, blocks = answer.blocks.feed(answer.known + delta)
    answer.known = ""
    return {"from": start, "html": blocks}


def _close(answer: _Answer) -> Json:
    """What still waits of a text; what comes behind it is a text of its own."""
    blocks = answer.blocks
    told = blocks.feed(answer.known) if answer.known else blocks.flush()
    answer.blocks, answer.known = Blocks(), ""
    return {"from": told[0], "html": told[1]}
