"""The files of people's messages, encrypted, at addresses that are good for five minutes."""

from __future__ import annotations

import base64
import os
from uuid import uuid4

from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.simulators.wecom_bot.clock import Clock

LIFE = 300.0


class Files:
    """Serves them at `/file/<name>`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, bytes]] = {}
        self.url = ""

    def put(self, data: bytes, key: str) -> str:
        """Encrypt a file; its address."""
        secret = base64.b64decode(f"{key}=" if len(key) == 43 else key)
        more = 32 - len(data) % 32
        encryptor = Cipher(algorithms.AES(secret), modes.CBC(secret[:16])).encryptor()
        name = uuid4().hex
        self._kept[name] = (
            self._clock(),
            encryptor.update(data + bytes([more]) * more) + encryptor.finalize(),
        )
        return f"{self.url}/file/{name}"

    async def get(self, request: web.Request) -> web.Response:
        """GET /file/<name>."""
        since, data = self._kept.get(request.match_info["name"], (0.0, b""))
        if self._clock() - since > LIFE:
            return web.Response(status=403)
        return web.Response(body=data, content_type="application/octet-stream")


def new_key() -> str:
    """A key of a file's own, as the long connection gives it."""
    return base64.b64encode(os.urandom(32)).decode()
