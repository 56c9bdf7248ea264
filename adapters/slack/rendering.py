"""What an answer looks like in Slack: Markdown, plain text, buttons and ratings as blocks within every limit.

Limits: https://docs.slack.dev/reference/block-kit/blocks/ and, for what stands nowhere, what was measured
(https://github.com/slackapi/bolt-js/issues/2509: the blocks of a message have room for about 13,200 characters;
https://github.com/CopilotKit/CopilotKit/issues/6063: a stream for about 12,000).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from adapters._split import Tail, divide
from bot.api import Option

Block = dict[str, Any]

TEXT_LIMIT = 9_000
"""Characters of Markdown in one message: what a stream and a markdown block surely take."""

_WEIGHT_LIMIT = 11_000  # the same in UTF-16 units, with `<`, `>` and `&` as Slack keeps them
_SECTION = 3_000
_SECTIONS = 4  # of one message
_FALLBACK = 3_000
_LABEL = 75
_VALUE = 2_000
_SELECT_VALUE = 150
_ROW = 25  # elements of an actions block
_BUTTONS = 25
_SELECT = 100
_SELECTS = 5
_ACTION_ROWS = 4

# What calls people: https://docs.slack.dev/messaging/formatting-message-text#special-mentions
_CALL = re.compile(r"<(?=!(?:channel|here|everyone|subteam\^)|@[UWB])")
_HALF_CALL = re.compile(r"<(?:[!@][^<>\s]{0,64})?\Z")
_LAST_FENCE = re.compile(r"\n+[ \t]{0,12}(?:`{3,}|~{3,})[ \t]*\Z")
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_JOINT = 64  # characters in which a word of two letters is looked for
_JOINER = "\u2060"


def safe(text: str) -> str:
    """Text that Slack takes and that calls nobody: a mention which a model writes is shown as it stands."""
    return _CALL.sub(f"<{_JOINER}", _clean(text))


def fits(text: str) -> bool:
    """Whether Markdown, made `safe`, is one message."""
    if len(text) > TEXT_LIMIT:
        return False
    units = len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
    return units + 3 * (text.count("<") + text.count(">")) + 4 * text.count("&") <= _WEIGHT_LIMIT


def stable(text: str) -> str:
    """The beginning of a growing, `safe` text that later words cannot change, and to which they can be joined.

    A fence line at its end may have been put there to close code which goes on, and half a mention may become one.
    It ends within a word, because blanks at the joints of a stream's pieces have been seen to disappear.
    """
    text = _LAST_FENCE.sub("", _HALF_CALL.sub("", text)).rstrip("\n")
    for end in range(len(text) - 1, max(0, len(text) - _JOINT), -1):
        if text[end - 1].isalnum() and text[end].isalnum():
            return text[:end]
    return text[:-1].rstrip()


def escaped(text: str) -> str:
    """Plain text for a field that Slack reads as its own markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fallback(text: str) -> str:
    """What notifications and screen readers get beside the blocks."""
    return escaped(text if len(text) <= _FALLBACK else text[: _FALLBACK - 1] + "…") or "…"


def markdown(text: str) -> list[Block]:
    """`safe` Markdown that `fits`."""
    return [{"type": "markdown", "text": text}]


def plain(text: str) -> list[Block]:
    """Plain text as it stands, or with its addresses as links; at most `_SECTION` times `_SECTIONS` characters."""
    return [{"type": "section", "text": _words(piece)} for piece in _pieces(text)]


def split_plain(text: str) -> list[str]:
    """Plain text in pieces that `plain` takes, each for a message of its own."""
    pieces = _pieces(_clean(text))
    return ["\n".join(pieces[start : start + _SECTIONS]) for start in range(0, len(pieces), _SECTIONS)]


def buttons(options: Sequence[Option]) -> list[Block]:
    """Options as buttons; none for one whose value does not go into a button."""
    known = [option for option in options if option.label.strip() and 0 < len(option.value) <= _VALUE]
    elements = [
        {"type": "button", "text": _label(option), "value": option.value, "action_id": f"say:{number}"}
        for number, option in enumerate(known[: _ROW * _ACTION_ROWS])
    ]
    return [
        {"type": "actions", "elements": elements[start : start + _ROW]}
        for start in range(0, len(elements), _ROW)
    ]


def choices(options: Sequence[Option]) -> list[Block]:
    """The options of a question: buttons, or menus to choose from where there are more than fit a row."""
    options = list({option.value: option for option in reversed(options)}.values())[::-1]
    short = [option for option in options if option.label.strip() and 0 < len(option.value) <= _SELECT_VALUE]
    if len(options) <= _BUTTONS or len(short) < len(options):
        return buttons(options)
    menus = [short[start : start + _SELECT] for start in range(0, len(short), _SELECT)][:_SELECTS]
    elements = [
        {
            "type": "static_select",
            "action_id": f"pick:{number}",
            "placeholder": {"type": "plain_text", "text": "…", "emoji": True},
            "options": [{"text": _label(option), "value": option.value} for option in menu],
        }
        for number, menu in enumerate(menus)
    ]
    return [{"type": "actions", "elements": elements}]


def ratings(good_and_bad: Sequence[Option]) -> list[Block]:
    """Slack's form for a good word and a bad one (its feedback_buttons); nothing without both."""
    if len(good_and_bad) < 2:
        return []
    good, bad = good_and_bad[:2]
    element = {
        "type": "feedback_buttons",
        "action_id": "rate",
        "positive_button": {"text": _label(good), "value": good.value},
        "negative_button": {"text": _label(bad), "value": bad.value},
    }
    return [{"type": "context_actions", "elements": [element]}]


def labels(below: Sequence[Block]) -> str:
    """The words on buttons, for where there are only buttons."""
    elements = [element for block in below for element in block.get("elements", ())]
    return " · ".join(element["text"]["text"] for element in elements if element["type"] == "button")


def _clean(text: str) -> str:
    """Without NUL, and with halves of characters made whole: neither can be sent."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")


def _label(option: Option) -> Block:
    label = option.label.strip()
    return {
        "type": "plain_text",
        "text": label if len(label) <= _LABEL else label[: _LABEL - 1] + "…",
        "emoji": True,
    }


def _words(text: str) -> Block:
    if _ADDRESS.search(text) and len(escaped(text)) <= _SECTION:
        return {"type": "mrkdwn", "text": escaped(text)}
    return {"type": "plain_text", "text": text, "emoji": False}


def _pieces(text: str) -> list[str]:
    if len(text) <= _SECTION:
        return [text] if text.strip() else []
    found, tail = [], Tail(text)
    while (parts := divide(tail, lambda part: len(part) <= _SECTION, limit=_SECTION)) is not None:
        found.append(parts[0])
        tail = parts[1]
    return [piece for piece in [*found, tail.shown] if piece]
