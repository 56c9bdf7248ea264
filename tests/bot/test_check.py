"""`parley check`: what it finds, where that is not seen from the outside."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.check import gather


async def test_a_parley_that_answers_in_pieces_is_known_for_one(tmp_path: Path):
    async def health(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (b"HTTP/1.0 200 OK\r\n\r\n", b'{"status":"ok"}'):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(health, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        findings = await gather({"DATA_DIR": str(tmp_path), "HTTP_PORT": str(port)})
    (http,) = [finding for finding in findings if finding.name == "HTTP"]
    assert http.ok, http
    assert "running Parley" in http.detail
