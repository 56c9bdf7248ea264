"""The forms that open over Slack: defining a role, asking about a message; what they hold when they come back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.slack.words import say

View = dict[str, Any]

ROLE, ASK = "role", "ask"
"""The forms' names: `callback_id`."""

NAME_LIMIT, PROMPT_LIMIT, QUESTION_LIMIT = 60, 3000, 3000
"""Characters. A text input holds at most 3,000: https://docs.slack.dev/reference/block-kit/block-elements/
plain-text-input-element"""

_EMOJI = tuple("🙂🤓🧐😎🤖🦊🦉🐼🐙🦄🧙🎓🎨🎲🎵🌍💼📚🔬🌱🍳💡🚀⭐")
"""Each one code point: the names of roles take no invisible joiners."""
_TITLE = 24  # https://docs.slack.dev/reference/views/modal-views
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with a form: block id → what to tell the person below that field."""

    errors: Mapping[str, str]

    def answer(self) -> View:
        """The acknowledgement that leaves the form open."""
        return {"response_action": "errors", "errors": dict(self.errors)}


# --- the forms -----------------------------------------------------------------------------------------------


def role_form(language: str, metadata: str) -> View:
    """The form that defines a role. `metadata` comes back with it (at most 3,000 characters)."""
    emoji = {
        "type": "static_select",
        "action_id": "value",
        "options": [{"text": _plain(one), "value": one} for one in _EMOJI],
    }
    blocks = [
        _input("name", say(language, "role.name"), _typed(NAME_LIMIT)),
        _input("emoji", say(language, "role.emoji"), emoji, optional=True),
        _input("prompt", say(language, "role.prompt"), _typed(PROMPT_LIMIT, lines=True)),
    ]
    return _form(language, ROLE, metadata, blocks)


def ask_form(language: str, metadata: str) -> View:
    """The form that asks about a message. `metadata` comes back with it (at most 3,000 characters)."""
    blocks = [_input("question", say(language, "ask.question"), _typed(QUESTION_LIMIT, lines=True))]
    return _form(language, ASK, metadata, blocks)


def told(language: str, text: str) -> View:
    """A window that only tells something."""
    return {
        "type": "modal",
        "title": _plain("Parley"),
        "close": _plain(say(language, "form.close")),
        "blocks": [{"type": "section", "text": _plain(text)}],
    }


def update(view: View) -> View:
    """The acknowledgement that shows another window in the form's place."""
    return {"response_action": "update", "view": view}


# --- what they hold ------------------------------------------------------------------------------------------


def role_command(view: Mapping[str, Any], language: str) -> str | Faults:
    """The command that defines the role, or what is wrong with the form."""
    name, emoji, prompt = (_value(view, block) for block in ("name", "emoji", "prompt"))
    named = _SPACE.sub(" ", f"{emoji} {name}" if emoji in _EMOJI else name)
    errors = {}
    if not name:
        errors["name"] = say(language, "role.name_empty")
    elif set(name) & set(":：\n\r"):
        errors["name"] = say(language, "role.name_colon")
    elif len(named) > NAME_LIMIT:
        errors["name"] = _too_long(language, named, NAME_LIMIT)
    if not prompt:
        errors["prompt"] = say(language, "role.prompt_empty")
    elif len(prompt) > PROMPT_LIMIT:
        errors["prompt"] = _too_long(language, prompt, PROMPT_LIMIT)
    if errors:
        return Faults(errors)
    return f"/role new {named}: {prompt}"


def question(view: Mapping[str, Any], language: str) -> str | Faults:
    """The question that was written, or what is wrong with the form."""
    asked = _value(view, "question")
    if not asked:
        return Faults({"question": say(language, "ask.empty")})
    if len(asked) > QUESTION_LIMIT:
        return Faults({"question": _too_long(language, asked, QUESTION_LIMIT)})
    return asked


def _too_long(language: str, text: str, limit: int) -> str:
    return say(language, "form.long", limit=limit, length=len(text))


def _value(view: Mapping[str, Any], block: str) -> str:
    """What a field holds: https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload"""
    fields = (view.get("state") or {}).get("values") or {}
    field = (fields.get(block) or {}).get("value") or {}
    chosen = field.get("selected_option") or {}
    return str(field.get("value") or chosen.get("value") or "").strip()


def _form(language: str, name: str, metadata: str, blocks: list[View]) -> View:
    return {
        "type": "modal",
        "callback_id": name,
        "private_metadata": metadata,
        "title": _plain(say(language, f"{name}.title")[:_TITLE]),
        "submit": _plain(say(language, f"{name}.submit")),
        "close": _plain(say(language, "form.cancel")),
        "blocks": blocks,
    }


def _input(block: str, label: str, element: View, *, optional: bool = False) -> View:
    return {
        "type": "input",
        "block_id": block,
        "label": _plain(label),
        "element": element,
        "optional": optional,
    }


def _typed(limit: int, *, lines: bool = False) -> View:
    return {"type": "plain_text_input", "action_id": "value", "max_length": limit, "multiline": lines}


def _plain(text: str) -> View:
    return {"type": "plain_text", "text": text, "emoji": True}
