"""An OpenAI-style endpoint that works offline, for a first look without a key; and a look for a local server."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from bot.demo.endpoint import CONTEXT, MODEL, app
from bot.demo.local import local_server

__all__ = ["CONTEXT", "MODEL", "Demo", "app", "local_server"]

_GRACE = 1.0  # seconds that running answers get on a stop


class Demo:
    """The demo endpoint on a free port of the loopback, in this process. The parameters are `app`'s."""

    def __init__(
        self,
        *,
        pace: float = 32.0,
        clock: Callable[[], float] = time.time,
        synthesiser: str | None = None,
        recogniser: bool | None = None,
    ) -> None:
        config = uvicorn.Config(
            app(pace=pace, clock=clock, synthesiser=synthesiser, recogniser=recogniser),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        self._uvicorn = _Uvicorn(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Serve; the base URL for an OpenAI client."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self._serving = asyncio.create_task(self._uvicorn.serve([listener]), name="demo endpoint")
        return (
            f"http://127.0.0.1:{listener.getsockname()[1]}/v1"  # from here on the kernel queues connections
        )

    async def stop(self) -> None:
        """Serve no more; answers that still stream are cut off after a moment."""
        if self._serving is None:
            return
        self._uvicorn.should_exit = True
        await asyncio.wait({self._serving}, timeout=_GRACE)
        self._uvicorn.force_exit = True
        for connection in list(self._uvicorn.server_state.connections):
            connection.transport.abort()
        await self._serving
        self._serving = None


class _Uvicorn(uvicorn.Server):
    """uvicorn without signal handlers: it is a guest in somebody else's process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
