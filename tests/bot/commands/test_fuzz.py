"""Whatever people and admins write behind a slash: an answer in words, and nothing breaks."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from dataclasses import replace

from redis.asyncio import Redis

from bot.access import named
from bot.api import Choices, End, Media, Notice, Text
from bot.errors import MessageTooLong, NothingToAnswer
from bot.i18n import LANGUAGES
from tests.bot.commands.house import ADMIN, GROUP, PRIVATE, House
from tests.bot.doubles import Collected

# fmt: off
WORDS = (
    "new", "add", "delete", "name", "default", "yes", "no", "json", "list", "edit", "share", "use", "reset",
    "auto", "here", "good", "bad", "none", "temperature", "top_p", "stop", "max_tokens", "n", "0.5", "-1",
    "1e400", "nan", "９", "99999999999999999999", "chef", "big-model", "Main", "zh-Hans", "en",
    "ffff-00000000", "2", "2.00/day", "none/month", "default/day", "1e9/day", "-1/month", "0/day",
    "test:ann", "test:team", "test:", ":ann", "telegram:*", "*", "AB12CD34", "platform:x", "{}", "%s",
    "{o-d}", "'", '"', '\\', "<", "<b>", "*", "`", "[", "=", ":", "：", "/", "@bot", "#1f", "../..", "null",
    "角色", "会话", "删除", "新建", "分享", "默认", "列表", "修改",
)
# fmt: on
ODD = (
    "",
    " ",
    "\n",
    "\x00",
    "\u202e",
    "\u200b",
    "\ud800",
    "\u2028",
    "😀" * 50,
    "x" * 5000,
    "Pirate: You are one.",
)
PIECES = (*WORDS, *ODD)
NAMES = ("nonsense", "rôle", "SET", "x" * 33, "", "1", "/help")


async def test_ten_thousand_random_commands_are_answered_without_one_fault(redis: Redis, prefix: str):
    house = House(redis, prefix)
    chance = random.Random(7)  # noqa: S311 - a schedule, not a secret
    names = [n for c in house.registry.commands for n in (c.name, *c.aliases)]
    assert {"stats", "budget", "allow", "people", "reload", "debug", "feedback"} <= set(names)
    places = (PRIVATE, GROUP, replace(GROUP, thread="7", discussion=True))
    codes = [await house.access.pair(PRIVATE, house.message("", f"stranger{n}").person) for n in range(5)]
    for number in range(10_000):
        pieces = [chance.choice((*PIECES, *codes)) for _ in range(chance.choice((0, 0, 1, 1, 2, 3)))]
        name = chance.choice(names if number % 20 else NAMES)
        text = f"/{name}{chance.choice(('', ' ', '@bot ', '  '))}{' '.join(pieces)}"
        who, place = chance.choice(("ann", "bob", ADMIN)), chance.choice(places)
        with suppress(MessageTooLong, NothingToAnswer):  # said in plain words by the report
            check(
                text,
                await house.say(text, who, place, language=chance.choice(LANGUAGES)),
                group=place is not PRIVATE,
            )
    assert all(named(verdict.name) for verdict in await house.access.verdicts())
    assert all(named(entry.rpartition(":")[0]) for entry in await house.limits.budgets())


def check(given: str, reply: Collected, *, group: bool) -> None:
    """Something was said, in words, and no more buttons than a platform shows."""
    said = [part for part in reply.parts if not isinstance(part, End)]
    assert said or group or "feedback" in given, given
    for part in said:
        match part:
            case Notice(text=text) | Choices(text=text):
                assert text.strip(), given
                assert set(re.findall(r"\{\w+\}", text)) <= {"{o-d}"}, (given, text)
            case Text() | Media():
                continue
        if isinstance(part, Choices):
            assert len(part.options) <= 25, given
            assert all(option.label.strip() and option.value for option in part.options), given
