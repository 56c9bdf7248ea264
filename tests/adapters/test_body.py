"""What is posted and downloaded comes whole, within its limit, and holds nobody up."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from adapters._body import gathered

MEGABYTE = 1024 * 1024


async def cut(data: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    at = number = 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        yield data[at : at + size]
        at, number = at + size, number + 1


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3 * MEGABYTE + 1])
@pytest.mark.parametrize("sizes", [[7, 1000], [65_536], [1, 200_000]])
async def test_pieces_of_any_size_become_one(size: int, sizes: list[int]) -> None:
    data = random.Random(size).randbytes(size)  # noqa: S311
    assert await gathered(cut(data, sizes), size) == data


async def test_more_than_the_limit_is_not_read_to_its_end() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1000
            yield bytes(1000)

    assert await gathered(endless(), 10_000) is None
    assert read == 11_000
