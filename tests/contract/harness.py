"""How the contract's suite drives each adapter: a platform at its back that can be read and cut off.

A new adapter adds one class here and one line to `HARNESSES`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from types import ModuleType
from typing import Any, Protocol, Self

import httpx
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from adapters._envelope import read_xml
from adapters._feed import Item, fold, log_of
from adapters.console import Console, ConsoleSettings
from adapters.console.parse import parse as parse_line
from adapters.slack.adapter import SlackAdapter
from adapters.slack.content import reference as file_reference
from adapters.slack.parse import Heard as SlackHeard
from adapters.slack.parse import Identity as SlackIdentity
from adapters.slack.parse import parse as parse_event
from adapters.slack.settings import SlackSettings
from adapters.slack.settings import credentials as slack_credentials
from adapters.telegram.adapter import TelegramAdapter
from adapters.telegram.parse import Heard, Identity
from adapters.telegram.parse import parse as parse_update
from adapters.telegram.settings import TelegramSettings
from adapters.telegram.settings import credentials as telegram_credentials
from adapters.web import Web, WebSettings
from adapters.web.parse import parse as parse_body
from adapters.wechat import WeChatSettings
from adapters.wechat.adapter import WeChatAdapter
from adapters.wechat.official import Official
from adapters.wechat.official.parse import parse as parse_wechat
from adapters.wechat.settings import credentials as wechat_credentials
from adapters.wecom.adapter import WeComAdapter
from adapters.wecom.app.parse import parse as parse_wecom
from adapters.wecom.app.reply import SILENCE
from adapters.wecom.settings import WeComSettings
from adapters.wecom.settings import credentials as wecom_credentials
from adapters.wecom.words import say as wecom_says
from bot.api import Accepted, Adapter, Attachment, End, Host, Incoming, Outcome, Text
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.simulators.endpoint import serve
from tests.simulators.slack import File, SlackSimulator, slack_simulator
from tests.simulators.telegram import TelegramSimulator, telegram_simulator
from tests.simulators.wechat import Account as WeChatAccount
from tests.simulators.wechat import Clock as WeChatClock
from tests.simulators.wechat import Person as WeChatPerson
from tests.simulators.wechat import Told, WeChatSimulator, wechat_simulator
from tests.simulators.wechat.delivering import written
from tests.simulators.wecom import WeComSimulator, wecom_simulator

OK = "That is understood."


class Harness(Protocol):
    """One adapter with a platform at its back, which runs inside `async with`."""

    adapter: Adapter

    async def __aenter__(self) -> Self:
        """Start the platform."""

    async def __aexit__(self, *fault: object) -> None:
        """Stop it."""

    def heard(self) -> Sequence[Incoming]:
        """Messages as its `parse` makes them, of every kind that the platform has."""

    def seen(self, message: Incoming) -> Sequence[str]:
        """The posts that stand as the answer to `message` and are seen now, oldest first.

        What a person reads of text, notice, choices (the question and its labels) and caption.
        """

    def whole(self, message: Incoming) -> bool:
        """Whether the person can tell that the answer has ended."""

    async def cut(self) -> None:
        """From now on the platform cannot be reached."""

    async def mend(self) -> None:
        """It can be reached again."""

    async def hand_in(self, text: str, core: Core) -> str:
        """Let a person say `text`, delivered again as the platform does it while nobody acknowledges.

        Returns what the person sees of it.
        """


class Core:
    """Raises or returns `outcomes` one after the other, then accepts; accepted is answered with `OK`."""

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.heard: list[Incoming] = []
        self.adapter: Adapter

    async def submit(self, message: Incoming) -> Outcome:
        """`bot.api.Submit`."""
        self.heard.append(message)
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted("ref")
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, Accepted):
            await self.answer(message)
        return outcome

    async def answer(self, message: Incoming) -> None:
        """Say `OK` and end."""
        reply = self.adapter.reply(message, MemoryJournal())
        await reply.send(Text(OK))
        await reply.send(End())


class Fed:
    """What the adapters share that keep their answers in a feed."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.host = Host(self.store, "127.0.0.1", 0, "", alone=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self.store.come()

    def seen(self, message: Incoming) -> Sequence[str]:
        item = self._item(message)
        return ["\n".join(_read(part) for part in item.parts), item.status or ""] if item else []

    def whole(self, message: Incoming) -> bool:
        item = self._item(message)
        return item is not None and item.ended

    async def cut(self) -> None:
        await self.store.go()

    async def mend(self) -> None:
        await self.store.come()

    def _item(self, message: Incoming) -> Item | None:
        items = fold(self.store.shown(log_of(message.place.chat)))
        return next((item for item in items if item.message == message.id), None)


class ConsoleHarness(Fed):
    """The terminal, written to through a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.adapter = Console.create(ConsoleSettings.load({}), self.host)

    def heard(self) -> Sequence[Incoming]:
        typed = [("hello", False), ("/help", False), ("你好 👋", False), ("poet", True)]
        found = [
            parse_line(line, id=f"m{n}", user="ann", language="zh-CN", sent_at=1.5, chosen=chosen)
            for n, (line, chosen) in enumerate(typed)
        ]
        return [message for message in found if message is not None]

    async def hand_in(self, text: str, core: Core) -> str:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            inner, outer = os.pipe()
            os.write(outer, f"{text}\n".encode())
            os.close(outer)
            out, err = folder / "out", folder / "err"
            streams = (
                stack.enter_context(os.fdopen(inner)),
                stack.enter_context(out.open("w")),
                stack.enter_context(err.open("w")),
            )
            core.adapter = desk = Console(
                self.store, user="ann", state=folder, streams=streams, sleep=lambda _: asyncio.sleep(0)
            )
            async with asyncio.timeout(30):
                await desk.run(core.submit)
            return out.read_text() + err.read_text()


class WebHarness(Fed):
    """The web chat, through its routes; the browser sends a message again while the answer is 503."""

    def __init__(self) -> None:
        super().__init__()
        adapter = Web.create(WebSettings.load({}), self.host)
        assert adapter is not None
        self.adapter = adapter

    def heard(self) -> Sequence[Incoming]:
        bodies = [
            '{"id":"0123456789","text":"hello"}',
            '{"id":"abcdef0123","text":"/help"}',
            '{"id":"abcdef0124","text":"你好 👋"}',
        ]
        return [parse_body(body.encode(), "session", language="zh-CN", now=1.5) for body in bodies]

    async def hand_in(self, text: str, core: Core) -> str:
        core.adapter = self.adapter
        body = {"id": "0123456789", "text": text}
        routes = self.adapter.routes(core.submit)
        response = await post_until_accepted(routes, "/api/messages", body, first="/")
        return "\n".join([response.text, *self.seen(core.heard[-1])])


class TelegramHarness:
    """Telegram's simulator, polled; everybody who says something does so in a chat of his own."""

    adapter: TelegramAdapter

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.telegram: TelegramSimulator
        self._stack = AsyncExitStack()
        self._heard: list[Incoming] = []
        self._later = 0.0

    async def __aenter__(self) -> Self:
        simulator = telegram_simulator(clock=lambda: time.time() + self._later)
        self.telegram = await self._stack.enter_async_context(simulator)
        settings = {
            "TELEGRAM_BOT_TOKEN": self.telegram.token,
            "TELEGRAM_API_BASE_URL": self.telegram.base_url,
        }
        host = Host(self.store, "127.0.0.1", 0, "", alone=False)
        found = telegram_credentials(TelegramSettings.load(settings), host)
        assert found is not None
        self.adapter = TelegramAdapter(found, host, sleep=self._sleep)
        self._stack.push_async_callback(self.adapter.close)
        await self._speak()
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self._stack.aclose()

    def heard(self) -> Sequence[Incoming]:
        return self._heard

    def seen(self, message: Incoming) -> Sequence[str]:
        chat = self.telegram.chats[int(message.place.chat)]
        return ["\n".join([shown.text, *shown.buttons]) for shown in chat.from_bot]

    def whole(self, message: Incoming) -> bool:
        self._later += 31  # what is left of a draft by then is not shown any more
        chat = self.telegram.chats[int(message.place.chat)]
        return chat.draft is None and not any("Stop" in shown.buttons for shown in chat.from_bot)

    async def cut(self) -> None:
        self.telegram.fail(times=1_000_000, error_code=502, body=b"<html>bad gateway</html>")

    async def mend(self) -> None:
        self.telegram.heal()

    async def hand_in(self, text: str, core: Core) -> str:
        core.adapter = self.adapter
        ann = self.telegram.person(99, "Ann")
        chat = self.telegram.private(ann)
        running = asyncio.create_task(self.adapter.run(core.submit))
        await ann.says(chat, text)
        async with asyncio.timeout(30):
            while self.telegram.updates.pending:  # noqa: ASYNC110 - it tells nobody when one is confirmed
                await asyncio.sleep(0.002)
        running.cancel()
        await asyncio.wait([running])
        return "\n".join(chat.said)

    async def _speak(self) -> None:
        """Have people say something of every kind, and take it from the wire."""
        people = [self.telegram.person(number, f"P{number}", "zh-hans") for number in range(1, 6)]
        chats = [self.telegram.private(person) for person in people[:4]]
        group = self.telegram.group("Cooks", people[4:], forum=True)
        await people[0].says(chats[0], "hello")
        await people[1].says(chats[1], "/help")
        await people[2].says(chats[2], "你好 👋")
        await people[3].sends_photo(chats[3], b"x", "what is it?")
        await people[4].says(group, "@parley_bot hello", thread=await people[4].opens_topic(group, "Soup"))
        me = Identity(str(self.telegram.id), self.telegram.username)
        found = [parse_update(update.document, me) for update in self.telegram.updates.pending]
        self._heard = [meaning.incoming for meaning in found if isinstance(meaning, Heard)]
        self.telegram.updates.set_webhook({"url": "", "drop_pending_updates": True})

    @staticmethod
    async def _sleep(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


class SlackHarness:
    """Slack's simulator, by Socket Mode; everybody who says something does so in a conversation of their own."""

    adapter: SlackAdapter

    def __init__(self) -> None:
        self.slack: SlackSimulator
        self._stack = AsyncExitStack()
        self._heard: list[Incoming] = []

    async def __aenter__(self) -> Self:
        self.slack = await self._stack.enter_async_context(slack_simulator())
        self.slack.ack_seconds, self.slack.retry_delays = 1.0, (0.0, 0.01, 0.01)
        await self._speak()
        settings = {
            "SLACK_BOT_TOKEN": self.slack.team.token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_API_BASE_URL": self.slack.base_url,
        }
        host = Host(MemoryStore(), "127.0.0.1", 0, "", alone=False)
        found = slack_credentials(SlackSettings.load(settings), host)
        assert found is not None
        self.adapter = SlackAdapter(found, host, ping=0.5, sleep=self._sleep)
        self._stack.push_async_callback(self.adapter.close)
        await self._warm()
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self._stack.aclose()

    def heard(self) -> Sequence[Incoming]:
        return self._heard

    def seen(self, message: Incoming) -> Sequence[str]:
        shown = self.slack.channels[message.place.chat].thread(message.place.thread).from_app
        return ["\n".join([one.shown, *one.buttons]) for one in shown]

    def whole(self, message: Incoming) -> bool:
        thread = self.slack.channels[message.place.chat].thread(message.place.thread)
        running = any(one.stream is not None and not one.stream.end for one in thread.from_app)
        return not running and "Stop" not in thread.buttons

    async def cut(self) -> None:
        self.slack.fail(times=1_000_000, status=502, body="<html>bad gateway</html>")

    async def mend(self) -> None:
        self.slack.heal()

    async def hand_in(self, text: str, core: Core) -> str:
        core.adapter = self.adapter
        ann = self.slack.person("Ann")
        dm = self.slack.dm(ann)
        running = asyncio.create_task(self.adapter.run(core.submit))
        await self.slack.connected()
        await ann.says(dm, text)
        await self.slack.settled()
        running.cancel()
        await asyncio.wait([running])
        return "\n".join(dm.visible())

    async def _speak(self) -> None:
        """Have people say something of every kind, and take it from the wire before the bot is there."""
        people = [self.slack.person(f"P{number}") for number in range(6)]
        cooks = self.slack.channel("cooks", people)
        root = await people[5].says(cooks, "soup?")
        said = [
            await people[0].says(self.slack.dm(people[0]), "hello"),
            await people[1].says(self.slack.dm(people[1]), "/help"),
            await people[2].says(self.slack.dm(people[2]), "你好 👋"),
            await people[3].uploads(
                self.slack.dm(people[3]), File(b"x", "x.png", "image/png"), text="what is it?"
            ),
            await people[4].says(cooks, f"{self.slack.mention} hello"),
            await people[5].says(cooks, f"{self.slack.mention} which soup?", thread=root),
        ]
        me = SlackIdentity(self.slack.team.id, self.slack.team.user, self.slack.team.bot)
        events = {
            delivery.payload["event"]["ts"]: delivery.payload["event"] for delivery in self.slack.deliveries
        }
        found = [parse_event(events[message.ts], me) for message in said]
        self._heard = [meaning.incoming for meaning in found if isinstance(meaning, SlackHeard)]
        await asyncio.sleep(0)  # the deliveries have begun, and can be ended: nobody is to hear them again
        await self.slack.deliveries.close()

    async def _warm(self) -> None:
        """Open connections: each is a task of the simulator's, and none is to begin behind a reply's back."""
        self.slack.latency = 0.01
        nothing = Attachment("file", file_reference(self.slack.team.id, "F0"))
        await asyncio.gather(*(self.adapter.fetch(nothing) for _ in range(4)), return_exceptions=True)
        self.slack.latency = 0.0

    @staticmethod
    async def _sleep(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


class WeComHarness:
    """WeCom's simulator, by the callback of a self-built app; every message is another member's."""

    adapter: WeComAdapter

    def __init__(self) -> None:
        self.wecom: WeComSimulator
        self._stack = AsyncExitStack()
        self._heard: list[Incoming] = []

    async def __aenter__(self) -> Self:
        self.wecom = await self._stack.enter_async_context(wecom_simulator())
        found = wecom_credentials(WeComSettings.load(self.wecom.environment))
        assert found is not None
        host = Host(MemoryStore(), "127.0.0.1", 0, "", alone=False)
        self.adapter = WeComAdapter(found, host, sleep=self._sleep)
        self._stack.push_async_callback(self.adapter.close)
        await self._speak()
        await self.adapter.check()  # opens the connection, which is a task of the simulator's
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self._stack.aclose()

    def heard(self) -> Sequence[Incoming]:
        return self._heard

    def seen(self, message: Incoming) -> Sequence[str]:
        return self.wecom.member(message.place.chat).shown

    def whole(self, message: Incoming) -> bool:
        return self.seen(message)[-1:] != [wecom_says("zh-CN", "thinking")]

    async def cut(self) -> None:
        self.wecom.fail(times=1_000_000)

    async def mend(self) -> None:
        self.wecom.heal()

    async def hand_in(self, text: str, core: Core) -> str:
        core.adapter = self.adapter
        ann = self.wecom.member("ann")
        async with serve(Starlette(routes=list(self.adapter.routes(core.submit)))) as port:
            self.wecom.deliver_to(f"http://127.0.0.1:{port}/wecom")
            await ann.says(text)
        await self.adapter.close()  # what is told beside the work has been told then
        return "\n".join(ann.shown)

    async def _speak(self) -> None:
        """Have people say something of every kind, while nobody is there to hear it."""
        people = [self.wecom.member(f"p{number}") for number in range(6)]
        said = [
            await people[0].says("hello"),
            await people[1].says("/help"),
            await people[2].says("你好 👋"),
            await people[3].sends("image", b"\x89PNG picture"),
            await people[4].locates("The harbour"),
            await people[5].clicks("/new"),
        ]
        app = self.adapter.credentials.app
        assert app is not None
        read = [{name: str(value) for name, value in one.message.items()} for one in said]
        meanings = [parse_wecom(message, app.account) for message in read]
        self._heard = [meaning for meaning in meanings if isinstance(meaning, Incoming)]

    @staticmethod
    async def _sleep(seconds: float) -> None:
        await asyncio.sleep(0.01 if seconds < SILENCE else seconds)


class WeChatHarness:
    """An Official Account on WeChat's simulator, which may send no customer-service messages: what was answered is
    put down for a delivery to carry."""

    adapter: WeChatAdapter

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.wechat: WeChatSimulator
        self._stack = AsyncExitStack()
        self._heard: list[Incoming] = []

    async def __aenter__(self) -> Self:
        account = WeChatAccount(rights=False)
        self.wechat = await self._stack.enter_async_context(
            wechat_simulator(account, clock=WeChatClock(0.05))
        )
        found = wechat_credentials(WeChatSettings.load(self.wechat.settings(WECHAT_REPLY="passive")))
        assert found is not None
        host = Host(self.store, "127.0.0.1", 0, "", alone=False)
        self.adapter = WeChatAdapter([Official(found, host)])
        self._stack.push_async_callback(self.adapter.close)
        await self._speak()
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self.store.come()
        await self._stack.aclose()

    def heard(self) -> Sequence[Incoming]:
        return self._heard

    def seen(self, message: Incoming) -> Sequence[str]:
        kept = json.loads(self.store.values.get(f"end:{message.key}", "[]"))
        return [value for kind, value in kept if kind == "text"]

    def whole(self, message: Incoming) -> bool:
        return f"end:{message.key}" in self.store.values

    async def cut(self) -> None:
        await self.store.go()

    async def mend(self) -> None:
        await self.store.come()

    async def hand_in(self, text: str, core: Core) -> str:
        core.adapter = self.adapter
        ann = self.wechat.person("oAnn")
        async with serve(Starlette(routes=list(self.adapter.routes(core.submit)))) as port:
            self.wechat.deliveries.callbacks.append(f"http://127.0.0.1:{port}/wechat")
            await ann.says(text)
        return "\n".join(ann.texts)

    async def _speak(self) -> None:
        """Have people say something of every kind, and take it from the wire."""
        us, app_id = self.wechat.account.name, self.wechat.account.app_id

        async def take(person: WeChatPerson, content: dict[str, object]) -> Told:
            head = {"ToUserName": us, "FromUserName": person.openid, "CreateTime": 1_700_000_000}
            found = parse_wechat(read_xml(written({**head, **content}).encode()), app_id)
            assert found is not None
            self._heard.append(found.incoming)
            return Told(1)

        people = [WeChatPerson(f"o{number}", take, self.wechat.clock.time) for number in range(8)]
        await people[0].says("hello")
        await people[1].says("/help")
        await people[2].says("你好 👋")
        await people[3].sends_image("m1")
        await people[4].sends_voice("m2")
        await people[5].sends_location(23.1, 113.3, "Canton")
        await people[6].sends_link("A page", "", "https://example.org")
        await people[7].does("CLICK", "/new")


class Sample:
    """The pager of CONTRIBUTING.md: its code is what stands there."""

    def __init__(self) -> None:
        self.code = sample()
        self.answers: dict[str, str] = {}
        self.away = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._serving = Thread(target=self._server.serve_forever, args=(0.001,))
        url = f"http://127.0.0.1:{self._server.server_port}"
        environment = {"PAGER_URL": url}
        settings = self.code.PagerSettings.load(environment)
        self.adapter = self.code.Pager.create(settings, Host(MemoryStore(), "127.0.0.1", 0, "", alone=False))

    async def __aenter__(self) -> Self:
        self._serving.start()
        return self

    async def __aexit__(self, *fault: object) -> None:
        self._server.shutdown()
        self._serving.join()
        self._server.server_close()

    def heard(self) -> Sequence[Incoming]:
        texts = ["hello", "/help", "你好 👋"]
        return [self.code.parse({"id": f"p{n}", "from": "ann", "text": t}) for n, t in enumerate(texts)]

    def seen(self, message: Incoming) -> Sequence[str]:
        return [answer for name, answer in self.answers.items() if name == message.id]

    def whole(self, message: Incoming) -> bool:
        return message.id in self.answers

    async def cut(self) -> None:
        self.away = True

    async def mend(self) -> None:
        self.away = False

    async def hand_in(self, text: str, core: Core) -> str:
        core.adapter = self.adapter
        response = await post_until_accepted(
            self.adapter.routes(core.submit), "/pager", {"id": "p9", "from": "ann", "text": text}
        )
        return "\n".join([response.text, *self.answers.values()])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pager = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if not pager.away:
                    pager.answers[self.path.removeprefix("/")] = body
                self.send_response(503 if pager.away else 200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Not into the tests' output."""

        return Handler


async def post_until_accepted(
    routes: Sequence[BaseRoute], path: str, body: dict[str, str], *, first: str = ""
) -> httpx.Response:
    """What the last of up to six deliveries is answered with; `first` is a page that is opened before."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Starlette(routes=list(routes))), base_url="http://127.0.0.1"
    ) as platform:
        if first:
            (await platform.get(first)).raise_for_status()
        for _ in range(6):
            response = await platform.post(path, json=body)
            if response.status_code != 503:
                break
        return response


def sample() -> ModuleType:
    """The adapter in CONTRIBUTING.md, executed."""
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    module = ModuleType("pager")
    exec("\n\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)), vars(module))  # noqa: S102
    return module


def _read(part: dict[str, Any]) -> str:
    labels = [option["label"] for option in part.get("options", ())]
    return "\n".join([part.get("text", ""), part.get("caption", ""), *labels])


HARNESSES: dict[str, type[Harness]] = {
    "console": ConsoleHarness,
    "pager": Sample,
    "slack": SlackHarness,
    "telegram": TelegramHarness,
    "web": WebHarness,
    "wechat": WeChatHarness,
    "wecom": WeComHarness,
}
