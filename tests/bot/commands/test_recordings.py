"""Commands about recordings that were sent before, as in apps without quotes, and about several at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from bot.api import Attachment, Media, Person, Quoted, Unavailable
from bot.commands.listening import Listening, NoLongerThere
from bot.core import Core
from bot.endpoints.client import Client, Timeouts
from bot.endpoints.settings import EndpointSettings
from bot.keys import Keys
from bot.limits import BudgetSpent
from bot.media.workshop import Workshop
from bot.prices import Prices
from bot.recordings import Recordings
from bot.routing import Router
from tests.bot.commands.test_media import PRICES, House, media, recording, words
from tests.bot.doubles import Held, catalogue, delivery, incoming
from tests.bot.media.recordings import recorded
from tests.simulators.endpoint import EndpointSimulator, endpoint_simulator
from tests.simulators.endpoint_media import png

Make = Callable[..., House]
SILENCE = recorded(bytes(32_000), "wav")


class Noted:
    """Recordings that keep what was noted."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, list[Attachment]]] = []

    async def note(self, conversation: str, person: str, recordings: list[Attachment]) -> None:
        self.calls.append((conversation, person, recordings))


@pytest.fixture
async def endpoint() -> AsyncIterator[EndpointSimulator]:
    async with endpoint_simulator() as simulator:
        yield simulator


@pytest.fixture
async def house(
    endpoint: EndpointSimulator, redis: Redis, prefix: str, tmp_path: Path
) -> AsyncIterator[Make]:
    workshop, routers = Workshop(), list[Router]()
    own = tmp_path / "prices.toml"
    own.write_text(PRICES, encoding="utf-8")

    def make(listener: str = "listener", **limits: str) -> House:
        given = {
            "OPENAI_API_KEY": endpoint.key,
            "OPENAI_BASE_URL": endpoint.base_url,
            "CHAT_MODEL": "small",
            "TRANSCRIPTION_MODEL": listener,
        }
        client = Client(Timeouts(first_byte=20, idle=20, linger=0.05))
        routers.append(Router(EndpointSettings.load(given), given, client=client))
        return House(redis, Keys(prefix), routers[-1], workshop, Prices.load(own), **limits)

    yield make
    for router in routers:
        await router.close()
    await workshop.close()


@pytest.mark.parametrize("kind", ["audio", "video", "file"])
async def test_a_command_alone_is_about_the_last_recording(house: Make, kind: str):
    home = house("whisperer")
    await home.say("", home.file("audio", SILENCE))
    await home.say("", home.file(kind, recording(), "audio/ogg"))
    await home.say("And what do you think?", home.file("image", png()))
    assert words(await home.say("/transcribe")) == "hello there"
    (file,) = media(await home.say("/转写 srt"))
    assert b"-->" in file.data
    assert words(await home.say("/translate")) == "hello there"


@pytest.mark.parametrize("first", ["/voice transcript", "/transcribe"])
async def test_a_recording_that_was_written_down_is_put_into_english_next(house: Make, first: str):
    home = house("whisperer")
    said = home.file("audio", recording())
    if first == "/transcribe":
        await home.say(first, said)
    else:
        await home.say(first)
        await home.say("", said)
    assert home.dialogue == []
    assert words(await home.say("/translate")) == "hello there"


async def test_only_ones_own_recording_is_taken_and_what_was_meant_goes_before_it(house: Make):
    home = house()
    await home.say("", home.file("audio", recording()))
    bob = replace(incoming("/transcribe"), person=Person("bob", "Bob", "en"))
    for more in (
        {"message": bob},
        {"quoted": Quoted("some words")},
        {"conversation": "another"},
    ):
        assert (await home.say("/transcribe", **more)).notices == ["transcribe.nothing"]
    assert (await home.say("/transcribe", home.file("image", png()))).notices == ["transcribe.nothing"]


async def test_a_voice_message_that_the_app_wrote_down_itself_hides_the_one_before(house: Make):
    home = house()
    await home.say("", home.file("audio", recording()))
    await home.say("", message=replace(incoming("good morning"), spoken=True))
    assert (await home.say("/transcribe")).notices == ["transcribe.nothing"]


async def test_neither_an_edit_nor_what_others_said_is_the_last_recording(house: Make):
    home = house()
    old = home.file("audio", SILENCE)
    await home.say("", home.file("audio", recording()))
    edited = replace(incoming("once more"), attachments=(old,), edits="m0")
    await home.say("", message=edited)
    await home.say("What does he say?", quoted=Quoted(attachments=(old,)))
    assert words(await home.say("/transcribe")) == "hello there"


async def test_what_the_app_gives_out_no_more_is_told(house: Make, endpoint: EndpointSimulator):
    home = house()
    await home.say("", home.file("audio", recording()))
    home.files.clear()
    with pytest.raises(NoLongerThere):
        await home.say("/transcribe")
    assert endpoint.requests == []
    assert "any more" in catalogue().say("en", NoLongerThere.user_key)


async def test_of_a_message_without_recordings_nothing_is_noted():
    noted, nobody = Noted(), cast(Any, None)
    listening = Listening(
        nobody, nobody, workshop=nobody, voices=nobody, recordings=cast(Recordings, noted), dictation=nobody
    )
    voice = Attachment("audio", "voice-1")
    for attached in ((), (Attachment("image", "photo-1"), Attachment("file", "essay.pdf")), (voice,)):
        made, _ = delivery(replace(incoming("Hello."), attachments=attached))
        await listening.note(made)
    assert noted.calls == [("test-ann", "ann", [voice])]


@pytest.mark.parametrize("command", ["/new", "/forget"])
async def test_a_fresh_start_deletes_where_the_last_recording_is(redis: Redis, prefix: str, command: str):
    recordings = Recordings(redis, Keys(prefix))
    core = Core({"OPENAI_API_KEY": "sk-test"}, redis, Keys(prefix), trusted={"test"})
    await recordings.note("test-ann", "ann", [Attachment("audio", "voice-1")])
    async with core.running():
        made, reply = delivery(command)
        await core.answer()(made)
        for choice in reply.choices:
            made, reply = delivery(choice.options[0].value)
            await core.answer()(made)
    assert reply.notices == [f"{command[1:]}.done"]
    assert await recordings.last("test-ann", "ann") == ()


# --- several -------------------------------------------------------------------------------------------------


async def test_several_recordings_are_each_written_down_under_a_number(
    house: Make, endpoint: EndpointSimulator
):
    home, hold = house(), Held()
    quoted = Quoted(attachments=(home.file("audio", recording()),))
    sent = (home.file("audio", SILENCE), home.file("file", recording(), name="talk.ogg"))
    silent = catalogue().say("en", "error.silent")
    said = words(await home.say("/transcribe", *sent, quoted=quoted, hold=hold))
    assert said == f"1.\nhello there\n\n2.\n{silent}\n\n3. talk.ogg\nhello there"
    again = await home.say("/transcribe", *sent, quoted=quoted, hold=Held(hold.kept, attempt=2))
    assert words(again) == said
    assert len(endpoint.requests) == 2
    assert (await home.usages.tally("total", "day")).requests == 1


async def test_each_recordings_subtitles_are_a_file_and_what_cannot_be_heard_is_said(house: Make):
    home = house("whisperer")
    sent = [home.file("audio", data) for data in (recording(), SILENCE, recording())]
    reply = await home.say("/transcribe srt", *sent)
    assert [file.name for file in media(reply)] == ["transcript-1.srt", "transcript-3.srt"]
    assert [file.caption.partition(" ")[0] for file in media(reply)] == ["1.", "3."]
    assert all(b"-->" in file.data for file in media(reply))
    kinds = [type(part).__name__ for part in reply.parts if isinstance(part, Media) or hasattr(part, "key")]
    assert kinds == ["Media", "Notice", "Media"]
    assert words(reply) == f"2.\n{catalogue().say('en', 'error.silent')}"


async def test_of_more_than_eight_the_first_eight_are_heard_and_that_is_said(
    house: Make, endpoint: EndpointSimulator
):
    home = house()
    reply = await home.say("/transcribe", *[home.file("audio", recording()) for _ in range(10)])
    assert words(reply).endswith(catalogue().say("en", "hear.too_many", limit=8, count=2))
    assert len(endpoint.requests) == 8


async def test_what_was_paid_for_is_told_where_the_budget_does_not_reach_for_all(
    house: Make, endpoint: EndpointSimulator
):
    home = house(BUDGET_PERSON_DAY="0.02")
    sent = [home.file("audio", recording()) for _ in range(3)]
    said = words(await home.say("/transcribe", *sent))
    assert "1.\nhello there\n\n2.\nYour budget for today is used up" in said
    assert "\n3." not in said
    assert len(endpoint.requests) == 1
    with pytest.raises(BudgetSpent):
        await home.say("/transcribe", *sent)


async def test_several_recordings_are_each_paid_once_though_the_app_goes_away_meanwhile(
    house: Make, endpoint: EndpointSimulator
):
    home, hold = house(), Held()
    sent = [home.file("audio", recording()) for _ in range(3)]
    message = replace(incoming("/transcribe"), attachments=tuple(sent))

    async def away(attachment: Attachment) -> bytes:
        if attachment == sent[1]:
            raise Unavailable("the app is away")
        return home.files[attachment.ref]

    faulty, _ = home.delivery("", message=message, hold=hold)
    faulty.fetch = away
    with pytest.raises(Unavailable):
        await home._stack(faulty)
    reply = await home.say("", message=message, hold=Held(hold.kept, attempt=2))
    assert words(reply) == "1.\nhello there\n\n2.\nhello there\n\n3.\nhello there"
    assert len(endpoint.requests) == 3


async def test_what_an_earlier_version_wrote_down_is_shown(house: Make, endpoint: EndpointSimulator):
    home = house()
    sent = home.file("audio", recording())
    assert words(await home.say("/transcribe", sent, hold=Held("good morning", attempt=2))) == "good morning"
    assert words(await home.say("", sent, hold=Held("transcript\ngood day", attempt=2))) == "good day"
    assert endpoint.requests == []
