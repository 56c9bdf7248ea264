"""What is posted to us and what we download, whole and within a limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

from starlette.requests import Request

_PIECE = 65536  # bytes; smaller pieces are put together, because each one takes memory of its own
_LARGE = 1024 * 1024  # bytes from which `bytes.join` lets other threads run


async def body_of(request: Request, limit: int) -> bytes | None:
    """The body; None where it has more than `limit` bytes. Raises `ClientDisconnect`."""
    return await gathered(request.stream(), limit)


async def gathered(pieces: AsyncIterable[bytes], limit: int) -> bytes | None:
    """All pieces as one; None where they have more than `limit` bytes.

    What is large is joined in a thread: memory that is touched for the first time can be slow, and nobody else is to
    wait for it.
    """
    whole: list[bytes] = []
    size, piece = 0, bytearray()
    async for part in pieces:
        size += len(part)
        if size > limit:
            return None
        piece += part
        if len(piece) >= _PIECE:
            whole.append(bytes(piece))
            piece.clear()
    whole.append(bytes(piece))
    return b"".join(whole) if size < _LARGE else await asyncio.to_thread(b"".join, whole)
