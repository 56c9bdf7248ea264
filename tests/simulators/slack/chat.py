"""The methods that post, change and take back messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.simulators.slack import blocks as kit
from tests.simulators.slack.api import Asked
from tests.simulators.slack.refusal import Refused
from tests.simulators.slack.world import Channel, Ephemeral, Message

MARKDOWN_TEXT = 12_000
_UPDATE_TEXT = 4_000  # chat.update, then msg_too_long
_TS = re.compile(r"\d{10}\.\d{6}")
_LOOKS = ("username", "icon_emoji", "icon_url")


async def post(asked: Asked) -> Mapping[str, Any]:
    """chat.postMessage."""
    channel = _writable(asked)
    content = _content(asked)
    thread = thread_of(asked)
    if asked["reply_broadcast"] and not thread:
        raise Refused("invalid_arguments", "reply_broadcast needs a thread_ts")
    message = posted(asked, channel, content | {"thread_ts": thread})
    if asked["reply_broadcast"]:
        message.subtype = "thread_broadcast"
    asked.sim.show(message)
    return {"channel": channel.id, "ts": message.ts, "message": message.json()}


async def post_ephemeral(asked: Asked) -> Mapping[str, Any]:
    """chat.postEphemeral."""
    channel = _writable(asked)
    content = _content(asked)
    if asked["user"] not in channel.members:
        raise Refused("user_not_in_channel")
    whisper = Ephemeral(
        asked.sim.ts(), channel, asked["user"], _words(content), content["blocks"], thread_of(asked)
    )
    channel.ephemerals.append(whisper)
    return {"message_ts": whisper.ts}


async def update(asked: Asked) -> Mapping[str, Any]:
    """chat.update. Blocks and attachments that are not named stay, as the page of the method says."""
    channel = asked.channel(member=None)
    if channel.archived:
        raise Refused("is_inactive")
    message = channel.find(asked["ts"])
    if message is None:
        raise Refused("message_not_found")
    if not message.by_app:
        raise Refused("cant_update_message")
    if asked.sim.streams.running(message):
        raise Refused("streaming_state_conflict")
    if not {"text", "blocks", "attachments", "markdown_text"} & set(asked.params):
        raise Refused("no_text")
    content = _content(asked, keeps=bool(message.blocks or message.files or message.attachments))
    if len(content["text"]) > _UPDATE_TEXT and not content["blocks"]:
        raise Refused("msg_too_long")
    before = message.json()
    _change(asked, message, content)
    message.edited = {"user": asked.team.user, "ts": asked.sim.ts()}
    asked.sim.events.changed(message, before)
    return {
        "channel": channel.id,
        "ts": message.ts,
        "text": message.fallback,
        "message": message.json(),
    }


def _change(asked: Asked, message: Message, content: Mapping[str, Any]) -> None:
    message.edits.append(message.shown)
    if asked["blocks"] is not None or content["markdown"] is not None:
        message.blocks = content["blocks"]
    if asked["attachments"] is not None:
        message.attachments = content["attachments"]
    if asked["text"] is not None or content["markdown"] is not None:
        message.text, message.markdown = content["text"], content["markdown"]
    if message.stream is not None:
        message.extra["streamed"], message.stream = message.stream.text, None


async def delete(asked: Asked) -> Mapping[str, Any]:
    """chat.delete."""
    channel = asked.channel(member=None)
    message = channel.find(asked["ts"])
    if message is None:
        raise Refused("message_not_found")
    if not message.by_app:
        raise Refused("cant_delete_message")
    asked.sim.take_away(message)
    return {"channel": channel.id, "ts": message.ts}


async def permalink(asked: Asked) -> Mapping[str, Any]:
    """chat.getPermalink."""
    channel = asked.channel(member=None)
    message = channel.find(asked["message_ts"])
    if message is None:
        raise Refused("message_not_found")
    link = f"https://{asked.team.domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    return {"channel": channel.id, "permalink": link}


def posted(asked: Asked, channel: Channel, content: Mapping[str, Any]) -> Message:
    """A new message of the app, not yet shown."""
    return Message(asked.sim.ts(), channel, asked.team.user, by_app=True, team=asked.team.id, **{**content})


def thread_of(asked: Asked) -> str | None:
    """The thread_ts argument; refused where it is no ts."""
    given = asked["thread_ts"]
    if given in (None, ""):
        return None
    if not isinstance(given, str) or not _TS.fullmatch(given):
        raise Refused("invalid_thread_ts")
    return given


def _writable(asked: Asked) -> Channel:
    if any(asked[look] for look in _LOOKS):
        asked.needs("chat:write.customize")
    if str(asked["channel"])[:1] == "U":
        person = asked.sim.people.get(asked["channel"])
        if person is None or person.team is not asked.team:
            raise Refused("channel_not_found")
        return asked.sim.dm(person)
    public = "chat:write.public" in asked.team.scopes and asked.method == "chat.postMessage"
    channel = asked.channel(member=None if public else "not_in_channel")
    if channel.archived:
        raise Refused("is_archived")
    return channel


def _content(asked: Asked, *, keeps: bool = False) -> dict[str, Any]:
    text, markdown = asked["text"] or "", asked["markdown_text"]
    if not isinstance(text, str):
        raise Refused("invalid_arguments", "must be a string [json-pointer:/text]")
    if markdown is not None:
        if asked["text"] or asked["blocks"]:
            raise Refused("markdown_text_conflict")
        if len(markdown) > MARKDOWN_TEXT:
            raise Refused("msg_too_long")
    blocks = kit.message_blocks(asked["blocks"]) if asked["blocks"] is not None else []
    attachments = asked["attachments"] or []
    if not isinstance(attachments, list):
        raise Refused("invalid_attachments")
    if len(attachments) > 100:
        raise Refused("too_many_attachments")
    if not (text.strip() or (markdown or "").strip() or blocks or attachments or keeps):
        raise Refused("no_text")
    return {
        "text": text[: kit.TEXT],
        "blocks": blocks,
        "attachments": attachments,
        "markdown": markdown,
        "metadata": _metadata(asked["metadata"]),
    }


def _metadata(given: Any) -> dict[str, Any] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping) or not {"event_type", "event_payload"} <= set(given):
        raise Refused("invalid_metadata_format")
    return dict(given)


def _words(content: Mapping[str, Any]) -> str:
    return str(content["text"] if content["markdown"] is None else content["markdown"])
