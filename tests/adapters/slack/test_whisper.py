"""The answers of commands: seen by the one who asked, complete, once, and by nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.slack.whisper import SilentReply, WhisperReply
from bot.api import Choices, End, Gone, Incoming, Media, Notice, Option, Status, Text, Unavailable
from tests.adapters.memory_store import MemoryJournal
from tests.adapters.slack.answering import Office, joined, office

POET, COOK = Option("Poet", "/role poet"), Option("Cook", "/role cook")


@pytest.fixture
async def acme() -> AsyncIterator[Office]:
    async with office() as made:
        yield made


async def command(acme: Office, *, bot: bool = True) -> Incoming:
    """Ann types a slash command in #general; where the bot is not in it, its response_url is kept."""
    _, incoming = await acme.asks(acme.general, "hello")
    acme.general.bot = bot
    interaction = await acme.ann.slash(acme.general, "role")
    trigger = interaction.trigger_id
    await acme.store.put(f"response:{trigger}", interaction.response_url)
    return replace(
        incoming, id=f"slash:{trigger}", place=replace(incoming.place, thread=""), addressed="command"
    )


def whisper(acme: Office, incoming: Incoming, journal: MemoryJournal | None = None) -> WhisperReply:
    return WhisperReply(
        acme.clients, incoming, journal or MemoryJournal(), store=acme.store, sleep=acme.time.sleep
    )


async def say(reply: WhisperReply | SilentReply, *parts: object) -> None:
    for part in parts:
        await reply.send(part)  # type: ignore[arg-type]


async def test_only_the_one_who_asked_sees_the_answer_when_it_is_complete(acme: Office) -> None:
    incoming = await command(acme)
    reply = whisper(acme, incoming)
    await say(reply, Status("thinking"), Notice("x", text="Your role is *poet*."), Text("**Well** "))
    assert acme.ann.whispers(acme.general) == []
    await say(reply, Text("done."), End())
    assert acme.ann.whispers(acme.general) == ["Your role is *poet*.\n\n**Well** done."]
    assert acme.bob.whispers(acme.general) == []
    assert acme.general.visible() == []


async def test_a_whispered_question_has_its_buttons(acme: Office) -> None:
    incoming = await command(acme)
    await say(
        whisper(acme, incoming), Choices("Who?", (POET, COOK)), End(offers=(Option("Retry", "/retry"),))
    )
    (shown,) = acme.general.ephemerals
    assert shown.shown == "Who?"
    assert shown.buttons == ["Poet", "Cook", "Retry"]


async def test_where_the_bot_is_not_in_the_channel_the_response_url_serves(acme: Office) -> None:
    incoming = await command(acme, bot=False)
    await say(
        whisper(acme, incoming), Notice("x", text="Your role is poet."), Choices("Who?", (POET,)), End()
    )
    assert acme.ann.whispers(acme.general) == ["Your role is poet.\n\nWho?"]
    assert acme.general.ephemerals[-1].buttons == ["Poet"]


async def test_where_there_is_no_way_to_whisper_it_is_gone(acme: Office) -> None:
    incoming = await command(acme, bot=False)
    for key in list(acme.store.values):
        await acme.store.drop(key)
    with pytest.raises(Gone):
        await say(whisper(acme, incoming), Notice("x", text="Hi."), End())


@pytest.mark.parametrize("bot", [True, False])
async def test_a_long_answer_is_whispered_whole(acme: Office, bot: bool) -> None:
    incoming = await command(acme, bot=bot)
    text = "\n\n".join(f"Paragraph {n}. " + "word " * 60 for n in range(100))
    await say(whisper(acme, incoming), Text(text), End())
    assert joined(acme.ann.whispers(acme.general)) == joined([text])


async def test_a_long_list_is_whispered_whole(acme: Office) -> None:
    incoming = await command(acme)
    text = "\n".join(f"/command{n} does something useful" for n in range(500))
    await say(whisper(acme, incoming), Notice("help", text=text), End())
    assert joined(acme.ann.whispers(acme.general)) == joined([text])


async def test_a_second_attempt_whispers_only_what_is_missing(acme: Office) -> None:
    incoming = await command(acme)
    parts = (Text("one " * 3_000), End())
    journal = MemoryJournal()
    acme.slack.limit("chat.postEphemeral", retry_after=3600)
    with pytest.raises(Unavailable):
        await say(whisper(acme, incoming, journal), *parts)
    acme.time.now += 3600
    await say(whisper(acme, incoming, journal), *parts)
    told = acme.ann.whispers(acme.general)
    await say(whisper(acme, incoming, MemoryJournal(3, journal.posts)), *parts)
    assert acme.ann.whispers(acme.general) == told
    assert joined(told) == joined(["one " * 3_000])


async def test_a_rate_limit_is_waited_for(acme: Office) -> None:
    incoming = await command(acme)
    acme.slack.limit("chat.postEphemeral", retry_after=9)
    await say(whisper(acme, incoming), Notice("x", text="Hi."), End())
    assert acme.ann.whispers(acme.general) == ["Hi."]
    assert sum(acme.time.slept) >= 9


async def test_a_form_that_slack_refuses_is_whispered_in_plain(acme: Office) -> None:
    incoming = await command(acme)
    acme.slack.refuse("chat.postEphemeral", "invalid_blocks")
    await say(whisper(acme, incoming), Text("Hello."), End())
    assert acme.ann.whispers(acme.general) == ["Hello."]


async def test_a_response_url_that_fails_is_told(acme: Office) -> None:
    incoming = await command(acme, bot=False)
    (key,) = [key for key in acme.store.values if key.startswith("response:")]
    url = acme.store.values[key]
    for wrong, fault in ((f"{url}x", Gone), ("ftp://x", Gone), ("http://127.0.0.1:9/x", Unavailable)):
        acme.store.values[key] = wrong
        with pytest.raises(fault):
            await say(whisper(acme, incoming), Notice("x", text="Hi."), End())


async def test_a_response_url_serves_five_times(acme: Office) -> None:
    incoming = await command(acme, bot=False)
    with pytest.raises(Gone):
        await say(whisper(acme, incoming), Text("word " * 12_000), End())
    assert len(acme.ann.whispers(acme.general)) == 5


async def test_a_picture_goes_to_the_person_alone(acme: Office) -> None:
    incoming = await command(acme)
    await say(whisper(acme, incoming), Media("image", "image/png", b"\x89PNG", "A cat"), End())
    assert acme.dm.files == [b"\x89PNG"]
    assert acme.general.files == []
    assert "direct message" in acme.ann.whispers(acme.general)[0]


async def test_a_picture_that_cannot_be_sent_is_told(acme: Office) -> None:
    incoming = await command(acme)
    acme.slack.refuse("conversations.open", "missing_scope")
    await say(whisper(acme, incoming), Media("image", "image/png", b"\x89PNG", "A cat"), End())
    assert acme.dm.files == []
    assert acme.ann.whispers(acme.general)[0].startswith("A cat")


async def test_a_slack_that_cannot_be_reached_is_told(acme: Office) -> None:
    incoming = await command(acme)
    acme.slack.fail(times=10, status=500)
    with pytest.raises(Unavailable):
        await say(whisper(acme, incoming), Notice("x", text="Hi."), End())


async def test_an_answer_of_nothing_says_nothing(acme: Office) -> None:
    incoming = await command(acme)
    reply = whisper(acme, incoming)
    await say(reply, Text(""), End())
    await reply.abandon()
    assert acme.ann.whispers(acme.general) == []


async def test_what_nobody_needs_to_see_is_not_said(acme: Office) -> None:
    reply = SilentReply()
    await say(reply, Text("Hello."), Notice("x", text="Hi."), End())
    await reply.abandon()
    assert acme.slack.calls == type(acme.slack.calls)()
