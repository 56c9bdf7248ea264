"""How long a recording in AMR plays, by its frames, as a platform measures it that takes only short ones."""

from __future__ import annotations

_SIGNATURE = b"#!AMR\n"
_FRAME = 0.02  # seconds
_SIZES = (13, 14, 16, 18, 20, 21, 27, 32, 6, None, None, None, None, None, None, 1)
"""Bytes of a frame by its type, the header's own byte counted (RFC 4867, 5.3; 3GPP TS 26.101)."""


def seconds(data: bytes) -> float:
    """The length of a recording. Raises `ValueError` for what is no whole AMR file."""
    if not data.startswith(_SIGNATURE):
        raise ValueError("no AMR")
    at, frames = len(_SIGNATURE), 0
    while at < len(data):
        size = _SIZES[data[at] >> 3 & 15]
        if size is None or at + size > len(data):
            raise ValueError(f"a broken frame at {at}")
        at, frames = at + size, frames + 1
    return round(frames * _FRAME, 2)
