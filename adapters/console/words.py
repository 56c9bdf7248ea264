"""The console's own few words, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "hint": "/help tells more. Alt+Enter begins a new line, Ctrl-C stops an answer, Ctrl-D ends.",
        "thinking": "thinking…",
        "typing": "typing…",
        "drawing": "drawing…",
        "listening": "listening…",
        "again": "(the answer begins again)",
        "stopping": "(stopping; press Ctrl-C again to wait no longer)",
        "away": "The bot cannot reach its memory. It keeps trying; nothing that was accepted is lost.",
        "saved": "[{kind}: {path}]",
        "unsaved": "[{kind}: could not be saved in {path}]",
    }
)
_CHINESE: Mapping[str, str] = MappingProxyType(
    {
        "hint": "输入 /help 查看用法。Alt+Enter 换行，Ctrl-C 停止回答，Ctrl-D 退出。",
        "thinking": "思考中…",
        "typing": "输入中…",
        "drawing": "绘图中…",
        "listening": "聆听中…",
        "again": "（重新回答）",
        "stopping": "（正在停止；再按一次 Ctrl-C 不再等待）",
        "away": "机器人暂时连不上存储，正在重试；已接收的消息不会丢失。",
        "saved": "[{kind}: {path}]",
        "unsaved": "[{kind}: 无法保存到 {path}]",
    }
)


def say(language: str, key: str, **values: str | int) -> str:
    """The sentence for `key` in `language` (a BCP 47 tag); English where we do not speak it."""
    return (_CHINESE if language.lower().startswith("zh") else _ENGLISH)[key].format(**values)
