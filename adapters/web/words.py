"""What the web chat itself has to say to a person, in English and in simplified and traditional Chinese."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from adapters._language import column

_TAG = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,4}")

_ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "away": "The service cannot take messages at the moment. Please try again in a few seconds.",
        "no_session": "You are not signed in. Open the page again, or ask POST /api/session for a token.",
        "password": "That is not the password.",
        "attempts": "Too many attempts. Please wait a minute.",
        "host": "This address is not known here. The operator can set PUBLIC_URL to it.",
        "origin": "This request came from another site.",
        "too_large": "That is too long: at most 256 KB fit into one message.",
        "not_json": "The body has to be a JSON object.",
        "id": "`id` has to be 8 to 64 letters, digits, `-` or `_`.",
        "text": "`text` has to be a text, and not empty where nothing is attached.",
        "cursor": "`after` is not a cursor of ours.",
        "streams": "Too many open windows. Please close one.",
        "no_file": "There is no such file.",
        "media_large": "That file is too large: at most 20 MB.",
        "media_empty": "That file is empty.",
        "media_busy": "Too many files are on their way at the moment. Please try again in a few seconds.",
        "media_slow": "That file took too long to arrive. Please try a smaller one or a better connection.",
        "media_gone": "A file is not here any more. Please attach it again.",
        "attachments": "`attachments` has to be a list of at most 8 ids from POST /api/media, 40 MB together.",
    }
)

_CHINESE: Mapping[str, str] = MappingProxyType(
    {
        "away": "服务暂时无法接收消息，请过几秒再试。",
        "no_session": "尚未登录。请重新打开页面，或通过 POST /api/session 获取令牌。",
        "password": "密码不正确。",
        "attempts": "尝试次数过多，请一分钟后再试。",
        "host": "未知的访问地址。管理员可将 PUBLIC_URL 设为该地址。",
        "origin": "该请求来自其他网站。",
        "too_large": "内容过长：每条消息最多 256 KB。",
        "not_json": "请求体必须是 JSON 对象。",
        "id": "`id` 须为 8 到 64 个字母、数字、`-` 或 `_`。",
        "text": "`text` 须为文本；没有附件时不能为空。",
        "cursor": "`after` 不是有效的游标。",
        "streams": "打开的窗口过多，请关闭一些。",
        "no_file": "没有这个文件。",
        "media_large": "文件过大：最多 20 MB。",
        "media_empty": "文件是空的。",
        "media_busy": "正在上传的文件过多，请过几秒再试。",
        "media_slow": "文件上传时间过长。请换小一些的文件或更好的网络后重试。",
        "media_gone": "有文件已不存在，请重新添加。",
        "attachments": "`attachments` 须为列表，最多 8 个来自 POST /api/media 的编号，合计不超过 40 MB。",
    }
)
_TRADITIONAL: Mapping[str, str] = MappingProxyType(
    {
        "away": "服務暫時無法接收訊息，請過幾秒再試。",
        "no_session": "尚未登入。請重新開啟頁面，或透過 POST /api/session 取得權杖。",
        "password": "密碼不正確。",
        "attempts": "嘗試次數過多，請一分鐘後再試。",
        "host": "未知的存取位址。管理員可將 PUBLIC_URL 設為該位址。",
        "origin": "此請求來自其他網站。",
        "too_large": "內容過長：每則訊息最多 256 KB。",
        "not_json": "請求主體必須是 JSON 物件。",
        "id": "`id` 須為 8 到 64 個字母、數字、`-` 或 `_`。",
        "text": "`text` 須為文字；沒有附件時不能為空。",
        "cursor": "`after` 不是有效的游標。",
        "streams": "開啟的視窗過多，請關閉一些。",
        "no_file": "沒有這個檔案。",
        "media_large": "檔案過大：最多 20 MB。",
        "media_empty": "檔案是空的。",
        "media_busy": "正在上傳的檔案過多，請過幾秒再試。",
        "media_slow": "檔案上傳時間過長。請換小一些的檔案或更好的網路後重試。",
        "media_gone": "有檔案已不存在，請重新加入。",
        "attachments": "`attachments` 須為列表，最多 8 個來自 POST /api/media 的編號，合計不超過 40 MB。",
    }
)


def say(language: str, key: str) -> str:
    """The sentence for `key` in the language of a BCP 47 tag."""
    return (_ENGLISH, _CHINESE, _TRADITIONAL)[column(language)][key]


def first_language(accept: str) -> str:
    """The first tag of an `Accept-Language` header (RFC 9110, 12.5.4), or nothing."""
    found = _TAG.match(accept.strip())
    return found[0] if found else ""
