"""Speech, pictures and files of every format on five platforms: what comes is what was said, shown and wished."""

from __future__ import annotations

from pathlib import Path

from tests.whole.senses import senses


async def test_on_five_platforms_people_ask_aloud_show_draw_and_change_pictures_and_send_every_format(
    tmp_path: Path,
) -> None:
    async with senses(tmp_path, camera=(600, 800)) as played:
        await played.play()
    booths = [booth.name for booth in played.booths]
    assert [act.platform for act in played.acts if act.what == "asked aloud"] == booths
    assert len(played.passages) >= 40
    assert any(call.body.get("partial_images") for call in played.endpoint.requests), "pictures in the making"
