"""Two libraries that know Telegram, python-telegram-bot and aiogram, both get along with the simulator."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiogram
import httpx
import pytest
import telegram
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramNetworkError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
)

from tests.simulators.endpoint import serve
from tests.simulators.telegram import Chat, Flood, Person, TelegramSimulator, telegram_simulator

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 640, 480) + b"\x08\x02\x00\x00\x00"
OPUS = b"OggS" + bytes(24) + b"OpusHead" + bytes(40)


@pytest.fixture
async def server() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
def ann(server: TelegramSimulator) -> Person:
    return server.person(1, "Ann", username="ann")


@pytest.fixture
def chat(server: TelegramSimulator, ann: Person) -> Chat:
    return server.private(ann)


@pytest.fixture
async def bot(server: TelegramSimulator) -> AsyncIterator[telegram.Bot]:
    made = telegram.Bot(server.token, base_url=server.api_url, base_file_url=server.file_url)
    async with made:
        yield made


@pytest.fixture
async def other(server: TelegramSimulator) -> AsyncIterator[aiogram.Bot]:
    session = AiohttpSession(api=TelegramAPIServer.from_base(server.base_url))
    yield aiogram.Bot(server.token, session=session)
    await session.close()


# --- both libraries ---------------------------------------------------------------------------------------


async def test_python_telegram_bot_polls_answers_edits_and_deletes(
    bot: telegram.Bot, chat: Chat, ann: Person
) -> None:
    await ann.says(chat, "/start 😀 @parley_bot")
    (update,) = await bot.get_updates(timeout=5)
    assert update.message is not None
    assert update.message.parse_entities() == {
        update.message.entities[0]: "/start",
        update.message.entities[1]: "@parley_bot",
    }
    sent = await bot.send_message(1, "hello", reply_to_message_id=update.message.message_id)
    assert sent.reply_to_message is not None
    await bot.edit_message_text("hello, Ann", 1, sent.message_id)
    assert chat.visible() == ["/start 😀 @parley_bot", "hello, Ann"]
    assert [edit.text for edit in chat.last.edits] == ["hello"]
    await bot.delete_message(1, sent.message_id)
    assert chat.visible() == ["/start 😀 @parley_bot"]


async def test_aiogram_polls_answers_edits_and_deletes(
    other: aiogram.Bot, server: TelegramSimulator, chat: Chat, ann: Person
) -> None:
    assert (await other.get_me()).username == "parley_bot"
    await ann.says(chat, "hello")
    (update,) = await other.get_updates(timeout=5)
    sent = await other.send_message(1, "<b>good</b> day", parse_mode="HTML")
    assert chat.last.entities == [{"type": "bold", "offset": 0, "length": 4}]
    await other.edit_message_text("bye", chat_id=1, message_id=sent.message_id)
    assert chat.said == ["bye"]
    await other.delete_messages(1, [sent.message_id])
    assert chat.said == []
    assert await other.get_updates(offset=update.update_id + 1) == []
    assert server.refused() == []


async def test_every_kind_of_update_is_read_by_both_libraries(
    server: TelegramSimulator, bot: telegram.Bot, other: aiogram.Bot, chat: Chat, ann: Person
) -> None:
    bob = server.person(2, "Bob")
    group = server.group("Chess", [ann, bob])
    forum = server.group("Forum", [ann], forum=True)
    kinds = ["message", "edited_message", "callback_query", "inline_query", "chosen_inline_result"]
    kinds += ["my_chat_member", "message_reaction", "stopped_message_generation"]
    await bot.get_updates(allowed_updates=kinds)
    said = await ann.says(chat, "one")
    await ann.edits(said, "two")
    for sends in (
        ann.sends_voice,
        ann.sends_audio,
        ann.sends_document,
        ann.sends_video,
        ann.sends_video_note,
    ):
        await sends(chat, b"abc")
    await ann.sends_photo(chat, PNG, "look")
    await ann.sends_album(chat, [PNG, PNG], "both")
    await ann.sends(chat, location={"latitude": 1.5, "longitude": 2.5})
    await ann.says(group, "/help@parley_bot", reply_to=await bob.says(group, "unheard"))
    thread = await ann.opens_topic(forum, "Endgames")
    await ann.says(forum, "/help", thread=thread)
    keyboard = telegram.InlineKeyboardMarkup([[telegram.InlineKeyboardButton("Yes", callback_data="y")]])
    asked = await bot.send_message(1, "?", reply_markup=keyboard)
    await ann.presses(chat.last, "Yes")
    await ann.reacts(chat.last, "👍")
    await ann.inline_query("what")
    await bot.send_message_draft(1, 7, "so far", api_kwargs={"can_stop": True})
    await ann.stops_generation(chat)
    await ann.migrates(group)
    for act in (ann.mutes, ann.unmutes, ann.promotes, ann.kicks, ann.adds):
        await act(forum)
    await ann.blocks()
    (await bot.get_updates(), await other.get_updates())
    updates = [update.document for update in server.updates.pending]
    assert {kind for update in updates for kind in update} == {"update_id", *kinds} - {"chosen_inline_result"}
    parsed = [telegram.Update.de_json(update, bot) for update in updates]
    messages = [one.effective_message for one in parsed if one.message]
    album = [message for message in messages if message and message.media_group_id]
    assert [message.caption for message in album] == ["both", None]
    assert any(one.callback_query and one.callback_query.message == asked for one in parsed)
    assert any(message and message.message_thread_id == thread and message.text for message in messages)
    assert any(message and message.migrate_to_chat_id for message in messages)


async def test_files_go_up_and_come_down_in_both_libraries(
    bot: telegram.Bot, other: aiogram.Bot, chat: Chat, ann: Person
) -> None:
    await ann.sends_voice(chat, OPUS)
    (update,) = await bot.get_updates()
    assert update.message is not None
    assert update.message.voice is not None
    assert bytes(await (await update.message.voice.get_file()).download_as_bytearray()) == OPUS
    found = await other.get_file(update.message.voice.file_id)
    assert found.file_path is not None
    into = io.BytesIO()
    await other.download_file(found.file_path, into)
    assert into.getvalue() == OPUS

    await bot.send_voice(1, OPUS, caption="listen", duration=2)
    await other.send_photo(1, aiogram.types.BufferedInputFile(PNG, "图.png"), caption="look")
    await bot.send_document(1, b"text", filename="a.txt")
    photos = [telegram.InputMediaPhoto(PNG, caption="two"), telegram.InputMediaPhoto(PNG)]
    await bot.send_media_group(1, photos)
    again = await bot.send_photo(1, chat.from_bot[1].media.document[-1]["file_id"])  # type: ignore[union-attr]
    assert [(m.media.kind, m.media.content, m.text) for m in chat.from_bot if m.media] == [
        ("voice", OPUS, "listen"),
        ("photo", PNG, "look"),
        ("document", b"text", ""),
        ("photo", PNG, "two"),
        ("photo", PNG, ""),
        ("photo", PNG, ""),
    ]
    assert (again.photo[-1].width, again.photo[-1].height) == (640, 480)


async def test_what_is_not_speech_is_shown_as_a_document(bot: telegram.Bot, chat: Chat) -> None:
    sent = await bot.send_voice(1, b"RIFF....WAVE")
    assert (sent.voice, sent.document is not None) == (None, True)


async def test_a_button_is_answered_once(
    server: TelegramSimulator, bot: telegram.Bot, chat: Chat, ann: Person
) -> None:
    keyboard = telegram.InlineKeyboardMarkup(
        [[telegram.InlineKeyboardButton("Stop", callback_data="stop:1")]]
    )
    await bot.send_message(1, "writing", reply_markup=keyboard)
    press = await ann.presses(chat.last, "Stop")
    (update,) = await bot.get_updates()
    assert update.callback_query is not None
    assert update.callback_query.data == "stop:1"
    await update.callback_query.answer("stopped", show_alert=True)
    answer = await press.answered
    assert (answer.text, answer.alert) == ("stopped", True)
    with pytest.raises(BadRequest, match=r"[Qq]uery is too old"):
        await update.callback_query.answer()
    with pytest.raises(LookupError):
        await ann.presses(chat.last, "Go on")


async def test_an_inline_result_is_chosen_and_edited(bot: telegram.Bot, ann: Person) -> None:
    query = await ann.inline_query("weather")
    (update,) = await bot.get_updates()
    assert update.inline_query is not None
    content = telegram.InputTextMessageContent("thinking")
    keyboard = telegram.InlineKeyboardMarkup([[telegram.InlineKeyboardButton("…", callback_data="x")]])
    result = telegram.InlineQueryResultArticle("r", "Ask", content, reply_markup=keyboard)
    await update.inline_query.answer([result], cache_time=0)
    shown = await ann.chooses(query, "r")
    (chosen,) = await bot.get_updates(offset=update.update_id + 1)
    assert chosen.chosen_inline_result is not None
    await bot.edit_message_text("sunny", inline_message_id=chosen.chosen_inline_result.inline_message_id)
    assert shown.text == "sunny"


# --- updates ----------------------------------------------------------------------------------------------


async def test_a_long_poll_ends_as_soon_as_somebody_speaks(
    bot: telegram.Bot, chat: Chat, ann: Person
) -> None:
    polling = asyncio.create_task(bot.get_updates(timeout=30))
    await chat.until(lambda: chat.sim.counts["getUpdates"])
    assert not polling.done()
    await ann.says(chat, "here")
    (update,) = await polling
    assert update.message is not None


async def test_updates_stay_until_they_are_confirmed(bot: telegram.Bot, chat: Chat, ann: Person) -> None:
    for word in ("a", "b", "c", "d"):
        await ann.says(chat, word)
    first = await bot.get_updates(limit=2)
    assert await bot.get_updates(limit=2) == first
    rest = await bot.get_updates(offset=first[-1].update_id + 1)
    assert [update.message.text for update in rest if update.message] == ["c", "d"]
    (last,) = await bot.get_updates(offset=-1)
    assert last.update_id == rest[-1].update_id


async def test_of_two_pollers_the_older_is_thrown_out(
    server: TelegramSimulator, bot: telegram.Bot, other: aiogram.Bot
) -> None:
    polling = asyncio.create_task(bot.get_updates(timeout=30))
    await server.until(lambda: server.counts["getUpdates"])
    assert await other.get_updates() == []
    with pytest.raises(Conflict, match="terminated by other getUpdates request"):
        await polling


async def test_only_the_wanted_kinds_come_and_old_ones_are_forgotten(ann: Person) -> None:
    now = [1_790_000_000.0]
    async with telegram_simulator(clock=lambda: now[0]) as server:
        ann = server.person(1)
        chat = server.private(ann)
        async with telegram.Bot(server.token, base_url=server.api_url) as bot:
            assert (await ann.reacts(await ann.says(chat, "x"), "👍")) is None
            await bot.get_updates(allowed_updates=["message_reaction"])
            assert (await ann.says(chat, "y")).update_id is None
            now[0] += 86_399
            assert len(await bot.get_updates()) == 1
            now[0] += 2
            assert await bot.get_updates() == ()


async def test_in_privacy_mode_a_group_is_heard_only_when_it_speaks_to_the_bot(
    server: TelegramSimulator, bot: telegram.Bot, ann: Person
) -> None:
    group = server.group("Chess", [ann])
    answer = await bot.send_message(group.id, "hello")
    assert (await ann.says(group, "nothing for bots")).update_id is None
    assert (await ann.says(group, "/help@another_bot")).update_id is None
    assert (await ann.says(group, "/help")).update_id
    assert (await ann.says(group, "@Parley_Bot, help")).update_id
    assert (await ann.says(group, "you there", reply_to=answer.message_id)).update_id
    await ann.promotes(group)
    assert (await ann.says(group, "all is heard")).update_id


@dataclass
class Hook:
    """A bot's own server: what it got, and what it answers, the last answer again and again."""

    got: list[tuple[str, dict[str, Any]]]
    answers: list[tuple[int, Any]]

    async def answer(self, request: Request) -> Response:
        secret = request.headers.get("x-telegram-bot-api-secret-token", "")
        self.got.append((secret, await request.json()))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return JSONResponse(body, status) if body is not None else Response(status_code=status)


async def test_a_webhook_gets_every_update_in_order_until_it_says_yes(
    server: TelegramSimulator, bot: telegram.Bot, chat: Chat, ann: Person
) -> None:
    reply = {"method": "sendMessage", "chat_id": 1, "text": "from the webhook"}
    hook = Hook([], [(500, None), (503, None), (200, reply), (200, None)])
    app = Starlette(routes=[Route("/hook", hook.answer, methods=["POST"])])
    async with serve(app) as port:
        await bot.set_webhook(f"http://127.0.0.1:{port}/hook", secret_token="s3cret")
        with pytest.raises(Conflict, match="webhook is active"):
            await bot.get_updates()
        await ann.says(chat, "first")
        await ann.says(chat, "second")
        await chat.shows("from the webhook")
        await server.until(lambda: not server.updates.pending)
    assert [secret for secret, _ in hook.got] == ["s3cret"] * 4
    assert [update["message"]["text"] for _, update in hook.got] == ["first", "first", "first", "second"]
    info = await bot.get_webhook_info()
    assert info.last_error_message == "Wrong response from the webhook: 503 Service Unavailable"
    await bot.delete_webhook()
    assert await bot.get_updates() == ()


async def test_a_webhook_that_fails_for_one_chat_still_serves_the_others(
    server: TelegramSimulator, bot: telegram.Bot, chat: Chat, ann: Person
) -> None:
    bob = server.person(2, "Bob")
    gate = asyncio.Event()
    heard: list[str] = []

    async def answer(request: Request) -> Response:
        heard.append((await request.json())["message"]["text"])
        if heard[-1].startswith("Ann"):
            await gate.wait()
        return Response()

    app = Starlette(routes=[Route("/hook", answer, methods=["POST"])])
    async with serve(app) as port:
        await bot.set_webhook(f"http://127.0.0.1:{port}/hook")
        await ann.says(chat, "Ann 1")
        await ann.says(chat, "Ann 2")
        await bob.says(server.private(bob), "Bob 1")
        await bob.says(server.private(bob), "Bob 2")
        await server.until(lambda: len(server.updates.pending) == 2)
        assert sorted(heard) == ["Ann 1", "Bob 1", "Bob 2"]
        gate.set()
        await server.until(lambda: not server.updates.pending)
        assert heard[-1] == "Ann 2"


# --- refusals that a bot must live with -------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
async def test_who_writes_too_fast_is_refused_for_a_while() -> None:
    now = [1_790_000_000.0]
    async with telegram_simulator(clock=lambda: now[0]) as server:
        chat = server.private(server.person(1))
        server.flood = Flood(burst=2, retry_after=7)
        async with telegram.Bot(server.token, base_url=server.api_url) as bot:
            sent = await bot.send_message(1, "a")
            await bot.edit_message_text("b", 1, sent.message_id)
            for told in (7, 5):
                with pytest.raises(RetryAfter) as refused:
                    await bot.send_message(1, "c")
                assert refused.value._retry_after.total_seconds() == told
                now[0] += 2
            now[0] += 3
            await bot.send_message(1, "c")
            assert chat.said == ["b", "c"]
            assert server.flood.refused == 2


@pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
async def test_a_group_takes_twenty_messages_a_minute() -> None:
    now = [1_790_000_000.0]
    async with telegram_simulator(clock=lambda: now[0]) as server:
        group = server.group("Chess", [server.person(1)])
        server.flood = Flood()
        async with telegram.Bot(server.token, base_url=server.api_url) as bot:
            for number in range(29):
                await bot.send_message(group.id, str(number))
                now[0] += 1
            with pytest.raises(RetryAfter):
                await bot.send_message(group.id, "one too many")


async def test_a_chat_may_be_closed_to_the_bot(
    server: TelegramSimulator, bot: telegram.Bot, chat: Chat, ann: Person
) -> None:
    group = server.group("Chess", [ann])
    await ann.blocks()
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(1, "x")
    await ann.says(chat, "again")
    await bot.send_message(1, "x")
    await ann.mutes(group)
    with pytest.raises(BadRequest, match=r"[Nn]ot enough rights to send text messages to the chat"):
        await bot.send_message(group.id, "x")
    await ann.kicks(group)
    with pytest.raises(Forbidden, match="bot was kicked from the group chat"):
        await bot.send_message(group.id, "x")


async def test_a_group_that_became_a_supergroup_tells_its_new_id(
    server: TelegramSimulator, bot: telegram.Bot, ann: Person
) -> None:
    old = server.group("Chess", [ann])
    new = await ann.migrates(old)
    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(old.id, "x")
    assert moved.value.new_chat_id == new.id
    await bot.send_message(new.id, "x")
    assert new.said == ["x"]


async def test_faults_come_when_they_are_ordered(
    server: TelegramSimulator, bot: telegram.Bot, other: aiogram.Bot, chat: Chat
) -> None:
    server.fail("sendMessage", 1, 502, "Bad Gateway", body=b"<html>502 Bad Gateway</html>")
    with pytest.raises(NetworkError):
        await bot.send_message(1, "lost")
    server.cut("sendMessage")
    with pytest.raises(NetworkError):
        await bot.send_message(1, "sent, but the bot never knew")
    server.cut("sendMessage", after=False)
    with pytest.raises(TelegramNetworkError):
        await other.send_message(1, "never sent")
    gate = asyncio.Event()
    server.hang("sendMessage", gate)
    held = asyncio.create_task(bot.send_message(1, "held"))
    await server.until(lambda: server.counts["sendMessage"] == 3)
    assert chat.said == ["sent, but the bot never knew"]
    gate.set()
    await held
    assert chat.said == ["sent, but the bot never knew", "held"]


async def test_a_wrong_token_and_an_unknown_method_are_refused(server: TelegramSimulator) -> None:
    with pytest.raises(InvalidToken):
        async with telegram.Bot("7000000001:" + "A" * 35, base_url=server.api_url):
            raise AssertionError("it was let in")
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        unknown = await http.get(f"/bot{server.token}/sendTelegraph")
        assert (unknown.status_code, unknown.json()["description"]) == (404, "Not Found")
        assert (await http.get(f"/bot{server.token}/GETME")).json()["ok"]
        assert (await http.get("/botnonsense/getMe")).status_code == 404
        assert (await http.get(f"/file/bot{server.token}/photos/file_9.jpg")).status_code == 404


# --- its own process --------------------------------------------------------------------------------------


async def test_it_runs_as_a_process_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.simulators.telegram", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        token = "7000000001:AAsimulated-token-of-the-parley-bot"
        async with httpx.AsyncClient(base_url=url) as http:
            said = await http.post("/_control", json={"act": "says", "person": 1, "text": "hello"})
            assert said.json()["update_id"]
            sent = await http.post(f"/bot{token}/sendMessage", json={"chat_id": 1, "text": "hi"})
            assert sent.json()["ok"]
            assert (await http.post("/_control", json={"act": "dances", "person": 1})).status_code == 400
            state = (await http.get("/_control/state")).json()
        assert [m["text"] for m in state["chats"]["1"]["messages"]] == ["hello", "hi"], json.dumps(state)
    finally:
        process.kill()
        await process.wait()
