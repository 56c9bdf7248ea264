"""What a model may do with pictures: its tools for drawing one, and for changing one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.commands.media import attached
from bot.commands.pictures import DID, SOURCES, Pictures, What
from bot.commands.wishes import Wish, shape
from bot.delivery import Delivery
from bot.endpoints.chat import Function
from bot.tools import Deed, Journal

_SHAPES = ("square", "landscape", "portrait")
_NOTES = (
    "Notes in square brackets such as [drew: …] in your earlier answers were put there by the app. "
    "Never write such a note yourself: only a call of this function makes a picture."
)
_NOTE = re.compile(r"^\[(?:drew|changed the picture): .*\]$", re.MULTILINE)
_DRAW = Function(
    "image",
    "Draws a new picture and shows it to the person. Use it when they ask for a picture, a drawing, a photo, a logo "
    f"or the like, and not otherwise. {_NOTES}",
    {
        "type": "object",
        "properties": {
            "prompt": {
                "type": "string",
                "description": "What is to be seen, in full: subject, style, light, background, words in it.",
            },
            "shape": {"type": "string", "enum": list(_SHAPES), "description": "Left out: square."},
        },
        "required": ["prompt"],
    },
)
_CHANGE = Function(
    "edit_image",
    "Changes a picture and shows the new one: the picture that the person sent with this message or replied to, else "
    f"the last one that was drawn in this dialogue. Use it for wishes such as “make it brighter”. {_NOTES}",
    {
        "type": "object",
        "properties": {
            "prompt": {
                "type": "string",
                "description": "What is to be different, and what stays as it is.",
            }
        },
        "required": ["prompt"],
    },
)


class Brush:
    """Draws, or changes what there is; a `tools.Tool`."""

    def __init__(self, pictures: Pictures, what: What) -> None:
        self.function = _DRAW if what == "image" else _CHANGE
        self._pictures = pictures
        self._what = what

    def there(self) -> bool:
        """Whether somebody draws."""
        return self._pictures.can(self._what)

    async def use(
        self, delivery: Delivery, arguments: Mapping[str, Any], *, call: int, journal: Journal
    ) -> str:
        """Draw or change what the prompt says. Raises as `Pictures.draw` does."""
        prompt = arguments.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            return "The prompt is missing: say what the picture shall be."
        if self._what == "edit" and len(attached(delivery, "image")) > SOURCES:
            return f"At most {SOURCES} pictures can be changed together. Tell the person so."
        wish = Wish(prompt.strip(), size=shape(arguments.get("shape")) if self._what == "image" else "")
        deed = Deed.of(self.function.name, wish.prompt, did=DID[self._what], call=call)
        shown = await self._pictures.draw(
            delivery, self._what, wish, call=call, journal=lambda: journal(deed)
        )
        if shown is None:
            return "There is no picture to change: ask the person to send one, or draw a new one."
        return "Done: the person sees the picture. Add a short sentence at most." if shown else ""

    async def again(self, delivery: Delivery, deed: Deed) -> bool:
        """Show the picture once more. Is it there?"""
        return await self._pictures.again(delivery, self._what, Wish(deed.wish), (deed.call,))


def without_notes(answer: str) -> str:
    """What the model said, without the notes of what was drawn."""
    return _NOTE.sub("", answer).strip()


def brushes(pictures: Pictures) -> tuple[Brush, Brush]:
    """The two tools."""
    return Brush(pictures, "image"), Brush(pictures, "edit")
