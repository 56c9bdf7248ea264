"""What people see of a smart bot: the stream that answers each message, and the messages that follow."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.wecom_bot.clock import Clock

Json = dict[str, Any]
LIMIT = 20_480
STREAM_LIFE = 360.0
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)


class Broken(AssertionError):
    """The bot did what WeCom does not take."""


@dataclass
class Exchange:
    """A message of a person's, and its answer. `texts` are what the stream showed, one after the other."""

    id: str
    body: Json
    at: float
    stream: str = ""
    texts: list[str] = field(default_factory=list)
    finished: bool = False
    pictures: list[bytes] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    request: str = ""

    @property
    def shown(self) -> str:
        """What the stream shows: the dots of thinking are no text."""
        return _THOUGHT.sub("", self.texts[-1]).strip() if self.texts else ""

    @property
    def thinking(self) -> bool:
        """Whether it shows that an answer is being thought of."""
        return bool(self.texts) and not self.shown


@dataclass
class Chat:
    """A private chat or a group, as WeCom shows it. `said` are messages of the bot's beside the streams."""

    id: str
    group: bool
    exchanges: list[Exchange] = field(default_factory=list)
    said: list[Json] = field(default_factory=list)
    stamps: list[float] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The Markdown of those messages."""
        return [one["markdown"]["content"] for one in self.said if one["msgtype"] == "markdown"]

    @property
    def visible(self) -> str:
        """Everything that the bot wrote here."""
        return "\n".join([*(exchange.shown for exchange in self.exchanges), *self.texts])


class World:
    """The chats of one bot. `broken` is what the bot did wrong: a test that ends with any has failed."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.chats: dict[str, Chat] = {}
        self.broken: list[str] = []
        self.numbers = itertools.count(1)
        self._change = asyncio.Condition()
        self._told: set[asyncio.Task[None]] = set()

    def chat(self, id: str, *, group: bool = False) -> Chat:
        """The chat with this id."""
        return self.chats.setdefault(id, Chat(id, group))

    def heard(self, sender: str, group: str, content: Json) -> Exchange:
        """Somebody says something: text as it is typed, or any message's content."""
        number = next(self.numbers)
        body = {
            "msgid": f"CAIQ{number:08}",
            "aibotid": "aib-simulated",
            "chattype": "group" if group else "single",
            "from": {"userid": sender},
            **({"chatid": group} if group else {}),
            **content,
        }
        exchange = Exchange(str(body["msgid"]), body, self.clock())
        self.chat(group or sender, group=bool(group)).exchanges.append(exchange)
        return exchange

    def show(self, exchange: Exchange, stream: Json) -> None:
        """A stream as the bot has it now. Raises `Broken`."""
        id, text, finish = stream.get("id"), stream.get("content"), stream.get("finish")
        if not isinstance(id, str) or not 0 < len(id) <= 256 or not isinstance(finish, bool):
            raise Broken(f"no stream: {stream}")
        if exchange.stream not in ("", id):
            raise Broken("a message is answered by one stream")
        if not isinstance(text, str) or len(text.encode()) > LIMIT:
            raise Broken("the content is no text of at most 20480 bytes")
        if finish and not _THOUGHT.sub("", text).strip():
            raise Broken("a stream ends with something to be seen")
        if exchange.finished and (text != exchange.texts[-1] or not finish):
            raise Broken("a stream that is finished does not change")
        exchange.stream = id
        if not exchange.texts or exchange.texts[-1] != text:
            exchange.texts.append(text)
        exchange.finished = finish
        self.changed()

    def add(self, chat: Chat, message: Json) -> None:
        """A message of its own. Raises `Broken`."""
        if message.get("msgtype") == "markdown":
            text = message["markdown"]["content"]
            if not text.strip() or len(text.encode()) > LIMIT:
                raise Broken("no Markdown of at most 20480 bytes")
        chat.said.append(message)
        self.changed()

    def changed(self) -> None:
        """Wake who waits."""
        task = asyncio.ensure_future(self._tell())
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    async def until(self, condition: Callable[[], object], patience: float = 30) -> None:
        """Wait until something has come to be so."""
        async with asyncio.timeout(patience), self._change:
            await self._change.wait_for(condition)

    async def _tell(self) -> None:
        async with self._change:
            self._change.notify_all()
