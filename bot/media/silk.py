"""SILK, the voice format of Tencent's apps, which FFmpeg does not know."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pysilk  # type: ignore[import-untyped]

_SIGNATURE = b"#!SILK_V3"
_PACKET = 0.02  # seconds
_END = 0xFFFF  # in the place of a length


class Broken(Exception):
    """It cannot be decoded."""


def unsilk(data: bytes, rate: int, limit: float) -> Iterator[bytes]:
    """Samples of `rate` a second, mono, 16 bits, of little more than the first `limit` seconds. Raises `Broken`.

    `data` may begin with the byte 0x02 that Tencent's apps put before the signature, and may end anywhere.
    """
    packets = whole(data.removeprefix(b"\x02"), int(limit / _PACKET) + 50)
    decoded = BytesIO()
    try:
        pysilk.decode(BytesIO(packets), decoded, rate)
    except (pysilk.SilkError, OSError, ValueError, OverflowError) as error:
        raise Broken(f"{type(error).__name__}: {error}") from error
    samples = decoded.getbuffer()
    for start in range(0, len(samples), 2 * rate):
        yield bytes(samples[start : start + 2 * rate])


def whole(data: bytes, most: int) -> bytes:
    """The signature and at most `most` packets, without one that was cut off; nothing is decoded."""
    at = len(_SIGNATURE)
    for _ in range(most):
        size = int.from_bytes(data[at : at + 2], "little")
        if len(data) < at + 2 or size == _END or len(data) < at + 2 + size:
            break
        at += 2 + size
    return data[:at]
