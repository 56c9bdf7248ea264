"""Listening sockets, and uvicorn as we run it: inside of our loop, with bounds for the head of a request."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bot.errors import SettingsError

_HEAD_BYTES = 65_536


async def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets on every address that `host` stands for. Raises `SettingsError`."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError:
        raise SettingsError(f"HTTP_HOST: {host} is not the name of an address") from None
    listeners: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            taken = (address[0], listeners[0].getsockname()[1], *address[2:]) if listeners else address
            if listener := _bound(family, taken):
                listeners.append(listener)
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise SettingsError(_why_not(error, host, port)) from None
    if not listeners:
        raise SettingsError(f"HTTP_HOST: {host} is not an address of this machine")
    return listeners


def _bound(family: int, address: tuple[object, ...]) -> socket.socket | None:
    """A listening socket, or None where this machine has no such address (`localhost` names two)."""
    listener = None
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(2048)
        listener.setblocking(False)
    except OSError as error:
        if listener is not None:
            listener.close()
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        raise
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"HTTP_PORT: {host}:{port} is in use by another program; choose another HTTP_PORT"
    if error.errno == errno.EACCES:
        return f"HTTP_PORT: only root may listen on {port}; choose an HTTP_PORT above 1023"
    return f"HTTP_HOST: cannot listen on {host}:{port}: {error.strerror}"


class Uvicorn(uvicorn.Server):
    """uvicorn inside of our loop: signals are the application's affair, and `up` says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds for the head of a request, which uvicorn waits for without end."""

    head_seconds = 20.0
    _timer: asyncio.TimerHandle | None = None
    _read = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is None and self.cycle is not None and self.cycle.response_complete:
            self._arm()
        if self._timer is not None:
            self._read += len(data)
        super().data_received(data)
        if self._timer is not None and self._read > _HEAD_BYTES:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._disarm()
        super().on_headers_complete()

    def _arm(self) -> None:
        self._read = 0
        self._timer = self.loop.call_later(self.head_seconds, self.transport.close)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
