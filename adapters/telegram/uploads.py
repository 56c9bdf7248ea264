"""Pictures, recordings, videos and files on their way up: what message each becomes, alone or in an album."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from telegram import InputMediaDocument, InputMediaPhoto, Message

from adapters.telegram.client import Client
from bot.api import Media

PHOTO_LIMIT = 10_000_000
"""Bytes (https://core.telegram.org/bots/api#sending-files); more go as a file."""

ALBUM_LIMIT = 10
"""Messages of an album, of which there are two at least (https://core.telegram.org/bots/api#sendmediagroup)."""

_PHOTOS = ("image/jpeg", "image/png", "image/webp")
_MUSIC = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/mp4": "m4a", "audio/x-m4a": "m4a"}
_VOICE = ("audio/ogg", "audio/opus")
_FORMS = {"photo": InputMediaPhoto, "document": InputMediaDocument}


def form(media: Media) -> tuple[str, str]:
    """The kind of message for it, and a file name: its own, else one that says what it is."""
    kind, name = _form(media)
    return kind, media.name or name


def _form(media: Media) -> tuple[str, str]:
    mime = media.mime.partition(";")[0].strip().lower()
    ending = mime.rpartition("/")[2].rpartition("-")[2] or "bin"
    if media.kind == "image":
        shown = mime in _PHOTOS and len(media.data) <= PHOTO_LIMIT
        return "photo" if shown else "document", f"image.{ending}"
    if media.kind == "audio":
        if mime in _VOICE:
            return "voice", "voice.ogg"
        return ("audio", f"audio.{_MUSIC[mime]}") if mime in _MUSIC else ("document", f"audio.{ending}")
    if media.kind == "video":
        return "video" if mime == "video/mp4" else "document", f"video.{ending}"
    return "document", f"file.{ending}"


def albums(images: Sequence[Media]) -> list[Sequence[Media]]:
    """Images in order, as they go out together: pictures and files have no album in common."""
    runs = (list(run) for _, run in groupby(images, key=lambda image: form(image)[0]))
    return [run[at : at + ALBUM_LIMIT] for run in runs for at in range(0, len(run), ALBUM_LIMIT)]


async def alone(client: Client, kind: str, media: Media, chat: str, more: Mapping[str, Any]) -> int:
    """Send one as a message of this kind; its number. `more` are further parameters. Raises `TelegramError`."""
    send: dict[str, Callable[..., Awaitable[Message]]] = {
        "photo": client.send_photo,
        "voice": client.send_voice,
        "audio": client.send_audio,
        "video": client.send_video,
        "document": client.send_document,
    }
    file = {kind: media.data, "filename": form(media)[1], "caption": media.caption or None}
    return (await send[kind](chat, **file, api_kwargs=dict(more))).message_id


async def instead(
    client: Client, number: int, media: Media, chat: str, more: Mapping[str, Any]
) -> Message | bool:
    """Put a picture, or a file, in the place of the one in a message. Raises `TelegramError`."""
    kind, name = form(media)
    shown = _FORMS[kind](media.data, caption=media.caption or None, filename=name)
    return await client.edit_message_media(shown, chat, number, api_kwargs=dict(more))


async def together(client: Client, images: Sequence[Media], chat: str, more: Mapping[str, Any]) -> list[int]:
    """Send two to ten of one kind as an album; their numbers. Raises `TelegramError`."""
    album = []
    for image in images:
        kind, name = form(image)
        album.append(_FORMS[kind](image.data, caption=image.caption or None, filename=name))
    return [sent.message_id for sent in await client.send_media_group(chat, album, api_kwargs=dict(more))]
