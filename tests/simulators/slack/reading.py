"""What a person reads in a message's text and blocks, and the buttons that stand there."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_MARKED = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")

Names = Callable[[str], str]
Block = Mapping[str, Any]


def spoken(text: str, names: Names) -> str:
    """Slack's own markup as a person reads it: people and channels by name, links by label, no escapes."""

    def shown(match: re.Match[str]) -> str:
        target, label = match[1], match[2]
        if target[0] in "@#":
            return target[0] + (label or names(target[1:]))
        if target[0] == "!":
            return label or "@" + target[1:].partition("^")[0]
        return label or target

    return html.unescape(_MARKED.sub(shown, text))


def read(blocks: Sequence[Block], names: Names) -> str:
    """The words of the blocks, one paragraph a block; controls have none."""
    return "\n\n".join(words for block in blocks if (words := _block(block, names)))


def _block(block: Block, names: Names) -> str:  # noqa: PLR0911
    match block["type"]:
        case "markdown":
            return str(block["text"])
        case "section":
            parts = [block["text"]] if "text" in block else []
            return "\n".join(_text(part, names) for part in [*parts, *block.get("fields", ())])
        case "header" | "alert":
            return _text(block["text"], names)
        case "context":
            return " ".join(_text(part, names) for part in block["elements"])
        case "input":
            return _text(block["label"], names)
        case "image":
            return f"[image: {block['alt_text']}]"
        case "rich_text":
            return "\n".join(_rich(part, names) for part in block["elements"])
        case "table":
            return "\n".join(" | ".join(_cell(cell, names) for cell in row) for row in block["rows"])
        case _:
            return ""


def _text(part: Block, names: Names) -> str:
    if part["type"] == "image":
        return f"[image: {part['alt_text']}]"
    return spoken(part["text"], names) if part["type"] == "mrkdwn" else str(part["text"])


def _cell(cell: Block, names: Names) -> str:
    return str(cell["text"]) if cell["type"] == "raw_text" else _block(cell, names)


def _rich(part: Block, names: Names) -> str:
    match part["type"]:
        case "user":
            return "@" + names(part["user_id"])
        case "channel":
            return "#" + names(part["channel_id"])
        case "emoji":
            return f":{part['name']}:"
        case "link":
            return str(part.get("text") or part["url"])
        case "text":
            return str(part["text"])
        case _:
            return "".join(_rich(inner, names) for inner in part.get("elements", ()))


def controls(blocks: Sequence[Block]) -> Iterator[tuple[Block, dict[str, Any]]]:
    """Every element that a person can press, choose from or type into, with its block."""
    for block in blocks:
        elements = [*block.get("elements", ())] if block["type"] in {"actions", "context_actions"} else []
        elements += [block[key] for key in ("accessory", "element") if key in block]
        for element in elements:
            if "action_id" in element:
                yield block, element


def buttons(blocks: Sequence[Block]) -> list[str]:
    """The labels of the buttons, in order; those of the feedback buttons too."""
    return [label for _, element in controls(blocks) for label, _ in labels(element)]


def labels(element: Block) -> list[tuple[str, str]]:
    """The labels of a button with their values; none where it is no button."""
    if element["type"] in {"button", "icon_button"}:
        return [(element["text"]["text"], element.get("value", ""))]
    if element["type"] == "feedback_buttons":
        both = (element["positive_button"], element["negative_button"])
        return [(button["text"]["text"], button["value"]) for button in both]
    return []
