"""A long evening of many people on three platforms at once, and that none of it went where it does not belong."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.whole.evening import SECRETS, Evening, evening
from tests.whole.seats import Transcript


async def test_a_long_evening_in_a_group_and_four_private_chats_on_three_platforms(tmp_path: Path):
    out = Transcript()
    async with asyncio.timeout(60):
        await evening(tmp_path, out, nothing_mixed)
    shown = "\n".join(out.lines)
    assert not re.search(r"\{\w+\}", shown)  # a placeholder that nobody has filled
    assert not re.search(
        r"^[^│]*Parley │ [a-z_]+\.[a-z_]+$", shown, re.MULTILINE
    )  # a key in the place of its words


async def nothing_mixed(played: Evening) -> None:
    """The endpoint knows all that it was told: each request is of one dialogue alone."""
    requests = [played.told(number) for number in range(len(played.endpoint.requests))]
    for told in requests:
        assert sum(word in told for word in SECRETS) <= 1
        in_the_group = " #" in told
        assert not (in_the_group and any(word in told for word in SECRETS))
        assert in_the_group or not any(line in told for line in ("Rain again", "Tea for me", "ahoy"))
    for word in SECRETS:
        assert any(word in told for told in requests)
    assert played.endpoint.refused == []
    log = played.running.log
    assert "Traceback" not in log
    assert "crashed" not in log
    for private in (*SECRETS, "sk-secret", "Rain again"):
        assert private not in log
