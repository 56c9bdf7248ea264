"""The console's own few words, in English and in simplified and traditional Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from adapters._language import column

_ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "hint": "/help tells more, /attach FILE sends a file along. "
        "Alt+Enter begins a new line, Ctrl-C stops an answer, Ctrl-D ends.",
        "attach": "Send a file of this machine with the next message",
        "attach_what": "Which file? For example: /attach photo.jpg",
        "attach_unread": "{path} cannot be read.",
        "attach_empty": "{path} is empty.",
        "attach_large": "{path} is too large: at most {limit} MB.",
        "attach_many": "{path} does not fit: at most {count} files and {limit} MB go with one message.",
        "attached": "[attached: {path}; now write what it is about]",
        "waiting": "waiting for its turn…",
        "thinking": "thinking…",
        "typing": "typing…",
        "drawing": "drawing…",
        "listening": "listening…",
        "speaking": "speaking…",
        "again": "(the answer begins again)",
        "stopping": "(stopping; press Ctrl-C again to wait no longer)",
        "away": "The bot cannot reach its memory. It keeps trying; nothing that was accepted is lost.",
        "saved": "[{kind}: {path}]",
        "unsaved": "[{kind}: could not be saved in {path}]",
        "unkept": "[{kind}: too large to be kept, or too long ago]",
    }
)
_CHINESE: Mapping[str, str] = MappingProxyType(
    {
        "hint": "输入 /help 查看用法，/attach 文件 可附带文件。Alt+Enter 换行，Ctrl-C 停止回答，Ctrl-D 退出。",
        "attach": "随下一条消息发送本机的文件",
        "attach_what": "哪个文件？例如：/attach photo.jpg",
        "attach_unread": "无法读取 {path}。",
        "attach_empty": "{path} 是空的。",
        "attach_large": "{path} 过大：最多 {limit} MB。",
        "attach_many": "{path} 放不下：每条消息最多 {count} 个文件、共 {limit} MB。",
        "attached": "[已附上：{path}；请输入您的问题]",
        "waiting": "排队等候…",
        "thinking": "思考中…",
        "typing": "输入中…",
        "drawing": "绘图中…",
        "listening": "聆听中…",
        "speaking": "朗读中…",
        "again": "（重新回答）",
        "stopping": "（正在停止；再按一次 Ctrl-C 不再等待）",
        "away": "机器人暂时连不上存储，正在重试；已接收的消息不会丢失。",
        "saved": "[{kind}: {path}]",
        "unsaved": "[{kind}: 无法保存到 {path}]",
        "unkept": "[{kind}: 文件过大或已过期，未能保留]",
    }
)
_TRADITIONAL: Mapping[str, str] = MappingProxyType(
    {
        "hint": "輸入 /help 查看用法，/attach 檔案 可附帶檔案。Alt+Enter 換行，Ctrl-C 停止回答，Ctrl-D 結束。",
        "attach": "隨下一則訊息傳送本機的檔案",
        "attach_what": "哪個檔案？例如：/attach photo.jpg",
        "attach_unread": "無法讀取 {path}。",
        "attach_empty": "{path} 是空的。",
        "attach_large": "{path} 過大：最多 {limit} MB。",
        "attach_many": "{path} 放不下：每則訊息最多 {count} 個檔案、共 {limit} MB。",
        "attached": "[已附上：{path}；請輸入您的問題]",
        "waiting": "排隊等候…",
        "thinking": "思考中…",
        "typing": "輸入中…",
        "drawing": "繪圖中…",
        "listening": "聆聽中…",
        "speaking": "朗讀中…",
        "again": "（重新回答）",
        "stopping": "（正在停止；再按一次 Ctrl-C 不再等待）",
        "away": "機器人暫時連不上儲存，正在重試；已接收的訊息不會遺失。",
        "saved": "[{kind}: {path}]",
        "unsaved": "[{kind}: 無法儲存到 {path}]",
        "unkept": "[{kind}: 檔案過大或已過期，未能保留]",
    }
)
_LANGUAGES = ("en", "zh-Hans", "zh-Hant")


def spoken(language: str) -> str:
    """The language of ours that serves a BCP 47 tag; English where we do not speak it."""
    return _LANGUAGES[column(language)]


def say(language: str, key: str, **values: str | int) -> str:
    """The sentence for `key` in the language that serves the tag `language`."""
    return (_ENGLISH, _CHINESE, _TRADITIONAL)[column(language)][key].format(**values)
