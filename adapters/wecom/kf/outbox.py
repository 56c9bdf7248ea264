"""What customer service has to say to one person: sent within WeChat's quota, the rest kept for the next occasion."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Literal

import structlog

from adapters._tencent import Api, ApiRefused
from adapters.wecom.bodies import Body
from adapters.wecom.interface import FAST, TEXT_LIMIT, fault, patiently
from adapters.wecom.kf.parse import PREFIX
from adapters.wecom.words import say
from bot.api import Gone, Place, Store, Unavailable

QUOTA = 5
"""Messages after one of the person's, within 48 hours (developer.work.weixin.qq.com/document/path/94677)."""

WINDOW = 48 * 3600.0
KEPT = 3 * 86400.0
LIMIT = 60
"""Messages that are kept for one person, and for how long."""

ROOM = TEXT_LIMIT - 160
"""Bytes of one text, so that it has room for the line that says there is more."""

# developer.work.weixin.qq.com/document/path/90313: too many messages, too late, too many people.
_SPENT = frozenset({95001, 95002, 95003})
_STATE = frozenset({95013, 95018})  # the session has ended, or somebody else has it
_MENDED = frozenset(
    {40001, 40013, 40014, 42001, 48002, 60020, 95011, 95012, 95017} | FAST
)  # by the operator, or by time
_UNTAKEN, _OURS, _QUEUED, _PEOPLE = 0, 1, 2, 3  # states of a session (document/path/94669)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `id` is ours and the same on every attempt: WeChat shows a message with one id once."""

    id: str
    body: Body


class Outbox:
    """Sends to people by all of the company's customer-service accounts."""

    def __init__(
        self, api: Api, store: Store, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._api = api
        self._store = store
        self._sleep = sleep

    async def wrote(self, place: Place) -> None:
        """The person has written: so many messages may follow. Raises `Unavailable`."""
        await self._store.put(_count(place), "0", ttl=WINDOW)

    async def add(self, place: Place, message: Message) -> None:
        """Put a message behind what waits already. Raises `Unavailable`."""
        value = json.dumps([message.id, message.body], ensure_ascii=False)
        await self._store.append(_log_of(place), value, limit=LIMIT, ttl=KEPT)

    async def withdraw(self, place: Place, ids: Collection[str]) -> None:
        """Take messages back that still wait. Raises `Unavailable`."""
        waiting = await self._store.read(_log_of(place))
        taken = [entry.id for entry in waiting if _message(entry.value).id in ids]
        if taken:
            await self._store.remove(_log_of(place), taken)

    async def empty(self, place: Place, language: str) -> None:
        """Send what waits, oldest first, as far as the quota goes; the last one says that there is more.

        Raises `Gone` and `Unavailable`.
        """
        log, sent = _log_of(place), set[str]()
        waiting = await self._store.read(log)
        while waiting:
            entry = waiting.pop(0)
            message = _message(entry.value)
            if message.id not in sent:
                used = int(await self._store.get(_count(place)) or 0)
                if used >= QUOTA:
                    return
                last = used == QUOTA - 1 and bool(waiting)
                if not await self._sent(place, _hinted(message, language) if last else message):
                    return
                sent.add(message.id)
                await self._store.put(_count(place), str(used + 1), ttl=WINDOW)
            await self._store.remove(log, [entry.id])

    async def forget(self, place: Place) -> None:
        """Let nothing wait for the person any more. Raises `Unavailable`."""
        waiting = await self._store.read(_log_of(place))
        await self._store.remove(_log_of(place), [entry.id for entry in waiting])

    async def welcome(self, code: str, text: str, name: str) -> None:
        """Greet whoever has opened the chat; it does not count. Raises `ApiRefused`, `Unavailable`.

        Source: developer.work.weixin.qq.com/document/path/95122 (send_msg_on_event).
        """
        body = {"code": code, "msgid": name, "msgtype": "text", "text": {"content": text}}
        await self._api.call("/cgi-bin/kf/send_msg_on_event", body)

    # --- one message -----------------------------------------------------------------------------------------

    async def _sent(self, place: Place, message: Message) -> bool:
        """Whether it is dealt with; False where it has to wait for the person."""
        outcome = await self._tried(place, message)
        if outcome == "session":
            outcome = await self._tried(place, message) if await self._taken_over(place) else "wait"
        return outcome == "done"

    async def _tried(self, place: Place, message: Message) -> Literal["done", "wait", "session"]:
        """What came of it; `session`: the session is not ours."""
        request = {
            "touser": place.chat,
            "open_kfid": place.account.removeprefix(PREFIX),
            "msgid": message.id,
            **message.body,
        }
        try:
            await patiently(lambda: self._api.call("/cgi-bin/kf/send_msg", request), sleep=self._sleep)
        except ApiRefused as refused:
            if refused.code in _STATE:
                return "session"
            if refused.code in _SPENT:
                _log.info("wecom.kf_quota_spent", code=refused.code)
                return "wait"
            meaning = fault(refused)
            if isinstance(meaning, Gone):
                await self.forget(place)
            if isinstance(meaning, Gone) or refused.code in _MENDED:
                raise meaning from None
            # Asking the same again cannot help, and what stands behind it must not wait for it.
            _log.warning("wecom.kf_message_refused", reason=str(refused), kind=message.body.get("msgtype"))
        return "done"

    async def _taken_over(self, place: Place) -> bool:
        """Whether the session is ours now. Raises `Gone` where a colleague has it, `Unavailable`."""
        session = {"open_kfid": place.account.removeprefix(PREFIX), "external_userid": place.chat}
        try:
            answer = await self._api.call("/cgi-bin/kf/service_state/get", session)
            state = answer.get("service_state")
            if state in (_QUEUED, _PEOPLE):
                await self.forget(place)
                raise Gone("a colleague serves this person")
            if state != _UNTAKEN:
                return state == _OURS
            ours = session | {"service_state": _OURS}
            await self._api.call("/cgi-bin/kf/service_state/trans", ours)
        except ApiRefused as refused:
            raise Unavailable(str(refused)) from None
        return True


def _hinted(message: Message, language: str) -> Message:
    if message.body.get("msgtype") != "text":
        return message
    content = f"{message.body['text']['content']}\n\n{say(language, 'rest')}"
    if len(content.encode()) > TEXT_LIMIT:
        return message
    return Message(message.id, {**message.body, "text": {"content": content}})


def _message(value: str) -> Message:
    return Message(*json.loads(value))


def _log_of(place: Place) -> str:
    return f"kf:out:{place.account}:{place.chat}"


def _count(place: Place) -> str:
    return f"kf:sent:{place.account}:{place.chat}"
