"""Files of personal accounts: encrypted with a key of their own, and kept at Tencent's CDN.

Source: "CDN media flow" of docs/protocol.md, https://github.com/Tencent/openclaw-weixin: AES-128-ECB with PKCS#7. The
key comes as base64 of sixteen bytes or of their hexadecimal digits, a picture's also as bare digits.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from adapters._sealed import Seal
from adapters.wechat.personal.accounts import Account
from adapters.wechat.personal.client import CDN, Client, Refused, trusted
from bot.api import Attachment, Gone, Media

DOWNLOAD_LIMIT = 20 * 1024 * 1024
UPLOAD_LIMIT = 20 * 1024 * 1024
PREFIX = "me:"
"""What the account of a place and the reference of an attachment begin with."""

Kind = Literal["image", "video", "file"]
_TYPES: Mapping[Kind, int] = {"image": 1, "video": 2, "file": 3}
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_ENDINGS = {
    "audio/amr": "amr",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "application/pdf": "pdf",
    "text/plain": "txt",
}
_BLOCK = 16


def encrypted(data: bytes, key: bytes) -> bytes:
    """AES-128-ECB, padded."""
    padder = PKCS7(8 * _BLOCK).padder()
    encryptor = Cipher(algorithms.AES128(key), modes.ECB()).encryptor()  # noqa: S305 - WeChat's format
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def decrypted(data: bytes, key: bytes) -> bytes:
    """The reverse. Raises `Gone` where the bytes are not what this key made."""
    decryptor = Cipher(algorithms.AES128(key), modes.ECB()).decryptor()  # noqa: S305 - WeChat's format
    unpadder = PKCS7(8 * _BLOCK).unpadder()
    try:
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        raise Gone("the file does not open with its key") from None


def key_of(text: str) -> bytes | None:
    """The key that a message names, in any of its forms; None where there is none."""
    if len(text) == 2 * _BLOCK and _is_hex(text):
        return bytes.fromhex(text)
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) == 2 * _BLOCK and raw.isascii() and _is_hex(raw.decode()):
        return bytes.fromhex(raw.decode())
    return raw if len(raw) == _BLOCK else None


def reference(media: Mapping[str, Any], own_key: str, seal: Seal) -> str | None:
    """`Attachment.ref` for a file of a message: where it lies and its key, sealed. None where neither is told."""
    url, parameter = str(media.get("full_url") or ""), str(media.get("encrypt_query_param") or "")
    key = key_of(own_key or str(media.get("aes_key") or ""))
    if not (url or parameter):
        return None
    return PREFIX + seal.seal(json.dumps([url, parameter, key.hex() if key else ""]))


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file at the CDN. `size` is that of what lies there, `plain` that of the file."""

    kind: Kind
    parameter: str
    key: str = field(repr=False)
    size: int
    plain: int
    name: str

    def reference(self, seal: Seal) -> str:
        """`Attachment.ref` for a picture, to have it again; empty for anything else."""
        media = {"encrypt_query_param": self.parameter}
        return (reference(media, self.key, seal) or "") if self.kind == "image" else ""

    def content(self) -> dict[str, Any]:
        """It as an item of a message."""
        key = base64.b64encode(self.key.encode()).decode()
        media = {"encrypt_query_param": self.parameter, "aes_key": key, "encrypt_type": 1}
        match self.kind:
            case "image":
                return {"type": 2, "image_item": {"media": media, "mid_size": self.size}}
            case "video":
                return {"type": 5, "video_item": {"media": media, "video_size": self.size}}
            case "file":
                item = {"media": media, "file_name": self.name, "len": str(self.plain)}
                return {"type": 4, "file_item": item}


class Cdn:
    """Files to and from the CDN at `url`. `base_url` is where accounts sign in; `random` makes so many bytes."""

    def __init__(
        self,
        client: Client,
        seal: Seal,
        base_url: str,
        *,
        url: str = CDN,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._client = client
        self._seal = seal
        self._base_url = base_url
        self._url = url
        self._random = random

    async def fetch(self, attachment: Attachment) -> bytes:
        """An attachment of at most `DOWNLOAD_LIMIT` bytes. Raises `Gone`, `Unavailable`."""
        opened = self._seal.open(attachment.ref.removeprefix(PREFIX))
        if opened is None:
            raise Gone("this is no reference to a file of WeChat's, or of another WECHAT_PERSONAL_SECRET")
        if attachment.size > DOWNLOAD_LIMIT:
            raise Gone(f"a file of {attachment.size} bytes; at most {DOWNLOAD_LIMIT} are downloaded")
        full, parameter, key = json.loads(opened)
        url = full or f"{self._url}/download?encrypted_query_param={quote(parameter, safe='')}"
        if full and not trusted(full, self._base_url):
            raise Gone("the file does not lie with Tencent")
        data = await self._client.download(url, DOWNLOAD_LIMIT + _BLOCK)
        return await asyncio.to_thread(decrypted, data, bytes.fromhex(key)) if key else data

    async def upload(self, account: Account, person: str, media: Media) -> Uploaded | None:
        """The file at the CDN, or None where WeChat does not take it. Raises `Unavailable`."""
        if not 0 < len(media.data) <= UPLOAD_LIMIT:
            return None
        kind, name = form(media)
        key, file_key = self._random(_BLOCK), self._random(_BLOCK).hex()
        sealed = await asyncio.to_thread(encrypted, media.data, key)
        body = {
            "filekey": file_key,
            "media_type": _TYPES[kind],
            "to_user_id": person,
            "rawsize": len(media.data),
            "rawfilemd5": hashlib.md5(media.data, usedforsecurity=False).hexdigest(),
            "filesize": len(sealed),
            "no_need_thumb": True,
            "aeskey": key.hex(),
        }
        try:
            answer = await self._client.post(
                account.base_url, "ilink/bot/getuploadurl", body, token=account.token
            )
            url = self._upload_url(answer, file_key)
            parameter = await self._client.upload(url, sealed) if url else ""
        except Refused:
            return None
        return Uploaded(kind, parameter, key.hex(), len(sealed), len(media.data), name) if parameter else None

    def _upload_url(self, answer: Mapping[str, Any], file_key: str) -> str:
        full, parameter = str(answer.get("upload_full_url") or ""), str(answer.get("upload_param") or "")
        if full:
            return full if trusted(full, self._base_url) else ""
        if not parameter:
            return ""
        return f"{self._url}/upload?encrypted_query_param={quote(parameter, safe='')}&filekey={file_key}"


def form(media: Media) -> tuple[Kind, str]:
    """As which kind WeChat takes a file, and under which name; recordings only as files, as in Tencent's plugin."""
    mime = media.mime.partition(";")[0].strip().lower()
    if mime in _IMAGES:
        return "image", f"image.{mime.removeprefix('image/')}"
    if mime == "video/mp4":
        return "video", "video.mp4"
    return "file", media.name or f"{media.kind}.{_ENDINGS.get(mime, 'bin')}"


def _is_hex(text: str) -> bool:
    return all(sign in "0123456789abcdefABCDEF" for sign in text)
