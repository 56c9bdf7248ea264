"""The model's Markdown as clean plain text, for apps that show no markup, and that text in parts of so many bytes."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from markdown_it.token import Token

from adapters._markdown import parsed
from adapters._split import Tail, divide
from bot.api import Media

_BULLETS = ("•", "◦", "▪")
_LETTERS = ("application/json", "application/x-subrip")
_RULE = "————————"
_WIDE_TABLE = 60  # columns of a terminal: beyond it, a row of a table becomes lines of its own


def plain(markdown: str) -> str:
    """The text without markup and with all its words: lists with bullets, tables in rows, links with their address.

    Code stays as it is, without its fence. A table that is too wide for a phone becomes a few lines for each row.
    """
    return _Writer().write(parsed(markdown))


def legible(media: Media, limit: int) -> str:
    """What a file says whose bytes are text, at most `limit` of them; empty for any other."""
    mime = media.mime.partition(";")[0].strip().lower()
    says = media.kind == "file" and (mime.startswith("text/") or mime in _LETTERS)
    return media.data.decode("utf-8", "replace").strip() if says and len(media.data) <= limit else ""


def pack(text: str, limit: int, *, mark: str = "") -> list[str]:
    """The text in parts of at most `limit` bytes of UTF-8, cut at paragraphs, lines, sentences or words.

    Where there are several, each ends with `mark`, whose `{n}` and `{of}` are filled in. Nothing for no text.
    """
    whole = _parts(text, limit)
    if len(whole) < 2 or not mark:
        return whole
    room = len(mark.format(n=999, of=999).encode()) + 1
    parts = _parts(text, limit - room)
    return [f"{part}\n{mark.format(n=number, of=len(parts))}" for number, part in enumerate(parts, 1)]


def _parts(text: str, limit: int) -> list[str]:
    parts, tail = [], Tail(text)
    while (cut := divide(tail, lambda shown: len(shown.encode()) <= limit, limit=limit)) is not None:
        part, tail = cut
        parts.append(part)
    return [part for part in (*parts, tail.shown) if part]


@dataclass(slots=True)
class _List:
    """A list that is being written: its next number, or None for bullets."""

    number: int | None
    fresh: bool = True  # the next block is the first of its item
    begun: bool = False


@dataclass(slots=True)
class _Writer:
    """Walks the tokens once. Blocks are joined by an empty line, the items of a list by a line break."""

    lines: list[str] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)
    quotes: int = 0

    def write(self, tokens: Sequence[Token]) -> str:
        walking = iter(tokens)
        for token in walking:
            if token.type in _SHOWN:
                self._put(_SHOWN[token.type](token, walking))
            elif token.type in ("bullet_list_open", "ordered_list_open"):
                numbered = token.type == "ordered_list_open"
                self.lists.append(_List(int(token.attrs.get("start", 1)) if numbered else None))
            elif token.type in ("bullet_list_close", "ordered_list_close"):
                self.lists.pop()
            elif token.type == "list_item_open":
                self.lists[-1].fresh = True
            elif token.type in ("blockquote_open", "blockquote_close"):
                self.quotes += token.nesting
        return "\n".join(self.lines).strip("\n")

    def _put(self, text: str) -> None:
        """Add a block, behind an empty line unless it begins an item of a list that has begun."""
        item = bool(self.lists) and self.lists[-1].fresh and (len(self.lists) > 1 or self.lists[-1].begun)
        if self.lines and not item:
            self.lines.append("")
        lead, rest = self._indents()
        quote = "> " * self.quotes
        for number, line in enumerate(text.split("\n")):
            self.lines.append((quote + (rest if number else lead) + line).rstrip())

    def _indents(self) -> tuple[str, str]:
        """What stands before the first line of a block, and before the others."""
        if not self.lists:
            return "", ""
        depth, present = len(self.lists), self.lists[-1]
        bullet = _BULLETS[min(depth, len(_BULLETS)) - 1] if present.number is None else f"{present.number}."
        indent = "  " * (depth - 1)
        rest = indent + " " * (len(bullet) + 1)
        if not present.fresh:
            return rest, rest
        present.fresh, present.begun = False, True
        if present.number is not None:
            present.number += 1
        return f"{indent}{bullet} ", rest


def _inline(tokens: Sequence[Token]) -> str:
    pieces: list[str] = []
    links: list[tuple[int, str]] = []
    for token in tokens:
        match token.type:
            case "softbreak" | "hardbreak":
                pieces.append("\n")
            case "link_open":
                links.append((len(pieces), str(token.attrs.get("href", ""))))
            case "link_close":
                begin, address = links.pop()
                pieces.append(_address("".join(pieces[begin:]), address))
            case "image":
                pieces.append(token.content + _address(token.content, str(token.attrs.get("src", ""))))
            case _:
                pieces.append(token.content)
    return "".join(pieces)


def _address(shown: str, address: str) -> str:
    bare = address.removeprefix("mailto:")
    return "" if shown.strip() in (address, bare) or not bare else f" ({bare})" if shown else bare


def _table(walking: Iterator[Token]) -> str:
    rows: list[list[str]] = []
    for token in walking:
        match token.type:
            case "tr_open":
                rows.append([])
            case "inline":
                rows[-1].append(_inline(token.children or []).replace("\n", " "))
            case "th_close" | "td_close":
                continue
            case "table_close":
                break
    head, *body = rows or [[]]
    widest = max((sum(map(_width, row)) + 3 * len(row) for row in rows), default=0)
    if widest <= _WIDE_TABLE or not body:
        return "\n".join(" | ".join(row) for row in rows)
    return "\n\n".join(
        "\n".join(f"{name}: {cell}" if name else cell for name, cell in zip(head, row, strict=False) if cell)
        for row in body
    )


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


_SHOWN: Mapping[str, Callable[[Token, Iterator[Token]], str]] = MappingProxyType(
    {
        "inline": lambda token, _: _inline(token.children or []),
        "fence": lambda token, _: token.content.rstrip("\n"),
        "code_block": lambda token, _: token.content.rstrip("\n"),
        "hr": lambda *_: _RULE,
        "table_open": lambda _, walking: _table(walking),
    }
)
