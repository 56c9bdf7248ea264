"""What lies in DATA_DIR, whose it is, and who holds it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket as sockets
import stat
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from bot.errors import SettingsError
from bot.telemetry import redact

_LONGEST_SOCKET = 103  # bytes; macOS has 104 with the NUL, Linux 108 (unix(7))


def private(folder: Path) -> Path:
    """`folder`, made if need be, and nobody else's. Raises `SettingsError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise SettingsError(f"DATA_DIR: {folder} belongs to somebody else; choose another DATA_DIR")
        folder.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"DATA_DIR: cannot write {folder}: {error.strerror}") from None
    return folder


def home(data_dir: Path) -> Path:
    """Where Valkey works."""
    return (
        Path(os.path.abspath(data_dir)) / "valkey"
    )  # not resolved: the operator reads this path in messages


def socket(home: Path, temporary: Path) -> Path:
    """Where the socket of `home` belongs; the folder of a long path's socket is named after it."""
    direct = home / "valkey.sock"
    if len(os.fsencode(direct)) <= _LONGEST_SOCKET:
        return direct
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return temporary / f"parley-{os.geteuid()}-{name}" / "valkey.sock"


def recorded(home: Path) -> Path:
    """Where the socket of a running Valkey is; the temporary folder may have changed since it was started."""
    try:
        return Path(os.fsdecode((home / "socket").read_bytes()))
    except OSError:
        return home / "valkey.sock"


def record(home: Path, socket: Path) -> None:
    """Note where the socket is, for `recorded`."""
    note = home / "socket"
    note.touch(mode=0o600)
    note.write_bytes(os.fsencode(socket))


def url(path: Path) -> str:
    """The address of a socket as redis-py reads it."""
    return f"unix://{quote(os.fsencode(path))}"


def held(path: Path) -> bool:
    """Whether some process holds the lock of the file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class Lock:
    """DATA_DIR belongs to one process; the kernel lets go when it dies."""

    def __init__(self, path: Path, now: float) -> None:
        """Take the lock. `now` is in seconds since the epoch. Raises `SettingsError` where another has it."""
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(f"DATA_DIR: cannot write {path}: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._holder()
            self.release()
            raise SettingsError(
                f"DATA_DIR: {path.parent} is in use by another Parley ({holder}). Stop that one first, or "
                "choose another DATA_DIR. To run several at once, set REDIS_URL to a Redis that they share."
            ) from None
        except OSError as error:
            self.release()
            raise SettingsError(f"DATA_DIR: {path} cannot be locked: {error.strerror}") from None
        told = {"pid": os.getpid(), "host": sockets.gethostname(), "since": now}
        told["command"] = redact(" ".join(sys.argv))[:200]
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(told).encode(), 0)

    def _holder(self) -> str:
        try:
            told = json.loads(os.pread(self._descriptor, 4096, 0))
            since = datetime.fromtimestamp(told["since"]).astimezone().isoformat(" ", "seconds")
            return f"process {told['pid']} on {told['host']}, `{told['command']}`, since {since}"
        except (ValueError, KeyError, TypeError):  # it has not written it yet
            return "it started just now"

    def release(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def same(directory: str, path: Path) -> bool:
    """Whether both are one directory."""
    try:
        return os.path.samefile(directory, path)
    except OSError:
        return False
