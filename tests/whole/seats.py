"""Where somebody sits in a room of some platform: what they write, what they see, and a transcript of both."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.process import Visitor, said
from tests.simulators.slack import Channel, Message
from tests.simulators.slack import Person as Slacker
from tests.simulators.telegram import Chat, Person, Shown


class Transcript:
    """What was said, in order. With `aloud` each line is printed as it comes."""

    def __init__(self, *, aloud: bool = False) -> None:
        self.lines: list[str] = []
        self._aloud = aloud

    def note(self, room: str, who: str, text: str) -> None:
        """Somebody said something in a room."""
        shown = text.replace("\n", "\n" + " " * 26)
        self.lines.append(f"{room:<12} {who:>9} │ {shown}")
        self._print()

    def scene(self, title: str) -> None:
        """Another part of the evening begins."""
        self.lines.append(f"\n— {title} —")
        self._print()

    def _print(self) -> None:
        if self._aloud:
            sys.stdout.write(self.lines[-1] + "\n")


class Seat(Protocol):
    """One person in one room."""

    async def says(self, text: str) -> None:
        """Write something."""

    async def sees(self, *wanted: str) -> str:
        """The bot's next message that holds all of these; what it says."""

    async def presses(self, label: str) -> None:
        """Press a button of what was seen last."""


@dataclass
class TelegramSeat:
    """A person in a chat of Telegram. What was seen by anybody in that chat is in `seen`, which they share."""

    out: Transcript
    room: str
    chat: Chat
    person: Person
    seen: set[int] = field(default_factory=set)
    last: Shown | None = None
    written: Shown | None = None

    async def says(self, text: str) -> None:
        self.out.note(self.room, self.person.first_name, text)
        self.written = await self.person.says(self.chat, text)

    async def edits(self, text: str) -> None:
        """Change what one has written last."""
        assert self.written is not None
        self.out.note(self.room, self.person.first_name, f"(edits) {text}")
        await self.person.edits(self.written, text)

    async def sees(self, *wanted: str) -> str:
        self.last = await self.chat.shows(
            lambda m: m.id not in self.seen and _holds(m.text, wanted) and _whole(m.buttons)
        )
        self.seen.add(self.last.id)
        self.out.note(self.room, "Parley", _with_buttons(self.last.text, self.last.buttons))
        return self.last.text

    async def presses(self, label: str) -> None:
        assert self.last is not None
        button = next(b for b in self.last.buttons if label in b)
        self.out.note(self.room, self.person.first_name, f"[{button}]")
        await self.person.presses(self.last, button)

    async def gets(self, *wanted: str) -> tuple[str, bytes]:
        """The name and the content of the next file."""
        self.last = await self.chat.shows(lambda m: m.media is not None and m.id not in self.seen)
        self.seen.add(self.last.id)
        media = self.last.media
        assert media is not None
        assert _holds(self.last.text, wanted)
        name = str(media.document["file_name"])
        self.out.note(self.room, "Parley", f"{self.last.text} ⟨{name}⟩")
        return name, media.content


@dataclass
class SlackSeat:
    """A person in a thread of Slack; the first message opens it."""

    out: Transcript
    room: str
    channel: Channel
    person: Slacker
    first: Message | None = None
    seen: set[str] = field(default_factory=set)
    last: Message | None = None

    async def says(self, text: str) -> None:
        self.out.note(self.room, self.person.name, text)
        written = await self.person.says(self.channel, text, thread=self.first)
        self.first = self.first or written

    async def sees(self, *wanted: str) -> str:
        assert self.first is not None
        self.last = await self.first.thread.shows(
            lambda m: m.ts not in self.seen and _holds(m.shown, wanted) and _whole(m.buttons), within=40
        )
        self.seen.add(self.last.ts)
        self.out.note(self.room, "Parley", _with_buttons(self.last.shown, self.last.buttons))
        return self.last.shown

    async def presses(self, label: str) -> None:
        assert self.last is not None
        button = next(b for b in self.last.buttons if label in b)
        self.out.note(self.room, self.person.name, f"[{button}]")
        await self.person.presses(self.last, button)


@dataclass
class WebSeat:
    """A person at the web chat."""

    out: Transcript
    room: str
    name: str
    visitor: Visitor
    asked: str = ""
    item: dict[str, Any] = field(default_factory=dict)

    async def says(self, text: str) -> None:
        self.out.note(self.room, self.name, text)
        self.asked = await self.visitor.ask(text)

    async def sees(self, *wanted: str) -> str:
        self.item = await self.visitor.answered(self.asked)
        texts = [part["text"] for part in self.item["parts"] if "text" in part]
        whole = "\n".join(texts) or said(self.item)
        self.out.note(self.room, "Parley", _shortened(whole))
        assert _holds(whole, wanted), whole
        return whole

    async def presses(self, label: str) -> None:
        options = [o for part in self.item["parts"] for o in part.get("options", ())]
        chosen = next(o for o in options if label in o["label"])
        self.out.note(self.room, self.name, f"[{chosen['label']}]")
        self.asked = await self.visitor.ask(chosen["value"])

    @property
    def notices(self) -> list[str]:
        """The keys of what the bot itself said in the last answer."""
        return [part["key"] for part in self.item["parts"] if part["type"] == "notice"]


def _holds(text: str, wanted: tuple[str, ...]) -> bool:
    return bool(text) and all(each in text for each in wanted)


def _whole(buttons: list[str]) -> bool:
    """Whether nothing is being written there any more."""
    return not {"Stop", "停止"} & set(buttons)


def _with_buttons(text: str, buttons: list[str]) -> str:
    shown = [b for b in buttons if b not in ("👍", "👎")]
    return _shortened(text) + (
        f"\n[{'] ['.join(shown[:6])}{'] […' if len(shown) > 6 else ''}]" if shown else ""
    )


def _shortened(text: str) -> str:
    return re.sub(r"(word ){3,}", "word word … ", text)
