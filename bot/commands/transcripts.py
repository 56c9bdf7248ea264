"""What recordings say, written down: as the journal keeps it, and as a message or a file shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from bot.api import Media, Notice
from bot.delivery import Delivery
from bot.endpoints.audio import Script

SHOWN = 8000
"""Characters of a transcript that is shown as a message; a longer one is a file."""

_FORMS: Mapping[Script, tuple[str, str]] = MappingProxyType(
    {"text": ("text/plain", "txt"), "srt": ("application/x-subrip", "srt"), "vtt": ("text/vtt", "vtt")}
)


@dataclass(frozen=True, slots=True)
class Written:
    """What one recording says, or, where it is a `fault`, why that cannot be told.

    `number` is which of several it is, and `name` that of its file; 0 is for the only one, and for what is about
    all of them.
    """

    text: str
    number: int = 0
    name: str = ""
    fault: bool = False

    @property
    def headed(self) -> str:
        """The text under its number."""
        return f"{f'{self.number}. {self.name}'.strip()}\n{self.text}" if self.number else self.text


_ALL = TypeAdapter(list[Written])


def dump(written: Sequence[Written]) -> str:
    """As the journal keeps it."""
    return _ALL.dump_json(list(written)).decode()


def read(kept: str) -> Sequence[Written] | None:
    """What the journal keeps, if it is there; an earlier version kept the text alone."""
    if not kept:
        return None
    try:
        return _ALL.validate_json(kept)
    except ValidationError:
        return (Written(kept),)


async def show(delivery: Delivery, what: str, text: str) -> None:
    """Show a transcript, as a file where it is long. `what` was done: `transcribe` or `translate`."""
    if len(text) <= SHOWN:
        await delivery.send(Notice(f"{what}.said", text=text))
    else:
        await delivery.send(_file(delivery, what, "text", Written(text)))


async def show_all(delivery: Delivery, what: str, form: Script, written: Sequence[Written]) -> None:
    """Show what all the recordings of a command say: subtitles as a file for each, the rest as one text."""
    if form == "text":
        await show(delivery, what, "\n\n".join(each.headed for each in written))
        return
    for each in written:
        if each.fault:
            await delivery.send(Notice(f"{what}.fault", text=each.headed))
        else:
            await delivery.send(_file(delivery, what, form, each))


def _file(delivery: Delivery, what: str, form: Script, written: Written) -> Media:
    mime, ending = _FORMS[form]
    caption, name = delivery.say(f"{what}.caption"), "transcript"
    if written.number:
        caption, name = f"{written.number}. {caption}", f"{name}-{written.number}"
    return Media("file", mime, written.text.encode("utf-8", "replace"), caption, f"{name}.{ending}")
