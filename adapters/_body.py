"""What a platform posts to us, within a limit."""

from __future__ import annotations

from starlette.requests import Request


async def body_of(request: Request, limit: int) -> bytes | None:
    """The body; None where it has more than `limit` bytes. Raises `ClientDisconnect`."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > limit:
            return None
    return bytes(read)
