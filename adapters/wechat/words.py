"""What the WeChat adapter itself has to say to a person, in English and both kinds of Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from adapters._language import column

LANGUAGE = "zh-CN"
"""The language of a person, of which WeChat says nothing."""

_ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "thinking": "still thinking, reply 1 to get it",
        "waits": "I am still answering your earlier message; this one comes next.",
        "rest": "reply 1 for the rest",
        "number": "Reply with a number.",
        "offer": "{label}: send {command}",
        "greeting": "Hello! Ask me anything: I answer with a language model. Send #help to see what I can do.",
        "media.image": "[An image was made, but WeChat did not take it.]",
        "media.audio": "[A recording was made, but WeChat did not take it.]",
        "media.video": "[A video was made, but WeChat cannot show it here.]",
        "media.file": "[A file was made, but WeChat cannot show it here.]",
    }
)

_CHINESE: Mapping[str, str] = MappingProxyType(
    {
        "thinking": "还在思考，回复 1 获取",
        "waits": "我还在回答您的上一条消息，接下来就回答这一条。",
        "rest": "回复 1 继续看",
        "number": "请回复数字选择。",
        "offer": "{label}：发送 {command}",
        "greeting": "您好！随便问我：我用语言模型回答。发送“帮助”看看我会做什么。",
        "media.image": "【图片已生成，但微信没有接收。】",
        "media.audio": "【录音已生成，但微信没有接收。】",
        "media.video": "【视频已生成，但微信无法在这里显示。】",
        "media.file": "【文件已生成，但微信无法在这里显示。】",
    }
)

_TRADITIONAL: Mapping[str, str] = MappingProxyType(
    {
        "thinking": "還在思考，回覆 1 取得",
        "waits": "我還在回答您的上一則訊息，接下來就回答這一則。",
        "rest": "回覆 1 繼續看",
        "number": "請回覆數字選擇。",
        "offer": "{label}：發送 {command}",
        "greeting": "您好！隨便問我：我用語言模型回答。發送「幫助」看看我會做什麼。",
        "media.image": "【圖片已產生，但微信沒有接收。】",
        "media.audio": "【錄音已產生，但微信沒有接收。】",
        "media.video": "【影片已產生，但微信無法在這裡顯示。】",
        "media.file": "【檔案已產生，但微信無法在這裡顯示。】",
    }
)


def say(language: str, key: str, **values: str | int) -> str:
    """The sentence for `key` in the language of a BCP 47 tag."""
    return (_ENGLISH, _CHINESE, _TRADITIONAL)[column(language)][key].format(**values)


def both(key: str) -> str:
    """The sentence in Chinese and English, for what must be understood by whoever reads it."""
    return f"{_CHINESE[key]} / {_ENGLISH[key]}"
