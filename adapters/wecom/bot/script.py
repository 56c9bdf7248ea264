"""What an answer says, in parts that a stream and a message of WeCom's hold; a smart bot renders Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from adapters._split import Tail, divide
from adapters.wecom.bot.words import say
from bot.api import Option

LIMIT = 20_480
"""Bytes of a stream's text, and of a message in Markdown (developer.work.weixin.qq.com, path/101031, 101138)."""

ROOM = LIMIT - 480
"""What a part takes of it: a sentence of ours may stand below."""

MOST = 400_000
"""Characters of an answer; no model says so much."""

THINKING = "<think></think>"
"""What WeCom shows as three moving dots (WecomTeam/wecom-openclaw-plugin, `src/const.ts`)."""


class Script:
    """An answer that is being written. It only grows: what was cut off stays as it is."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._tail = Tail()
        self._fresh: list[str] = []
        self._parts: list[str] = []
        self._first_end = 0  # characters of the Markdown behind which the first part ends
        self._raw: list[str] = []
        self._size = 0
        self._continues = False

    def text(self, delta: str) -> None:
        """The next piece of the model's answer."""
        self._add(delta)
        self._continues = True

    def words(self, text: str) -> None:
        """A paragraph of its own."""
        if text.strip():
            self._continues = False
            self._add(text.strip())

    def _add(self, text: str) -> None:
        if not self._continues and self._raw:
            text = f"\n\n{text}"
        if self._size + len(text) > MOST:
            return
        self._size += len(text)
        self._fresh.append(text)
        self._raw.append(text)

    @property
    def raw(self) -> str:
        """All of it."""
        return "".join(self._raw)

    def growing(self) -> str:
        """What the stream shows while more is to come."""
        self._divide()
        return self._first() if self._parts else self._tail.growing

    def cut(self) -> tuple[str, str]:
        """Close the first part now, at a good border: what it shows, and its Markdown."""
        self._divide()
        if not self._parts and self._tail.shown:
            whole = self._tail.shown
            part = divide(self._tail, lambda shown: shown != whole, limit=len(whole) + 1)
            self._complete(part or (whole, Tail()))
        if not self._parts:
            return say(self._language, "later"), ""
        return self._first(), self.raw[: self._first_end]

    def continued(self, raw: str) -> None:
        """An earlier attempt showed `raw` already: what follows it is the rest; another answer is one as a whole."""
        whole = self.raw
        rest = whole[len(raw) :] if whole.startswith(raw) else whole
        self._parts, self._tail, self._fresh = [], Tail(rest.lstrip("\n")), []

    def parts(self) -> Sequence[str]:
        """The whole, or what is left of it, in parts; each but the last says that it goes on."""
        self._divide()
        found = [part for part in (*self._parts, self._tail.shown) if part.strip()]
        return [self._goes_on(part) for part in found[:-1]] + found[-1:]

    def _divide(self) -> None:
        if self._fresh:
            self._tail += "".join(self._fresh)
            self._fresh.clear()
        while (part := divide(self._tail, fits, limit=ROOM)) is not None:
            self._complete(part)

    def _complete(self, part: tuple[str, Tail]) -> None:
        shown, self._tail = part
        self._parts.append(shown)
        if len(self._parts) == 1:
            self._first_end = self._size - len(self._tail.text)

    def _first(self) -> str:
        return self._goes_on(self._parts[0])

    def _goes_on(self, part: str) -> str:
        return f"{part}\n\n{say(self._language, 'goes_on')}"


def fits(text: str) -> bool:
    """Whether a part may be as long as this."""
    return len(text.encode()) <= ROOM


def offered(offers: Sequence[Option], language: str) -> str:
    """A line about what may be done next, where that is worth one: going on, not asking again."""
    lines = [
        say(language, "offer", label=offer.label, command=offer.value)
        for offer in offers
        if offer.value.startswith("/continue")
    ]
    return "\n".join(lines)
