"""What was typed → `bot.api.Incoming`, and the machine's locale → a language tag: pure functions."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

from bot.api import Attachment, Incoming, Person, Place

ATTACH = "attach"
"""The console's own command: `/attach PATH`, once or more before a question, sends files of this machine with it."""


def parse(
    line: str,
    *,
    id: str,
    user: str,
    language: str = "",
    sent_at: float = 0.0,
    chosen: bool = False,
    attachments: Sequence[Attachment] = (),
) -> Incoming | None:
    """The message in `line`, or None where there is nothing in it.

    `user` is both the person and the chat; `chosen` tells that `line` is the value of an option.
    """
    text = line.strip()
    if not text:
        return None
    return Incoming(
        id=id,
        place=Place("console", account=user, chat=user),
        person=Person(user, name=user, language=language),
        text=text,
        attachments=tuple(attachments),
        addressed="command" if chosen or text.startswith("/") else "private",
        sent_at=sent_at,
    )


def attached(line: str) -> list[str] | None:
    """The paths of `/attach`, quoted as a shell has them, or None where `line` is something else."""
    command, _, rest = line.strip().partition(" ")
    if command != f"/{ATTACH}":
        return None
    try:
        paths = shlex.split(rest)
    except ValueError:  # a single quote: the name of one file
        paths = [rest.strip()]
    return [os.path.expanduser(path) for path in paths]


def language(environment: Mapping[str, str]) -> str:
    """The BCP 47 tag of a POSIX locale (`zh_CN.UTF-8` → `zh-CN`), or nothing for `C` and `POSIX`.

    The variables count in the order of POSIX.1-2017, 8.2: LC_ALL, LC_MESSAGES, LANG; an empty one is unset.
    """
    found = (environment.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    tag = next(filter(None, found), "").split(".")[0].split("@")[0]
    return "" if tag in ("C", "POSIX") else tag.replace("_", "-")
