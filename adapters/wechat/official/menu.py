"""The account's custom menu (自定义菜单), whose keys are commands.

Source: "创建接口", developers.weixin.qq.com: at most three buttons with at most five below each, names of at most 16
bytes, below them of at most 60.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

MENU = (
    ("对话", (("新对话", "/new"), ("继续", "/continue"), ("重试", "/retry"), ("总结", "/summary"))),
    ("选择", (("角色", "/role"), ("模型", "/model"), ("设置", "/settings"), ("会话", "/sessions"))),
    ("更多", (("帮助", "/help"), ("停止", "/stop"), ("用量", "/usage"), ("关于", "/about"))),
)
"""Each button's name, and those below it: name and command."""


def menu(known: Collection[str]) -> dict[str, Any]:
    """The menu as WeChat takes it, with the `known` commands (without their slash); all where none are known."""
    buttons = []
    for name, entries in MENU:
        below = [
            {"type": "click", "name": label, "key": command}
            for label, command in entries
            if not known or command.removeprefix("/") in known
        ]
        if below:
            buttons.append({"name": name, "sub_button": below})
    return {"button": buttons}
