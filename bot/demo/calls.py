"""What the demo calls for: a picture where somebody asks for one, and its change behind it."""

from __future__ import annotations

import re
from collections.abc import Collection

_DRAW = re.compile(
    r"(?:please |can you |could you )?(?:draw|paint|sketch)(?: me)? (?P<what>.+)"
    r"|(?:请|請)?(?:给我|給我|帮我|幫我)?(?:画|畫)(?:一?[张張幅个個只隻])?(?P<was>.+)",
    re.IGNORECASE | re.DOTALL,
)
_CHANGE = re.compile(
    r"(?:please |now )?make (?:it|that|the picture) .+|(?:请|請)?(?:把它|让它|讓它|再(?!见|見)).+",
    re.IGNORECASE | re.DOTALL,
)
_NOTE = re.compile(r"^\[(?:drew|changed the picture): ", re.MULTILINE)


def call(
    said: str, before: Collection[str], offered: Collection[str], *, shown: bool
) -> tuple[str, str] | None:
    """The function and its prompt for what the person said last; None where words will do.

    `before` are the earlier answers; `shown`: there is a picture in the message.
    """
    said = said.strip().rstrip(".。!！")
    if "edit_image" in offered and _CHANGE.fullmatch(said) and (shown or any(map(_NOTE.search, before))):
        return "edit_image", said
    match = _DRAW.fullmatch(said)
    if "image" in offered and match is not None:
        return "image", (match["what"] or match["was"]).strip()
    return None
