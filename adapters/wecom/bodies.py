"""The pieces of an answer as the bodies of WeCom's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters._plain import pack
from adapters.wecom.gathered import Piece
from adapters.wecom.interface import TEXT_LIMIT
from adapters.wecom.uploads import Uploads, form
from adapters.wecom.words import say
from bot.api import Media

MARK = "({n}/{of})"

Body = Mapping[str, Any]


def texts(text: str, limit: int = TEXT_LIMIT) -> list[Body]:
    """A text as messages of at most `limit` bytes.

    Plain text always: Markdown shows in WeCom's own client alone, and neither tables nor blocks of code there.
    """
    return [{"msgtype": "text", "text": {"content": part}} for part in pack(text, limit, mark=MARK)]


async def bodies(
    pieces: Sequence[Piece], uploads: Uploads, language: str, *, limit: int = TEXT_LIMIT
) -> list[Body]:
    """The messages of an answer; a file that WeCom does not take is said in words. Raises `Later`, `Unavailable`."""
    found: list[Body] = []
    said: list[str] = []
    for piece in pieces:
        file = await _file(piece, uploads) if isinstance(piece, Media) else None
        if file is None:
            said.append(say(language, f"media.{piece.kind}") if isinstance(piece, Media) else piece)
            continue
        found += [*texts("\n\n".join(said), limit), file]
        said.clear()
    return found + texts("\n\n".join(said), limit)


async def _file(media: Media, uploads: Uploads) -> Body | None:
    taken = form(media)
    sent = await uploads.id(media, taken) if taken else None
    return {"msgtype": taken.kind, taken.kind: {"media_id": sent}} if taken and sent else None
