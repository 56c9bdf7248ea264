"""What the line of personal accounts has to say of its own, in English and both kinds of Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from adapters._language import column

_SENTENCES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "last": (
            "(WeChat lets me write again only after you have. Send any message to go on.)",
            "（微信限制：您再发一条消息，我才能继续。）",
            "（微信限制：您再傳一則訊息，我才能繼續。）",
        ),
        "title": ("Sign in to Parley with WeChat", "用微信登录 Parley", "用微信登入 Parley"),
        "wait": (
            "Scan this code with WeChat on your phone.",
            "请用手机微信扫描二维码。",
            "請用手機微信掃描二維碼。",
        ),
        "scanned": (
            "Scanned. Confirm it on your phone.",
            "已扫码，请在手机上确认。",
            "已掃碼，請在手機上確認。",
        ),
        "verify": (
            "Type the number that your phone shows into the terminal where the sign-in was begun.",
            "请在发起登录的终端里输入手机上显示的数字。",
            "請在發起登入的終端裡輸入手機上顯示的數字。",
        ),
        "done": (
            "Signed in. You may close this page.",
            "登录成功，可以关闭本页。",
            "登入成功，可以關閉本頁。",
        ),
        "failed": (
            "This code is no longer valid. Begin again with: parley wechat login",
            "二维码已失效，请重新运行：parley wechat login",
            "二維碼已失效，請重新執行：parley wechat login",
        ),
    }
)


def say(language: str, key: str) -> str:
    """The sentence for `key` in the language of a BCP 47 tag."""
    return _SENTENCES[key][column(language)]
