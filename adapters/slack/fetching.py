"""A file that came with a message, downloaded."""

from __future__ import annotations

from adapters.slack.client import TRIES, Clients, Refused
from adapters.slack.content import referred
from bot.api import Attachment, Gone

DOWNLOAD_LIMIT = 20_000_000
"""Bytes."""


async def fetched(clients: Clients, attachment: Attachment) -> bytes:
    """The file's bytes. Raises `Gone`, `Unavailable`.

    Its address is asked for now: a file from another company's workspace comes without one
    (`file_access` is "check_file_info", https://docs.slack.dev/reference/objects/file-object).
    """
    if attachment.size > DOWNLOAD_LIMIT:
        raise Gone(f"a file of {attachment.size} bytes; at most {DOWNLOAD_LIMIT} are downloaded")
    try:
        team, name = referred(attachment.ref)
    except ValueError:
        raise Gone("this is no reference to a file at Slack") from None
    client = await clients.of(team)
    try:
        file = (await client.call("files.info", file=name, tries=TRIES)).get("file") or {}
    except Refused as error:
        raise Gone(str(error)) from None
    url = file.get("url_private_download") or file.get("url_private")
    if not url or file.get("mode") == "tombstone":
        raise Gone("Slack does not give this file out")
    return await client.download(str(url), limit=DOWNLOAD_LIMIT)
