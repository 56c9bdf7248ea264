"""The place where one piece of work is done: a process that reads tasks from its input and writes what it made.

Its parent is `pool`. A message is a line of JSON and the bytes that the line announces. A decoder may do anything
with hostile input, so nothing of it is believed: the memory, the time and the files of this process are bounded,
and its environment holds no secret.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from types import MappingProxyType
from typing import Any, BinaryIO

from bot.errors import Refused
from bot.media.made import Document, Frame, Picture, Sound

_FILES = 64
_GRACE = 5  # seconds that the parent has to end an overdue task before the process ends itself
_LINE = 1 << 20

Made = Picture | Frame | Sound | Document

TASKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "picture": ("bot.media.pictures", "picture"),
        "png": ("bot.media.pictures", "png"),
        "frames": ("bot.media.films", "frames"),
        "sound": ("bot.media.sounds", "sound"),
        "voice": ("bot.media.sounds", "voice"),
        "document": ("bot.media.documents.reading", "document"),
    }
)
"""Module and function of each task; a module is imported when its first task comes."""


def main() -> None:
    """Work until the input ends."""
    _confine()
    # Whatever a library prints must not come between our messages.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while line := sys.stdin.buffer.readline(_LINE):
        if not _serve(json.loads(line), sys.stdin.buffer, replies):
            return


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, hard))


def _serve(task: dict[str, Any], requests: BinaryIO, replies: BinaryIO) -> bool:
    """Do one task and answer. Whether the process is fit for another."""
    blobs = [requests.read(size) for size in task["sizes"]]
    signal.alarm(math.ceil(task["seconds"]) + _GRACE)
    _allow(task["memory"])
    try:
        made = _do(task["name"], blobs, task["options"])
    except Refused as error:
        _answer(replies, {"refused": type(error).__name__, "detail": str(error), "values": error.values})
    except MemoryError:
        _allow(None)
        _answer(replies, {"outgrown": True})
        return False
    except Exception as error:
        _allow(None)
        _answer(replies, {"broken": f"{type(error).__name__} in {_place(error)}"})
        raise
    else:
        # What was found good as it came need not go back.
        sent = [None if (data := _bytes(one)) in blobs[:1] else data for one in made]
        _answer(replies, {"made": [_plain(one) for one in made]}, sent)
    finally:
        signal.alarm(0)
    return True


def _allow(memory: int | None) -> None:
    """Bound the memory that this process may write to, in bytes."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard if memory is None else memory, hard))


def _do(name: str, blobs: list[bytes], options: Mapping[str, Any]) -> Sequence[Made]:
    module, function = TASKS[name]
    work: Callable[..., Made | list[Made]] = getattr(import_module(module), function)
    made = work(blobs if name == "voice" else blobs[0], **options)
    return made if isinstance(made, list) else [made]


def _plain(made: Made) -> dict[str, Any]:
    return {field.name: getattr(made, field.name) for field in fields(made) if field.name != "data"}


def _bytes(made: Made) -> bytes:
    return b"" if isinstance(made, Document) else made.data


def _place(error: Exception) -> str:
    """Where it was raised: never what it says, for that may quote a person's file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else "?"


def _answer(replies: BinaryIO, head: dict[str, Any], blobs: Sequence[bytes | None] = ()) -> None:
    """Send the head and the bytes; None, and no bytes, stands for the task's own."""
    head["sizes"] = [None if blob is None else len(blob) for blob in blobs]
    replies.write(json.dumps(head).encode() + b"\n")
    for blob in blobs:
        replies.write(blob or b"")
    replies.flush()


if __name__ == "__main__":
    main()
