"""Blocks and views as strict as Slack: checked with slack_sdk's models, and by hand where those look away."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block, BlockElement, InputInteractiveElement, InteractiveElement
from slack_sdk.models.views import View as ViewModel

from tests.simulators.slack.reading import controls
from tests.simulators.slack.refusal import Refused

MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
ALL_TEXT = 13_200  # slackapi/bolt-js#2509
TEXT = 40_000  # then it is cut (chat.postMessage)
VIEW_BYTES = 250_000
_STYLES = {None, "primary", "danger"}
_IN_MESSAGES = frozenset(
    [
        "actions",
        "alert",
        "card",
        "carousel",
        "container",
        "context",
        "context_actions",
        "divider",
        "file",
        "header",
        "image",
        "input",
        "markdown",
        "plan",
        "rich_text",
        "section",
        "table",
        "task_card",
        "video",
    ]
)
_IN_VIEWS = frozenset(
    ["actions", "context", "divider", "header", "image", "input", "rich_text", "section", "video"]
)
_OWN_RULES = frozenset(["alert", "card", "carousel", "container", "plan", "rich_text", "table", "task_card"])
_TEXTS = {"plain_text": {"type", "text", "emoji"}, "mrkdwn": {"type", "text", "verbatim"}}
logging.getLogger("slack_sdk.models.blocks").setLevel(logging.ERROR)


def message_blocks(given: Any, limit: int = MESSAGE_BLOCKS) -> list[dict[str, Any]]:
    """The blocks of a message with ids; raises Refused."""
    blocks = _checked(given, _IN_MESSAGES, "invalid_blocks", limit)
    if sum(len(words) for words in _words(blocks)) > ALL_TEXT:
        raise Refused("msg_blocks_too_long")
    return blocks


def view(given: Any, kind: str | None = None) -> dict[str, Any]:
    """A view with ids in its blocks; raises Refused. `kind` is what the method takes: home, modal or both."""
    if not isinstance(given, Mapping) or given.get("type") not in {"home", "modal"}:
        raise Refused("invalid_arguments", "failed to match all allowed schemas [json-pointer:/view]")
    if kind is not None and given["type"] != kind:
        raise Refused("invalid_arguments", f"must be of type {kind} [json-pointer:/view/type]")
    document = dict(given)
    document["blocks"] = _checked(given.get("blocks"), _IN_VIEWS, "invalid_arguments", VIEW_BLOCKS, "/view")
    try:
        model = ViewModel(**document)
        model.validate_json()
    except (SlackObjectFormationError, TypeError, AttributeError) as error:
        raise Refused("invalid_arguments", f"{error} [json-pointer:/view]") from error
    if model.additional_attributes:
        wrong = ", ".join(model.additional_attributes)
        raise Refused("invalid_arguments", f"additional properties not allowed: {wrong} [json-pointer:/view]")
    if document["type"] == "modal":
        _modal(document)
    if len(json.dumps(document)) > VIEW_BYTES:
        raise Refused("view_too_large")
    return document


def _modal(document: Mapping[str, Any]) -> None:
    if "title" not in document:
        raise Refused("invalid_arguments", "missing required field: title [json-pointer:/view]")
    for name in ("title", "submit", "close"):
        if name in document:
            _text_object(document[name], f"/view/{name}", "invalid_arguments", plain=True)
    inputs = any(block["type"] == "input" for block in document["blocks"])
    if inputs and "submit" not in document:
        raise Refused("invalid_arguments", "missing required field: submit [json-pointer:/view]")


def _checked(
    given: Any, kinds: frozenset[str], error: str, limit: int, root: str = ""
) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(block, Mapping) for block in given):
        raise Refused("invalid_blocks_format" if error == "invalid_blocks" else error, "must be an array")
    if len(given) > limit:
        raise Refused(error, f"no more than {limit} items allowed [json-pointer:{root}/blocks]")
    blocks = [json.loads(json.dumps(block)) for block in given]
    for position, block in enumerate(blocks):
        _block(block, f"{root}/blocks/{position}", kinds, error)
    ids = [block["block_id"] for block in blocks]
    if len(set(ids)) < len(ids):
        raise Refused(error, "block_id already exists")
    return blocks


def _block(block: dict[str, Any], place: str, kinds: frozenset[str], error: str) -> None:
    if block.get("type") not in kinds:
        raise Refused(error, f"unsupported type: {block.get('type')} [json-pointer:{place}/type]")
    try:
        model = Block.parse(block)
        if model is not None:
            model.to_dict()
    except (SlackObjectFormationError, TypeError, AttributeError, KeyError) as problem:
        raise Refused(error, f"{problem} [json-pointer:{place}]") from problem
    if model is not None and (wrong := set(block) - model.attributes - {"type", "block_id"}):
        raise Refused(error, f"additional properties not allowed: {sorted(wrong)} [json-pointer:{place}]")
    block.setdefault("block_id", uuid4().hex[:5])
    for inner, path in _objects(block, place):
        if "type" not in inner:
            continue
        if inner["type"] in _TEXTS:
            _text_object(inner, path, error)
        elif inner is not block and block["type"] not in _OWN_RULES:
            _element(inner, path, error)
    _rules(block, place, error)


def _rules(block: Mapping[str, Any], place: str, error: str) -> None:
    kind = block["type"]
    if kind == "header":
        _text_object(block["text"], f"{place}/text", error, plain=True)
    if kind == "section" and "text" in block:
        _text_object(block["text"], f"{place}/text", error)
    if kind == "markdown" and not block.get("text"):
        raise Refused(error, f"must be more than 0 characters [json-pointer:{place}/text]")
    if kind in {"actions", "context", "context_actions"} and not block.get("elements"):
        raise Refused(error, f"no less than 1 items allowed [json-pointer:{place}/elements]")
    if kind == "section" and any(len(field["text"]) > 2_000 for field in block.get("fields", ())):
        raise Refused(error, f"must be less than 2001 characters [json-pointer:{place}/fields]")
    if kind == "context_actions":
        allowed = {"feedback_buttons", "icon_button"}
        if any(element["type"] not in allowed for element in block["elements"]):
            raise Refused(error, f"unsupported element [json-pointer:{place}/elements]")
    names = [element["action_id"] for _, element in controls([block])]
    if len(set(names)) < len(names):
        raise Refused(error, f"action_id already exists [json-pointer:{place}]")


def _element(element: dict[str, Any], path: str, error: str) -> None:
    try:
        model = BlockElement.parse(element)
    except (TypeError, AttributeError, KeyError) as problem:
        raise Refused(error, f"{problem} [json-pointer:{path}]") from problem
    if not isinstance(model, BlockElement):
        if element["type"] != "feedback_buttons":
            raise Refused(error, f"unsupported type: {element['type']} [json-pointer:{path}/type]")
        return
    if wrong := set(element) - model.attributes - {"type"}:
        raise Refused(error, f"additional properties not allowed: {sorted(wrong)} [json-pointer:{path}]")
    if isinstance(model, InteractiveElement | InputInteractiveElement) or "action_id" in model.attributes:
        element.setdefault("action_id", uuid4().hex[:5])
    if element["type"] == "button":
        if element.get("style") not in _STYLES:
            raise Refused(error, f"invalid style [json-pointer:{path}/style]")
        _text_object(element["text"], f"{path}/text", error, plain=True)
    _options(element, path, error)


def _options(element: Mapping[str, Any], path: str, error: str) -> None:
    options = [*element.get("options", ())]
    options += [one for group in element.get("option_groups", ()) for one in group["options"]]
    if "options" in element and not options:
        raise Refused(error, f"no less than 1 items allowed [json-pointer:{path}/options]")
    for option in options:
        _option(option, path, error)
    if len({option["value"] for option in options}) < len(options):
        raise Refused(error, f"option values must be unique [json-pointer:{path}/options]")
    if (first := element.get("initial_option")) is not None and first not in options:
        raise Refused(error, f"initial_option is not among the options [json-pointer:{path}]")


def _option(option: Any, path: str, error: str) -> None:
    if not isinstance(option, Mapping) or "text" not in option or "value" not in option:
        raise Refused(error, f"an option has a text and a value [json-pointer:{path}/options]")
    if len(option["text"]["text"]) > 75 or not 0 < len(option["value"]) <= 150:
        raise Refused(error, f"an option's text or value is too long [json-pointer:{path}/options]")
    if len((option.get("description") or {}).get("text", "")) > 75:
        raise Refused(error, f"an option's description is too long [json-pointer:{path}/options]")


def _text_object(given: Any, path: str, error: str, *, plain: bool = False) -> None:
    if not isinstance(given, Mapping) or given.get("type") not in _TEXTS:
        raise Refused(error, f"must be a text object [json-pointer:{path}]")
    if plain and given["type"] != "plain_text":
        raise Refused(error, f"must be plain_text [json-pointer:{path}/type]")
    if not isinstance(given.get("text"), str) or not given["text"]:
        raise Refused(error, f"must be more than 0 characters [json-pointer:{path}/text]")
    if len(given["text"]) > 3_000:
        raise Refused(error, f"must be less than 3001 characters [json-pointer:{path}/text]")
    if wrong := set(given) - _TEXTS[given["type"]]:
        raise Refused(error, f"additional properties not allowed: {sorted(wrong)} [json-pointer:{path}]")


def _objects(thing: Any, path: str) -> Iterator[tuple[dict[str, Any], str]]:
    if isinstance(thing, dict):
        yield thing, path
        for key, value in thing.items():
            yield from _objects(value, f"{path}/{key}")
    elif isinstance(thing, list):
        for position, value in enumerate(thing):
            yield from _objects(value, f"{path}/{position}")


def _words(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for block in blocks:
        for inner, _ in _objects(dict(block), ""):
            yield from (value for key, value in inner.items() if key == "text" and isinstance(value, str))
