"""What is said, as items for the outbox: plain texts of so many bytes, media that WeChat has taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import structlog

from adapters._plain import pack, plain
from adapters._tencent import Api, ApiRefused
from adapters.wechat.official.load import ROOM, Item
from adapters.wechat.words import say
from bot.api import Media, Option

MARK = "({n}/{of})"
MEDIA_LIMIT = 2 * 1024 * 1024
"""Bytes of an image or a recording ("新增临时素材", developers.weixin.qq.com; of images it says 10 MB, and 2 MB)."""

_TYPES = {
    "image/png": ("image", "png"),
    "image/jpeg": ("image", "jpg"),
    "image/gif": ("image", "gif"),
    "audio/amr": ("voice", "amr"),
    "audio/mpeg": ("voice", "mp3"),
    "audio/mp3": ("voice", "mp3"),
}

_log = structlog.get_logger(__name__)


class Script:
    """An answer that is being written. The model's Markdown and plain words alternate, with media between them."""

    def __init__(self) -> None:
        self._blocks: list[tuple[Literal["markdown", "plain"], list[str]] | Item] = []

    def text(self, delta: str) -> None:
        """The next piece of the model's answer."""
        if self._blocks and isinstance(last := self._blocks[-1], tuple) and last[0] == "markdown":
            last[1].append(delta)
        else:
            self._blocks.append(("markdown", [delta]))

    def words(self, text: str) -> None:
        """A text that is plain already."""
        if text.strip():
            self._blocks.append(("plain", [text.strip()]))

    def media(self, item: Item) -> None:
        """An image or a recording."""
        self._blocks.append(item)

    def items(self) -> Sequence[Item]:
        """The whole answer, in parts that a passive reply and a customer-service message can hold."""
        found: list[Item] = []
        texts: list[str] = []
        for block in [*self._blocks, None]:
            if isinstance(block, tuple):
                texts.append(plain("".join(block[1])) if block[0] == "markdown" else "".join(block[1]))
                continue
            whole = "\n\n".join(filter(None, texts))
            found.extend(Item("text", part) for part in pack(whole, ROOM, mark=MARK))
            texts.clear()
            if block is not None:
                found.append(block)
        return found


async def uploaded(api: Api, media: Media) -> Item | None:
    """The medium in WeChat's store, or None where WeChat does not take it. Raises `Unavailable`."""
    kind, ending = _TYPES.get(media.mime.partition(";")[0].strip().lower(), ("", ""))
    if not kind or not 0 < len(media.data) <= MEDIA_LIMIT:
        return None
    name = f"{kind}.{ending}"
    try:
        answer = await api.upload("/cgi-bin/media/upload", name, media.mime, media.data, query={"type": kind})
    except ApiRefused as refused:
        _log.warning("wechat.media_not_taken", kind=kind, fault=str(refused))
        return None
    media_id = str(answer.get("media_id") or "")
    return Item("image" if kind == "image" else "voice", media_id) if media_id else None


def offered(offers: Sequence[Option], language: str) -> str:
    """A line about what may be done next, where that is worth one: going on, not asking again."""
    lines = [
        say(language, "offer", label=offer.label, command=offer.value)
        for offer in offers
        if offer.value.startswith("/continue")
    ]
    return "\n".join(lines)
