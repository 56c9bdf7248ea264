"""One parse of the model's Markdown, and the HTML that is safe to show of it, whole or while it is written.

CommonMark (https://spec.commonmark.org/0.31.2/) with tables and strikethrough. Raw HTML shows as text.
Nothing in the HTML makes a browser ask anybody for anything: an image becomes a link with its alternative
text. Links lead to `http`, `https` and `mailto` only. Reference definitions are text, because a definition at
the end of an answer would change what was shown long before. TeX between `\\(…\\)`, `\\[…\\]`, `$$…$$` stays.
What costs most is bounded, far beyond any answer that means it: further brackets and rows of tables are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.parser_inline import ParserInline
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import getLine, table
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_LINKS = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_LANGUAGE = re.compile(r"[\w+#.-]{1,32}", re.ASCII)
_TEX = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
_TEX_LENGTH = 5000

# Explicit directional formatting can make text read as what it is not (https://www.unicode.org/reports/tr9/),
# the implicit marks LRM and RLM cannot. Without carriage returns and NUL the lines' offsets hold.
_DROPPED = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x0D, 0x00])

_EASY = 4096
"""Characters of a block that may be parsed anew for every piece of text."""

_SHARE = 64
"""Beyond that, a block is parsed anew when it has grown by this part of itself."""

_BRACKETS = 4_000
"""Opening brackets of a text that may begin a link."""

_CELLS = 10_000
"""Cells of a text's tables, with those that markdown-it adds to short rows: 20 KB of text may make 65,000 of them."""


def html(text: str) -> str:
    """The HTML of a whole text."""
    return "".join(block for _, block in _blocks(_clean(text)))


def parsed(text: str) -> Sequence[Token]:
    """markdown-it's tokens of a whole text."""
    return _MARKDOWN.parse(_clean(text), {})


class Blocks:
    """The HTML of a text that is still being written, as a list of top-level blocks.

    Only the tail that later text may change is parsed again: a block is settled once the first line of its
    successor is complete. A single huge block is shown in steps that grow with it, so the work for a text
    stays within some `_SHARE` times its length. `parsed` counts the characters of that work.
    """

    def __init__(self) -> None:
        self.parsed = 0
        self._tail = ""  # the text behind the settled blocks
        self._fresh = 0  # how much of it has not been parsed yet
        self._settled = 0  # how many blocks are settled
        self._loose: list[str] = []  # the HTML of the blocks that are not

    def feed(self, delta: str) -> tuple[int, list[str]]:
        """Add text. The index from which on the blocks are replaced, and what replaces them."""
        delta = _clean(delta)
        self._tail += delta
        self._fresh += len(delta)
        if self._fresh * _SHARE < len(self._tail) - _EASY:
            return self._settled + len(self._loose), []
        return self.flush()

    def flush(self) -> tuple[int, list[str]]:
        """Like `feed("")`, and nothing waits any more."""
        if not self._fresh:
            return self._settled + len(self._loose), []
        self.parsed += len(self._tail)
        self._fresh = 0
        blocks = list(_blocks(self._tail))
        same, shown = 0, [block for _, block in blocks]
        while same < min(len(shown), len(self._loose)) and shown[same] == self._loose[same]:
            same += 1
        start = self._settled + same
        self._settle(blocks)
        return start, shown[same:]

    def _settle(self, blocks: Sequence[tuple[int, str]]) -> None:
        """Forget the text of the blocks that cannot change any more."""
        complete = self._tail.count("\n")
        settled = max((i for i, (line, _) in enumerate(blocks) if line < complete), default=0)
        self._settled += settled
        self._loose = [block for _, block in blocks[settled:]]
        if settled:
            offset = 0
            for _ in range(blocks[settled][0]):
                offset = self._tail.index("\n", offset) + 1
            self._tail = self._tail[offset:]


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Each top-level block: the line that it begins on, and its HTML."""
    env: dict[str, Any] = {}
    tokens = _MARKDOWN.parse(text, env)
    begin = 0
    for index, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            block = tokens[begin : index + 1]
            yield (block[0].map or [0])[0], _MARKDOWN.renderer.render(block, _MARKDOWN.options, env)
            begin = index + 1


def _clean(text: str) -> str:
    return text.translate(_DROPPED)


class _Renderer(RendererHTML):
    """HTML with the attributes that we choose and no others."""

    def renderAttrs(self, token: Token) -> str:  # type: ignore[override]
        chosen = _attributes(token)
        return "".join(f' {name}="{escapeHtml(str(value))}"' for name, value in chosen.items())

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        found = _LANGUAGE.match(tokens[idx].info.strip())
        language = escapeHtml(found[0]) if found else ""
        marked = f' class="language-{language}"' if language else ""
        body = escapeHtml(tokens[idx].content)
        return f'<div class="code" data-language="{language}"><pre><code{marked}>{body}</code></pre></div>\n'

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return self.fence(tokens, idx, options, env)

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        image = tokens[idx]
        source = str(image.attrs.get("src", ""))
        text = escapeHtml(self.renderInlineAsText(image.children, options, env) or source)
        inside = sum(token.nesting for token in tokens[:idx] if token.type in ("link_open", "link_close"))
        if inside:  # a link within a link is no HTML
            return text
        link = Token("link_open", "a", 1, attrs={"href": source})
        return f"<a{self.renderAttrs(link)}>{text}</a>"


def _attributes(token: Token) -> Mapping[str, str | int | float]:
    if token.type == "link_open":
        return {"href": token.attrs["href"], "rel": "noopener noreferrer nofollow", "target": "_blank"}
    if token.type == "ordered_list_open" and "start" in token.attrs:
        return {"start": token.attrs["start"]}
    if token.type in ("th_open", "td_open") and "style" in token.attrs:
        return {"class": "align-" + str(token.attrs["style"]).removeprefix("text-align:")}
    return {}


def _tex(state: StateInline, silent: bool) -> bool:
    """An inline rule: a formula is text, with its backslashes, asterisks and underscores."""
    close = _TEX.get(state.src[state.pos : state.pos + 2])
    if close is None:
        return False
    end = state.src.find(close, state.pos + 2, min(state.posMax, state.pos + _TEX_LENGTH))
    if end < 0:
        return False
    if not silent:
        state.push("text", "", 0).content = state.src[state.pos : end + 2]
    state.pos = end + 2
    return True


def _table(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    """A block rule: tables, until the text has had its cells."""
    left: int = state.env.get("cells", _CELLS)
    if left <= 0 or not table(state, startLine, endLine, True):
        return False
    columns = sum(bool(mark.strip()) for mark in getLine(state, startLine + 1).split("|"))
    rows = left // columns
    if silent or not rows:
        return rows > 0
    table(state, startLine, min(endLine, startLine + 1 + rows), False)
    state.env["cells"] = left - columns * (state.line - startLine)
    return True


def _inline(state: StateCore, linkless: ParserInline) -> None:
    """A core rule: what is within the blocks, and without links once the text has had its brackets."""
    left = _BRACKETS
    for token in state.tokens:
        if token.type == "inline":
            left -= token.content.count("[")
            parser = state.md.inline if left >= 0 else linkless
            token.children = []
            parser.parse(token.content, state.md, state.env, token.children)


class _Markdown(MarkdownIt):
    """The dialect of this module."""

    def __init__(self, *, links: bool = True) -> None:
        super().__init__("commonmark", {"html": False, "linkify": False}, renderer_cls=_Renderer)
        self.enable(["table", "strikethrough"]).disable("reference")
        self.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
        self.inline.ruler.before("escape", "tex", _tex)
        if links:
            self.core.ruler.at("inline", partial(_inline, linkless=_Markdown(links=False).inline))
        else:
            self.disable(["link", "image"])

    def validateLink(self, url: str) -> bool:
        return _LINKS.match(url) is not None


_MARKDOWN = _Markdown()
