"""A model's brushes: they draw and change by the same way as the commands, and say what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.api import Media, Status
from bot.attached import Attached
from bot.commands.pictures import SOURCES, Pictures
from bot.commands.studio import Brush, brushes, without_notes
from bot.easel import Easel
from bot.endpoints.client import Client, Timeouts
from bot.endpoints.settings import EndpointSettings
from bot.errors import Filtered, MessageTooLong, NoImages
from bot.keys import Keys
from bot.limits import BudgetSpent, Limits, LimitSettings
from bot.media.workshop import Workshop
from bot.meter import Meter
from bot.prices import Prices
from bot.routing import Router
from bot.tools import Deed, Toolbox
from tests.bot.commands.test_media import PRICES, House
from tests.bot.doubles import Collected, incoming, tokens
from tests.simulators.endpoint import EndpointSimulator, endpoint_simulator, fail
from tests.simulators.endpoint_media import png


class Studio:
    """A conversation with brushes in it; `deeds` is the journal."""

    def __init__(self, house: House, tools: tuple[Brush, Brush]) -> None:
        self.house = house
        self.image, self.edit = tools
        self.deeds: list[Deed] = []
        self.shown_then: list[int] = []
        self.calls = 0
        self.message = incoming("Draw a fox, and make it brighter.")

    async def use(
        self, brush: Brush, *attached: Any, stopped: bool = False, **arguments: Any
    ) -> tuple[str, Collected]:
        message = replace(self.message, attachments=attached)
        made, reply = self.house.delivery("", message=message)
        if stopped:
            made.stop()

        async def journal(deed: Deed) -> None:
            self.shown_then.append(len(media(reply)))
            self.deeds.append(deed)

        self.calls += 1
        return await brush.use(made, arguments, call=self.calls, journal=journal), reply


def media(reply: Collected) -> list[Media]:
    return [part for part in reply.parts if isinstance(part, Media)]


@pytest.fixture
async def endpoint() -> AsyncIterator[EndpointSimulator]:
    async with endpoint_simulator() as simulator:
        yield simulator


@pytest.fixture
async def studio(
    endpoint: EndpointSimulator, redis: Redis, prefix: str, tmp_path: Path
) -> AsyncIterator[Any]:
    own = tmp_path / "prices.toml"
    own.write_text(PRICES, encoding="utf-8")
    workshop, routers, keys = Workshop(), list[Router](), Keys(prefix)

    def make(**limits: str) -> Studio:
        given = {
            "OPENAI_BASE_URL": endpoint.base_url,
            "OPENAI_API_KEY": endpoint.key,
            "IMAGE_MODEL": "painter",
        }
        client = Client(Timeouts(connect=30, first_byte=30, idle=30))
        routers.append(Router(EndpointSettings.load(given), given, client=client))
        prices = Prices.load(own)
        house = House(redis, keys, routers[-1], workshop, prices)
        held = Limits(LimitSettings.load({"RATE_LIMIT": "off", **limits}), redis, keys)
        meter = Meter(routers[-1], held, prices, tokens())
        attached = Attached(redis, keys, ttl=600)
        pictures = Pictures(routers[-1], meter, workshop, Easel(redis, keys), attached, windows=house.windows)
        return Studio(house, brushes(pictures))

    yield make
    for router in routers:
        await router.close()
    await workshop.close()


async def test_a_picture_is_noted_before_it_is_shown_and_the_reply_goes_on(
    studio: Any, endpoint: EndpointSimulator
) -> None:
    made = studio()
    told, reply = await made.use(made.image, prompt=" a red fox ", shape="portrait")
    assert told.startswith("Done")
    assert [(m.caption, m.data) for m in media(reply)] == [("a red fox\n0.04 USD", png())]
    assert (made.deeds, made.shown_then) == ([Deed("image", "a red fox", "[drew: a red fox]", 1)], [0])
    assert endpoint.requests[-1].body["size"] == "1024x1536"
    assert Status("drawing") in [Status(p.doing) for p in reply.parts if isinstance(p, Status)]
    assert not reply.ended

    # What was drawn is what is changed, and what is shown again after a crash.
    told, reply = await made.use(made.edit, prompt="make it brighter")
    assert [m.caption for m in media(reply)] == ["make it brighter\n0.04 USD"]
    assert made.deeds[-1].note == "[changed the picture: make it brighter]"
    again, reply = made.house.delivery("", message=made.message)
    await Toolbox([made.image, made.edit]).again(again, made.deeds)
    assert [m.caption for m in media(reply)] == ["a red fox\n0.04 USD", "make it brighter\n0.04 USD"]
    assert [call.path for call in endpoint.requests] == ["images/generations", "images/edits"]


async def test_what_is_shown_no_more_is_told_of_once(studio: Any, endpoint: EndpointSimulator) -> None:
    made = studio()
    for prompt in ("a fox", "an owl"):
        await made.use(made.image, prompt=prompt)
    await made.house.easel.clear(["test-ann"])
    again, reply = made.house.delivery("", message=made.message)
    await Toolbox([made.image, made.edit]).again(again, made.deeds)
    assert (reply.notices, media(reply), len(endpoint.requests)) == (["image.lost"], [], 2)


async def test_a_picture_that_came_with_the_words_is_the_one_that_is_changed(
    studio: Any, endpoint: EndpointSimulator
) -> None:
    made = studio()
    photo = made.house.file("image", png(), "image/png")
    await made.use(made.edit, photo, prompt="make it brighter")
    assert len(endpoint.requests[-1].files["image"]) == 1
    told, reply = await made.use(made.edit, *[photo] * (SOURCES + 1), prompt="make them brighter")
    assert (f"At most {SOURCES}" in told, media(reply), len(endpoint.requests)) == (True, [], 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "prompt is missing"),
        ({"prompt": " "}, "prompt is missing"),
        ({"prompt": ["a"]}, "prompt is missing"),
    ],
)
async def test_a_call_without_a_prompt_is_the_models_to_mend(studio: Any, arguments: Any, said: str) -> None:
    made = studio()
    assert said in (await made.use(made.image, **arguments))[0]
    assert made.deeds == []


async def test_where_there_is_nothing_to_change_the_model_is_told(studio: Any) -> None:
    made = studio()
    assert "no picture to change" in (await made.use(made.edit, prompt="brighter"))[0]


async def test_a_shape_that_is_none_is_left_to_the_server(studio: Any, endpoint: EndpointSimulator) -> None:
    made = studio()
    for shape in ("round", 7, None):
        await made.use(made.image, prompt="a fox", shape=shape)
    assert all("size" not in call.body for call in endpoint.requests)


async def test_faults_are_raised_and_nothing_is_noted(studio: Any, endpoint: EndpointSimulator) -> None:
    made = studio()
    with pytest.raises(MessageTooLong):
        await made.use(made.image, prompt="x" * 32_001)
    endpoint.script(fail(400, "Rejected by the safety system.", code="moderation_blocked"))
    with pytest.raises(Filtered):
        await made.use(made.image, prompt="a fox")
    assert (await made.use(made.image, prompt="a fox", stopped=True))[0] == ""
    endpoint.lacks = {"images/generations"}
    with pytest.raises(NoImages):
        await made.use(made.image, prompt="a fox")
    assert not made.image.there()
    assert made.edit.there()
    assert made.deeds == []


async def test_what_is_drawn_is_paid_for(studio: Any, endpoint: EndpointSimulator) -> None:
    made = studio(BUDGET_PERSON_DAY="0.01")
    with pytest.raises(BudgetSpent):
        await made.use(made.image, prompt="a fox")
    assert endpoint.requests == []


def test_notes_are_not_read_aloud() -> None:
    assert without_notes("[drew: a [red] fox]\n\nThere it is. [1]") == "There it is. [1]"
    assert without_notes("[changed the picture: brighter]") == ""
