"""Pictures in a question reach models with eyes, are counted, and are refused clearly by those without."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass, replace

import pytest

from bot.endpoints.chat import ChatEndpoint, ChatRequest, Delta, ImagePart, Message, TextDelta, TextPart
from bot.endpoints.client import Client
from bot.endpoints.models import Catalogue
from bot.endpoints.report import Report
from bot.endpoints.request import Quirks, adapt, compose, image_tokens, pictures, words
from bot.endpoints.settings import Server
from bot.errors import NoVision, ParleyError
from tests.simulators.endpoint import EndpointSimulator, Reply, fail

EYES = ImagePart("data:image/png;base64,AAAA", width=640, height=480)
LOOK = Message("user", (TextPart("what is this?"), EYES))
BLIND = fail(400, "image input is not supported - hint: if this is unexpected, you may need the mmproj")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def chat(client: Client, server: Server, clock: Clock) -> ChatEndpoint:
    return ChatEndpoint(client, server, Catalogue(), clock)


async def ask(chat: ChatEndpoint, *messages: Message) -> str:
    async with aclosing(chat.ask(ChatRequest(messages), "small")) as deltas:
        found: list[Delta] = [delta async for delta in deltas]
    return "".join(delta.text for delta in found if isinstance(delta, TextDelta))


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [
        (1, 1, 2),
        (32, 32, 2),
        (33, 32, 3),
        (640, 480, 360),
        (1024, 1024, 1229),
        (1248, 1248, 1826),
        (4000, 3000, 1844),
        (0, 0, 1844),
    ],
)
def test_a_picture_is_counted_by_its_patches(width: int, height: int, tokens: int) -> None:
    assert image_tokens(width, height) == tokens
    assert ImagePart("data:", width=width, height=height).tokens == tokens


def test_a_message_is_taken_apart_into_words_and_pictures() -> None:
    assert words(LOOK.content) == "what is this?"
    assert pictures(LOOK.content) == (EYES,)
    assert (words("plain"), pictures("plain")) == ("plain", ())
    assert "AAAA" not in repr(LOOK), "a log holds no picture"


def test_how_closely_to_look_is_said_only_where_it_was_chosen() -> None:
    close = ImagePart("data:image/png;base64,BBBB", detail="high")
    body = compose(ChatRequest((Message("user", (EYES, close)),)), "m", Quirks())

    assert [part["image_url"] for part in body["messages"][0]["content"]] == [
        {"url": EYES.url},
        {"url": close.url, "detail": "high"},
    ]


def test_only_the_last_thing_said_is_what_is_asked() -> None:
    plain = Message("user", "hello")
    answer = Message("assistant", "it is a cat")

    assert ChatRequest((LOOK,)).asks_to_look
    assert ChatRequest((LOOK, plain)).asks_to_look, "several messages may be one question"
    assert not ChatRequest((LOOK, answer, plain)).asks_to_look
    assert ChatRequest((LOOK, answer, plain)).pictured
    assert not ChatRequest((plain,)).pictured


async def test_a_model_without_eyes_says_so_and_is_remembered_for_an_hour(
    chat: ChatEndpoint, endpoint: EndpointSimulator, clock: Clock
) -> None:
    endpoint.script(BLIND)
    for _ in range(2):
        with pytest.raises(NoVision) as caught:
            await ask(chat, LOOK)
    assert len(endpoint.requests) == 1, "the second question is not sent"
    assert caught.value.user_key == "error.no_vision"
    assert chat.blind("small")
    assert not chat.blind("large")

    clock.now += 3601
    assert not chat.blind("small")
    assert await ask(chat, LOOK) == "what is this?"


@pytest.mark.parametrize(
    "refusal",
    [
        fail(500, "image input is not supported - hint: if this is unexpected, you may need the mmproj"),
        fail(404, body={"error": {"message": "No endpoints found that support image input", "code": 404}}),
        fail(400, "Invalid content type. image_url is only supported by certain models."),
        fail(422, body={"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "must be a string"}]}),
    ],
)
async def test_whatever_a_server_calls_it_no_eyes_are_no_eyes(
    chat: ChatEndpoint, endpoint: EndpointSimulator, refusal: Reply
) -> None:
    endpoint.script(refusal)
    with pytest.raises(NoVision):
        await ask(chat, LOOK)
    assert len(endpoint.requests) == 1


async def test_a_question_that_pictures_only_go_along_with_is_answered_without_eyes(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    said_in_a_film = Message("user", (replace(EYES, aside=True), TextPart("what time is it")))
    endpoint.script(BLIND)
    assert "what time is it" in await ask(chat, said_in_a_film)
    assert chat.blind("small")
    assert "image_url" not in json.dumps(endpoint.requests[-1].body)


async def test_an_older_picture_is_left_out_for_a_model_without_eyes(
    chat: ChatEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(BLIND)
    said = await ask(chat, LOOK, Message("assistant", "a cat"), Message("user", "and now?"))

    assert said == "and now?"
    assert "cannot see" in endpoint.requests[-1].body["messages"][0]["content"]


@pytest.mark.parametrize(
    "said",
    [
        "You uploaded an unsupported image. Please make sure your image is valid.",
        "Invalid image_url: the image is too large",
        "Failed to load image: cannot identify image file",
    ],
)
async def test_a_picture_at_fault_does_not_make_the_model_blind(
    chat: ChatEndpoint, endpoint: EndpointSimulator, said: str
) -> None:
    assert adapt(Quirks(), Report(400, said), compose(ChatRequest((LOOK,)), "m", Quirks())) is None

    endpoint.script(fail(400, said))
    with pytest.raises(ParleyError) as caught:
        await ask(chat, LOOK)
    assert not isinstance(caught.value, NoVision)
    assert await ask(chat, LOOK) == "what is this?"
