"""Slack's message texts: whom they name, and what a person reads in them.

Escapes and the forms in angle brackets: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
_FORM = re.compile(r"<([^<>\n]+)>")
_USER = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^<>\n]*)?>")


def mentioned(text: str) -> tuple[str, ...]:
    """The ids of the users that a text names, each once, in order."""
    return tuple(dict.fromkeys(_USER.findall(text)))


def calls(text: str, user: str) -> bool:
    """Whether a text names a user outside of code."""
    return any(user in _USER.findall(prose) for prose in _CODE.split(text)[::2])


def without(text: str, user: str) -> str:
    """The text without the mentions of a user, and the comma behind a first one; code stays as it is."""
    name = rf"<@{re.escape(user)}(?:\|[^<>\n]*)?>"
    begin = re.compile(rf"\A(?:\s*{name}\s*[,:，：]?\s*)+")
    inside = re.compile(rf"(?m)^[ \t]*{name}[ \t]*|[ \t]*{name}")
    parts = _CODE.split(begin.sub("", text))
    parts[::2] = [inside.sub("", prose) for prose in parts[::2]]
    return "".join(parts).strip()


def plain(text: str, names: Mapping[str, str]) -> str:
    """What a person reads. `names`: user id → name; whoever is not among them is known by the id."""
    shown = _FORM.sub(lambda form: _shown(form[1], names), text)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def escaped(text: str) -> str:
    """Plain text as Slack wants it, so that nothing in it becomes a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shown(form: str, names: Mapping[str, str]) -> str:
    target, _, label = form.partition("|")
    sign, rest = target[:1], target[1:]
    if sign == "@":
        return f"@{names.get(rest) or label or rest}"
    if sign == "#":
        return f"#{label or rest}"
    if sign == "!":
        return label or f"@{rest.partition('^')[0]}"
    address = re.sub(r"\A(?:mailto|tel):", "", target)
    return address if not label or label in address else f"{label} ({address})"
