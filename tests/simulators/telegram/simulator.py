"""The server: one bot, its people and chats, and the methods over HTTP."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiogram.types import ChatMemberAdministrator, ChatMemberRestricted, TelegramObject
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.simulators.endpoint import serve
from tests.simulators.telegram.attachments import Files
from tests.simulators.telegram.faults import Faults
from tests.simulators.telegram.flood import Flood
from tests.simulators.telegram.methods import HANDLERS
from tests.simulators.telegram.person import Person, Press, Query
from tests.simulators.telegram.schema import METHODS, Refused, parameters
from tests.simulators.telegram.updates import Updates
from tests.simulators.telegram.wire import Upload, read
from tests.simulators.telegram.world import Chat, Shown

TOKEN = "7000000001:AAsimulated-token-of-the-parley-bot"


def _backoff(failures: int) -> float:
    """A hundredth of what Telegram waits."""
    return min(0.01 * 2.0 ** (failures - 1), 0.6)


@dataclass(slots=True)
class Call:
    """A request to a method.

    `error` is the refusal's description, `done` whether it was carried out, `fault` what befell it by the
    test's wish ("fail", "hang", "cut").
    """

    method: str
    params: dict[str, Any]
    time: float
    result: Any = None
    error: str | None = None
    code: int = 200
    done: bool = False
    fault: str | None = None


class TelegramSimulator(Faults):
    """Telegram for one bot.

    `privacy` is the bot's privacy mode in groups. `flood` is None until a test sets a `Flood`. `backoff` gives
    the webhook's seconds between tries. `answer_seconds` is how long a pressed button waits.
    `inline` is whether inline mode was allowed with @BotFather.
    """

    def __init__(
        self,
        token: str = TOKEN,
        username: str = "parley_bot",
        *,
        privacy: bool = True,
        clock: Callable[[], float] = time.time,
        backoff: Callable[[int], float] = _backoff,
    ) -> None:
        super().__init__()
        self.token = token
        self.id = int(token.partition(":")[0])
        self.username = username
        self.privacy = privacy
        self.clock = clock
        self.base_url = ""
        self.flood: Flood | None = None
        self.answer_seconds = 60.0
        self.rich = False
        self.inline = True
        self.files = Files(clock)
        self.people: dict[int, Person] = {}
        self.chats: dict[int, Chat] = {}
        self.elsewhere = Chat(self, 0, "private", title="chats without the bot")
        self.inline_messages: dict[str, Shown] = {}
        self.presses: dict[str, Press] = {}
        self.queries: dict[str, Query] = {}
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.descriptions: dict[tuple[str, str], str] = {}
        self.calls: deque[Call] = deque(maxlen=100_000)
        self.counts: Counter[str] = Counter()
        self.updates = Updates(clock, backoff)
        self.updates.answered = self._answered
        self.updates.on_delivery = self.changed
        self._numbers = itertools.count(1)
        self._message_ids = itertools.count(11)
        self._waiters: dict[Chat | None, set[asyncio.Event]] = {}
        methods = ["GET", "POST"]
        self.app = Starlette(
            routes=[
                Route("/bot{token}/{method}", self._call, methods=methods),
                Route("/file/bot{token}/{path:path}", self._download),
            ],
            exception_handlers={404: _not_found, 405: _not_found},
        )

    @property
    def api_url(self) -> str:
        """What python-telegram-bot calls `base_url`: the token follows it."""
        return f"{self.base_url}/bot"

    @property
    def file_url(self) -> str:
        """What python-telegram-bot calls `base_file_url`."""
        return f"{self.base_url}/file/bot"

    # --- people and chats ---

    def person(
        self, id: int, first_name: str = "Ann", language_code: str | None = "en", **more: Any
    ) -> Person:
        """Somebody; `more` are last_name and username."""
        made = Person(self, id, first_name, language_code, **more)
        self.people[id] = made
        return made

    def private(self, person: Person) -> Chat:
        """The person's chat with the bot."""
        if person.id not in self.chats:
            self.chats[person.id] = Chat(
                self, person.id, "private", person=person, members={person.id: person}, status="member"
            )
        return self.chats[person.id]

    def group(
        self,
        title: str,
        members: Sequence[Person] = (),
        *,
        forum: bool = False,
        supergroup: bool | None = None,
        id: int | None = None,
    ) -> Chat:
        """A group with the bot in it, whose first member made it; a forum is always a supergroup."""
        large = forum if supergroup is None else supergroup
        number = self.number()
        id = id or (-1_001_000_000_000 - number if large else -5_000_000 - number)
        chat = Chat(self, id, "supergroup" if large else "group", title, forum=forum)
        chat.members = {member.id: member for member in members}
        chat.admins = {member.id for member in members[:1]}
        self.chats[id] = chat
        return chat

    def supergroup(self, chat: Chat) -> Chat:
        """What a group becomes; `Person.migrates` tells the bot of it."""
        return self.group(chat.title, list(chat.members.values()), supergroup=True)

    # --- what the bot did ---

    def called(self, method: str) -> list[dict[str, Any]]:
        """The parameters of a method's calls that were carried out, in order."""
        return [call.params for call in self.calls if call.method == method and call.done]

    def refused(self, method: str | None = None) -> list[str]:
        """The descriptions of the refusals, in order; of one method where it is named."""
        return [call.error for call in self.calls if call.error and method in (None, call.method)]

    async def until(
        self, condition: Callable[[], object], timeout: float = 30, *, chat: Chat | None = None
    ) -> None:
        """Wait until a condition of this state holds; raises AssertionError after `timeout` seconds.

        With `chat` it is looked at only when that chat has changed, which is cheaper where thousands wait.
        """
        event = asyncio.Event()
        waiters = self._waiters.setdefault(chat, set())
        waiters.add(event)
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    await event.wait()
                    event.clear()
        except TimeoutError:
            raise AssertionError(f"not within {timeout} s: {list(self.calls)[-5:]}") from None
        finally:
            waiters.discard(event)

    # --- for the parts of the simulator ---

    def number(self) -> int:
        """A number that nothing else has."""
        return next(self._numbers)

    def me(self) -> dict[str, Any]:
        """The bot's User, as others see it."""
        return {"id": self.id, "is_bot": True, "first_name": "Parley", "username": self.username}

    def membership(self, status: str) -> dict[str, Any]:
        """The bot's ChatMember."""
        kinds: dict[str, type[TelegramObject]] = {
            "administrator": ChatMemberAdministrator,
            "restricted": ChatMemberRestricted,
        }
        member: dict[str, Any] = {"user": self.me(), "status": status}
        if status in kinds:
            rights = (
                n for n, f in kinds[status].model_fields.items() if f.annotation is bool and f.is_required()
            )
            member |= dict.fromkeys(rights, status == "administrator")
        if status in {"kicked", "restricted"}:
            member["until_date"] = 0
        if status == "restricted":
            member["is_member"] = True
        return member

    def post(self, shown: Shown) -> Shown:
        """Put a message on its chat's screen."""
        chat = shown.chat
        if chat.kind == "supergroup":
            chat.last_id += 1  # each supergroup counts for itself, all other chats together
            shown.id = chat.last_id
        else:
            shown.id = next(self._message_ids)
        chat.messages.append(shown)
        self.changed(chat)
        return shown

    def put(self, kind: str, document: dict[str, Any], lane: str, life: float = 86_400) -> int | None:
        """Queue an update for the bot."""
        return self.updates.put(kind, document, lane, life)

    def changed(self, chat: Chat | None = None) -> None:
        """Wake those who wait for a condition; where only one chat has changed, not those of the others."""
        keys = list(self._waiters) if chat is None else [None, chat]
        for key in keys:
            for event in self._waiters.get(key, ()):
                event.set()

    async def execute(
        self, name: str, given: Mapping[str, Any], files: Mapping[str, Upload], fault: str | None = None
    ) -> Any:
        """Carry out a method. Raises `Refused`."""
        handler = HANDLERS.get(name.lower())
        if handler is None:
            raise Refused(404, "Not Found")
        call = self._record(name, given, fault)
        try:
            if over := [f for f in files.values() if len(f.content) > 50 * 1024 * 1024]:
                raise Refused(413, f"Request Entity Too Large: {over[0].name}")
            stand_ins = {key: f"attach://{key}" for key in files if key in METHODS[name.lower()].model_fields}
            call.params = parameters(name, {**given, **stand_ins})
            call.result = await handler(self, call.params, files)
            call.done = True
        except Refused as refusal:
            call.code, call.error = refusal.code, refusal.description
            raise
        finally:
            self.changed(self.chats.get(call.params.get("chat_id", 0)))
        return call.result

    # --- HTTP ---

    async def _call(self, request: Request) -> Response:
        name = str(request.path_params["method"])
        if (refusal := self._wrong_token(request)) is not None:
            return refusal
        fault = self.next_fault(name)
        try:
            given, files = await read(request)
            if fault is not None and not fault.after and (answer := await fault.befall()) is not None:
                self._record(name, given, fault.kind)
                return answer
            work = self.execute(name, given, files, fault.kind if fault else None)
            result = await (_while_there(request, work) if name.lower() == "getupdates" else work)
            response: Response = JSONResponse({"ok": True, "result": result})
        except Refused as refused:
            response = JSONResponse(refused.body(), refused.code)
        if fault is not None and fault.after and (answer := await fault.befall()) is not None:
            return answer
        return response

    async def _download(self, request: Request) -> Response:
        if (refusal := self._wrong_token(request)) is not None:
            return refusal
        self.counts["download"] += 1
        fault = self.next_fault("download")
        if fault is not None and (answer := await fault.befall()) is not None:
            return answer
        file = self.files.at(request.path_params["path"])
        if file is None:
            return await _not_found(request, None)
        return Response(file.content, media_type="application/octet-stream")

    def _wrong_token(self, request: Request) -> Response | None:
        token = request.path_params["token"]
        if token == self.token:
            return None
        known = re.fullmatch(r"\d+:[\w-]{30,}", token)
        refused = Refused(401, "Unauthorized") if known else Refused(404, "Not Found")
        return JSONResponse(refused.body(), refused.code)

    async def _answered(self, reply: Mapping[str, Any]) -> None:
        name = str(reply["method"])
        try:
            await self.execute(name, {key: value for key, value in reply.items() if key != "method"}, {})
        except Refused:
            self.counts["refused webhook replies"] += 1  # the bot never learns of it

    def _record(self, name: str, given: Mapping[str, Any], fault: str | None) -> Call:
        kind = METHODS.get(name.lower())
        call = Call(kind.__api_method__ if kind else name, dict(given), self.clock(), fault=fault)
        self.calls.append(call)
        self.counts[call.method] += 1
        for event in self._waiters.get(None, ()):
            event.set()
        return call


async def _while_there(request: Request, work: Any) -> Any:
    """Poll for as long as the client holds the line."""
    polling = asyncio.ensure_future(work)

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    leaving = asyncio.create_task(left())
    try:
        await asyncio.wait({polling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await polling if polling.done() else []
    finally:
        for task in (polling, leaving):
            task.cancel()


async def _not_found(request: Request, error: Exception | None) -> Response:
    return JSONResponse(Refused(404, "Not Found").body(), 404)


@asynccontextmanager
async def telegram_simulator(
    token: str = TOKEN,
    username: str = "parley_bot",
    *,
    port: int = 0,
    privacy: bool = True,
    clock: Callable[[], float] = time.time,
    backoff: Callable[[int], float] = _backoff,
) -> AsyncIterator[TelegramSimulator]:
    """The simulator on a free port of loopback, in the running loop."""
    simulator = TelegramSimulator(token, username, privacy=privacy, clock=clock, backoff=backoff)
    async with serve(simulator.app, port) as taken:
        simulator.base_url = f"http://127.0.0.1:{taken}"
        try:
            yield simulator
        finally:
            await simulator.updates.close()
