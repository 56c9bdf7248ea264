"""The webhook on the simulator: genuine requests only, 200 only for what is safe."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from adapters.telegram import Telegram, TelegramSettings
from adapters.telegram.webhook import BODY_LIMIT, CHECK, SECRET_HEADER
from bot.api import Host, Unavailable
from tests.adapters.memory_store import MemoryStore
from tests.adapters.telegram.running import Ear, Running, Time, confirmed, made, running
from tests.simulators.endpoint import serve
from tests.simulators.telegram import TOKEN, Person, TelegramSimulator, telegram_simulator


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
def ann(telegram: TelegramSimulator) -> Person:
    return telegram.person(5, "Ann")


@asynccontextmanager
async def reachable(telegram: TelegramSimulator, **how: Any) -> AsyncIterator[Running]:
    """The adapter in webhook mode, with its routes on a real port, and Telegram told of it."""
    later = Starlette()
    async with serve(later, 0) as port:
        how |= {"public_url": f"http://127.0.0.1:{port}", "TELEGRAM_MODE": "webhook"}
        async with running(telegram, **how) as bot:
            later.router.routes += bot.adapter.routes(bot.ear.submit)
            await telegram.until(lambda: telegram.called("setWebhook"))
            yield bot


def client(bot: Running) -> httpx.AsyncClient:
    """Somebody who posts to the routes."""
    app = Starlette(routes=list(bot.adapter.routes(bot.ear.submit)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


def by_webhook(telegram: TelegramSimulator, **how: Any) -> Running:
    return made(telegram, public_url="http://127.0.0.1:1", TELEGRAM_MODE="webhook", **how)


# --- set up ------------------------------------------------------------------------------------------------


async def test_telegram_is_told_where_to_post_with_which_secret_and_what(telegram: TelegramSimulator) -> None:
    async with reachable(telegram) as bot:
        (told,) = telegram.called("setWebhook")
        credentials = bot.adapter.credentials
        assert told["url"] == credentials.webhook_url
        assert told["secret_token"] == credentials.secret
        assert "stopped_message_generation" in told["allowed_updates"]
        assert told["drop_pending_updates"] is False
        assert not telegram.called("getUpdates")


async def test_neither_token_nor_secret_nor_what_people_say_is_logged(
    telegram: TelegramSimulator, ann: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with reachable(telegram) as bot:
        await ann.says(telegram.private(ann), "my diary")
        await bot.ear.hears(1)
    logged = "\n".join(str(r.__dict__) for r in caplog.records if not r.name.startswith("uvicorn"))
    assert "the webhook is set" in logged
    for hidden in (TOKEN.partition(":")[2], bot.adapter.credentials.secret, "my diary"):
        assert hidden not in logged


async def test_neither_address_nor_secret_tell_the_token(telegram: TelegramSimulator) -> None:
    credentials = by_webhook(telegram).adapter.credentials
    secret = TOKEN.partition(":")[2]
    for shown in (credentials.webhook_url, credentials.secret, repr(credentials)):
        assert secret not in shown
    assert credentials.secret not in repr(credentials)
    assert credentials.path.removeprefix("/telegram/") not in credentials.secret


async def test_a_webhook_that_somebody_changed_is_set_again_at_the_next_look(
    telegram: TelegramSimulator,
) -> None:
    async with reachable(telegram) as bot:
        await bot.time.paused(CHECK)
        bot.time.go(CHECK)
        await bot.time.paused(CHECK, 2)
        assert len(telegram.called("setWebhook")) == 1, "it was right"
        telegram.updates.set_webhook({"url": "http://127.0.0.1:9/elsewhere"})
        bot.time.go(CHECK)
        await bot.time.paused(CHECK, 3)
        assert telegram.updates.webhook is not None
        assert telegram.updates.webhook.url == bot.adapter.credentials.webhook_url


async def test_faults_while_it_is_set_are_outlived(telegram: TelegramSimulator) -> None:
    telegram.fail("setWebhook", 2)
    async with reachable(telegram, time=Time(auto=20)):
        assert telegram.updates.webhook is not None


async def test_that_telegram_could_not_reach_us_is_said(
    telegram: TelegramSimulator, ann: Person, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear(Unavailable("Redis is away"))
    async with reachable(telegram, ear=ear) as bot:
        await bot.time.paused(CHECK)
        await ann.says(telegram.private(ann), "hello")
        await confirmed(telegram)
        bot.time.go(CHECK)
        await bot.time.paused(CHECK, 2)
    assert any("the webhook was not reached: Wrong response" in r.getMessage() for r in caplog.records)


async def test_back_in_polling_there_is_no_route_and_the_webhook_goes(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with reachable(telegram):
        assert telegram.updates.webhook is not None
    await ann.says(telegram.private(ann), "hello")
    async with running(telegram) as bot:
        await bot.ear.hears(1)
        assert list(bot.adapter.routes(bot.ear.submit)) == []
    assert telegram.updates.webhook is None


# --- receiving ---------------------------------------------------------------------------------------------


async def test_an_update_is_heard(telegram: TelegramSimulator, ann: Person) -> None:
    async with reachable(telegram) as bot:
        await ann.says(telegram.private(ann), "hello")
        await confirmed(telegram)
        assert bot.ear.texts == ["hello"]


async def test_while_nothing_can_be_accepted_telegram_gets_503_and_delivers_again(
    telegram: TelegramSimulator, ann: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ear = Ear(Unavailable("Redis is away"), Unavailable("Redis is away"))
    async with reachable(telegram, ear=ear) as bot:
        await ann.says(telegram.private(ann), "hello")
        await confirmed(telegram)
        assert [delivery.status for delivery in telegram.updates.deliveries] == [503, 503, 200]
        assert bot.ear.texts == ["hello"]
    assert sum("Redis is away" in r.getMessage() for r in caplog.records) == 1
    assert sum("it works again" in r.getMessage() for r in caplog.records) == 1


async def test_while_telegram_itself_cannot_say_who_we_are_it_gets_503(
    telegram: TelegramSimulator, ann: Person
) -> None:
    telegram.fail("getMe", 1)
    async with reachable(telegram) as bot:
        await ann.says(telegram.private(ann), "hello")
        await bot.ear.hears(1)
        assert [delivery.status for delivery in telegram.updates.deliveries][:1] == [503]


async def test_it_is_acknowledged_only_after_it_was_accepted(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with reachable(telegram) as bot:
        bot.ear.held["5"] = gate = asyncio.Event()
        await ann.says(telegram.private(ann), "hello")
        await bot.ear.until(lambda: bot.ear.tried)
        assert list(telegram.updates.deliveries) == []
        gate.set()
        await confirmed(telegram)


async def test_an_album_is_acknowledged_part_by_part_and_heard_as_one(
    telegram: TelegramSimulator, ann: Person
) -> None:
    async with reachable(telegram) as bot:
        await ann.sends_album(telegram.private(ann), [b"one", b"two"], "which?")
        await confirmed(telegram)
        assert bot.ear.tried == []
        await bot.time.holds(1.2)
        bot.time.go(1.2)
        await bot.ear.hears(1)
        assert len(bot.ear.heard[0].attachments) == 2


async def test_requests_that_are_not_telegrams_are_refused(telegram: TelegramSimulator) -> None:
    bot = by_webhook(telegram)
    path, secret = bot.adapter.credentials.path, bot.adapter.credentials.secret
    update = json.dumps({"update_id": 1, "message": None}).encode()
    async with client(bot) as stranger:
        for headers in ({}, {SECRET_HEADER: ""}, {SECRET_HEADER: secret[:-1]}, {SECRET_HEADER: f"{secret}x"}):
            assert (await stranger.post(path, content=update, headers=headers)).status_code == 403
        assert (
            await stranger.post(path, content=update, headers={SECRET_HEADER: "é".encode()})
        ).status_code == 403
        assert (await stranger.post("/telegram/x", content=update)).status_code == 404
        assert (await stranger.get(path)).status_code == 405
    assert bot.ear.tried == []
    await bot.adapter.close()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{" + b" " * BODY_LIMIT + b"}", 413),
        (b"not JSON", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b"[" * 100_000, 400),
        (b'{"update_id": 1, "message": null}', 200),
        (b'{"update_id": 1, "telepathy": {}}', 200),
    ],
)
async def test_what_is_no_update_is_refused_and_what_is_unreadable_is_not_sent_again(
    telegram: TelegramSimulator, body: bytes, status: int
) -> None:
    bot = by_webhook(telegram)
    headers = {SECRET_HEADER: bot.adapter.credentials.secret}
    async with client(bot) as sender:
        assert (
            await sender.post(bot.adapter.credentials.path, content=body, headers=headers)
        ).status_code == status
    await bot.adapter.close()


# --- settings ----------------------------------------------------------------------------------------------

HTTPS = "https://bot.example"


def create(public_url: str = HTTPS, **environment: str) -> Telegram | None:
    settings = TelegramSettings.load({"TELEGRAM_BOT_TOKEN": TOKEN, **environment})
    return Telegram.create(settings, Host(MemoryStore(), "127.0.0.1", 0, public_url, alone=False))


def test_without_a_token_there_is_no_telegram() -> None:
    assert create(TELEGRAM_BOT_TOKEN="") is None


@pytest.mark.parametrize(
    ("public_url", "environment", "words"),
    [
        ("", {"TELEGRAM_BOT_TOKEN": "hello"}, "^TELEGRAM_BOT_TOKEN: this is no bot token"),
        ("", {"TELEGRAM_BOT_TOKEN": "12345:short"}, "^TELEGRAM_BOT_TOKEN"),
        ("", {"TELEGRAM_MODE": "webhook"}, "^TELEGRAM_MODE: webhook needs PUBLIC_URL"),
        ("http://bot.example", {"TELEGRAM_MODE": "webhook"}, "https://"),
        ("https://bot.example:8080", {"TELEGRAM_MODE": "webhook"}, "port 443, 80, 88 or 8443"),
        ("bot.example", {"TELEGRAM_MODE": "webhook"}, "an address"),
        (HTTPS, {"TELEGRAM_WEBHOOK_SECRET": "né"}, "^TELEGRAM_WEBHOOK_SECRET: use 1 to 256"),
        ("", {"TELEGRAM_API_BASE_URL": "api.telegram.org"}, "^TELEGRAM_API_BASE_URL"),
        ("", {"TELEGRAM_API_BASE_URL": "https://x/?y=1"}, "^TELEGRAM_API_BASE_URL"),
        ("", {"TELEGRAM_API_BASE_URL": "https://x:port"}, "^TELEGRAM_API_BASE_URL"),
    ],
)
def test_settings_that_cannot_be_used_are_said_in_plain_words(
    public_url: str, environment: dict[str, str], words: str
) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        create(public_url, **environment)
    assert TOKEN.partition(":")[2] not in str(caught.value)
    assert "hello" not in str(caught.value)


def test_the_secret_and_the_address_are_the_same_in_every_process_and_can_be_chosen() -> None:
    one, two = create(TELEGRAM_MODE="webhook"), create(TELEGRAM_MODE="webhook")
    assert one is not None
    assert two is not None
    assert one.credentials == two.credentials
    chosen = create(TELEGRAM_WEBHOOK_SECRET="my_own-secret")
    assert chosen is not None
    assert chosen.credentials.secret == "my_own-secret"
