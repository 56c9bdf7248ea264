"""Whether a model server of the person's own runs on this machine."""

from __future__ import annotations

import asyncio


async def local_server(host: str = "127.0.0.1", port: int = 11434, timeout: float = 0.3) -> str | None:
    """The base URL of an OpenAI-style server on `host` and `port`, or None within `timeout` seconds.

    The default port is Ollama's, which answers `GET /v1/models` (https://docs.ollama.com/api/openai-compatibility).
    """
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                request = f"GET /v1/models HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, ValueError):  # TimeoutError is an OSError; ValueError: a line without end
        return None
    words = status.split()
    answered = len(words) >= 2 and words[0].startswith(b"HTTP/1.") and words[1] == b"200"
    return f"http://{host}:{port}/v1" if answered else None
