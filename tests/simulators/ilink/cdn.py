"""Tencent's CDN: files under parameters that nobody can guess, encrypted with keys that it was told."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


@dataclass
class File:
    """A file and its key."""

    data: bytes
    key: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    @property
    def sealed(self) -> bytes:
        """As it lies there: AES-128-ECB, filled up to whole blocks with bytes that name their number."""
        more = 16 - len(self.data) % 16
        encryptor = Cipher(algorithms.AES(self.key), modes.ECB()).encryptor()  # noqa: S305 - the format
        return encryptor.update(self.data + bytes([more]) * more) + encryptor.finalize()


def opened(sealed: bytes, key: bytes) -> bytes | None:
    """What was encrypted; None where the padding is not right."""
    if not sealed or len(sealed) % 16:
        return None
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 - the format
    plain = decryptor.update(sealed) + decryptor.finalize()
    more = plain[-1]
    return plain[:-more] if 1 <= more <= 16 and plain.endswith(bytes([more]) * more) else None


@dataclass
class Announced:
    """An upload that was asked for."""

    kind: int
    to: str
    size: int
    md5: str
    sealed_size: int
    key: bytes
    file_key: str


class Cdn:
    """`violations` is the simulator's list; `full_addresses`: uploads are told their address, not a parameter.

    `away` answers 503, and `refusing` takes no uploads.
    """

    def __init__(self, violations: list[str]) -> None:
        self.url = ""
        self.full_addresses = True
        self.away = self.refusing = False
        self.files: dict[str, tuple[int, File]] = {}
        self.announced: dict[str, Announced] = {}
        self._violations = violations

    def keep(self, file: File, *, full: bool = True, hexadecimal: bool = False) -> dict[str, Any]:
        """Put a file there; the reference that a message holds."""
        name = secrets.token_urlsafe(12) + "+/="  # needs quoting
        self.files[name] = (0, file)
        key = file.key.hex().encode() if hexadecimal else file.key
        where = (
            {"full_url": f"{self.url}/download?encrypted_query_param={quote(name, safe='')}"} if full else {}
        )
        return {"encrypt_query_param": name, "aes_key": base64.b64encode(key).decode(), **where}

    def announce(self, upload: Announced) -> dict[str, Any]:
        """Answer `getuploadurl`."""
        name = secrets.token_urlsafe(12) + "+/="
        self.announced[name] = upload
        if not self.full_addresses:
            return {"ret": 0, "upload_param": name}
        url = f"{self.url}/upload?encrypted_query_param={quote(name, safe='')}&filekey={upload.file_key}"
        return {"ret": 0, "upload_full_url": url}

    def shown(self, kind: int, media: dict[str, Any]) -> bytes | None:
        """What a phone makes of a reference in a bot's message; None where it shows nothing."""
        found = self.files.get(str(media.get("encrypt_query_param")))
        key = base64.b64encode(found[1].key.hex().encode()).decode() if found else ""
        good = found is not None and found[0] == kind and media.get("aes_key") == key
        return found[1].data if found and good and media.get("encrypt_type") == 1 else None

    async def download(self, request: web.Request) -> web.Response:
        """Give a file out."""
        found = self.files.get(request.query.get("encrypted_query_param", ""))
        if self.away:
            return web.Response(status=503)
        return web.Response(body=found[1].sealed) if found else web.Response(status=404)

    async def upload(self, request: web.Request) -> web.Response:
        """Take a file as it was announced."""
        body = await request.read()
        announced = self.announced.pop(request.query.get("encrypted_query_param", ""), None)
        if self.away:
            return web.Response(status=503)
        if self.refusing:
            return web.Response(status=403, headers={"x-error-message": "not now"})
        plain = opened(body, announced.key) if announced else None
        good = (
            announced is not None
            and plain is not None
            and request.headers.get("Content-Type") == "application/octet-stream"
            and request.query.get("filekey") == announced.file_key
            and (len(body), len(plain)) == (announced.sealed_size, announced.size)
            and hashlib.md5(plain, usedforsecurity=False).hexdigest() == announced.md5
        )
        if not good or announced is None or plain is None:
            self._violations.append("an upload that is not what was announced")
            return web.Response(status=400, headers={"x-error-message": "not what was announced"})
        name = secrets.token_urlsafe(12) + "+/="
        self.files[name] = (announced.kind, File(plain, announced.key))
        return web.Response(headers={"x-encrypted-param": name})
