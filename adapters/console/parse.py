"""What was typed → `bot.api.Incoming`, and the machine's locale → a language tag: pure functions."""

from __future__ import annotations

from collections.abc import Mapping

from bot.api import Incoming, Person, Place


def parse(
    line: str, *, id: str, user: str, language: str = "", sent_at: float = 0.0, chosen: bool = False
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
        addressed="command" if chosen or text.startswith("/") else "private",
        sent_at=sent_at,
    )


def language(environment: Mapping[str, str]) -> str:
    """The BCP 47 tag of a POSIX locale (`zh_CN.UTF-8` → `zh-CN`), or nothing for `C` and `POSIX`.

    The variables count in the order of POSIX.1-2017, 8.2: LC_ALL, LC_MESSAGES, LANG; an empty one is unset.
    """
    found = (environment.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    tag = next(filter(None, found), "").split(".")[0].split("@")[0]
    return "" if tag in ("C", "POSIX") else tag.replace("_", "-")
