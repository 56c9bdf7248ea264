"""An answer: while it grows, and as the journal keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from bot.api import Usage
from bot.endpoints.chat import Finish
from bot.framing import Framed
from bot.roles import Role
from bot.several import Others, total
from bot.tools import Deed, Work
from bot.window import Past, Sight, Turn


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer as the journal keeps it: `closing` is the notice said after it, if any.

    `background` is what had been said before the question, where that is remembered with it; `folded` says that
    the person is to be told of the summary. `asked` is the question as the model got it, with its `pictures`, and
    `said` is what the person was told before the answer, such as the transcript of what they said aloud. Where
    `wanted` answers were asked for, `others` are those that came besides. `deeds` is what the model's tools did.
    """

    text: str
    closing: str = ""
    usage: Usage | None = None
    model: str = ""
    background: str = ""
    folded: bool = False
    asked: str = ""
    pictures: tuple[Sight, ...] = ()
    said: tuple[str, ...] = ()
    wanted: int = 1
    others: tuple[str, ...] = ()
    deeds: tuple[Deed, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every answer that came, the one that counts first."""
        return (self.text, *self.others)

    @property
    def remembered(self) -> str:
        """What the dialogue keeps: notes of what was done, in words that every server can read, and the text."""
        return "\n\n".join(filter(None, (*(deed.note for deed in self.deeds), self.text)))


ANSWER = TypeAdapter(Answer)


@dataclass(frozen=True, slots=True)
class Asking:
    """All that a request is made of. `blank` is the answer before there is one.

    A `plain` answer is one, in words alone.
    """

    role: Role
    model: str
    past: Past
    turns: tuple[Turn, ...]
    blank: Answer
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    plain: bool = False


@dataclass(slots=True)
class Draft:
    """What has come of an answer so far, and the request that it answers.

    `others` are there where several answers are wanted. `work` is what the model's tools did, `usage` what the rounds
    before the present one took, and `closing` what is to be said at the end.
    """

    pieces: list[str] = field(default_factory=list)
    finish: Finish | None = None
    framed: Framed | None = None
    others: Others | None = None
    work: Work = field(default_factory=Work)
    usage: Usage | None = None
    closing: str = ""

    @property
    def text(self) -> str:
        """The answer's words."""
        return "".join(self.pieces)

    @property
    def shown(self) -> bool:
        """Whether the person has got anything of it."""
        return bool(self.pieces or self.work.deeds)

    def close(self, asking: Asking, closing: str = "") -> Answer:
        """The answer as it is now."""
        usage = total(self.usage, self.finish.usage if self.finish else None)
        return replace(
            asking.blank, text=self.text, closing=closing, usage=usage, deeds=tuple(self.work.deeds)
        )
