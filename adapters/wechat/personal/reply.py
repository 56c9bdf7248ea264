"""An answer in a personal account: typing is shown meanwhile, and at the end it is sent in few messages.

A person's message allows ten of ours, so nothing is streamed by sending pieces.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

from adapters._numbered import Numbered
from adapters._plain import plain
from adapters._split import Tail, divide
from adapters.wechat import words
from adapters.wechat.personal.accounts import Accounts
from adapters.wechat.personal.cdn import Cdn, Uploaded
from adapters.wechat.personal.outbox import ROOM, Item, Outbox, To
from adapters.wechat.personal.presence import Typing
from bot.api import Choices, End, Gone, Incoming, Journal, Media, Notice, Preview, ReplyPart, Status, Text

MARK = "({n}/{of})"
_MARK_ROOM = 12


class PersonalReply:
    """`bot.api.Reply`."""

    def __init__(
        self,
        to: To,
        incoming: Incoming,
        journal: Journal,
        *,
        accounts: Accounts,
        outbox: Outbox,
        cdn: Cdn,
        numbered: Numbered,
        typing: Typing,
    ) -> None:
        self._to = to
        self._incoming = incoming
        self._journal = journal
        self._accounts = accounts
        self._outbox = outbox
        self._cdn = cdn
        self._numbered = numbered
        self._typing = typing
        self._markdown: list[str] = []
        self._pieces: list[str | Uploaded] = []
        self._shown: asyncio.Task[None] | None = None

    async def send(self, part: ReplyPart) -> None:
        """Take `part`; at the `End`, send all. Raises `Gone`, `Unavailable`."""
        if self._shown is None and not isinstance(part, End):
            self._shown = asyncio.create_task(self._typing.show(self._to))
            await self._outbox.bring(self._to)
        if isinstance(part, Text):
            self._markdown.append(part.delta)
            return
        if isinstance(part, Status | Preview):
            return
        self._close()
        match part:
            case Notice(text=text):
                self._say(text)
            case Choices():
                hint = words.say(self._to.language, "number")
                self._say(await self._numbered.show(f"me:{self._to.name}", part, hint))
            case Media():
                await self._show(part)
            case End(offers=offers):
                for offer in offers:
                    if offer.value.startswith("/continue"):  # that an answer was cut is worth a line
                        line = words.say(self._to.language, "offer", label=offer.label, command=offer.value)
                        self._say(line)
                await self.abandon()
                await self._outbox.deliver(self._to, items(self._incoming.key, self._pieces), self._journal)

    async def abandon(self) -> None:
        """Nothing was shown but that we are typing."""
        if self._shown is not None:
            self._shown.cancel()
            await asyncio.wait({self._shown})

    async def _show(self, media: Media) -> None:
        account = await self._accounts.get(self._to.account)
        if account is None:
            raise Gone("this account has not signed in, or was forgotten")
        uploaded = await self._cdn.upload(account, self._to.person, media)
        if uploaded is None:
            self._say(words.say(self._to.language, f"media.{media.kind}"))
        else:
            self._pieces.append(uploaded)
        self._say(media.caption)

    def _close(self) -> None:
        if self._markdown:
            self._say(plain("".join(self._markdown)))
            self._markdown.clear()

    def _say(self, text: str) -> None:
        """Add a text, to the one before where there is one: few messages are allowed."""
        if not text.strip():
            return
        if self._pieces and isinstance(self._pieces[-1], str):
            self._pieces[-1] += f"\n\n{text.strip()}"
        else:
            self._pieces.append(text.strip())


def items(key: str, pieces: Sequence[str | Uploaded]) -> Sequence[Item]:
    """What is to be sent for the message `key`, each item under a name that the next attempt makes again.

    The name tells the content, too: an attempt that says something else is not taken for the one before.
    """
    contents: list[str | Uploaded] = []
    for piece in pieces:
        contents.extend(parts(piece) if isinstance(piece, str) else [piece])
    return [Item(client_id(key, number, content), content) for number, content in enumerate(contents)]


def client_id(key: str, part: int, content: str | Uploaded) -> str:
    """The name of one part of the answer to a message; at most 64 characters."""
    # A file is sent up anew by each attempt, so its place at the CDN is left out.
    said = content if isinstance(content, str) else f"{content.kind}:{content.name}:{content.plain}"
    return f"parley-{_digest(key)}-{part}-{_digest(said)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def parts(text: str) -> Sequence[str]:
    """The text in as many as it needs, each with its number where there are several."""
    found, tail = [], Tail(text)
    room = ROOM - _MARK_ROOM
    while (cut := divide(tail, lambda shown: len(shown) <= room, limit=room)) is not None:
        part, tail = cut
        found.append(part)
    found = [part for part in (*found, tail.shown) if part]
    if len(found) < 2:
        return found
    return [f"{part}\n{MARK.format(n=number, of=len(found))}" for number, part in enumerate(found, 1)]
