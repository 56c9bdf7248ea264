"""The parse modes HTML, MarkdownV2 and Markdown, read as far as a bot uses them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.simulators.telegram.schema import Refused, bad

Entity = dict[str, Any]

_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
}
_MARKS = {"*": "bold", "_": "italic", "__": "underline", "~": "strikethrough", "||": "spoiler"}
_RESERVED = set("_*[]()~`>#+-=|{}.!")


def units(text: str) -> int:
    """The length in UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def parsed(text: str, mode: str) -> tuple[str, list[Entity]]:
    """The text without its marks, and what they mark. Raises `Refused` where they are broken."""
    match mode.lower():
        case "html":
            return _html(text)
        case "markdownv2":
            return _Marked(text).parsed()
        case "markdown":
            return _old_markdown(text)
    raise bad("unsupported parse_mode")


def _broken(reason: str) -> Refused:
    return bad(f"can't parse entities: {reason}")


def _html(text: str) -> tuple[str, list[Entity]]:
    out, entities, stack = "", [], list[tuple[str, int, Entity]]()
    for piece in re.split(r"(<[^<>]*>|&[a-z]+;|&#x?[0-9a-fA-F]+;)", text):
        offset = units(out)
        if closing := re.fullmatch(r"</\s*([\w-]+)\s*>", piece):
            if not stack:
                raise _broken(f"Unexpected end tag at byte offset {len(out.encode())}")
            tag, start, entity = stack.pop()
            if tag != closing[1].lower():
                raise _broken(
                    f'Unmatched end tag at byte offset {len(out.encode())}, expected "</{tag}>", found '
                    f'"</{closing[1]}>"'
                )
            entities.append(entity | {"offset": start, "length": offset - start})
        elif opening := re.fullmatch(r"<([\w-]+)((?:\s[^<>]*)?)>", piece):
            stack.append((opening[1].lower(), offset, _tag(opening[1].lower(), opening[2], out)))
        elif piece.startswith("&") and piece.endswith(";"):
            out += _character(piece)
        elif "<" in piece:
            raise _broken(f"Unexpected end of name token at byte offset {len(out.encode())}")
        else:
            out += piece
    if stack:
        raise _broken(f'Can\'t find end tag corresponding to start tag "{stack[-1][0]}"')
    return out, [entity for entity in entities if entity["type"] != "dropped"]


def _tag(name: str, rest: str, out: str) -> Entity:
    if name not in _TAGS or (name == "span" and "tg-spoiler" not in rest):
        raise _broken(f'Unsupported start tag "{name}" at byte offset {len(out.encode())}')
    entity: Entity = {"type": _TAGS[name]}
    value = re.search(r"""=\s*["']?([^"'>]*)["']?""", rest)
    if name == "a":
        entity = {"type": "text_link", "url": value[1]} if value else {"type": "dropped"}
    elif name == "tg-emoji" and value:
        entity["custom_emoji_id"] = value[1]
    elif name == "blockquote" and "expandable" in rest:
        entity["type"] = "expandable_blockquote"
    elif name == "code" and value:
        entity = {"type": "code"}
    return entity


def _character(reference: str) -> str:
    named = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"'}
    if reference in named:
        return named[reference]
    if number := re.fullmatch(r"&#(x?)([0-9a-fA-F]+);", reference):
        return chr(int(number[2], 16 if number[1] else 10))
    return reference


class _Marked:
    """A reading of MarkdownV2."""

    def __init__(self, text: str) -> None:
        self._tokens = self._split(text)
        self._out = ""
        self._entities: list[Entity] = []
        self._stack: list[tuple[str, int, int]] = []

    @staticmethod
    def _split(text: str) -> Iterator[str]:
        rule = r"```(?s:.*?)```|`[^`]*`|\\.|\]\([^)]*\)|!\[|__|\|\||."
        return (match.group() for match in re.finditer(rule, text, re.DOTALL))

    def parsed(self) -> tuple[str, list[Entity]]:
        at_line_start = True
        for token in self._tokens:
            self._take(token, at_line_start)
            at_line_start = token == "\n"
        if self._stack:
            mark, _, offset = self._stack[-1]
            name = _MARKS.get(mark, "link").capitalize()
            raise _broken(f"Can't find end of {name} entity at byte offset {offset}")
        return self._out, self._entities

    def _take(self, token: str, at_line_start: bool) -> None:
        if len(token) == 2 and token[0] == "\\":
            self._out += token[1]
        elif token.startswith("```") and len(token) >= 6:
            language = re.match(r"(\w[\w+-]*)?\n?", token[3:-3])
            body = token[3:-3][language.end() if language else 0 :]
            more = {"language": language[1]} if language and language[1] else {}
            self._add("pre", body, **more)
        elif token.startswith("`") and len(token) >= 2:
            self._add("code", token[1:-1])
        elif token in _MARKS:
            self._toggle(token)
        elif token in {"[", "!["}:
            self._stack.append(("[", units(self._out), len(self._out.encode())))
        elif token.startswith("]("):
            self._link(token)
        elif token in _RESERVED and not (token == ">" and at_line_start):
            raise _broken(f"Character '{token}' is reserved and must be escaped with the preceding '\\'")
        elif token != ">":
            self._out += token

    def _add(self, kind: str, body: str, **more: Any) -> None:
        body = re.sub(r"\\(.)", r"\1", body)
        self._entities.append({"type": kind, "offset": units(self._out), "length": units(body), **more})
        self._out += body

    def _toggle(self, mark: str) -> None:
        if any(open_mark == mark for open_mark, _, _ in self._stack):
            if self._stack[-1][0] != mark:
                self._unclosed()
            _, start, _ = self._stack.pop()
            length = units(self._out) - start
            self._entities.append({"type": _MARKS[mark], "offset": start, "length": length})
        else:
            self._stack.append((mark, units(self._out), len(self._out.encode())))

    def _link(self, token: str) -> None:
        if not self._stack or self._stack[-1][0] != "[":
            raise _broken("Character ']' is reserved and must be escaped with the preceding '\\'")
        _, start, _ = self._stack.pop()
        length, url = units(self._out) - start, re.sub(r"\\(.)", r"\1", token[2:-1])
        self._entities.append({"type": "text_link", "offset": start, "length": length, "url": url})

    def _unclosed(self) -> None:
        mark, _, offset = self._stack[-1]
        name = _MARKS.get(mark, "link").capitalize()
        raise _broken(f"Can't find end of {name} entity at byte offset {offset}")


def _old_markdown(text: str) -> tuple[str, list[Entity]]:
    out, entities = "", list[Entity]()
    rule = r"```(.*?)```|`([^`]*)`|\*([^*]*)\*|_([^_]*)_|\[([^\]]*)\]\(([^)]*)\)|\\([_*`\[])|(.)"
    for match in re.finditer(rule, text, re.DOTALL):
        pre, code, bold, italic, label, url, escaped, plain = match.groups()
        if plain is not None and plain in "*_`":
            raise _broken(
                f"Can't find end of the entity starting at byte offset {len(text[: match.start()].encode())}"
            )
        named = {"pre": pre, "code": code, "bold": bold, "italic": italic, "text_link": label}
        for kind, body in named.items():
            if body is not None:
                more = {"url": url} if kind == "text_link" else {}
                entities.append({"type": kind, "offset": units(out), "length": units(body), **more})
                out += body
        out += escaped or plain or ""
    return out, entities
