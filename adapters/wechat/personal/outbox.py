"""Messages to a person, within what WeChat allows; what it does not take now is brought along by the next message.

A bot may send ten messages for each that the person has written, within 24 hours; WeChat answers any more with ret -2
(https://mp.weixin.qq.com/s/eze9tUMh94B7cURgtqgSOQ; issues 81 and 204 of https://github.com/Tencent/openclaw-weixin).
The same -2 means "too fast", and "prepare failed" where it does not know the context any more (issues 286, 309).
Each message names the context of one of the person's, the newest that we know.

In the drawer, for a person `p` (account and user id):

| name | what |
|---|---|
| `me:context:p` | the person's newest message: its id, when it came, and sealed its context token |
| log `me:sent:p:m` | what was sent since their message `m`, by its client_id |
| log `me:kept:p` | what could not be sent, oldest first, sealed |
| `me:tries:c` | with which of their messages' contexts the kept message `c` was refused |
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from adapters._sealed import Seal
from adapters.wechat.personal.accounts import Account, Accounts
from adapters.wechat.personal.cdn import Uploaded
from adapters.wechat.personal.client import Client, Ended, Refused
from adapters.wechat.personal.quotes import Quotes, Utterance
from adapters.wechat.personal.words import say
from bot.api import Gone, Journal, Store

QUOTA = 10
"""Messages for each of the person's."""

DAY = 24 * 3600.0
"""Seconds after the person's message in which they may be sent."""

ROOM = 3900
"""Characters of one message; WeChat takes 4,000 (`textChunkLimit` of the plugin), and a hint must find room."""

_KEPT = 7 * 86400.0
_KEPT_LIMIT = 100
_TRIES = 3  # of a message that is refused: by then it is the message, and not the time
_PAUSE = 3.0  # seconds, where WeChat says that it is too fast

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Item:
    """One message: a text, or a file at the CDN. `id` is its client_id, the same for every attempt."""

    id: str
    content: str | Uploaded

    def wire(self, hint: str = "") -> dict[str, Any]:
        """It as WeChat wants it, with `hint` below a text."""
        if isinstance(self.content, Uploaded):
            return self.content.content()
        return {"type": 1, "text_item": {"text": f"{self.content}\n\n{hint}" if hint else self.content}}


@dataclass(frozen=True, slots=True)
class To:
    """To whom: the account's id, and the person's, in their language."""

    account: str
    person: str
    language: str = ""

    @property
    def name(self) -> str:
        """Of both, in the drawer."""
        return f"{self.account}:{self.person}"


@dataclass(frozen=True, slots=True)
class _Context:
    message: str
    at: float
    token: str = field(repr=False)


class Outbox:
    """All calls raise `Unavailable`. `clock` is the time of day in seconds."""

    def __init__(
        self,
        client: Client,
        accounts: Accounts,
        quotes: Quotes,
        store: Store,
        seal: Seal,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._client = client
        self._accounts = accounts
        self._quotes = quotes
        self._store = store
        self._seal = seal
        self._clock = clock
        self._sleep = sleep

    async def heard(self, to: To, message: str, token: str, at: float) -> None:
        """The person has written `message`, at `at` by WeChat's clock: its context serves from now on."""
        earlier = await self._context(to)
        now = self._clock()
        at = min(at, now) if at > 0 else now
        if not token or (earlier is not None and earlier.at > at):
            return
        kept = json.dumps([message, at, self._seal.seal(token)])
        await self._store.put(f"me:context:{to.name}", kept, ttl=DAY)

    async def context_token(self, to: To) -> str:
        """That of the person's newest message; nothing where there is none."""
        context = await self._context(to)
        return context.token if context else ""

    async def bring(self, to: To) -> None:
        """Send what is kept from earlier, now that the person has written: at once, because contexts grow old."""
        account = await self._accounts.get(to.account)
        if account is not None:
            await self._flush(account, to)

    async def deliver(self, to: To, items: Sequence[Item], journal: Journal) -> None:
        """Send what is kept from earlier and then `items`, and keep what cannot be sent. Raises `Gone`."""
        account = await self._accounts.get(to.account)
        if account is None:
            raise Gone("this account has not signed in, or was forgotten")
        done = set(journal.posts)
        fresh = [item for item in items if item.id not in done]
        flowing = await self._flush(account, to)
        for item in fresh:
            flowing = flowing and await self._sent(account, to, item) == "sent"
            if not flowing:
                await self._keep(to, item)
            await journal.posted(item.id)

    async def tell(self, to: To, item: Item) -> bool:
        """Send one message that is not worth keeping. Sent?"""
        account = await self._accounts.get(to.account)
        return account is not None and await self._sent(account, to, item) == "sent"

    async def forget(self, to: To) -> None:
        """Keep nothing for the person. What their last message allows stays known."""
        entries = await self._store.read(f"me:kept:{to.name}")
        await self._store.remove(f"me:kept:{to.name}", [entry.id for entry in entries])

    # --- what is kept ---------------------------------------------------------------------------------------

    async def _flush(self, account: Account, to: To) -> bool:
        """Send what is kept. True where nothing is left."""
        for entry, item in await self._kept(to):
            result = await self._sent(account, to, item)
            if result == "not now" or (result == "refused" and await self._try_again(to, item)):
                return False
            await self._store.remove(f"me:kept:{to.name}", [entry])
        return True

    async def _try_again(self, to: To, item: Item) -> bool:
        """Whether a kept message that was refused is worth another try, so that it cannot hold up all others.

        It is tried for so many of the person's messages, because each brings a context of its own.
        """
        key = f"me:tries:{item.id}"
        context = await self._context(to)
        tried = set((await self._store.get(key) or "").split()) | {context.message if context else ""}
        await self._store.put(key, " ".join(tried), ttl=_KEPT)
        if len(tried) >= _TRIES:
            _log.warning("wechat.message_given_up", account=to.account, message=item.id, tries=len(tried))
        return len(tried) < _TRIES

    async def _keep(self, to: To, item: Item) -> None:
        kept = await self._kept(to)
        if any(item.id == known.id for _, known in kept):
            return
        content = item.content
        value = content if isinstance(content, str) else _fields(content)
        sealed = self._seal.seal(json.dumps([item.id, value], ensure_ascii=False))
        await self._store.append(f"me:kept:{to.name}", sealed, limit=_KEPT_LIMIT, ttl=_KEPT)

    async def _kept(self, to: To) -> Sequence[tuple[str, Item]]:
        found = []
        for entry in await self._store.read(f"me:kept:{to.name}"):
            opened = self._seal.open(entry.value)
            if opened is not None:
                id, value = json.loads(opened)
                found.append((entry.id, Item(id, value if isinstance(value, str) else Uploaded(*value))))
        return found

    # --- sending --------------------------------------------------------------------------------------------

    async def _sent(self, account: Account, to: To, item: Item) -> Literal["sent", "refused", "not now"]:
        """`refused` is what WeChat said; `not now` what we know without asking."""
        context = await self._context(to)
        if context is None or context.at + DAY <= self._clock() or await self._accounts.ended(account):
            return "not now"
        place = await self._place(to, context, item)
        if place >= QUOTA:
            return "not now"
        hint = say(to.language, "last") if place == QUOTA - 1 else ""
        body = {
            "msg": {
                "from_user_id": "",
                "to_user_id": to.person,
                "client_id": item.id,
                "message_type": 2,
                "message_state": 2,
                "item_list": [item.wire(hint)],
                "context_token": context.token,
            }
        }
        answer = await self._answer(account, body)
        if answer is None:
            return "refused"
        if name := answer.get("message_id"):
            await self._quotes.remember(to.name, [str(name)], self._spoken(item))
        return "sent"

    def _spoken(self, item: Item) -> Utterance:
        if isinstance(item.content, str):
            return Utterance(item.content, ours=True)
        return Utterance(picture=item.content.reference(self._seal), ours=True)

    async def _answer(self, account: Account, body: dict[str, Any]) -> dict[str, Any] | None:
        """WeChat's answer to a message; None where it is not taken."""
        tries = 0
        while True:
            tries += 1
            try:
                return await self._client.post(
                    account.base_url, "ilink/bot/sendmessage", body, token=account.token
                )
            except Ended:
                await self._accounts.end(account)
                return None
            except Refused as refused:
                if "rate" in refused.detail.lower() and tries < _TRIES:
                    await self._sleep(_PAUSE * tries)
                    continue
                _log.warning("wechat.message_not_taken", account=account.id, fault=str(refused))
                return None

    async def _place(self, to: To, context: _Context, item: Item) -> int:
        """Which of the messages for the person's newest one this is, from 0; a second attempt keeps its place."""
        log = f"me:sent:{to.name}:{context.message}"
        sent = [entry.value for entry in await self._store.read(log)]
        if item.id not in sent and len(sent) < QUOTA:
            await self._store.append(log, item.id, limit=2 * QUOTA, ttl=DAY)
            sent = [entry.value for entry in await self._store.read(log)]
        return sent.index(item.id) if item.id in sent else QUOTA

    async def _context(self, to: To) -> _Context | None:
        kept = await self._store.get(f"me:context:{to.name}")
        if kept is None:
            return None
        message, at, sealed = json.loads(kept)
        token = self._seal.open(sealed)
        return None if token is None else _Context(message, at, token)


def _fields(file: Uploaded) -> list[Any]:
    return [file.kind, file.parameter, file.key, file.size, file.plain, file.name]
