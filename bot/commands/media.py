"""What commands work on besides words: what is attached to their message, or to the one that they answer."""

from __future__ import annotations

import asyncio
import math
from mimetypes import guess_type
from typing import Literal

from bot.api import Attachment, Gone
from bot.delivery import Delivery
from bot.errors import TooLarge
from bot.unpacking import NotReceived

FETCH_LIMIT = 20 * 1024 * 1024
"""Bytes of one attachment."""

FETCH_SECONDS = 60.0

AT_ONCE = 4
"""Commands of a kind that hold attachments in memory at the same time; the others wait."""

_MEGABYTE = 1024 * 1024

Kind = Literal["image", "audio", "video", "file"]


def attached(delivery: Delivery, *kinds: Kind) -> list[Attachment]:
    """The attachments of these kinds: those of the message that is answered first, then the message's own."""
    message = delivery.message
    quoted = message.quoted.attachments if message.quoted else ()
    return [attachment for attachment in (*quoted, *message.attachments) if of_kinds(attachment, *kinds)]


def of_kinds(attachment: Attachment, *kinds: Kind) -> bool:
    """Whether it is of one of these kinds, also where it was sent as a file."""
    # What is sent as a file keeps its quality, and says in its type or by its name what it is.
    mime = attachment.mime or guess_type(attachment.name)[0] or ""
    family = mime.partition("/")[0]
    return attachment.kind in kinds or (attachment.kind == "file" and family in kinds)


async def fetched(delivery: Delivery, attachment: Attachment) -> bytes:
    """Its bytes. Raises `TooLarge`, `NotReceived` and `Unavailable`."""
    too_large = TooLarge(f"{attachment.size} bytes", limit=math.floor(FETCH_LIMIT / _MEGABYTE))
    if attachment.size > FETCH_LIMIT:
        raise too_large
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            data = await delivery.fetch(attachment)
    except Gone as error:
        raise NotReceived(str(error)) from error
    except TimeoutError:
        raise NotReceived(f"not there within {FETCH_SECONDS:g} s") from None
    if len(data) > FETCH_LIMIT:
        raise too_large
    return data
