"""What the Telegram adapter itself has to say to a person, in English and both kinds of Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from adapters._language import column

_ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "expired": "This button is too old. Please ask again.",
        "answer": "Answer",
        "question": "❓ {question}",
        "stranger": "You cannot use this bot here. Open the chat with it",
        "description": "Ask me anything: I answer with a language model. Send a message, /help shows what I can do.",
        "short": "Answers your questions with a language model.",
        "greeting": "Hello! To ask me something here, mention @{bot} or reply to one of my messages. "
        "/help@{bot} shows what I can do.",
    }
)

_CHINESE: Mapping[str, str] = MappingProxyType(
    {
        "expired": "这个按钮已过期，请重新提问。",
        "answer": "回答",
        "question": "❓ {question}",
        "stranger": "您不能在这里使用此机器人，点此打开与它的对话",
        "description": "随便问我：我用语言模型回答。直接发消息即可，/help 显示我会做什么。",
        "short": "用语言模型回答您的问题。",
        "greeting": "大家好！在这里提问，请 @{bot} 或回复我的消息。/help@{bot} 显示我会做什么。",
    }
)

_TRADITIONAL: Mapping[str, str] = MappingProxyType(
    {
        "expired": "這個按鈕已過期，請重新提問。",
        "answer": "回答",
        "question": "❓ {question}",
        "stranger": "您不能在這裡使用此機器人，點此打開與它的對話",
        "description": "隨便問我：我用語言模型回答。直接發訊息即可，/help 顯示我會做什麼。",
        "short": "用語言模型回答您的問題。",
        "greeting": "大家好！在這裡提問，請 @{bot} 或回覆我的訊息。/help@{bot} 顯示我會做什麼。",
    }
)


def say(language: str, key: str, **values: str | int) -> str:
    """The sentence for `key` in the language of a BCP 47 tag."""
    return (_ENGLISH, _CHINESE, _TRADITIONAL)[column(language)][key].format(**values)
