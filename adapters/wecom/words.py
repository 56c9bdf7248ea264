"""What the WeCom adapter itself has to say to a person, in English and both kinds of Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from adapters._language import column

LANGUAGE = "zh-CN"
"""The language of a person, of which WeCom says nothing."""

_ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "thinking": "One moment, I am working on it…",
        "waits": "I am still answering your earlier message. This one comes next.",
        "offer": "{label}: send {command}",
        "number": "Reply with a number.",
        "rest": "There is more: send any message to get the rest.",
        "greeting": "Hello! Ask me anything: I answer with a language model. Send /help to see what I can do.",
        "media.image": "[A picture was made that WeCom does not take.]",
        "media.audio": "[A recording was made that WeCom does not take.]",
        "media.video": "[A video was made that WeCom does not take.]",
        "media.file": "[A file was made that WeCom does not take.]",
    }
)

_CHINESE: Mapping[str, str] = MappingProxyType(
    {
        "thinking": "请稍候，正在处理…",
        "waits": "我还在回答您的上一条消息，接下来就回答这一条。",
        "offer": "{label}：发送 {command}",
        "number": "请回复数字选择。",
        "rest": "内容未完：发送任意消息即可获取其余部分。",
        "greeting": "您好！随便问我：我用语言模型回答。发送“帮助”看看我会做什么。",
        "media.image": "【图片已生成，但企业微信没有接收。】",
        "media.audio": "【录音已生成，但企业微信没有接收。】",
        "media.video": "【视频已生成，但企业微信没有接收。】",
        "media.file": "【文件已生成，但企业微信没有接收。】",
    }
)

_TRADITIONAL: Mapping[str, str] = MappingProxyType(
    {
        "thinking": "請稍候，正在處理…",
        "waits": "我還在回答您的上一則訊息，接下來就回答這一則。",
        "offer": "{label}：發送 {command}",
        "number": "請回覆數字選擇。",
        "rest": "內容未完：發送任意訊息即可取得其餘部分。",
        "greeting": "您好！隨便問我：我用語言模型回答。發送「幫助」看看我會做什麼。",
        "media.image": "【圖片已產生，但企業微信沒有接收。】",
        "media.audio": "【錄音已產生，但企業微信沒有接收。】",
        "media.video": "【影片已產生，但企業微信沒有接收。】",
        "media.file": "【檔案已產生，但企業微信沒有接收。】",
    }
)


def say(language: str, key: str, **values: str | int) -> str:
    """The sentence for `key` in the language of a BCP 47 tag."""
    return (_ENGLISH, _CHINESE, _TRADITIONAL)[column(language)][key].format(**values)
