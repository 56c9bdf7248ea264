"""The model's Markdown as Telegram shows it: text and entities, counted in UTF-16 units, nothing of the words lost.

telegramify-markdown (https://pypi.org/project/telegramify-markdown/ 1.4) does the work. What it would lose or
misread is hidden from it behind private-use characters and put back afterwards: `<` (it drops raw HTML), `||`
(it makes spoilers of the operator), reference definitions (which show nowhere), and `**` between a Chinese
character and a punctuation mark (https://github.com/commonmark/commonmark-spec/issues/650).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from telegramify_markdown import convert
from telegramify_markdown.config import RenderConfig

from adapters._split import Tail, divide

TEXT_LIMIT = 4096
"""Of a message, in characters after parsing (https://core.telegram.org/bots/api#sendmessage); we count UTF-16
units, of which there are never fewer."""

CAPTION_LIMIT = 1024

ENTITY_LIMIT = 100
"""More entities in a message are ignored by the server."""

_LINKS = re.compile(r"(?:https?|tg)://\S|mailto:\S", re.IGNORECASE)
_AUTOLINK = re.compile(r"<(?:https?://|mailto:)[^\s<>]+>", re.IGNORECASE)

_CODE = re.compile(
    r"^[ \t]{0,12}(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n).){1,500}?(?<!`)(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_LESS = re.compile(r"(?P<escapes>\\*)<")
_DEFINITION = re.compile(r"^(?P<label> {0,3}\[[^\]\n]+\])(?=:)", re.MULTILINE)
_TEX = re.compile(
    r"\\\((?P<inline>(?:(?!\n[ \t]*\n).){1,500}?)\\\)|\\\[(?P<block>(?:(?!\n[ \t]*\n).){1,2000}?)\\\]",
    re.DOTALL,
)
_TEX_SIGNS = re.compile(r"\\[A-Za-z]|[\^_={}+*]")
_HAN = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_CLOSING = re.compile(rf"(?<=[^\w\s*])(?P<marks>\*{{1,3}})(?=[{_HAN}])")
_OPENING = re.compile(rf"(?<=[{_HAN}])(?P<marks>\*{{1,3}})(?=[^\w\s*])")


@dataclass(frozen=True, slots=True)
class Entity:
    """A mark (https://core.telegram.org/bots/api#messageentity); offset and length in UTF-16 units."""

    type: str
    offset: int
    length: int
    url: str = ""
    language: str = ""

    def json(self) -> dict[str, Any]:
        """As the Bot API takes it."""
        given = {"type": self.type, "offset": self.offset, "length": self.length}
        more = {"url": self.url, "language": self.language}
        return given | {name: value for name, value in more.items() if value}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text and what is marked in it."""

    text: str
    entities: tuple[Entity, ...] = ()

    def fits(self, limit: int = TEXT_LIMIT) -> bool:
        """Whether it can be one message."""
        return units(self.text) <= limit and len(self.entities) <= ENTITY_LIMIT

    def json(self) -> dict[str, Any]:
        """The two as parameters of a request."""
        entities = [entity.json() for entity in self.entities]
        return {"text": self.text, "entities": entities} if entities else {"text": self.text}

    @property
    def plain(self) -> Rendered:
        """The same words without any marks, for a server that does not accept those."""
        return Rendered(self.text)


def render(markdown: str) -> Rendered:
    """Markdown, also unfinished, as a message."""
    markdown = _clean(markdown)
    signs = _Signs(markdown)
    text, entities = convert(_prepared(markdown, signs), latex_escape=False, config=_CONFIG)
    found = [_entity(e, signs) for e in entities if _meant(e)]
    rendered = _without(signs.glue, signs.restored(text), found)
    return rendered if rendered.text.strip() else Rendered(markdown.strip())


def split(markdown: str) -> list[str]:
    """The Markdown of each message that `markdown` takes."""
    return _divided(markdown, lambda part: render(part).fits())


def split_plain(text: str, limit: int = TEXT_LIMIT) -> list[str]:
    """Plain text in pieces of at most `limit` units."""
    return _divided(_clean(text), lambda part: units(part) <= limit, limit)


def units(text: str) -> int:
    """The length in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _divided(text: str, fits: Callable[[str], bool], limit: int = TEXT_LIMIT) -> list[str]:
    found, tail = [], Tail(text)
    while (parts := divide(tail, fits, limit=limit)) is not None:
        found.append(parts[0])
        tail = parts[1]
    return [part for part in [*found, tail.shown] if part]


def _clean(text: str) -> str:
    """Without NUL and with halves of characters made whole: the server refuses what is not UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")


class _Signs:
    """Private-use characters that the text does not have: three that stand for others, and one for nothing."""

    def __init__(self, text: str) -> None:
        self.less, self.pipe, self.glue = _unused(text, 3)

    def restored(self, text: str) -> str:
        """`text` with what was hidden, but not yet without the glue."""
        return text.replace(self.less, "<").replace(self.pipe, "|")


def _unused(text: str, count: int) -> list[str]:
    found: list[str] = []
    candidates = map(chr, range(0xE000, 0xF900))
    used = set(text)
    while len(found) < count:
        candidate = next(candidates)
        if candidate not in used:
            found.append(candidate)
    return found


def _prepared(markdown: str, signs: _Signs) -> str:
    """The Markdown as it is given to telegramify."""
    pieces, end = [], 0
    for code in _CODE.finditer(markdown):
        pieces += [_prose(markdown[end : code.start()], signs), _code(code[0], signs)]
        end = code.end()
    pieces.append(_prose(markdown[end:], signs))
    return _glued("".join(pieces), signs.glue)


def _code(text: str, signs: _Signs) -> str:
    return text.replace("<", signs.less).replace("||", signs.pipe * 2)


def _prose(text: str, signs: _Signs) -> str:
    text = _TEX.sub(_tex, text)
    text = _DEFINITION.sub(rf"\g<label>{signs.glue}", text)
    return "\n".join(_line(line, signs) for line in text.split("\n"))


def _line(line: str, signs: _Signs) -> str:
    in_table = line.lstrip().startswith("|")
    if "<" in line:
        line = _BREAK.sub(" " if in_table else "\n", line)
        links = {found.start() for found in _AUTOLINK.finditer(line)}
        line = _LESS.sub(partial(_less, links, signs.less), line)
    return line if in_table else line.replace("||", signs.pipe * 2)


def _less(links: set[int], sign: str, found: re.Match[str]) -> str:
    escaped = len(found["escapes"]) % 2 == 1
    return found[0] if escaped or found.end() - 1 in links else found["escapes"] + sign


def _tex(found: re.Match[str]) -> str:
    """`\\(…\\)` and `\\[…\\]` as `$…$` and `$$…$$`, if they look like a formula and not like escaped brackets."""
    inner = (found["inline"] or found["block"]).strip()
    if not _TEX_SIGNS.search(inner) or "$" in inner:
        return found[0]
    return f"${inner}$" if found["inline"] else f"$${inner}$$"


def _glued(text: str, glue: str) -> str:
    """Make `**` between a Chinese character and a punctuation mark a mark of emphasis."""
    if "*" not in text:
        return text
    text = _OPENING.sub(partial(_beside, _code_borders(text), "", glue), text)
    return _CLOSING.sub(partial(_beside, _code_borders(text), glue, ""), text)


def _code_borders(text: str) -> list[int]:
    return [border for code in _CODE.finditer(text) for border in code.span()]


def _beside(borders: list[int], before: str, behind: str, found: re.Match[str]) -> str:
    in_code = bisect_right(borders, found.start()) % 2 == 1
    return found[0] if in_code else before + found[0] + behind


def _meant(entity: Any) -> bool:
    if entity.type == "text_link":
        return _LINKS.match(entity.url or "") is not None
    return bool(entity.type != "custom_emoji")


def _entity(entity: Any, signs: _Signs) -> Entity:
    language = signs.restored(entity.language).replace(signs.glue, "") if entity.language else ""
    url = signs.restored(entity.url).replace(signs.glue, "") if entity.url else ""
    return Entity(entity.type, entity.offset, entity.length, url, language)


def _without(glue: str, text: str, entities: Sequence[Entity]) -> Rendered:
    """Take out the glue and the white space around the text, and move the entities accordingly."""
    first = len(text) - len(text.lstrip("\n"))
    last = len(text.rstrip())
    if glue not in text and not first:
        return _within(text[:last], entities, lambda offset: offset)
    moved, kept = [0], []
    for index, character in enumerate(text):
        stays = first <= index < last and character != glue
        width = 2 if character > "\uffff" else 1
        moved += [moved[-1] + (step if stays else 0) for step in range(1, width + 1)]
        if stays:
            kept.append(character)
    return _within("".join(kept), entities, lambda offset: moved[min(offset, len(moved) - 1)])


def _within(text: str, entities: Sequence[Entity], moved: Callable[[int], int]) -> Rendered:
    end, found = units(text), []
    for entity in entities:
        start, stop = min(moved(entity.offset), end), min(moved(entity.offset + entity.length), end)
        if stop > start:
            found.append(Entity(entity.type, start, stop - start, entity.url, entity.language))
    found.sort(key=lambda entity: (entity.offset, -entity.length))
    return Rendered(text, tuple(found))


def _config() -> RenderConfig:
    """No pictures before headings, boxes that look like boxes, and quotations that are open."""
    config = RenderConfig.isolated()
    symbols = config.markdown_symbol
    symbols.heading_level_1 = symbols.heading_level_2 = symbols.heading_level_3 = symbols.heading_level_4 = ""
    symbols.unordered_list_item = "•"
    symbols.task_completed, symbols.task_uncompleted = "☑", "☐"
    config.cite_expandable = False
    return config


_CONFIG = _config()
