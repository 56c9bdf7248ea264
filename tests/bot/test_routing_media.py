"""Each capability has its own server and model; what is missing is said clearly, and not asked for again."""

from __future__ import annotations

import datetime
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from bot.api import Finding
from bot.endpoints.audio import Transcript
from bot.endpoints.chat import ChatRequest, Delta, ImagePart, Message, TextDelta, TextPart
from bot.endpoints.client import Client, Timeouts
from bot.endpoints.images import VARIATION, Finished, Partial, Source
from bot.endpoints.settings import Candidate, Capability, EndpointSettings
from bot.errors import (
    EndpointBusy,
    Incapable,
    ModelUnknown,
    NoImages,
    NoSpeech,
    NoSubtitles,
    NoTranscription,
    NoVision,
    ParleyError,
    QuotaExhausted,
    ServerFailed,
    SettingsError,
)
from bot.media import fetching
from bot.routing import Router
from tests.simulators.endpoint import (
    CUT,
    KEY,
    EndpointSimulator,
    endpoint_simulator,
    fail,
    make,
    raw,
    refused_port,
)
from tests.simulators.endpoint_media import png, wav
from tests.simulators.servers import REFUSALS

OTHER = "sk-other-0123456789"
LOOK = ChatRequest((Message("user", (TextPart("what is this?"), ImagePart("data:image/png;base64,AAAA"))),))
T = TypeVar("T")


@dataclass
class Clock:
    """Time that passes only by waiting."""

    now: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@dataclass
class World:
    """A server for everything, another one, and routers on them."""

    first: EndpointSimulator
    second: EndpointSimulator
    clock: Clock
    stack: AsyncExitStack

    def router(self, *, fetch: bool = False, **environment: str) -> Router:
        environment = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": self.first.base_url,
            "CHAT_MODEL": "small",
            "IMAGE_MODEL": "painter",
            "TRANSCRIPTION_MODEL": "listener",
            "SPEECH_MODEL": "speaker",
        } | environment
        settings = {name: value for name, value in environment.items() if value}
        router = Router(
            EndpointSettings.load(settings),
            settings,
            client=Client(Timeouts(first_byte=20, idle=20, linger=0.05)),
            clock=self.clock,
            sleep=self.clock.sleep,
            random=lambda: 1.0,
            today=lambda: datetime.date(2026, 11, 21),
            fetch=fetching.fetch if fetch else None,
        )
        self.stack.push_async_callback(router.close)
        return router


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(endpoint_simulator())
        second = await stack.enter_async_context(endpoint_simulator(OTHER, ["eyes"], []))
        yield World(first, second, Clock(), stack)


async def all_of(parts: AsyncGenerator[T]) -> list[T]:
    async with aclosing(parts):
        return [part async for part in parts]


def said(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


# --- each to its own server


async def test_everything_is_served_by_the_one_server_that_is_set(world: World) -> None:
    router = world.router(IMAGE_PREVIEWS="1")
    drawn = await all_of(router.image("a cat", partials=3))
    changed = await all_of(router.edit([Source(png())], "brighter"))
    heard = await router.transcribe(wav(), "audio/wav")
    sound = b"".join(await all_of(router.speak("hello")))

    assert [type(part) for part in drawn] == [Partial, Finished]
    assert [type(part) for part in changed] == [Finished]
    assert heard.text == "hello there"
    assert sound == wav()
    assert [call.path for call in world.first.requests] == [
        "images/generations",
        "images/edits",
        "audio/transcriptions",
        "audio/speech",
    ]
    assert world.first.requests[-1].body["voice"] == "alloy"


async def test_each_capability_goes_to_its_own_server_with_its_own_key(world: World) -> None:
    own = {"BASE_URL": world.second.base_url, "API_KEY": OTHER}
    names = ("IMAGE", "IMAGE_EDIT", "TRANSCRIPTION", "SPEECH")
    router = world.router(
        **{f"{name}_{suffix}": value for name in names for suffix, value in own.items()},
        IMAGE_EDIT_MODEL="easel",
    )
    await all_of(router.image("a cat"))
    await all_of(router.edit([Source(png())], "brighter"))
    await router.transcribe(wav(), "audio/wav")
    await all_of(router.speak("hello"))

    assert [call.body["model"] for call in world.second.requests] == [
        "painter",
        "easel",
        "listener",
        "speaker",
    ]
    assert world.first.requests == []
    assert world.second.refused[0].param == "response_format", "and no key was refused"


async def test_what_is_configured_is_what_is_asked_unless_the_person_chose(world: World) -> None:
    router = world.router(IMAGE_SIZE="1024×1536", IMAGE_QUALITY="low", SPEECH_VOICE="nova")
    await all_of(router.image("a cat"))
    await all_of(router.image("a cat", size="512x512", quality="high", model="easel"))
    await all_of(router.speak("hello"))
    await all_of(router.speak("hello", voice="sage"))

    bodies = [call.body for call in world.first.requests]
    assert [(b["size"], b["quality"], b["model"]) for b in bodies[:2]] == [
        ("1024x1536", "low", "painter"),
        ("512x512", "high", "easel"),
    ]
    assert [b["voice"] for b in bodies[2:]] == ["nova", "sage"]


async def test_a_change_without_words_is_a_variation(world: World) -> None:
    await all_of(world.router().edit([Source(png())], " "))
    assert world.first.requests[0].body["prompt"] == VARIATION


async def test_a_server_for_chat_alone_serves_the_rest_only_where_nothing_else_is_set(world: World) -> None:
    alone = {
        "OPENAI_API_KEY": "",
        "OPENAI_BASE_URL": "",
        "CHAT_BASE_URL": world.first.base_url,
        "CHAT_API_KEY": KEY,
    }
    await all_of(world.router(**alone).image("a cat"))
    assert len(world.first.requests) == 1

    both = {"CHAT_BASE_URL": world.second.base_url, "CHAT_API_KEY": OTHER}
    await all_of(world.router(**both).image("a cat"))
    assert len(world.first.requests) == 2
    assert world.second.requests == []


async def test_a_server_of_ones_own_is_asked_for_its_models_that_draw_and_speak(world: World) -> None:
    world.first.models += ["flux-large", "speaker"]
    router = world.router(IMAGE_MODEL="", SPEECH_MODEL="", TRANSCRIPTION_MODEL="")
    await router.models()

    assert router.can("image")
    assert not router.can("speak"), "no listed model looks like one that speaks"
    assert not router.can("transcribe")
    with pytest.raises(NoImages):  # it is not one of the simulator's
        await all_of(router.image("a cat"))
    with pytest.raises(NoSpeech):
        await all_of(router.speak("hello"))
    assert world.first.refused[0].param == "model"


def test_openai_has_models_for_all_of_it_without_a_word_and_others_have_none() -> None:
    known = Router(EndpointSettings.load({"OPENAI_API_KEY": KEY}), {})
    other = Router(EndpointSettings.load({"OPENAI_BASE_URL": "https://api.deepseek.com"}), {})
    wanted: tuple[Capability, ...] = ("vision", "image", "edit", "transcribe", "translate", "speak")

    assert [known.can(capability) for capability in wanted] == [True] * 6
    assert [other.can(capability) for capability in wanted] == [True] + [False] * 5


async def test_a_picture_by_address_is_fetched_from_the_operators_own_server_and_from_no_other_private_one(
    world: World,
) -> None:
    router = world.router(IMAGE_MODEL="easel", fetch=True)
    own = f"{world.first.base_url}/files/picture.png"
    for url in (own, "/v1/files/picture.png"):
        world.first.script(raw(f'{{"data": [{{"url": "{url}"}}]}}'.encode(), media_type="application/json"))
        [done] = await all_of(router.image("a cat"))
        assert isinstance(done, Finished)
        assert done.images[0].data == png()

    other = f"{world.second.base_url}/files/picture.png"
    world.first.script(raw(f'{{"data": [{{"url": "{other}"}}]}}'.encode(), media_type="application/json"))
    with pytest.raises(ParleyError):
        await all_of(router.image("a cat"))


async def test_who_serves_a_capability_is_known_before_it_is_asked_for(world: World) -> None:
    router = world.router(TRANSLATION_MODEL="whisperer")
    wanted: tuple[Capability, ...] = ("image", "edit", "transcribe", "translate", "speak")
    found = [await router.maker(capability) for capability in wanted]
    assert [who.model for who in found] == ["painter", "painter", "listener", "whisperer", "speaker"]
    assert {who.server.base_url for who in found} == {world.first.base_url}
    assert (await router.maker("image", "easel")).model == "easel"
    assert (await world.router().maker("translate")).model == "listener", "in two steps"
    assert world.first.requests == []


# --- what is missing


@pytest.mark.parametrize(
    ("path", "capability", "error"),
    [
        ("images/generations", "image", NoImages),
        ("images/edits", "edit", NoImages),
        ("audio/transcriptions", "transcribe", NoTranscription),
        ("audio/speech", "speak", NoSpeech),
    ],
)
async def test_a_missing_endpoint_is_remembered_for_an_hour(
    world: World, path: str, capability: Capability, error: type[Incapable]
) -> None:
    async def use() -> None:
        match capability:
            case "image":
                await all_of(router.image("a cat"))
            case "edit":
                await all_of(router.edit([Source(png())], "brighter"))
            case "transcribe":
                await router.transcribe(wav(), "audio/wav")
            case _:
                await all_of(router.speak("hello"))

    router = world.router()
    world.first.lacks.add(path)
    assert router.can(capability)
    with pytest.raises(error):
        await use()
    assert not router.can(capability)
    assert world.clock.waits == [], "it is not asked again"

    world.first.lacks.clear()
    with pytest.raises(error):
        await use()
    assert world.first.requests == []

    world.clock.now += 3601
    assert router.can(capability)
    await use()
    assert [call.path for call in world.first.requests] == [path]


async def test_without_a_model_nothing_is_asked(world: World) -> None:
    router = world.router(IMAGE_BASE_URL="https://images.example.org/v1", IMAGE_MODEL="")
    assert not router.can("image")
    with pytest.raises(NoImages) as caught:
        await all_of(router.image("a cat"))
    assert caught.value.user_key == "error.no_images"


async def test_a_configured_model_that_is_gone_is_a_missing_capability_and_a_chosen_one_is_not(
    world: World,
) -> None:
    router = world.router(IMAGE_MODEL="dall-e-3")
    with pytest.raises(ModelUnknown):
        await all_of(router.image("a cat", model="dall-e-2"))
    assert router.can("image")
    with pytest.raises(NoImages):
        await all_of(router.image("a cat"))
    assert not router.can("image")


async def test_subtitles_that_a_model_cannot_write_leave_the_plain_transcript(world: World) -> None:
    router = world.router()
    with pytest.raises(NoSubtitles):
        await router.transcribe(wav(), "audio/wav", form="srt")
    assert router.can("transcribe")
    assert (await router.transcribe(wav(), "audio/wav")).text == "hello there"


# --- patience


@pytest.mark.parametrize("name", ["openai: slow down", "llamacpp: loading"])
async def test_a_busy_server_is_asked_again(world: World, name: str) -> None:
    world.first.script(REFUSALS[name])
    assert await all_of(world.router().speak("hello"))
    assert world.clock.waits == [1.0]


async def test_what_may_have_been_charged_for_is_not_asked_for_twice(world: World) -> None:
    router = world.router()
    for start in (lambda: router.image("a cat"), lambda: router.speak("hello")):
        world.first.script(REFUSALS["openai: broken"])
        with pytest.raises(ServerFailed):
            await all_of(start())
    assert len(world.first.requests) == 2
    assert world.clock.waits == []


async def test_hearing_is_tried_again_after_a_fault_of_the_server(world: World) -> None:
    world.first.script(REFUSALS["openai: broken"], raw(CUT))
    assert (await world.router().transcribe(wav(), "audio/wav")).text == "hello there"
    assert world.clock.waits == [1.0, 2.0]
    assert {call.files["file"][0].data for call in world.first.requests} == {wav()}


async def test_patience_ends(world: World) -> None:
    world.first.script(*[fail(429, headers={"retry-after": "7"})] * 3)
    with pytest.raises(EndpointBusy):
        await all_of(world.router().image("a cat"))
    assert world.clock.waits == [7.0, 7.0]


async def test_an_account_without_credit_rests_for_all_capabilities(world: World) -> None:
    router = world.router()
    world.first.script(REFUSALS["openai: no quota"])
    with pytest.raises(QuotaExhausted):
        await all_of(router.image("a cat"))
    with pytest.raises(QuotaExhausted):
        await router.transcribe(wav(), "audio/wav")
    with pytest.raises(QuotaExhausted):
        await all_of(router.chat(ChatRequest((Message("user", "hello"),))))
    assert len(world.first.requests) == 1


async def test_a_server_that_is_not_there_is_named(world: World) -> None:
    router = world.router(SPEECH_BASE_URL=f"http://127.0.0.1:{refused_port()}/v1")
    with pytest.raises(ParleyError, match=r"127\.0\.0\.1"):
        await all_of(router.speak("hello"))
    assert router.can("speak"), "it may come back"


# --- English, and aloud


async def test_english_comes_from_the_endpoint_for_it_where_a_model_is_set(world: World) -> None:
    assert (await world.router(TRANSLATION_MODEL="whisperer").translate(wav(), "audio/wav")).text
    assert [call.path for call in world.first.requests] == ["audio/translations"]


@pytest.mark.parametrize("model", ["", "whisperer"])
async def test_english_comes_in_two_steps_where_there_is_no_endpoint_for_it(world: World, model: str) -> None:
    world.first.lacks.add("audio/translations")
    world.first.made = make("早上好")
    router = world.router(TRANSLATION_MODEL=model)
    for _ in range(2):
        heard = await router.translate(wav(), "audio/wav")
        assert heard == Transcript("早上好", "en", 0.0, heard.usage), "the simulator echoes what it is told"

    assert router.can("translate")
    assert [call.path for call in world.first.requests] == ["audio/transcriptions", "chat/completions"] * 2


async def test_no_model_that_hears_is_no_translation_either(world: World) -> None:
    router = world.router(TRANSCRIPTION_MODEL="", TRANSCRIPTION_BASE_URL="https://ears.example.org/v1")
    assert not router.can("translate")
    with pytest.raises(NoTranscription):
        await router.translate(wav(), "audio/wav")


async def test_a_chat_model_that_speaks_is_asked_to_read_aloud(world: World) -> None:
    world.first.script(world.first.reply)
    world.first.models.append("gpt-audio-9")
    assert await all_of(world.router(SPEECH_MODEL="gpt-audio-9").speak("hello")) == [wav()]
    [call] = world.first.requests
    assert (call.path, call.text) == ("chat/completions", "hello")


# --- vision


async def test_a_question_with_pictures_goes_to_the_model_with_eyes(world: World) -> None:
    router = world.router(VISION_MODEL="eyes", VISION_BASE_URL=world.second.base_url, VISION_API_KEY=OTHER)
    assert said(await all_of(router.chat(LOOK))) == "what is this?"
    assert said(await all_of(router.chat(ChatRequest((Message("user", "hello"),))))) == "hello"

    assert [call.body["model"] for call in world.second.requests] == ["eyes"]
    assert [call.body["model"] for call in world.first.requests] == ["small"]
    order = router.candidates("", pictured=True)
    assert [candidate.model for candidate in order] == ["eyes", "small"]
    assert all(isinstance(candidate, Candidate) for candidate in order)


async def test_the_model_for_chat_looks_where_the_one_with_eyes_is_away(world: World) -> None:
    router = world.router(VISION_MODEL="large")
    world.first.script(fail(400, "this model does not support images"))
    assert said(await all_of(router.chat(LOOK))) == "what is this?"
    assert [call.body["model"] for call in world.first.requests] == ["large", "small"]
    assert not router.can("vision")


async def test_where_nobody_has_eyes_it_is_said(world: World) -> None:
    world.first.reply = fail(400, "image input is not supported by this server")
    router = world.router()
    assert router.can("vision")
    for _ in range(2):
        with pytest.raises(NoVision):
            await all_of(router.chat(LOOK))
    assert not router.can("vision")
    assert len(world.first.requests) == 1


async def test_the_window_of_the_model_with_eyes_is_asked_of_its_own_server(world: World) -> None:
    world.second.windows["eyes"] = 12_345
    router = world.router(VISION_MODEL="eyes", VISION_BASE_URL=world.second.base_url, VISION_API_KEY=OTHER)
    assert await router.context_window("eyes") == 12_345


async def test_a_server_for_vision_without_a_model_is_named_in_the_fault(world: World) -> None:
    world.second.models = ["text-embedding-9"]
    router = world.router(VISION_BASE_URL=world.second.base_url, VISION_API_KEY=OTHER, CHAT_MODEL="nobody")
    with pytest.raises(SettingsError, match="VISION_MODEL"):
        await all_of(router.chat(LOOK))


# --- checking


async def test_the_check_names_each_capability_that_is_set_up(world: World) -> None:
    world.first.models += ["painter", "listener"]
    world.second.models += ["speaker"]
    world.second.shutdowns["speaker"] = "2027-01-06"
    router = world.router(
        VISION_MODEL="large",
        SPEECH_BASE_URL=world.second.base_url,
        SPEECH_API_KEY=OTHER,
        TRANSCRIPTION_MODEL="listner",
    )
    assert await router.check() == [
        Finding("OPENAI_BASE_URL", True, f"{world.first.base_url} answers and takes the key"),
        Finding("CHAT_MODEL", True, "small is there"),
        Finding("VISION_MODEL", True, "large is there"),
        Finding("IMAGE_MODEL", True, "painter is there"),
        Finding(
            "TRANSCRIPTION_MODEL",
            False,
            "listner is not among the server's models",
            "did you mean listener?",
        ),
        Finding("SPEECH_BASE_URL", True, f"{world.second.base_url} answers and takes the key"),
        Finding("SPEECH_MODEL", False, "speaker will be shut down on 2027-01-06", "choose its successor"),
    ]


async def test_the_check_says_where_a_model_is_wanting(world: World) -> None:
    router = world.router(SPEECH_MODEL="", SPEECH_BASE_URL=world.first.base_url, SPEECH_API_KEY="sk-wrong-1")
    assert [f.name for f in await router.check() if not f.ok and f.name.startswith("SPEECH")] == [
        "SPEECH_API_KEY"
    ]
    router = world.router(SPEECH_MODEL="", SPEECH_BASE_URL=world.first.base_url)
    assert (
        Finding("SPEECH_MODEL", False, "not set, and 127.0.0.1 lists no model for it", "set SPEECH_MODEL")
        in await router.check()
    )


@pytest.mark.parametrize(
    ("name", "value"), [("IMAGE_SIZE", "large"), ("IMAGE_SIZE", "0x0"), ("IMAGE_QUALITY", "superb")]
)
def test_a_setting_that_cannot_be_meant_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}: "):
        EndpointSettings.load({name: value})
