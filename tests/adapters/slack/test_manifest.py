"""The app's manifest asks for what the adapter uses, and for nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.slack import modals, shortcuts
from adapters.slack.scopes import EVENTS, METHODS, NEEDED, WITHOUT
from adapters.slack.words import say

ROOT = Path(__file__).parents[3]
SOURCES = sorted((ROOT / "adapters/slack").glob("*.py"))
MANIFEST = ROOT / "deploy/slack/manifest.yaml"
METHOD = re.compile(
    r"(?:agents|apps|assistant|auth|chat|conversations|files|oauth|users|views)(?:\.[a-zA-Z0-9]+)+"
)


def read(text: str) -> Any:
    """The part of YAML that the manifest is written in: mappings, lists, plain and quoted words, comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found, rest = _block([(len(line) - len(line.lstrip()), line.strip()) for line in lines], 0)
    assert not rest
    return found


def _block(lines: list[tuple[int, str]], depth: int) -> tuple[Any, list[tuple[int, str]]]:
    if lines[0][1].startswith("- "):
        items = []
        while lines and lines[0][0] == depth and lines[0][1].startswith("- "):
            first = lines[0][1][2:]
            if not re.match(r"[\w.]+:(?: |$)", first):
                items.append(_word(first))
                lines = lines[1:]
                continue
            item, lines = _block([(depth + 2, first), *lines[1:]], depth + 2)
            items.append(item)
        return items, lines
    found: dict[str, Any] = {}
    while lines and lines[0][0] == depth:
        key, _, value = lines[0][1].partition(":")
        assert key not in found, f"{key} twice"
        lines = lines[1:]
        if value.strip():
            found[key] = _word(value.strip())
        else:
            found[key], lines = _block(lines, lines[0][0])
    return found, lines


def _word(text: str) -> str | bool | int:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdecimal() else text.removeprefix('"').removesuffix('"')


@pytest.fixture(scope="module")
def manifest() -> Any:
    return read(MANIFEST.read_text(encoding="utf-8"))


def called() -> set[str]:
    """The names of all methods of the Web API that stand in the adapter's source, outside of its tables."""
    return {
        node.value
        for path in SOURCES
        if path.name != "scopes.py"
        for node in without_docstrings(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and METHOD.fullmatch(node.value)
    } | {
        node.attr.replace("_", ".")
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr.replace("_", ".") in METHODS
    }


def without_docstrings(tree: ast.Module) -> Iterator[ast.AST]:
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return (node for node in ast.walk(tree) if id(node) not in prose)


def test_the_manifest_asks_for_exactly_the_scopes_that_the_tables_need(manifest: Any) -> None:
    assert manifest["oauth_config"]["scopes"]["bot"] == sorted(NEEDED)
    assert "user" not in manifest["oauth_config"]["scopes"]


def test_every_method_that_the_adapter_calls_is_in_the_table_and_no_other() -> None:
    assert called() == set(METHODS)


def test_the_manifest_subscribes_to_exactly_the_events_of_the_table(manifest: Any) -> None:
    assert manifest["settings"]["event_subscriptions"]["bot_events"] == sorted(EVENTS)


def test_it_is_known_of_every_scope_what_does_not_work_without_it() -> None:
    assert set(WITHOUT) == NEEDED


def test_the_shortcuts_are_those_that_the_adapter_knows(manifest: Any) -> None:
    found = {shortcut["callback_id"]: shortcut for shortcut in manifest["features"]["shortcuts"]}
    assert set(found) == {shortcuts.SUMMARISE, shortcuts.TRANSLATE, shortcuts.ASK}
    assert {shortcut["type"] for shortcut in found.values()} == {"message"}
    assert all(len(shortcut["name"]) <= 24 for shortcut in found.values())
    assert found[shortcuts.ASK]["name"] == say("en", f"{modals.ASK}.title")


def test_what_the_manifest_says_fits_slacks_limits(manifest: Any) -> None:
    shown, features = manifest["display_information"], manifest["features"]
    assert len(shown["name"]) <= 35
    assert len(shown["description"]) <= 140
    assert len(features["agent_view"]["agent_description"]) <= 300
    assert 1 <= len(features["agent_view"]["suggested_prompts"]) <= 4
    assert [command["command"] for command in features["slash_commands"]] == ["/parley"]


def test_the_manifest_is_for_socket_mode_and_names_what_http_needs(manifest: Any) -> None:
    assert manifest["settings"]["socket_mode_enabled"] is True
    assert manifest["settings"]["token_rotation_enabled"] is False
    assert "request_url" not in manifest["settings"]["event_subscriptions"]
    assert MANIFEST.read_text(encoding="utf-8").count("/slack/events") == 3


def test_a_person_can_write_to_the_bot_and_open_its_home_tab(manifest: Any) -> None:
    assert manifest["features"]["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }
    assert manifest["settings"]["interactivity"] == {"is_enabled": True}


def test_the_guide_says_of_every_scope_what_it_is_for() -> None:
    guide = (ROOT / "docs/slack.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `([a-z_]+:?[a-z]*)` \| (.+) \|$", guide, re.MULTILINE)) == {
        scope: WITHOUT[scope] for scope in sorted(NEEDED)
    }
