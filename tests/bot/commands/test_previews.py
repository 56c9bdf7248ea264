"""A picture is shown while it is drawn, where that is wanted; it costs what it costs, and is never lost."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from redis.asyncio import Redis

from bot.api import Media, Preview, ReplyPart
from bot.attached import Attached
from bot.commands import Registry
from bot.commands.pictures import PREVIEW, Pictures
from bot.delivery import Delivery, Handler
from bot.easel import LARGEST, Easel
from bot.endpoints.client import Client, Timeouts
from bot.endpoints.images import Source
from bot.endpoints.settings import EndpointSettings
from bot.errors import Interrupted
from bot.keys import Keys
from bot.limits import BudgetSpent, Limits, LimitSettings
from bot.media.workshop import Workshop
from bot.meter import PICTURE_BOUND, Meter
from bot.middleware import Commands
from bot.prices import Prices
from bot.routing import Router
from bot.usage import Usages
from bot.window import Windows
from tests.bot.doubles import Collected, Held, catalogue, delivery, tokens
from tests.simulators.endpoint import CUT, EndpointSimulator, endpoint_simulator, event, raw
from tests.simulators.endpoint_media import ROUGH, png

BY_TOKENS = """
models = [{ name = "painter", in = 10, out = 40 }]
"""
Make = Callable[..., "Studio"]


class Studio:
    """Where Ann has pictures drawn."""

    def __init__(self, redis: Redis, keys: Keys, router: Router, meter: Meter, workshop: Workshop) -> None:
        self.easel, self.usages = Easel(redis, keys), Usages(redis, keys)
        pictures = Pictures(
            router,
            meter,
            workshop,
            self.easel,
            Attached(redis, keys, ttl=600),
            windows=Windows(redis, keys, ttl=600),
        )
        words = catalogue()
        registry = Registry(pictures.commands(), languages=words.languages, say=words.say)
        self.answer: Handler = Commands(registry, self._nothing)

    def asked(self, text: str, hold: Held | None = None, *, seen: bool = True) -> tuple[Delivery, Collected]:
        made, reply = delivery(text, hold=hold)
        made.previews = seen
        return made, reply

    async def _nothing(self, made: Delivery) -> None:
        """Whatever is no command."""

    async def say(self, text: str, hold: Held | None = None, *, seen: bool = True) -> Collected:
        made, reply = self.asked(text, hold, seen=seen)
        await self.answer(made)
        await made.end()
        return reply


@pytest.fixture
async def endpoint() -> AsyncIterator[EndpointSimulator]:
    async with endpoint_simulator() as simulator:
        yield simulator


@pytest.fixture
async def studio(
    endpoint: EndpointSimulator, redis: Redis, prefix: str, tmp_path: Path
) -> AsyncIterator[Make]:
    workshop, keys, routers = Workshop(), Keys(prefix), list[Router]()
    file = tmp_path / "prices.toml"
    file.write_text(BY_TOKENS)

    def make(previews: str = "2", **limits: str) -> Studio:
        given = {
            "OPENAI_API_KEY": endpoint.key,
            "OPENAI_BASE_URL": endpoint.base_url,
            "CHAT_MODEL": "small",
            "IMAGE_MODEL": "painter",
            "IMAGE_PREVIEWS": previews,
        }
        given = {name: value for name, value in given.items() if value}
        client = Client(Timeouts(first_byte=20, idle=20, linger=0.05))
        router = Router(EndpointSettings.load(given), given, client=client)
        routers.append(router)
        held = Limits(LimitSettings.load({"RATE_LIMIT": "off", **limits}), redis, keys)
        return Studio(redis, keys, router, Meter(router, held, Prices.load(file), tokens()), workshop)

    yield make
    for router in routers:
        await router.close()
    await workshop.close()


def pictures(reply: Collected) -> list[Preview | Media]:
    return [part for part in reply.parts if isinstance(part, Preview | Media)]


def partial(data: bytes) -> bytes:
    document = {"type": "image_generation.partial_image", "b64_json": base64.b64encode(data).decode()}
    return event(document)


def done() -> bytes:
    return event({"type": "image_generation.completed", "b64_json": base64.b64encode(png()).decode()})


@pytest.mark.parametrize("text", ["/image a fox", "/edit brighter"])
async def test_a_picture_is_shown_while_it_is_drawn(studio: Make, text: str) -> None:
    home = studio()
    await home.easel.put("test-ann", Source(png()))
    *previews, last = pictures(await home.say(text))
    assert previews == [Preview("image/png", png(colour=colour)) for colour in ROUGH[:2]]
    assert isinstance(last, Media)
    assert last.data == png()


@pytest.mark.parametrize(
    ("previews", "text"), [("", "/image a fox"), ("0", "/image a fox"), ("3", "/image a fox --n 2")]
)
async def test_where_it_is_not_wanted_only_the_finished_one_is_asked_for(
    studio: Make, endpoint: EndpointSimulator, previews: str, text: str
) -> None:
    reply = await studio(previews).say(text)
    assert {type(part) for part in pictures(reply)} == {Media}
    assert not endpoint.requests[-1].streamed


async def test_nobody_pays_for_unfinished_pictures_that_nobody_sees(
    studio: Make, endpoint: EndpointSimulator
) -> None:
    await studio("3").say("/image a fox", seen=False)
    assert not endpoint.requests[-1].streamed


async def test_a_large_unfinished_picture_is_made_small_and_an_unreadable_one_left_out(
    studio: Make, endpoint: EndpointSimulator
) -> None:
    noise = io.BytesIO()
    Image.effect_noise((900, 600), 90).save(noise, "PNG")
    endpoint.script(raw(partial(noise.getvalue()), partial(png()[:60] + bytes(PREVIEW)), done()))
    shown, last = pictures(await studio().say("/image a fox"))
    assert isinstance(shown, Preview)
    assert len(noise.getvalue()) > PREVIEW >= len(shown.data)
    assert max(Image.open(io.BytesIO(shown.data)).size) < 900
    assert last.data == png()


async def test_drawing_stops_between_two_unfinished_pictures(
    studio: Make, endpoint: EndpointSimulator, eventually: Callable[[Callable[[], Awaitable[object]]], Any]
) -> None:
    gate = asyncio.Event()
    endpoint.script(raw(partial(png()), gate))
    home = studio()
    made, reply = home.asked("/image a fox")
    drawing = asyncio.create_task(home.answer(made))

    async def begun() -> bool:
        return bool(pictures(reply))

    await eventually(begun)
    made.stop()
    await drawing
    gate.set()
    assert reply.notices == ["stopped"]
    assert (await home.usages.tally("total", "day")).cost == PICTURE_BOUND * 40, "as much as it may have cost"


async def test_a_drawing_that_breaks_off_costs_nothing(studio: Make, endpoint: EndpointSimulator) -> None:
    home = studio()
    endpoint.script(raw(partial(png()), CUT))
    with pytest.raises(Interrupted):
        await home.say("/image a fox")
    assert (await home.usages.tally("total", "day")).cost == 0


async def test_a_picture_paid_by_tokens_costs_what_the_server_counted(studio: Make) -> None:
    home = studio(BUDGET_PERSON_DAY="0.02")
    reply = await home.say("/image a fox")
    assert (await home.usages.tally("total", "day")).cost == 12 * 10 + 472 * 40
    assert pictures(reply)[-1].caption == "a fox\n0.0190 USD"  # type: ignore[union-attr]
    with pytest.raises(BudgetSpent):
        await home.say("/image another fox")


async def test_a_picture_that_cannot_be_kept_is_shown(studio: Make, endpoint: EndpointSimulator) -> None:
    strange = png()[:60] + bytes(LARGEST)
    document = {"data": [{"b64_json": base64.b64encode(strange).decode()}]}
    endpoint.script(raw(json.dumps(document).encode(), media_type="application/json"))
    home = studio("0")
    await home.easel.put("test-ann", Source(png()))
    assert pictures(await home.say("/image a fox"))[0].data == strange
    assert await home.easel.picture("test-ann") is None, "the one before it is not the last one any more"


async def test_a_platform_that_shows_no_unfinished_picture_gets_the_finished_one(
    studio: Make, endpoint: EndpointSimulator
) -> None:
    class Away(Collected):
        async def send(self, part: ReplyPart) -> None:
            self.away = isinstance(part, Preview)
            await super().send(part)

    made, reply = delivery("/image a fox", reply=Away())
    made.previews = True
    await studio().answer(made)
    assert [type(part) for part in pictures(reply)] == [Media]
    assert len(endpoint.requests) == 1
