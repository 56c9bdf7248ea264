"""A message with every control and a modal, for the tests of the simulated Slack."""

from __future__ import annotations

from typing import Any

CONTROLS: list[dict[str, Any]] = [
    {"type": "markdown", "text": "**Choose**"},
    {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": "say:1",
                "text": {"type": "plain_text", "text": "Retry"},
                "value": "/retry",
            },
            {
                "type": "static_select",
                "action_id": "pick:1",
                "placeholder": {"type": "plain_text", "text": "Role"},
                "options": [{"text": {"type": "plain_text", "text": "Chef"}, "value": "/role chef"}],
            },
        ],
    },
    {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": "rate",
                "positive_button": {"text": {"type": "plain_text", "text": "👍"}, "value": "/feedback good"},
                "negative_button": {"text": {"type": "plain_text", "text": "👎"}, "value": "/feedback bad"},
            }
        ],
    },
]

MODAL: dict[str, Any] = {
    "type": "modal",
    "callback_id": "role",
    "title": {"type": "plain_text", "text": "A role"},
    "submit": {"type": "plain_text", "text": "Save"},
    "blocks": [
        {
            "type": "input",
            "block_id": "name",
            "label": {"type": "plain_text", "text": "Name"},
            "element": {"type": "plain_text_input", "action_id": "value", "max_length": 10},
        }
    ],
}


HOME: dict[str, Any] = {
    "type": "home",
    "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*Hi*"}}],
}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def button(**fields: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": "a", "text": plain("Go"), "value": "v"} | fields


def actions(*elements: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements), **fields}


def select(**fields: Any) -> dict[str, Any]:
    option = {"text": plain("One"), "value": "1"}
    return {"type": "static_select", "action_id": "s", "options": [option], **fields}


def options(count: int) -> list[dict[str, Any]]:
    return [{"text": plain(f"{number}"), "value": f"{number}"} for number in range(count)]


def markdown(text: str) -> dict[str, Any]:
    return {"type": "markdown", "text": text}


def section(text: Any) -> dict[str, Any]:
    return {"type": "section", "text": text}
