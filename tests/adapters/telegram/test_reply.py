"""Answers as people see them on Telegram: streamed, split, exact, and once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import groupby, pairwise
from typing import Any, TypeVar

import pytest
from telegram.error import NetworkError, RetryAfter

from adapters._draft import Later
from adapters.telegram.buttons import recall, remember
from adapters.telegram.client import AiohttpRequest, Client
from adapters.telegram.outbox import Outbox
from adapters.telegram.reply import TelegramReply
from bot.api import (
    Choices,
    End,
    Gone,
    Incoming,
    Media,
    Notice,
    Option,
    Person,
    Place,
    Status,
    Text,
    Unavailable,
)
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.simulators.telegram import Chat, Flood, Shown, TelegramSimulator, telegram_simulator

# The library warns of itself whenever it makes a RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore:.*retry_after")

PNG = b"\x89PNG\r\n\x1a\n a picture"
OGG = b"OggS and then OpusHead"
MP3 = b"ID3 and music"
MP4 = b"\0\0\0\x18ftypmp42"
STOP, RETRY = Option("Stop", "/stop"), Option("Retry", "/retry")
T = TypeVar("T")


class Time:
    """A clock that stands still until it is told to go on; who sleeps waits for that."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._news = asyncio.Event()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, future))
        self._news.set()
        await future

    def pass_to(self, moment: float) -> None:
        """Let time pass, and wake whoever is due."""
        self.now = max(self.now, moment)
        due = [sleeper for sleeper in self._sleepers if sleeper[0] <= self.now + 1e-6]
        self._sleepers = [s for s in self._sleepers if s not in due and not s[1].done()]
        for _, future in due:
            if not future.done():
                future.set_result(None)

    async def through(self, work: Awaitable[T]) -> T:
        """The result of `work`; whenever somebody waits for time, it passes."""
        task = asyncio.ensure_future(work)
        while not task.done():
            self._news.clear()
            waiting = [sleeper for sleeper in self._sleepers if not sleeper[1].done()]
            if waiting:
                self.pass_to(min(until for until, _ in waiting))
            news = asyncio.ensure_future(self._news.wait())
            await asyncio.wait({task, news}, return_when=asyncio.FIRST_COMPLETED, timeout=0.02)
            news.cancel()
        return await task


class Wire(AiohttpRequest):
    """The real requests, counted; each waits at the `gate`. From the call `dies_at` on nothing can be reached."""

    def __init__(self) -> None:
        super().__init__(read=5)
        self.dies_at = -1
        self.made = 0
        self.reached, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self._open = 0
        self._idle = asyncio.Event()

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        if 0 <= self.dies_at <= self.made:
            raise NetworkError("cut")
        self.made += 1
        self._open += 1
        try:
            self.reached.set()
            await self.gate.wait()
            return await super().do_request(*args, **kwargs)
        finally:
            self._open -= 1
            self._idle.set()

    async def rest(self) -> None:
        """Wait until nothing is under way."""
        for _ in range(5):
            for _ in range(10):
                await asyncio.sleep(0)
            while self._open:
                self._idle.clear()
                await self._idle.wait()


class Stage:
    """A bot on the simulated Telegram, and replies that it makes."""

    def __init__(self, telegram: TelegramSimulator, time: Time) -> None:
        self.telegram = telegram
        self.time = time
        self.wire = Wire()
        self.bot = Client(telegram.token, telegram.base_url, request=self.wire)
        self.outbox = Outbox(clock=time, sleep=time.sleep)
        self.store = MemoryStore()
        self.moves: list[tuple[str, str]] = []
        self.ann = telegram.person(1, "Ann")

    def private(self) -> Chat:
        return self.telegram.private(self.ann)

    def group(self, **options: Any) -> Chat:
        return self.telegram.group("Friends", [self.ann], **options)

    def reply(
        self,
        chat: Chat,
        journal: MemoryJournal | None = None,
        *,
        reply_to: int | None = None,
        thread: str = "",
        now: Chat | None = None,
    ) -> TelegramReply:
        kind = "private" if chat.private else "group"
        place = Place("telegram", "7000000001", str(chat.id), thread, kind)  # type: ignore[arg-type]
        return TelegramReply(
            self.bot,
            Incoming("17", place, Person("1"), "hello"),
            journal or MemoryJournal(),
            outbox=self.outbox,
            store=self.store,
            chat=str(now.id) if now else "",
            reply_to=reply_to,
            moved=self._moved,
            clock=self.time,
            sleep=self.time.sleep,
        )

    async def stream(self, reply: TelegramReply, text: str, *, size: int = 40, every: float = 0.1) -> None:
        """Send a text in pieces, one in `every` seconds."""
        for start in range(0, len(text), size):
            await reply.send(Text(text[start : start + size]))
            await self.wire.rest()
            self.time.pass_to(self.time.now + every)
            await self.wire.rest()

    async def end(self, reply: TelegramReply, *offers: Option) -> None:
        await self.time.through(reply.send(End(offers=offers)))

    async def _moved(self, old: str, new: str) -> None:
        self.moves.append((old, new))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    time = Time()
    async with telegram_simulator(clock=time) as telegram:
        made = Stage(telegram, time)
        yield made
        await made.bot.close_connections()


def spaces(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def words(texts: Sequence[str]) -> str:
    return re.sub(r"\W", "", "".join(texts))


# --- streaming -----------------------------------------------------------------------------------------------


async def test_a_private_answer_grows_as_a_draft_and_ends_as_one_message(stage: Stage) -> None:
    chat, journal = stage.private(), MemoryJournal()
    reply = stage.reply(chat, journal)
    await stage.stream(reply, "The **answer** is long enough to be seen growing. " * 5, size=10)
    assert chat.said == []
    assert len({draft.id for draft in chat.drafts}) == 1
    assert chat.drafts[0].id != 0
    assert min(spaces([draft.time for draft in chat.drafts])) >= 0.7 - 1e-6
    await stage.end(reply)
    assert chat.said == [("The answer is long enough to be seen growing. " * 5).strip()]
    assert len(chat.last.entities) == 5
    assert journal.posts == [str(chat.last.id)]


async def test_where_drafts_are_refused_the_answer_grows_in_its_message(stage: Stage) -> None:
    chat = stage.private()
    stage.telegram.fail("sendMessageDraft", 100, 400, "Bad Request: TEXTDRAFT_PEER_INVALID")
    reply = stage.reply(chat)
    await stage.stream(
        reply, "Growing in its message, word by word and step by step, and so on and on.", size=5
    )
    assert len(chat.said) == 1
    assert chat.last.edits
    await stage.end(reply)
    assert chat.said == ["Growing in its message, word by word and step by step, and so on and on."]


async def test_a_server_without_drafts_is_asked_once(stage: Stage) -> None:
    chat = stage.private()
    stage.telegram.fail("sendMessageDraft", 100, 404, "Not Found")
    for _ in range(2):
        reply = stage.reply(chat)
        await stage.stream(reply, "Growing in its message, word by word.", size=5)
        await stage.end(reply)
    assert chat.said == ["Growing in its message, word by word."] * 2
    assert stage.telegram.counts["sendMessageDraft"] == 1


async def test_a_group_answer_replies_grows_slowly_and_can_be_stopped(stage: Stage) -> None:
    chat = stage.group()
    asked = await stage.ann.says(chat, "@parley_bot hello")
    reply = stage.reply(chat, reply_to=asked.id)
    await reply.send(Status("thinking", (STOP,)))
    await stage.stream(reply, "word " * 400, size=10)
    assert chat.last.buttons == ["Stop"]
    assert chat.last.reply_to == asked.id
    times = [chat.last.time, *(edit.time for edit in chat.last.edits)]
    assert len(times) > 3
    assert min(spaces(times)) >= 3 - 1e-6
    await stage.end(reply, RETRY)
    assert chat.said == [("word " * 400).strip()]
    assert chat.last.buttons == ["Retry"]


async def test_the_buttons_go_with_the_end_even_when_the_text_is_shown_already(stage: Stage) -> None:
    chat = stage.group()
    reply = stage.reply(chat)
    await reply.send(Status("thinking", (STOP,)))
    await stage.stream(reply, "All of it, at once and in one piece.", size=100, every=1)
    assert chat.last.buttons == ["Stop"]
    await stage.end(reply)
    assert chat.last.buttons == []


async def test_only_the_newest_post_has_a_button_to_stop_it(stage: Stage) -> None:
    chat, journal = stage.group(), MemoryJournal()
    for number in (1, 2):
        reply = stage.reply(chat, MemoryJournal(number, journal.posts))
        await reply.send(Status("thinking", (STOP,)))
        await stage.stream(reply, "All of it, at once and in one piece.", size=100, every=1)
        assert "Stop" in chat.from_bot[0].buttons
        await stage.time.through(reply.send(Notice("length.cut", text="It was cut.")))
        assert [message.buttons for message in chat.from_bot] == [[], []]
        await stage.end(reply, RETRY)
        assert [message.buttons for message in chat.from_bot] == [[], ["Retry"]]
        journal.posts = [str(message.id) for message in chat.from_bot]


async def test_a_topic_is_answered_in_the_topic_and_the_general_one_by_no_number(stage: Stage) -> None:
    chat = stage.group(forum=True)
    topic = await stage.ann.opens_topic(chat, "Cooking")
    for thread, expected in ((str(topic), topic), ("1", None)):
        reply = stage.reply(chat, thread=thread)
        await reply.send(Text("Here."))
        await stage.end(reply)
        assert chat.last.thread == expected


LONG = "".join(
    f"Chapter {n} says *this* & that, a < b.\n\n```python\n"
    + "\n".join(f"    line_{n}_{k} = {k} * {n}  # remark" for k in range(60))
    + "\n```\n\n"
    for n in range(8)
)


@pytest.mark.parametrize("kind", ["private", "group"])
async def test_fifteen_thousand_characters_come_in_order_with_their_fences(stage: Stage, kind: str) -> None:
    assert len(LONG) > 15_000
    chat = stage.private() if kind == "private" else stage.group()
    journal = MemoryJournal()
    reply = stage.reply(chat, journal)
    await stage.stream(reply, LONG, size=300)
    await stage.end(reply, RETRY)
    assert words(chat.said) == words([LONG.replace("```python", "")])
    assert all(len(text) <= 4096 for text in chat.said)
    assert all(not m.buttons for m in chat.from_bot[:-1])
    assert chat.last.buttons == ["Retry"]
    assert journal.posts == [str(m.id) for m in chat.from_bot]
    code = [e for m in chat.from_bot for e in m.entities if e["type"] == "pre"]
    assert len(code) >= 8
    assert {e.get("language") for e in code} == {"python"}


# --- what else is said ---------------------------------------------------------------------------------------


async def test_typing_shows_until_the_first_words(stage: Stage) -> None:
    chat = stage.private()
    reply = stage.reply(chat)
    await reply.send(Status("thinking"))
    for _ in range(3):
        await stage.wire.rest()
        stage.time.pass_to(stage.time.now + 4.5)
    await stage.wire.rest()
    assert [action.name for action in chat.actions] == ["typing"] * 4
    await stage.stream(reply, "Now.", every=20)
    await stage.end(reply)
    assert len(chat.actions) == 4


async def test_while_an_answer_is_spoken_its_text_stands_and_a_recording_is_shown(stage: Stage) -> None:
    chat = stage.private()
    reply = stage.reply(chat)
    await reply.send(Status("thinking", (STOP,)))
    await stage.stream(reply, "It is noon.")

    async def speak() -> None:
        await reply.send(Status("speaking", (STOP,)))
        await stage.wire.rest()
        assert chat.said == ["It is noon."]
        assert chat.actions[-1].name == "record_voice"
        await reply.send(Media("audio", "audio/ogg", OGG))

    await stage.time.through(speak())
    await stage.end(reply, RETRY)
    assert [message.buttons for message in chat.from_bot] == [[], ["Retry"]]


async def test_typing_ends_with_whoever_has_given_the_answer_up(stage: Stage) -> None:
    chat = stage.private()
    before = asyncio.all_tasks()

    async def begin() -> None:
        await stage.reply(chat).send(Status("drawing"))

    await asyncio.create_task(begin())
    for _ in range(3):
        await stage.wire.rest()
        stage.time.pass_to(stage.time.now + 4.5)
    await stage.wire.rest()
    assert len(chat.actions) <= 1
    assert {task for task in asyncio.all_tasks() - before if "_act" in repr(task)} == set()


async def test_a_notice_stands_by_itself_as_it_is(stage: Stage) -> None:
    chat = stage.private()
    reply = stage.reply(chat)
    await reply.send(Text("Half an ans"))
    await reply.send(Notice("error.interrupted", text="It *broke* off <here>."))
    await stage.end(reply, RETRY)
    assert chat.said == ["Half an ans", "It *broke* off <here>."]
    assert [m.buttons for m in chat.from_bot] == [[], ["Retry"]]


async def test_choices_are_buttons_and_a_long_value_comes_back_whole(stage: Stage) -> None:
    chat = stage.private()
    long = "/role " + "诗" * 60
    reply = stage.reply(chat)
    await reply.send(Choices("Which?", (Option("Poet", long), Option("Cook", "/role cook"))))
    await stage.end(reply)
    row = chat.last.reply_markup["inline_keyboard"][0]
    assert [await recall(stage.store, button["callback_data"]) for button in row] == [long, "/role cook"]
    assert all(len(button["callback_data"].encode()) <= 64 for button in row)


async def test_what_may_be_done_next_stands_below_the_answers_to_a_question(stage: Stage) -> None:
    chat, journal = stage.private(), MemoryJournal()
    for attempt in range(2):  # the second has the first one's posts
        reply = stage.reply(chat, journal)
        await reply.send(Text("heads, tails"))
        await reply.send(Choices("Which counts?", (Option("Keep 2", "/keep 2"), Option("Keep 3", "/keep 3"))))
        await stage.end(reply, RETRY)
        rows = chat.last.reply_markup["inline_keyboard"]
        assert [[b["text"] for b in row] for row in rows] == [["Keep 2", "Keep 3"], ["Retry"]], attempt
        assert [m.buttons for m in chat.from_bot][:-1] == [[]]
        journal = MemoryJournal(2, journal.posts)


async def test_a_value_that_looks_like_our_own_key_comes_back_too() -> None:
    store = MemoryStore()
    assert await recall(store, await remember(store, "~value")) == "~value"
    assert await recall(store, "~gone") is None


@pytest.mark.parametrize(
    ("kind", "mime", "data", "shown"),
    [
        ("image", "image/png", PNG, "photo"),
        ("image", "image/svg+xml", b"<svg/>", "document"),
        ("audio", "audio/ogg", OGG, "voice"),
        ("audio", "audio/mpeg", MP3, "audio"),
        ("audio", "audio/wav", b"RIFF", "document"),
        ("video", "video/mp4", MP4, "video"),
        ("file", "text/plain", b"text", "document"),
    ],
)
async def test_media_are_shown_as_what_they_are(
    stage: Stage, kind: Any, mime: str, data: bytes, shown: str
) -> None:
    chat, journal = stage.private(), MemoryJournal()
    reply = stage.reply(chat, journal)
    await reply.send(Media(kind, mime, data, "caption"))
    await stage.end(reply)
    assert chat.last.media.kind == shown
    assert chat.last.media.content == data
    assert chat.last.text == "caption"
    assert journal.posts == [f"media:{chat.last.id}"]


async def test_a_file_has_the_name_that_it_was_given(stage: Stage) -> None:
    chat = stage.private()
    reply = stage.reply(chat)
    await reply.send(Media("file", "text/markdown", b"# Us", "Our dialogue", "dialogue.md"))
    await stage.end(reply)
    assert chat.last.media.document["file_name"] == "dialogue.md"


async def test_a_long_caption_follows_and_a_refused_picture_goes_as_a_file(stage: Stage) -> None:
    chat = stage.private()
    stage.telegram.fail("sendPhoto", 1, 400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
    reply = stage.reply(chat)
    await reply.send(Media("image", "image/png", PNG, "long " * 300))
    await stage.end(reply)
    assert [m.media.kind if m.media else m.text for m in chat.from_bot] == [
        "document",
        ("long " * 300).strip(),
    ]


# --- images that follow one another ---------------------------------------------------------------------------


def image(caption: str = "", *, mime: str = "image/png", data: bytes = PNG) -> Media:
    return Media("image", mime, data, caption)


def shown(chat: Chat) -> list[str]:
    """What stands in the chat: texts, and albums as `[kind kind]`."""
    found: list[str] = []
    for _, group in groupby(chat.from_bot, key=lambda m: m.album or m.id):
        posts = list(group)
        kinds = " ".join(post.media.kind for post in posts if post.media)
        found.append(f"[{kinds}]" if kinds else posts[0].text)
    return found


async def test_images_that_follow_one_another_are_an_album_between_texts(stage: Stage) -> None:
    chat, journal = stage.group(), MemoryJournal()
    question = await stage.ann.says(chat, "@parley_bot draw")
    reply = stage.reply(chat, journal, reply_to=question.id)
    for part in (Status("drawing"), image("one"), image("two"), image()):
        await reply.send(part)
    await reply.send(Text("These are three."))
    await reply.send(image("last"))
    await stage.end(reply, RETRY)
    assert shown(chat) == ["[photo photo photo]", "These are three.", "[photo]"]
    assert [m.text for m in chat.from_bot] == ["one", "two", "", "These are three.", "last"]
    assert chat.from_bot[0].reply_to == question.id
    assert stage.telegram.counts["sendMediaGroup"] == 1
    numbers = [str(m.id) for m in chat.from_bot]
    assert journal.posts == [f"media:{','.join(numbers[:3])}", numbers[3], f"media:{numbers[4]}"]
    assert chat.last.buttons == ["Retry"]


@pytest.mark.parametrize("doing", ["thinking", "drawing"])
async def test_a_picture_is_shown_before_the_bot_does_something_else(stage: Stage, doing: Any) -> None:
    chat = stage.private()
    reply = stage.reply(chat)
    await reply.send(image("one"))
    assert shown(chat) == []
    await reply.send(Status(doing))
    assert shown(chat) == ["[photo]"]
    await reply.send(image("two"))
    await stage.end(reply)
    assert shown(chat) == ["[photo]", "[photo]"]


async def test_an_album_has_ten_images_at_most_and_files_have_their_own(stage: Stage) -> None:
    chat = stage.private()
    reply = stage.reply(chat)
    svg = image(mime="image/svg+xml", data=b"<svg/>")
    for part in (*[image()] * 11, svg, svg, image()):
        await reply.send(part)
    await stage.end(reply)
    assert shown(chat) == [f"[{' '.join(['photo'] * 10)}]", "[photo]", "[document document]", "[photo]"]


async def test_a_long_caption_follows_its_album_and_an_album_has_no_buttons(stage: Stage) -> None:
    chat = stage.private()
    reply = stage.reply(chat)
    await reply.send(image("short"))
    await reply.send(image("long " * 300))
    await stage.end(reply, RETRY)
    assert [m.text for m in chat.from_bot] == ["short", "", ("long " * 300).strip()]
    again = stage.reply(chat)
    await again.send(image())
    await again.send(image())
    await stage.end(again, RETRY)
    assert stage.telegram.refused() == []


async def test_an_image_that_telegram_refuses_does_not_take_its_album_along(stage: Stage) -> None:
    chat = stage.private()
    reply = stage.reply(chat)
    await reply.send(image("fine"))
    await reply.send(image("odd", data=b"no picture at all"))
    await stage.end(reply)
    assert [(m.text, m.media.kind) for m in chat.from_bot if m.media] == [
        ("fine", "photo"),
        ("odd", "document"),
    ]


async def test_an_album_waits_for_as_long_as_telegram_asks(stage: Stage) -> None:
    chat = stage.private()
    stage.telegram.fail("sendMediaGroup", 1, 429, "Too Many Requests", {"retry_after": 9})
    reply = stage.reply(chat)
    await reply.send(image())
    await reply.send(image())
    await stage.end(reply)
    assert shown(chat) == ["[photo photo]"]


@pytest.mark.parametrize("dies_at", range(6))
async def test_after_a_cut_the_second_attempt_leaves_one_album(stage: Stage, dies_at: int) -> None:
    chat, journal = stage.private(), MemoryJournal()

    async def draw(journal: MemoryJournal) -> None:
        reply = stage.reply(chat, journal)
        for part in (image("one"), image("two"), Notice("x", text="Between."), image("three"), image("four")):
            await stage.time.through(reply.send(part))
        await stage.end(reply, RETRY)

    stage.wire.dies_at = dies_at
    with suppress(Unavailable):
        await draw(journal)
    stage.wire.dies_at = -1
    await draw(MemoryJournal(2, journal.posts))
    assert shown(chat) == ["[photo photo]", "Between.", "[photo photo]"]
    assert [m.text for m in chat.from_bot] == ["one", "two", "Between.", "three", "four"]


# --- faults --------------------------------------------------------------------------------------------------


async def test_refused_entities_leave_the_words(stage: Stage) -> None:
    chat = stage.private()
    stage.telegram.fail("sendMessage", 1, 400, "Bad Request: can't parse entities: no")
    reply = stage.reply(chat)
    await reply.send(Text("**bold** words"))
    await stage.end(reply)
    assert chat.said == ["bold words"]
    assert chat.last.entities == []


async def test_flood_control_in_mid_answer_costs_no_words_and_stops_no_other_chat(stage: Stage) -> None:
    chat, other = stage.group(), stage.private()
    stage.telegram.flood = Flood(retry_after=37)
    reply = stage.reply(chat)
    await stage.stream(reply, "word " * 100, size=20)
    for _ in range(4):
        stage.telegram.fail("editMessageText", 1, 429, "Too Many Requests", {"retry_after": 37})
    await stage.stream(reply, "more " * 200, size=20)
    refusals = stage.telegram.counts["editMessageText"]
    second = stage.reply(other)
    await second.send(Text("unaffected"))
    await stage.end(second)
    assert other.said == ["unaffected"]
    await stage.end(reply)
    assert chat.said == [("word " * 100 + "more " * 200).strip()]
    assert stage.telegram.counts["editMessageText"] - refusals <= 6


@pytest.mark.parametrize("kind", ["private", "group"])
async def test_a_long_answer_under_telegrams_usual_limits_is_exact_and_hardly_refused(
    stage: Stage, kind: str
) -> None:
    chat = stage.private() if kind == "private" else stage.group()
    stage.telegram.flood = Flood()
    reply = stage.reply(chat)
    await reply.send(Status("thinking", (STOP,)))
    await stage.stream(reply, LONG, size=50, every=0.2)
    await stage.end(reply, RETRY)
    assert words(chat.said) == words([LONG.replace("```python", "")])
    assert [message.buttons for message in chat.from_bot if message.buttons] == [["Retry"]]
    assert stage.telegram.flood.refused <= 3


@pytest.mark.parametrize("code", [500, 502])
async def test_a_final_edit_is_tried_again(stage: Stage, code: int) -> None:
    chat = stage.group()
    reply = stage.reply(chat)
    await stage.stream(reply, "The first half of it,", every=0.5)
    stage.telegram.fail("editMessageText", 3, code, "Bad Gateway")
    await reply.send(Text(" and the rest."))
    await stage.end(reply)
    assert chat.said == ["The first half of it, and the rest."]


async def test_a_post_that_may_have_been_made_is_left_to_the_next_attempt(stage: Stage) -> None:
    chat, journal = stage.private(), MemoryJournal()
    stage.telegram.cut("sendMessage", 1, after=False)
    reply = stage.reply(chat, journal)
    await reply.send(Text("The answer."))
    with pytest.raises(Unavailable):
        await stage.end(reply)
    assert stage.telegram.counts["sendMessage"] == 1
    again = stage.reply(chat, MemoryJournal(2, journal.posts))
    await again.send(Text("The answer."))
    await stage.end(again)
    assert chat.said == ["The answer."]


async def test_a_post_whose_receipt_was_lost_stands_twice_at_most(stage: Stage) -> None:
    chat, journal = stage.private(), MemoryJournal()
    stage.telegram.cut("sendMessage", 1, after=True)
    reply = stage.reply(chat, journal)
    await reply.send(Text("The answer."))
    with pytest.raises(Unavailable):
        await stage.end(reply)
    again = stage.reply(chat, MemoryJournal(2, journal.posts))
    await again.send(Text("The answer."))
    await stage.end(again)
    assert chat.said == ["The answer."] * 2


@pytest.mark.parametrize("kind", ["private", "group"])
async def test_whoever_has_blocked_the_bot_is_gone(stage: Stage, kind: str) -> None:
    chat = stage.private() if kind == "private" else stage.group()
    if kind == "private":
        await stage.ann.blocks()
    else:
        await stage.ann.kicks(chat)
    reply = stage.reply(chat)
    await reply.send(Status("thinking"))
    await reply.send(Text("Hello"))
    with pytest.raises(Gone):
        await stage.end(reply)


async def test_a_chat_that_does_not_exist_is_gone(stage: Stage) -> None:
    chat = stage.group()
    del stage.telegram.chats[chat.id]
    with pytest.raises(Gone):
        await stage.reply(chat).send(Notice("x", text="hello"))


async def test_a_group_that_became_a_supergroup_is_answered_there(stage: Stage) -> None:
    chat = stage.group()
    reply = stage.reply(chat)
    await stage.stream(reply, "Said before the group moved,", every=5)
    new = await stage.ann.migrates(chat)
    await reply.send(Text(" and after."))
    await stage.end(reply)
    assert new.said == ["Said before the group moved, and after."]
    assert stage.moves == [(str(chat.id), str(new.id))]


async def alike(stage: Stage, chat: Chat, number: int) -> Shown:
    """Another answer of ours, in the chat that has this number."""
    while not chat.from_bot or chat.last.id < number:
        await stage.reply(chat).send(Notice("x", text="Another answer."))
    assert chat.last.id == number
    return chat.last


async def test_where_a_group_has_moved_no_message_with_an_old_number_is_touched(stage: Stage) -> None:
    chat = stage.group()
    question = await stage.ann.says(chat, "@parley_bot speak")
    reply = stage.reply(chat, reply_to=question.id)
    await reply.send(Status("thinking", (STOP,)))
    await stage.stream(reply, "Said before the group moved,", every=5)
    old = chat.last
    new = await stage.ann.migrates(chat)
    other = await alike(stage, new, old.id)
    await reply.send(Text(" and after."))
    await stage.end(reply, RETRY)
    assert (other.text, other.edits) == ("Another answer.", [])
    assert new.last.text == "Said before the group moved, and after."
    assert new.last.reply_to is None, "the question's number is another message's here"
    assert new.last.buttons == ["Retry"]


async def test_a_second_attempt_knows_which_posts_stand_in_the_chat_that_is_left(stage: Stage) -> None:
    chat, journal = stage.group(), MemoryJournal()
    await stage.stream(stage.reply(chat, journal), "Said before the group moved,", every=5)
    new = await stage.ann.migrates(chat)
    other = await alike(stage, new, chat.last.id)
    second = stage.reply(chat, again := MemoryJournal(2, journal.posts), now=new)
    await second.send(Text("Said after it."))
    await second.send(image())
    await second.send(Notice("x", text="A word of ours."))
    await stage.end(second)
    assert (other.text, other.edits, other.deleted) == ("Another answer.", [], False)
    posts = [f"{new.from_bot[-3].id}@{new.id}", f"media:{new.from_bot[-2].id}@{new.id}"]
    assert again.posts[1:3] == posts
    third = stage.reply(chat, MemoryJournal(3, again.posts), now=new)
    await third.send(Text("Said in the end."))
    await stage.end(third)
    assert new.said[-2:] == ["Another answer.", "Said in the end."]


# --- a second attempt ----------------------------------------------------------------------------------------

SHORT = "First **words**.\n\n" + "```py\n" + "x = 1  # a line of code\n" * 250 + "```\n\nLast words."


async def attempt(stage: Stage, chat: Chat, journal: MemoryJournal) -> None:
    reply = stage.reply(chat, journal)
    await stage.stream(reply, SHORT, size=400, every=1)
    await stage.time.through(reply.send(Media("image", "image/png", PNG)))
    await stage.time.through(reply.send(Notice("length.cut", text="It was cut.")))
    await stage.end(reply, RETRY)


@pytest.mark.parametrize("kind", ["private", "group"])
@pytest.mark.parametrize("dies_at", [0, 1, 2, 3, 4, 5, 7, 9, 11, 13])
async def test_after_a_cut_at_any_step_the_second_attempt_leaves_one_answer(
    stage: Stage, kind: str, dies_at: int
) -> None:
    chat = stage.private() if kind == "private" else stage.group()
    journal = MemoryJournal()
    stage.wire.dies_at = dies_at
    try:
        await attempt(stage, chat, journal)
    except Unavailable:
        stage.wire.dies_at = -1
        await attempt(stage, chat, MemoryJournal(2, journal.posts))
    assert words([t for t in chat.said if t != "It was cut."]) == words([SHORT.replace("```py", "")])
    assert [m.media.kind for m in chat.from_bot if m.media] == ["photo"]
    assert chat.said[-1] == "It was cut."
    assert chat.last.buttons == ["Retry"]


async def test_a_finished_answer_that_is_delivered_again_changes_nothing(stage: Stage) -> None:
    chat, journal = stage.private(), MemoryJournal()
    for number in (1, 2):
        reply = stage.reply(chat, MemoryJournal(number, journal.posts))
        await reply.send(Text("The answer."))
        await stage.end(reply, RETRY)
        journal.posts = [str(chat.last.id)]
    assert chat.said == ["The answer."]
    assert chat.last.buttons == ["Retry"]


async def test_a_shorter_second_answer_leaves_nothing_of_the_first(stage: Stage) -> None:
    chat, journal = stage.group(), MemoryJournal()
    first = stage.reply(chat, journal)
    await first.send(Text(LONG))
    await stage.end(first)
    second = stage.reply(chat, MemoryJournal(2, journal.posts))
    await second.send(Notice("gave_up", text="Sorry."))
    await stage.end(second)
    assert chat.said == ["Sorry."]


async def test_what_is_too_old_to_be_deleted_is_emptied(stage: Stage) -> None:
    chat, journal = stage.group(), MemoryJournal()
    first = stage.reply(chat, journal)
    await first.send(Text(LONG[:6000]))
    await stage.end(first)
    stage.time.pass_to(stage.time.now + 3 * 86400)
    second = stage.reply(chat, MemoryJournal(2, journal.posts))
    await second.send(Text("Short."))
    await stage.end(second)
    assert chat.said == ["Short.", "…"]


# --- the outbox ----------------------------------------------------------------------------------------------


async def test_the_outbox_forgets_chats_that_are_open_again() -> None:
    time = Time()
    outbox = Outbox(clock=time, sleep=time.sleep)

    async def refused() -> None:
        raise RetryAfter(5)

    async def fine() -> str:
        return "done"

    call: Callable[[], Awaitable[None]] = refused
    with pytest.raises(Later):
        await outbox.call("1", call)
    with pytest.raises(Later):
        await outbox.call("1", fine)
    assert await outbox.call("2", fine) == "done"
    assert outbox.remembered == 1
    time.pass_to(time.now + 5)
    assert await outbox.call("1", fine) == "done"
    assert outbox.remembered == 0
