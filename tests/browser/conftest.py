"""The chat page in a real Chromium, before the real web adapter on a real Valkey; the core follows a script."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from starlette.applications import Starlette

from adapters.web import Web
from adapters.web.settings import WebSettings
from bot.api import (
    Accepted,
    Busy,
    Duplicate,
    End,
    Host,
    Ignored,
    Incoming,
    MenuEntry,
    Notice,
    Outcome,
    Reply,
    Store,
    Text,
)
from bot.keys import Keys, connect
from bot.store import Feeds, RedisStore
from tests.adapters.memory_store import MemoryJournal

PATIENCE = 30_000  # milliseconds: how long a sight may keep us waiting on a loaded machine
MENU = (
    MenuEntry("help", {"en": "What I can do", "zh-Hans": "我能做什么", "zh-Hant": "我能做什麼"}),
    MenuEntry("new", {"en": "Begin a new conversation", "zh-Hans": "开始新对话", "zh-Hant": "開始新對話"}),
    MenuEntry("role", {"en": "Choose a role", "zh-Hans": "选择角色", "zh-Hant": "選擇角色"}),
    MenuEntry("stop", {"en": "Stop the answer", "zh-Hans": "停止回答", "zh-Hant": "停止回答"}),
)
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
_FLAGS += ["--disable-component-update", "--disable-sync"]

expect.set_options(timeout=PATIENCE)

Visit = Callable[..., Awaitable["Window"]]
Script = Callable[[Incoming, Reply], Awaitable[None]]


async def echo(incoming: Incoming, reply: Reply) -> None:
    """The script of a core that says what it heard."""
    await reply.send(Text(f"You said: {incoming.text}"))
    await reply.send(End())


class Core:
    """A core that answers by `script`, one message after the other, and keeps what it heard.

    A `/stop` overtakes what waits, and sets `stopping` for the script to see. `busy` counts the
    messages to be refused first. What is in `joined` is part of the question before it, what is in `silent`
    gets no answer.
    """

    def __init__(self, web: Web, store: Store) -> None:
        self.script: Script = echo
        self.heard: list[Incoming] = []
        self.stopping = asyncio.Event()
        self.busy = 0
        self.joined: set[str] = set()
        self.silent: set[str] = set()
        self._web = web
        self._store = store
        self._turn = asyncio.Lock()
        self._answers: set[asyncio.Task[None]] = set()

    @property
    def texts(self) -> list[str]:
        """The words of everything that was accepted."""
        return [incoming.text for incoming in self.heard]

    async def submit(self, incoming: Incoming) -> Outcome:
        """Accept a message, as `bot.api.Submit`."""
        await self._store.get("anything")  # raises `Unavailable`, as the inbox would
        if self.busy:
            self.busy -= 1
            return Busy("Please wait for the answer to your last messages.")
        if any(each.key == incoming.key for each in self.heard):
            return Duplicate("ref")
        if incoming.text in self.silent:
            return Ignored()
        self.heard.append(incoming)
        self._answers.add(asyncio.create_task(self._answer(incoming)))
        return Accepted("ref")

    async def hears(self) -> Incoming:
        """The first message, as soon as it is here: the page shows it before."""
        async with asyncio.timeout(PATIENCE / 1000):
            while not self.heard:  # noqa: ASYNC110 - a browser brings it about
                await asyncio.sleep(0.01)
        return self.heard[0]

    async def close(self) -> None:
        """Cancel what is not answered. Raises what went wrong in a script."""
        for answer in self._answers:
            answer.cancel()
        await asyncio.gather(*(self._finished(answer) for answer in self._answers))

    async def _answer(self, incoming: Incoming) -> None:
        reply = self._web.reply(incoming, MemoryJournal())
        if incoming.text == "/stop":
            self.stopping.set()
            await reply.send(Notice("stopped", text="Stopped."))
            await reply.send(End())
            return
        if incoming.text in self.joined:
            await reply.send(End())
            return
        async with self._turn:
            await self.script(incoming, reply)

    async def _finished(self, answer: asyncio.Task[None]) -> None:
        await asyncio.wait([answer])
        if not answer.cancelled():
            answer.result()


class _Server(uvicorn.Server):
    """A server within the test's process: Ctrl-C belongs to pytest."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class House:
    """The web chat, served; it can be cut off and served again on the same port."""

    def __init__(self, redis_url: str, prefix: str, *, password: str | None = None) -> None:
        self._redis = connect(redis_url)
        self._feeds = Feeds(self._redis)
        store = RedisStore(self._redis, Keys(prefix), "web", self._feeds)
        self._address = ("127.0.0.1", 0)
        host = Host(store=store, http_host="127.0.0.1", http_port=0, public_url="", alone=True)
        web = Web.create(WebSettings.model_validate({"web_password": password} if password else {}), host)
        assert web is not None
        self.web = web
        self.core = Core(web, store)
        self._app = Starlette(routes=list(web.routes(self.core.submit)))
        self._server: _Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._address[1]}/"

    async def open(self) -> None:
        """Serve, on the port of the last time."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self._address)
        self._address = listener.getsockname()
        config = uvicorn.Config(self._app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        self._server = _Server(config)
        await self.web.menu(MENU)
        self._tasks = [asyncio.create_task(self._server.serve(sockets=[listener]))]

    def hiccup(self) -> None:
        """End every connection at once; the next finds the server as it was."""
        assert self._server is not None
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    async def cut(self) -> None:
        """End every connection at once, and take no new one."""
        assert self._server is not None
        self._server.should_exit = True
        self.hiccup()
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Leave nothing open. Raises what went wrong in a script."""
        try:
            await self.core.close()
        finally:
            await self.cut()
            await self._feeds.close()
            await self._redis.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for a module; skips where none is installed."""
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    binary = next((path for path in found if path), None)
    if binary is None:
        pytest.skip("no Chromium is installed")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=binary, args=_FLAGS)
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="module")
async def house(redis_url: str, prefix: str) -> AsyncIterator[House]:
    """The web chat on a port of its own, open to everyone on this machine."""
    async with serving(House(redis_url, prefix)) as served:
        yield served


@asynccontextmanager
async def serving(house: House) -> AsyncIterator[House]:
    """Serve for a while."""
    await house.open()
    try:
        yield house
    finally:
        await house.close()


class Window:
    """Pages of one visitor, who has cookies of their own; `faults` are what the console complained of."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.faults: list[str] = []
        self.tolerated = "(?!)"

    async def open(self, path: str = "") -> Page:
        """A new tab on the chat."""
        page = await self.context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        await page.goto(self.url + path)
        return page

    def check(self) -> None:
        """Fail where there was a fault that is not tolerated."""
        faults = [fault for fault in self.faults if not re.search(self.tolerated, fault)]
        assert faults == []

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, house: House) -> AsyncIterator[Visit]:
    """A new visitor, with what `browser.new_context` takes; in the end the console must have been quiet."""
    windows: list[Window] = []

    async def come(**options: Any) -> Window:
        context = await browser.new_context(**({"viewport": {"width": 1000, "height": 700}} | options))
        windows.append(Window(context, house.url))
        return windows[-1]

    yield come
    for window in windows:
        await window.context.close()
    for window in windows:
        window.check()
