"""Pictures, recordings and files of an answer: how they are named, shared in the thread, and taken away again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from mimetypes import guess_extension
from types import MappingProxyType
from typing import Any

from adapters.slack.client import TRIES, Client, Refused
from bot.api import Media

ALT_LIMIT = 1_000
"""Characters of a picture's description (https://docs.slack.dev/reference/methods/files.getUploadURLExternal)."""

COMMENT_LIMIT = 3_000
"""Characters of the words above a file; longer ones are a message of their own."""

TOGETHER = 10
"""Pictures in one message at most."""

_LOOKS = 6  # for the message of a file that was shared; it takes some three seconds
_ENDINGS: Mapping[str, str] = MappingProxyType(
    {
        "audio/flac": ".flac",
        "audio/mp3": ".mp3",
        "audio/mp4": ".m4a",
        "audio/mpeg": ".mp3",
        "audio/ogg": ".ogg",
        "audio/opus": ".ogg",
        "audio/wav": ".wav",
        "audio/x-m4a": ".m4a",
        "image/jpeg": ".jpg",
        "image/webp": ".webp",
        "video/webm": ".webm",
    }
)
"""Where the list of the machine says something else, or nothing."""


def name_of(media: Media) -> str:
    """A file name, by which Slack tells how to show it: its own, else one that says what it is."""
    if media.name:
        return media.name
    mime = media.mime.partition(";")[0].strip().lower()
    return media.kind + (_ENDINGS.get(mime) or guess_extension(mime) or ".bin")


async def messages_of(client: Client, channel: str, file: str) -> list[str]:
    """The messages of a channel that show a file: their ts. Raises `Refused`, `Later`, `Gone`, `Unavailable`."""
    found = (await client.call("files.info", file=file, tries=TRIES)).get("file") or {}
    shares: dict[str, dict[str, Any]] = found.get("shares") or {}
    return [str(share["ts"]) for kind in shares.values() for share in kind.get(channel, ()) if "ts" in share]


async def until_shown(client: Client, channel: str, files: Sequence[str]) -> None:
    """Wait until files that were shared stand in the channel, so that what follows stands below them.

    Slack shares in the background. It is waited for some seconds; nobody misses anything where that is too short.
    Raises `Later`, `Gone`, `Unavailable`.
    """
    for look in range(_LOOKS):
        try:
            if await messages_of(client, channel, files[-1]):
                return
        except Refused:
            return  # without files:read the order is left to Slack
        await client.sleep(0.1 * 2**look)


async def withdraw(client: Client, channel: str, file: str) -> None:
    """Take away a file and the messages that show it. Raises `Later`, `Gone`, `Unavailable`."""
    try:
        shown = await messages_of(client, channel, file)
    except Refused:
        shown = []  # it was never shared, or we may not look
    for ts in shown:
        try:
            await client.call("chat.delete", channel=channel, ts=ts, tries=TRIES)
        except Refused:
            continue  # somebody else has, or nobody may
    try:
        await client.call("files.delete", file=file, tries=TRIES)
    except Refused:
        return  # it is gone already
