"""What the Telegram adapter itself has to say to a person, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "expired": "This button is too old. Please ask again.",
        "answer": "Answer",
        "question": "❓ {question}",
        "stranger": "You cannot use this bot here. Open the chat with it",
        "description": "Ask me anything: I answer with a language model. Send a message, /help shows what I can do.",
        "short": "Answers your questions with a language model.",
    }
)

_CHINESE: Mapping[str, str] = MappingProxyType(
    {
        "expired": "这个按钮已过期，请重新提问。",
        "answer": "回答",
        "question": "❓ {question}",
        "stranger": "你不能在这里使用此机器人，点此打开与它的对话",
        "description": "随便问我：我用语言模型回答。直接发消息即可，/help 显示我会做什么。",
        "short": "用语言模型回答你的问题。",
    }
)


def say(language: str, key: str, **values: str | int) -> str:
    """The sentence for `key`: Chinese for any `zh` tag, else English."""
    chinese = language.lower().split("-")[0] == "zh"
    return (_CHINESE if chinese else _ENGLISH)[key].format(**values)
