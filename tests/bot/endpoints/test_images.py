"""Pictures come from whatever server draws, in whatever way it hands them over, and what is no picture does not."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from bot.api import Usage
from bot.endpoints.client import Client
from bot.endpoints.failures import EndpointMissing, ParameterRefused
from bot.endpoints.images import (
    MOST,
    Drawn,
    Finished,
    ImageEndpoint,
    Partial,
    Source,
    Wish,
    picture_type,
    unfinished,
)
from bot.endpoints.settings import Server
from bot.errors import (
    EmptyAnswer,
    Filtered,
    Interrupted,
    ModelUnknown,
    ParleyError,
    ServerFailed,
    WrongAddress,
)
from tests.simulators.endpoint import CUT, EndpointSimulator, Reply, event, fail, page, raw
from tests.simulators.endpoint_media import ROUGH, png

CAT = Wish("a cat")
B64 = base64.b64encode(png()).decode()


@dataclass
class Fetches:
    """Stands for the guarded download: it notes what it was asked for."""

    data: bytes = field(default_factory=png)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(
        self, url: str, *, limit: int, seconds: float, base: str = "", own: Collection[str] = ()
    ) -> bytes:
        assert limit > 0
        assert seconds > 0
        assert list(own) == [base]
        self.asked.append((url, base))
        return self.data


@pytest.fixture
def fetch() -> Fetches:
    return Fetches()


@pytest.fixture
def images(client: Client, server: Server, fetch: Fetches) -> ImageEndpoint:
    return ImageEndpoint(client, server, fetch)


async def drawn(parts: AsyncGenerator[Drawn]) -> list[Drawn]:
    async with aclosing(parts):
        return [part async for part in parts]


async def finished(parts: AsyncGenerator[Drawn]) -> Finished:
    last = (await drawn(parts))[-1]
    assert isinstance(last, Finished)
    return last


def answer(**entry: object) -> bytes:
    return json.dumps({"created": 1, "data": [entry]}).encode()


def given(**entry: object) -> object:
    return raw(answer(**entry), media_type="application/json")


# --- drawing


async def test_a_wish_is_drawn_with_all_that_it_says(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    wish = Wish("a cat", size="1024x1536", quality="low", n=3, background="transparent")
    done = await finished(images.generate(wish, "easel"))

    assert [(image.mime, image.data) for image in done.images] == [("image/png", png())] * 3
    assert done.images[0].revised_prompt == "a cat, in oil"
    assert (done.usage, done.model) == (Usage(12, 272), "easel")
    assert endpoint.requests[0].body == {
        "model": "easel",
        "prompt": "a cat",
        "n": 3,
        "size": "1024x1536",
        "quality": "low",
        "background": "transparent",
        "response_format": "b64_json",
    }


async def test_what_is_left_to_the_server_is_not_sent(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    await finished(images.generate(Wish("a cat", size="auto", quality="auto"), "easel"))
    assert sorted(endpoint.requests[0].body) == ["model", "prompt", "response_format"]


async def test_openai_is_not_asked_for_a_response_format(client: Client, endpoint: EndpointSimulator) -> None:
    openai = ImageEndpoint(client, Server("https://api.openai.com/v1"))
    azure = ImageEndpoint(client, Server("https://a.openai.azure.com/openai/v1"))
    for one in (openai, azure):
        assert "response_format" not in one._fields(CAT, "m")


async def test_unfinished_pictures_come_before_the_finished_one(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    parts = await drawn(images.generate(Wish("a cat", partials=2), "painter"))

    assert [part.index for part in parts if isinstance(part, Partial)] == [0, 1]
    assert isinstance(parts[-1], Finished)
    assert [part.image.data for part in parts if isinstance(part, Partial)] == [
        png(colour=colour) for colour in ROUGH[:2]
    ]
    assert parts[-1].usage == Usage(12, 472)
    assert endpoint.requests[0].body["partial_images"] == 2


async def test_unfinished_pictures_are_not_asked_for_where_several_are_drawn(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    await finished(images.generate(Wish("a cat", n=2, partials=2), "painter"))
    assert not endpoint.requests[0].streamed


async def test_a_parameter_that_is_refused_is_left_out_from_then_on(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    for _ in range(2):
        await finished(images.generate(CAT, "painter"))
    assert [refusal.param for refusal in endpoint.refused] == ["response_format"]


async def test_who_refuses_unfinished_pictures_is_asked_plainly_for_an_hour(
    client: Client, server: Server, endpoint: EndpointSimulator
) -> None:
    times = [0.0]
    images = ImageEndpoint(client, server, clock=lambda: times[-1])
    for moment in (0.0, 3599.0, 3601.0):
        times.append(moment)
        await finished(images.generate(Wish("a cat", partials=1), "easel"))

    assert [refusal.param for refusal in endpoint.refused] == ["stream", "stream"]
    assert [call.streamed for call in endpoint.requests] == [False] * 3


@pytest.mark.parametrize(
    "reply",
    [
        fail(400, "Live drawing is beyond us."),
        fail(501, "Not implemented."),
        raw(answer(b64_json=B64), media_type="application/json"),
    ],
    ids=["refused in words of their own", "not found", "no heed paid"],
)
async def test_who_draws_only_plainly_is_not_asked_for_more_again(
    images: ImageEndpoint, endpoint: EndpointSimulator, reply: Reply
) -> None:
    endpoint.script(reply)
    for _ in range(2):
        done = await finished(images.generate(Wish("a cat", partials=1), "painter"))
        assert done.images[0].data == png()
    assert not endpoint.requests[-1].streamed


async def test_what_is_refused_plainly_too_does_not_count_against_unfinished_pictures(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(fail(400, "We do not draw that."), fail(400, "We do not draw that."))
    with pytest.raises(ParameterRefused):
        await finished(images.generate(Wish("a cat", partials=1), "painter"))
    await finished(images.generate(Wish("a cat", partials=1), "painter"))
    assert endpoint.requests[-1].streamed


@pytest.mark.parametrize(
    ("model", "wanted", "asked"),
    [
        ("gpt-image-2.6-flare", None, 2),
        ("openai/chatgpt-image-latest", None, 2),
        ("flux-dev", None, 0),
        ("flux-dev", 3, 3),
        ("gpt-image-2", 0, 0),
    ],
)
def test_unfinished_pictures_are_asked_of_those_who_have_them_or_as_the_operator_says(
    model: str, wanted: int | None, asked: int
) -> None:
    assert unfinished(model, wanted) == asked


async def test_a_value_that_is_refused_does_not_take_its_field_along(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    for size in ("1000x1000", "1000x1000", "512x512"):
        await finished(images.generate(Wish("a cat", size=size), "easel"))

    assert [refusal.param for refusal in endpoint.refused] == ["size"], "the wrong size is tried once"
    assert [call.body.get("size") for call in endpoint.requests] == [None, None, "512x512"]


async def test_what_cannot_be_left_out_is_a_refusal(images: ImageEndpoint) -> None:
    with pytest.raises(ParameterRefused, match="prompt"):
        await finished(images.generate(Wish(""), "easel"))


async def test_an_unknown_model_is_told_apart_from_a_missing_endpoint(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    with pytest.raises(ModelUnknown):
        await finished(images.generate(CAT, "small"))
    endpoint.lacks.add("images/generations")
    with pytest.raises(EndpointMissing):
        await finished(images.generate(CAT, "easel"))


# --- how a picture comes


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://cdn.example.org/a.png", True),
        ("/files/a.png", True),
        (f"data:image/png;base64,{B64}", False),
    ],
)
async def test_a_picture_by_address_is_fetched_through_the_guard(
    images: ImageEndpoint, endpoint: EndpointSimulator, fetch: Fetches, url: str, asked: bool
) -> None:
    endpoint.script(given(url=url))  # type: ignore[arg-type]
    done = await finished(images.generate(CAT, "easel"))

    assert done.images[0].data == png()
    assert fetch.asked == ([(url, endpoint.base_url)] if asked else [])


async def test_without_a_guard_no_address_is_fetched(
    client: Client, server: Server, endpoint: EndpointSimulator
) -> None:
    endpoint.script(given(url="https://cdn.example.org/a.png"))  # type: ignore[arg-type]
    with pytest.raises(ServerFailed):
        await finished(ImageEndpoint(client, server).generate(CAT, "easel"))
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"b64_json": B64},
        {"b64_json": f"data:image/png;base64,{B64}"},
        {"b64_json": f"{B64[:5]}\n{B64[5:]}\n"},
    ],
)
async def test_base64_comes_with_or_without_its_head_and_in_lines(
    images: ImageEndpoint, endpoint: EndpointSimulator, entry: dict[str, str]
) -> None:
    endpoint.script(given(**entry))  # type: ignore[arg-type]
    assert (await finished(images.generate(CAT, "easel"))).images[0].data == png()


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"b64_json": base64.b64encode(b"<html>no</html>").decode()}, ServerFailed),
        ({"b64_json": "A"}, ServerFailed),
        ({"url": ""}, ServerFailed),
        ({"finish_reason": "CONTENT_FILTERED"}, Filtered),
    ],
)
async def test_what_is_no_picture_is_an_error(
    images: ImageEndpoint, endpoint: EndpointSimulator, entry: dict[str, str], error: type[ParleyError]
) -> None:
    endpoint.script(given(**entry))  # type: ignore[arg-type]
    with pytest.raises(error):
        await finished(images.generate(CAT, "easel"))


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (png(), "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\n\0\0\0WEBPVP8 ", "image/webp"),
        (b"GIF89a", "image/gif"),
        (b"<svg>", ""),
        (b"", ""),
    ],
)
def test_a_picture_is_known_by_its_first_bytes(data: bytes, mime: str) -> None:
    assert picture_type(data) == mime


async def test_an_event_of_megabytes_on_one_line_is_read(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    large = png() + bytes(5_000_000)
    document = event({"type": "image_generation.completed", "b64_json": base64.b64encode(large).decode()})
    endpoint.script(raw(*(document[n : n + 65_536] for n in range(0, len(document), 65_536))))
    done = await finished(images.generate(Wish("a cat", partials=1), "painter"))

    assert done.images[0].data == large


async def test_a_stream_that_breaks_after_an_unfinished_picture_is_interrupted(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    partial = event({"type": "image_generation.partial_image", "b64_json": B64})
    endpoint.script(raw(partial, CUT), raw(partial), raw(CUT))
    for _ in range(2):
        with pytest.raises(Interrupted):
            await drawn(images.generate(Wish("a cat", partials=1), "painter"))
    with pytest.raises(ServerFailed):
        await drawn(images.generate(Wish("a cat", partials=1), "painter"))


async def test_a_finished_picture_counts_although_the_connection_breaks_behind_it(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    endpoint.script(raw(event({"type": "image_generation.completed", "b64_json": B64}), CUT))
    assert (await finished(images.generate(Wish("a cat", partials=1), "painter"))).images


async def test_pictures_without_end_are_not_waited_for(
    images: ImageEndpoint, endpoint: EndpointSimulator, fetch: Fetches
) -> None:
    wish = Wish("a cat", partials=1)
    partial = event({"type": "image_generation.partial_image", "b64_json": B64})
    done = event({"type": "image_generation.completed", "b64_json": B64})
    endpoint.script(raw(*[partial] * 50, done, *[done] * 50, asyncio.Event()))
    parts = await drawn(images.generate(wish, "painter"))
    assert [type(part).__name__ for part in parts] == ["Partial"] * 3 + ["Finished"]
    assert len((await finished(images.generate(wish, "painter"))).images) == 1

    endpoint.script(raw(json.dumps({"data": [{"url": f"https://x/{n}"} for n in range(1000)]}).encode()))
    assert len((await finished(images.generate(CAT, "painter"))).images) == len(fetch.asked) == MOST


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (fail(400, "Your request was rejected by the safety system.", code="moderation_blocked"), Filtered),
        (fail(400, "Rejected as a result of our safety system."), Filtered),
        (raw(event({"type": "error", "error": {"message": "x", "code": "moderation_blocked"}})), Filtered),
        (raw(b'{"created": 1, "data": []}', media_type="application/json"), EmptyAnswer),
        (raw(b'{"error": {"message": "died", "code": 500}}', media_type="application/json"), ServerFailed),
        (raw(b"{oops", media_type="application/json"), ServerFailed),
        (page(), WrongAddress),
    ],
)
async def test_each_failure_is_the_error_that_helps(
    images: ImageEndpoint, endpoint: EndpointSimulator, reply: object, error: type[ParleyError]
) -> None:
    endpoint.script(reply)  # type: ignore[arg-type]
    with pytest.raises(error):
        await finished(images.generate(CAT, "easel"))


# --- changing


async def test_a_picture_is_changed_under_a_mask(images: ImageEndpoint, endpoint: EndpointSimulator) -> None:
    source, mask = png((32, 32)), png((32, 32), "#00000000")
    done = await finished(
        images.edit([Source(source)], Wish("brighter", size="512x512"), "painter", Source(mask))
    )

    assert done.images[0].data == png()
    [call] = endpoint.requests
    assert (call.path, call.body["prompt"], call.body["size"]) == ("images/edits", "brighter", "512x512")
    assert [file.data for file in call.files["image"]] == [source]
    assert [file.data for file in call.files["mask"]] == [mask]
    assert call.files["image"][0].name == "image0.png"


async def test_several_pictures_are_changed_together_and_shown_unfinished(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    sources = [Source(png((n, n))) for n in range(8, 26)]
    parts = await drawn(images.edit(sources, Wish("join them", partials=1), "painter"))

    assert [type(part) for part in parts] == [Partial, Finished]
    assert [file.data for file in endpoint.requests[0].files["image"]] == [s.data for s in sources[:16]]


async def test_a_refused_edit_is_sent_again_with_all_of_its_pictures(
    images: ImageEndpoint, endpoint: EndpointSimulator
) -> None:
    await finished(images.edit([Source(png())], CAT, "painter"))

    assert [refusal.param for refusal in endpoint.refused] == ["response_format"]
    assert [file.data for file in endpoint.requests[0].files["image"]] == [png()]


async def test_a_large_picture_goes_out_whole(images: ImageEndpoint, endpoint: EndpointSimulator) -> None:
    large = png() + bytes(range(256)) * 12_000
    await finished(images.edit([Source(large)], CAT, "easel"))
    assert endpoint.requests[0].files["image"][0].data == large
