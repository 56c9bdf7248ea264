"""The Home tab: what it shows, and what its controls say."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.slack.home import Note, chosen, tab
from bot.api import Option, Overview, Setting
from tests.simulators.slack import blocks as kit

ROLE = Setting(
    "role", "Role", (Option("🙂 Assistant", "/role assistant"), Option("🍳 Chef", "/role chef")), "/role chef"
)


def texts(view: dict[str, Any]) -> str:
    """All that stands in a view."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("type") == "plain_text":
                found.append(value["text"])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(view)
    return "\n".join(found)


def menu(view: dict[str, Any]) -> dict[str, Any]:
    return next(block["accessory"] for block in view["blocks"] if "accessory" in block)


def test_choices_usage_and_the_operation_are_shown() -> None:
    overview = Overview((ROLE,), ("Today: 1,200 tokens", "Left: $0.80"), ("All: $12.00",))
    shown = texts(kit.view(tab("en-US", overview), "home"))
    for words in ("Role", "🍳 Chef", "Today: 1,200 tokens\nLeft: $0.80", "All: $12.00", "Define a role"):
        assert words in shown


def test_who_is_no_admin_sees_nothing_of_the_operation() -> None:
    assert "All people together" not in texts(tab("en", Overview((ROLE,), ("Today: nothing",))))


def test_the_value_in_force_is_chosen_already() -> None:
    assert menu(tab("en", Overview((ROLE,))))["initial_option"]["value"] == "/role chef"


@pytest.mark.parametrize("current", ["🍳 Chef", "/role chef"])
def test_the_value_in_force_may_be_named_by_its_label_too(current: str) -> None:
    setting = Setting("role", "Role", ROLE.options, current)
    assert menu(tab("en", Overview((setting,))))["initial_option"]["value"] == "/role chef"


def test_a_value_that_is_not_among_the_options_is_still_shown() -> None:
    found = menu(tab("en", Overview((Setting("model", "Model", ROLE.options, "some-model"),))))
    assert "initial_option" not in found
    assert found["placeholder"]["text"] == "some-model"


def test_a_setting_without_options_is_a_line_of_text() -> None:
    assert "Model: only-one" in texts(tab("en", Overview((Setting("model", "Model", (), "only-one"),))))


def test_more_than_slack_can_show_is_cut_and_never_refused() -> None:
    options = tuple(Option(f"{n} " + "x" * 100, f"/role {n}") for n in range(150))
    long = (Option("long", "/model " + "m" * 200),)
    settings = tuple(Setting(f"s{n}", "L" * 4000, options + long, options[120].value) for n in range(120))
    note = Note("n" * 5000, tuple(Option("", f"/do {n}") for n in range(40)))
    view = tab("zh-TW", Overview(settings, ("u" * 4000,), ("o" * 4000,)), note)
    assert len(kit.view(view, "home")["blocks"]) <= 100


def test_empty_labels_do_not_break_the_tab() -> None:
    setting = Setting("", "", (Option("", "/role x"), Option("y", "")), "")
    assert menu(kit.view(tab("", Overview((setting,))), "home"))["options"][0]["text"]["text"] == "/role x"


def test_what_cannot_be_asked_of_the_core_is_a_plain_line() -> None:
    view = kit.view(tab("en", None), "home")
    assert "cannot be shown just now" in texts(view)
    assert not any("accessory" in block for block in view["blocks"])


def test_a_stranger_is_told_how_to_get_access_and_is_shown_no_choices() -> None:
    view = kit.view(tab("zh-CN", None, admitted=False), "home")
    assert "您还不能使用此机器人" in texts(view)
    assert not any(block["type"] == "actions" for block in view["blocks"])


def test_the_answer_of_a_command_stands_on_top_with_what_it_offers() -> None:
    view = kit.view(
        tab("en", Overview((ROLE,)), Note("Delete Fox?", (Option("Yes", "/role delete fox yes"),))), "home"
    )
    assert [block["type"] for block in view["blocks"][:4]] == ["header", "section", "actions", "divider"]
    button = view["blocks"][2]["elements"][0]
    assert (button["action_id"], chosen(button)) == ("home:do:0", "/role delete fox yes")


def test_names_are_not_read_as_markup() -> None:
    setting = Setting("role", "<!channel> *Role*", ROLE.options)
    section = next(block for block in tab("en", Overview((setting,)))["blocks"] if "accessory" in block)
    assert section["text"]["type"] == "plain_text"


@pytest.mark.parametrize(
    ("action", "command"),
    [
        ({"selected_option": {"value": "/role chef"}}, "/role chef"),
        ({"value": "/new"}, "/new"),
        ({"selected_option": None}, ""),
        ({}, ""),
    ],
)
def test_the_command_behind_a_control(action: dict[str, Any], command: str) -> None:
    assert chosen(action) == command
