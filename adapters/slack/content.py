"""What comes with a message: its files as attachments, and the messages that were shared with it.

Objects: https://docs.slack.dev/reference/objects/file-object
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from adapters.slack import mrkdwn
from bot.api import Attachment, Quoted

Json = Mapping[str, Any]

_MOST = 10  # files of one message; Slack's own apps send no more
_LOST = frozenset({"tombstone", "hidden_by_limit"})  # a file's mode, where nothing is left of it


def attachments(files: Sequence[Json] | None, team: str) -> tuple[Attachment, ...]:
    """The files of a message, by `team`'s bot. What is deleted or beyond the workspace's plan is none."""
    kept = [file for file in files or () if file.get("id") and file.get("mode") not in _LOST]
    return tuple(_attachment(file, team) for file in kept[:_MOST])


def reference(team: str, file: str) -> str:
    """What names a file to us later: where and which, and no address."""
    return json.dumps({"team": team, "file": file}, separators=(",", ":"))


def referred(ref: str) -> tuple[str, str]:
    """Team and file of a `reference`. Raises `ValueError` for anything else."""
    match json.loads(ref):
        case {"team": str() as team, "file": str() as file} if file:
            return team, file
    raise ValueError("no reference to a file")


def quoted(
    shares: Sequence[Json] | None, team: str, names: Mapping[str, str], us: Collection[str] = ()
) -> Quoted | None:
    """The messages that were forwarded, or whose link was unfolded; None where there are none. `us`: our ids."""
    found = [share for share in shares or () if share.get("is_share") or share.get("is_msg_unfurl")]
    if not found:
        return None
    texts = [mrkdwn.plain(str(share.get("text") or share.get("fallback") or ""), names) for share in found]
    authors = {str(share.get("author_name") or share.get("author_subname") or "") for share in found}
    return Quoted(
        text="\n\n".join(filter(None, texts)),
        author=authors.pop() if len(authors) == 1 else "",
        attachments=tuple(a for share in found for a in attachments(share.get("files"), team))[:_MOST],
        ours=all(share.get("author_id") in us for share in found),
    )


def texts(message: Json) -> str:
    """Every text of a message that may name people, as Slack sent it."""
    shares = message.get("attachments") or ()
    return "\n".join([str(message.get("text") or ""), *(str(share.get("text") or "") for share in shares)])


def _attachment(file: Json, team: str) -> Attachment:
    kind, mime = _kind(file)
    return Attachment(
        kind=kind,
        ref=reference(team, str(file["id"])),
        mime=mime,
        size=int(file.get("size") or 0),
        name=str(file.get("name") or file.get("title") or ""),
        duration=float(file.get("duration_ms") or 0) / 1000,
    )


def _kind(file: Json) -> tuple[Literal["image", "audio", "video", "file"], str]:
    """A recorded clip may be labelled as a video although it is sound only, so its subtype counts before its type."""
    mime = str(file.get("mimetype") or "")
    family, _, form = mime.partition("/")
    if _is_clip(file):
        return "audio", mime if family == "audio" else f"audio/{form or 'mp4'}"
    match family:
        case "image" | "audio" | "video":
            return family, mime
    return "file", mime


def _is_clip(file: Json) -> bool:
    if file.get("subtype") == "slack_video":
        return False
    sounds = file.get("subtype") == "slack_audio" or file.get("media_display_type") == "audio"
    named = str(file.get("name") or "").startswith("audio_message")
    return sounds or (named and str(file.get("mimetype") or "").startswith(("video/", "audio/")))
