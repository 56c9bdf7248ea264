"""What the smart bot itself has to say to a person, in English and both kinds of Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from adapters._language import column

LANGUAGE = "zh-CN"
"""The language of a person, of which WeCom says nothing."""

_SENTENCES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "together": (
            "Answered together with your other message.",
            "已与您的另一条消息一并回答。",
            "已與您的另一則訊息一併回答。",
        ),
        "goes_on": (
            "(It goes on in the next message.)",
            "（下一条消息继续。）",
            "（下一則訊息繼續。）",
        ),
        "later": (
            "This takes longer. The answer will come as a message of its own.",
            "还需要一些时间，回答会另发一条消息。",
            "還需要一些時間，回答會另發一則訊息。",
        ),
        "below": (
            "The answer is in the next message.",
            "回答见下一条消息。",
            "回答見下一則訊息。",
        ),
        "too_long": (
            "(The rest is too long for WeCom to show. Ask for a shorter answer, or for one part of it.)",
            "（其余内容过长，企业微信无法显示。请要求更短的回答，或只问其中一部分。）",
            "（其餘內容過長，企業微信無法顯示。請要求更短的回答，或只問其中一部分。）",
        ),
        "unknown": (
            "This answer is not known any more. Please ask again.",
            "这个回答已经找不到了，请再问一次。",
            "這個回答已經找不到了，請再問一次。",
        ),
        "waits": (
            "I am still answering an earlier message here. This one comes next.",
            "我还在回答这里的上一条消息，接下来就回答这一条。",
            "我還在回答這裡的上一則訊息，接下來就回答這一則。",
        ),
        "attached": ("Here it is:", "如下：", "如下："),
        "number": ("Reply with a number.", "请回复数字选择。", "請回覆數字選擇。"),
        "offer": ("{label}: send {command}", "{label}：发送 {command}", "{label}：發送 {command}"),
        "greeting": (
            "Hello! Ask me anything: I answer with a language model. Send /help to see what I can do.",
            "您好！随便问我：我用语言模型回答。发送“帮助”看看我会做什么。",
            "您好！隨便問我：我用語言模型回答。發送「幫助」看看我會做什麼。",
        ),
        "media.image": (
            "[A picture was made that WeCom cannot show here.]",
            "【图片已生成，但企业微信无法在这里显示。】",
            "【圖片已產生，但企業微信無法在這裡顯示。】",
        ),
        "media.audio": (
            "[A recording was made that WeCom cannot play here.]",
            "【录音已生成，但企业微信无法在这里播放。】",
            "【錄音已產生，但企業微信無法在這裡播放。】",
        ),
        "media.video": (
            "[A video was made that WeCom cannot show here.]",
            "【视频已生成，但企业微信无法在这里显示。】",
            "【影片已產生，但企業微信無法在這裡顯示。】",
        ),
        "media.file": (
            "[A file was made that WeCom cannot take here.]",
            "【文件已生成，但企业微信无法在这里接收。】",
            "【檔案已產生，但企業微信無法在這裡接收。】",
        ),
    }
)


def say(language: str, key: str, **values: str | int) -> str:
    """The sentence for `key` in the language of a BCP 47 tag."""
    return _SENTENCES[key][column(language)].format(**values)
