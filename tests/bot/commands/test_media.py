"""Pictures drawn and changed, words spoken and written down: the commands, over the real router and workshop."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from redis.asyncio import Redis

from bot.api import (
    Attachment,
    Choices,
    End,
    Gone,
    Incoming,
    Media,
    Notice,
    Place,
    Quoted,
    ReplyPart,
    Status,
    Text,
    Unavailable,
)
from bot.attached import Attached
from bot.commands import Registry
from bot.commands.listening import Listening, Transcribing
from bot.commands.pictures import Pictures, Retouching
from bot.commands.sounds import SAY_LIMIT, Sounds
from bot.commands.wishes import Fault, Wish, read
from bot.delivery import Delivery
from bot.dialogue import Answer
from bot.dictation import LONGEST, Dictation
from bot.easel import LARGEST, Easel
from bot.endpoints.client import Client, Timeouts
from bot.endpoints.images import VARIATION, Source
from bot.endpoints.settings import EndpointSettings
from bot.errors import (
    EmptyAnswer,
    Filtered,
    MessageTooLong,
    NoImages,
    NoSpeech,
    NoSubtitles,
    NoTranscription,
    ParleyError,
    Silent,
    TooLarge,
    Unreadable,
)
from bot.keys import Keys
from bot.limits import BudgetSpent, Limits, LimitSettings
from bot.media.workshop import Workshop
from bot.meter import Meter
from bot.middleware import Commands
from bot.prices import Prices
from bot.profile import Profile, Profiles
from bot.recordings import Recordings
from bot.routing import Router
from bot.speaking import ANSWER_LIMIT, Muting, Speaking, aloud
from bot.tape import LARGEST as TAPE_LIMIT
from bot.tape import Tape
from bot.unpacking import NotReceived
from bot.usage import Usages
from bot.voices import Voices
from bot.window import Exchange, Turn, Windows
from tests.bot.doubles import Collected, Held, catalogue, delivery, incoming, tokens
from tests.bot.media.recordings import recorded, spoken, tone
from tests.simulators.endpoint import EndpointSimulator, endpoint_simulator, fail, hang, raw, say
from tests.simulators.endpoint_media import png

PRICES = """
models = [
    { name = "painter", image = 0.04 },
    { name = "speaker", speech = 15 },
    { name = "listener", minute = 0.6 },
]
"""
PIECES = (
    "--size",
    "—n",
    "--quality=",
    "--model",
    "--background",
    "1024x1024",
    "9x9",
    "４",
    "2",
    "high",
    "--x",
    "方",
)
ADMIN_IN_GROUP = Place("test", "bot", "team", kind="group")


class House:
    """Where Ann asks for pictures and sound; `files` are what her messages bring along, by reference."""

    def __init__(
        self, redis: Redis, keys: Keys, router: Router, workshop: Workshop, prices: Prices, **limits: str
    ) -> None:
        self.files: dict[str, bytes] = {}
        self.now = 1000.0
        self.dialogue: list[str] = []
        self.usages, self.profiles = Usages(redis, keys), Profiles(redis, keys)
        self.windows, self.easel = Windows(redis, keys, ttl=600), Easel(redis, keys)
        self.attached = Attached(redis, keys, ttl=600)
        held = Limits(LimitSettings.load({"RATE_LIMIT": "off", **limits}), redis, keys)
        meter = Meter(router, held, prices, tokens())
        voices = Voices(router)
        self.speaking = Speaking(router, meter, workshop, voices, Tape(redis, keys), clock=lambda: self.now)
        pictures = Pictures(router, meter, workshop, self.easel, self.attached, windows=self.windows)
        sounds = Sounds(
            router,
            speaking=self.speaking,
            voices=voices,
            profiles=self.profiles,
            windows=self.windows,
        )
        self.recordings = Recordings(redis, keys)
        listening = Listening(
            router, meter, workshop=workshop, voices=voices, recordings=self.recordings,
            dictation=Dictation(redis, keys),
        )  # fmt: skip
        registry = Registry(
            [*pictures.commands(), *sounds.commands(), *listening.commands()],
            languages=catalogue().languages,
            say=catalogue().say,
        )
        commands = Commands(registry, Transcribing(listening, Retouching(pictures, self._talk)))
        self._stack = Muting(voices, router, commands)
        self._ids = count(1)

    async def _talk(self, made: Delivery) -> None:
        """A dialogue that repeats what was said."""
        text = made.message.text
        self.dialogue.append(text)
        await made.send(Text(text))
        await self.speaking.after(made, made.message, Answer(text or "Good morning to you."))

    def file(self, kind: Any, data: bytes, mime: str = "", **more: Any) -> Attachment:
        ref = f"f{next(self._ids)}"
        self.files[ref] = data
        return Attachment(kind, ref, mime, len(data), **more)

    def delivery(self, text: str, *attached: Attachment, **more: Any) -> tuple[Delivery, Collected]:
        message = replace(incoming(text), attachments=attached, quoted=more.pop("quoted", None))
        return delivery(more.pop("message", message), fetch=self.fetch, **more)

    async def fetch(self, attachment: Attachment) -> bytes:
        if attachment.ref not in self.files:
            raise Gone("no such file")
        return self.files[attachment.ref]

    async def say(self, text: str, *attached: Attachment, **more: Any) -> Collected:
        """What Ann is answered."""
        profile = await self.profiles.load("test-ann")
        made, reply = self.delivery(text, *attached, **{"profile": profile, **more})
        await self._stack(made)
        await made.end()
        return reply


@pytest.fixture
async def endpoint() -> AsyncIterator[EndpointSimulator]:
    async with endpoint_simulator() as simulator:
        yield simulator


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    made = Workshop()
    yield made
    await made.close()


@pytest.fixture
async def house(
    endpoint: EndpointSimulator, redis: Redis, prefix: str, workshop: Workshop, tmp_path: Path
) -> AsyncIterator[Any]:
    routers: list[Router] = []
    own = tmp_path / "prices.toml"
    own.write_text(PRICES)

    def make(environment: dict[str, str] | None = None, **limits: str) -> House:
        given = {
            "OPENAI_API_KEY": endpoint.key,
            "OPENAI_BASE_URL": endpoint.base_url,
            "CHAT_MODEL": "small",
            "IMAGE_MODEL": "painter",
            "TRANSCRIPTION_MODEL": "listener",
            "SPEECH_MODEL": "speaker",
        } | (environment or {})
        given = {name: value for name, value in given.items() if value}
        router = Router(
            EndpointSettings.load(given), given, client=Client(Timeouts(first_byte=20, idle=20, linger=0.05))
        )
        routers.append(router)
        return House(redis, Keys(prefix), router, workshop, Prices.load(own), **limits)

    yield make
    for router in routers:
        await router.close()


def media(reply: Collected) -> list[Media]:
    return [part for part in reply.parts if isinstance(part, Media)]


def words(reply: Collected) -> str:
    return "\n".join(part.text for part in reply.parts if isinstance(part, Notice | Choices))


def recording(text: str = "blue dog three south", form: str = "opus") -> bytes:
    return recorded(spoken(text), form)


# --- drawing -----------------------------------------------------------------------------------------------


async def test_a_picture_is_drawn_as_wished_and_sent_with_the_wish_and_its_cost(house, endpoint):
    home = house()
    reply = await home.say(
        "/image a red fox --size 1536x1024 --quality high --n 2 --background transparent --model painter"
    )
    first, second = media(reply)
    assert first.data == png()
    assert (first.kind, first.mime, first.caption, second.caption) == (
        "image",
        "image/png",
        "a red fox\n0.08 USD",
        "",
    )
    body = endpoint.requests[0].body
    assert {name: body[name] for name in ("prompt", "size", "quality", "n", "background", "model")} == {
        "prompt": "a red fox", "size": "1536x1024", "quality": "high", "n": 2, "background": "transparent",
        "model": "painter",
    }  # fmt: skip
    assert isinstance(reply.parts[0], Status)
    assert reply.parts[0].doing == "drawing"
    assert isinstance(reply.parts[-1], End)
    assert [option.value for option in reply.parts[-1].offers] == ["/variation"]
    assert (await home.usages.tally("total", "day")).cost == 80_000


async def test_a_picture_that_costs_nothing_is_shown_without_a_price(house):
    reply = await house({"IMAGE_MODEL": "easel"}).say("/画图 雪中的红狐狸")
    assert media(reply)[0].caption == "雪中的红狐狸"


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("a fox", Wish("a fox")),
        ("--n 3 a  fox", Wish("a fox", n=3)),
        ("fox —size wide", Wish("fox", size="1536x1024")),
        ("狐狸 --尺寸=1024×1536", Wish("狐狸", size="1024x1536")),
        ("狐狸 --size １０２４ｘ１０２４ --n ３", Wish("狐狸", size="1024x1024", n=3)),
        ("rock -- and a fox--like cat", Wish("rock -- and a fox--like cat")),
        ("fox --ar 16:9", Fault("ar", "16:9", "")),
        ("fox --n 5", Fault("--n", "5", "1, 2, 3, 4")),
        ("fox --n", Fault("--n", "", "1, 2, 3, 4")),
        ("fox --size 9999x10", Fault("--size", "9999x10", "1024x1024, 1536x1024, 1024x1536, auto")),
        ("fox --quality best", Fault("--quality", "best", "low, medium, high, standard, hd, auto")),
        ("fox --background blue", Fault("--background", "blue", "transparent, opaque, auto")),
    ],
)
def test_options_may_stand_anywhere_and_bad_ones_are_told(text: str, wish: Wish | Fault):
    assert read(text) == wish


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=8))
def test_whatever_is_written_is_a_wish_that_can_be_or_a_fault_with_a_name(pieces: list[str]):
    found = read(" ".join(pieces))
    if isinstance(found, Wish):
        assert 1 <= found.n <= 4
        assert len(found.model) <= 200
        assert re.fullmatch(r"|auto|[0-9]{2,4}x[0-9]{2,4}", found.size)
        assert found.quality in ("", "low", "medium", "high", "standard", "hd", "auto")
        assert found.background in ("", "transparent", "opaque", "auto")
    else:
        assert found.option.strip("-")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/image", "Tell me what to draw"),
        ("/image fox --n 40", "“40” does not work for --n. Possible: 1, 2, 3, 4."),
        ("/image fox --ar 16:9", "no option --ar"),
        ("/edit", "Tell me what to change"),
        ("/edit brighter", "no picture here to change"),
        ("/variation", "no picture here to change"),
        ("/edit x --size big", "“big” does not work for --size"),
    ],
)
async def test_what_cannot_be_is_said_and_nothing_is_asked(house, endpoint, text: str, said: str):
    assert said in words(await house().say(text))
    assert endpoint.requests == []


async def test_without_words_the_message_that_is_replied_to_is_drawn(house, endpoint):
    await house().say("/image", quoted=Quoted("a lighthouse"))
    assert endpoint.requests[0].body["prompt"] == "a lighthouse"


async def test_the_last_picture_is_changed_and_varied(house, endpoint):
    home = house()
    await home.say("/image a fox")
    changed = await home.say("/edit make it brighter")
    varied = await home.say("/variation")
    assert [len(media(reply)) for reply in (changed, varied)] == [1, 1]
    assert [call.path for call in endpoint.requests] == ["images/generations", "images/edits", "images/edits"]
    assert endpoint.requests[1].files["image"][0].data == png()
    assert [call.body["prompt"] for call in endpoint.requests[1:]] == ["make it brighter", VARIATION]


async def test_the_dialogue_knows_of_a_picture_so_that_the_next_words_may_be_about_it(house, endpoint):
    home = house()
    drawing, hold = incoming("/image a red\nfox --size square"), Held()
    for _ in range(2):  # the second is an attempt after a crash
        await home.say("", message=drawing, hold=hold)
    await home.say("/variation")
    first, second = await home.windows.load("test-ann")
    assert [(turn.role, turn.content) for turn in first.turns] == [
        ("user", "/image a red\nfox --size square"),
        ("assistant", "[drew: a red fox]"),
    ]
    assert second.turns[-1].content == "[changed the picture: another one like it]"
    assert all(turn.tokens for exchange in (first, second) for turn in exchange.turns)


async def test_an_attached_picture_goes_before_the_last_one(house, endpoint):
    home = house()
    await home.say("/image a fox")
    await home.say("/edit brighter", home.file("image", png((40, 30))))
    sent = endpoint.requests[1].files["image"][0].data
    assert Image.open(io.BytesIO(sent)).size == (40, 30)


async def test_a_second_picture_with_transparent_parts_is_the_mask(house, endpoint):
    home = house()
    photo = io.BytesIO()
    Image.new("RGB", (64, 48), "navy").save(photo, "JPEG")
    picture, mask = (
        home.file("image", photo.getvalue()),
        home.file("file", png((32, 24), "#00000000"), "image/png"),
    )
    reply = await home.say("/edit put a hat there", mask, quoted=Quoted(attachments=(picture,)))
    assert len(media(reply)) == 1
    assert set(endpoint.requests[0].files) == {"image", "mask"}, (
        "and the simulator checked its size and its alpha"
    )


async def test_what_is_attached_and_no_picture_does_not_change_the_last_one(house, endpoint):
    home = house()
    await home.say("/image a lighthouse")
    reply = await home.say("/edit brighter", home.file("audio", b"sound", "audio/ogg"))
    assert reply.notices == ["edit.nothing"]
    assert [call.path for call in endpoint.requests] == ["images/generations"]


async def test_more_pictures_than_can_be_changed_together_are_refused(house, endpoint):
    home = house()
    given = [home.file("image", png()) for _ in range(5)]
    assert (await home.say("/edit put them together", *given)).notices == ["edit.too_many"]
    await home.say("/edit put them together", *given[:4])
    assert len(endpoint.requests[0].files["image"]) == 4
    await home.say("/edit put them together", *given[:1], home.file("file", png((30, 60)), "image/png"))
    assert len(endpoint.requests[1].files["image"]) == 2, "of another shape it is no mask"


async def test_words_that_answer_a_picture_of_ours_change_it_and_a_question_does_not(house, endpoint):
    home = house()
    ours = Quoted("a fox", attachments=(home.file("image", png()),), ours=True)
    theirs = replace(ours, ours=False)
    assert len(media(await home.say("make it brighter", quoted=ours))) == 1
    for text, quoted in (("what is that?", ours), ("那是什么？", ours), ("make it brighter", theirs)):
        await home.say(text, quoted=quoted)
    assert home.dialogue == ["what is that?", "那是什么？", "make it brighter"]
    assert [call.body["prompt"] for call in endpoint.requests] == ["make it brighter"]


async def test_a_picture_that_the_dialogue_was_about_is_changed_where_nothing_was_drawn_since(
    house, endpoint
):
    home = house()
    assert (await home.say("/edit make it brighter")).notices == ["edit.nothing"]
    url = f"data:image/png;base64,{base64.b64encode(png((30, 20))).decode()}"
    await home.attached.keep("test-ann", {"0" * 24: url})
    assert len(media(await home.say("/edit make it brighter"))) == 1
    with Image.open(io.BytesIO(endpoint.requests[-1].files["image"][0].data)) as sent:
        assert (sent.size, sent.format) == ((30, 20), "PNG")


class Away(Collected):
    """A platform that goes away before it has shown anything but that there will be something."""

    async def send(self, part: ReplyPart) -> None:
        self.away = not isinstance(part, Status)
        await super().send(part)


def drawing(*made: bytes) -> Any:
    entries = [{"b64_json": base64.b64encode(data).decode()} for data in made]
    return raw(json.dumps({"data": entries}).encode(), media_type="application/json")


@pytest.mark.parametrize("text", ["/image a fox --n 3", "/edit brighter --n 3", "/variation --n 3"])
async def test_however_often_the_platform_is_away_all_pictures_are_drawn_once(house, endpoint, text):
    home, hold = house(), Held()
    message = replace(incoming(text), attachments=(home.file("image", png()),))
    made = [png(colour=colour) for colour in ("red", "green", "blue")]
    endpoint.script(drawing(*made))
    with pytest.raises(Unavailable):
        await home.say("", message=message, hold=hold, reply=Away())
    for attempt in (2, 3):
        reply = await home.say("", message=message, hold=Held(hold.kept, attempt))
        assert [one.data for one in media(reply)] == made
        assert media(reply)[0].caption.endswith("0.12 USD")
    assert len(endpoint.requests) == 1
    assert (await home.usages.tally("total", "day")).cost == 120_000
    assert (await home.easel.picture("test-ann")).data == made[-1]


async def test_pictures_that_are_kept_no_more_are_told_of_and_not_paid_for_again(house, endpoint):
    home, hold, message = house(), Held(), incoming("/image a fox --n 2")
    await home.say("", message=message, hold=hold)
    await home.say("/image a lighthouse")
    reply = await home.say("", message=message, hold=Held(hold.kept, attempt=2))
    assert (reply.notices, media(reply), reply.ended) == (["image.lost"], [], True)
    assert len(endpoint.requests) == 2


async def test_what_was_drawn_before_an_upgrade_is_shown_after_it(house, redis, prefix, endpoint):
    entry = {"mime": "image/png", "data": base64.b64encode(png()).decode()}
    await redis.hset(Keys(prefix).easel("test-ann"), mapping=entry)
    reply = await house().say("/image a fox", hold=Held("drawn", attempt=2))
    assert [one.data for one in media(reply)] == [png()]
    assert endpoint.requests == []


async def test_what_was_stopped_is_not_begun_by_a_later_attempt(house, endpoint):
    home = house()
    made, reply = home.delivery("/image a fox", hold=Held(attempt=2))
    made.stop()
    await home._stack(made)
    assert (reply.notices, endpoint.requests) == (["stopped"], [])
    assert (await home.usages.tally("total", "day")).cost == 0


async def test_words_whose_picture_was_drawn_are_never_put_to_the_model(house, endpoint):
    home, hold = house(), Held()
    ours = Quoted("a fox", attachments=(home.file("image", png()),), ours=True)
    message = replace(incoming("make it brighter"), quoted=ours)
    await home.say("", message=message, hold=hold)
    later = house({"IMAGE_MODEL": "", "OPENAI_BASE_URL": "https://api.example.org/v1"})
    reply = await later.say("", message=message, hold=Held(hold.kept, attempt=2))
    assert (len(media(reply)), later.dialogue) == (1, [])
    await home.say("", message=message, hold=Held('{"text": "an answer"}', attempt=2))
    assert home.dialogue == ["make it brighter"]


async def test_drawing_stops_when_the_person_says_so(house, endpoint):
    home, gate = house(), asyncio.Event()
    endpoint.script(hang(gate, endpoint.made))
    made, reply = home.delivery("/image a fox")
    drawing = asyncio.create_task(home._stack(made))
    call = await endpoint.arrived()
    made.stop()
    await drawing
    async with asyncio.timeout(30):
        await call.closed.wait()
    assert call.left
    assert reply.notices == ["stopped"]


@pytest.mark.parametrize(
    ("text", "environment", "error"),
    [
        ("/image a fox", {"IMAGE_MODEL": ""}, NoImages),
        ("/edit a fox", {"IMAGE_MODEL": ""}, NoImages),
        ("/say hello", {"SPEECH_MODEL": ""}, NoSpeech),
        ("/voice", {"SPEECH_MODEL": "", "TRANSCRIPTION_MODEL": ""}, NoSpeech),
        ("/transcribe", {"TRANSCRIPTION_MODEL": ""}, NoTranscription),
        ("/translate", {"TRANSCRIPTION_MODEL": ""}, NoTranscription),
    ],
)
async def test_what_nobody_can_is_said_at_once(house, endpoint, text, environment, error):
    endpoint.models = []
    home = house({**environment, "OPENAI_BASE_URL": "https://api.example.org/v1"})
    with pytest.raises(error):
        await home.say(text)


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (
            fail(400, code="moderation_blocked", message="Your request was rejected by our safety system."),
            Filtered,
        ),
        (fail(404), NoImages),
    ],
)
async def test_a_refusal_has_its_own_sentence_and_costs_nothing(house, endpoint, failure, error):
    home = house(BUDGET_PERSON_DAY="1")
    endpoint.script(failure)
    with pytest.raises(error):
        await home.say("/image something")
    assert (await home.usages.tally("total", "day")).cost == 0


async def test_no_picture_is_begun_that_the_budget_does_not_cover(house, endpoint):
    home = house(BUDGET_PERSON_DAY="0.10")
    await home.say("/image a fox --n 2")
    with pytest.raises(BudgetSpent):
        await home.say("/image a fox")
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("data", "size", "error"),
    [
        (b"<html>no picture</html>", 0, ParleyError),
        (png()[:40], 0, Unreadable),
        (png(), 21 * 1024 * 1024, TooLarge),
        (None, 0, NotReceived),
    ],
)
async def test_a_picture_that_is_none_is_refused_in_plain_words(house, endpoint, data, size, error):
    home = house()
    given = home.file("image", data or b"", "image/png")
    if data is None:
        del home.files[given.ref]
    with pytest.raises(error):
        await home.say("/edit brighter", replace(given, size=size))
    assert endpoint.requests == []


async def test_the_easel_keeps_the_pictures_of_the_last_drawing_and_no_huge_one(redis, prefix):
    easel = Easel(redis, Keys(prefix))
    red, blue = Source(b"red", "image/png"), Source(b"blue", "image/webp")
    await easel.put("a", red, of="m1", place=1)
    await easel.put("a", blue, of="m1", place=2)
    await easel.put("b", red)
    assert [await easel.drawn("a", "m1", place) for place in (1, 2, 3)] == [red, blue, None]
    assert [await easel.drawn("a", "m2", 1), await easel.picture("a")] == [None, blue]
    await easel.put("a", Source(bytes(LARGEST + 1)), of="m1", place=3)
    assert await easel.picture("a") is None, "the one before it is not the last one any more"
    await easel.put("a", blue, of="m1", place=1)
    assert [await easel.drawn("a", "m1", place) for place in (1, 2)] == [blue, None]
    await easel.put("a", red, of="m2", place=2)
    assert [await easel.drawn("a", "m1", 1), await easel.picture("a")] == [None, red]
    assert 0 < await redis.pttl(Keys(prefix).easel("b")) <= 86_400_000
    await easel.clear(["a", "b"])
    assert await easel.picture("b") is None
    await easel.clear([])


# --- speaking ----------------------------------------------------------------------------------------------


def codec(data: bytes) -> tuple[str, str, float]:
    """Container, codec and seconds of a recording."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        seconds = sum(frame.samples / frame.sample_rate for frame in container.decode(stream))
        return container.format.name, stream.codec_context.name, seconds


@pytest.mark.parametrize(
    ("form", "mime", "container", "coder"),
    [
        ("ogg-opus", "audio/ogg", "ogg", "opus"),
        ("mp3", "audio/mpeg", "mp3", "mp3float"),
        ("amr", "audio/amr", "amr", "libopencore_amrnb"),
    ],
)
async def test_words_are_spoken_in_the_form_of_the_platform(house, endpoint, form, mime, container, coder):
    home = house()
    (said,) = media(await home.say("/say Good morning.", voice_form=form))
    assert (said.kind, said.mime) == ("audio", mime)
    found = codec(said.data)
    assert found[0] == container
    assert found[1] in (coder, coder.removeprefix("libopencore_"), coder.removesuffix("float"))
    assert found[2] > 0.05
    assert endpoint.requests[0].body["input"] == "Good morning."
    assert (await home.usages.tally("total", "day")).cost == len("Good morning.") * 15


async def test_a_long_text_is_cut_on_sentences_and_joined(house, endpoint):
    sentence = "This is a sentence of some length, for the ear. "
    reply = await house().say(f"/say {sentence * 120}")
    assert len(media(reply)) == 1
    inputs = [call.body["input"] for call in endpoint.requests]
    assert len(inputs) == 2
    assert all(len(text) <= 4096 and text.endswith("ear.") for text in inputs)


async def test_speech_in_amr_comes_in_parts_of_a_minute(house, endpoint):
    endpoint.script(raw(recorded(tone(130), "mp3"), media_type="audio/mpeg"))
    parts = media(await house().say("/say a long tale", voice_form="amr"))
    assert len(parts) >= 3
    assert all(codec(part.data)[2] <= 60.1 for part in parts)


async def test_what_to_say_is_what_is_written_or_quoted_or_the_last_answer(house, endpoint):
    home = house()
    assert (await home.say("/say")).notices == ["say.how"]
    turns = (Turn("user", "hi"), Turn("assistant", "**Hello** there, see https://example.org"))
    await home.windows.append("test-ann", Exchange("m0", 1.0, turns))
    await home.say("/say")
    await home.say("/say", quoted=Quoted("# Quoted words"))
    await home.say("/朗读 你好")
    inputs = [call.body["input"] for call in endpoint.requests]
    assert inputs == ["Hello there, see", "Quoted words", "你好"]
    with pytest.raises(MessageTooLong):
        await home.say("/say " + "x" * (SAY_LIMIT + 1))


@pytest.mark.parametrize("form", ["ogg-opus", "amr"])
async def test_a_second_attempt_sends_the_same_recordings_and_pays_for_none(house, endpoint, form):
    endpoint.script(raw(recorded(tone(70), "mp3"), media_type="audio/mpeg"))
    home, hold, message = house(), Held(), incoming("/say hello")
    first = await home.say("", message=message, hold=hold, voice_form=form)
    again = await home.say("", message=message, hold=Held(hold.kept, attempt=2), voice_form=form)
    assert media(again) == media(first) != []
    assert len(endpoint.requests) == 1
    assert (await home.usages.tally("total", "day")).cost == len("hello") * 15


async def test_another_message_is_never_answered_with_what_was_spoken_before(house, endpoint):
    home = house()
    await home.say("/say hello")
    await home.say("/say hello", hold=Held(attempt=2))
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize(("text", "cost"), [("/say hello", len("hello") * 15), ("/image a fox", 40_000)])
async def test_what_was_made_is_counted_before_it_is_sent(house, text, cost):
    home, counted = house(BUDGET_PERSON_DAY=f"{cost / 900_000:.6f}"), []

    class Counting(Collected):
        async def send(self, part: ReplyPart) -> None:
            await super().send(part)
            if isinstance(part, Media):
                counted.append((await home.usages.tally("total", "day")).cost)

    reply = await home.say(text, reply=Counting())
    assert counted == [cost]
    assert [type(part) for part in reply.parts] == [Status, Media, Notice, End]
    assert reply.notices == ["budget.near.person_day"]


async def test_an_answer_by_voice_is_paid_once_however_often_the_platform_is_away(house, endpoint):
    home = house()
    await home.say("/voice both")
    message = incoming("The answer.")
    first = await home.say("", message=message)
    again = await home.say("", message=message, hold=Held(attempt=2))
    assert media(again) == media(first) != []
    assert len(endpoint.requests) == 1


async def test_speech_is_kept_for_an_hour_within_bounds_and_cleared(redis, prefix):
    tape, said = Tape(redis, Keys(prefix)), Media("audio", "audio/amr", b"one")
    await tape.put("a", "m1", [said, replace(said, data=b"two")])
    assert [part.data for part in await tape.parts("a", "m1")] == [b"one", b"two"]
    assert await tape.parts("a", "m2") == []
    assert 0 < await redis.pttl(Keys(prefix).tape("a")) <= 3_600_000
    await tape.put("a", "m2", [replace(said, data=bytes(TAPE_LIMIT + 1))])
    assert await tape.parts("a", "m1") == await tape.parts("a", "m2") == []
    await tape.put("b", "m1", [said])
    await tape.clear(["a", "b"])
    assert await tape.parts("b", "m1") == []


@pytest.mark.parametrize(
    ("markdown", "said", "whole"),
    [
        ("Hello **world**. 你好。", "Hello world. 你好。", True),
        ("# Title\n\nSee [the docs](https://x.org).", "Title\n\nSee the docs.", False),
        ("Look:\n\n```py\nprint(1)\n```\n\n- one\n- two", "Look:\n\none\n\ntwo", False),
        ("Go to https://example.org/a?b=1 now", "Go to now", False),
        ("```\nonly code\n```", "", False),
        ("***", "", True),
        ("| a | b |\n|---|---|\n| c | d |", "a\n\nb\n\nc\n\nd", False),
    ],
)
def test_what_is_said_aloud_has_no_code_no_addresses_and_no_marks(markdown: str, said: str, whole: bool):
    assert aloud(markdown) == (said, whole)


# --- answers by voice --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "spoken_question", "written_question"),
    [
        ("auto", "both", "text"),
        ("text", "text", "text"),
        ("both", "both", "both"),
        ("voice", "voice", "voice"),
    ],
)
async def test_answers_come_in_the_way_that_was_chosen(house, mode, spoken_question, written_question):
    home = house()
    await home.say(f"/voice {mode}")
    recorded = home.file("audio", b"x")
    for text, attached, wanted in (
        ("", (recorded,), spoken_question),
        ("Good morning to you.", (), written_question),
        ("What does she say?", (recorded,), written_question),
    ):
        reply = await home.say(text, *attached)
        assert bool(media(reply)) == (wanted != "text")
        assert bool(reply.text) == bool(text and wanted != "voice")


async def test_a_voice_answer_that_cannot_be_all_spoken_comes_in_writing_too(house, endpoint):
    home = house()
    await home.say("/voice voice")
    text = "Try this:\n\n```\nx = 1\n```"
    reply = await home.say(text)
    assert (reply.text, len(media(reply))) == (text, 1)
    assert endpoint.requests[0].body["input"] == "Try this:"


async def test_of_a_long_answer_only_the_beginning_is_spoken_and_that_is_said(house, endpoint):
    home = house()
    await home.say("/voice both")
    reply = await home.say("One more sentence for you. " * 200)
    assert reply.notices == ["voice.cut"]
    spoken_text = endpoint.requests[0].body["input"]
    assert len(spoken_text) <= ANSWER_LIMIT
    assert spoken_text.endswith(".")


@pytest.mark.parametrize("mode", ["both", "voice"])
async def test_a_fault_of_the_speech_never_loses_the_answer_and_is_told_once_an_hour(house, endpoint, mode):
    home = house()
    await home.say(f"/voice {mode}")
    told = []
    for minutes in (0, 30, 61):
        home.now = 1000.0 + minutes * 60
        endpoint.script(fail(400, message="no"))
        reply = await home.say("The answer.")
        assert reply.text == "The answer."
        told.append(reply.notices)
    assert told == [["voice.unspoken"], [], ["voice.unspoken"]]


async def test_a_stopped_answer_is_not_spoken(house, endpoint):
    home = house()
    made, reply = home.delivery("hello", profile=Profile(voice="both"))
    made.stop()
    await home._stack(made)
    assert (reply.text, media(reply), endpoint.requests) == ("hello", [], [])


# --- choosing a voice --------------------------------------------------------------------------------------


async def test_voice_shows_the_choices_and_takes_a_way_a_name_and_a_speed(house, endpoint):
    home = house()
    (asked,) = (await home.say("/voice")).choices
    assert [option.value for option in asked.options] == [
        "/voice auto",
        "/voice text",
        "/voice voice",
        "/voice both",
        "/voice transcript",
        "/voice voices",
        "/voice speed",
    ]
    assert "/voice alloy" in [option.value for option in (await home.say("/voice 声音")).choices[0].options]
    assert "/voice 1.5" in [option.value for option in (await home.say("/voice speed")).choices[0].options]
    for text in ("/voice nova", "/voice 1.5", "/voice both", "/voice １.25x"):
        await home.say(text)
    assert await home.profiles.load("test-ann") == Profile(voice="both", speaker="nova", speed=1.25)
    await home.say("Hello.")
    body = endpoint.requests[0].body
    assert (body["voice"], body["speed"]) == ("nova", 1.25)
    assert "1.25" in words(await home.say("/voice"))
    assert (await home.say("/voice 3")).notices == ["voice.range"]
    assert (await home.say("/voice !!")).notices == ["voice.how"]
    await home.say("/voice default")
    assert await home.profiles.load("test-ann") == Profile()


async def test_a_voice_that_the_server_does_not_know_is_replaced_and_that_is_said(house, endpoint):
    home = house()
    await home.say("/voice siren")
    reply = await home.say("/say " + "A sentence for the ear. " * 200)
    assert (len(media(reply)), reply.notices) == (1, ["voice.unknown"])
    assert [call.body["voice"] for call in endpoint.requests] == ["alloy", "alloy"]


async def test_in_a_shared_conversation_the_voice_is_an_admins_to_choose(house):
    message = Incoming("m1", ADMIN_IN_GROUP, incoming("").person, "/voice both")
    assert (await house().say("", message=message, shared=True)).notices == ["command.admins_only"]


# --- listening ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["opus", "amr", "mp4"])
async def test_a_recording_that_is_replied_to_is_written_down(house, endpoint, form):
    home = house()
    kind = "video" if form == "mp4" else "audio"
    reply = await home.say("/transcribe", quoted=Quoted(attachments=(home.file(kind, recording(form=form)),)))
    assert words(reply) == "hello there"
    sent = endpoint.requests[0].files["file"][0]
    assert codec(sent.data)[1] == "opus"
    assert (await home.usages.tally("total", "day")).cost > 10_000


async def test_subtitles_come_as_a_file_where_the_model_writes_them(house):
    home = house({"TRANSCRIPTION_MODEL": "whisperer"})
    (file,) = media(await home.say("/transcribe srt", home.file("audio", recording())))
    assert (file.kind, file.name) == ("file", "transcript.srt")
    assert b"-->" in file.data
    (file,) = media(await home.say("/转写 vtt", home.file("audio", recording())))
    assert file.data.startswith(b"WEBVTT")
    home = house()
    with pytest.raises(NoSubtitles):
        await home.say("/transcribe srt", home.file("audio", recording()))


async def test_speech_is_put_into_english_by_the_endpoint_or_in_two_steps(house, endpoint):
    given = recording()
    home = house({"TRANSLATION_MODEL": "whisperer"})
    assert words(await home.say("/translate", home.file("audio", given))) == "hello there"
    home = house()
    endpoint.reply = say("It is in English now.")
    assert words(await home.say("/translate", home.file("audio", given))) == "It is in English now."
    paths = ["audio/translations", "audio/transcriptions", "chat/completions"]
    assert [call.path for call in endpoint.requests] == paths


async def test_a_file_is_known_by_its_type_or_its_name(house, endpoint):
    home = house()
    for sent in (
        home.file("file", recording(), "audio/ogg"),
        home.file("file", recording(), name="talk.mp3"),
    ):
        assert words(await home.say("/transcribe", sent)) == "hello there"
    assert (await home.say("/transcribe", home.file("file", b"x", "text/plain"))).notices == [
        "transcribe.nothing"
    ]


async def test_a_hundred_odd_commands_are_answered_in_words(house):
    home, chance = house(), random.Random(7)  # noqa: S311 - a schedule, not a secret
    odd = (
        *PIECES,
        "srt",
        "vtt",
        "voice",
        "default",
        "speed 1",
        "1e9",
        "{x}",
        "\u202e",
        "😀",
        "0",
        "-1",
        "::",
        "a" * 70,
    )
    for _ in range(100):
        name = chance.choice(("image", "edit", "variation", "say", "voice", "transcribe", "translate"))
        reply = await home.say(f"/{name} {' '.join(chance.choices(odd, k=chance.randrange(4)))}")
        assert any(isinstance(part, Notice | Choices | Media) for part in reply.parts)
        assert not re.search(r"\{(?!x\})", words(reply))


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("/transcribe", "transcribe.nothing"),
        ("/translate", "translate.nothing"),
        ("/transcribe docx", "transcribe.how"),
    ],
)
async def test_without_a_recording_one_is_told_how(house, endpoint, text, notice):
    assert (await house().say(text)).notices == [notice]
    assert endpoint.requests == []


async def test_silence_and_damage_are_told_apart_and_ask_nobody(house, endpoint):
    home = house()
    with pytest.raises(Silent):
        await home.say("/transcribe", home.file("audio", recorded(bytes(32_000), "wav")))
    with pytest.raises(ParleyError) as caught:
        await home.say("/transcribe", home.file("audio", b"\xff\xfb" + bytes(200)))
    assert not isinstance(caught.value, EmptyAnswer)
    assert endpoint.requests == []


@pytest.mark.parametrize("choice", ["/voice transcript", "/语音 仅转写", "/語音 僅轉寫"])
async def test_a_voice_message_is_only_written_down_where_that_is_chosen(house, endpoint, choice):
    home = house()
    assert (await home.say(choice)).notices == ["voice.mode_transcript"]
    spoken = [home.file("audio", recording()), home.file("audio", recording(form="amr"))]
    hold = Held()
    reply = await home.say("", *spoken, hold=hold)
    assert words(reply) == "hello there\n\nhello there"
    assert (home.dialogue, [call.path for call in endpoint.requests]) == ([], ["audio/transcriptions"] * 2)
    # A second attempt shows what the first one found, whatever was chosen meanwhile.
    await home.say("/voice both")
    assert words(await home.say("", *spoken, hold=Held(hold.kept, attempt=2))) == words(reply)
    assert len(endpoint.requests) == 2


async def test_a_recording_with_words_beside_it_is_a_question_even_so(house):
    home = house()
    await home.say("/voice transcript")
    said = home.file("audio", recording())
    await home.say("What does she mean?", said)
    await home.say("And this?", quoted=Quoted(attachments=(said,)))
    await home.say("", home.file("image", png()))
    assert home.dialogue == ["What does she mean?", "And this?", ""]


async def test_a_recording_that_says_nothing_does_not_hide_the_one_that_does(house):
    home = house()
    await home.say("/voice transcript")
    silence = home.file("audio", recorded(bytes(32_000), "wav"))
    assert words(await home.say("", silence, home.file("audio", recording()))).endswith("\n\nhello there")
    with pytest.raises(Silent):
        await home.say("", silence)
    many = await home.say("", home.file("audio", recording()), *[silence] * 9)
    assert words(many).endswith(catalogue().say("en", "hear.too_many", limit=8, count=2))


async def test_an_answer_that_an_earlier_attempt_finished_is_no_transcript(house):
    home = house()
    await home.say("/voice transcript")
    await home.say("", home.file("audio", recording()), hold=Held('{"text": "an answer"}', attempt=2))
    assert home.dialogue == [""]


async def test_only_what_the_models_can_do_may_be_chosen(house):
    away = {"OPENAI_BASE_URL": "https://api.example.org/v1"}
    home = house({**away, "SPEECH_MODEL": ""})
    (asked,) = (await home.say("/voice")).choices
    assert [option.value for option in asked.options] == ["/voice text", "/voice transcript"]
    for text in ("/voice both", "/voice nova", "/voice 1.5"):
        with pytest.raises(NoSpeech):
            await home.say(text)
    with pytest.raises(NoTranscription):
        await house({**away, "TRANSCRIPTION_MODEL": ""}).say("/voice transcript")


async def test_a_long_recording_is_heard_in_pieces(house, endpoint):
    home = house()
    long = recorded(tone(11 * 60), "opus")
    assert words(await home.say("/transcribe", home.file("audio", long))) == "hello there hello there"
    assert len(endpoint.requests) == 2


async def test_that_something_is_being_said_aloud_is_shown_meanwhile(house):
    home = house()
    doing = [part.doing for part in (await home.say("/say Good morning.")).parts if isinstance(part, Status)]
    assert doing == ["speaking"]
    await home.say("/voice both")
    kinds = [type(part) for part in (await home.say("Hello.")).parts]
    assert kinds == [Text, Status, Media, End]


async def test_a_transcript_is_not_asked_for_again_by_a_second_attempt(house, endpoint):
    home, hold = house(), Held()
    given = home.file("audio", recording())
    await home.say("/transcribe", given, hold=hold)
    assert words(await home.say("/transcribe", given, hold=Held(hold.kept, attempt=2))) == "hello there"
    assert len(endpoint.requests) == 1


async def test_recordings_that_were_heard_are_paid_once_though_the_platform_goes_away_meanwhile(
    house, endpoint
):
    home, hold = house(BUDGET_PERSON_DAY="0.042"), Held()
    await home.profiles.change("test-ann", voice="transcript")
    given = [home.file("audio", recording()) for _ in range(2)]
    message = replace(incoming(""), attachments=tuple(given))

    async def away(attachment: Attachment) -> bytes:
        if attachment is given[1]:
            raise Unavailable("the platform is away")
        return home.files[attachment.ref]

    profile = await home.profiles.load("test-ann")
    made, _ = delivery(message, fetch=away, hold=hold, profile=profile)
    with pytest.raises(Unavailable):
        await home._stack(made)
    hold = Held(hold.kept, attempt=2)
    with pytest.raises(Unavailable):  # all is heard by now, and there is a budget to warn of
        await home.say("", message=message, hold=hold, reply=Away())
    last = await home.say("", message=message, hold=Held(hold.kept, attempt=3))
    assert words(last) == "hello there\n\nhello there"
    assert (len(endpoint.requests), home.dialogue) == (2, [])


async def test_what_was_heard_is_kept_for_an_hour_within_bounds_and_cleared(redis, prefix):
    dictation = Dictation(redis, Keys(prefix))
    for piece, heard in (("0:0", "hello"), ("0:1", ""), ("0:2", "x" * (LONGEST + 1))):
        await dictation.put("a", "m1", piece, heard)
    assert [await dictation.words("a", "m1", f"0:{n}") for n in range(3)] == ["hello", "", None]
    assert 0 < await redis.pttl(Keys(prefix).dictation("a")) <= 3_600_000
    await dictation.put("a", "m11", "0:1", "there")
    assert [await dictation.words("a", of, "0:1") for of in ("m1", "m11")] == [None, "there"]
    await dictation.clear(["a"])
    assert await dictation.words("a", "m11", "0:1") is None
