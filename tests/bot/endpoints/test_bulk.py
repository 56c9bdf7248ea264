"""Long base64 is taken out of JSON wherever the wire cuts it, and reading it holds nobody up."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.endpoints.bulk import LARGE, Sieve
from bot.endpoints.client import Client
from bot.endpoints.images import Finished, ImageEndpoint, Wish
from bot.endpoints.settings import Server
from bot.errors import ServerFailed
from tests.bot.media.test_workshop import BLOCKED, MEGABYTE, ticking
from tests.simulators.endpoint import EndpointSimulator, raw
from tests.simulators.endpoint_media import png

BYTES = random.Random(5).randbytes(LARGE)  # noqa: S311
B64 = base64.b64encode(BYTES).decode()


def through(text: bytes, cuts: list[int], limit: int = 10 * MEGABYTE) -> Any:
    """The value of a document that comes in pieces."""
    sieve = Sieve(limit)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    left = b"".join(sieve.feed(text[a:b]) for a, b in pairwise(places)) + sieve.close()
    return sieve.loads(left.decode())


STRINGS = {"<base64>": B64, "<words>": "w " * LARGE, "<escapes>": '\\"' * 9}
VALUES = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(), st.sampled_from(["<words>", "<escapes>"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=9), st.just("<base64>") | inner, max_size=3)
    ),
    max_leaves=6,
)


@given(value=VALUES, cuts=st.lists(st.integers(0)))
def test_nothing_else_is_touched_wherever_it_is_cut(value: Any, cuts: list[int]) -> None:
    def filled(one: Any, picture: object) -> Any:
        if isinstance(one, dict):
            return {name: filled(inner, picture) for name, inner in one.items()}
        if isinstance(one, list):
            return [filled(inner, picture) for inner in one]
        return picture if one == "<base64>" else STRINGS.get(one, one) if isinstance(one, str) else one

    whole = {"first": value, "b64_json": "<base64>"}
    text = json.dumps(filled(whole, B64)).encode()
    assert through(text, cuts) == filled(whole, BYTES)


@pytest.mark.parametrize(
    "written",
    [
        B64,
        f"data:image/png;base64,{B64}",
        B64.replace("/", "\\/"),
        "\\n".join(B64[at : at + 76] for at in range(0, len(B64), 76)),
        "\\r\\n".join(B64[at : at + 76] for at in range(0, len(B64), 76)),
    ],
    ids=["plain", "a data URL", "escaped slashes", "lines", "lines of Windows"],
)
@pytest.mark.parametrize("step", [1021, 65_536])
def test_base64_is_read_however_it_is_written(written: str, step: int) -> None:
    text = f'{{"data": [{{"b64_json": "{written}"}}]}}'.encode()
    assert through(text, list(range(0, len(text), step))) == {"data": [{"b64_json": BYTES}]}


@pytest.mark.parametrize(
    "broken", [B64[:-1], f"{B64[:80_000]} {B64[80_000:]}", f"{B64[:80_000]}\\u0041{B64}"]
)
def test_what_should_be_base64_and_is_none_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match=r"base64|padding|data"):
        through(f'{{"b64_json": "{broken}"}}'.encode(), [])


def test_what_is_too_much_is_refused_before_it_is_read() -> None:
    for text in ("A" * 9 * LARGE, "w " * 9 * LARGE):
        with pytest.raises(ValueError, match="more than"):
            through(f'{{"b64_json": "{text}"}}'.encode(), list(range(0, len(text), 65_536)), limit=4 * LARGE)


def test_a_quote_outside_of_json_hides_nothing_behind_the_end_of_its_line() -> None:
    sieve = Sieve(MEGABYTE)
    left = sieve.feed(f': it is 5" wide\ndata: {{"b64_json": "{B64}"}}\n\n'.encode())
    assert left.startswith(b': it is 5" wide\n')
    assert sieve.loads(left.decode().partition("data: ")[2]) == {"b64_json": BYTES}


async def test_two_pictures_of_twelve_megabytes_hold_nobody_up(
    client: Client, server: Server, endpoint: EndpointSimulator
) -> None:
    large = png() + random.Random(7).randbytes(12 * MEGABYTE)  # noqa: S311
    body = json.dumps({"created": 1, "data": [{"b64_json": base64.b64encode(large).decode()}] * 2}).encode()
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
    del body
    endpoint.script(raw(*pieces, media_type="application/json"))
    async with ticking() as gaps:
        drawn = [part async for part in ImageEndpoint(client, server).generate(Wish("a cat", n=2), "easel")]
        told = len(gaps)
        while len(gaps) == told:  # noqa: ASYNC110 - the end counts, too
            await asyncio.sleep(0)
    assert isinstance(drawn[-1], Finished)
    assert [image.data == large for image in drawn[-1].images] == [True, True]
    assert max(gaps) < BLOCKED


async def test_base64_that_is_none_is_a_fault_of_the_server(
    client: Client, server: Server, endpoint: EndpointSimulator
) -> None:
    text = json.dumps({"data": [{"b64_json": f"{B64}=A"}]}).encode()
    endpoint.script(raw(text, media_type="application/json"))
    with pytest.raises(ServerFailed):
        [part async for part in ImageEndpoint(client, server).generate(Wish("a cat"), "easel")]
