"""Files to and from WeCom: what it takes as what, its ids of what was sent up, and downloads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from adapters._tencent import Api, ApiRefused
from bot.api import Attachment, Gone, Media, Store, Unavailable

Kind = Literal["image", "voice", "video", "file"]

DOWNLOAD_LIMIT = 20 * 1024 * 1024
_KEPT = 2.5 * 86400  # an id is good for three days
_LEAST = 5  # bytes: a file has to have more
_MOST: dict[Kind, int] = {"image": 10 << 20, "voice": 2 << 20, "video": 10 << 20, "file": 20 << 20}
_KINDS: dict[str, tuple[Kind, str]] = {
    "image/jpeg": ("image", "jpg"),
    "image/png": ("image", "png"),
    "audio/amr": ("voice", "amr"),
    "video/mp4": ("video", "mp4"),
}
_ENDINGS = {
    "image/gif": "gif",
    "image/webp": "webp",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/mp4": "m4a",
    "application/pdf": "pdf",
    "text/plain": "txt",
}


@dataclass(frozen=True, slots=True)
class Form:
    """How WeCom takes a file: as which kind, and under which name."""

    kind: Kind
    name: str


def form(media: Media) -> Form | None:
    """Its own kind where WeCom has one for it, else a file; None for what it takes in no way.

    Source: developer.work.weixin.qq.com/document/path/90253 (pictures JPG and PNG up to 10 MB, voice AMR up to 2 MB
    and 60 seconds, video MP4 up to 10 MB, files up to 20 MB; more than 5 bytes).
    """
    size, mime = len(media.data), media.mime.partition(";")[0].strip().lower()
    kind, ending = _KINDS.get(mime, ("file", _ENDINGS.get(mime, "bin")))
    if size > _MOST[kind]:
        kind = "file"
    return Form(kind, media.name or f"{media.kind}.{ending}") if _LEAST < size <= _MOST[kind] else None


class Uploads:
    """Sends files up. The same bytes are sent up once, so that a repeated message is the same message.

    `name` is the account's, to which the ids belong.
    """

    def __init__(self, api: Api, store: Store, name: str) -> None:
        self._api = api
        self._store = store
        self._name = name

    async def id(self, media: Media, form: Form) -> str | None:
        """WeCom's id of the file; None where it does not take it. Raises `Later`, `Unavailable`."""
        content = hashlib.sha256(f"{form.kind}:{form.name}:".encode() + media.data).hexdigest()[:32]
        key = f"media:{self._name}:{content}"
        known = await self._store.get(key)
        if known is not None:
            return known
        try:
            answer = await self._api.upload(
                "/cgi-bin/media/upload", form.name, media.mime, media.data, query={"type": form.kind}
            )
        except ApiRefused as refused:
            if refused.code in (40001, 40013, 40014, 42001, 45009, 60020):
                raise Unavailable(str(refused)) from None
            return None
        made = str(answer.get("media_id") or "")
        if made:
            await self._store.put(key, made, ttl=_KEPT)
        return made or None


async def fetched(api: Api, attachment: Attachment, prefix: str) -> bytes:
    """An attachment of at most 20 MB, whose `ref` is the media id behind `prefix`. Raises `Gone`, `Unavailable`."""
    media = attachment.ref.removeprefix(prefix)
    try:
        data, _ = await api.download("/cgi-bin/media/get", query={"media_id": media}, limit=DOWNLOAD_LIMIT)
    except ApiRefused as refused:
        if refused.code in (0, 40007):  # too large; no such file, or not any more
            raise Gone(str(refused)) from None
        raise Unavailable(str(refused)) from None
    return data
