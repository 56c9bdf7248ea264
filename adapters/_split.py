"""Cuts Markdown that is too long for one post, at the best border, with code fences closed and opened again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

Fits = Callable[[str], bool]
"""Whether this Markdown, as the platform shows it, is within the limit of one post."""

# Bounded, so that a line of code that merely looks like a fence cannot fill a post by itself.
_FENCE_LINE = re.compile(
    r"^(?P<indent>[ \t]{0,12})(?:(?P<ticks>`{3,12})(?P<info>[^`\n]{0,32})|(?P<waves>~{3,12})(?P<word>[^~\n]{0,32}))$",
    re.MULTILINE,
)
_HEADING_LAST = re.compile(r"(?:^|\n)(#{1,6}[ \t][^\n]*)\s*\Z")
_HALF_FENCE = re.compile(r"(?:\A|\n)[ \t]*(?:`+|~+)\Z")
_BLANK_LINES = re.compile(r"\A(?:[ \t]*\n)+")
_SENTENCE = re.compile(r"[.!?…][\"'”’)\]]*(?=\s)|[。！？；][”’」』）]*")
_LOOK = 256  # characters behind the longest post that are looked at: a fence line is shorter
_BLANKS = re.compile(r"[ \t]*\n(?:[ \t]*\n)*|[ \t]+")


@dataclass(frozen=True, slots=True)
class Fence:
    """An open code fence."""

    indent: str
    marks: str
    info: str

    @property
    def opening(self) -> str:
        """Its first line."""
        return f"{self.indent}{self.marks}{self.info}\n"

    @property
    def closing(self) -> str:
        """Its last line."""
        return f"{self.indent}{self.marks}"


@dataclass(frozen=True, slots=True)
class Tail:
    """Markdown behind the last cut: the fence that was open there, and whether a line had just begun."""

    text: str = ""
    fence: Fence | None = None
    fresh: bool = True

    def __add__(self, delta: str) -> Tail:
        return replace(self, text=self.text + delta)

    @property
    def shown(self) -> str:
        """What stands for it in a post of its own; empty where there is nothing to see."""
        if not _FENCE_LINE.sub("", self.text).strip():
            return ""
        before = self.fence.opening if self.fence else ""
        after = self._open_at(len(self.text))
        text = self.text if self.fence else _BLANK_LINES.sub("", self.text)
        if after is None:
            return before + text.rstrip()
        return before + text.rstrip("\n") + "\n" + after.closing

    @property
    def growing(self) -> str:
        """The same while more text is to come: marks that may become a fence line wait for the rest of it."""
        found = _HALF_FENCE.search(self.text) if self.text.endswith(("`", "~")) else None
        return replace(self, text=self.text[: found.start()]).shown if found else self.shown

    def _fences(self) -> Iterator[tuple[int, int, Fence | None]]:
        """Each fence line: where it begins and ends, and the fence that is open behind it."""
        fence = self.fence
        for line in _FENCE_LINE.finditer(self.text):
            if line.start() == 0 and not self.fresh:
                continue
            indent = line["indent"]
            marks, info = line["ticks"] or line["waves"], line["info"] or line["word"] or ""
            if fence is None:
                fence = Fence(indent, marks, info)
            elif marks.startswith(fence.marks) and not info.strip():
                fence = None
            else:
                continue
            yield line.start(), line.end(), fence

    def _open_at(self, position: int) -> Fence | None:
        fence = self.fence
        for _, end, behind in self._fences():
            if end > position:
                break
            fence = behind
        return fence


def divide(tail: Tail, fits: Fits, *, limit: int) -> tuple[str, Tail] | None:
    """What a post can show of the beginning of `tail`, and the rest; None where all of it fits.

    Cuts behind a paragraph, else a line, a sentence, a word, as far back as is worth it. `limit` is the
    platform's number: no more than four times as much Markdown goes into one post, however little of it shows.
    """
    text = tail.text
    if len(text) <= 4 * limit and fits(tail.shown):
        return None
    # Nothing behind this has a say in where the post ends, so the work for a text grows with its length only.
    near = replace(tail, text=text[: 4 * limit + _LOOK])
    most = _most(near, fits, min(len(text) - 1, 4 * limit))
    while True:
        cut = _border(near, most)
        head = replace(tail, text=text[:cut])
        if cut <= 1 or fits(head.shown):
            shown, rest = _part(near, cut)
            return shown, replace(rest, text=rest.text + text[len(near.text) :])
        most = cut - 1


def _most(tail: Tail, fits: Fits, high: int) -> int:
    """About the largest number of characters that fits; this very number does."""
    low = 1
    while low < high:
        middle = (low + high + 1) // 2
        if fits(replace(tail, text=tail.text[:middle]).shown):
            low = middle
        else:
            high = middle - 1
    return low


def _part(tail: Tail, cut: int) -> tuple[str, Tail]:
    text = tail.text
    shown = replace(tail, text=text[:cut]).shown
    fence = tail._open_at(cut)
    for start, end, behind in tail._fences():
        # The part closes its fence anyhow: a closing line that comes next belongs to it.
        if fence and behind is None and start >= cut and not text[cut:start].strip() and end < len(text):
            cut, fence = end, None
            break
    if fence is None:
        blanks = _BLANKS.match(text, cut)
        cut = blanks.end() if blanks else cut
    elif text.startswith("\n", cut):
        cut += 1
    fresh = text[cut - 1] == "\n" if cut else tail.fresh
    return shown, Tail(text[cut:], fence, fresh)


def _border(tail: Tail, most: int) -> int:
    """Where to cut within the first `most` characters; at least 1."""
    text, fences = tail.text, list(tail._fences())
    cut = _paragraph(tail, most) or _line(text, most) or _sentence(text, most) or _word(text, most)
    for start, end, fence in fences:
        if start < cut < end or (fence is not None and end <= cut and not text[end:cut].strip()):
            # Within a fence line, or behind the line that opens code with no code behind it.
            cut = start if text[:start].strip() else cut
    heading = _HEADING_LAST.search(text[:cut])
    if heading and heading.start(1) >= most // 3 and tail._open_at(heading.start(1)) is None:
        cut = heading.start(1)  # it belongs to what comes next
    return max(_whole(text, cut), 1)


def _paragraph(tail: Tail, most: int) -> int:
    at = most
    while (at := tail.text.rfind("\n\n", 0, at)) >= most // 2:
        if tail._open_at(at) is None:
            return at
    return 0


def _line(text: str, most: int) -> int:
    at = text.rfind("\n", 0, most + 1)
    return at if at >= most // 3 and text[:at].strip() else 0


def _sentence(text: str, most: int) -> int:
    ends = [found.end() for found in _SENTENCE.finditer(text, most // 3, most)]
    return ends[-1] if ends else 0


def _word(text: str, most: int) -> int:
    at = max(text.rfind(space, 0, most + 1) for space in (" ", "\n", "\t"))
    return at if at >= most // 3 and text[:at].strip() else most


def _whole(text: str, cut: int) -> int:
    """`cut`, moved back out of a run of fence marks or of what is seen as one character."""
    at = cut
    while 0 < at < len(text) and (text[at] == text[at - 1] in "`~" or _joined(text[at - 1], text[at])):
        at -= 1
    if text.startswith(("```", "~~~"), at) and at and text[at - 1] != "\n":
        at -= 1
    return at if at >= cut - 64 and at > 0 else cut


def _joined(left: str, right: str) -> bool:
    """Whether the two make one character (roughly https://www.unicode.org/reports/tr29/)."""
    return (
        left == "\u200d"
        or right in "\u200d\ufe0f"
        or "\U0001f3fb" <= right <= "\U0001f3ff"  # skin tones
        or ("\U0001f1e6" <= left <= "\U0001f1ff" and "\U0001f1e6" <= right <= "\U0001f1ff")  # flags
        or unicodedata.combining(right) > 0
    )
