"""The smart bot's long connection: one for all replicas, held by whoever leads, made anew when it ends."""

from __future__ import annotations

import asyncio
import random as randomness
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from adapters.wecom.bot.drawer import Drawer
from adapters.wecom.bot.inlet import Inlet
from adapters.wecom.bot.link import (
    HAPPENED,
    PATIENCE,
    RESPOND,
    SUBSCRIBE,
    WELCOME,
    Declined,
    Kicked,
    Link,
    Lost,
)
from adapters.wecom.bot.outlet import BUSY, Outlet
from adapters.wecom.bot.pace import Pace
from adapters.wecom.bot.parse import event_of
from adapters.wecom.settings import BotCredentials
from bot.api import Accepted, Busy, Duplicate, Store, Submit, Unavailable

PING = 30.0
"""Seconds between two signs of life (developer.work.weixin.qq.com/document/path/101463)."""

WAITING = 1_000
"""Frames that wait for Redis at most. WeCom asks for no acknowledgement and sends none of them again."""

STATUS = "status"
"""The key under which the drawer holds how the connection is; it is looked at by `parley check`."""

_FRAME = 4 * 1024 * 1024
_LONGEST = 30.0  # seconds between two tries
_ALONE = 60.0  # seconds before a connection that was taken over, or refused, is tried again: twice as many each time
_ALONE_LONGEST = 900.0
_STEADY = 600.0

REMEDY_KICKED = "stop the other program that uses this bot's id and secret"
REMEDY_REFUSED = "compare WECOM_BOT_ID and WECOM_BOT_SECRET with the bot's page in WeCom"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a connection ended, where trying again at once is of no use. `status` begins with a word for the log."""

    status: str
    detail: str
    remedy: str


class Socket:
    """`clock` is the time of day in seconds, `random` a number from 0 to 1; `ping` and `patience` are in seconds."""

    def __init__(
        self,
        credentials: BotCredentials,
        store: Store,
        drawer: Drawer,
        inlet: Inlet,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        random: Callable[[], float] = randomness.random,
        ping: float = PING,
        patience: float = PATIENCE,
    ) -> None:
        self._credentials = credentials
        self._store = store
        self._drawer = drawer
        self._inlet = inlet
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._ping = ping
        self._patience = patience
        self._pace = Pace(clock, sleep)
        self._frames: deque[Mapping[str, Any]] = deque()
        self._news = asyncio.Event()
        self._link: Link | None = None
        self._said = ""  # the trouble that was reported last

    async def run(self, submit: Submit) -> None:
        """Receive and send until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._taking(submit))
            group.create_task(self._leading())

    # --- the connection --------------------------------------------------------------------------------------

    async def _leading(self) -> None:
        while True:
            try:
                await self._store.lead(f"bot:{self._credentials.id}", self._connecting)
            except Unavailable as error:
                _log.warning("wecom.bot_drawer_away", reason=str(error))
                await self._sleep(1.0)

    async def _connecting(self) -> None:
        pause, alone = 1.0, _ALONE
        while True:
            began = self._clock()
            trouble = await self._ended()
            if self._clock() - began > _STEADY:
                pause, alone, self._said = 1.0, _ALONE, ""
            if trouble is None:
                await self._note("cut off")
                wait, pause = pause * (0.5 + self._random()), min(2 * pause, _LONGEST)
            else:
                self._report(trouble)
                await self._note(trouble.status)
                wait, alone = alone, min(2 * alone, _ALONE_LONGEST)
            await self._sleep(wait)

    async def _ended(self) -> Trouble | None:
        """One connection, from its beginning to its end: what only the operator can mend, if it is that."""
        try:
            await self._connection()
        except Kicked:
            return Trouble(
                "kicked", "another connection for this bot has taken the place of ours", REMEDY_KICKED
            )
        except Declined as declined:
            if declined.code not in BUSY:
                return Trouble(f"refused {declined.code}", str(declined), REMEDY_REFUSED)
            _log.warning("wecom.bot_cut_off", reason=str(declined))
        except (Lost, aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.warning("wecom.bot_cut_off", reason=type(error).__name__)
        return None

    async def _connection(self) -> None:
        """Raises `Lost`, `Kicked`, `Declined`, `Unavailable`."""
        async with aiohttp.ClientSession() as session:
            async with asyncio.timeout(2 * self._patience):
                ws = await session.ws_connect(self._credentials.ws_url, max_msg_size=_FRAME)
            link = Link(ws, self._hear, patience=self._patience)
            tasks = [asyncio.create_task(link.read())]
            try:
                body = {"bot_id": self._credentials.id, "secret": self._credentials.secret}
                await link.call(SUBSCRIBE, body)
                self._link = link
                await self._note("connected")
                _log.info("wecom.bot_connected")
                outlet = Outlet(link, self._drawer, self._pace, self._clock, self._sleep)
                tasks.append(asyncio.create_task(outlet.run(self._store.follow)))
                tasks.append(asyncio.create_task(link.live(self._ping, self._sleep)))
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                self._link = None
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await link.close()

    def _report(self, trouble: Trouble) -> None:
        """Say it once, however often it is tried again."""
        said, self._said = self._said, trouble.status
        if said != trouble.status:
            event = f"wecom.bot_{trouble.status.partition(' ')[0]}"
            _log.error(event, error=trouble.detail, remedy=trouble.remedy)

    async def _note(self, status: str) -> None:
        try:
            await self._store.put(f"{STATUS}:{self._credentials.id}", status, ttl=7 * 86400.0)
        except Unavailable as error:
            _log.warning("wecom.bot_drawer_away", reason=str(error))

    # --- what comes ------------------------------------------------------------------------------------------

    def _hear(self, frame: Mapping[str, Any]) -> None:
        if len(self._frames) >= WAITING:
            _log.error("wecom.bot_message_lost", reason="too many wait for Redis")
            return
        self._frames.append(frame)
        self._news.set()

    async def _taking(self, submit: Submit) -> None:
        pause = 0.1
        while True:
            await self._news.wait()
            if not self._frames:
                self._news.clear()
                continue
            frame = self._frames.popleft()
            try:
                await self._take(frame, submit)
                pause = 0.1
            except Unavailable as error:
                self._frames.appendleft(frame)
                _log.warning("wecom.bot_message_waits", reason=str(error))
                await self._sleep(pause)
                pause = min(2 * pause, 5.0)
            except asyncio.CancelledError:
                self._frames.appendleft(frame)
                raise

    async def _take(self, frame: Mapping[str, Any], submit: Submit) -> None:
        """Hand it over; only then is anything said. Raises `Unavailable`."""
        headers, body = frame.get("headers"), frame.get("body")
        request = str(headers.get("req_id") or "") if isinstance(headers, dict) else ""
        if not isinstance(body, dict):
            return
        if frame.get("cmd") == HAPPENED:
            if event_of(body) == "enter_chat" and (greeting := await self._inlet.greeting(body)):
                await self._answer(WELCOME, request, {"msgtype": "text", "text": {"content": greeting}})
            return
        taken = await self._inlet.take(body, submit, request=request)
        if taken is None:
            _log.info("wecom.bot_unreadable", kind=str(body.get("msgtype"))[:40])
            return
        match taken.outcome:
            case Accepted() | Duplicate():
                await self._drawer.changed(taken.stream)
            case Busy(text):
                stream = {"id": taken.stream, "finish": True, "content": text}
                await self._answer(RESPOND, request, {"msgtype": "stream", "stream": stream})

    async def _answer(self, command: str, request: str, body: Mapping[str, Any]) -> None:
        """Say something that is not said again where it fails."""
        try:
            if self._link is not None:
                await self._link.call(command, body, request=request)
        except (Lost, Declined) as error:
            _log.info("wecom.bot_unsaid", command=command, reason=str(error))
