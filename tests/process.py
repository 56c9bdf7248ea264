"""The bot as an operator runs it: `parley` in a process of its own, and a client of its web interface."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

PARLEY = (sys.executable, "-m", "bot.cli")
_ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def reserved() -> socket.socket:
    """A socket with a port that nobody else is given; a server that sets SO_REUSEADDR may listen there."""
    reserve = socket.socket()
    reserve.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserve.bind(("127.0.0.1", 0))
    return reserve


def surroundings(folder: Path, **settings: str) -> dict[str, str]:
    """An environment in which nothing of the developer's own settings is left."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SSL_CERT_FILE") if name in os.environ}
    return kept | {
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder),
        "PYTHONPATH": str(_ROOT),
        "DATA_DIR": str(folder / "data"),
        **settings,
    }


@dataclass
class Bot:
    """`parley run` (or another command) on a folder; it can be killed and started again on the same port."""

    folder: Path
    settings: Mapping[str, str]
    command: str = "run"
    program: Sequence[str] = PARLEY
    process: asyncio.subprocess.Process | None = None
    _reserve: socket.socket = field(default_factory=reserved)

    @property
    def port(self) -> int:
        return int(self._reserve.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    async def start(self, *, ready: bool = True) -> None:
        """Start it; with `ready`, wait until it can accept and answer."""
        environment = surroundings(self.folder, HTTP_PORT=str(self.port), LOG_FORMAT="json") | dict(
            self.settings
        )
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.program, self.command, cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        async with asyncio.timeout(60), httpx.AsyncClient() as http:
            while ready:
                if self.process.returncode is not None:
                    raise RuntimeError(f"parley ended with {self.process.returncode}:\n{self.log[-4000:]}")
                with contextlib.suppress(httpx.TransportError):
                    ready = (await http.get(f"{self.url}/readyz")).status_code != 200
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """As an operator would; the exit status."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        async with asyncio.timeout(30):
            return await self.process.wait()

    def store_pid(self) -> int:
        """The process of the embedded Valkey."""
        return int(next((self.folder / "data").rglob("*.pid")).read_text().split()[0])

    async def remove(self) -> None:
        """Stop it whatever state it is in, and the Valkey that a kill left behind."""
        self._reserve.close()
        if self.process is not None and self.process.returncode is None:
            await self.kill()
        with contextlib.suppress(StopIteration, ProcessLookupError, ValueError):
            os.kill(self.store_pid(), signal.SIGKILL)


@contextlib.asynccontextmanager
async def bot(folder: Path, **settings: str) -> AsyncIterator[Bot]:
    """A running bot; nothing of it is left afterwards."""
    made = Bot(folder, settings)
    try:
        await made.start()
        yield made
    finally:
        await made.remove()


class Visitor:
    """A person at the web interface who never gives up sending."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._token = ""
        self._http = httpx.AsyncClient(timeout=30)

    async def __aenter__(self) -> Visitor:
        self._token = (await self._call("POST", "/api/session", {})).json()["token"]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ask(self, text: str, *, id: str = "", attached: Sequence[str] = ()) -> str:
        """Send a message until it is accepted, with what was uploaded under these ids; its own id."""
        id = id or uuid4().hex
        await self._call("POST", "/api/messages", {"id": id, "text": text, "attachments": list(attached)})
        return id

    async def upload(self, data: bytes, name: str, mime: str) -> str:
        """Bring a file; its id."""
        response = await self._http.post(
            f"{self._bot.url}/api/media",
            params={"name": name},
            content=data,
            headers={**self._headers, "Content-Type": mime},
        )
        response.raise_for_status()
        return str(response.json()["id"])

    async def media(self, id: str) -> bytes:
        """What was answered, or uploaded, under an id."""
        return (await self._call("GET", f"/api/media/{id}")).content

    async def history(self) -> list[dict[str, Any]]:
        """What the page would show."""
        return (await self._call("GET", "/api/history")).json()["items"]

    async def answered(self, id: str) -> dict[str, Any]:
        """The message's item once its answer has ended."""
        async with asyncio.timeout(60):
            while True:
                for item in await self.history():
                    if item["message"] == id and item["ended"]:
                        return item
                await asyncio.sleep(0.02)

    async def events(self, after: str = "0") -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """The live events behind a cursor."""
        request = self._http.stream(
            "GET", f"{self._bot.url}/api/events", params={"after": after}, headers=self._headers, timeout=30
        )
        async with request as response:
            kind = ""
            async for line in response.aiter_lines():
                if line.startswith("event:"):
                    kind = line[6:].strip()
                elif line.startswith("data:"):
                    yield kind, json.loads(line[5:])

    async def cursor(self) -> str:
        """Where the live events behind the history begin."""
        return str((await self._call("GET", "/api/history")).json()["cursor"])

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    async def _call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    response = await self._http.request(
                        method, f"{self._bot.url}{path}", json=body, headers=self._headers
                    )
                    if response.status_code not in (429, 500, 502, 503):
                        response.raise_for_status()
                        return response
                await asyncio.sleep(0.02)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds, for half a minute at the most."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(0.01)


def said(item: Mapping[str, Any]) -> str:
    """The text of an item's answer."""
    return "".join(part["text"] for part in item["parts"] if part["type"] == "text")
