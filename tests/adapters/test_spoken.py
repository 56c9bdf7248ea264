"""Commands as people write them where there is no slash to be found."""

from __future__ import annotations

import pytest

from adapters._spoken import Spoken
from bot.api import MenuEntry

COMMANDS = [
    MenuEntry("help", {"en": "…"}, ("start", "帮助")),
    MenuEntry("new", {"en": "…"}, ("reset", "新对话")),
    MenuEntry("continue", {"en": "…"}, ("more", "继续")),
    MenuEntry("role", {"en": "…"}, ("角色",)),
]


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("#help", "/help"),
        ("＃帮助", "/help"),
        ("／帮助", "/help"),
        ("/帮助", "/help"),
        ("帮助", "/help"),
        (" 帮助 ", "/help"),
        ("#HELP", "/help"),
        ("# help", "/help"),
        ("#more", "/continue"),
        ("#角色 诗人", "/role 诗人"),
        ("/角色：诗人", "/role 诗人"),
        ("#role poet of the sea", "/role poet of the sea"),
        ("#role a\nb", "/role a\nb"),
    ],
)
def test_it_is_a_command(text: str, command: str) -> None:
    assert Spoken(COMMANDS).command(text) == command


@pytest.mark.parametrize("text", ["more", "help", "reset", "帮助我", "#", "#wow", "# heading", "/x", "", "1"])
def test_it_is_none(text: str) -> None:
    assert Spoken(COMMANDS).command(text) is None


def test_where_nothing_is_known_nothing_is_a_command() -> None:
    assert Spoken(()).command("#help") is None
