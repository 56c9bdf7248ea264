"""Long polling for every account that has signed in: one process asks for each, and the cursor follows acceptance.

Source: "getUpdates" of docs/protocol.md, https://github.com/Tencent/openclaw-weixin. The cursor that came with a
batch is asked with, and kept, only once every message of the batch is on disk; after a crash the batch comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from adapters._numbered import Numbered
from adapters._sealed import Seal
from adapters._spoken import Spoken
from adapters.wechat.personal.accounts import Account, Accounts
from adapters.wechat.personal.client import HOLD, Client, Ended, Refused
from adapters.wechat.personal.outbox import Item, Outbox, To
from adapters.wechat.personal.parse import Heard, parse
from adapters.wechat.personal.quotes import Quotes, Utterance
from adapters.wechat.personal.reply import client_id
from bot.api import Attachment, Busy, Incoming, MenuEntry, Quoted, Store, Submit, Unavailable

_LONGEST_HOLD = 120.0
_CURSOR_LIMIT = 1 << 20
_BREATH = 0.2  # seconds between two questions without news, should WeChat not hold them
_PARTING = 2.0  # seconds for telling WeChat that we stop

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Pauses after faults, in seconds: the first, and the longest to which it grows."""

    first: float = 2.0
    longest: float = 30.0


class _Trouble:
    """Says a fault once, and once when it is over; tells the pause before the next try."""

    def __init__(self, account: str, patience: Patience) -> None:
        self._account = account
        self._patience = patience
        self._said = ""
        self._pause = patience.first

    def met(self, error: Exception) -> float:
        """A try has failed: how long to wait for the next."""
        if str(error) != self._said:
            self._said = str(error)
            _log.warning("wechat.trouble", account=self._account, fault=self._said)
        pause, self._pause = self._pause, min(2 * self._pause, self._patience.longest)
        return pause

    def over(self) -> None:
        """A try has succeeded."""
        if self._said:
            _log.info("wechat.trouble_over", account=self._account)
        self._said, self._pause = "", self._patience.first


class Meanings:
    """What a typed text means: a line of a numbered list, or a command by its Chinese name."""

    def __init__(self, numbered: Numbered) -> None:
        self._numbered = numbered
        self._spoken = Spoken(())

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """These are the commands that people may write."""
        self._spoken = Spoken(commands)

    async def of(self, message: Incoming, to: To) -> Incoming:
        """The message as the core is to read it. Raises `Unavailable`."""
        if not message.text or message.attachments:
            return message
        value = await self._numbered.taken(f"me:{to.name}", message.text)
        command = value or self._spoken.command(message.text)
        return message if command is None else replace(message, text=command, addressed="command")


class Receiver:
    """Asks for the messages of all accounts and hands them in."""

    def __init__(
        self,
        client: Client,
        accounts: Accounts,
        outbox: Outbox,
        *,
        quotes: Quotes,
        meanings: Meanings,
        store: Store,
        seal: Seal,
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._accounts = accounts
        self._outbox = outbox
        self._quotes = quotes
        self._meanings = meanings
        self._store = store
        self._seal = seal
        self._patience = patience or Patience()
        self._sleep = sleep

    async def run(self, submit: Submit) -> None:
        """Receive until cancelled, also for those who sign in meanwhile."""
        trouble = _Trouble("", self._patience)
        while True:
            pause = 0.0
            try:
                await self._follow(submit, trouble)
            except* Unavailable as errors:
                pause = trouble.met(errors.exceptions[0])
            await self._sleep(pause)

    async def _follow(self, submit: Submit, trouble: _Trouble) -> None:
        asking: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            async for account in self._accounts.follow():
                trouble.over()
                if (earlier := asking.get(account.id)) is not None:  # a sign-in that this one replaces
                    earlier.cancel()
                    await asyncio.wait({earlier})
                asking[account.id] = group.create_task(self._ask(account, submit))

    async def _ask(self, account: Account, submit: Submit) -> None:
        """Receive for one sign-in, until WeChat ends it."""
        trouble = _Trouble(account.id, self._patience)
        while True:
            try:
                if await self._accounts.ended(account):
                    return
                await self._store.lead(f"me:{account.id}", partial(self._lead, account, submit, trouble))
            except Unavailable as error:
                await self._sleep(trouble.met(error))
            else:
                return

    async def _lead(self, account: Account, submit: Submit, trouble: _Trouble) -> None:
        if await self._accounts.ended(account):  # while another process led
            return
        await self._notify(account, "notifystart")
        try:
            await self._poll(account, submit, trouble)
        except Ended:
            await self._accounts.end(account)
        finally:
            await self._part(account)

    async def _poll(self, account: Account, submit: Submit, trouble: _Trouble) -> None:
        """Ask for ever. Raises `Ended`. `trouble` is what we have with WeChat."""
        taking = _Trouble(account.id, self._patience)
        cursor, hold = await self._accounts.cursor(account), HOLD
        while True:
            try:
                answer = await self._client.post(
                    account.base_url,
                    "ilink/bot/getupdates",
                    {"get_updates_buf": cursor},
                    token=account.token,
                    hold=hold,
                )
            except Ended:
                raise
            except (Refused, Unavailable) as error:
                await self._sleep(trouble.met(error))
                continue
            hold = _hold(answer.get("longpolling_timeout_ms"), hold)
            found = answer.get("msgs")
            messages = found if isinstance(found, list) else []
            for message in messages:
                await self._take(account, message, submit, taking)
            behind = answer.get("get_updates_buf")
            if isinstance(behind, str) and behind not in ("", cursor) and len(behind) <= _CURSOR_LIMIT:
                await self._patiently(partial(self._accounts.passed, account, behind), taking)
                cursor = behind
                trouble.over()
            elif messages:  # they would come again at once, and again
                await self._sleep(
                    trouble.met(Unavailable("WeChat gives messages without a cursor behind them"))
                )
            else:
                trouble.over()
                await self._sleep(_BREATH)

    # --- one message ----------------------------------------------------------------------------------------

    async def _take(self, account: Account, message: object, submit: Submit, trouble: _Trouble) -> None:
        """See that the message is on disk, however long it takes."""
        heard = parse(message, account.id, self._seal)
        if heard is not None:
            await self._patiently(partial(self._accept, account, heard, submit), trouble)

    async def _accept(self, account: Account, heard: Heard, submit: Submit) -> None:
        message = heard.incoming
        to = To(account.id, message.place.chat, message.person.language)
        # The answer may be given in another process, and before this call returns.
        await self._outbox.heard(to, message.id, heard.context_token, message.sent_at)
        if (said := await self._quotes.find(to.name, heard.quotes)) is not None:
            message = replace(message, quoted=_quoted(said, message.quoted))
        await self._quotes.remember(to.name, heard.names, Utterance(message.text))
        outcome = await submit(await self._meanings.of(message, to))
        if isinstance(outcome, Busy):  # that a message waits is not said: it would be one of the ten
            await self._tell(to, Item(client_id(message.key, 0, outcome.text), outcome.text))

    async def _tell(self, to: To, item: Item) -> None:
        try:
            await self._outbox.tell(to, item)
        except Unavailable as error:
            _log.info("wechat.busy_unsaid", fault=str(error))

    async def _patiently(self, work: Callable[[], Awaitable[None]], trouble: _Trouble) -> None:
        while True:
            try:
                await work()
            except Unavailable as error:
                await self._sleep(trouble.met(error))
            else:
                trouble.over()
                return

    # --- what WeChat likes to know --------------------------------------------------------------------------

    async def _notify(self, account: Account, what: str) -> None:
        try:
            await self._client.post(account.base_url, f"ilink/bot/msg/{what}", {}, token=account.token)
        except (Refused, Unavailable) as error:
            _log.info("wechat.unnotified", what=what, account=account.id, fault=str(error))

    async def _part(self, account: Account) -> None:
        try:
            async with asyncio.timeout(_PARTING):
                if not await self._accounts.ended(account):
                    await self._notify(account, "notifystop")
        except (Unavailable, TimeoutError) as error:
            _log.info("wechat.unnotified", what="notifystop", account=account.id, fault=type(error).__name__)


def _quoted(said: Utterance, came: Quoted | None) -> Quoted:
    """What is quoted: as it came with the message, else as it is remembered; who said it, we alone know."""
    if came is not None:
        return replace(came, ours=said.ours)
    pictures = (Attachment("image", said.picture),) if said.picture else ()
    return Quoted(said.text, attachments=pictures, ours=said.ours)


def _hold(told: object, before: float) -> float:
    """For how long WeChat says that it holds a question; seconds."""
    if isinstance(told, int | float) and not isinstance(told, bool) and told > 0:
        return min(told / 1000, _LONGEST_HOLD)
    return before
