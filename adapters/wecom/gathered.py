"""An answer where nothing can be shown before its end: its parts become plain texts and files, in order."""

from __future__ import annotations

from adapters._numbered import Numbered
from adapters._plain import plain
from adapters.wecom.words import say
from bot.api import Choices, End, Media, Notice, ReplyPart, Text

Piece = str | Media


class Gathered:
    """Takes parts in; neighbouring texts become one, so that few messages are sent.

    `place` is where a list's numbers are remembered (`Numbered`), `language` the person's.
    """

    def __init__(self, numbered: Numbered, place: str, language: str) -> None:
        self._numbered = numbered
        self._place = place
        self._language = language
        self._pieces: list[Piece] = []
        self._markdown: list[str] = []

    async def add(self, part: ReplyPart) -> None:
        """Take a part. Raises `Unavailable`."""
        if isinstance(part, Text):
            self._markdown.append(part.delta)
            return
        self._close()
        match part:
            case Notice():
                self._say(part.text)
            case Choices():
                hint = say(self._language, "number")
                self._say(await self._numbered.show(self._place, part, hint))
            case Media():
                self._pieces.append(part)
                self._say(part.caption)
            case End():
                # That an answer was cut is worth a line; that it may be asked for again is not.
                for offer in part.offers:
                    if offer.value == "/continue":
                        self._say(say(self._language, "offer", label=offer.label, command=offer.value))

    def pieces(self) -> list[Piece]:
        """What is to be sent, as of now."""
        self._close()
        return list(self._pieces)

    def _close(self) -> None:
        if self._markdown:
            self._say(plain("".join(self._markdown)))
            self._markdown.clear()

    def _say(self, text: str) -> None:
        if not text.strip():
            return
        text = text.encode("utf-8", "replace").decode()  # half of a pair of surrogates cannot be sent
        if self._pieces and isinstance(self._pieces[-1], str):
            self._pieces[-1] += f"\n\n{text}"
        else:
            self._pieces.append(text)
