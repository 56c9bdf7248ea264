"""A recording in AMR is measured by its frames, and what is none is known as such."""

from __future__ import annotations

import pytest

from tests.bot.media.recordings import recorded, tone
from tests.simulators import amr


def test_its_length_is_that_of_what_was_recorded():
    assert amr.seconds(recorded(tone(3), "amr")) == pytest.approx(3, abs=0.04)
    assert amr.seconds(b"#!AMR\n") == 0


@pytest.mark.parametrize("data", [b"", b"RIFF", b"#!AMR\n\x3c", b"#!AMR\n\x64" + bytes(40)])
def test_what_is_no_whole_recording_is_refused(data: bytes):
    with pytest.raises(ValueError, match=r"no AMR|broken"):
        amr.seconds(data)
