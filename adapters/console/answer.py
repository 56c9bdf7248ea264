"""One answer as it stands in the terminal: the feed's entries → lines, numbers before what can be chosen."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from adapters.console.paper import Ink, Paper, clean
from adapters.console.words import say

MEDIA_LIMIT = 50
"""Files that are kept of the images and recordings that were shown; the oldest go first."""

_UNFIT = re.compile(r"[^\w.-]|^\.+")  # in the name of a file of ours
_FAULTS = ("error.", "gave_up")

Json = dict[str, Any]


class Answer:
    """Shows what the feed tells of one message.

    `out` takes the answer and `err` the notices that say why there is none; at a terminal both are the same.
    `media` is the folder for what cannot be shown in letters, and `fetch` gives its bytes by the id. `options` are
    the values that a number may be typed for, `failed` tells whether a fault was said.
    """

    def __init__(
        self,
        out: Ink,
        err: Ink,
        *,
        language: str,
        media: Path,
        fetch: Callable[[str], Awaitable[bytes | None]],
        offering: bool,
    ) -> None:
        self._out = out
        answers = Paper(out, again=say(language, "again"), between="" if offering else "\n")
        self._sheets = {out: answers} if out is err else {out: answers, err: Paper(err)}
        self._texts = dict.fromkeys(self._sheets, "")
        self._err = err
        self._language = language
        self._media = media
        self._fetch = fetch
        self._offering = offering
        self._attempt = 0
        self.options: list[str] = []
        self.failed = False

    async def take(self, value: Json) -> bool:
        """Show one entry. True where it was the last; what an overtaken attempt still says is passed over."""
        kind, attempt = value["kind"], int(value.get("attempt", 1))
        if kind == "asked" or attempt < self._attempt:
            return False
        self._attempt = attempt
        match kind:
            case "begin":
                self._clear()
            case "status":
                await self._out.passing(say(self._language, value["doing"]))
            case "end":
                await self._finish(value)
                return True
            case _:
                await self._add(kind, value)
                await self._show()
        return False

    def _clear(self) -> None:
        self._texts = dict.fromkeys(self._sheets, "")
        self.options, self.failed = [], False

    async def _show(self) -> None:
        for ink, text in self._texts.items():
            if text:
                await self._sheets[ink].show(text)

    async def _finish(self, end: Json) -> None:
        """The end holds the whole answer, and it alone counts."""
        self._clear()
        for part in end["parts"]:
            await self._add(part["type"], part)
        if self._offering and end["offers"]:
            # By their words and not by number: a bare number may well be what the person has to say next.
            offers = "   ".join(clean(f"{offer['label']}: {offer['value']}") for offer in end["offers"])
            self._line(self._out, self._out.dress(offers, "faint"))
        for ink, text in self._texts.items():
            if text and not text.endswith("\n"):
                self._texts[ink] += "\n"
        await self._out.wipe()
        await self._show()

    async def _add(self, kind: str, part: Json) -> None:
        match kind:
            case "text":
                self._texts[self._out] += clean(part["text"] if "text" in part else part["delta"])
            case "notice":
                fault = part["key"].startswith(_FAULTS)
                self.failed = self.failed or fault
                ink = self._err if fault else self._out
                self._line(ink, ink.dress(clean(part["text"]), "error" if fault else "notice"))
            case "choices":
                self._line(self._out, "\n".join([clean(part["text"]), *self._numbered(part["options"])]))
            case "media":
                self._line(self._out, await self._placed(part))

    def _line(self, ink: Ink, text: str) -> None:
        """Text that has its lines for itself."""
        before = self._texts[ink]
        self._texts[ink] = before + "\n" * (before != "" and not before.endswith("\n")) + text + "\n"

    def _numbered(self, options: Sequence[Json]) -> list[str]:
        first = len(self.options) + 1
        self.options += [option["value"] for option in options]
        return [f"{number}. {clean(option['label'])}" for number, option in enumerate(options, first)]

    async def _placed(self, part: Json) -> str:
        """Where the file is now, and its caption."""
        data = await self._fetch(str(part.get("id", "")))
        caption = clean(part["caption"])
        if data is None:
            return "\n".join(filter(None, [say(self._language, "unkept", kind=part["media"]), caption]))
        path = self._media / _named(data, part)
        try:
            await asyncio.to_thread(_save, path, data)
            place = say(self._language, "saved", kind=part["media"], path=str(path))
        except OSError:  # a full disk or a home that cannot be written: the answer's words still count
            place = say(self._language, "unsaved", kind=part["media"], path=str(self._media))
        return "\n".join(filter(None, [place, caption]))


def _named(data: bytes, part: Json) -> str:
    """A file name of its own, by which the same file is known again."""
    digest = hashlib.sha256(data).hexdigest()
    stem, dot, ending = _UNFIT.sub("_", part.get("name", ""))[-100:].rpartition(".")
    if stem:
        return f"{stem}-{digest[:8]}{dot}{ending}"
    return digest[:16] + (mimetypes.guess_extension(part["mime"]) or ".bin")


def _save(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(data)
    oldest_last = sorted(path.parent.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in oldest_last[MEDIA_LIMIT:]:
        old.unlink(missing_ok=True)
